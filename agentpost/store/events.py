"""The event log: read in commit order, so that resuming misses nothing (HOUSE data model).

``seq`` leads with the transaction that wrote the event.  Readers stop below the oldest
transaction that is still running, because it may yet commit an event with a lower number.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentpost.ids import EnvironmentId, EventId, InboxId, ModSeq, OrganizationId
from agentpost.model.actor import Actor, Scope
from agentpost.model.event import Event
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
    ) -> tuple[Event, ...]:
        """Settled events after ``seq`` that the actor may see, in their order."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(limit, "ASC")
            reach(query, actor, None, "e")
            query.add("e.seq > {0} AND e.seq < settled_seq()", seq)
            if types is not None:
                query.add("e.type = ANY ({0})", list(types))
            if inboxes:
                query.add("e.inbox_id = ANY ({0})", list(inboxes))
            if environments:
                query.add("e.environment_id = ANY ({0})", list(environments))
            return await connection.rows(
                f"SELECT e.* FROM events e WHERE {query.condition} ORDER BY e.seq LIMIT {limit}",
                *query.arguments,
            )

        return tuple(_event(row) for row in await self._door.read(actor, "events:read", None, read))

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
            reach(query, actor, None, "e")
            query.add("e.id = {0}", event)
            return await connection.row(
                f"SELECT e.* FROM events e WHERE {query.condition}", *query.arguments
            )

        row = await self._door.read(actor, "events:read", environment, read)
        return None if row is None else _event(row)


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
