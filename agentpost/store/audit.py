"""The audit log: who did what to which resource, written in the transaction that does it."""

from __future__ import annotations

from typing import Any

import msgspec

from agentpost.ids import EnvironmentId, OrganizationId
from agentpost.model.actor import Actor, Scope
from agentpost.model.audit import AuditEntry, AuditFilter, Seal
from agentpost.model.page import Page, PageRequest
from agentpost.store import checks
from agentpost.store.narrowing import Narrowing
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


class Audit:
    """Reading the audit log."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def count(self, actor: Actor, wanted: AuditFilter) -> int:
        """How many entries fit the filter."""
        query = _narrowed(actor, wanted, PageRequest(1))

        async def read(connection: Connection, _: Scope) -> int:
            found: int = await connection.value(
                f"SELECT count(*) FROM audit a WHERE {query.condition}", *query.arguments
            )
            return found

        return await self._door.read(actor, "audit:read", None, read)

    async def page(self, actor: Actor, wanted: AuditFilter, page: PageRequest) -> Page[AuditEntry]:
        """Entries that fit the filter, newest first unless asked otherwise.

        A key that is bound to environments sees what happened in them.
        """
        query = _narrowed(actor, wanted, page)

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT * FROM audit a"
                f" WHERE {query.condition} ORDER BY a.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "audit:read", None, read)
        entries = tuple(entry(row) for row in found[: page.limit])
        more = len(found) > page.limit
        return Page(entries, (str(entries[-1].id),) if more else None)


async def append(
    connection: Connection,
    actor: Actor,
    where: Scope,
    action: str,
    resource: str | None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write a line in the running transaction: ``actor`` did ``action`` to ``resource``."""
    await connection.execute(
        "INSERT INTO audit (organization_id, environment_id, actor, action, resource, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        where.organization,
        where.environment,
        actor.credential,
        action,
        resource,
        msgspec.json.encode(detail or {}).decode(),
    )


def _narrowed(actor: Actor, wanted: AuditFilter, page: PageRequest) -> Narrowing:
    query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
    if not actor.system:
        query.add("a.organization_id = {0}", actor.organization)
    if actor.environments is not None:
        query.add("a.environment_id = ANY ({0})", sorted(actor.environments))
    if actor.inboxes is not None:
        query.add("a.resource = ANY ({0})", sorted(actor.inboxes))
    if page.position is not None:
        comparison = "<" if page.descending else ">"
        query.add(f"a.id {comparison} {{0}}::text::bigint", page.position[0])
    for column in ("actor", "action", "resource"):
        value: str | None = getattr(wanted, column)
        if value is not None:
            query.add(f"a.{column} = {{0}}", checks.searchable(column, value))
    if wanted.after is not None:
        query.add("a.created_at > {0}", wanted.after)
    if wanted.before is not None:
        query.add("a.created_at < {0}", wanted.before)
    return query


def entry(row: Row) -> AuditEntry:
    """A row of ``audit`` as a value."""
    environment, place = row["environment_id"], row["place"]
    return AuditEntry(
        id=row["id"],
        organization=OrganizationId(row["organization_id"]),
        environment=None if environment is None else EnvironmentId(environment),
        actor=row["actor"],
        action=row["action"],
        resource=row["resource"],
        detail=msgspec.json.decode(row["detail"]),
        created_at=row["created_at"],
        seal=None if place is None else Seal(place, row["previous"], row["hash"]),
    )
