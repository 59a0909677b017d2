"""Domains that Amazon SES must know before it sends for them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from moto.server import ThreadedMotoServer

from agentpost.auth.dkim_sign import new_rsa
from agentpost.config import Config
from agentpost.mail import identities
from agentpost.mail.aws import Access, Refused, Unreached
from agentpost.mail.domains import domain_terms, relay_signs
from agentpost.mail.identities import Identity, IdentityUnknown, SesIdentities
from agentpost.mail.verification import Verification
from agentpost.model.domain import Domain, SigningKey
from agentpost.store.domains import DomainRequest
from tests.store.conftest import LIMITS, Parts, Tenant, acme, parts  # noqa: F401
from tests.zonefiles import TERMS, published
from tests.zones import ZoneResolver

KEY = SigningKey("acme.example", "ap-rsa-1", "rsa", new_rsa().private_pem.decode())


@dataclass
class Account:
    """What an account of SES remembers; ``confirm`` is SES having seen the records."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: Exception | None = None

    async def ask(self, operation: str, /, **given: Any) -> Mapping[str, Any]:
        self.asked.append(operation)
        if self.broken is not None:
            raise self.broken
        name = given["EmailIdentity"]
        if operation == "get_email_identity":
            if name not in self.found:
                raise Refused("NotFoundException", "no identity", 404)
            return self.found[name]
        if operation == "create_email_identity":
            self._set(name, given.get("DkimSigningAttributes"))
        else:
            self._set(name, given.get("SigningAttributes"))
        return self.found[name]

    def _set(self, name: str, attributes: dict[str, str] | None) -> None:
        tokens, origin = ["t1", "t2", "t3"], "AWS_SES"
        if attributes is not None:
            private = base64.b64decode(attributes["DomainSigningPrivateKey"], validate=True)
            key = load_der_private_key(private, None)
            assert isinstance(key, RSAPrivateKey)
            assert key.key_size == 2048
            tokens, origin = [attributes["DomainSigningSelector"]], "EXTERNAL"
        self.found[name] = {
            "VerifiedForSendingStatus": False,
            "DkimAttributes": {"Tokens": tokens, "SigningAttributesOrigin": origin},
        }

    def confirm(self, name: str) -> None:
        self.found[name]["VerifiedForSendingStatus"] = True


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    one = Account()

    @asynccontextmanager
    async def opened(service: str, access: Access) -> AsyncIterator[Account]:
        assert service == "sesv2"
        yield one

    monkeypatch.setattr(identities, "open_client", opened)
    return one


async def test_ses_is_given_our_key_once(account: Account) -> None:
    ses = SesIdentities(Access("eu-west-1"))
    assert await ses.ensure("acme.example", KEY) == Identity(False)
    assert await ses.ensure("acme.example", KEY) == Identity(False)
    account.confirm("acme.example")
    assert await ses.ensure("acme.example", KEY) == Identity(True)
    assert account.asked.count("create_email_identity") == 1
    assert "put_email_identity_dkim_signing_attributes" not in account.asked


async def test_a_key_of_an_earlier_claim_is_replaced_until_ses_has_confirmed(
    account: Account,
) -> None:
    ses = SesIdentities(Access("eu-west-1"))
    await ses.ensure("acme.example", KEY)
    later = replace(KEY, selector="ap-rsa-2")
    await ses.ensure("acme.example", later)
    assert account.found["acme.example"]["DkimAttributes"]["Tokens"] == ["ap-rsa-2"]
    account.confirm("acme.example")
    await ses.ensure("acme.example", KEY)
    assert account.found["acme.example"]["DkimAttributes"]["Tokens"] == ["ap-rsa-2"]


async def test_easy_dkim_names_the_keys_of_ses(account: Account) -> None:
    ses = SesIdentities(Access("eu-west-1"))
    hosts = ("t1.dkim.amazonses.com", "t2.dkim.amazonses.com", "t3.dkim.amazonses.com")
    assert await ses.ensure("acme.example", None) == Identity(False, hosts)
    await ses.ensure("other.example", KEY)
    assert (await ses.ensure("other.example", None)).key_hosts == hosts
    account.found["acme.example"]["DkimAttributes"] |= {
        "SigningHostedZone": "dkim.eu.example", "Tokens": ["A1", "b c", "../x"],
    }  # fmt: skip
    assert (await ses.ensure("acme.example", None)).key_hosts == ("a1.dkim.eu.example",)


