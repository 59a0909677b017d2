"""Numbers over time: counted after the commit, so that mail never waits for them.

Events are counted by the hour for each inbox, environment and organization, so a question about
any one of them reads at most one row for each hour and type: 2,160 hours are kept, so tens of
thousands of rows at the most.  A key that is bound to several inboxes or environments asks about
each of them, up to a bound.  How mail fared is summed from a row for each inbox and day.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from agentpost.ids import OrganizationId
from agentpost.limits import MetricsLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.metrics import EventCount, MetricsPlace, OutcomeDay, StorageDay, Window
from agentpost.store import checks
from agentpost.store.narrowing import Narrowing
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment
from agentpost.store.store import Door

T = TypeVar("T")

_SCOPE: Final = "metrics:read"
_HIDDEN: Final = {
    "message.received.spam": "spam:read",
    "message.received.blocked": "blocked:read",
}
"""Types of events that are shown to who may see the mail they tell of."""
_DUE: Final = """
SELECT o.id FROM organizations o LEFT JOIN event_tallies t ON t.organization_id = o.id
WHERE EXISTS (SELECT 1 FROM events e WHERE e.organization_id = o.id
    AND e.seq > coalesce(t.seq, 0) AND e.seq < settled_seq())
LIMIT $1
"""
_UNMEASURED: Final = """
SELECT i.id FROM inboxes i WHERE i.id > $1 AND NOT EXISTS (
    SELECT 1 FROM storage_days s
    WHERE s.organization_id = i.organization_id AND s.place = i.id AND s.day = current_date)
ORDER BY i.id LIMIT $2
"""


class Metrics:
    """What is counted: told to tenants, and kept up to date by a job."""

    def __init__(self, door: Door, limits: MetricsLimits | None = None) -> None:
        self._door = door
        self._limits = limits or MetricsLimits()

    async def events(
        self, actor: Actor, place: MetricsPlace, window: Window, types: Sequence[str] = ()
    ) -> tuple[EventCount, ...]:
        """Events by bucket and type; without ``types`` all that the actor may see.

        Raises: NotFound; UnknownField for a key that is bound to too much.
        """
        hidden = [kind for kind, scope in _HIDDEN.items() if not actor.may(scope)]

        async def read(connection: Connection, where: Scope) -> list[Row]:
            query = self._within(actor, where, window)
            if hidden:
                query.add("c.type <> ALL ({0}::text[])", hidden)
            if types:
                query.add("c.type = ANY ({0}::text[])", list(types))
            bucket = query.spelled("{0}", window.bucket)
            return await connection.rows(
                f"SELECT date_trunc({bucket}, c.hour, 'UTC') AS start, c.type,"
                f" sum(c.events)::bigint AS events FROM event_counts c WHERE {query.condition}"
                " GROUP BY 1, 2 ORDER BY 1, 2",
                *query.arguments,
            )

        found = await self._read(actor, place, read)
        return tuple(EventCount(row["start"], row["type"], row["events"]) for row in found)

    async def storage(
        self, actor: Actor, place: MetricsPlace, window: Window
    ) -> tuple[StorageDay, ...]:
        """What was stored, day by day, on days that were looked at.  Raises as ``events``."""

        async def read(connection: Connection, where: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT s.day, sum(s.messages)::bigint AS messages, sum(s.octets)::bigint AS octets"
                " FROM storage_days s WHERE s.organization_id = $1 AND s.place = ANY ($2::text[])"
                " AND s.day >= $3 AND s.day < $4 GROUP BY 1 ORDER BY 1",
                where.organization,
                self._places(actor, where),
                window.start.date(),
                window.end.date(),
            )

        found = await self._read(actor, place, read)
        return tuple(StorageDay(row["day"], row["messages"], row["octets"]) for row in found)

    async def outcomes(
        self, actor: Actor, place: MetricsPlace, window: Window
    ) -> tuple[OutcomeDay, ...]:
        """How mail fared, day by day.  Raises as ``events``."""

        async def read(connection: Connection, where: Scope) -> list[Row]:
            query = Narrowing(1, "ASC")
            query.add("r.day >= {0} AND r.day < {1}", window.start.date(), window.end.date())
            if where.inbox is not None:
                query.add("r.inbox_id = {0}", where.inbox)
            else:
                query.add("r.organization_id = {0}", where.organization)
                places = self._places(actor, where)
                if actor.inboxes is not None:
                    query.add("r.inbox_id = ANY ({0}::text[])", places)
                elif places != [""]:
                    query.add(
                        "r.inbox_id IN (SELECT i.id FROM inboxes i"
                        " WHERE i.environment_id = ANY ({0}::text[]))",
                        places,
                    )
            return await connection.rows(
                "SELECT r.day, sum(r.sent)::bigint AS sent, sum(r.bounced)::bigint AS bounced,"
                f" sum(r.complained)::bigint AS complained FROM reputation r"
                f" WHERE {query.condition} GROUP BY 1 ORDER BY 1",
                *query.arguments,
            )

        found = await self._read(actor, place, read)
        return tuple(OutcomeDay(*row) for row in found)

    # --- the job's -------------------------------------------------------------------------

    async def due(self, actor: Actor, limit: int) -> tuple[OrganizationId, ...]:
        """Organizations with events that are not counted, at most ``limit``."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_DUE, limit)

        found = await self._door.read(actor, None, None, read)
        return tuple(OrganizationId(row["id"]) for row in found)

    async def tally(self, actor: Actor, organization: OrganizationId, limit: int) -> int:
        """Count the next events of an organization, each once; tells how many."""

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value("SELECT tally_events($1, $2)", organization, limit)
            return count

        return await self._door.write(actor, None, None, write)

    async def unmeasured(self, actor: Actor, after: str, limit: int) -> tuple[str, ...]:
        """Inboxes behind ``after`` that were not looked at today."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_UNMEASURED, after, limit)

        return tuple(row["id"] for row in await self._door.read(actor, None, None, read))

    async def measure(self, actor: Actor, inboxes: Sequence[str]) -> int:
        """Note what inboxes hold today, each once; tells how many."""

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value("SELECT measure_storage($1::text[])", list(inboxes))
            return count

        return await self._door.write(actor, None, None, write)

    async def _read(
        self,
        actor: Actor,
        place: MetricsPlace,
        read: Callable[[Connection, Scope], Awaitable[list[Row]]],
    ) -> list[Row]:
        if place.inbox is not None:
            where = checks.place("any_inbox", place.inbox)
        elif place.environment is not None:
            whole_environment(actor)
            where = checks.place("environment", place.environment)
        else:
            return await self._door.read(actor, _SCOPE, None, read)
        return await self._door.read(actor, _SCOPE, where, read)

    def _within(self, actor: Actor, where: Scope, window: Window) -> Narrowing:
        query = Narrowing(1, "ASC")
        query.add("c.organization_id = {0}", where.organization)
        query.add("c.place = ANY ({0}::text[])", self._places(actor, where))
        query.add("c.hour >= {0} AND c.hour < {1}", window.start, window.end)
        return query

    def _places(self, actor: Actor, where: Scope) -> list[str]:
        """The places whose numbers are added up: '' is the whole organization."""
        if where.inbox is not None:
            return [where.inbox]
        if where.environment is not None:
            return [where.environment]
        bound = actor.environments if actor.inboxes is None else actor.inboxes
        if bound is None:
            return [""]
        if len(bound) > self._limits.places:
            raise checks.refuse(
                "inbox_id",
                "the key is bound to more than can be added up",
                fix="Name one of them in inbox_id or environment_id.",
            )
        return sorted(bound)
