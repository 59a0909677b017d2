"""Threads: conversations inside an inbox, told from their messages (R41-R44, 1.10.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agentpost.errors import NotFound, PreconditionFailed
from agentpost.ids import EnvironmentId, InboxId, MessageId, OrganizationId, ThreadId
from agentpost.model.actor import Actor, Scope
from agentpost.model.message import Address, MessageFilter, Thread, ThreadTail
from agentpost.model.page import Page, PageRequest
from agentpost.store import rows
from agentpost.store.announcing import actor_of
from agentpost.store.happenings import happened
from agentpost.store.narrowing import Narrowing, pattern, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place

_COLUMNS = """
    t.id, t.organization_id, t.environment_id, t.inbox_id, t.subject, t.labels, t.version,
    t.last_message_at, t.created_at, s.*
"""

_SUMMARY = """
    LATERAL (
        SELECT count(*) AS message_count,
            count(*) FILTER (WHERE p.flags & 1 = 0) AS unread_count,
            bool_or(p.flags & 4 <> 0) AS flagged,
            sum(m.attachments)::integer AS attachments,
            max(m.created_at) FILTER (WHERE m.direction = 'inbound') AS received_at,
            max(m.created_at) FILTER (WHERE m.direction = 'outbound') AS sent_at,
            (array_agg(m.preview ORDER BY m.id DESC))[1] AS preview,
            jsonb_agg(m.sender -> 'from' ORDER BY m.id) AS senders,
            jsonb_agg((m.recipients -> 'to') || (m.recipients -> 'cc') ORDER BY m.id)
                AS recipients,
            ARRAY(SELECT DISTINCT k FROM messages n JOIN placements q ON q.message_id = n.id,
                unnest(q.keywords) AS k WHERE n.thread_id = t.id ORDER BY k) AS message_labels,
            array_agg(p.hidden) AS hidden
        FROM messages m LEFT JOIN LATERAL (
            SELECT bit_or(q.flags) AS flags,
                CASE WHEN bool_and(coalesce(b.role, '') = 'trash') THEN 'trash'
                    WHEN bool_and(coalesce(b.role, '') IN ('trash', 'junk'))
                    THEN CASE m.state WHEN 'blocked' THEN 'blocked' ELSE 'junk' END
                END AS hidden
            FROM placements q JOIN mailboxes b ON b.id = q.mailbox_id
            WHERE q.message_id = m.id
        ) p ON true
        WHERE m.thread_id = t.id AND m.state <> 'draft'
    ) s
"""
"""A thread's messages as one; drafts do not count."""

_HIDDEN = {"trash": "trash", "spam": "junk", "blocked": "blocked"}
"""What a list shows when asked only: the role of the mailboxes by the name of what to include, and
what lies in Junk because its sender is blocked."""