@pytest.mark.parametrize(
    "fault", [Refused("AccessDenied", "secret words", 403), Unreached("x"), ValueError("x")]
)
async def test_what_ses_cannot_say_is_told_apart(account: Account, fault: Exception) -> None:
    account.broken = fault
    with pytest.raises(IdentityUnknown) as told:
        await SesIdentities(Access("eu-west-1")).ensure("acme.example", KEY)
    assert "secret" not in str(told.value)


async def test_the_calls_are_ones_that_amazon_s_client_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        ses = SesIdentities(Access("eu-west-1", f"http://{host}:{port}"))
        assert isinstance(await ses.ensure("acme.example", KEY), Identity)
        for _ in range(2):
            assert isinstance(await ses.ensure("easy.example", None), Identity)
    finally:
        server.stop()


class World:
    """A claim, its zone, and the account."""

    def __init__(self, parts: Parts, owner: Tenant, account: Account, *, easy: bool) -> None:  # noqa: F811
        self.parts, self.owner, self.account = parts, owner, account
        self.zone = ZoneResolver({})
        self.terms = replace(TERMS, relay_signs=easy)
        self.verification = Verification(
            parts.looks, self.zone, self.terms, LIMITS, SesIdentities(Access("eu-west-1"))
        )

    async def claim(self) -> Domain:
        request = DomainRequest("acme.example")
        return (await self.parts.domains.create(self.owner.actor, request))[0]

    def publish(self, domain: Domain) -> None:
        self.zone.zone.update(published(domain, self.terms))

    async def look(self, domain: Domain) -> Domain:
        found = await self.verification.asked(self.owner.actor, domain.id)
        assert found is not None
        return found


async def test_a_domain_waits_for_ses(parts: Parts, acme: Tenant, account: Account) -> None:  # noqa: F811
    world = World(parts, acme, account, easy=False)
    domain = await world.claim()
    await world.look(domain)
    assert account.asked == [], "SES hears of nobody's mere wish"
    world.publish(domain)
    waiting = await world.look(domain)
    assert (waiting.status, waiting.held) == ("verifying", False)
    assert "confirm" in str(waiting.reason)
    account.broken = Unreached("x")
    assert "cannot be asked" in str((await world.look(domain)).reason)
    account.broken = None
    account.confirm("acme.example")
    done = await world.look(domain)
    assert (done.status, done.reason) == ("verified", None)
    asked = len(account.asked)
    await world.look(domain)
    assert len(account.asked) == asked, "what is held is not asked about again"


async def test_easy_dkim_is_published_in_a_second_step(
    parts: Parts,  # noqa: F811
    acme: Tenant,  # noqa: F811
    account: Account,
) -> None:
    world = World(parts, acme, account, easy=True)
    domain = await world.claim()
    world.publish(domain)
    known = await world.look(domain)
    assert known.status == "verifying"
    assert len(known.relay_key_hosts) == 3
    keys = [key for key in known.findings if key.startswith("dkim")]
    assert {known.findings[key].status for key in keys} == {"missing"}
    world.publish(known)
    account.confirm("acme.example")
    assert (await world.look(domain)).held


def test_the_terms_follow_the_relay() -> None:
    config = replace(Config(), domain="post.example")
    assert (domain_terms(config).mx, domain_terms(config).spf) == ("post.example", "mx")
    smart = replace(config, relay="smtp", smtp_relay_url="smtps://u:secret@relay.example:465")
    assert domain_terms(smart).spf == "a:relay.example"
    ses = replace(config, relay="ses", aws_region="eu-west-1")
    assert domain_terms(ses).mx == "inbound-smtp.eu-west-1.amazonaws.com"
    assert domain_terms(ses).spf == "include:amazonses.com"
    own = replace(ses, inbound_host="mx.example", spf_mechanism="ip4:192.0.2.1")
    assert (domain_terms(own).mx, domain_terms(own).spf) == ("mx.example", "ip4:192.0.2.1")
    assert relay_signs(replace(ses, dkim="ses"))
    assert not relay_signs(replace(config, dkim="ses"))
