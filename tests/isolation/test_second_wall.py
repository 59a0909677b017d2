"""Row level security, the second wall: with ``Actor.require`` gone, a foreign id yields nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentpost.errors import DestinationNotFound, MailboxNotFound, NotFound
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Flag, FlagChange
from agentpost.model.message import MessageChange, MessageFilter
from agentpost.model.page import PageRequest
from agentpost.model.upload import NewUpload
from agentpost.store.domains import DomainChange, DomainRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from agentpost.store.store import Place
from tests.imap.harness import SETTINGS
from tests.isolation.world import World

_ADD = FlagChange("add", Flag.FLAGGED, ())
_PAGE = PageRequest(limit=50)


@pytest.fixture
def first_wall_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody may do everything, as far as our own code is concerned."""
    monkeypatch.setattr(Actor, "require", lambda self, scope, where: None)


async def _nothing(attempt: Callable[[], Awaitable[object]]) -> None:
    """The attempt fails as it does where nothing is, or finds nothing."""
    try:
        found = await attempt()
    except (NotFound, MailboxNotFound, DestinationNotFound):
        return
    items = getattr(found, "items", found)
    assert not items, found


async def test_foreign_ids_find_nothing_without_the_first_wall(
    world: World, database_url: str, tmp_path: Path, first_wall_gone: None
) -> None:
    thief, owner = world.acme.owner, world.globex
    where, message = owner.where, owner.message
    inbox = owner.inbox.inbox.id
    assert owner.inbox.credential is not None
    box = await world.store.mailboxes.find(owner.owner, where, "INBOX")
    thread = (await world.store.messages.get(owner.owner, message)).thread
    environment = where.environment
    assert environment is not None
    upload = await world.store.uploads.announce(owner.owner, NewUpload("plan.csv", "text/csv", 1))
    session = await world.store.mcp.begin(owner.owner, "mcp_of_globex", "2025-11-25")
    claim, _ = await world.store.domains.create(
        owner.owner, DomainRequest("globex.example"), environment
    )
    # Another worker's store, so that nothing is answered from what the owner has made warm.
    async with open_store(database_url, tmp_path / "blobs", SETTINGS, alone=False) as store:
        for attempt in _attempts(
            store, thief, where, message, thread, inbox, box.id, environment, claim.id
        ):
            await _nothing(attempt)
        await _nothing(lambda: store.uploads.get(thief, upload.key))
        # Even under the name of the owner's key.
        forger = replace(thief, credential=owner.owner.credential)
        await _nothing(lambda: store.mcp.get(forger, session.id))
        await _nothing(lambda: store.mcp.end(forger, session.id))
        assert await store.uploads.some(thief, "messages:send", where, [upload.key]) == {}
    kept = await world.store.messages.content(owner.owner, message)
    assert b"Attack at dawn" in kept.octets
    assert kept.message.flags == Flag(0)
    assert kept.message.folder == "INBOX"


def _attempts(
    store: Store,
    thief: Actor,
    where: Scope,
    message: str,
    thread: str,
    inbox: str,
    box: object,
    environment: str,
    domain: str,
) -> list[Callable[[], Awaitable[object]]]:
    messages, mailboxes = store.messages, store.mailboxes
    mailbox = box  # the true number of the foreign mailbox
    return [
        lambda: messages.get(thief, message),
        lambda: messages.content(thief, message),
        lambda: messages.deliveries(thief, message),
        lambda: messages.page(thief, MessageFilter(), _PAGE, Place("inbox", inbox)),
        lambda: messages.changes(thief, inbox, 0, 100),
        lambda: messages.update(thief, message, MessageChange(seen=True)),
        lambda: messages.delete(thief, message, permanent=True),
        lambda: messages.restore(thief, message),
        lambda: messages.sent_copy(thief, where, mailbox, "<plan@elsewhere>"),  # type: ignore[arg-type]
        lambda: mailboxes.all(thief, where),
        lambda: mailboxes.find(thief, where, "INBOX"),
        lambda: mailboxes.status(thief, where),
        lambda: mailboxes.subscriptions(thief, where),
        lambda: mailboxes.store_flags(thief, where, mailbox, [1], _ADD),  # type: ignore[arg-type]
        lambda: mailboxes.expunge(thief, where, mailbox, [1], only_deleted=False),  # type: ignore[arg-type]
        lambda: mailboxes.copy(thief, where, mailbox, [1], "INBOX"),  # type: ignore[arg-type]
        lambda: mailboxes.delete(thief, where, "Archive"),
        lambda: mailboxes.rename(thief, where, "Mine", "Yours"),
        lambda: store.index.snapshot(thief, where, mailbox),  # type: ignore[arg-type]
        lambda: store.threads.get(thief, thread),
        lambda: store.threads.state(thief, thread),
        lambda: store.inboxes.get(thief, inbox),
        lambda: store.inboxes.delete(thief, inbox),
        lambda: store.credentials.all(thief, inbox),
        lambda: store.credentials.create(thief, inbox, "Mine"),
        lambda: store.environments.get(thief, environment),
        lambda: store.domains.get(thief, domain),
        lambda: store.domains.update(thief, domain, DomainChange(inbound=False)),
        lambda: store.domains.delete(thief, domain),
        lambda: store.domain_looks.begin(thief, domain),
    ]


async def test_tables_show_a_tenant_its_own_rows_alone(world: World) -> None:
    async def tables(connection: Connection) -> list[str]:
        rows = await connection.rows(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'"
            " WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1"
        )
        return [row["relname"] for row in rows]

    async def unwalled(connection: Connection) -> list[str]:
        rows = await connection.rows(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " AND a.attname = 'organization_id' WHERE c.relkind = 'r'"
            " AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1"
        )
        return [row["relname"] for row in rows]

    names = await world.store.database.run("*", tables)
    assert len(names) >= 18
    # The queue of jobs is the server's own: no tenant's statement reads it.
    assert await world.store.database.run("*", unwalled) == ["jobs"]
    own, other = world.acme.owner.organization, world.globex.owner.organization
    for name in names:
        if name == "jobs":
            continue

        async def foreign(connection: Connection, name: str = name) -> int:
            count: int = await connection.value(
                f"SELECT count(*) FROM {name} WHERE organization_id <> $1", own
            )
            return count

        assert await world.store.database.run(own, foreign) == 0, name
        assert await world.store.database.run("", foreign) == 0, name
    assert other != own


async def test_a_row_cannot_be_written_for_another_tenant(world: World) -> None:
    own, other = world.acme.owner.organization, world.globex.where

    async def insert(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO subscriptions VALUES ($1, $2, 'Mine')", other.organization, other.inbox
        )

    async def update(connection: Connection) -> object:
        return await connection.rows(
            "UPDATE inboxes SET address = 'mine@shared.test' WHERE id = $1 RETURNING id",
            other.inbox,
        )

    with pytest.raises(Exception, match="row-level security"):
        await world.store.database.run(own, insert)
    assert await world.store.database.run(own, update) == []