class Threads:
    """Everything that reads or changes threads."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def page(
        self, actor: Actor, wanted: MessageFilter, page: PageRequest, where: Place | None = None
    ) -> Page[Thread]:
        """Threads with the latest message first, unless asked otherwise."""

        async def read(connection: Connection, place: Scope) -> list[Row]:
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            within = place if where is not None else None
            reach(query, actor, within, "t", deleted=wanted.include_deleted)
            _narrow(query, wanted, page)
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM threads t, {_SUMMARY} WHERE {query.condition}"
                f" ORDER BY t.last_message_at {query.direction}, t.id {query.direction}"
                f" LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "threads:read", where, read)
        threads = tuple(_thread(row) for row in found[: page.limit])
        if len(found) <= page.limit:
            return Page(threads, None)
        last = threads[-1]
        return Page(threads, (last.last_message_at.isoformat(), last.id))

    async def get(self, actor: Actor, thread: str, scope: str = "threads:read") -> Thread:
        """One thread by id.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> Thread:
            return await _get(connection, thread)

        return await self._door.read(actor, scope, Place("thread", thread), read)

    async def some(self, actor: Actor, threads: Sequence[str]) -> dict[ThreadId, Thread]:
        """Those of the threads that exist for the actor, by id."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(len(threads), "ASC")
            reach(query, actor, None, "t", deleted=True)
            query.add("t.id = ANY ({0})", list(threads))
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM threads t, {_SUMMARY} WHERE {query.condition}",
                *query.arguments,
            )

        found = await self._door.read(actor, "threads:read", None, read)
        return {ThreadId(row["id"]): _thread(row) for row in found}

    async def state(self, actor: Actor, thread: str) -> tuple[InboxId, str]:
        """The inbox of a thread, and a text that changes whenever anything of it does.

        Raises: NotFound.
        """

        async def read(connection: Connection, where: Scope) -> tuple[InboxId, str]:
            state = await connection.value(
                "SELECT concat_ws('.', t.version, count(p.uid), max(p.modseq)) FROM threads t"
                " LEFT JOIN messages m ON m.thread_id = t.id"
                " LEFT JOIN placements p ON p.message_id = m.id WHERE t.id = $1 GROUP BY t.id",
                thread,
            )
            if state is None or where.inbox is None:
                raise NotFound("There is no such thread.")
            return where.inbox, str(state)

        return await self._door.read(actor, "threads:read", Place("thread", thread), read)

    async def tails(self, actor: Actor, threads: Sequence[str]) -> dict[ThreadId, ThreadTail]:
        """How those of the threads end that exist for the actor."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(len(threads), "ASC")
            reach(query, actor, None, "t", deleted=True)
            query.add("t.id = ANY ({0})", list(threads))
            return await connection.rows(
                "SELECT t.id, l.id AS message_id, l.rfc_message_id, (SELECT sum(m.size)::bigint"
                "  FROM messages m WHERE m.thread_id = t.id AND m.state <> 'draft') AS size"
                " FROM threads t, LATERAL (SELECT m.id, m.rfc_message_id FROM messages m"
                "  WHERE m.thread_id = t.id AND m.state <> 'draft' ORDER BY m.id DESC LIMIT 1) l"
                f" WHERE {query.condition}",
                *query.arguments,
            )

        found = await self._door.read(actor, "threads:read", None, read)
        return {
            ThreadId(row["id"]): ThreadTail(
                MessageId(row["message_id"]), row["rfc_message_id"], row["size"]
            )
            for row in found
        }

    async def label(
        self,
        actor: Actor,
        thread: str,
        add: tuple[str, ...],
        remove: tuple[str, ...],
        version: int | None = None,
    ) -> Thread:
        """Change a thread's own labels; its messages' labels are their own (1.10.6).

        Raises: NotFound; PreconditionFailed when ``version`` is not the present one.
        """

        async def write(connection: Connection, where: Scope) -> Thread:
            await check_version(connection, "threads", thread, version)
            before = await _get(connection, thread)
            await connection.execute(
                "UPDATE threads SET version = version + 1, labels = ARRAY("
                " SELECT DISTINCT l FROM unnest(labels || $2::text[]) AS l"
                " WHERE l <> ALL ($3::text[]) ORDER BY l) WHERE id = $1",
                thread,
                list(add),
                list(remove),
            )
            labelled = await _get(connection, thread)
            added = sorted(set(labelled.labels) - set(before.labels))
            removed = sorted(set(before.labels) - set(labelled.labels))
            if added or removed:
                told = {
                    "thread_id": thread,
                    "changes": {"labels": {"added": added, "removed": removed}},
                    "source": actor.source,
                    "actor": actor_of(actor),
                }
                await happened(connection, where, "thread.updated", told)
            return labelled

        return await self._door.write(actor, "labels:write", Place("thread", thread), write)

    async def message_ids(
        self, actor: Actor, thread: str, scope: str, *, trashed: bool = False
    ) -> tuple[str, ...]:
        """The thread's messages (only those in Trash, or only those elsewhere), oldest first."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT m.id FROM messages m WHERE m.thread_id = $1 AND m.state <> 'draft'"
                " AND $2 = EXISTS (SELECT 1 FROM placements p JOIN mailboxes b"
                "  ON b.id = p.mailbox_id WHERE p.message_id = m.id AND b.role = 'trash')"
                " ORDER BY m.id",
                thread,
                trashed,
            )

        found = await self._door.read(actor, scope, Place("thread", thread), read)
        return tuple(row["id"] for row in found)


async def check_version(
    connection: Connection, table: str, row_id: str, version: int | None
) -> None:
    """Lock a row and compare its version with the one in If-Match.

    Raises: PreconditionFailed.
    """
    present = await connection.value(
        f"SELECT version FROM {table} WHERE id = $1 FOR UPDATE", row_id
    )
    if version is not None and present != version:
        raise PreconditionFailed


def _narrow(query: Narrowing, wanted: MessageFilter, page: PageRequest) -> None:
    if page.position is not None:
        query.add(
            "(t.last_message_at, t.id) "
            + ("<" if page.descending else ">")
            + " ({0}::text::timestamptz, {1})",
            *page.position,
        )
    _narrow_itself(query, wanted)
    _narrow_messages(query, wanted)
    _narrow_place(query, wanted)


def _narrow_itself(query: Narrowing, wanted: MessageFilter) -> None:
    """Conditions on the thread's own row."""
    if wanted.thread is not None:
        query.add("t.id = {0}", wanted.thread)
    if wanted.labels:
        query.add("t.labels @> {0}::text[]", list(wanted.labels))
    if wanted.not_labels:
        query.add("NOT t.labels && {0}::text[]", list(wanted.not_labels))
    if wanted.subject is not None:
        query.add("t.subject ILIKE {0}", pattern(wanted.subject))
    if wanted.after is not None:
        query.add("t.last_message_at > {0}", wanted.after)
    if wanted.before is not None:
        query.add("t.last_message_at < {0}", wanted.before)


