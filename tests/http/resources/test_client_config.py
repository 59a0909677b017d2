"""Presets for mail programs (R134)."""

from __future__ import annotations

import plistlib
from xml.etree import ElementTree as ET

import pytest

from agentpost.store.inboxes import InboxChange
from tests.http.resources.conftest import Answer, Api, Tenant


async def test_the_settings_name_both_servers(acme: Tenant) -> None:
    inbox = await acme.inbox()
    answer = await acme.call("GET", f"/inboxes/{inbox.address}/client-config")
    assert answer.json["email"] == answer.json["username"] == inbox.address
    for protocol in ("imap", "smtp"):
        server = answer.json[protocol]
        assert (server["host"], server["security"]) == ("test", "tls")


async def test_an_apple_profile_is_a_plist_that_replaces_itself(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    name = "Ann & <Bob>"
    await api.store.inboxes.update(acme.actor, inbox.id, InboxChange(display_name=name))
    path = f"/inboxes/{inbox.id}/client-config?format=mobileconfig"
    answer = await acme.call("GET", path)
    assert answer.fields["content-type"] == "application/x-apple-aspen-config"
    profile = plistlib.loads(answer.octets)
    (account,) = profile["PayloadContent"]
    assert account["EmailAccountName"] == name
    assert account["EmailAddress"] == inbox.address
    assert account["IncomingMailServerUseSSL"] is True
    assert account["OutgoingMailServerUseSSL"] is True
    assert b"ap_mail_" not in answer.octets
    assert (await acme.call("GET", path)).octets == answer.octets


async def test_thunderbird_gets_the_inbox_filled_in(acme: Tenant) -> None:
    inbox = await acme.inbox()
    answer = await acme.call("GET", f"/inboxes/{inbox.id}/client-config?format=thunderbird")
    root = ET.fromstring(answer.octets)
    assert root.findtext("emailProvider/domain") == "shared.test"
    assert root.findtext("emailProvider/incomingServer/username") == inbox.address


@pytest.mark.parametrize(
    "path", ["/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"]
)
async def test_strangers_are_told_the_servers_and_nothing_of_the_address(
    api: Api, acme: Tenant, path: str
) -> None:
    inbox = await acme.inbox()
    ask = api.stranger()
    known = await ask("GET", f"{path}?emailaddress={inbox.address}")
    unknown = await ask("GET", f"{path}?emailaddress=nobody%40shared.test&more=1")
    assert known.status == 200
    assert known.fields["content-type"].startswith("text/xml")
    assert known.octets == unknown.octets
    root = ET.fromstring(known.octets)
    assert root.findtext("emailProvider/domain") == "shared.test"
    incoming = root.find("emailProvider/incomingServer")
    assert incoming is not None
    assert incoming.get("type") == "imap"
    assert incoming.findtext("socketType") == "SSL"
    assert incoming.findtext("username") == "%EMAILADDRESS%"
    hostile = await ask("GET", path + "?emailaddress=a%40%3Cb%3E%22")
    assert ET.fromstring(hostile.octets).findtext("emailProvider/domain") == "test"
    assert (await ask("GET", path)).status == 200


ASKED = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>{}</EMailAddress>
    <AcceptableResponseSchema>any</AcceptableResponseSchema>
  </Request>
</Autodiscover>"""
ANSWERED = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


async def test_outlook_is_told_the_servers(api: Api) -> None:
    ask = api.stranger()

    async def discover(body: str) -> Answer:
        path = "/autodiscover/autodiscover.xml"
        return await ask("POST", path, body.encode(), content_type="text/xml; charset=utf-8")

    told = await discover(ASKED.format("Ann@shared.test"))
    assert told.status == 200
    account = ET.fromstring(told.octets).find(f"{ANSWERED}Response/{ANSWERED}Account")
    assert account is not None
    assert account.findtext(ANSWERED + "Action") == "settings"
    protocols = account.findall(ANSWERED + "Protocol")
    assert [each.findtext(ANSWERED + "Type") for each in protocols] == ["IMAP", "SMTP"]
    for each in protocols:
        assert each.findtext(ANSWERED + "SSL") == "on"
        assert each.findtext(ANSWERED + "LoginName") == "ann@shared.test"
        assert each.findtext(ANSWERED + "Server") == "test"
    for nothing in ("", "<a/>", ASKED.format("nobody"), ASKED.format("a&amp;@b.example")):
        assert (await discover(nothing)).code == "invalid_request"
    assert (await discover("x" * 20_000)).status == 413
    assert (await ask("POST", "/autodiscover/autodiscover.xml", {})).status == 415


async def test_reach_scope_and_format_are_checked(acme: Tenant, globex: Tenant) -> None:
    path = f"/inboxes/{(await acme.inbox()).id}/client-config"
    assert (await globex.call("GET", path)).code == "not_found"
    assert (await (await acme.caller("inboxes:read"))("GET", path)).code == "forbidden"
    assert (await acme.call("GET", path + "?format=outlook")).paths == ["format"]
