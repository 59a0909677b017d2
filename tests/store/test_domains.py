"""Custom domains in the store: who may claim, who holds, and what that does to inboxes and mail."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
import trio

from agentpost import clock
from agentpost.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Limit,
    NotFound,
    PreconditionFailed,
    RateLimited,
    UnknownField,
)
from agentpost.limits import DomainLimits
from agentpost.mail.domains import records_of
from agentpost.mail.verification import Verification
from agentpost.model.actor import system_actor
from agentpost.model.domain import Domain, Look
from agentpost.model.inbox import Inbox
from agentpost.model.page import PageRequest
from agentpost.store.directory import Directory
from agentpost.store.domainlooks import CONTESTED, DomainLooks
from agentpost.store.domains import DomainChange, DomainFilter, DomainRequest, Domains
from agentpost.store.inboxes import InboxRequest
from tests.store.conftest import LIMITS, SETTINGS, Parts, Tenant, make_inbox
from tests.zonefiles import TERMS, published
from tests.zones import FAILS, ZoneResolver

SYSTEM = system_actor("verify")


@dataclass
class World:
    """The store with a zone that tests write to."""

    parts: Parts
    zone: ZoneResolver = field(default_factory=lambda: ZoneResolver({}))

    @property
    def verification(self) -> Verification:
        return Verification(self.parts.looks, self.zone, TERMS, LIMITS)

    async def claim(self, owner: Tenant, name: str = "acme.example", **more: Any) -> Domain:
        made, _ = await self.parts.domains.create(owner.actor, DomainRequest(name, **more))
        return made

    def publish(self, domain: Domain, *without: str) -> None:
        for name, types in published(domain, TERMS, *without).items():
            there = self.zone.zone.setdefault(name, {})
            for kind, values in types.items():
                there[kind] = list(dict.fromkeys([*there.get(kind, []), *values]))
        # One policy for all that claim the name.
        self.zone.zone[domain.name]["TXT"] = ["v=spf1 include:spf.post.example ~all"]
        if "dmarc" not in without:
            self.zone.zone[f"_dmarc.{domain.name}"] = {"TXT": ["v=DMARC1; p=none"]}

    async def verify(self, owner: Tenant, domain: Domain) -> Domain:
        found = await self.verification.asked(owner.actor, domain.id)
        assert found is not None
        return found

    async def verified(self, owner: Tenant, name: str = "acme.example", **more: Any) -> Domain:
        domain = await self.claim(owner, name, **more)
        self.publish(domain)
        found = await self.verify(owner, domain)
        assert found.status == "verified", found.findings
        return found

    async def inbox(self, owner: Tenant, username: str, domain: str) -> Inbox:
        made, _ = await self.parts.inboxes.create(owner.actor, InboxRequest(username, domain))
        return made.inbox

    async def lose(self, domain: Domain) -> Domain | None:
        """Let the claim lose its name, as after days without its records."""
        present = await self.parts.domains.get(SYSTEM, domain.id)
        look = Look(
            domain=domain.id, checks=present.checks, status="failed", reason="gone", findings={},
            records=(), at=clock.now(), check_at=None, lost=True,
        )  # fmt: skip
        return await self.parts.looks.settle(SYSTEM, look)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.parts.database.run(
            "*", lambda c: c.rows("SELECT type, data FROM events ORDER BY seq")
        )
        return [(row["type"], msgspec.json.decode(row["data"])) for row in rows]

    async def execute(self, sql: str, *arguments: object) -> None:
        await self.parts.database.run("*", lambda c: c.execute(sql, *arguments))

    async def finds(self, address: str) -> str | None:
        """The inbox that another worker would deliver to."""
        local = await Directory(self.parts.door).resolve(address)
        return None if local is None else local.inbox

    async def sends(self, address: str) -> bool:
        local = await Directory(self.parts.door).sender(address)
        return local is not None and not local.send_paused


@pytest.fixture
def world(parts: Parts) -> World:
    return World(parts)


async def test_a_claim_is_made_with_keys_and_a_challenge_of_its_own(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    """R46, R47."""
    mine, created = await world.parts.domains.create(
        acme.actor, DomainRequest("Bücher.example", client_id="books")
    )
    assert created
    assert (mine.name, mine.status, mine.held) == ("xn--bcher-kva.example", "pending", False)
    assert {key.algorithm for key in mine.keys} == {"rsa", "ed25519"}
    again, created = await world.parts.domains.create(
        acme.actor, DomainRequest("other.example", client_id="books")
    )
    assert (again.id, created) == (mine.id, False)
    with pytest.raises(AlreadyExists):
        await world.claim(acme, "xn--bcher-kva.example")
    theirs = await world.claim(globex, "bücher.example")
    assert theirs.challenge != mine.challenge
    assert not {key.selector for key in theirs.keys} & {key.selector for key in mine.keys}
    assert [kind for kind, _ in await world.events()] == ["domain.created", "domain.created"]


async def test_private_keys_are_sealed(world: World, acme: Tenant) -> None:
    await world.verified(acme)
    rows = await world.parts.database.run("*", lambda c: c.rows("SELECT * FROM domain_keys"))
    assert len(rows) == 2
    for row in rows:
        assert b"PRIVATE KEY" not in row["sealed"]
        assert "PRIVATE KEY" not in repr(dict(row))
    holder, keys = await world.parts.looks.signing_keys(SYSTEM, "acme.example", acme.environment.id)
    assert holder is not None
    assert [key.algorithm for key in keys] == ["rsa", "ed25519"]
    assert all("PRIVATE KEY" in key.private_key for key in keys)
    assert "PRIVATE" not in repr(keys)


@pytest.mark.parametrize(
    "name",
    ["", "localhost", "shared.test", "x.shared.test", "192.0.2.1", "a_b.example", "a\0b.example",
     "*.acme.example", "\ud800.example"],
)  # fmt: skip
async def test_what_cannot_be_claimed(world: World, acme: Tenant, name: str) -> None:
    with pytest.raises(UnknownField):
        await world.claim(acme, name)


async def test_claims_are_bounded(parts: Parts, acme: Tenant) -> None:
    domains = Domains(parts.door, SETTINGS, limits=DomainLimits(max_domains=1))
    await domains.create(acme.actor, DomainRequest("one.example"))
    with pytest.raises(Limit):
        await domains.create(acme.actor, DomainRequest("two.example"))


async def test_everything_found_gives_the_name(world: World, acme: Tenant) -> None:
    """R47: PENDING → VERIFIED."""
    domain = await world.claim(acme)
    assert (await world.verify(acme, domain)).status == "pending"
    assert await world.sends("support@acme.example") is False
    world.publish(domain, "spf", "dmarc")
    assert (await world.verify(acme, domain)).status == "verifying"
    world.publish(domain)
    found = await world.verify(acme, domain)
    assert (found.status, found.held, found.receives) == ("verified", True, True)
    required = [record.key for record in records_of(domain, TERMS) if record.required]
    assert all(found.findings[key].status == "found" for key in required)
    kind, data = (await world.events())[-1]
    assert kind == "domain.verified"
    assert data["domain_id"] == domain.id
    assert (data["domain"], data["status"]) == ("acme.example", "verified")
    assert {record["status"] for record in data["records"]} == {"found"}
    actions = await world.parts.database.run("*", lambda c: c.rows("SELECT action FROM audit"))
    assert {"domain.created", "domain.verified"} <= {row["action"] for row in actions}


async def test_without_the_challenge_nobody_gets_a_name(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    """Everything else can be copied from who has published it."""
    mine = await world.verified(acme)
    theirs = await world.claim(globex)
    copied = await world.verify(globex, theirs)
    assert copied.findings["challenge"].status == "wrong"
    assert not copied.held
    assert (await world.parts.domains.get(acme.actor, mine.id)).held


async def test_a_name_is_never_held_twice(world: World, acme: Tenant, globex: Tenant) -> None:
    mine = await world.verified(acme)
    theirs = await world.claim(globex)
    world.publish(theirs)
    # Both challenges and both pairs of keys stand in the zone.
    contested = await world.verify(globex, theirs)
    assert (contested.status, contested.held, contested.reason) == ("verifying", False, CONTESTED)
    assert acme.organization.id not in CONTESTED
    due = await world.parts.looks.due(SYSTEM)
    assert [one.id for one in due] == [mine.id]
    await world.lose(mine)
    assert (await world.verify(globex, theirs)).held
    back = await world.verify(acme, mine)
    assert (back.held, back.reason) == (False, CONTESTED)


async def test_of_two_at_once_one_gets_the_name(world: World, acme: Tenant, globex: Tenant) -> None:
    claims = [(acme, await world.claim(acme)), (globex, await world.claim(globex))]
    for _, claim in claims:
        world.publish(claim)
    found: list[Domain] = []

    async def ask(owner: Tenant, claim: Domain) -> None:
        found.append(await world.verify(owner, claim))

    async with trio.open_nursery() as nursery:
        for owner, claim in claims:
            nursery.start_soon(ask, owner, claim)
    assert sorted(one.held for one in found) == [False, True]


async def test_a_look_that_was_overtaken_has_no_effect(world: World, acme: Tenant) -> None:
    domain = await world.verified(acme)
    stale = Look(
        domain=domain.id, checks=domain.checks - 1, status="failed", reason=None, findings={},
        records=(), at=clock.now(), check_at=None, lost=True,
    )  # fmt: skip
    found = await world.parts.looks.settle(SYSTEM, stale)
    assert found is not None
    assert found.held


async def test_inboxes_live_at_verified_domains_exactly(world: World, acme: Tenant) -> None:
    """R51."""
    pending = await world.claim(acme, "later.example")
    with pytest.raises(UnknownField, match="not a verified domain"):
        await world.inbox(acme, "support", "later.example")
    await world.verified(acme)
    inbox = await world.inbox(acme, "support", "ACME.example")
    assert inbox.address == "support@acme.example"
    assert (inbox.username, inbox.domain) == ("support", "acme.example")
    with pytest.raises(AlreadyExists):
        await world.inbox(acme, "support", "acme.example")
    generated, _ = await world.parts.inboxes.create(acme.actor, InboxRequest(domain="acme.example"))
    assert generated.inbox.address == f"{generated.inbox.username}@acme.example"
    for name in ("x.acme.example", "example", "not a domain", "\0", pending.name):
        with pytest.raises(UnknownField):
            await world.inbox(acme, "support", name)


async def test_a_repeated_creation_gives_the_inbox_whatever_became_of_the_domain(
    world: World, acme: Tenant
) -> None:
    domain = await world.verified(acme)
    request = InboxRequest("support", "acme.example", client_id="one")
    first, _ = await world.parts.inboxes.create(acme.actor, request)
    await world.lose(domain)
    again, created = await world.parts.inboxes.create(acme.actor, request)
    assert (again.inbox.id, created) == (first.inbox.id, False)


async def test_a_domain_serves_its_environment_alone(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    await world.verified(acme)
    with pytest.raises(UnknownField):
        await world.inbox(globex, "support", "acme.example")
    second, _ = await world.parts.environments.create(acme.actor, "Second")
    with pytest.raises(UnknownField):
        await world.parts.inboxes.create(
            acme.actor, InboxRequest("support", "acme.example"), second.id
        )


async def test_subdomains_are_served_when_wanted(world: World, acme: Tenant) -> None:
    domain = await world.verified(acme, subdomains=True)
    inbox = await world.inbox(acme, "bot", "eu.acme.example")
    assert inbox.address == "bot@eu.acme.example"
    assert await world.finds("bot+x@EU.acme.example") == inbox.id
    assert await world.finds("bot@us.acme.example") is None
    assert await Directory(world.parts.door).takes("anyone@us.acme.example")
    assert not await Directory(world.parts.door).takes("anyone@notacme.example")
    await world.parts.domains.update(acme.actor, domain.id, DomainChange(subdomains=False))
    assert await world.finds("bot@eu.acme.example") is None
    assert not await world.sends("bot@eu.acme.example")


async def test_the_nearest_holder_decides(world: World, acme: Tenant, globex: Tenant) -> None:
    """A subdomain that its zone's owner gave to someone else is not served by the domain above."""
    await world.verified(acme, subdomains=True)
    earlier = await world.inbox(acme, "bot", "eu.acme.example")
    await world.verified(globex, "eu.acme.example")
    with pytest.raises(UnknownField):
        await world.inbox(acme, "other", "eu.acme.example")
    with pytest.raises(UnknownField):
        await world.inbox(acme, "other", "x.eu.acme.example")
    theirs = await world.inbox(globex, "other", "eu.acme.example")
    assert await world.finds("other@eu.acme.example") == theirs.id
    assert await world.finds(earlier.address) is None
    assert not await world.sends(earlier.address)


