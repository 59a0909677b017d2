"""Addresses that an environment does not write to any longer, and why (API.md, Suppressions).

Hard bounces and complaints put them here in the transaction that notes them (``after_outcomes`` in
migrations/0007_policy.sql); people and programs add and remove them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from agentpost.auth.addresses import canonical
from agentpost.clock import rfc3339
from agentpost.errors import NotFound
from agentpost.ids import EnvironmentId, MessageId, OrganizationId, SuppressionId, new_id
from agentpost.limits import PolicyLimits
from agentpost.model.actor import Actor, Scope, system_actor
from agentpost.model.page import Page, PageRequest
from agentpost.model.suppression import Suppression, SuppressionSource
from agentpost.store import audit, checks
from agentpost.store.fresh import Fresh
from agentpost.store.happenings import happened
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment
from agentpost.store.store import Door, Place

_COLUMNS: Final = (
    "id, organization_id, environment_id, address, source, reason, message_id, expires_at,"
    " created_at"
)
_IN_FORCE: Final = "(s.expires_at IS NULL OR s.expires_at > now())"


@dataclass(frozen=True, slots=True)
class SuppressionRequest:
    """An address to suppress, in the form in which it is compared."""

    address: str
    reason: str | None = None
    expires_at: datetime | None = None
    source: SuppressionSource = "manual"


class Suppressions:
    """The suppression lists of environments."""

    def __init__(self, door: Door, limits: PolicyLimits | None = None) -> None:
        self._door = door
        self._limits = limits or PolicyLimits()
        self._known: Fresh[tuple[str, str], bool] = Fresh(
            self._limits.cached_s, self._limits.cached_addresses
        )

    async def add(self, actor: Actor, request: SuppressionRequest) -> tuple[Suppression, bool]:
        """Suppress an address in the actor's environment; one that is there stays, and False.

        Raises: UnknownField when the key covers several environments and chose none; Forbidden
        for a key that is bound to inboxes.
        """
        if request.reason is not None:
            checks.line("reason", request.reason, self._limits.max_note_characters)
        place = _environment(actor)

        async def write(connection: Connection, where: Scope) -> tuple[Suppression, bool]:
            row = await connection.row(
                "INSERT INTO suppressions AS s (environment_id, address, id, organization_id,"
                " source, reason, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
                " ON CONFLICT (environment_id, address) DO UPDATE SET id = excluded.id,"
                "  source = excluded.source, reason = excluded.reason, message_id = NULL,"
                "  expires_at = excluded.expires_at, created_at = now()"
                " WHERE s.expires_at <= now()"
                f" RETURNING {_COLUMNS}",
                where.environment,
                request.address,
                new_id("sup"),
                where.organization,
                request.source,
                request.reason,
                request.expires_at,
            )
            if row is None:
                return await _get(connection, where, request.address), False
            made = suppression(row)
            await happened(connection, where, "suppression.added", _told(made))
            await audit.append(connection, actor, where, "suppression.added", made.id)
            return made, True

        added, created = await self._door.write(actor, "filters:write", place, write)
        self.forget(added.address)
        return added, created

    async def remove(self, actor: Actor, forms: tuple[str, str]) -> None:
        """Take an address, in either of its forms, off the list of the actor's environment.

        Raises: NotFound when it is not on it; UnknownField, Forbidden as ``add``.
        """
        place = _environment(actor)

        async def write(connection: Connection, where: Scope) -> None:
            found = await _get(connection, where, *forms)
            await connection.execute("DELETE FROM suppressions WHERE id = $1", found.id)
            await happened(connection, where, "suppression.removed", _told(found))
            await audit.append(connection, actor, where, "suppression.removed", found.id)

        await self._door.write(actor, "filters:write", place, write)
        for form in forms:
            self.forget(form)

    async def page(
        self,
        actor: Actor,
        page: PageRequest,
        *,
        source: SuppressionSource | None = None,
        address: str | None = None,
    ) -> Page[Suppression]:
        """What is suppressed in the environments that the actor covers, newest first.

        A key that is bound to inboxes sees the lists of their environments.
        """
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        if not actor.system:
            query.add("s.organization_id = {0}", actor.organization)
        if actor.environments is not None:
            query.add("s.environment_id = ANY ({0})", sorted(actor.environments))
        if actor.inboxes is not None:
            query.add(
                "s.environment_id IN (SELECT i.environment_id FROM inboxes i"
                " WHERE i.id = ANY ({0}))",
                sorted(actor.inboxes),
            )
        query.add(_IN_FORCE)
        page_of(query, page, "s")
        if source is not None:
            query.add("s.source = {0}", source)
        if address is not None:
            query.add("s.address = {0}", checks.searchable("address", address))

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM suppressions s WHERE {query.condition}"
                f" ORDER BY s.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "filters:read", None, read)
        return page_from(found, page, suppression)

    async def among(
        self, environment: EnvironmentId, addresses: Sequence[tuple[str, str]]
    ) -> frozenset[str]:
        """Which of the addresses are suppressed there, as a few seconds ago.

        An address is a pair of its canonical form and the form in which domains are ASCII; the
        answer names the second.  On the server's own behalf.
        """
        known = {each: self._known.get((environment, each[1])) for each in addresses}
        asked = [each for each, found in known.items() if found is None]
        if asked:
            generation = self._known.generation

            async def read(connection: Connection, _: Scope) -> list[Row]:
                return await connection.rows(
                    "SELECT s.address FROM suppressions s WHERE s.environment_id = $1"
                    f" AND s.address = ANY ($2) AND {_IN_FORCE}",
                    environment,
                    sorted({form for each in asked for form in each}),
                )

            rows = await self._door.read(system_actor(), None, None, read)
            found = {row["address"] for row in rows}
            for each in asked:
                known[each] = not found.isdisjoint(each)
                names = tuple(dict.fromkeys(each))
                self._known.put((environment, each[1]), bool(known[each]), names, generation)
        return frozenset(each[1] for each, suppressed in known.items() if suppressed)

    def forget(self, address: str) -> None:
        """Ask again whether this address is suppressed, wherever."""
        self._known.forget(canonical(address))

    def forget_all(self) -> None:
        """Ask again for every address: something may have changed unheard."""
        self._known.clear()


def suppression(row: Row) -> Suppression:
    """A row of ``suppressions`` as a value."""
    message = row["message_id"]
    return Suppression(
        id=SuppressionId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        address=row["address"],
        source=cast("SuppressionSource", row["source"]),
        reason=row["reason"],
        message=None if message is None else MessageId(message),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )


def _environment(actor: Actor) -> Place:
    """The environment whose list is meant.  Raises: UnknownField, Forbidden."""
    whole_environment(actor)
    if actor.environment is None:
        raise checks.refuse(
            "environment",
            "the key covers several environments",
            fix="Name one in the header AgentPost-Environment.",
        )
    return Place("environment", actor.environment)


async def _get(connection: Connection, where: Scope, *forms: str) -> Suppression:
    row = await connection.row(
        f"SELECT {_COLUMNS} FROM suppressions s WHERE s.environment_id = $1"
        f" AND s.address = ANY ($2) AND {_IN_FORCE} FOR UPDATE",
        where.environment,
        list(forms),
    )
    if row is None:
        raise NotFound("This address is not suppressed.")
    return suppression(row)


def _told(found: Suppression) -> dict[str, Any]:
    return {
        "suppression_id": found.id,
        "address": found.address,
        "source": found.source,
        "reason": found.reason,
        "message_id": found.message,
        "expires_at": None if found.expires_at is None else rfc3339(found.expires_at),
    }
