"""The store: every public method of its parts is one authorization and one transaction.

``read`` and ``write`` are the only doors to the database for tenants' data.  Both go through
``_open``, where ``Actor.require`` stands and row level security is told what to show.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from agentpost.errors import NotFound
from agentpost.ids import EnvironmentId, InboxId, OrganizationId
from agentpost.model.actor import Actor, Scope
from agentpost.store.pool import Connection, Database

T = TypeVar("T")

PlaceKind = Literal[
    "inbox",
    "any_inbox",
    "message",
    "thread",
    "draft",
    "environment",
    "approval",
    "claim",
    "domain",
    "upload",
    "export",
    "polling_webhook",
]

_LOCATE: dict[PlaceKind, str] = {
    "inbox": "SELECT organization_id, environment_id, id AS inbox_id FROM inboxes"
    " WHERE (id = $1 OR address = $1) AND deleted_at IS NULL",
    "any_inbox": "SELECT organization_id, environment_id, id AS inbox_id FROM inboxes"
    " WHERE id = $1 OR address = $1",
    "message": "SELECT organization_id, environment_id, inbox_id FROM messages WHERE id = $1",
    "thread": "SELECT organization_id, environment_id, inbox_id FROM threads WHERE id = $1",
    "draft": "SELECT m.organization_id, m.environment_id, m.inbox_id FROM messages m"
    " WHERE m.id = coalesce((SELECT d.message_id FROM drafts d WHERE d.id = $1),"
    " 'msg_' || substr($1, 5))",
    "environment": "SELECT organization_id, id AS environment_id, NULL AS inbox_id"
    " FROM environments WHERE id = $1",
    "upload": "SELECT organization_id, environment_id, NULL AS inbox_id FROM uploads WHERE id = $1",
    "domain": "SELECT organization_id, environment_id, NULL AS inbox_id FROM domains WHERE id = $1",
    "export": "SELECT organization_id, environment_id, NULL AS inbox_id FROM exports WHERE id = $1",
    "approval": "SELECT organization_id, environment_id, inbox_id FROM approvals WHERE id = $1",
    "claim": "SELECT organization_id, environment_id, inbox_id FROM claims WHERE id = $1",
    # It ends with its inbox, and goes on when that is restored.
    "polling_webhook": "SELECT w.organization_id, w.environment_id, w.inbox_id"
    " FROM polling_webhooks w WHERE w.id = $1 AND (w.inbox_id IS NULL OR EXISTS"
    " (SELECT 1 FROM inboxes i WHERE i.id = w.inbox_id AND i.deleted_at IS NULL))",
}

_LIVE = " AND EXISTS (SELECT 1 FROM inboxes i WHERE i.id = {}inbox_id AND i.deleted_at IS NULL)"
_LOCATE_TO_WRITE: dict[PlaceKind, str] = {
    **_LOCATE,
    "message": _LOCATE["message"] + _LIVE.format(""),
    "thread": _LOCATE["thread"] + _LIVE.format(""),
    "draft": _LOCATE["draft"] + _LIVE.format("m."),
    "approval": _LOCATE["approval"] + _LIVE.format(""),
    "claim": _LOCATE["claim"] + _LIVE.format(""),
}
"""What is in a deleted inbox can be read and no longer changed (REQUIREMENTS 1.10, decision 3)."""

_NAMES: dict[PlaceKind, str] = {
    "inbox": "inbox",
    "any_inbox": "inbox",
    "message": "message",
    "thread": "thread",
    "draft": "draft",
    "environment": "environment",
    "upload": "upload",
    "domain": "domain",
    "export": "export",
    "approval": "approval",
    "claim": "claim",
    "polling_webhook": "polling webhook",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Something named by a client whose tenant must be looked up.

    ``any_inbox`` finds deleted inboxes too; an inbox is named by its id or its address.
    """

    kind: PlaceKind
    id: str


Where = Place | Scope | None
"""What a request concerns: looked up, already known, or the actor's whole organization."""


class Door:
    """The one way to the database for tenants' data."""

    def __init__(self, database: Database, committed: Callable[[InboxId], None]) -> None:
        self._database = database
        self._committed = committed

    async def read(
        self,
        actor: Actor,
        scope: str | None,
        where: Where,
        operation: Callable[[Connection, Scope], Awaitable[T]],
    ) -> T:
        """Run a reading ``operation`` for ``actor``; each statement sees what is committed.

        Raises: NotFound when the place does not exist for this actor, Forbidden when the scope
        is missing.
        """

        async def run(connection: Connection) -> T:
            place = await self._open(connection, actor, scope, where, _LOCATE)
            return await operation(connection, place)

        return await self._database.run(_tenants(actor), run)

    async def write(
        self,
        actor: Actor,
        scope: str | None,
        where: Where,
        operation: Callable[[Connection, Scope], Awaitable[T]],
        *,
        single: bool = False,
        wakes: bool = True,
    ) -> T:
        """Run a writing ``operation`` as one transaction, then wake who watches its inbox.

        ``single`` promises that the operation writes with one statement, which then needs no
        BEGIN and COMMIT around it.  Without ``wakes`` nobody is woken: what was written concerns
        the caller alone, or he calls ``wake`` himself.  Raises as ``read``.
        """
        place: list[Scope] = []

        async def run(connection: Connection) -> T:
            place.append(await self._open(connection, actor, scope, where, _LOCATE_TO_WRITE))
            return await operation(connection, place[0])

        value = await self._database.run(_tenants(actor), run, atomic=not single)
        if wakes:
            self.wake(place[0])
        return value

    def wake(self, where: Scope) -> None:
        """Wake who watches the inbox of ``where``: something was committed there."""
        if where.inbox is not None:
            self._committed(where.inbox)

    def wake_everyone(self, environment: EnvironmentId) -> None:
        """Wake who watches all inboxes: an event was committed that is none of an inbox."""
        # No inbox has this id, so that nobody else wakes.
        self._committed(InboxId(environment))

    async def _open(
        self,
        connection: Connection,
        actor: Actor,
        scope: str | None,
        where: Where,
        locate: dict[PlaceKind, str],
    ) -> Scope:
        if not isinstance(where, Place):
            self.allow(actor, scope, where)
            return where or Scope(actor.organization)
        row = await connection.row(locate[where.kind], where.id)
        # Absent and another tenant's must read alike, or the words tell what exists.
        absent = NotFound(f"There is no such {_NAMES[where.kind]}.")
        if row is None:
            raise absent
        found = Scope(
            OrganizationId(row["organization_id"]),
            None if row["environment_id"] is None else EnvironmentId(row["environment_id"]),
            None if row["inbox_id"] is None else InboxId(row["inbox_id"]),
        )
        try:
            self.allow(actor, scope, found)
        except NotFound:
            raise absent from None
        return found

    def allow(self, actor: Actor, scope: str | None, where: Scope | None) -> None:
        """The one line at which every protocol's authorization is decided."""
        actor.require(scope, where)


def _tenants(actor: Actor) -> str:
    return "*" if actor.system else actor.organization
