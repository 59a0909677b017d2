"""Mail credentials: made, exported, rotated, revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentpost import clock
from agentpost.auth.passwords import verifies
from agentpost.errors import AuthenticationFailed, Limit, NotFound, UnknownField
from agentpost.limits import IdentityLimits
from agentpost.model.audit import AuditFilter
from agentpost.model.page import PageRequest
from agentpost.store.credentials import Credentials
from agentpost.store.inboxes import InboxRequest
from agentpost.store.pool import Connection
from agentpost.store.store import Place
from tests.store.conftest import SETTINGS, Parts, Tenant, make_inbox, wire


async def test_what_is_kept_of_a_secret_does_not_hold_it(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    made = await parts.credentials.create(
        acme.actor, inbox.id, "phone", protocols=("smtp", "imap", "smtp")
    )
    assert made.credential.protocols == ("imap", "smtp")
    assert made.secret not in repr(made)

    async def kept(connection: Connection) -> Any:
        return await connection.row(
            "SELECT c.*, c::text AS line FROM mail_credentials c WHERE id = $1", made.credential.id
        )

    row = await parts.database.run("*", kept)
    assert made.secret not in row["line"]
    assert made.secret.encode() not in row["sealed"]
    assert verifies(made.secret, row["scram"])


async def test_credentials_are_listed_until_they_are_revoked(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    made = await parts.credentials.create(acme.actor, inbox.id, "phone", read_only=True)
    listed = await parts.credentials.all(acme.actor, inbox.address)
    assert [each.name for each in listed] == ["default", "phone"]
    assert listed[1] == made.credential
    await parts.credentials.revoke(acme.actor, inbox.id, made.credential.id)
    assert [each.name for each in await parts.credentials.all(acme.actor, inbox.id)] == ["default"]
    for gone in (made.credential.id, "mc_x", "a\0b", "\ud800"):
        for action in (
            parts.credentials.revoke(acme.actor, inbox.id, gone),
            parts.credentials.rotate(acme.actor, inbox.id, gone),
        ):
            with pytest.raises(NotFound):
                await action

    async def sealed(connection: Connection) -> Any:
        return await connection.value(
            "SELECT sealed FROM mail_credentials WHERE id = $1", made.credential.id
        )

    assert await parts.database.run("*", sealed) is None


async def test_a_credential_of_another_inbox_is_not_found(parts: Parts, acme: Tenant) -> None:
    one, other = await make_inbox(parts, acme), await make_inbox(parts, acme)
    made = await parts.credentials.create(acme.actor, one.id, "phone")
    with pytest.raises(NotFound):
        await parts.credentials.rotate(acme.actor, other.id, made.credential.id)
    with pytest.raises(NotFound):
        await parts.credentials.revoke(acme.actor, other.id, made.credential.id)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("name", {"name": ""}),
        ("protocols[1]", {"protocols": ("imap", "pop3")}),
        ("protocols", {"protocols": ()}),
        ("expires_at", {"expires_at": clock.now().replace(tzinfo=None)}),
    ],
)
async def test_what_a_credential_cannot_be_is_refused(
    parts: Parts, acme: Tenant, path: str, more: dict[str, Any]
) -> None:
    inbox = await make_inbox(parts, acme)
    name = more.pop("name", "x")
    with pytest.raises(UnknownField) as refused:
        await parts.credentials.create(acme.actor, inbox.id, name, **more)
    assert refused.value.errors[0].path == path


async def test_the_number_of_credentials_is_bounded(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    few = Credentials(parts.door, replace(SETTINGS, limits=IdentityLimits(max_credentials=1)))
    with pytest.raises(Limit):
        await few.create(acme.actor, inbox.id, "second")


async def test_rotation_exchanges_the_secret_at_once(parts: Parts, acme: Tenant) -> None:
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("support"))
    assert made.credential is not None
    old = made.credential.secret
    await parts.authentication.by_login(made.inbox.id, old, protocol="imap", peer=None)
    new = await parts.credentials.rotate(acme.actor, made.inbox.id, made.credential.credential.id)
    assert new.credential == made.credential.credential
    with pytest.raises(AuthenticationFailed):
        await parts.authentication.by_login(made.inbox.id, old, protocol="imap", peer=None)
    await parts.authentication.by_login(made.inbox.id, new.secret, protocol="imap", peer=None)
    (line,) = await parts.credentials.export(acme.actor)
    assert line.password == new.secret


@pytest.mark.proves("R135")
async def test_the_export_tells_a_password_for_each_inbox(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    made = [
        (await parts.inboxes.create(acme.actor, InboxRequest(name), place))[0]
        for name, place in (("a", None), ("b", None), ("c", second.id), ("d", None))
    ]
    await make_inbox(parts, globex)
    await parts.inboxes.delete(acme.actor, made[3].inbox.id)
    # Of several, the first for both protocols; of none, no password.
    await parts.credentials.create(acme.actor, made[0].inbox.id, "later")
    assert made[1].credential is not None
    await parts.credentials.revoke(acme.actor, made[1].inbox.id, made[1].credential.credential.id)

    lines = await parts.credentials.export(acme.actor)
    expected = {
        (each.inbox.address, each.inbox.address): each.credential.secret
        for each in made[:3]
        if each.credential is not None
    }
    expected[made[1].inbox.address, made[1].inbox.address] = None  # type: ignore[assignment]
    assert {(line.email, line.username): line.password for line in lines} == expected
    assert all(line.password is None or line.password not in repr(line) for line in lines)

    (line,) = await parts.credentials.export(acme.actor, Place("environment", second.id))
    assert line.email == made[2].inbox.address
    bound = replace(acme.actor, inboxes=frozenset({made[0].inbox.id}))
    assert [each.email for each in await parts.credentials.export(bound)] == [made[0].inbox.address]
    with pytest.raises(NotFound):
        await parts.credentials.export(globex.actor, Place("environment", second.id))
    page = await parts.audit.page(
        acme.actor, AuditFilter(action="credentials.exported"), PageRequest()
    )
    assert [entry.detail for entry in page.rows] == [{"inboxes": n} for n in (1, 1, 3)]


async def test_an_expired_or_narrow_credential_is_exported_last(parts: Parts, acme: Tenant) -> None:
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("a"))
    assert made.credential is not None
    reference = made.inbox.id
    await parts.credentials.revoke(acme.actor, reference, made.credential.credential.id)
    await parts.credentials.create(
        acme.actor, reference, "old", expires_at=clock.now() - timedelta(days=1)
    )
    await parts.credentials.create(acme.actor, reference, "reader", read_only=True)
    await parts.credentials.create(acme.actor, reference, "sender", protocols=("smtp",))
    whole = await parts.credentials.create(acme.actor, reference, "whole")
    (line,) = await parts.credentials.export(acme.actor)
    assert line.password == whole.secret


async def test_without_seals_the_export_has_no_passwords(parts: Parts, acme: Tenant) -> None:
    unsealed = wire(parts.database, replace(SETTINGS, seal_credentials=False))
    made, _ = await unsealed.inboxes.create(acme.actor, InboxRequest("a"))
    assert made.credential is not None
    (line,) = await unsealed.credentials.export(acme.actor)
    assert (line.email, line.password) == (made.inbox.address, None)
    fresh = await unsealed.credentials.rotate(
        acme.actor, made.inbox.id, made.credential.credential.id
    )
    await parts.authentication.by_login(made.inbox.id, fresh.secret, protocol="smtp", peer=None)


async def test_under_another_master_key_passwords_are_not_readable(
    parts: Parts, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    await make_inbox(parts, acme)
    other = wire(parts.database, replace(SETTINGS, master_key=bytes(32)))
    (line,) = await other.credentials.export(acme.actor)
    assert line.password is None
    assert "another master key" in caplog.text
