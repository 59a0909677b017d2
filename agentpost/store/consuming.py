"""Consumers of polling webhooks: each reads the event log from a position of its own.

A consumer looks, is given what it was shown, and commits: three transactions, because an event is
written out with its message in between.  What it was given is its alone for a while, the lease, and
is given again when it did not commit by then; so nothing is lost, and what was given twice has the
same number.  Numbers count what was given, from 1 on.
"""

from __future__ import annotations

from typing import Final

from agentpost.errors import AuthenticationFailed, ConsumerBusy, NotFound
from agentpost.limits import PollingLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.polling import Look, PollingWebhook, Reader
from agentpost.model.webhook import ALL_TYPES, TEST_TYPE
from agentpost.store import checks
from agentpost.store.events import event_of, reach_of
from agentpost.store.narrowing import Narrowing
from agentpost.store.polling import COLUMNS, webhook_of
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place

_STATE: Final = f"""
SELECT {COLUMNS}, w.starts_after, settled_seq() AS settled, c.position,
    coalesce(c.leased_until > now(), false) AS leased,
    coalesce(c.seen_at < now() - make_interval(secs => $4), true) AS worth_noting
FROM polling_webhooks w
LEFT JOIN polling_consumers c ON c.webhook_id = w.id AND c.name = $3
WHERE w.id = $1 AND w.token_hash = $2
"""
# In one statement, so that nothing is removed between what is read and what is known to be removed.
_NEWS: Final = """
SELECT o.forgotten_seq, e.*
FROM organizations o
LEFT JOIN LATERAL (SELECT * FROM events e WHERE {} ORDER BY e.seq LIMIT {}) e ON true
WHERE o.id = {}
ORDER BY e.seq
"""
_APPEAR: Final = """
INSERT INTO polling_consumers (webhook_id, name, organization_id, position)
SELECT w.id, $3, w.organization_id, $4 FROM polling_webhooks w
WHERE w.id = $1 AND w.token_hash = $2
ON CONFLICT DO NOTHING
RETURNING webhook_id
"""
_TRIM: Final = """
DELETE FROM polling_consumers WHERE webhook_id = $1 AND name IN (
    SELECT name FROM polling_consumers WHERE webhook_id = $1 ORDER BY seen_at DESC, name OFFSET $2)
"""
_HOLD: Final = """
SELECT c.position, c.next_offset, c.given, coalesce(c.leased_until > now(), false) AS leased
FROM polling_consumers c JOIN polling_webhooks w ON w.id = c.webhook_id
WHERE c.webhook_id = $1 AND c.name = $3 AND w.token_hash = $2
FOR UPDATE OF c
"""


