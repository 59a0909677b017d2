"""The event log: read in commit order, so that resuming misses nothing (HOUSE data model).

``seq`` leads with the transaction that wrote the event.  Readers stop below the oldest
transaction that is still running, because it may yet commit an event with a lower number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from agentpost.errors import Forbidden, NotFound
from agentpost.ids import EnvironmentId, EventId, InboxId, ModSeq, OrganizationId
from agentpost.model.actor import Actor, Scope
from agentpost.model.event import SCOPE_OF, Event, EventBatch, EventFilter, LogSpan, Tape, Told
from agentpost.model.page import Page, PageRequest
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
            reach_of(query, actor)
            query.add("e.seq > {0} AND e.seq < {1}", seq, settled)
            if types is not None:
                query.add("e.type = ANY ({0})", list(types))
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
        events = tuple(event_of(row) for row in found)
        full = len(events) >= limit
        return EventBatch(events, events[-1].seq if full else max(seq, settled - 1))

    def sees(self, actor: Actor, event: Event) -> bool:
        """Whether ``after`` would show the event to this actor."""
        scope = SCOPE_OF.get(event.type)
        if scope is not None and not actor.may(scope):
            return False
        if actor.inboxes is not None and event.inbox not in actor.inboxes:
            return False
        where = Scope(event.organization, event.environment, event.inbox)
        try:
            self._door.allow(actor, "events:read", where)
        except (Forbidden, NotFound):
            return False
        return True

    def allow(self, actor: Actor) -> None:
        """Refuse an actor who may hear of no events.  Raises: Forbidden."""
        self._door.allow(actor, "events:read", None)

    async def tape(
        self, actor: Actor, positions: Mapping[OrganizationId, int | None], limit: int
    ) -> Tape:
        """What came after these positions, at most ``limit`` events of each organization.

        Where the position is None, nothing is read but how far everything is settled.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                _TAPE, list(positions), list(positions.values()), limit + 1
            )

        rows_ = await self._door.read(actor, "events:read", None, read)
        settled: int = rows_[0]["settled"] if rows_ else 0
        events: list[Event] = []
        counts: dict[OrganizationId, int] = {}
        unsettled = False
        for row in rows_:
            if row["id"] is None:
                continue
            if row["seq"] >= settled:
                unsettled = True
                continue
            event = event_of(row)
            counts[event.organization] = count = counts.get(event.organization, 0) + 1
            if count <= limit:
                events.append(event)
        more = frozenset(name for name, count in counts.items() if count > limit)
        return Tape(tuple(events), settled, more, unsettled)

    async def messages(self, actor: Actor, events: Sequence[Event]) -> dict[str, Told]:
        """The messages that events are about, by id, with their threads; not those that are gone."""
        about = {event.data.get("message_id") for event in events}
        names = [name for name in about if isinstance(name, str)]
        if not names:
            return {}

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(len(names), "ASC")
            reach(query, actor, None, "m", deleted=True)
            query.add("m.id = ANY ({0})", names)
            return await connection.rows(f"{_TOLD} WHERE {query.condition}", *query.arguments)

        found = await self._door.read(actor, "events:read", None, read)
        return {
            row["id"]: Told(
                rows.message(row),
                row["thread_subject"],
                row["thread_messages"],
                tuple(row["local"]),
            )
            for row in found
        }

    async def page(self, actor: Actor, wanted: EventFilter, page: PageRequest) -> Page[Event]:
        """Settled events in the order of their seq, newest first unless asked otherwise."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            reach_of(query, actor)
            query.add("e.seq < settled_seq()")
            if wanted.types:
                query.add("e.type = ANY ({0})", list(wanted.types))
            if wanted.inboxes:
                query.add("e.inbox_id = ANY ({0})", list(wanted.inboxes))
            if wanted.after_seq is not None:
                query.add("e.seq > {0}", wanted.after_seq)
            if page.position is not None:
                sign = "<" if page.descending else ">"
                query.add("e.seq " + sign + " {0}", int(page.position[0]))
            if page.after is not None:
                # The log is walked by seq: not from its beginning, when the end is asked for.
                query.add("e.seq >= seq_before({0}, {1})", actor.organization, page.after)
                query.add("e.created_at > {0}", page.after)
            if page.before is not None:
                query.add("e.created_at < {0}", page.before)
            return await connection.rows(
                f"SELECT e.* FROM events e WHERE {query.condition}"
                f" ORDER BY e.seq {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "events:read", None, read)
        shown = tuple(event_of(row) for row in found[: page.limit])
        more = len(found) > page.limit
        return Page(shown, (str(shown[-1].seq),) if more else None)

    async def span(self, actor: Actor) -> LogSpan:
        """From where to where the log of the actor's organization reaches."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT settled_seq() - 1 AS head, coalesce((SELECT o.forgotten_seq"
                " FROM organizations o WHERE o.id = $1), 0) AS forgotten",
                actor.organization,
            )

        row = await self._door.read(actor, "events:read", None, read)
        assert row is not None
        return LogSpan(row["forgotten"], row["head"])

    async def get(self, actor: Actor, event: str, environment: Place | None = None) -> Event | None:
        """One event by id; None when there is none for this actor."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            query = Narrowing(1, "ASC")
            reach_of(query, actor)
            query.add("e.id = {0}", event)
            return await connection.row(
                f"SELECT e.* FROM events e WHERE {query.condition}", *query.arguments
            )

        row = await self._door.read(actor, "events:read", environment, read)
        return None if row is None else event_of(row)


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
FROM messages m JOIN threads t ON t.id = m.thread_id, {rows.PLACEMENT}
"""
_TAPE = """
SELECT s.settled, e.*
FROM (SELECT settled_seq() AS settled) s
CROSS JOIN unnest($1::text[], $2::bigint[]) AS w (organization, seq)
LEFT JOIN LATERAL (
    SELECT * FROM events e WHERE e.organization_id = w.organization AND e.seq > w.seq
    ORDER BY e.seq LIMIT $3
) e ON true
ORDER BY e.organization_id, e.seq
"""
"""One statement, so that what is settled and the rows are of one moment."""


def reach_of(query: Narrowing, actor: Actor) -> None:
    """Keep to what the actor may hear of.  ``Events.sees`` says the same of one event."""
    reach(query, actor, None, "e", deleted=True)
    hidden = [kind for kind, scope in SCOPE_OF.items() if not actor.may(scope)]
    if hidden:
        query.add("e.type <> ALL ({0}::text[])", hidden)


def event_of(row: Row) -> Event:
    """A row of the log as a value."""
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
