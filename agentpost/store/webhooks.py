"""Webhooks: made, listed, changed and ended (R108; API.md, Webhooks).

A webhook is told of environments and inboxes.  A key sees and changes the webhooks that are told
of nothing outside its own reach.  Secrets and added header fields are kept sealed under the master
key of the deployment; only what sends deliveries opens them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from agentpost.auth.passwords import seal, unseal
from agentpost.auth.signatures import new_secret
from agentpost.errors import AlreadyExists, Forbidden, Limit, NotFound
from agentpost.ids import EnvironmentId, InboxId, OrganizationId, WebhookId, new_id
from agentpost.limits import WebhookLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.event import DEFAULT_TYPES, SCOPE_OF
from agentpost.model.page import Page, PageRequest
from agentpost.model.webhook import (
    Ordering,
    Payload,
    Webhook,
)
from agentpost.store import audit, checks
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door

COLUMNS: Final = (
    "w.id, w.organization_id, w.environment_id, w.url, w.description, w.event_types,"
    " w.environment_ids, w.inbox_ids, w.payload, w.ordering, w.timeout_s, w.header_names,"
    " w.headers, w.secret, CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS"
    " old_secret, w.old_secret_until, w.client_id, w.enabled, w.disabled_at, w.disabled_reason,"
    " w.version, w.created_at, w.updated_at, q.failures, q.failing_since"
)
"""Of ``webhooks w JOIN webhook_queues q``."""
FROM: Final = "webhooks w JOIN webhook_queues q ON q.webhook_id = w.id"

_IN_CLEAR: Final = b"\0"
"""Begins a secret that is kept without a seal, because the deployment has no key."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What a new webhook shall be; url, types and headers have been checked.

    ``environments`` None is the environment it is made in; ``inboxes`` None is every inbox.
    """

    url: str
    event_types: tuple[str, ...] = DEFAULT_TYPES
    environments: tuple[str, ...] | None = None
    inboxes: tuple[str, ...] | None = None
    payload: Payload = "full"
    ordering: Ordering = "none"
    timeout_s: int = 30
    headers: Headers = ()
    description: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """What changes; UNSET leaves a thing as it is."""

    url: str | UnsetType = UNSET
    event_types: tuple[str, ...] | UnsetType = UNSET
    environments: tuple[str, ...] | UnsetType = UNSET
    inboxes: tuple[str, ...] | UnsetType | None = UNSET
    payload: Payload | UnsetType = UNSET
    ordering: Ordering | UnsetType = UNSET
    timeout_s: int | UnsetType = UNSET
    headers: Headers | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class Webhooks:
    """The webhooks of organizations.  ``queued`` is told that there may be something to send."""

    def __init__(
        self,
        door: Door,
        settings: StoreSettings,
        queued: Callable[[], None],
        limits: WebhookLimits | None = None,
    ) -> None:
        self._door = door
        self._seals = Seals(settings.master_key)
        self._queued = queued
        self._limits = limits or WebhookLimits()

    async def create(self, actor: Actor, request: WebhookRequest) -> tuple[Webhook, bool]:
        """Make a webhook; with a ``client_id`` known in its environment the existing one, False.

        It is told what happens from now on.
        Raises: UnknownField; NotFound for an inbox or environment; Forbidden when it would be told
        more than the key may read; Limit; AlreadyExists when a webhook that the key does not see
        has the ``client_id``.
        """
        checks.client_id(request.client_id)
        home = _home(actor, request)
        check_reading(actor, request.payload, request.event_types)

        async def write(connection: Connection, where: Scope) -> tuple[Webhook, bool]:
            known = await self._by_client_id(connection, actor, home, request.client_id)
            if known is not None:
                return known, False
            # Holds off the environment's deletion, and counts one after the other.
            await connection.row("SELECT 1 FROM environments WHERE id = $1 FOR UPDATE", home)
            known = await self._by_client_id(connection, actor, home, request.client_id)
            if known is not None:
                return known, False
            await self._check_room(connection, home)
            environments = request.environments or (home,)
            await check_environments(connection, actor, where, environments)
            inboxes = await _inboxes(connection, actor, where, environments, request.inboxes)
            made = WebhookId(new_id("whk"))
            await self._insert(connection, where, home, made, request, environments, inboxes, actor)
            webhook = await self._get(connection, actor, made)
            place = Scope(where.organization, home)
            await audit.append(connection, actor, place, "webhook.created", made)
            return webhook, True

        made = await self._door.write(actor, "webhooks:write", None, write)
        self._queued()
        return made

    async def page(self, actor: Actor, page: PageRequest) -> Page[Webhook]:
        """Webhooks that the key sees, newest first unless asked otherwise."""
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        visible(query, actor)
        page_of(query, page, "w")

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {COLUMNS} FROM {FROM} WHERE {query.condition}"
                f" ORDER BY w.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "webhooks:read", None, read)
        return page_from(found, page, self._seals.webhook)

    async def get(self, actor: Actor, webhook: str) -> Webhook:
        """One webhook by id.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> Webhook:
            return await self._get(connection, actor, webhook)

        return await self._door.read(actor, "webhooks:read", None, read)

    async def update(
        self,
        actor: Actor,
        webhook: str,
        change: WebhookChange,
        if_match: frozenset[str] | None = None,
    ) -> Webhook:
        """Change a webhook.  Enabled again, it is told what happens from now on.

        Raises: NotFound, UnknownField, Forbidden, PreconditionFailed.
        """

        async def write(connection: Connection, where: Scope) -> Webhook:
            present = await self._get(connection, actor, webhook, lock=True)
            checks.match(if_match, present.version)
            types = _chosen(change.event_types, present.event_types)
            check_reading(actor, _chosen(change.payload, present.payload), types)
            environments: Sequence[str] = _chosen(change.environments, present.environments)
            await check_environments(connection, actor, where, environments)
            inboxes: Sequence[str] | None = present.inboxes
            if not isinstance(change.inboxes, UnsetType):
                inboxes = await _inboxes(connection, actor, where, environments, change.inboxes)
            await self._rewrite(connection, actor, present, change, environments, inboxes)
            if not isinstance(change.enabled, UnsetType) and change.enabled != present.enabled:
                await _switch(connection, present.id, on=change.enabled)
            place = Scope(where.organization, present.environment)
            await audit.append(connection, actor, place, "webhook.updated", present.id)
            return await self._get(connection, actor, webhook)

        changed = await self._door.write(actor, "webhooks:write", None, write)
        self._queued()
        return changed

    async def enable(self, actor: Actor, webhook: str) -> Webhook:
        """Let a webhook be told again, and count its failures anew.

        What it had not been told when it was disabled is tried again; what happened since is not
        queued (``replay`` does that).  Raises: NotFound.
        """

        async def write(connection: Connection, where: Scope) -> Webhook:
            present = await self._get(connection, actor, webhook, lock=True)
            if not present.enabled:
                await _switch(connection, present.id, on=True)
                place = Scope(where.organization, present.environment)
                await audit.append(connection, actor, place, "webhook.enabled", present.id)
            return await self._get(connection, actor, webhook)

        enabled = await self._door.write(actor, "webhooks:write", None, write)
        self._queued()
        return enabled

    async def rotate(self, actor: Actor, webhook: str) -> Webhook:
        """Give a webhook a new secret; the one before signs too for a while.  Raises: NotFound."""
        secret = new_secret()

        async def write(connection: Connection, where: Scope) -> Webhook:
            present = await self._get(connection, actor, webhook, lock=True)
            await connection.execute(
                "UPDATE webhooks SET old_secret = secret, old_secret_until = now()"
                " + make_interval(secs => $3), secret = $2, version = version + 1,"
                " updated_at = now() WHERE id = $1",
                present.id,
                self._seals.seal(present.id, secret),
                self._limits.overlap_s,
            )
            place = Scope(where.organization, present.environment)
            await audit.append(connection, actor, place, "webhook.secret_rotated", present.id)
            return await self._get(connection, actor, webhook)

        return await self._door.write(actor, "webhooks:write", None, write)

    async def delete(
        self, actor: Actor, webhook: str, if_match: frozenset[str] | None = None
    ) -> None:
        """End a webhook, with its deliveries.  Raises: NotFound, PreconditionFailed."""

        async def write(connection: Connection, where: Scope) -> None:
            present = await self._get(connection, actor, webhook, lock=True)
            checks.match(if_match, present.version)
            await connection.execute("DELETE FROM webhooks WHERE id = $1", present.id)
            await connection.execute(
                "DELETE FROM webhook_logs l WHERE l.organization_id = $1 AND NOT EXISTS ("
                "SELECT 1 FROM webhooks w WHERE w.organization_id = l.organization_id)",
                where.organization,
            )
            place = Scope(where.organization, present.environment)
            await audit.append(connection, actor, place, "webhook.deleted", present.id)

        await self._door.write(actor, "webhooks:write", None, write)

    async def _get(
        self, connection: Connection, actor: Actor, webhook: str, *, lock: bool = False
    ) -> Webhook:
        return self._seals.webhook(await row_of(connection, actor, webhook, lock=lock))

    async def _by_client_id(
        self, connection: Connection, actor: Actor, home: EnvironmentId, client_id: str | None
    ) -> Webhook | None:
        """Raises: AlreadyExists for one that this actor must not see."""
        if client_id is None:
            return None
        known = await connection.value(
            "SELECT id FROM webhooks WHERE environment_id = $1 AND client_id = $2", home, client_id
        )
        if known is None:
            return None
        try:
            return await self._get(connection, actor, known)
        except NotFound:
            raise AlreadyExists("Another webhook has this client_id.") from None

    async def _check_room(self, connection: Connection, home: EnvironmentId) -> None:
        count = await connection.value(
            "SELECT count(*) FROM webhooks WHERE environment_id = $1", home
        )
        if count >= self._limits.max_webhooks:
            raise Limit(f"The environment has {count} webhooks; it may have no more.")

    async def _insert(
        self,
        connection: Connection,
        where: Scope,
        home: EnvironmentId,
        made: WebhookId,
        request: WebhookRequest,
        environments: Sequence[str],
        inboxes: Sequence[str] | None,
        actor: Actor,
    ) -> None:
        await connection.execute(
            "INSERT INTO webhooks (id, organization_id, environment_id, url, description,"
            " event_types, hidden_types, environment_ids, inbox_ids, payload, ordering, timeout_s,"
            " header_names, headers, secret, client_id)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            made,
            where.organization,
            home,
            request.url,
            request.description,
            list(request.event_types),
            hidden_types(actor),
            list(environments),
            None if inboxes is None else list(inboxes),
            request.payload,
            request.ordering,
            request.timeout_s,
            [name for name, _ in request.headers],
            self._seals.headers(made, request.headers),
            self._seals.seal(made, new_secret()),
            request.client_id,
        )
        await connection.execute(
            "INSERT INTO webhook_queues (webhook_id, organization_id) VALUES ($1, $2)",
            made,
            where.organization,
        )
        await connection.execute(
            "INSERT INTO webhook_logs (organization_id) VALUES ($1) ON CONFLICT DO NOTHING",
            where.organization,
        )

    async def _rewrite(
        self,
        connection: Connection,
        actor: Actor,
        present: Webhook,
        change: WebhookChange,
        environments: Sequence[str],
        inboxes: Sequence[str] | None,
    ) -> None:
        headers = _chosen(change.headers, present.headers)
        await connection.execute(
            "UPDATE webhooks SET url = $2, description = $3, event_types = $4, hidden_types = $5,"
            " environment_ids = $6, inbox_ids = $7, payload = $8, ordering = $9, timeout_s = $10,"
            " header_names = $11, headers = $12, version = version + 1, updated_at = now()"
            " WHERE id = $1",
            present.id,
            _chosen(change.url, present.url),
            _chosen(change.description, present.description),
            list(_chosen(change.event_types, present.event_types)),
            hidden_types(actor),
            list(environments),
            None if inboxes is None else list(inboxes),
            _chosen(change.payload, present.payload),
            _chosen(change.ordering, present.ordering),
            _chosen(change.timeout_s, present.timeout_s),
            [name for name, _ in headers],
            self._seals.headers(present.id, headers),
        )


