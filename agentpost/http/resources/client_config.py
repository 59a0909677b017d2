"""Presets for mail programs: JSON, Apple profiles, autoconfig, autodiscover (R134).

Sources: Apple's configuration profile reference (payload ``com.apple.mail.managed``); Mozilla's
autoconfiguration file format 1.1; MS-OXDSCLI sections 2.2.3 and 2.2.4 (Outlook).  No password
stands in any of them.
"""

from __future__ import annotations

import plistlib
import re
import uuid
from typing import Annotated, Any, Final, Literal
from xml.etree import ElementTree as ET

import msgspec
from msgspec import Meta

from agentpost.auth.addresses import canonical, is_ours
from agentpost.config import Address
from agentpost.errors import InvalidRequest, TooLarge
from agentpost.http.answer import JSON
from agentpost.http.desk import Terms, desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.model.inbox import LocalAddress

routes = Routes("Mail programs")
public = Routes("Mail programs", root="")

APPLE: Final = "application/x-apple-aspen-config"
XML: Final = "text/xml"

_DOMAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_ANY_ADDRESS: Final = "%EMAILADDRESS%"
_OUTLOOK: Final = "http://schemas.microsoft.com/exchange/autodiscover/"
_ASKED: Final = re.compile(rb"<(?:[A-Za-z0-9]{1,32}:)?EMailAddress>\s*([^<>&\s]{3,320})\s*</")
"""The one thing of Outlook's request that matters; no XML parser meets a stranger's octets."""
_MAX_ASKED_OCTETS: Final = 16 * 1024
_NAMESPACE: Final = uuid.UUID("6f0a4f5e-1c8b-4f0d-9a55-6b0f3c1d2e47")
"""For the UUIDs of profiles: a profile that is installed again replaces itself."""


class ClientConfigQuery(Query, frozen=True, forbid_unknown_fields=True):
    """For which program."""

    format: Annotated[
        Literal["json", "mobileconfig", "thunderbird"],
        Meta(description="mobileconfig: a profile for iPhone, iPad and Mac"),
    ] = "json"


class AutoconfigQuery(Query, frozen=True, forbid_unknown_fields=False):
    """What mail programs add to the address of the file."""

    emailaddress: str = ""


class SecureServerBody(msgspec.Struct, frozen=True):
    """A mail server; the connection is encrypted from its first octet."""

    host: str
    port: int
    security: Literal["tls"]
    authentication: Literal["password"]


class ClientConfigBody(msgspec.Struct, frozen=True):
    """How a mail program reaches an inbox; the password is a mail credential or an API key."""

    email: str
    display_name: str | None
    username: str
    imap: SecureServerBody
    smtp: SecureServerBody


_EXAMPLE: Final[dict[str, Any]] = {
    "email": "support@acme.example",
    "display_name": "Acme Support",
    "username": "support@acme.example",
    "imap": {
        "host": "mail.acme.example",
        "port": 993,
        "security": "tls",
        "authentication": "password",
    },
    "smtp": {
        "host": "mail.acme.example",
        "port": 465,
        "security": "tls",
        "authentication": "password",
    },
}


@routes.get(
    "/inboxes/{inbox}/client-config",
    scope="credentials:read",
    query=ClientConfigQuery,
    answer=ClientConfigBody,
    produces=(JSON, APPLE, XML),
    summary="Settings for mail programs",
    examples={"response": _EXAMPLE},
)
async def get_client_config(request: Request[None, ClientConfigQuery]) -> Response:
    """Servers, ports and user name of an inbox, as JSON or as a file that a program opens."""
    desk = desk_of(request)
    local = await desk.store.directory.reach(
        request.actor, "credentials:read", request.params["inbox"]
    )
    match request.query.format:
        case "mobileconfig":
            return Response(
                apple_profile(local, desk.terms), fields=_file(".mobileconfig"), media=APPLE
            )
        case "thunderbird":
            domain = local.address.rpartition("@")[2]
            text = autoconfig(desk.terms, domain, local.address)
            return Response(text, media=f"{XML}; charset=utf-8")
        case _:
            return Response(_settings(local, desk.terms))


@public.get(
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    public=True,
    query=AutoconfigQuery,
    answer=bytes,
    produces=(XML,),
    summary="Autoconfiguration",
)
async def get_well_known_autoconfig(request: Request[None, AutoconfigQuery]) -> Response:
    """What Thunderbird and others look for when they are given an address; tells nothing of it."""
    return _autoconfig(request)


@public.get(
    "/mail/config-v1.1.xml",
    public=True,
    query=AutoconfigQuery,
    answer=bytes,
    produces=(XML,),
    summary="Autoconfiguration at autoconfig.<domain>",
)
async def get_autoconfig(request: Request[None, AutoconfigQuery]) -> Response:
    """As ``/.well-known/autoconfig/mail/config-v1.1.xml``, where programs look first."""
    return _autoconfig(request)


