"""A reader that polls for what is new misses nothing, whoever commits in which order.

Two committers write into one inbox, as two workers do, and transactions take unequal time.  The
same readers then meet a ``deposit`` that numbers from sequences, and must be seen to miss mail:
the order of ``nextval`` is not the order of commits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from agentpost.limits import MessageLimits
from agentpost.mail.appending import Appending
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.mailbox import Flag, FlagChange, Mailbox
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection, Database
from tests.durability.ledger import compose
from tests.durability.reading import SETTINGS, Follower

pytestmark = pytest.mark.slow

_WRITERS = 6
_MESSAGES_EACH = 40
_SEEN = FlagChange("add", Flag.SEEN, ())
_LOCK = "PERFORM 1 FROM inboxes i WHERE i.id = ANY (inbox_ids) ORDER BY i.id FOR UPDATE;"
_WRITTEN = "IF v_stored <> cardinality(messages) THEN"
_COUNTED = (
    "UPDATE inboxes i SET modseq = i.modseq + 1\n"
    "        WHERE i.id = ANY (inbox_ids) AND i.deleted_at IS NULL\n"
    "        RETURNING i.id, i.organization_id, i.environment_id, i.modseq"
)
_UIDS = "b.uidnext + row_number() OVER (PARTITION BY b.id ORDER BY m.ordinality) - 1 AS uid"
_NUMBERED = (
    "UPDATE mailboxes b SET uidnext = c.last_uid + 1, modseq = c.modseq\n"
    "        FROM (\n"
    "            SELECT t.mailbox_id, t.modseq, max(t.uid) AS last_uid FROM target t GROUP BY 1, 2\n"
    "        ) c\n"
    "        WHERE b.id = c.mailbox_id"
)
_PLANTED_COUNTED = (
    "SELECT i.id, i.organization_id, i.environment_id, nextval('planted_modseqs') AS modseq"
    " FROM inboxes i WHERE i.id = ANY (inbox_ids)"
)
_PLANTED_UIDS = "nextval('planted_uids') AS uid"
_PLANTED_COUNTERS = (
    "UPDATE inboxes i SET modseq = greatest(i.modseq, p.modseq) FROM placements p, "
    "unnest(messages) AS m WHERE p.message_id = m.id AND i.id = p.inbox_id;\n    "
    "UPDATE mailboxes b SET modseq = greatest(b.modseq, p.modseq), uidnext ="
    " greatest(b.uidnext, p.uid + 1) FROM placements p, unnest(messages) AS m"
    " WHERE p.message_id = m.id AND b.id = p.mailbox_id;\n    "
)
"""The counters still say the highest number that anyone has committed."""
_UNEVEN = "PERFORM pg_sleep(random() * 0.015);\n    "
"""A moment between taking the numbers and the commit: a long header, a slow disk."""


async def _uneven(connection: Connection, *, planted: bool) -> None:
    """Let transactions take unequal time; with ``planted``, number them from sequences."""
    text = await connection.value("SELECT pg_get_functiondef('deposit'::regproc)")
    changes = [(_WRITTEN, _UNEVEN + (_PLANTED_COUNTERS if planted else "") + _WRITTEN)]
    if planted:
        await connection.execute("CREATE SEQUENCE planted_uids; CREATE SEQUENCE planted_modseqs")
        changes += [
            (_LOCK, ""),
            (_COUNTED, _PLANTED_COUNTED),
            (_UIDS, _PLANTED_UIDS),
            (_NUMBERED, "SELECT 1"),
        ]
    for before, after in changes:
        assert text.count(before) == 1, f"deposit has changed; plant the fault anew: {before}"
        text = text.replace(before, after)
    await connection.execute(text)


class UidReader:
    """Asks for placements above the last uid it has seen, as a simple IMAP client does."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.seen: list[int] = []

    async def look(self, database: Database) -> None:
        after = self.seen[-1] if self.seen else 0

        async def ask(connection: Connection) -> list[int]:
            rows = await connection.rows(
                "SELECT uid FROM placements WHERE mailbox_id = $1 AND uid > $2 ORDER BY uid",
                self.mailbox.id,
                after,
            )
            return [row["uid"] for row in rows]

        self.seen += await database.run("*", ask)


class Desk:
    """One inbox, two stores that write to it, and readers at a third."""

    def __init__(self, writers: list[Store], reader: Store, actor: Actor, where: Scope) -> None:
        self.writers = writers
        self.reader = reader
        self.actor = actor
        self.where = where
        self.committed: list[tuple[str, int]] = []

    async def write(self, number: int, mailbox: Mailbox) -> None:
        store = self.writers[number % len(self.writers)]
        appending = Appending(store.messages, store.mailboxes, MessageLimits())
        for message in range(_MESSAGES_EACH):
            octets = compose(f"w{number}-{message}", "a@b.example", "c@d.example", 800)
            placed = await appending.append(
                self.actor, self.where, mailbox, octets, Flag(0), (), None
            )
            self.committed.append((placed.message, placed.uid))
            # A message that changes before a reader looks is new to it all the same.
            await store.mailboxes.store_flags(
                self.actor, self.where, mailbox.id, [placed.uid], _SEEN
            )


@asynccontextmanager
async def _desk(url: str, blobs: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(open_store(url, blobs, SETTINGS, alone=False))
            for _ in range(3)
        ]
        organization, environment = await stores[0].organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        actor = Actor(organization.id, "key_test", widen(SCOPES), environment=environment.id)
        made, _ = await stores[0].inboxes.create(actor, InboxRequest("agent"))
        where = Scope(organization.id, environment.id, made.inbox.id)
        yield Desk(stores[:2], stores[2], actor, where)


async def _race(desk: Desk) -> tuple[int, int, list[str]]:
    """How many messages readers of changes and of uids have missed, and what else was wrong."""
    mailbox = await desk.reader.mailboxes.find(desk.actor, desk.where, "INBOX")
    assert desk.where.inbox is not None
    follower, uids = Follower(desk.where.inbox), UidReader(mailbox)
    written = trio.Event()

    async def read() -> None:
        done = False
        while not done:
            done = written.is_set()
            while await follower.look(desk.reader, desk.actor, limit=7):
                pass
            await uids.look(desk.reader.database)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async with trio.open_nursery() as writing:
            for number in range(_WRITERS):
                writing.start_soon(desk.write, number, mailbox)
        written.set()
    assert len(desk.committed) == _WRITERS * _MESSAGES_EACH
    missed = {message for message, _ in desk.committed} - set(follower.created)
    if len(set(follower.created)) != len(follower.created):
        follower.complaints.append("told twice")
    passed_over = {uid for _, uid in desk.committed} - set(uids.seen)
    return len(missed), len(passed_over), follower.complaints


async def test_no_reader_misses_what_two_workers_commit(database_url: str, tmp_path: Path) -> None:
    async with _desk(database_url, tmp_path) as desk:
        await desk.reader.database.run("*", lambda c: _uneven(c, planted=False), atomic=True)
        assert await _race(desk) == (0, 0, [])


async def test_numbers_from_a_sequence_are_found_out(database_url: str, tmp_path: Path) -> None:
    async with _desk(database_url, tmp_path) as desk:
        await desk.reader.database.run("*", lambda c: _uneven(c, planted=True), atomic=True)
        by_modseq, by_uid, _ = await _race(desk)
    assert by_modseq > 0
    assert by_uid > 0