class Seals:
    """Keeps secrets unreadable in the database, when the deployment has a key."""

    def __init__(self, master_key: bytes | None) -> None:
        self._key = master_key

    def seal(self, webhook: str, text: str) -> bytes:
        """A secret of the webhook as it is kept."""
        return _IN_CLEAR + text.encode() if self._key is None else seal(self._key, webhook, text)

    def open(self, webhook: str, kept: bytes) -> str:
        """What ``seal`` was given.  Raises: Unsealable."""
        if kept[:1] == _IN_CLEAR:
            return kept[1:].decode()
        return unseal(self._key or b"", webhook, kept)

    def headers(self, webhook: str, headers: Headers) -> bytes | None:
        """Header fields as they are kept."""
        return self.seal(webhook, msgspec.json.encode(headers).decode()) if headers else None

    def webhook(self, row: Row) -> Webhook:
        """A webhook from a row with ``COLUMNS``."""
        name = row["id"]
        old, headers, inboxes = row["old_secret"], row["headers"], row["inbox_ids"]
        return Webhook(
            id=WebhookId(name),
            organization=OrganizationId(row["organization_id"]),
            environment=EnvironmentId(row["environment_id"]),
            url=row["url"],
            description=row["description"],
            event_types=tuple(row["event_types"]),
            environments=tuple(EnvironmentId(each) for each in row["environment_ids"]),
            inboxes=None if inboxes is None else tuple(InboxId(each) for each in inboxes),
            payload=cast("Payload", row["payload"]),
            ordering=cast("Ordering", row["ordering"]),
            timeout_s=row["timeout_s"],
            header_names=tuple(row["header_names"]),
            client_id=row["client_id"],
            enabled=row["enabled"],
            disabled_at=row["disabled_at"],
            disabled_reason=row["disabled_reason"],
            failures=row["failures"],
            failing_since=row["failing_since"],
            version=row["version"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            secret=self.open(name, row["secret"]),
            old_secret=None if old is None else self.open(name, old),
            old_secret_until=None if old is None else row["old_secret_until"],
            headers=()
            if headers is None
            else msgspec.json.decode(self.open(name, headers), type=Headers),
        )


async def row_of(connection: Connection, actor: Actor, webhook: str, *, lock: bool = False) -> Row:
    """The row of one webhook that the actor sees.  Raises: NotFound."""
    query = Narrowing(1, "ASC")
    visible(query, actor)
    query.add("w.id = {0}", checks.identifier(webhook))
    if lock:
        # The queue first, as whoever settles does, so that nobody waits in a ring.
        await connection.row(
            "SELECT 1 FROM webhook_queues WHERE webhook_id = $1 FOR UPDATE", webhook
        )
    row = await connection.row(
        f"SELECT {COLUMNS} FROM {FROM} WHERE {query.condition}"
        + (" FOR UPDATE OF w" if lock else ""),
        *query.arguments,
    )
    if row is None:
        raise NotFound("There is no such webhook.")
    return row


def visible(query: Narrowing, actor: Actor) -> None:
    """Keep to the webhooks ``w`` that are told of nothing outside the actor's reach."""
    if actor.system:
        return
    query.add("w.organization_id = {0}", actor.organization)
    if actor.environments is not None:
        query.add("w.environment_ids <@ {0}::text[]", sorted(actor.environments))
    if actor.inboxes is not None:
        query.add("w.inbox_ids <@ {0}::text[]", sorted(actor.inboxes))


async def _switch(connection: Connection, webhook: WebhookId, *, on: bool) -> None:
    await connection.execute(
        "UPDATE webhooks SET enabled = $2, disabled_at = CASE WHEN $2 THEN NULL ELSE now() END,"
        " disabled_reason = CASE WHEN $2 THEN NULL ELSE 'paused' END,"
        " starts_after = CASE WHEN $2 THEN transaction_seq() ELSE starts_after END,"
        " version = version + 1, updated_at = now() WHERE id = $1",
        webhook,
        on,
    )
    if on:
        await connection.execute(
            "UPDATE webhook_queues SET failures = 0, failing_since = NULL,"
            " next_at = least(next_at, now()) WHERE webhook_id = $1",
            webhook,
        )


async def check_environments(
    connection: Connection, actor: Actor, where: Scope, environments: Sequence[str]
) -> None:
    """Refuse environments that are not there for the actor.  Raises: UnknownField, NotFound."""
    if not environments:
        raise checks.refuse("environment_ids", "must name an environment, or be left out")
    found = await connection.rows(
        "SELECT id FROM environments WHERE organization_id = $1 AND id = ANY ($2)",
        where.organization,
        list(environments),
    )
    known = {EnvironmentId(row["id"]) for row in found}
    if actor.environments is not None:
        known &= actor.environments
    if set(environments) - known:
        raise NotFound("There is no such environment.")


async def _inboxes(
    connection: Connection,
    actor: Actor,
    where: Scope,
    environments: Sequence[str],
    wanted: Sequence[str] | None,
) -> tuple[str, ...] | None:
    """The ids of the inboxes that are wanted, by ids or addresses.  Raises: NotFound."""
    if wanted is None:
        whole_environment(actor)
        return None
    if not wanted:
        raise checks.refuse("inbox_ids", "must name an inbox, or be left out")
    names = {checks.place("inbox", each).id for each in wanted}
    found = await connection.rows(
        "SELECT id, address FROM inboxes WHERE organization_id = $1 AND environment_id = ANY ($2)"
        " AND (id = ANY ($3) OR address = ANY ($3)) AND deleted_at IS NULL",
        where.organization,
        list(environments),
        sorted(names),
    )
    covered = [row for row in found if actor.inboxes is None or row["id"] in actor.inboxes]
    if names - {row["id"] for row in covered} - {row["address"] for row in covered}:
        raise checks.no_inbox()
    return tuple(sorted({row["id"] for row in covered}))


def _home(actor: Actor, request: WebhookRequest) -> EnvironmentId:
    """The environment that a new webhook is made in."""
    named = request.environments
    if actor.environment is not None and (named is None or actor.environment in named):
        return actor.environment
    if named:
        return EnvironmentId(checks.identifier(named[0]))
    raise checks.refuse(
        "environment_ids",
        "the key covers several environments",
        fix="Name some, or one in the header AgentPost-Environment.",
    )


def check_reading(actor: Actor, payload: Payload, types: Sequence[str]) -> None:
    """Refuse to let a webhook read mail that its maker may not.  Raises: Forbidden."""
    for each in sorted(set(types) & SCOPE_OF.keys()):
        if not actor.may(SCOPE_OF[each]):
            raise Forbidden(
                f"Being told of {each} needs the scope {SCOPE_OF[each]}.",
                fix=f"Leave {each} out, or use a key that holds the scope {SCOPE_OF[each]}.",
            )
    if payload != "thin" and not actor.may("messages:read"):
        raise Forbidden(
            "A webhook with this payload is told what messages say, which needs messages:read.",
            fix='Ask for "payload": "thin", or use a key that holds the scope messages:read.',
        )


def hidden_types(actor: Actor) -> list[str]:
    """Types of events that the actor may not hear of."""
    return sorted(each for each, scope in SCOPE_OF.items() if not actor.may(scope))


def _chosen(new: Any, present: Any) -> Any:
    return present if isinstance(new, UnsetType) else new