def _narrow_messages(query: Narrowing, wanted: MessageFilter) -> None:
    """Conditions on its messages as one."""
    query.add("s.message_count > 0")
    if wanted.direction is not None:
        moment = "received_at" if wanted.direction == "inbound" else "sent_at"
        query.add(f"s.{moment} IS NOT NULL")
    if wanted.from_ is not None:
        query.add("s.senders::text ILIKE {0}", pattern(wanted.from_))
    if wanted.to is not None:
        query.add("s.recipients::text ILIKE {0}", pattern(wanted.to))
    if wanted.seen is not None:
        query.add("(s.unread_count = 0) = {0}", wanted.seen)
    if wanted.flagged is not None:
        query.add("coalesce(s.flagged, false) = {0}", wanted.flagged)
    if wanted.has_attachments is not None:
        query.add("(s.attachments > 0) = {0}", wanted.has_attachments)


def _narrow_place(query: Narrowing, wanted: MessageFilter) -> None:
    """Where its messages lie: in the folder that is named, else not only in hidden ones."""
    if wanted.folder is not None:
        query.add(
            "EXISTS (SELECT 1 FROM messages f JOIN placements q ON q.message_id = f.id"
            " JOIN mailboxes b ON b.id = q.mailbox_id"
            " WHERE f.thread_id = t.id AND f.state <> 'draft' AND b.name = {0})",
            wanted.folder,
        )
        return
    shown = [role for kind, role in _HIDDEN.items() if kind in wanted.include]
    query.add(
        "EXISTS (SELECT 1 FROM unnest(s.hidden) AS h WHERE h IS NULL OR h = ANY ({0}::text[]))",
        shown,
    )


async def _get(connection: Connection, thread: str) -> Thread:
    row = await connection.row(
        f"SELECT {_COLUMNS} FROM threads t, {_SUMMARY} WHERE t.id = $1", thread
    )
    if row is None:
        raise NotFound("There is no such thread.")
    return _thread(row)


def _thread(row: Row) -> Thread:
    return Thread(
        id=ThreadId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        inbox=InboxId(row["inbox_id"]),
        subject=row["subject"],
        labels=tuple(row["labels"]),
        message_labels=tuple(row["message_labels"]),
        senders=_distinct(row["senders"]),
        recipients=_distinct(row["recipients"]),
        preview=row["preview"] or "",
        message_count=row["message_count"],
        unread_count=row["unread_count"],
        attachments=row["attachments"] or 0,
        last_message_at=row["last_message_at"],
        received_at=row["received_at"],
        sent_at=row["sent_at"],
        version=row["version"],
        created_at=row["created_at"],
    )


def _distinct(encoded: str | None) -> tuple[Address, ...]:
    """Everyone in a list of address lists, each address once, under the first name seen."""
    people: dict[str, Address] = {}
    lists: list[list[dict[str, Any]]] = msgspec.json.decode(encoded or "[]")
    for addresses in lists:
        for address in rows.addresses(addresses):
            people.setdefault(address.email.lower(), address)
    return tuple(people.values())
