"""Messages: storing them, listing them, reading their octets, changing their placements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentpost.errors import MailboxNotFound, NotFound
from agentpost.ids import MailboxId, MessageId, ModSeq, ThreadId
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Placed
from agentpost.model.message import (
    DeliveryState,
    InboxChanges,
    Listed,
    Mark,
    Message,
    MessageChange,
    MessageContent,
    MessageFilter,
    Receipt,
)
from agentpost.model.page import Page, PageRequest
from agentpost.store import checks, deciding, rows
from agentpost.store.blobs import Blobs
from agentpost.store.depositing import Deposit, ref_of
from agentpost.store.deposits import Committer, DuplicateSubmission
from agentpost.store.listing import Listing, listed
from agentpost.store.marking import mark, placements
from agentpost.store.narrowing import Narrowing, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place, Where

_SENT_COPY_WINDOW = timedelta(days=2)
"""How long after a submission a client's own copy in Sent counts as the same message."""


@dataclass(frozen=True, slots=True)
class StoredOctets:
    """A message's octets: here, or in the file at ``location``."""

    sha256: bytes
    size: int
    octets: bytes | None
    location: str | None


class Messages:
    """Everything that reads or changes messages."""

    def __init__(self, door: Door, committer: Committer, blobs: Blobs) -> None:
        self._door = door
        self._committer = committer
        self._blobs = blobs

    async def deposit(
        self, actor: Actor, scope: str | None, where: Scope, deposit: Deposit
    ) -> tuple[Placed, ...]:
        """Store a message in all its mailboxes, with its events and jobs; see Committer.commit.

        ``where`` is the inbox that acts (the sender's, or the one appended to).
        """
        self._door.allow(actor, scope, where)
        return await self._committer.commit(deposit)

    async def submitted_before(
        self, actor: Actor, where: Scope, message_id: str, fingerprint: bytes
    ) -> Receipt:
        """The receipt of the submission with this Message-ID and fingerprint.

        Raises: DuplicateSubmission again when its message has been deleted meanwhile.
        """

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT m.id, m.thread_id FROM thread_refs r JOIN messages m ON m.id = r.message_id"
                " WHERE r.inbox_id = $1 AND r.ref = $2 AND m.fingerprint = $3",
                where.inbox,
                ref_of(message_id),
                fingerprint,
            )

        row = await self._door.read(actor, "messages:send", where, read)
        if row is None:
            raise DuplicateSubmission
        return Receipt(MessageId(row["id"]), ThreadId(row["thread_id"]), duplicate=True)

    async def sent_copy(
        self, actor: Actor, where: Scope, mailbox: MailboxId, message_id: str
    ) -> Placed | None:
        """The placement in Sent of the submitted message with this Message-ID, if there is one.

        A client that appends its own copy after submitting is answered with it (PITFALLS 9).
        """

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT p.uid, p.modseq, b.uidvalidity, m.id, m.thread_id FROM thread_refs r"
                " JOIN messages m ON m.id = r.message_id"
                " JOIN placements p ON p.message_id = m.id AND p.mailbox_id = $2"
                " JOIN mailboxes b ON b.id = p.mailbox_id AND b.role = 'sent'"
                " WHERE r.inbox_id = $1 AND r.ref = $3 AND m.source IN ('smtp', 'rest')"
                "  AND m.direction = 'outbound' AND m.created_at > now() - $4::interval"
                " ORDER BY p.uid DESC LIMIT 1",
                where.inbox,
                mailbox,
                ref_of(message_id),
                _SENT_COPY_WINDOW,
            )

        row = await self._door.read(actor, "messages:read", where, read)
        if row is None:
            return None
        return Placed(
            row["id"], mailbox, row["uidvalidity"], row["uid"], row["modseq"], row["thread_id"]
        )

    async def placed(self, actor: Actor, message: MessageId) -> Placed:
        """Where a message lies, for who has just put it there.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT p.mailbox_id, p.uid, p.modseq, b.uidvalidity, m.thread_id"
                " FROM messages m JOIN placements p ON p.message_id = m.id"
                " JOIN mailboxes b ON b.id = p.mailbox_id WHERE m.id = $1 LIMIT 1",
                message,
            )

        row = await self._door.read(actor, "messages:read", Place("message", message), read)
        if row is None:
            raise NotFound("There is no such message.")
        return Placed(
            message,
            row["mailbox_id"],
            row["uidvalidity"],
            row["uid"],
            row["modseq"],
            row["thread_id"],
        )

    async def page(
        self, actor: Actor, wanted: MessageFilter, page: PageRequest, where: Where = None
    ) -> Page[Message]:
        """Messages that fit the filter, newest first unless asked otherwise.

        What lies only in Trash or Junk is left out unless included or named; drafts are listed
        as drafts.
        Raises: Forbidden when what is to be included needs a scope that is missing.
        """
        found, position = await self._rows(actor, wanted, page, where, whole=True)
        return Page(tuple(rows.message(row) for row in found), position)

    async def listed(
        self, actor: Actor, wanted: MessageFilter, page: PageRequest, where: Where = None
    ) -> Page[Listed]:
        """As ``page``, with what lists show and nothing else.  Raises: Forbidden."""
        found, position = await self._rows(actor, wanted, page, where, whole=False)
        return Page(tuple(listed(row) for row in found), position)

    async def _rows(
        self,
        actor: Actor,
        wanted: MessageFilter,
        page: PageRequest,
        where: Where,
        *,
        whole: bool,
    ) -> tuple[list[Row], tuple[str, ...] | None]:
        checks.visible(actor, wanted.include, wanted.folder)

        async def read(connection: Connection, place: Scope) -> list[Row]:
            listing = Listing(actor, None if where is None else place, wanted, page)
            return await connection.rows(listing.sql(whole=whole), *listing.arguments)

        found = await self._door.read(actor, "messages:read", where, read)
        shown = found[: page.limit]
        return shown, (shown[-1]["id"],) if len(found) > page.limit else None

    async def some(self, actor: Actor, messages: Sequence[str]) -> dict[str, Message]:
        """Those of the messages that exist for the actor, by id."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(len(messages), "ASC")
            reach(query, actor, None, "m", deleted=True)
            query.add("m.id = ANY ({0})", list(messages))
            return await connection.rows(
                f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m, {rows.PLACEMENT}"
                f" WHERE {query.condition}",
                *query.arguments,
            )

        found = await self._door.read(actor, "messages:read", None, read)
        return {row["id"]: rows.message(row) for row in found}

    async def get(self, actor: Actor, message: str, scope: str | None = "messages:read") -> Message:
        """One message by id; without a ``scope`` for one who may do anything where it lies.

        Raises: NotFound.
        """

        async def read(connection: Connection, _: Scope) -> Message:
            return await _get(connection, message)

        return await self._door.read(actor, scope, Place("message", message), read)

    async def content(
        self, actor: Actor, message: str, scope: str = "messages:read"
    ) -> MessageContent:
        """A message with its octets, exactly as they came.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> tuple[Message, Row]:
            stored = await _get(connection, message)
            row = await connection.row(
                "SELECT m.parts, b.octets, b.location, b.sha256 FROM messages m"
                " JOIN blobs b ON b.id = m.blob_id WHERE m.id = $1",
                message,
            )
            if row is None:
                raise NotFound("There is no such message.")
            return stored, row

        stored, row = await self._door.read(actor, scope, Place("message", message), read)
        return await self._content(stored, row)

    async def contents(
        self, actor: Actor, messages: Sequence[Message], scope: str
    ) -> list[MessageContent]:
        """Several messages with their octets, in no order; not those that are gone."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(len(messages), "ASC")
            reach(query, actor, None, "m", deleted=True)
            query.add("m.id = ANY ({0})", [message.id for message in messages])
            return await connection.rows(
                "SELECT m.id, m.parts, b.octets, b.location, b.sha256 FROM messages m"
                f" JOIN blobs b ON b.id = m.blob_id WHERE {query.condition}",
                *query.arguments,
            )

        known = {message.id: message for message in messages}
        found = await self._door.read(actor, scope, None, read)
        return [await self._content(known[row["id"]], row) for row in found]

    async def _content(self, message: Message, row: Row) -> MessageContent:
        octets = row["octets"]
        if octets is None:
            octets = await self._blobs.get(row["location"])
        return MessageContent(message, octets, row["parts"], row["sha256"])

    async def octets(self, actor: Actor, message: str) -> StoredOctets:
        """Where a message's octets are, and what they hash to.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT b.sha256, b.size, b.octets, b.location FROM messages m"
                " JOIN blobs b ON b.id = m.blob_id WHERE m.id = $1",
                message,
            )

        row = await self._door.read(actor, "messages:read", Place("message", message), read)
        if row is None:
            raise NotFound("There is no such message.")
        return StoredOctets(*row)

    async def update(
        self,
        actor: Actor,
        message: str,
        change: MessageChange,
        scope: str = "labels:write",
        if_match: frozenset[str] | None = None,
    ) -> Message:
        """Change labels, flags or folder in every mailbox that holds the message.

        ``folder`` moves its placements there as one.  The version of a message is its modseq.
        Raises: NotFound, MailboxNotFound, PreconditionFailed.
        """

        async def write(connection: Connection, where: Scope) -> Message:
            await _lock(connection, where, message, if_match)
            placed = await placements(connection, message)
            await mark(connection, where, placed, change, self._by(actor, where))
            if change.folder is not None:
                await _move(connection, where, placed, change.folder, self._by(actor, where))
            return await _get(connection, message)

        with deciding.decisions():
            return await self._door.write(actor, scope, Place("message", message), write)

    def _by(self, actor: Actor, where: Scope) -> str:
        return deciding.by(self._door, actor, where)

    async def delete(
        self,
        actor: Actor,
        message: str,
        *,
        permanent: bool = False,
        scope: str = "messages:delete",
        if_match: frozenset[str] | None = None,
    ) -> bool:
        """Move a message to Trash; from there, or when ``permanent``, remove it for ever.

        Returns whether it is gone for ever.  Raises: NotFound, PreconditionFailed.
        """

        async def write(connection: Connection, where: Scope) -> bool:
            await _lock(connection, where, message, if_match)
            placed = await placements(connection, message)
            if permanent or all(row["role"] == "trash" for row in placed):
                for row in placed:
                    await connection.rows(
                        "SELECT expunge($1, $2, ARRAY[$3::bigint], false, NULL, $4)",
                        where.inbox,
                        row["mailbox_id"],
                        row["uid"],
                        self._by(actor, where),
                    )
                return True
            await _move(connection, where, placed, None, self._by(actor, where), role="trash")
            return False

        with deciding.decisions():
            return await self._door.write(actor, scope, Place("message", message), write)

    async def restore(self, actor: Actor, message: str, scope: str = "messages:delete") -> Message:
        """Take a message out of Trash: back to INBOX, or to Sent when it was sent."""

        async def write(connection: Connection, where: Scope) -> Message:
            await _lock(connection, where, message, None)
            stored = await _get(connection, message)
            trashed = [r for r in await placements(connection, message) if r["role"] == "trash"]
            role = "sent" if stored.direction == "outbound" else "inbox"
            await _move(connection, where, trashed, None, self._by(actor, where), role=role)
            return await _get(connection, message)

        return await self._door.write(actor, scope, Place("message", message), write)

    async def deliveries(self, actor: Actor, message: str) -> tuple[DeliveryState, ...]:
        """How far a message has come, recipient by recipient."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT * FROM deliveries WHERE message_id = $1 ORDER BY recipient", message
            )

        found = await self._door.read(actor, "messages:read", Place("message", message), read)
        return tuple(rows.delivery(row) for row in found)

    async def modseq(self, actor: Actor, where: Scope) -> int:
        """The inbox's counter now: what changes after it is later."""

        async def read(connection: Connection, _: Scope) -> int:
            modseq: int = await connection.value(
                "SELECT modseq FROM inboxes WHERE id = $1", where.inbox
            )
            return modseq

        return await self._door.read(actor, "messages:read", where, read)

    async def changes(self, actor: Actor, inbox: str, since: int, limit: int) -> InboxChanges:
        """What happened in an inbox after ``since``, in the order of the one counter.

        A message is created, updated or destroyed once in an answer; what was both made and
        destroyed meanwhile is only destroyed.  Source: RFC 7162 section 3.1 gives the numbers.
        """

        async def read(connection: Connection, where: Scope) -> list[Row]:
            return await connection.rows(_CHANGES, where.inbox, since, limit + 1)

        found = await self._door.read(actor, "messages:read", Place("inbox", inbox), read)
        modseq, forgotten = found[0]["counter"], ModSeq(found[0]["forgotten"])
        found = [row for row in found if row["message_id"] is not None]
        more = len(found) > limit
        if more:
            # A modseq is told whole or not at all, or the next answer would miss its rest; the
            # last one read is whole, however many messages it has.
            last = found[-1]["modseq"]
            found = [row for row in found if row["modseq"] < last] or found
            modseq = found[-1]["modseq"]
        kinds: dict[str, list[MessageId]] = {"created": [], "updated": [], "destroyed": []}
        for row in found:
            kinds[row["kind"]].append(MessageId(row["message_id"]))
        return InboxChanges(
            tuple(kinds["created"]),
            tuple(kinds["updated"]),
            tuple(kinds["destroyed"]),
            ModSeq(modseq),
            more,
            forgotten,
            tuple(ModSeq(row["modseq"]) for row in found if row["kind"] == "created"),
        )

    async def take(self, actor: Actor, message: str, wanted: Mark) -> Message | None:
        """Mark a message that is not marked yet; None when it is, or is gone.

        Of all who try to take a message one is given it, however many try at once.
        Raises: Forbidden.
        """

        async def write(connection: Connection, where: Scope) -> Message | None:
            await _lock(connection, where, message, None)
            placed = await placements(connection, message)
            taken = await connection.value(_TAKEN, message, wanted.seen, wanted.label)
            if taken is not False:
                return None
            change = MessageChange(
                add_labels=() if wanted.label is None else (wanted.label,),
                seen=True if wanted.seen else None,
            )
            await mark(connection, where, placed, change, self._by(actor, where))
            return await _get(connection, message)

        try:
            return await self._door.write(actor, "labels:write", Place("message", message), write)
        except NotFound:
            return None