@public.post(
    "/autodiscover/autodiscover.xml",
    public=True,
    body=bytes,
    accepts=(XML, "application/xml"),
    answer=bytes,
    produces=(XML,),
    max_body_octets=_MAX_ASKED_OCTETS,
    summary="Autodiscovery",
    raises=(InvalidRequest, TooLarge),
)
async def post_autodiscover(request: Request[bytes, None]) -> Response:
    """What Outlook asks for when it is given an address; tells nothing of it."""
    match = _ASKED.search(request.body)
    address = "" if match is None else canonical(match[1].decode("latin-1"))
    if not is_ours(address):
        raise InvalidRequest(
            "The request names no e-mail address.",
            fix="Send an Autodiscover request with the address in its element EMailAddress.",
        )
    text = autodiscover(desk_of(request).terms, address)
    return Response(text, media=f"{XML}; charset=utf-8")


def _autoconfig(request: Request[None, AutoconfigQuery]) -> Response:
    terms = desk_of(request).terms
    domain = request.query.emailaddress.rpartition("@")[2]
    if _DOMAIN.fullmatch(domain) is None:
        domain = terms.imap.host
    text = autoconfig(terms, domain.lower(), _ANY_ADDRESS)
    return Response(text, media=f"{XML}; charset=utf-8")


def _settings(local: LocalAddress, terms: Terms) -> ClientConfigBody:
    return ClientConfigBody(
        email=local.address,
        display_name=local.display_name,
        username=local.address,
        imap=SecureServerBody(terms.imap.host, terms.imap.port, "tls", "password"),
        smtp=SecureServerBody(terms.smtp.host, terms.smtp.port, "tls", "password"),
    )


def autoconfig(terms: Terms, domain: str, username: str) -> bytes:
    """Mozilla's file: the servers for addresses in ``domain``."""
    root = ET.Element("clientConfig", version="1.1")
    provider = ET.SubElement(root, "emailProvider", id=domain)
    for tag, text in (("domain", domain), ("displayName", domain), ("displayShortName", domain)):
        ET.SubElement(provider, tag).text = text
    for tag, kind, server in (
        ("incomingServer", "imap", terms.imap),
        ("outgoingServer", "smtp", terms.smtp),
    ):
        _server(ET.SubElement(provider, tag, type=kind), server, username)
    octets: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return octets


def _server(element: ET.Element, server: Address, username: str) -> None:
    for tag, text in (
        ("hostname", server.host),
        ("port", str(server.port)),
        ("socketType", "SSL"),
        ("username", username),
        ("authentication", "password-cleartext"),
    ):
        ET.SubElement(element, tag).text = text


def autodiscover(terms: Terms, address: str) -> bytes:
    """Outlook's answer: the servers, with the address as the name to log in with."""
    root = ET.Element("Autodiscover", xmlns=_OUTLOOK + "responseschema/2006")
    response = ET.SubElement(root, "Response", xmlns=_OUTLOOK + "outlook/responseschema/2006a")
    ET.SubElement(ET.SubElement(response, "User"), "DisplayName").text = address
    account = ET.SubElement(response, "Account")
    ET.SubElement(account, "AccountType").text = "email"
    ET.SubElement(account, "Action").text = "settings"
    for kind, server in (("IMAP", terms.imap), ("SMTP", terms.smtp)):
        protocol = ET.SubElement(account, "Protocol")
        for tag, text in (
            ("Type", kind),
            ("Server", server.host),
            ("Port", str(server.port)),
            ("LoginName", address),
            ("DomainRequired", "off"),
            ("SPA", "off"),
            ("SSL", "on"),
            ("AuthRequired", "on"),
        ):
            ET.SubElement(protocol, tag).text = text
    octets: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return octets


def apple_profile(local: LocalAddress, terms: Terms) -> bytes:
    """A configuration profile with one IMAP account; the device asks for the password."""
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"agentpost.{local.inbox}.mail",
        "PayloadUUID": _uuid(local.inbox + " mail"),
        "PayloadDisplayName": local.address,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountDescription": local.address,
        "EmailAccountName": local.display_name or local.address,
        "EmailAddress": local.address,
        "SMIMEEnabled": False,
        "PreventMove": False,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": terms.imap.host,
        "IncomingMailServerPortNumber": terms.imap.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": local.address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": terms.smtp.host,
        "OutgoingMailServerPortNumber": terms.smtp.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": local.address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"agentpost.{local.inbox}",
        "PayloadUUID": _uuid(local.inbox),
        "PayloadDisplayName": f"Mail of {local.address}",
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [account],
    }
    return plistlib.dumps(profile)


def _uuid(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name)).upper()


def _file(suffix: str) -> tuple[tuple[str, str], ...]:
    return (("content-disposition", f'attachment; filename="mail{suffix}"'),)
