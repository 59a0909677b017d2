"""Polling webhooks: made, listed and ended (AgentMail, polling webhooks).

Each belongs to the organization, an environment or an inbox, and is known there by its
``client_id``.  Making one again gives a token anew, which ends the one before: a token is shown
once, its SHA-256 is kept, and it has the rights of the key that asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentpost.auth.keys import Secret, new_polling_token
from agentpost.errors import Conflict, Forbidden, Limit, NotFound
from agentpost.ids import EnvironmentId, InboxId, OrganizationId, WebhookId, new_id
from agentpost.limits import PollingLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.page import Page, PageRequest
from agentpost.model.polling import PollingWebhook
from agentpost.store import audit, checks
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment
from agentpost.store.store import Door
from agentpost.store.webhooks import check_environments, check_reading

COLUMNS: Final = (
    "w.id, w.organization_id, w.environment_id, w.inbox_id, w.client_id, w.event_types,"
    " w.environment_ids, w.inbox_ids, w.created_at, w.updated_at"
)
"""Of ``polling_webhooks w``."""


@dataclass(frozen=True, slots=True)
class PollingRequest:
    """What a new polling webhook shall tell; the types have been checked.

    Without ``environments`` and ``inboxes`` it tells of all of the place that it is made in, or of
    all that a bound key reaches there.
    """

    client_id: str
    event_types: tuple[str, ...]
    environments: tuple[str, ...] = ()
    inboxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Channels:
    """What is told of; ``within`` are the environments of all of it.  None is no bound."""

    environments: Sequence[str] | None
    inboxes: Sequence[str] | None
    within: Sequence[str] | None


class Polling:
    """The polling webhooks of organizations."""

    def __init__(self, door: Door, limits: PollingLimits | None = None) -> None:
        self._door = door
        self._limits = limits or PollingLimits()

    async def create(
        self, actor: Actor, place: Scope, request: PollingRequest
    ) -> tuple[PollingWebhook, Secret, bool]:
        """Make one at ``place``, with its token; the existing one, as it is, when its ``client_id``
        is known there, and False.  Its consumers go on where they were.

        Raises: UnknownField; NotFound for an inbox or environment; Forbidden when it would be told
        more than the key may read; Conflict when the existing one tells of what the key does not
        reach; Limit.
        """
        if actor.system:
            raise Forbidden("A polling webhook is made by a key of its organization.")
        checks.client_id(request.client_id)
        check_reading(actor, "agentmail", request.event_types)
        token = new_polling_token()

        async def write(connection: Connection, _: Scope) -> tuple[PollingWebhook, Secret, bool]:
            # One after the other, so that they are counted, and found by their client_id.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('polling ' || $1, 0))",
                place.inbox or place.environment or place.organization,
            )
            known = await self._known(connection, actor, place, request.client_id)
            if known is not None:
                return await self._renewed(connection, actor, place, known, token), token, False
            await self._check_room(connection, place)
            channels = await self._channels(connection, actor, place, request)
            row = await connection.row(
                "INSERT INTO polling_webhooks AS w (id, organization_id, environment_id, inbox_id,"
                " client_id, event_types, environment_ids, inbox_ids, within, key_id, token_hash)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
                f" RETURNING {COLUMNS}",
                new_id("whk"),
                place.organization,
                place.environment,
                place.inbox,
                request.client_id,
                list(request.event_types),
                channels.environments,
                channels.inboxes,
                channels.within,
                actor.credential,
                token.hash,
            )
            assert row is not None
            made = webhook_of(row)
            await audit.append(connection, actor, place, "polling_webhook.created", made.id)
            return made, token, True

        return await self._door.write(actor, "webhooks:write", place, write, wakes=False)

    async def page(self, actor: Actor, place: Scope, page: PageRequest) -> Page[PollingWebhook]:
        """Those that were made at ``place`` and tell of nothing outside the actor's reach."""
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        _made_at(query, place)
        _visible(query, actor)
        page_of(query, page, "w")

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {COLUMNS} FROM polling_webhooks w WHERE {query.condition}"
                f" ORDER BY w.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "webhooks:read", place, read)
        return page_from(found, page, webhook_of)

    async def get(self, actor: Actor, place: Scope, name: str) -> PollingWebhook:
        """The one at ``place`` with this id or ``client_id``.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> PollingWebhook:
            return await _get(connection, actor, place, name)

        return await self._door.read(actor, "webhooks:read", place, read)

    async def delete(self, actor: Actor, place: Scope, name: str) -> None:
        """End one, with its token and what is known of its consumers.  Raises: NotFound."""

        async def write(connection: Connection, _: Scope) -> None:
            present = await _get(connection, actor, place, name)
            await connection.execute("DELETE FROM polling_webhooks WHERE id = $1", present.id)
            await audit.append(connection, actor, place, "polling_webhook.deleted", present.id)

        await self._door.write(actor, "webhooks:write", place, write, wakes=False)

    async def _known(
        self, connection: Connection, actor: Actor, place: Scope, client_id: str
    ) -> PollingWebhook | None:
        there = Narrowing(1, "ASC")
        _made_at(there, place)
        there.add("w.client_id = {0}", client_id)
        row = await connection.row(
            f"SELECT {COLUMNS} FROM polling_webhooks w WHERE {there.condition}", *there.arguments
        )
        if row is None:
            return None
        _visible(there, actor)
        if not await connection.rows(
            f"SELECT 1 FROM polling_webhooks w WHERE {there.condition}", *there.arguments
        ):
            raise Conflict(
                "The client_id belongs to a polling webhook that the key does not reach.",
                fix="Use another client_id.",
            )
        return webhook_of(row)

    async def _renewed(
        self,
        connection: Connection,
        actor: Actor,
        place: Scope,
        known: PollingWebhook,
        token: Secret,
    ) -> PollingWebhook:
        row = await connection.row(
            "UPDATE polling_webhooks w SET token_hash = $2, key_id = $3, updated_at = now()"
            f" WHERE w.id = $1 RETURNING {COLUMNS}",
            known.id,
            token.hash,
            actor.credential,
        )
        # Whoever was given events cannot commit them any longer, and the next run need not wait.
        await connection.execute(
            "UPDATE polling_consumers SET leased_until = NULL WHERE webhook_id = $1", known.id
        )
        assert row is not None
        await audit.append(connection, actor, place, "polling_webhook.token_issued", known.id)
        return webhook_of(row)

    async def _check_room(self, connection: Connection, place: Scope) -> None:
        there = Narrowing(1, "ASC")
        _made_at(there, place)
        count = await connection.value(
            f"SELECT count(*) FROM polling_webhooks w WHERE {there.condition}", *there.arguments
        )
        if count >= self._limits.max_webhooks:
            raise Limit(f"There are {count} polling webhooks; there may be no more at this place.")

    async def _channels(
        self, connection: Connection, actor: Actor, place: Scope, request: PollingRequest
    ) -> _Channels:
        environments, inboxes = list(request.environments), list(request.inboxes)
        if not environments and not inboxes:
            # All there is at the place; the key may reach a part of it.
            if actor.inboxes is not None:
                inboxes = sorted(actor.inboxes)
            elif actor.environments is not None:
                environments = sorted(actor.environments)
            else:
                return _Channels(None, None, None)
        if len(environments) + len(inboxes) > self._limits.max_channels:
            most = self._limits.max_channels
            raise checks.refuse("inbox_ids", f"with pod_ids there may be at most {most}")
        if environments:
            whole_environment(actor)
            await check_environments(connection, actor, place, environments)
        found = await self._inboxes(connection, actor, place, inboxes)
        return _Channels(
            environments or None,
            sorted(found) or None,
            sorted({*environments, *found.values()}),
        )

    async def _inboxes(
        self, connection: Connection, actor: Actor, place: Scope, wanted: Sequence[str]
    ) -> dict[str, str]:
        """Inboxes by ids or addresses: their ids and environments.  Raises: NotFound."""
        names = {checks.place("inbox", each).id for each in wanted}
        rows = await connection.rows(
            "SELECT id, address, environment_id FROM inboxes WHERE organization_id = $1"
            " AND (id = ANY ($2) OR address = ANY ($2)) AND deleted_at IS NULL",
            place.organization,
            sorted(names),
        )
        covered = [
            row
            for row in rows
            if (actor.inboxes is None or row["id"] in actor.inboxes)
            and (actor.environments is None or row["environment_id"] in actor.environments)
        ]
        if names - {row["id"] for row in covered} - {row["address"] for row in covered}:
            raise checks.no_inbox()
        return {row["id"]: row["environment_id"] for row in covered}


def _made_at(query: Narrowing, place: Scope) -> None:
    query.add("w.organization_id = {0}", place.organization)
    query.add("w.environment_id IS NOT DISTINCT FROM {0}", place.environment)
    query.add("w.inbox_id IS NOT DISTINCT FROM {0}", place.inbox)


def _visible(query: Narrowing, actor: Actor) -> None:
    """Keep to those that tell of nothing outside the actor's reach."""
    if actor.environments is not None:
        query.add("w.within <@ {0}::text[]", sorted(actor.environments))
    if actor.inboxes is not None:
        query.add("w.environment_ids IS NULL AND w.inbox_ids <@ {0}::text[]", sorted(actor.inboxes))


async def _get(connection: Connection, actor: Actor, place: Scope, name: str) -> PollingWebhook:
    query = Narrowing(1, "ASC")
    _made_at(query, place)
    _visible(query, actor)
    query.add("(w.id = {0} OR w.client_id = {0})", checks.identifier(name))
    row = await connection.row(
        f"SELECT {COLUMNS} FROM polling_webhooks w WHERE {query.condition}"
        f" ORDER BY w.id <> ${len(query.arguments)} LIMIT 1",
        *query.arguments,
    )
    if row is None:
        raise NotFound("There is no such polling webhook.")
    return webhook_of(row)


def webhook_of(row: Row) -> PollingWebhook:
    """A row with ``COLUMNS`` as a value."""
    environments, inboxes = row["environment_ids"], row["inbox_ids"]
    environment, inbox = row["environment_id"], row["inbox_id"]
    return PollingWebhook(
        id=WebhookId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=None if environment is None else EnvironmentId(environment),
        inbox=None if inbox is None else InboxId(inbox),
        client_id=row["client_id"],
        event_types=tuple(row["event_types"]),
        environments=None if environments is None else tuple(map(EnvironmentId, environments)),
        inboxes=None if inboxes is None else tuple(map(InboxId, inboxes)),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
