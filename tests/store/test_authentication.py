"""Logins: what opens, what is refused with which words, and how soon a revocation bites."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from agentpost import clock
from agentpost.auth.keys import new_api_key, new_mail_credential
from agentpost.errors import AuthenticationFailed, Expired, Forbidden, Overloaded
from agentpost.limits import IdentityLimits
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.inbox import Inbox
from agentpost.model.organization import ApiKey, NewApiKey
from agentpost.net.networks import covers, network, networks
from agentpost.store.authentication import Authentication, Protocol
from agentpost.store.inboxes import InboxChange, InboxRequest
from agentpost.store.keys import KeyChange, KeyRequest
from agentpost.store.pool import Connection
from tests.store.conftest import Parts, Tenant, make_inbox

ALL = tuple(sorted(SCOPES))
BOTH: tuple[Protocol, ...] = ("imap", "smtp")


async def make_key(parts: Parts, owner: Tenant, *scopes: str, **more: Any) -> NewApiKey:
    request = KeyRequest("key", scopes or ALL, **more)
    made, _ = await parts.keys.create(owner.actor, request)
    assert isinstance(made, NewApiKey)
    return made


async def login(
    parts: Parts, inbox: Inbox, password: str, protocol: Protocol = "imap", **more: Any
) -> Actor:
    actor, where, local = await parts.authentication.by_login(
        more.pop("username", inbox.address),
        password,
        protocol=protocol,
        peer=more.pop("peer", None),
    )
    assert (where.inbox, local.inbox, local.address) == (inbox.id, inbox.id, inbox.address)
    assert (actor.at, actor.address, actor.source) == (where, inbox.address, protocol)
    assert actor.inboxes == frozenset({inbox.id})
    return actor


@pytest.mark.proves("R76", "R82", "R83")
async def test_a_key_becomes_an_actor(parts: Parts, acme: Tenant) -> None:
    made = await make_key(parts, acme, "messages:write", environments=(acme.environment.id,))
    actor = await parts.authentication.by_key(made.secret, peer="192.0.2.1", source="ws")
    assert actor.organization == acme.organization.id
    assert actor.credential == made.key.id
    assert actor.scopes == widen(frozenset({"messages:write"}))
    assert "messages:send" in actor.scopes
    assert actor.environments == frozenset({acme.environment.id})
    assert (actor.environment, actor.source, actor.tier) == (
        acme.environment.id,
        "ws",
        "enterprise",
    )


async def test_the_environment_is_the_default_or_the_only_one(parts: Parts, acme: Tenant) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    third, _ = await parts.environments.create(acme.actor, "Third")
    cases = [
        (None, acme.environment.id),
        ((second.id,), second.id),
        ((second.id, acme.environment.id), acme.environment.id),
        ((second.id, third.id), None),
    ]
    for environments, expected in cases:
        made = await make_key(parts, acme, "org:read", environments=environments)
        actor = await parts.authentication.by_key(made.secret, peer=None)
        assert actor.environment == expected


async def test_wrong_secrets_all_sound_alike(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    revoked = await make_key(parts, acme)
    await parts.keys.revoke(acme.actor, revoked.key.id)
    mail = await parts.credentials.create(acme.actor, inbox.id, "phone")
    words = set()
    for secret in ("", "x", new_api_key("live").text, revoked.secret, mail.secret, "\ud800"):
        with pytest.raises(AuthenticationFailed) as refused:
            await parts.authentication.by_key(secret, peer=None)
        words.add(refused.value.message)
    assert len(words) == 1


@pytest.mark.proves("R123")
@pytest.mark.parametrize("protocol", BOTH)
async def test_a_key_opens_an_inbox_that_it_covers(
    parts: Parts, acme: Tenant, protocol: Protocol
) -> None:
    inbox = await make_inbox(parts, acme)
    everything = await make_key(parts, acme)
    bound = await make_key(parts, acme, inboxes=(inbox.id,))
    for made in (everything, bound):
        await login(parts, inbox, made.secret, protocol)
        await login(parts, inbox, made.secret, protocol, username=inbox.id)
        await login(parts, inbox, made.secret, protocol, username=inbox.address.upper())


@pytest.mark.proves("R124")
@pytest.mark.parametrize("protocol", BOTH)
async def test_the_first_mail_credential_opens_its_inbox(
    parts: Parts, acme: Tenant, protocol: Protocol
) -> None:
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("support"))
    assert made.credential is not None
    actor = await login(parts, made.inbox, made.credential.secret, protocol)
    assert actor.credential == made.credential.credential.id
    assert {"messages:read", "messages:send", "labels:write", "threads:read"} <= actor.scopes
    assert not actor.scopes & {"inboxes:write", "keys:write", "credentials:read"}
    assert actor.environments == frozenset({acme.environment.id})


@pytest.mark.proves("R123", "R129")
async def test_what_does_not_cover_the_inbox_fails_as_if_it_did_not_exist(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    inbox = await make_inbox(parts, acme)
    other, _ = await parts.inboxes.create(acme.actor, InboxRequest("other"))
    deleted, _ = await parts.inboxes.create(acme.actor, InboxRequest("deleted"))
    await parts.inboxes.delete(acme.actor, deleted.inbox.id)
    elsewhere, _ = await parts.environments.create(acme.actor, "Elsewhere")
    expired = await make_key(parts, globex, expires_at=clock.now() - timedelta(days=1))
    right = await make_key(parts, acme)
    assert other.credential is not None
    assert deleted.credential is not None
    attempts = [
        (inbox.address, (await make_key(parts, globex)).secret),
        (inbox.address, expired.secret),
        (inbox.address, (await make_key(parts, acme, environments=(elsewhere.id,))).secret),
        (inbox.address, (await make_key(parts, acme, inboxes=(other.inbox.id,))).secret),
        (inbox.address, other.credential.secret),
        (inbox.address, new_api_key("live").text),
        (inbox.address, new_mail_credential().text),
        (inbox.address, "hunter2"),
        (inbox.address, ""),
        (deleted.inbox.address, deleted.credential.secret),
        (deleted.inbox.address, right.secret),
        ("nobody@shared.test", right.secret),
        ("nobody@shared.test", new_api_key("live").text),
        ("", right.secret),
        ("a\0b", right.secret),
        ("\ud800@shared.test", right.secret),
        ("inb_" + "0" * 26, right.secret),
        (inbox.address.replace("s", "\u017f", 1), right.secret),
    ]
    words = set()
    for username, password in attempts:
        for protocol in BOTH:
            with pytest.raises(AuthenticationFailed) as refused:
                await parts.authentication.by_login(
                    username, password, protocol=protocol, peer=None
                )
            words.add((refused.value.message, refused.value.fix))
    assert len(words) == 1


async def test_a_failed_login_costs_the_same_whatever_exists(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await make_inbox(parts, acme)
    statements: list[str] = []
    row = Connection.row

    async def counted(self: Connection, sql: str, *arguments: object) -> Any:
        statements.append(sql)
        return await row(self, sql, *arguments)

    monkeypatch.setattr(Connection, "row", counted)
    seen = []
    for username in (inbox.address, "nobody@shared.test"):
        statements.clear()
        with pytest.raises(AuthenticationFailed):
            await parts.authentication.by_login(
                username, new_api_key("live").text, protocol="imap", peer=None
            )
        seen.append(tuple(statements))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2


@pytest.mark.proves("R125", "R126")
async def test_a_missing_scope_is_named(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    reader = await make_key(parts, acme, "messages:read")
    writer = await make_key(parts, acme, "messages:write")
    sender = await make_key(parts, acme, "messages:send")
    with pytest.raises(Forbidden, match="messages:write"):
        await login(parts, inbox, reader.secret, "smtp")
    for made in (writer, sender):
        with pytest.raises(Forbidden, match="messages:read"):
            await login(parts, inbox, made.secret, "imap")
        await login(parts, inbox, made.secret, "smtp")
    await login(parts, inbox, reader.secret, "imap")


async def test_a_mail_credential_is_bound_to_its_protocols(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    for protocol in BOTH:
        other = "smtp" if protocol == "imap" else "imap"
        made = await parts.credentials.create(acme.actor, inbox.id, protocol, protocols=(protocol,))
        await login(parts, inbox, made.secret, protocol)
        with pytest.raises(Forbidden, match=other.upper()):
            await login(parts, inbox, made.secret, cast("Protocol", other))


async def test_a_read_only_credential_reads_only(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    made = await parts.credentials.create(acme.actor, inbox.id, "auditor", read_only=True)
    actor = await login(parts, inbox, made.secret, "imap")
    assert not any(
        scope.endswith((":write", ":delete", ":send", ":label")) for scope in actor.scopes
    )
    with pytest.raises(Forbidden, match="messages:write"):
        await login(parts, inbox, made.secret, "smtp")


async def test_what_has_expired_says_so_to_who_holds_it(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await make_inbox(parts, acme)
    end = clock.now() + timedelta(hours=1)
    key = await make_key(parts, acme, expires_at=end)
    mail = await parts.credentials.create(acme.actor, inbox.id, "x", expires_at=end)
    actor = await parts.authentication.by_key(key.secret, peer=None)
    await login(parts, inbox, mail.secret)
    # What is remembered expires on time as well.
    monkeypatch.setattr(clock, "now", lambda: end)
    with pytest.raises(Expired):
        await parts.authentication.by_key(key.secret, peer=None)
    for secret in (key.secret, mail.secret):
        with pytest.raises(Expired):
            await login(parts, inbox, secret)
    assert not await parts.authentication.still_valid(actor)


async def test_a_key_is_bound_to_its_networks(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    made = await make_key(parts, acme, ip_allow=("192.0.2.0/24", "2001:db8::/32"))
    for peer in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        await parts.authentication.by_key(made.secret, peer=peer)
        await login(parts, inbox, made.secret, peer=peer)
    for outside in ("198.51.100.1", "::ffff:198.51.100.1", "2001:db9::1", None, "unix", ""):
        with pytest.raises(Forbidden, match="network address"):
            await parts.authentication.by_key(made.secret, peer=outside)
        with pytest.raises(Forbidden, match="network address"):
            await login(parts, inbox, made.secret, peer=outside)


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_mapped_addresses_are_the_addresses_they_map(address: Any, bits: int) -> None:
    allowed = networks([f"{address}/{bits}"])
    mapped = networks([f"::ffff:{address}/{96 + bits}"])
    assert allowed == mapped
    for form in (str(address), f"::ffff:{address}", f"::FFFF:{address}"):
        assert covers(allowed, form)
    assert not covers(networks(["::/1"]) if bits else allowed, "::1%eth0") or bits


def test_a_zone_says_nothing_about_who() -> None:
    assert covers(networks(["fe80::/10"]), "fe80::1%eth0")
    assert network("192.0.2.77/24") == network("192.0.2.0/24")


async def test_a_revocation_here_bites_at_once(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    key = await make_key(parts, acme)
    mail = await parts.credentials.create(acme.actor, inbox.id, "x")
    await parts.authentication.by_key(key.secret, peer=None)
    await login(parts, inbox, key.secret)
    await login(parts, inbox, mail.secret)
    await parts.keys.revoke(acme.actor, key.key.id)
    await parts.credentials.revoke(acme.actor, inbox.id, mail.credential.id)
    with pytest.raises(AuthenticationFailed):
        await parts.authentication.by_key(key.secret, peer=None)
    for secret in (key.secret, mail.secret):
        with pytest.raises(AuthenticationFailed):
            await login(parts, inbox, secret)


async def test_a_revocation_elsewhere_bites_after_seconds_or_a_wake_up(
    parts: Parts, acme: Tenant, mock_clock: MockClock
) -> None:
    elsewhere = Authentication(parts.door)
    for wake_up in (False, True):
        key = await make_key(parts, acme)
        await elsewhere.by_key(key.secret, peer=None)
        await parts.keys.revoke(acme.actor, key.key.id)
        await elsewhere.by_key(key.secret, peer=None)
        if wake_up:
            elsewhere.forget_all()
        else:
            mock_clock.jump(5.0)
        with pytest.raises(AuthenticationFailed):
            await elsewhere.by_key(key.secret, peer=None)


async def test_what_is_revoked_while_it_is_looked_up_is_not_remembered(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await make_key(parts, acme)
    read = parts.door.read

    async def raced(*arguments: Any) -> Any:
        found = await read(*arguments)
        monkeypatch.undo()
        await parts.keys.revoke(acme.actor, key.key.id)
        return found

    monkeypatch.setattr(parts.door, "read", raced)
    await parts.authentication.by_key(key.secret, peer=None)
    with pytest.raises(AuthenticationFailed):
        await parts.authentication.by_key(key.secret, peer=None)


async def test_memory_is_bounded_and_holds_no_failures(parts: Parts, acme: Tenant) -> None:
    small = Authentication(parts.door, IdentityLimits(cached_entries=2))
    for _ in range(4):
        with pytest.raises(AuthenticationFailed):
            await small.by_key(new_api_key("live").text, peer=None)
    assert len(small._known) == 0
    for _ in range(4):
        await small.by_key((await make_key(parts, acme)).secret, peer=None)
    assert len(small._known) == 2


async def test_a_remembered_key_asks_nothing(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await make_inbox(parts, acme)
    key = await make_key(parts, acme)
    await parts.authentication.by_key(key.secret, peer=None)
    await login(parts, inbox, key.secret)
    monkeypatch.setattr(parts.door, "read", None)
    await parts.authentication.by_key(key.secret, peer=None)
    await login(parts, inbox, key.secret)


async def test_a_deleted_inbox_logs_nobody_in(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    key = await make_key(parts, acme)
    actor = await login(parts, inbox, key.secret)
    assert await parts.authentication.still_valid(actor)
    await parts.inboxes.delete(acme.actor, inbox.id)
    with pytest.raises(AuthenticationFailed):
        await login(parts, inbox, key.secret)
    assert not await parts.authentication.still_valid(actor)
    await parts.inboxes.restore(acme.actor, inbox.id)
    assert await parts.authentication.still_valid(actor)


@pytest.mark.proves("R131")
async def test_a_login_tells_the_inboxs_own_bound_of_connections(
    parts: Parts, acme: Tenant
) -> None:
    inbox = await make_inbox(parts, acme)
    key = await make_key(parts, acme)
    for bound in (None, 3):
        change = InboxChange(settings={"max_imap_connections": bound})
        await parts.inboxes.update(acme.actor, inbox.id, change)
        _, _, local = await parts.authentication.by_login(
            inbox.address, key.secret, protocol="imap", peer=None
        )
        assert local.max_imap_connections == bound


async def test_a_long_session_ends_when_its_key_loses_rights(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    key = await make_key(parts, acme, "messages:read", "messages:write", "org:read")
    actor = await login(parts, inbox, key.secret)
    still_valid = parts.authentication.still_valid
    assert await still_valid(actor)

    async def narrowed(**change: Any) -> bool:
        await parts.keys.update(acme.actor, key.key.id, KeyChange(**change))
        return not await still_valid(actor)

    assert not await narrowed(name="renamed")
    assert not await narrowed(inboxes=(inbox.id,))
    assert await narrowed(scopes=("messages:read",))
    assert not await narrowed(scopes=ALL)
    other = await make_inbox(parts, acme)
    assert await narrowed(inboxes=(other.id,))


async def test_a_long_session_ends_with_its_credential(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    mail = await parts.credentials.create(acme.actor, inbox.id, "x")
    actor = await login(parts, inbox, mail.secret)
    assert await parts.authentication.still_valid(actor)
    assert not await parts.authentication.still_valid(replace(actor, credential="mc_unknown"))
    await parts.credentials.revoke(acme.actor, inbox.id, mail.credential.id)
    assert not await parts.authentication.still_valid(actor)
    assert await parts.authentication.still_valid(system_actor())


async def test_the_last_use_is_written_later_and_once_a_minute(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await make_inbox(parts, acme)
    key = await make_key(parts, acme)
    mail = await parts.credentials.create(acme.actor, inbox.id, "x")
    start = clock.now()

    async def use(after_s: int) -> int:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=after_s))
        await parts.authentication.by_key(key.secret, peer=None)
        await login(parts, inbox, mail.secret)
        return await parts.authentication.flush_last_used()

    async def last_used() -> tuple[Any, Any]:
        stored: ApiKey = await parts.keys.get(acme.actor, key.key.id)
        (credential,) = (
            each
            for each in await parts.credentials.all(acme.actor, inbox.id)
            if each.id == mail.credential.id
        )
        return stored.last_used_at, credential.last_used_at

    assert await last_used() == (None, None)
    assert await use(0) == 2
    assert await last_used() == (start, start)
    await use(59)
    assert await last_used() == (start, start)
    await use(61)
    assert await last_used() == (start + timedelta(seconds=61),) * 2
    assert await parts.authentication.flush_last_used() == 0


async def test_uses_that_could_not_be_written_are_written_later(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await make_key(parts, acme)
    await parts.authentication.by_key(key.secret, peer=None)

    async def down(*_: Any, **__: Any) -> None:
        raise Overloaded

    with monkeypatch.context() as broken:
        broken.setattr(parts.door, "write", down)
        with pytest.raises(Overloaded):
            await parts.authentication.flush_last_used()
    assert await parts.authentication.flush_last_used() == 1
    assert (await parts.keys.get(acme.actor, key.key.id)).last_used_at is not None


async def test_another_tenants_credential_id_tells_nothing(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    key = await make_key(parts, globex)
    forged = Actor(acme.organization.id, key.key.id, frozenset())
    assert not await parts.authentication.still_valid(forged)