class Consuming:
    """What consumers do.  Every method raises AuthenticationFailed for a token that has ended, and
    NotFound when the webhook or its inbox is gone."""

    def __init__(self, door: Door, limits: PollingLimits | None = None) -> None:
        self._door = door
        self.limits = limits or PollingLimits()

    async def webhook(self, actor: Actor, reader: Reader) -> PollingWebhook:
        """What the token reads."""

        async def read(connection: Connection, _: Scope) -> Row:
            return await self._state(connection, reader)

        return webhook_of(await self._door.read(actor, "events:read", _place(reader), read))

    async def look(self, actor: Actor, reader: Reader, limit: int, *, latest: bool) -> Look:
        """What waits for the consumer; ``latest`` lets one that is not known begin at the end.

        Raises: ConsumerBusy while it has a lease; UnknownField for its name.
        """
        checks.line("consumer_id", reader.consumer, self.limits.max_consumer_characters)

        async def read(connection: Connection, where: Scope) -> Look:
            state = await self._state(connection, reader)
            if state["leased"]:
                raise ConsumerBusy
            settled: int = state["settled"]
            fresh = state["position"] is None
            position: int = state["position"]
            if fresh:
                position = settled - 1 if latest else state["starts_after"]
            rows = await _news(connection, actor, where, state, position, limit)
            forgotten: int = rows[0]["forgotten_seq"]
            events = tuple(event_of(row) for row in rows if row["id"] is not None)
            full = len(events) >= limit
            reached = events[-1].seq if full else max(position, settled - 1)
            lost = position < forgotten
            if fresh or not lost:
                return Look(position, events, reached, full, False, state["worth_noting"])
            return Look(position, (), forgotten, True, True, True)

        return await self._door.read(actor, "events:read", _place(reader), read)

    async def lease(
        self, actor: Actor, reader: Reader, look: Look, count: int, for_s: float
    ) -> int:
        """Give the consumer the first ``count`` events of a look; the number of the first one.

        Raises: ConsumerBusy when another reader of the same name was faster.
        """
        seqs = [event.seq for event in look.events[:count]]

        async def write(connection: Connection, _: Scope) -> int:
            held = await self._hold(connection, reader, look)
            before: list[int] = held["given"]
            first: int = held["next_offset"]
            if any(old != new for old, new in zip(before, seqs, strict=False)):
                # Rights have changed meanwhile: no number may mean two events.
                first, before = first + len(before), []
            await connection.execute(
                "UPDATE polling_consumers SET given = $3, next_offset = $4, seen_at = now(),"
                " leased_until = now() + make_interval(secs => $5)"
                " WHERE webhook_id = $1 AND name = $2",
                reader.webhook,
                reader.consumer,
                # Whoever had more before may still commit them.
                max(before, seqs, key=len),
                first,
                for_s,
            )
            return first

        return await self._door.write(actor, "events:read", _place(reader), write, wakes=False)

    async def advance(self, actor: Actor, reader: Reader, look: Look) -> None:
        """Let the consumer go on from where a look came to, because nothing was there for it."""

        async def write(connection: Connection, _: Scope) -> None:
            await self._hold(connection, reader, look)
            await connection.execute(
                "UPDATE polling_consumers SET position = $3, seen_at = now(),"
                " next_offset = next_offset + cardinality(given), given = '{}'"
                " WHERE webhook_id = $1 AND name = $2",
                reader.webhook,
                reader.consumer,
                look.reached,
            )

        await self._door.write(actor, "events:read", _place(reader), write, wakes=False)

    async def commit(self, actor: Actor, reader: Reader, offset: int) -> None:
        """The consumer is done with what it was given, up to the event with this number.

        Its lease ends.  Committing again changes nothing.
        Raises: NotFound for a consumer that was given nothing; UnknownField for a number that it
        was not given.
        """

        async def write(connection: Connection, _: Scope) -> None:
            await self._state(connection, reader)
            held = await connection.row(_HOLD, reader.webhook, reader.token_hash, reader.consumer)
            if held is None:
                raise NotFound("There is no such consumer; it has to receive something first.")
            given: list[int] = held["given"]
            place = offset - held["next_offset"]
            if place < 0:
                return
            if place >= len(given):
                raise checks.refuse("offset", "was not given to this consumer")
            following = offset + 1
            await connection.execute(
                "UPDATE polling_consumers SET position = $3, given = $4, next_offset = $5,"
                " leased_until = NULL, seen_at = now() WHERE webhook_id = $1 AND name = $2",
                reader.webhook,
                reader.consumer,
                given[place],
                given[place + 1 :],
                following if following < self.limits.max_offset else 1,
            )

        await self._door.write(actor, "events:read", _place(reader), write, wakes=False)

    async def _state(self, connection: Connection, reader: Reader) -> Row:
        row = await connection.row(
            _STATE, reader.webhook, reader.token_hash, reader.consumer, self.limits.note_s
        )
        if row is None:
            raise AuthenticationFailed
        return row

    async def _hold(self, connection: Connection, reader: Reader, look: Look) -> Row:
        """The consumer's row, locked, if it stands where it looked; a new one is made."""
        names = (reader.webhook, reader.token_hash, reader.consumer)
        if await connection.rows(_APPEAR, *names, look.position):
            await connection.execute(_TRIM, reader.webhook, self.limits.max_consumers)
        held = await connection.row(_HOLD, *names)
        if held is None:
            raise AuthenticationFailed
        if held["leased"] or held["position"] != look.position:
            raise ConsumerBusy
        return held


async def _news(
    connection: Connection, actor: Actor, where: Scope, state: Row, position: int, limit: int
) -> list[Row]:
    """Events that the webhook tells the actor, each with up to where the log may have gaps; a row
    without an event when there is none."""
    query = Narrowing(limit, "ASC")
    reach_of(query, actor)
    query.add("e.seq > {0} AND e.seq < {1}", position, state["settled"])
    query.add("e.type <> {0}", TEST_TYPE)
    if ALL_TYPES not in state["event_types"]:
        query.add("e.type = ANY ({0}::text[])", state["event_types"])
    if state["environment_ids"] is not None or state["inbox_ids"] is not None:
        query.add(
            "(e.environment_id = ANY ({0}::text[]) OR e.inbox_id = ANY ({1}::text[]))",
            state["environment_ids"] or [],
            state["inbox_ids"] or [],
        )
    condition = query.condition
    statement = _NEWS.format(condition, limit, query.spelled("{0}", where.organization))
    return await connection.rows(statement, *query.arguments)


def _place(reader: Reader) -> Place:
    return Place("polling_webhook", checks.identifier(reader.webhook))