async def test_a_catch_all_takes_what_is_unknown(world: World, acme: Tenant) -> None:
    """R69."""
    domain = await world.verified(acme)
    known = await world.inbox(acme, "known", "acme.example")
    rest = await world.inbox(acme, "rest", "acme.example")
    assert await world.finds("nobody@acme.example") is None
    await world.parts.domains.update(acme.actor, domain.id, DomainChange(catch_all=rest.id))
    for address in ("nobody@acme.example", "O'Brien+x@ACME.example", '"a b"@acme.example'):
        assert await world.finds(address) == rest.id
    assert await world.finds("known+tag@acme.example") == known.id
    assert await world.finds("nobody@shared.test") is None
    assert not await world.sends("nobody@acme.example"), "a catch-all gives no address to send from"
    await world.parts.inboxes.delete(acme.actor, known.id)
    gone = await Directory(world.parts.door).resolve("known@acme.example")
    assert gone is not None
    assert gone.deleted, "mail to a deleted inbox is refused, not read by another"
    await world.parts.inboxes.purge(acme.actor, rest.id)
    assert await world.finds("nobody@acme.example") is None
    assert (await world.parts.domains.get(acme.actor, domain.id)).catch_all is None


async def test_a_catch_all_is_an_inbox_of_the_environment(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    domain = await world.claim(acme)
    foreign = await make_inbox(world.parts, globex)
    deleted = await make_inbox(world.parts, acme)
    await world.parts.inboxes.delete(acme.actor, deleted.id)
    for wrong in (foreign.id, deleted.id, "inb_01JQ8X5K2M3N4P5R6S7T8V9W00", "\0"):
        with pytest.raises(UnknownField):
            await world.parts.domains.update(acme.actor, domain.id, DomainChange(catch_all=wrong))
        with pytest.raises(UnknownField):
            await world.claim(acme, "other.example", catch_all=wrong)


async def test_a_domain_of_another_script_is_written_either_way(world: World, acme: Tenant) -> None:
    await world.verified(acme, "bücher.example")
    inbox = await world.inbox(acme, "lesen", "Bücher.example")
    assert inbox.address == "lesen@xn--bcher-kva.example"
    for written in ("lesen+x@bücher.example", "Lesen@BÜCHER.example", inbox.address):
        assert await world.finds(written) == inbox.id
        assert await world.sends(written)
    assert await Directory(world.parts.door).takes("x@bücher.example")
    assert not await Directory(world.parts.door).takes("x@☃.example")


async def test_a_domain_that_does_not_receive_is_mailed_elsewhere(
    world: World, acme: Tenant
) -> None:
    domain = await world.verified(acme, inbound=False)
    inbox = await world.inbox(acme, "noreply", "acme.example")
    assert await world.finds(inbox.address) is None
    assert await world.sends(inbox.address)
    assert not await Directory(world.parts.door).takes("x@acme.example")
    await world.parts.domains.update(acme.actor, domain.id, DomainChange(inbound=True))
    assert await world.finds(inbox.address) is None, "its MX was not found yet"
    world.publish(await world.parts.domains.get(acme.actor, domain.id))
    assert (await world.verify(acme, domain)).receives
    assert await world.finds(inbox.address) == inbox.id
    await world.parts.domains.update(acme.actor, domain.id, DomainChange(inbound=False))
    assert await world.finds(inbox.address) is None


async def test_a_lost_domain_pauses_its_inboxes_and_a_found_one_resumes_them(
    world: World, acme: Tenant
) -> None:
    """R64."""
    domain = await world.verified(acme)
    inbox = await world.inbox(acme, "support", "acme.example")
    by_hand = await world.inbox(acme, "quiet", "acme.example")
    await world.parts.inboxes.pause(acme.actor, by_hand.id, "by hand")
    lost = await world.lose(domain)
    assert lost is not None
    assert (lost.status, lost.held) == ("failed", False)
    paused = await world.parts.inboxes.get(acme.actor, inbox.id)
    assert (paused.send_paused, paused.paused_reason) == (True, "domain_unverified")
    assert await world.finds(inbox.address) is None
    await world.parts.inboxes.resume(acme.actor, inbox.id)
    assert not await world.sends(inbox.address), "resuming does not give the domain back"
    await world.execute("UPDATE domains SET misses = 0")
    await world.lose(domain)
    found = await world.verify(acme, domain)
    assert found.held
    assert await world.sends(inbox.address)
    assert (await world.parts.inboxes.get(acme.actor, by_hand.id)).send_paused
    kinds = [kind for kind, _ in await world.events()]
    assert kinds.count("domain.verified") == 2
    assert kinds.count("domain.unverified") == 1
    assert "inbox.paused" in kinds


async def test_an_inbox_comes_back_only_to_a_domain_that_is_held(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    domain = await world.verified(acme)
    inbox = await world.inbox(acme, "support", "acme.example")
    with pytest.raises(Conflict, match="1 inboxes"):
        await world.parts.domains.delete(acme.actor, domain.id)
    await world.parts.inboxes.delete(acme.actor, inbox.id)
    await world.parts.domains.delete(acme.actor, domain.id)
    with pytest.raises(NotFound):
        await world.parts.domains.get(acme.actor, domain.id)
    with pytest.raises(Conflict, match="does not hold"):
        await world.parts.inboxes.restore(acme.actor, inbox.id)
    theirs = await world.verified(globex)
    with pytest.raises(Conflict):
        await world.parts.inboxes.restore(acme.actor, inbox.id)
    with pytest.raises(AlreadyExists):
        await world.inbox(globex, "support", "acme.example")
    await world.parts.domains.delete(globex.actor, theirs.id)
    again = await world.verified(acme)
    restored = await world.parts.inboxes.restore(acme.actor, inbox.id)
    assert restored.deleted_at is None
    assert await world.finds(inbox.address) == inbox.id
    assert again.id != domain.id


async def test_a_suspended_domain_does_not_send(world: World, acme: Tenant) -> None:
    domain = await world.verified(acme)
    inbox = await world.inbox(acme, "support", "acme.example")
    stopped = await world.parts.domains.suspend(acme.actor, domain.id, "abuse")
    assert (stopped.status, stopped.reason) == ("suspended", "abuse")
    await world.parts.inboxes.resume(acme.actor, inbox.id)
    assert not await world.sends(inbox.address)
    assert await world.finds(inbox.address) == inbox.id
    with pytest.raises(Conflict):
        await world.verify(acme, domain)
    assert await world.parts.looks.due(SYSTEM) == ()
    _, keys = await world.parts.looks.signing_keys(SYSTEM, domain.name, acme.environment.id)
    assert keys == ()
    assert (await world.parts.domains.reinstate(acme.actor, domain.id)).status == "verified"
    assert await world.sends(inbox.address)


async def test_looks_that_are_asked_for_are_bounded(parts: Parts, acme: Tenant) -> None:
    looks = DomainLooks(parts.door, SETTINGS, limits=DomainLimits(ask_every_s=60.0))
    made, _ = await parts.domains.create(acme.actor, DomainRequest("acme.example"))
    await looks.begin(acme.actor, made.id)
    with pytest.raises(RateLimited) as refused:
        await looks.begin(acme.actor, made.id)
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 60


async def test_due_domains_are_taken_by_one_worker(world: World, acme: Tenant) -> None:
    """R10."""
    domain = await world.claim(acme)
    assert await world.parts.looks.due(SYSTEM) == ()
    await world.execute("UPDATE domains SET check_at = now()")
    assert [one.id for one in await world.parts.looks.due(SYSTEM)] == [domain.id]
    assert await world.parts.looks.due(SYSTEM) == ()
    await world.execute("UPDATE domains SET check_at = now()")
    world.publish(domain)
    assert await world.verification.due() == 1
    assert (await world.parts.domains.get(acme.actor, domain.id)).status == "verified"


async def test_a_failing_name_server_costs_nobody_a_domain(world: World, acme: Tenant) -> None:
    domain = await world.verified(acme)
    for name in [*world.zone.zone]:
        world.zone.zone[name] = FAILS
    for _ in range(20):
        await world.execute("UPDATE domains SET check_at = now(), missed_at = NULL")
        assert await world.verification.due() == 1
    kept = await world.parts.domains.get(acme.actor, domain.id)
    assert (kept.status, kept.held, kept.misses) == ("verified", True, 0)
    assert kept.findings["challenge"].status == "found"
    assert "did not answer" in str(kept.findings["challenge"].reason)


async def test_changes_are_conditional_and_lists_narrowed(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    first = await world.claim(acme, "one.example")
    second = await world.verified(acme, "two.example")
    await world.claim(globex, "one.example")
    change = DomainChange(subdomains=True)
    changed = await world.parts.domains.update(
        acme.actor, first.id, change, frozenset({str(first.version)})
    )
    assert changed.subdomains
    with pytest.raises(PreconditionFailed):
        await world.parts.domains.update(
            acme.actor, first.id, change, frozenset({str(first.version)})
        )
    with pytest.raises(PreconditionFailed):
        await world.parts.domains.delete(acme.actor, first.id, frozenset({"0"}))
    page = PageRequest(limit=10)
    listed = await world.parts.domains.page(acme.actor, DomainFilter(), page)
    assert [one.id for one in listed.rows] == [second.id, first.id]
    for wanted, expected in (
        (DomainFilter("One.example"), [first.id]),
        (DomainFilter(status="verified"), [second.id]),
    ):
        listed = await world.parts.domains.page(acme.actor, wanted, page)
        assert [one.id for one in listed.rows] == expected


async def test_strangers_and_bound_keys_reach_nothing(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    domain = await world.claim(acme)
    parts = world.parts
    for attempt in (
        parts.domains.get(globex.actor, domain.id),
        parts.domains.update(globex.actor, domain.id, DomainChange(inbound=False)),
        parts.domains.delete(globex.actor, domain.id),
        parts.domains.suspend(globex.actor, domain.id, "x"),
        parts.domains.reinstate(globex.actor, domain.id),
        parts.looks.begin(globex.actor, domain.id),
    ):
        with pytest.raises(NotFound, match=r"^There is no such domain\.$"):
            await attempt
    inbox = await make_inbox(parts, acme)
    bound = acme.limited("domains:read", "domains:write", inboxes=frozenset({inbox.id}))
    reader = acme.limited("domains:read")
    with pytest.raises(Forbidden):
        await parts.domains.create(bound, DomainRequest("b.example"))
    with pytest.raises(Forbidden):
        await parts.domains.get(bound, domain.id)
    for actor in (bound, reader):
        with pytest.raises(Forbidden):
            await parts.domains.delete(actor, domain.id)
        with pytest.raises(Forbidden):
            await parts.looks.begin(actor, domain.id)


async def test_an_environment_with_domains_goes_only_when_purged(
    world: World, acme: Tenant, globex: Tenant
) -> None:
    second, _ = await world.parts.environments.create(acme.actor, "Second")
    actor = replace(acme.actor, environment=second.id)
    made, _ = await world.parts.domains.create(actor, DomainRequest("acme.example"))
    world.publish(made)
    assert (await world.verify(replace(acme, actor=actor), made)).held
    with pytest.raises(Conflict, match="1 domains"):
        await world.parts.environments.delete(acme.actor, second.id)
    await world.parts.environments.delete(acme.actor, second.id, purge_all=True)
    assert await world.parts.directory.holder("acme.example") is None
    theirs = await world.claim(globex)
    world.publish(theirs)
    assert (await world.verify(globex, theirs)).held
