"""The event log: read in commit order, so that resuming misses nothing (HOUSE data model).

``seq`` leads with the transaction that wrote the event.  Readers stop below the oldest
transaction that is still running, because it may yet commit an event with a lower number.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentpost.ids import EnvironmentId, EventId, InboxId, ModSeq, OrganizationId
from agentpost.model.actor import Actor, Scope
from agentpost.model.event import Event, EventBatch, Told
from agentpost.store import rows
from agentpost.store.narrowing import Narrowing, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place


class Events:
    """Reads the event log."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def since(
        self,
        actor: Actor,
        seq: int,
        limit: int,
        *,
        types: Sequence[str] | None = None,
        inboxes: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        labels: Sequence[str] = (),
    ) -> tuple[Event, ...]:
        """Settled events after ``seq`` that the actor may see, in their order."""
        batch = await self.after(
            actor,
            seq,
            limit,
            types=types,
            inboxes=inboxes,
            environments=environments,
            labels=labels,
        )
        return batch.events

    async def after(
        self,
        actor: Actor,
        seq: int,
        limit: int,
        *,
        types: Sequence[str] | None = None,
        inboxes: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        labels: Sequence[str] = (),
    ) -> EventBatch:
        """As ``since``, and where to go on: what was looked through need not be again.

        ``labels`` are what the message of an event must carry, all of them, in lower case.
        """

        async def read(connection: Connection, _: Scope) -> tuple[int, list[Row]]:
            settled: int = await connection.value("SELECT settled_seq()")
            query = Narrowing(limit, "ASC")
            reach(query, actor, None, "e", deleted=True)
            query.add("e.seq > {0} AND e.seq < {1}", seq, settled)
            _only_visible(query, actor)
            if types is not None:
                query.add("e.type = ANY ({0})", list(types))
            _hide(query, actor)
            if inboxes:
                query.add("e.inbox_id = ANY ({0})", list(inboxes))
            if environments:
                query.add("e.environment_id = ANY ({0})", list(environments))
            if labels:
                query.add(_LABELLED, list(labels))
            return settled, await connection.rows(
                f"SELECT e.* FROM events e WHERE {query.condition} ORDER BY e.seq LIMIT {limit}",
                *query.arguments,
            )

        settled, found = await self._door.read(actor, "events:read", None, read)
        events = tuple(_event(row) for row in found)
        full = len(events) >= limit
        return EventBatch(events, events[-1].seq if full else max(seq, settled - 1))

    async def message(self, actor: Actor, event: Event) -> Told | None:
        """The message that an event is about, with its thread; None when it is gone."""
        message = event.data.get("message_id")
        if not isinstance(message, str):
            return None

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(_TOLD, message)

        where = Scope(event.organization, event.environment, event.inbox)
        row = await self._door.read(actor, "events:read", where, read)
        if row is None:
            return None
        return Told(
            rows.message(row), row["thread_subject"], row["thread_messages"], tuple(row["local"])
        )

    async def head(self, actor: Actor) -> int:
        """The seq after which events are new now."""

        async def read(connection: Connection, _: Scope) -> int:
            head: int = await connection.value("SELECT settled_seq() - 1")
            return head

        return await self._door.read(actor, "events:read", None, read)

    async def get(self, actor: Actor, event: str, environment: Place | None = None) -> Event | None:
        """One event by id; None when there is none for this actor."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            query = Narrowing(1, "ASC")
            reach(query, actor, None, "e", deleted=True)
            _only_visible(query, actor)
            query.add("e.id = {0}", event)
            _hide(query, actor)
            return await connection.row(
                f"SELECT e.* FROM events e WHERE {query.condition}", *query.arguments
            )

        row = await self._door.read(actor, "events:read", environment, read)
        return None if row is None else _event(row)


_SCOPED = {
    "message.received.spam": "spam:read",
    "message.received.blocked": "blocked:read",
}
"""Types that are shown to who may see the mail they tell of."""


def _only_visible(query: Narrowing, actor: Actor) -> None:
    hidden = [kind for kind, scope in _SCOPED.items() if not actor.may(scope)]
    if hidden:
        query.add("e.type <> ALL ({0})", hidden)


_LABELLED = (
    "ARRAY(SELECT lower(k) FROM placements p, unnest(p.keywords) AS k"
    " WHERE p.message_id = e.data ->> 'message_id') @> {0}::text[]"
)
_TOLD = f"""
SELECT {rows.MESSAGE_COLUMNS}, t.subject AS thread_subject,
    (SELECT count(*) FROM messages n WHERE n.thread_id = m.thread_id AND n.state <> 'draft')
        AS thread_messages,
    ARRAY(SELECT d.recipient FROM deliveries d WHERE d.message_id = m.id AND d.local
        ORDER BY d.recipient) AS local
FROM messages m JOIN threads t ON t.id = m.thread_id, {rows.PLACEMENT} WHERE m.id = $1
"""


def _hide(query: Narrowing, actor: Actor) -> None:
    """Leave out events of mail that the actor may not see."""
    if not actor.may("blocked:read"):
        query.add("e.type <> 'message.received.blocked'")


def _event(row: Row) -> Event:
    inbox = row["inbox_id"]
    modseq = row["modseq"]
    return Event(
        id=EventId(row["id"]),
        type=row["type"],
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        inbox=None if inbox is None else InboxId(inbox),
        seq=row["seq"],
        modseq=None if modseq is None else ModSeq(modseq),
        data=msgspec.json.decode(row["data"]),
        created_at=row["created_at"],
    )
