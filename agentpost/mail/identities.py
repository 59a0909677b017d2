"""Sender identities at Amazon SES, which sends only for domains that it has seen proven.

With keys of our own SES is given the RSA key (BYODKIM) and finds the same record that receivers do;
else it has keys of its own (Easy DKIM), whose names the owner publishes.  An identity that SES has
confirmed already, by whatever means, is left as it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from agentpost.mail.aws import Access, Client, Doubt, Refused, Unreached, open_client
from agentpost.model.domain import SigningKey

_ZONE: Final = "dkim.amazonses.com"
_HOST: Final = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+", re.ASCII)


class IdentityUnknown(Exception):
    """The relay cannot say now whether it knows the domain; the text says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the relay knows of a domain: whether it sends for it, and hosts of its own keys."""

    confirmed: bool
    key_hosts: tuple[str, ...] = ()


class Identities(Protocol):
    """A relay that must know the domains it sends for."""

    async def ensure(self, domain: str, key: SigningKey | None) -> Identity:
        """Make the domain known, with our key or, for None, with one of the relay's own.

        May be repeated.  Raises: IdentityUnknown.
        """
        ...


class SesIdentities:
    """Identities of one account and region.

    A client is opened for each call: domains become known rarely.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def ensure(self, domain: str, key: SigningKey | None) -> Identity:
        """See :class:`Identities`."""
        try:
            async with open_client("sesv2", self._access) as client:
                found = await _known(client, domain, key)
        except Refused as refused:
            raise IdentityUnknown(f"Amazon SES refuses: {refused.code}") from None
        except (Unreached, Doubt, ValueError):
            raise IdentityUnknown("Amazon SES does not answer") from None
        return _identity(found, key)


async def _known(client: Client, domain: str, key: SigningKey | None) -> Mapping[str, Any]:
    try:
        found = await client.ask("get_email_identity", EmailIdentity=domain)
    except Refused as refused:
        if refused.code != "NotFoundException":
            raise
        made: dict[str, Any] = {"EmailIdentity": domain}
        if key is not None:
            made["DkimSigningAttributes"] = _attributes(key)
        return await client.ask("create_email_identity", **made)
    if key is None:
        return await _with_own_key(client, domain, found)
    if not found.get("VerifiedForSendingStatus") and list(
        found.get("DkimAttributes", {}).get("Tokens", ())
    ) != [key.selector]:
        # Of a claim that was given up, or of another one that is not proven either.
        await client.ask(
            "put_email_identity_dkim_signing_attributes",
            EmailIdentity=domain,
            SigningAttributesOrigin="EXTERNAL",
            SigningAttributes=_attributes(key),
        )
    return found


async def _with_own_key(client: Client, domain: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """An identity that signs with a key of SES's, also when it had one of ours."""
    if found.get("DkimAttributes", {}).get("SigningAttributesOrigin") != "EXTERNAL":
        return found
    await client.ask(
        "put_email_identity_dkim_signing_attributes",
        EmailIdentity=domain,
        SigningAttributesOrigin="AWS_SES",
    )
    return await client.ask("get_email_identity", EmailIdentity=domain)


def _attributes(key: SigningKey) -> dict[str, str]:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    private = load_pem_private_key(key.private_key.encode("ascii"), password=None)
    octets = private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return {
        "DomainSigningSelector": key.selector,
        "DomainSigningPrivateKey": base64.b64encode(octets).decode("ascii"),
    }


def _identity(found: Mapping[str, Any], key: SigningKey | None) -> Identity:
    dkim = found.get("DkimAttributes", {})
    hosts: tuple[str, ...] = ()
    if key is None:
        zone = str(dkim.get("SigningHostedZone") or _ZONE)
        hosts = tuple(f"{token}.{zone}".lower() for token in dkim.get("Tokens", ()))
    return Identity(
        bool(found.get("VerifiedForSendingStatus")),
        tuple(host for host in hosts if _HOST.fullmatch(host)),
    )