_CHANGES = """
SELECT i.modseq AS counter, i.forgotten_modseq AS forgotten, h.* FROM inboxes i LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT p.message_id,
            CASE WHEN m.created_modseq > $2 THEN m.created_modseq ELSE max(p.modseq) END AS modseq,
            CASE WHEN m.created_modseq > $2 THEN 'created' ELSE 'updated' END AS kind
        FROM mailboxes b
        CROSS JOIN LATERAL placements_since(b.id, $2) p
        JOIN messages m ON m.id = p.message_id
        WHERE b.inbox_id = $1 AND b.modseq > $2 GROUP BY 1, m.created_modseq
        UNION ALL
        SELECT e.message_id, max(e.modseq), CASE WHEN bool_or(m.id IS NULL) THEN 'destroyed'
            ELSE 'updated' END
        FROM expunged e LEFT JOIN messages m ON m.id = e.message_id
        WHERE e.inbox_id = $1 AND e.modseq > $2
            AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.message_id = e.message_id
                AND p.modseq > $2)
        GROUP BY 1
    ) happened ORDER BY modseq FETCH FIRST ($3) ROWS WITH TIES
) h ON true WHERE i.id = $1 ORDER BY h.modseq
"""
"""One statement, so that the counter and the rows are of one moment.

A message stands where it was created, so that whoever reads page by page is told of its creation
even when it was changed again meanwhile; that change is told once more where it belongs.
"""


