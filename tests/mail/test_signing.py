"""What leaves from a custom domain carries its signatures, which verify by what is published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from agentpost.auth.passwords import Unsealable
from agentpost.ids import EnvironmentId
from agentpost.jobs.relay import RelayWork
from agentpost.mail.authentication import authenticate
from agentpost.mail.domains import records_of
from agentpost.mail.relay import Ways
from agentpost.mail.signing import DomainKeys
from agentpost.mail.verification import Verification
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.domain import Domain
from agentpost.model.relay import Doubts, Outgoing, RecipientOutcome, Routing
from agentpost.store.domainlooks import DomainLooks
from agentpost.store.domains import DomainRequest, Domains
from tests.jobs.world import World, make_world
from tests.store.conftest import LIMITS, SETTINGS
from tests.zonefiles import TERMS, published
from tests.zones import ZoneResolver

LETTER = (
    b"From: Support <support@acme.example>\r\nTo: ada@elsewhere.example\r\nSubject: Hello\r\n"
    b"Date: Sun, 8 Mar 2026 14:30:00 +0000\r\nMessage-ID: <a@acme.example>\r\n\r\nGood morning.\r\n"
)


class Post:
    """A verified domain, its zone, and what is sent."""

    def __init__(self, world: World, domains: Domains, looks: DomainLooks, domain: Domain) -> None:
        self.world = world
        self.domains = domains
        self.looks = looks
        self.domain = domain
        self.zone = ZoneResolver(published(domain))
        self.sent: list[Outgoing] = []

    async def outgoing(self, sender: str = "support@acme.example", **more: Any) -> Outgoing:
        message = await self.world.send("ada@elsewhere.example", octets=LETTER, reverse_path=sender)
        found = await self.world.relays.begin(
            system_actor(), [message], Routing("smtp", (), Doubts())
        )
        return replace(found[message], octets=LETTER, **more)

    async def verdicts(self, octets: bytes) -> list[tuple[str, str]]:
        found = await authenticate(
            octets, ip=None, helo="x", reverse_path="support@acme.example", resolver=self.zone
        )
        return [(each.domain, each.result) for each in found.dkim]


@pytest.fixture
async def post(world: World) -> Post:
    door = world.messages._door
    domains, looks = Domains(door, SETTINGS), DomainLooks(door, SETTINGS, limits=LIMITS)
    actor = Actor(
        world.where.organization, "key", widen(SCOPES), environment=world.where.environment
    )
    made, _ = await domains.create(actor, DomainRequest("acme.example", subdomains=True))
    zone = ZoneResolver(published(made))
    found = await Verification(looks, zone, TERMS, LIMITS).asked(actor, made.id)
    assert found is not None
    assert found.held
    return Post(world, domains, looks, found)


@pytest.fixture
async def world(database: Any, tmp_path: Any) -> World:
    return await make_world(database, tmp_path / "blobs")


async def test_both_keys_sign_and_verify(post: Post) -> None:
    signed = await DomainKeys(post.looks).signed(await post.outgoing())
    assert signed.endswith(LETTER)
    assert signed.count(b"DKIM-Signature:") == 2
    assert await post.verdicts(signed) == [("acme.example", "pass")] * 2
    tampered = signed.replace(b"Good morning", b"Good evening")
    assert await post.verdicts(tampered) == [("acme.example", "fail")] * 2


async def test_a_subdomain_is_signed_for_by_the_domain_above(post: Post) -> None:
    signed = await DomainKeys(post.looks).signed(await post.outgoing("bot@EU.acme.example"))
    assert b"d=acme.example;" in signed


async def test_what_ses_writes_anew_is_not_signed(post: Post) -> None:
    keys = DomainKeys(post.looks)
    rewritten = b"Message-ID: <other@ses.example>"
    for relay, result in (("ses", "pass"), ("smtp", "fail")):
        signed = await keys.signed(await post.outgoing(relay=relay))
        changed = signed.replace(b"Message-ID: <a@acme.example>", rewritten)
        assert await post.verdicts(changed) == [("acme.example", result)] * 2


async def test_nobody_else_s_mail_is_signed(post: Post) -> None:
    keys = DomainKeys(post.looks)
    for sender in ("x@shared.test", "x@notacme.example", "", "x@", "x@a b", "x@\x00"):
        assert await keys.signer(sender.rpartition("@")[2], post.domain.environment) == ()
    stranger = await post.outgoing(environment=EnvironmentId("env_01JQ8X5K2M3N4P5R6S7T8V9W00"))
    assert await keys.signed(stranger) == LETTER


async def test_keys_are_believed_for_seconds(
    post: Post, autojump_clock: trio.testing.MockClock
) -> None:
    keys = DomainKeys(post.looks)
    environment = post.domain.environment
    assert len(await keys.signer("acme.example", environment)) == 2
    await post.domains.suspend(system_actor(), post.domain.id, "abuse")
    assert len(await keys.signer("acme.example", environment)) == 2
    await trio.sleep(6)
    assert await keys.signer("acme.example", environment) == ()


async def test_another_master_key_stops_the_mail_rather_than_its_signature(post: Post) -> None:
    settings = replace(SETTINGS, master_key=bytes(32))
    looks = DomainLooks(post.world.messages._door, settings)
    with pytest.raises(Unsealable):
        await DomainKeys(looks).signed(await post.outgoing())


async def test_large_and_odd_letters_leave_all_the_same(post: Post) -> None:
    keys = DomainKeys(post.looks)
    large = LETTER + b"x" * 70 + b"\r\n" * 100_000
    signed = await keys.signed(await post.outgoing())
    outgoing = replace(await post.outgoing(), octets=large)
    assert await post.verdicts(await keys.signed(outgoing)) == [("acme.example", "pass")] * 2
    nameless = replace(outgoing, octets=b"Subject: x\r\n\r\n")
    assert await keys.signed(nameless) == b"Subject: x\r\n\r\n"
    assert signed


async def test_the_relay_sends_what_was_signed(post: Post) -> None:
    class Way:
        name = "smtp"
        once = False

        async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
            post.sent.append(outgoing)
            return tuple(RecipientOutcome(one.address, "sent") for one in outgoing.recipients)

        async def settled(self, outgoing: Outgoing, outcomes: Any) -> None:
            pass

        def beside(self) -> Any:
            return ()

    class Simulated(Way):
        name = "simulator"

    work = RelayWork(
        post.world.relays, Ways(Way(), Simulated()), "x", sign=DomainKeys(post.looks).signed
    )
    await post.world.send(
        "ada@elsewhere.example", octets=LETTER, reverse_path="support@acme.example"
    )
    for job in await post.world.jobs.claim(system_actor(), [("relay", 1)], 60):
        await work.run(job)
    (sent,) = post.sent
    assert sent.octets.startswith(b"DKIM-Signature:")
    assert await post.verdicts(sent.octets) == [("acme.example", "pass")] * 2


def test_the_published_key_is_the_one_that_signs() -> None:
    from agentpost.auth.dkim_sign import load_key, new_ed25519, new_rsa
    from agentpost.model.domain import KeyRecord
    from tests.mail.test_domainchecks import DOMAIN

    for new, algorithm in ((new_rsa, "rsa"), (new_ed25519, "ed25519")):
        made = new()
        public = made.record.rpartition("p=")[2]
        key = KeyRecord("s1", algorithm, public)  # type: ignore[arg-type]
        records = records_of(replace(DOMAIN, keys=(key,)), TERMS)
        (record,) = [each for each in records if each.purpose == "dkim"]
        assert record.value == load_key("acme.example", "s1", made.private_pem).record
