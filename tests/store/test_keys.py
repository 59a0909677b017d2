"""API keys: made, narrowed, rotated, revoked; and nobody hands on more than he holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import trio

from agentpost import clock
from agentpost.errors import (
    AuthenticationFailed,
    Conflict,
    Expired,
    Forbidden,
    Limit,
    NotFound,
    PreconditionFailed,
    UnknownField,
)
from agentpost.ids import EnvironmentId, InboxId
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor, system_actor
from agentpost.model.audit import AuditFilter
from agentpost.model.organization import ApiKey, NewApiKey
from agentpost.model.page import PageRequest
from agentpost.store.keys import KeyChange, KeyRequest, Keys
from agentpost.store.pool import Connection
from tests.store.conftest import Parts, Tenant, make_inbox


async def make(parts: Parts, actor: Actor, *scopes: str, **more: Any) -> NewApiKey:
    made, created = await parts.keys.create(actor, KeyRequest("key", scopes, **more))
    assert created
    assert isinstance(made, NewApiKey)
    return made


@pytest.mark.proves("R80", "R81", "R78")
async def test_a_key_is_shown_once_and_kept_as_a_hash(parts: Parts, acme: Tenant) -> None:
    made = await make(parts, acme.actor, "inboxes:read", "inboxes:read", "messages:read")
    assert made.secret.startswith("ap_sk_live_")
    assert made.secret not in repr(made)
    assert made.key.scopes == ("inboxes:read", "messages:read")
    assert made.secret.startswith(made.key.prefix)
    assert (made.key.environments, made.key.inboxes) == (None, None)
    assert await parts.keys.get(acme.actor, made.key.id) == made.key

    async def everything(connection: Connection) -> str:
        rows = await connection.rows("SELECT k::text AS line FROM api_keys k")
        rows += await connection.rows("SELECT a::text AS line FROM audit a")
        return "".join(row["line"] for row in rows)

    assert made.secret not in await parts.database.run("*", everything)


@pytest.mark.proves("R78")
async def test_a_key_names_the_kind_of_its_environment(parts: Parts, acme: Tenant) -> None:
    sandbox, _ = await parts.environments.create(acme.actor, "Sandbox", kind="test")
    staging, _ = await parts.environments.create(acme.actor, "Staging", kind="dev")
    for environments, start in (
        (None, "ap_sk_live_"),
        ((sandbox.id,), "ap_sk_test_"),
        ((staging.id,), "ap_sk_dev_"),
        ((staging.id, acme.environment.id), "ap_sk_live_"),
        ((staging.id, sandbox.id), "ap_sk_live_"),
    ):
        made = await make(parts, acme.actor, "org:read", environments=environments)
        assert made.secret.startswith(start)


@pytest.mark.proves("R82")
async def test_scopes_beyond_ones_own_are_not_handed_on(parts: Parts, acme: Tenant) -> None:
    maker = acme.limited("keys:write", "messages:send", "messages:reply", "messages:delete")
    await make(parts, maker, "keys:write", "messages:send")
    with pytest.raises(Forbidden, match="messages:read"):
        await make(parts, maker, "messages:read")
    # The umbrella contains more than the three fine scopes that the maker holds.
    with pytest.raises(Forbidden, match="messages:write"):
        await make(parts, maker, "messages:write")
    await make(parts, acme.limited("keys:write", "messages:write"), "messages:send")
    with pytest.raises(Forbidden, match="keys:write"):
        await make(parts, acme.limited("keys:read"), "keys:read")


@pytest.mark.proves("R83")
async def test_places_beyond_ones_own_are_not_handed_on(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    inbox = await make_inbox(parts, acme)
    foreign = await make_inbox(parts, globex)
    here = replace(acme.actor, environments=frozenset({acme.environment.id}))
    bound = replace(acme.actor, inboxes=frozenset({inbox.id}))

    inherited = await make(parts, here, "org:read")
    assert inherited.key.environments == (acme.environment.id,)
    inherited = await make(parts, bound, "org:read")
    assert inherited.key.inboxes == (inbox.id,)

    refusals: list[tuple[Actor, dict[str, Any], str]] = [
        (here, {"environments": (second.id,)}, "environment_ids[0]"),
        (here, {"environments": (acme.environment.id, second.id)}, "environment_ids[1]"),
        (acme.actor, {"environments": (globex.environment.id,)}, "environment_ids[0]"),
        (acme.actor, {"environments": (EnvironmentId("env_" + "0" * 26),)}, "environment_ids[0]"),
        (acme.actor, {"environments": ()}, "environment_ids"),
        (acme.actor, {"inboxes": (foreign.id,)}, "inbox_ids[0]"),
        (acme.actor, {"inboxes": (InboxId("a\0b"),)}, "inbox_ids[0]"),
        (acme.actor, {"inboxes": ()}, "inbox_ids"),
        (bound, {"inboxes": (inbox.id, foreign.id)}, "inbox_ids[1]"),
        (acme.actor, {"environments": (second.id,), "inboxes": (inbox.id,)}, "inbox_ids[0]"),
    ]
    for actor, places, path in refusals:
        with pytest.raises(UnknownField) as refused:
            await make(parts, actor, "org:read", **places)
        assert refused.value.errors[0].path == path


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "a\nb"}),
        ("scopes", {"scopes": ()}),
        ("scopes[1]", {"scopes": ("org:read", "org:destroy")}),
        ("client_id", {"client_id": "a b"}),
        ("client_id", {"client_id": ""}),
        ("ip_allow[0]", {"ip_allow": ("localhost",)}),
        ("ip_allow[1]", {"ip_allow": ("192.0.2.1", "192.0.2.0/33")}),
        ("ip_allow", {"ip_allow": ("192.0.2.1",) * 101}),
        ("expires_at", {"expires_at": datetime(2030, 1, 1)}),  # noqa: DTZ001
    ],
)
async def test_what_a_key_cannot_be_is_refused_by_its_path(
    parts: Parts, acme: Tenant, path: str, change: dict[str, Any]
) -> None:
    request = replace(KeyRequest("key", ("org:read",)), **change)
    with pytest.raises(UnknownField) as refused:
        await parts.keys.create(acme.actor, request)
    assert refused.value.errors[0].path == path


async def test_the_server_itself_makes_no_keys_this_way(parts: Parts, acme: Tenant) -> None:
    with pytest.raises(Forbidden):
        await parts.keys.create(system_actor(), KeyRequest("key", ("org:read",)))


async def test_the_number_of_keys_is_bounded(parts: Parts, acme: Tenant) -> None:
    few = Keys(parts.door, parts.authentication.forget, IdentityLimits(max_keys=1))
    await few.create(acme.actor, KeyRequest("key", ("org:read",)))
    with pytest.raises(Limit):
        await few.create(acme.actor, KeyRequest("key", ("org:read",)))


async def test_of_two_creates_at_once_with_one_client_id_one_makes(
    parts: Parts, acme: Tenant
) -> None:
    outcomes: list[tuple[NewApiKey | ApiKey, bool]] = []

    async def create() -> None:
        request = KeyRequest("key", ("org:read",), client_id="one")
        outcomes.append(await parts.keys.create(acme.actor, request))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(create)
    ids = {(each.key if isinstance(each, NewApiKey) else each).id for each, _ in outcomes}
    assert len(ids) == 1
    assert sorted(created for _, created in outcomes) == [False] * 5 + [True]
    assert sum(isinstance(each, NewApiKey) for each, _ in outcomes) == 1


async def test_lists_show_what_one_covers(parts: Parts, acme: Tenant, globex: Tenant) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    everywhere = (await make(parts, acme.actor, "org:read")).key
    there = (await make(parts, acme.actor, "org:read", environments=(second.id,))).key
    gone = (await make(parts, acme.actor, "org:read")).key
    await parts.keys.revoke(acme.actor, gone.id)
    await make(parts, globex.actor, "org:read")

    async def listed(actor: Actor, **more: Any) -> list[str]:
        page = await parts.keys.page(actor, PageRequest(descending=False), **more)
        return [key.id for key in page.rows]

    assert await listed(acme.actor) == [everywhere.id, there.id]
    assert await listed(acme.actor, include_revoked=True) == [everywhere.id, there.id, gone.id]
    bound = replace(acme.actor, environments=frozenset({second.id}))
    assert await listed(bound) == [there.id]
    with pytest.raises(NotFound):
        await parts.keys.get(bound, everywhere.id)
    first = await parts.keys.page(acme.actor, PageRequest(limit=1))
    rest = await parts.keys.page(acme.actor, PageRequest(limit=1, position=first.next_position))
    assert [key.id for key in (*first.rows, *rest.rows)] == [there.id, everywhere.id]
    assert rest.next_position is None


async def test_another_organization_finds_no_key(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    key = (await make(parts, acme.actor, "org:read")).key
    actions: list[Any] = [
        parts.keys.get(globex.actor, key.id),
        parts.keys.update(globex.actor, key.id, KeyChange(name="x")),
        parts.keys.rotate(globex.actor, key.id),
        parts.keys.revoke(globex.actor, key.id),
        parts.keys.get(acme.actor, "a\0b"),
    ]
    for action in actions:
        with pytest.raises(NotFound):
            await action
    assert await parts.keys.get(acme.actor, key.id) == key


async def test_an_update_changes_what_it_names(parts: Parts, acme: Tenant) -> None:
    made = await make(parts, acme.actor, "org:read", ip_allow=("192.0.2.1",))
    end = clock.now() + timedelta(days=1)
    change = KeyChange(name="new", ip_allow=("::ffff:198.51.100.0/120",), expires_at=end)
    changed = await parts.keys.update(acme.actor, made.key.id, change, frozenset({"1"}))
    assert changed == replace(
        made.key, name="new", ip_allow=("198.51.100.0/24",), expires_at=end, version=2
    )
    cleared = await parts.keys.update(acme.actor, made.key.id, KeyChange(expires_at=None))
    assert (cleared.expires_at, cleared.version) == (None, 3)
    with pytest.raises(PreconditionFailed):
        await parts.keys.update(acme.actor, made.key.id, KeyChange(), frozenset({"2"}))


@pytest.mark.proves("R82")
async def test_a_mightier_key_is_neither_changed_nor_taken_over(parts: Parts, acme: Tenant) -> None:
    mighty = await make(parts, acme.actor, "org:write", "keys:write")
    maker = acme.limited("keys:write")
    with pytest.raises(Forbidden, match="org:write"):
        await parts.keys.rotate(maker, mighty.key.id)
    with pytest.raises(Forbidden, match="org:write"):
        await parts.keys.update(maker, mighty.key.id, KeyChange(ip_allow=()))
    weak = await make(parts, acme.actor, "keys:write")
    with pytest.raises(Forbidden, match="org:read"):
        await parts.keys.update(maker, weak.key.id, KeyChange(scopes=("org:read",)))
    # A leak may be stopped by anyone who may manage keys.
    assert (await parts.keys.revoke(maker, mighty.key.id)).revoked_at is not None


async def test_rotation_leaves_the_old_key_for_a_while(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await make(parts, acme.actor, "org:read", client_id="ci", ip_allow=("192.0.2.1",))
    new = await parts.keys.rotate(acme.actor, old.key.id, 60)
    assert new.secret != old.secret
    assert new.key == replace(
        old.key, id=new.key.id, prefix=new.key.prefix, created_at=new.key.created_at
    )
    for secret in (old.secret, new.secret):
        await parts.authentication.by_key(secret, peer="192.0.2.1")
    later = clock.now() + timedelta(seconds=61)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(Expired):
        await parts.authentication.by_key(old.secret, peer="192.0.2.1")
    await parts.authentication.by_key(new.secret, peer="192.0.2.1")


async def test_rotation_without_overlap_ends_the_old_key_at_once(
    parts: Parts, acme: Tenant
) -> None:
    old = await make(parts, acme.actor, "org:read")
    await parts.authentication.by_key(old.secret, peer=None)
    await parts.keys.rotate(acme.actor, old.key.id, 0)
    with pytest.raises(AuthenticationFailed):
        await parts.authentication.by_key(old.secret, peer=None)
    with pytest.raises(Conflict):
        await parts.keys.rotate(acme.actor, old.key.id)
    with pytest.raises(Conflict):
        await parts.keys.update(acme.actor, old.key.id, KeyChange(name="x"))
    with pytest.raises(UnknownField):
        await parts.keys.rotate(acme.actor, old.key.id, -1)


async def test_rotation_never_prolongs(parts: Parts, acme: Tenant) -> None:
    end = clock.now() + timedelta(seconds=30)
    old = await make(parts, acme.actor, "org:read", expires_at=end)
    new = await parts.keys.rotate(acme.actor, old.key.id, 3600)
    assert new.key.expires_at == end
    assert (await parts.keys.get(acme.actor, old.key.id)).expires_at == end


@pytest.mark.proves("R82")
async def test_a_key_that_ends_makes_none_that_outlives_it(parts: Parts, acme: Tenant) -> None:
    end = clock.now() + timedelta(hours=1)
    ending = await make(parts, acme.actor, "keys:write", "org:read", expires_at=end)
    maker = await parts.authentication.by_key(ending.secret, peer="192.0.2.1")
    assert (await make(parts, maker, "org:read")).key.expires_at == end
    sooner = end - timedelta(minutes=1)
    assert (await make(parts, maker, "org:read", expires_at=sooner)).key.expires_at == sooner
    with pytest.raises(Forbidden, match="ends"):
        await make(parts, maker, "org:read", expires_at=end + timedelta(seconds=1))
    lasting = await make(parts, acme.actor, "org:read")
    with pytest.raises(Forbidden, match="ends"):
        await parts.keys.update(maker, lasting.key.id, KeyChange(name="x"))
    with pytest.raises(Forbidden, match="ends"):
        await parts.keys.rotate(maker, lasting.key.id)
    own = await parts.keys.update(maker, ending.key.id, KeyChange(expires_at=None))
    assert own.expires_at == end
    assert (await parts.keys.revoke(maker, lasting.key.id)).revoked_at is not None


async def test_a_key_that_was_rotated_out_does_not_come_back(parts: Parts, acme: Tenant) -> None:
    """Whoever holds it has the overlap, and no successor of his own."""
    leaked = await make(parts, acme.actor, "keys:write", "org:read")
    successor = await parts.keys.rotate(acme.actor, leaked.key.id, 60)
    thief = await parts.authentication.by_key(leaked.secret, peer="192.0.2.1")
    with pytest.raises(Forbidden):
        await parts.keys.rotate(thief, successor.key.id)
    ends = (await parts.keys.get(acme.actor, leaked.key.id)).expires_at
    assert (await parts.keys.rotate(thief, leaked.key.id)).key.expires_at == ends
    assert (await make(parts, thief, "org:read")).key.expires_at == ends


@pytest.mark.proves("R82")
async def test_a_key_of_some_networks_makes_none_for_others(parts: Parts, acme: Tenant) -> None:
    held = ("192.0.2.0/24", "2001:db8::/32")
    kept = await make(parts, acme.actor, "keys:write", "org:read", ip_allow=held)
    maker = await parts.authentication.by_key(kept.secret, peer="192.0.2.1")
    assert (await make(parts, maker, "org:read")).key.ip_allow == held
    inner = ("192.0.2.7/32", "2001:db8:1::/48")
    assert (await make(parts, maker, "org:read", ip_allow=inner)).key.ip_allow == inner
    for outer in (("192.0.2.1", "198.51.100.1"), ("192.0.0.0/16",), ("::/0",), ("0.0.0.0/0",)):
        with pytest.raises(Forbidden, match="networks"):
            await make(parts, maker, "org:read", ip_allow=outer)
    anywhere = await make(parts, acme.actor, "org:read")
    with pytest.raises(Forbidden, match="networks"):
        await parts.keys.update(maker, anywhere.key.id, KeyChange(name="x"))
    with pytest.raises(Forbidden, match="networks"):
        await parts.keys.rotate(maker, anywhere.key.id)
    own = await parts.keys.update(maker, kept.key.id, KeyChange(ip_allow=()))
    assert own.ip_allow == held


async def test_a_revoked_key_stays_to_be_looked_at(parts: Parts, acme: Tenant) -> None:
    made = await make(parts, acme.actor, "org:read", client_id="one")
    with pytest.raises(PreconditionFailed):
        await parts.keys.revoke(acme.actor, made.key.id, frozenset({"9"}))
    revoked = await parts.keys.revoke(acme.actor, made.key.id, frozenset({"1"}))
    assert await parts.keys.get(acme.actor, made.key.id) == revoked
    assert await parts.keys.revoke(acme.actor, made.key.id) == revoked
    # Its client_id is free for the next one.
    again = await make(parts, acme.actor, "org:read", client_id="one")
    assert again.key.id != made.key.id


async def test_an_inbox_that_is_purged_leaves_no_key_for_everything(
    parts: Parts, acme: Tenant
) -> None:
    one, other = await make_inbox(parts, acme), await make_inbox(parts, acme)
    alone = await make(parts, acme.actor, "org:read", inboxes=(one.id,))
    both = await make(parts, acme.actor, "org:read", inboxes=(one.id, other.id))
    await parts.authentication.by_key(alone.secret, peer=None)
    await parts.inboxes.purge(acme.actor, one.id)
    assert (await parts.keys.get(acme.actor, both.key.id)).inboxes == (other.id,)
    left = await parts.keys.get(acme.actor, alone.key.id)
    assert left.inboxes == ()
    assert left.revoked_at is not None
    with pytest.raises(AuthenticationFailed):
        await parts.authentication.by_key(alone.secret, peer=None)


@pytest.mark.proves("R31")
async def test_the_life_of_a_key_is_in_the_audit_log(parts: Parts, acme: Tenant) -> None:
    made = await make(parts, acme.actor, "org:read")
    await parts.keys.update(acme.actor, made.key.id, KeyChange(name="x"))
    await parts.keys.revoke(acme.actor, made.key.id)
    page = await parts.audit.page(
        acme.actor, AuditFilter(resource=made.key.id), PageRequest(descending=False)
    )
    assert [entry.action for entry in page.rows] == [
        "api_key.created",
        "api_key.updated",
        "api_key.revoked",
    ]