_TAKEN = """
SELECT bool_or($2 AND p.flags & 1 <> 0
    OR $3::text IS NOT NULL AND lower($3) = ANY (folded(p.keywords)))
FROM placements p WHERE p.message_id = $1
"""


async def _lock(
    connection: Connection, where: Scope, message: str, if_match: frozenset[str] | None
) -> None:
    """Keep other changes of the inbox away.  Raises: NotFound, PreconditionFailed."""
    await connection.execute("SELECT 1 FROM inboxes WHERE id = $1 FOR UPDATE", where.inbox)
    if if_match is not None:
        checks.match(if_match, (await _get(connection, message)).modseq)


async def _get(connection: Connection, message: str) -> Message:
    row = await connection.row(
        f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m, {rows.PLACEMENT} WHERE m.id = $1", message
    )
    if row is None:
        raise NotFound("There is no such message.")
    return rows.message(row)


async def _move(
    connection: Connection,
    where: Scope,
    placed: Sequence[Row],
    folder: str | None,
    by: str,
    *,
    role: str | None = None,
) -> None:
    """Gather placements into one mailbox: the first moves, the others go."""
    target: Any = await connection.value(
        "SELECT id FROM mailboxes WHERE inbox_id = $1 AND selectable"
        " AND (name = $2 OR ($2::text IS NULL AND role = $3))",
        where.inbox,
        folder,
        role,
    )
    if target is None:
        raise MailboxNotFound(f"There is no folder {folder or role}.")
    there = any(row["mailbox_id"] == target for row in placed)
    for row in placed:
        if row["mailbox_id"] == target:
            continue
        if there:
            sql = "SELECT expunge($1, $2, ARRAY[$3::bigint], false, NULL, $4)"
            await connection.rows(sql, where.inbox, row["mailbox_id"], row["uid"], by)
        else:
            sql = "SELECT copy_placements($1, $2, ARRAY[$3::bigint], $4, true, NULL, $5)"
            await connection.rows(sql, where.inbox, row["mailbox_id"], row["uid"], target, by)
            there = True
