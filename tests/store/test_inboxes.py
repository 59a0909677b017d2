"""Inboxes: made, found, changed, deleted, purged; and nobody sees another's."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from agentpost.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    PreconditionFailed,
    Problem,
    UnknownField,
)
from agentpost.ids import DraftId, InboxId, MessageId, new_id
from agentpost.limits import IdentityLimits
from agentpost.mime.summary import summarise
from agentpost.model.mailbox import Role
from agentpost.model.message import Arrival, NewDelivery, NewDraft, NewRelay
from agentpost.model.page import PageRequest
from agentpost.store import usernames
from agentpost.store.blobs_disk import DiskBlobs
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import Committer, DepositLimits
from agentpost.store.inboxes import InboxChange, Inboxes, InboxFilter, InboxRequest
from agentpost.store.pool import Connection
from tests.store.conftest import SETTINGS, Parts, Tenant, make_inbox


@pytest.mark.proves("R36", "R37", "R50", "R58", "R124")
async def test_a_new_inbox_has_address_mailboxes_and_a_credential(
    parts: Parts, acme: Tenant
) -> None:
    made, created = await parts.inboxes.create(
        acme.actor,
        InboxRequest("support", display_name="Support", metadata={"a": 1}, labels=("Vip", "vip")),
    )
    inbox = made.inbox
    assert created
    assert re.fullmatch(r"support-[a-z0-9]{6}@shared\.test", inbox.address)
    assert (inbox.username, inbox.domain, inbox.display_name) == (
        "support",
        "shared.test",
        "Support",
    )
    assert (inbox.metadata, inbox.labels, inbox.version) == ({"a": 1}, ("vip",), 1)
    assert inbox.environment == acme.environment.id
    assert made.credential is not None
    assert made.credential.secret.startswith("ap_mail_")
    assert made.credential.secret not in repr(made)

    async def names(connection: Connection) -> list[str]:
        rows = await connection.rows(
            "SELECT name FROM mailboxes WHERE inbox_id = $1 ORDER BY id", inbox.id
        )
        return [row["name"] for row in rows]

    mailboxes = await parts.database.run("*", names)
    assert mailboxes == ["INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"]


async def test_without_a_user_name_a_readable_one_is_made(parts: Parts, acme: Tenant) -> None:
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest())
    assert re.fullmatch(r"[a-z]+-[a-z]+", made.inbox.username)


@pytest.mark.proves("R52", "R53", "R54", "R55")
@pytest.mark.parametrize("username", ["", "A", "-a", "a.", "a..b", "a--b", "a b", "é", "a" * 65])
async def test_a_bad_user_name_is_refused_with_its_rule(
    parts: Parts, acme: Tenant, username: str
) -> None:
    with pytest.raises(UnknownField) as refused:
        await parts.inboxes.create(acme.actor, InboxRequest(username))
    assert refused.value.errors[0].path == "username"


@pytest.mark.proves("R57", "R70")
async def test_the_same_client_id_gives_the_same_inbox(parts: Parts, acme: Tenant) -> None:
    request = InboxRequest("bot", client_id="bot-prod.v1")
    first, created = await parts.inboxes.create(acme.actor, request)
    again, created_again = await parts.inboxes.create(
        acme.actor, replace(request, username="other")
    )
    assert (created, created_again) == (True, False)
    assert again.inbox == first.inbox
    assert again.credential is None


@pytest.mark.proves("R57")
async def test_of_two_creates_at_once_with_one_client_id_one_makes(
    parts: Parts, acme: Tenant
) -> None:
    outcomes: list[tuple[str, bool, bool]] = []

    async def create() -> None:
        made, created = await parts.inboxes.create(acme.actor, InboxRequest("bot", client_id="one"))
        outcomes.append((made.inbox.id, created, made.credential is not None))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(create)
    assert len({each[0] for each in outcomes}) == 1
    assert sorted(each[1] for each in outcomes) == [False] * 7 + [True]
    assert sorted(each[2] for each in outcomes) == [False] * 7 + [True]


async def test_a_deleted_inbox_does_not_come_back_by_its_client_id(
    parts: Parts, acme: Tenant
) -> None:
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("bot", client_id="one"))
    await parts.inboxes.delete(acme.actor, made.inbox.id)
    with pytest.raises(Conflict):
        await parts.inboxes.create(acme.actor, InboxRequest("bot", client_id="one"))


@pytest.mark.proves("R50")
async def test_a_taken_address_is_not_given_out_again(
    parts: Parts, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffixes = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(
        usernames, "shared_address", lambda user, domain: f"{user}-{next(suffixes)}@{domain}"
    )
    first = await make_inbox(parts, acme)
    second = await make_inbox(parts, globex)
    assert (first.address, second.address) == (
        "support-aaaaaa@shared.test",
        "support-bbbbbb@shared.test",
    )


async def test_when_no_address_is_free_it_is_said(
    parts: Parts, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usernames, "shared_address", lambda _user, _domain: "a-aaaaaa@shared.test")
    await make_inbox(parts, acme)
    with pytest.raises(Overloaded):
        await make_inbox(parts, acme)


@pytest.mark.proves("R51")
async def test_another_domain_is_refused_with_what_to_do(parts: Parts, acme: Tenant) -> None:
    with pytest.raises(UnknownField) as refused:
        await parts.inboxes.create(acme.actor, InboxRequest("a", domain="example.com"))
    assert refused.value.errors[0].path == "domain"
    assert "shared.test" in refused.value.fix
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("a", domain="Shared.TEST"))
    assert made.inbox.domain == "shared.test"


async def test_a_key_bound_to_inboxes_makes_none(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    bound = replace(acme.actor, inboxes=frozenset({inbox.id}))
    with pytest.raises(Forbidden):
        await parts.inboxes.create(bound, InboxRequest("a"))


async def test_without_a_determined_environment_one_must_be_named(
    parts: Parts, acme: Tenant
) -> None:
    with pytest.raises(UnknownField):
        await parts.inboxes.create(replace(acme.actor, environment=None), InboxRequest("a"))
    with pytest.raises(NotFound):
        await parts.inboxes.create(acme.actor, InboxRequest("a"), "env_" + "0" * 26)


@pytest.mark.proves("R60")
async def test_an_inbox_is_found_by_id_and_by_address_however_written(
    parts: Parts, acme: Tenant
) -> None:
    inbox = await make_inbox(parts, acme)
    assert await parts.inboxes.get(acme.actor, inbox.id) == inbox
    assert await parts.inboxes.get(acme.actor, inbox.address.upper()) == inbox
    for nothing in ("inb_" + "0" * 26, "", "a\0b", "\ud800", "x" * 400, "support@shared.test"):
        with pytest.raises(NotFound):
            await parts.inboxes.get(acme.actor, nothing)


@pytest.mark.proves("R33")
async def test_another_organization_finds_nothing(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    inbox = await make_inbox(parts, acme)
    actions: list[Any] = [
        parts.inboxes.get(globex.actor, inbox.id),
        parts.inboxes.get(globex.actor, inbox.address),
        parts.inboxes.update(globex.actor, inbox.id, InboxChange(display_name="x")),
        parts.inboxes.delete(globex.actor, inbox.id),
        parts.inboxes.purge(globex.actor, inbox.id),
        parts.inboxes.pause(globex.actor, inbox.id, "x"),
        parts.inboxes.resume(globex.actor, inbox.id),
        parts.inboxes.restore(globex.actor, inbox.id),
        parts.credentials.all(globex.actor, inbox.id),
        parts.credentials.create(globex.actor, inbox.id, "x"),
        parts.inboxes.create(globex.actor, InboxRequest("a"), acme.environment.id),
    ]
    for action in actions:
        with pytest.raises(NotFound):
            await action
    assert (await parts.inboxes.page(globex.actor, InboxFilter(), PageRequest())).rows == ()
    assert await parts.credentials.export(globex.actor) == ()
    assert await parts.inboxes.get(acme.actor, inbox.id) == inbox


@pytest.mark.proves("R84", "R85")
async def test_a_missing_scope_is_named(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    reader = acme.limited("inboxes:read")
    actions: list[Any] = [
        parts.inboxes.create(reader, InboxRequest("a")),
        parts.inboxes.update(reader, inbox.id, InboxChange()),
        parts.inboxes.delete(reader, inbox.id),
        parts.inboxes.purge(reader, inbox.id),
        parts.inboxes.pause(reader, inbox.id, "x"),
    ]
    for action in actions:
        with pytest.raises(Forbidden, match="inboxes:write"):
            await action
    writer = acme.limited("inboxes:write")
    with pytest.raises(Forbidden, match="inboxes:read"):
        await parts.inboxes.page(writer, InboxFilter(), PageRequest())
    with pytest.raises(Forbidden, match="credentials:read"):
        await parts.credentials.export(reader)


@pytest.mark.proves("R33")
async def test_row_level_security_is_a_second_wall(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    await make_inbox(parts, acme)
    await make_inbox(parts, globex)
    for owner in (acme, globex):
        assert await _owners_seen(parts, owner.organization.id) == {
            table: {owner.organization.id} for table in _WALLED
        }
    assert await _owners_seen(parts, "") == {table: set() for table in _WALLED}

    async def trespass(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO environments (id, organization_id, name, slug, kind)"
            " VALUES ('env_x', $1, 'x', 'x', 'live')",
            acme.organization.id,
        )

    with pytest.raises(Exception, match="row-level security"):
        await parts.database.run(globex.organization.id, trespass)


async def test_a_hole_in_the_second_wall_would_be_seen(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    await make_inbox(parts, acme)
    await make_inbox(parts, globex)

    async def tear_down(connection: Connection) -> None:
        await connection.execute("ALTER TABLE inboxes DISABLE ROW LEVEL SECURITY")

    await parts.database.run("*", tear_down)
    seen = await _owners_seen(parts, acme.organization.id)
    assert seen["inboxes"] == {acme.organization.id, globex.organization.id}


async def test_every_table_of_tenants_is_behind_the_wall(parts: Parts) -> None:
    async def open_tables(connection: Connection) -> set[str]:
        rows = await connection.rows(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind = 'r' AND a.attname = 'organization_id'"
            " AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS"
            "  (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))"
        )
        return {row["relname"] for row in rows}

    # A job of the server's own has no organization; only the server reads the queue.
    assert await parts.database.run("*", open_tables) == {"jobs"}


@pytest.mark.proves("R59")
async def test_lists_are_paged_and_filtered(parts: Parts, acme: Tenant) -> None:
    made = []
    for number in range(5):
        request = InboxRequest(
            f"bot{number}",
            display_name=f"Bot {number}% done",
            metadata={"team": "a" if number < 2 else "b"},
            labels=("even",) if number % 2 == 0 else (),
        )
        made.append((await parts.inboxes.create(acme.actor, request))[0].inbox)
    first = await parts.inboxes.page(acme.actor, InboxFilter(), PageRequest(limit=3))
    rest = await parts.inboxes.page(
        acme.actor, InboxFilter(), PageRequest(limit=3, position=first.next_position)
    )
    assert [inbox.id for inbox in (*first.rows, *rest.rows)] == [i.id for i in reversed(made)]
    assert rest.next_position is None

    await parts.inboxes.pause(acme.actor, made[3].id, "testing")
    await parts.inboxes.delete(acme.actor, made[4].id)

    async def found(**conditions: Any) -> list[str]:
        wanted = InboxFilter(**conditions)
        page = await parts.inboxes.page(acme.actor, wanted, PageRequest(descending=False))
        return [inbox.username for inbox in page.rows]

    assert await found() == ["bot0", "bot1", "bot2", "bot3"]
    assert await found(include_deleted=True) == ["bot0", "bot1", "bot2", "bot3", "bot4"]
    assert await found(q="BOT1") == ["bot1"]
    assert await found(q="2% d") == ["bot2"]
    assert await found(q="_ot") == []
    assert await found(send_paused=True) == ["bot3"]
    assert await found(metadata={"team": "a"}) == ["bot0", "bot1"]
    assert await found(labels=("Even",)) == ["bot0", "bot2"]
    assert await found(domain="shared.test", send_paused=False) == ["bot0", "bot1", "bot2"]
    assert await found(domain="other.test") == []
    with pytest.raises(UnknownField):
        await found(q="a\0b")
    bound = replace(acme.actor, inboxes=frozenset({made[1].id}))
    page = await parts.inboxes.page(bound, InboxFilter(), PageRequest())
    assert [inbox.id for inbox in page.rows] == [made[1].id]


@pytest.mark.proves("R56", "R61")
async def test_an_update_changes_what_it_names_and_nothing_else(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    change = InboxChange(
        display_name="Agent",
        metadata={"a": 1, "b": 2},
        labels=("X",),
        settings={"max_imap_connections": 5},
        signature="-- \nAgent",
    )
    changed = await parts.inboxes.update(acme.actor, inbox.id, change)
    assert changed == replace(
        inbox,
        display_name="Agent",
        metadata={"a": 1, "b": 2},
        labels=("x",),
        settings={"max_imap_connections": 5},
        signature="-- \nAgent",
        version=2,
        updated_at=changed.updated_at,
    )
    again = await parts.inboxes.update(
        acme.actor,
        inbox.id,
        InboxChange(display_name=None, metadata={"a": None}, settings={}),
        frozenset({"2"}),
    )
    assert (again.display_name, again.metadata, again.version) == (None, {"b": 2}, 3)
    assert again.settings == {"max_imap_connections": 5}
    with pytest.raises(PreconditionFailed):
        await parts.inboxes.update(acme.actor, inbox.id, InboxChange(), frozenset({"2"}))


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("display_name", InboxChange(display_name="a\r\nBcc: x@example.com")),
        ("display_name", InboxChange(display_name=" ")),
        ("display_name", InboxChange(display_name="x" * 257)),
        ("signature", InboxChange(signature="a\0b")),
        ("labels", InboxChange(labels=("x",) * 51)),
        ("labels[0]", InboxChange(labels=("",))),
        ("metadata", InboxChange(metadata={"a": "\0"})),
        ("metadata", InboxChange(metadata={"a": "\ud800"})),
        ("metadata", InboxChange(metadata={"a": "x" * 20_000})),
        ("metadata", InboxChange(metadata={str(n): n for n in range(51)})),
        ("settings.colour", InboxChange(settings={"colour": 1})),
        ("settings.max_imap_connections", InboxChange(settings={"max_imap_connections": True})),
        ("settings.max_imap_connections", InboxChange(settings={"max_imap_connections": 0})),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_its_path(
    parts: Parts, acme: Tenant, path: str, change: InboxChange
) -> None:
    inbox = await make_inbox(parts, acme)
    with pytest.raises(UnknownField) as refused:
        await parts.inboxes.update(acme.actor, inbox.id, change)
    assert refused.value.errors[0].path == path
    assert await parts.inboxes.get(acme.actor, inbox.id) == inbox


async def test_metadata_may_speak_of_nul_in_words(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    change = InboxChange(metadata={"a": "\\u0000"})
    assert (await parts.inboxes.update(acme.actor, inbox.id, change)).metadata == change.metadata


@pytest.mark.proves("R62")
async def test_a_deleted_inbox_is_hidden_and_can_be_restored(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    deleted = await parts.inboxes.delete(acme.actor, inbox.id)
    assert deleted.deleted_at is not None
    with pytest.raises(NotFound):
        await parts.inboxes.get(acme.actor, inbox.id)
    with pytest.raises(NotFound):
        await parts.inboxes.delete(acme.actor, inbox.id)
    assert await parts.inboxes.get(acme.actor, inbox.id, include_deleted=True) == deleted
    local = await parts.directory.resolve(inbox.address)
    assert local is not None
    assert local.deleted
    restored = await parts.inboxes.restore(acme.actor, inbox.address)
    assert restored.deleted_at is None
    assert await parts.inboxes.get(acme.actor, inbox.id) == restored
    assert await parts.inboxes.restore(acme.actor, inbox.id) == restored


async def test_a_purge_leaves_nothing_but_the_address_taken(
    parts: Parts, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffixes = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(
        usernames, "shared_address", lambda user, domain: f"{user}-{next(suffixes)}@{domain}"
    )
    inbox = await make_inbox(parts, acme)
    await _put_message(parts, acme, inbox.id)
    assert 0 not in (await parts.database.run("*", _rows_of_inboxes)).values()
    await parts.inboxes.delete(acme.actor, inbox.id)
    await parts.inboxes.purge(acme.actor, inbox.id)
    assert set((await parts.database.run("*", _rows_of_inboxes)).values()) == {0}
    with pytest.raises(NotFound):
        await parts.inboxes.get(acme.actor, inbox.id, include_deleted=True)
    assert await parts.directory.resolve(inbox.address) is None
    other = await make_inbox(parts, globex)
    assert other.address == "support-bbbbbb@shared.test"

    async def retired(connection: Connection) -> Any:
        return await connection.value("SELECT address_sha256 FROM retired_addresses")

    assert await parts.database.run("*", retired) == hashlib.sha256(inbox.address.encode()).digest()


async def test_a_purge_leaves_other_inboxes_alone(parts: Parts, acme: Tenant) -> None:
    gone = await make_inbox(parts, acme)
    stays = await make_inbox(parts, acme)
    await _put_message(parts, acme, gone.id)
    await _put_message(parts, acme, stays.id)
    before = await parts.database.run("*", _rows_of_inboxes)
    await parts.inboxes.purge(acme.actor, gone.id)
    after = await parts.database.run("*", _rows_of_inboxes)
    assert {table: 2 * count for table, count in after.items()} == before
    assert (await parts.inboxes.get(acme.actor, stays.id)).id == stays.id


async def test_accepted_mail_still_goes_out_after_a_purge(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    message = await _put_message(parts, acme, inbox.id, relayed=True)
    await parts.inboxes.purge(acme.actor, inbox.id)

    async def waiting(connection: Connection) -> Any:
        return await connection.rows("SELECT message_id, octets FROM begin_relays($1)", [message])

    rows = await parts.database.run("*", waiting, atomic=True)
    assert [(row["message_id"], row["octets"]) for row in rows] == [(message, _OCTETS)]
    left = await parts.database.run("*", _rows_of_inboxes)
    assert {table: n for table, n in left.items() if n} == {"blobs": 1, "deliveries": 1}


@pytest.mark.proves("R64", "R66")
async def test_pausing_says_why_and_since_when(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    paused = await parts.inboxes.pause(acme.actor, inbox.id, "bounces")
    assert (paused.send_paused, paused.paused_reason) == (True, "bounces")
    assert paused.paused_by == acme.actor.credential
    again = await parts.inboxes.pause(acme.actor, inbox.id, "complaints")
    assert (again.paused_at, again.paused_reason) == (paused.paused_at, "complaints")
    local = await parts.directory.resolve(inbox.address)
    assert local is not None
    assert local.send_paused
    resumed = await parts.inboxes.resume(acme.actor, inbox.id)
    assert (resumed.send_paused, resumed.paused_reason, resumed.paused_at) == (False, None, None)
    assert (await parts.inboxes.resume(acme.actor, inbox.id)).version == resumed.version
    with pytest.raises(UnknownField):
        await parts.inboxes.pause(acme.actor, inbox.id, "")


@pytest.mark.proves("R31")
async def test_what_happens_to_an_inbox_is_in_the_audit_log(parts: Parts, acme: Tenant) -> None:
    from agentpost.model.audit import AuditFilter

    inbox = await make_inbox(parts, acme)
    await parts.inboxes.pause(acme.actor, inbox.id, "x")
    await parts.inboxes.purge(acme.actor, inbox.id)
    page = await parts.audit.page(
        acme.actor, AuditFilter(resource=inbox.id), PageRequest(descending=False)
    )
    assert [entry.action for entry in page.rows] == [
        "inbox.created",
        "inbox.paused",
        "inbox.purged",
    ]
    assert {entry.actor for entry in page.rows} == {acme.actor.credential}
    first = await parts.audit.page(acme.actor, AuditFilter(), PageRequest(limit=1))
    second = await parts.audit.page(
        acme.actor, AuditFilter(), PageRequest(limit=1, position=first.next_position)
    )
    assert first.rows[0].id > second.rows[0].id


async def test_a_failed_create_leaves_nothing(parts: Parts, acme: Tenant) -> None:
    strict = replace(SETTINGS, limits=IdentityLimits(address_attempts=0))
    with pytest.raises(Overloaded):
        await Inboxes(parts.door, strict).create(acme.actor, InboxRequest("a"))
    assert (await parts.inboxes.page(acme.actor, InboxFilter(), PageRequest())).rows == ()


async def test_no_error_tells_a_secret(parts: Parts, acme: Tenant) -> None:
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("a"))
    assert made.credential is not None
    with pytest.raises(Problem) as refused:
        await parts.authentication.by_login(
            made.inbox.id, made.credential.secret + "x", protocol="imap", peer=None
        )
    assert made.credential.secret not in str(refused.value)


_TABLES = [
    "inboxes",
    "mail_credentials",
    "mailboxes",
    "threads",
    "thread_refs",
    "messages",
    "unindexed",
    "placements",
    "expunged",
    "blobs",
    "deliveries",
    "events",
    "drafts",
]


_WALLED = ("inboxes", "mail_credentials", "mailboxes", "environments", "audit", "organizations")


async def _owners_seen(parts: Parts, tenants: str) -> dict[str, set[str]]:
    """The organizations whose rows a raw query sees, table by table."""

    async def owners(connection: Connection) -> dict[str, set[str]]:
        seen = {}
        for table in _WALLED:
            column = "id" if table == "organizations" else "organization_id"
            rows = await connection.rows(f"SELECT DISTINCT {column} AS owner FROM {table}")
            seen[table] = {row["owner"] for row in rows}
        return seen

    return await parts.database.run(tenants, owners)


async def _rows_of_inboxes(connection: Connection) -> dict[str, int]:
    counts = {table: await connection.value(f"SELECT count(*) FROM {table}") for table in _TABLES}
    # That an inbox is gone is told where it was, in words that name nothing but its id.
    gone = await connection.rows("SELECT inbox_id, data FROM events WHERE type = 'inbox.deleted'")
    purged = [json.loads(row["data"]) for row in gone if row["inbox_id"] is None]
    assert all(data.keys() == {"inbox_id", "purged"} for data in purged)
    return counts | {"events": counts["events"] - len(purged)}


async def _put_message(
    parts: Parts, owner: Tenant, inbox: str, *, relayed: bool = False
) -> MessageId:
    """A draft replaced by a submission, so that every table of an inbox's mail has rows."""
    committer = Committer(
        parts.database,
        DiskBlobs(Path("unused")),
        DepositLimits(),
        parts.woken.append,
        lambda: None,
    )

    def arrival(role: Role, state: str, **more: Any) -> Arrival:
        return Arrival(
            owner.organization.id,
            InboxId(inbox),
            MessageId(new_id("msg")),
            "outbound",
            "rest",
            state,
            role=role,
            **more,
        )

    draft = arrival("drafts", "draft")
    summary = summarise(_OCTETS)
    draft_id = DraftId(new_id("drf"))
    await committer.commit(Deposit(_OCTETS, summary, (draft,), draft=NewDraft(draft_id)))
    sent = arrival("sent", "queued", events=("message.sent",), fingerprint=b"f")
    await committer.commit(
        Deposit(
            _OCTETS,
            summary,
            (sent, arrival("inbox", "received")),
            deliveries=(NewDelivery("a@example.com", False, "queued"),),
            relay=NewRelay("support@shared.test") if relayed else None,
            replaces=draft.message,
        )
    )
    kept = arrival("drafts", "draft")
    await committer.commit(
        Deposit(_OCTETS, summary, (kept,), draft=NewDraft(DraftId(new_id("drf"))))
    )
    return sent.message


_OCTETS = b"From: a@b.c\r\nMessage-ID: <1@b.c>\r\nSubject: x\r\n\r\nHello\r\n"
