"""Inboxes: made with their mailboxes and first mail credential, found, changed, deleted (R36-R70).

An address is for ever: it belongs to its inbox while that exists, deleted or not, and to nobody
after a purge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from agentpost.auth.addresses import lowered
from agentpost.errors import Conflict, Forbidden
from agentpost.ids import EnvironmentId, InboxId, ModSeq, OrganizationId, new_id
from agentpost.model.actor import Actor, Scope, system_actor
from agentpost.model.inbox import Inbox
from agentpost.model.organization import NewMailCredential
from agentpost.model.page import Page, PageRequest
from agentpost.store import announcing, audit, checks, pausing, usernames
from agentpost.store.credentials import FIRST_NAME, Prepared, insert, prepare
from agentpost.store.deciding import DECIDING
from agentpost.store.fresh import nobody
from agentpost.store.homes import hold_home, home_of
from agentpost.store.inboxsettings import GUARDED, check_settings
from agentpost.store.naming import make_special
from agentpost.store.narrowing import Narrowing, page_from, page_of, pattern
from agentpost.store.pool import Connection, Row
from agentpost.store.purging import purge
from agentpost.store.reach import whole_environment
from agentpost.store.settings import StoreSettings
from agentpost.store.sites import Site, custom_site, hold, rejoin
from agentpost.store.store import Door, Place

INBOX_COLUMNS: Final = (
    "id, organization_id, environment_id, address, username, domain, display_name, client_id,"
    " metadata, labels, settings, signature, modseq, version, send_paused, paused_reason,"
    " paused_at, paused_by, deleted_at, created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class InboxRequest:
    """What a new inbox shall be; without a user name it gets a readable one."""

    username: str | None = None
    domain: str | None = None
    display_name: str | None = None
    client_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class InboxChange:
    """What PATCH does to an inbox; ``UNSET`` leaves a thing as it is.

    Keys of ``metadata`` and ``settings`` are merged with the present ones; a key whose value is
    None is removed.  ``labels`` are replaced.
    """

    display_name: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    signature: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """What a list of inboxes is narrowed to; every given condition must hold.

    ``q`` is looked for in address and display name.
    """

    q: str | None = None
    domain: str | None = None
    send_paused: bool | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    include_deleted: bool = False


@dataclass(frozen=True, slots=True)
class NewInbox:
    """An inbox and, when it was just made, its mail credential, which is shown once."""

    inbox: Inbox
    credential: NewMailCredential | None


class Inboxes:
    """Everything that makes, finds or changes inboxes.

    ``forget`` is told the ids and addresses of inboxes whose delivery, login or sending changed,
    and the ids of keys that a purge narrowed.
    """

    def __init__(
        self, door: Door, settings: StoreSettings, forget: Callable[[str], None] = nobody
    ) -> None:
        self._door = door
        self._settings = settings
        self._forget = forget

    async def create(
        self, actor: Actor, request: InboxRequest, environment: str | None = None
    ) -> tuple[NewInbox, bool]:
        """Make an inbox in ``environment``, or in the one that the actor's key determines.

        With a ``client_id`` known there, the existing inbox without a credential, and False.
        Raises: UnknownField; NotFound for the environment; Forbidden for a key that is bound to
        inboxes; Conflict when the inbox of this client_id is deleted.
        """
        chosen = home_of(actor, environment)
        whole_environment(actor)
        username = self._check_new(request)
        site = await self._site(chosen, request)
        prepared = await prepare(self._settings)

        async def write(connection: Connection, where: Scope) -> tuple[NewInbox, bool]:
            await hold_home(connection, where)
            row = await _by_client_id(connection, where, request.client_id)
            if row is None:
                made = await self._insert(connection, where, request, username, site)
                if made is not None:
                    return await _furnish(connection, actor, made, prepared), True
                row = await _by_client_id(connection, where, request.client_id)
            if row is None:
                raise site.none_free(username)
            existing = inbox(row)
            if existing.deleted_at is not None:
                raise Conflict(
                    f"The inbox of this client_id, {existing.id}, is deleted.",
                    fix="Restore it, purge it, or use another client_id.",
                )
            return NewInbox(existing, None), False

        place = checks.place("environment", chosen)
        return await self._door.write(actor, "inboxes:write", place, write)

    async def get(self, actor: Actor, reference: str, *, include_deleted: bool = False) -> Inbox:
        """One inbox by its id or address.  Raises: NotFound."""

        async def read(connection: Connection, where: Scope) -> Inbox:
            return await _get(connection, where)

        place = checks.place("any_inbox" if include_deleted else "inbox", reference)
        return await self._door.read(actor, "inboxes:read", place, read)

    async def page(
        self,
        actor: Actor,
        wanted: InboxFilter,
        page: PageRequest,
        where: Place | None = None,
    ) -> Page[Inbox]:
        """Inboxes that fit the filter, newest first unless asked otherwise.

        ``where`` narrows to an environment.  Raises: UnknownField, NotFound.
        """
        query = _narrowed(actor, wanted, page)

        async def read(connection: Connection, place: Scope) -> list[Row]:
            if where is not None:
                query.add("i.environment_id = {0}", place.environment)
            return await connection.rows(
                f"SELECT {INBOX_COLUMNS} FROM inboxes i WHERE {query.condition}"
                f" ORDER BY i.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "inboxes:read", where, read)
        return page_from(found, page, inbox)

    async def update(
        self,
        actor: Actor,
        reference: str,
        change: InboxChange,
        if_match: frozenset[str] | None = None,
    ) -> Inbox:
        """Change what may change: never the address (R56).

        Raises: NotFound, UnknownField, PreconditionFailed; Forbidden for settings of approval
        without approvals:decide, or an agent would release itself from being watched.
        """
        self._check_change(change)

        async def write(connection: Connection, where: Scope) -> Inbox:
            if not isinstance(change.settings, UnsetType) and GUARDED & change.settings.keys():
                self._door.allow(actor, DECIDING, where)
            present = await _get(connection, where, lock=True)
            checks.match(if_match, present.version)
            row = await connection.row(
                "UPDATE inboxes SET display_name = $2, metadata = $3, labels = $4, settings = $5,"
                " signature = $6, version = version + 1, updated_at = now()"
                f" WHERE id = $1 RETURNING {INBOX_COLUMNS}",
                present.id,
                *self._values(present, change),
            )
            assert row is not None
            changed = inbox(row)
            fields = [name for name in change.__slots__ if getattr(change, name) is not UNSET]
            await announcing.inbox(connection, actor, changed, "inbox.updated", changed=fields)
            return changed

        return await self._change(actor, reference, "inbox", write)

    async def delete(
        self, actor: Actor, reference: str, if_match: frozenset[str] | None = None
    ) -> Inbox:
        """Delete an inbox softly: it receives no mail, and its messages are retained (R62).

        Raises: NotFound, also when it is deleted already; PreconditionFailed.
        """

        async def write(connection: Connection, where: Scope) -> Inbox:
            present = await _get(connection, where, lock=True)
            checks.match(if_match, present.version)
            return await _set(connection, actor, where, "inbox.deleted", "deleted_at = now()")

        return await self._change(actor, reference, "inbox", write)

    async def restore(self, actor: Actor, reference: str) -> Inbox:
        """Bring a deleted inbox back; one that is not deleted stays as it is.

        Raises: NotFound; Conflict when its environment has lost its domain.
        """

        async def write(connection: Connection, where: Scope) -> Inbox:
            present = await _get(connection, where, lock=True)
            if present.deleted_at is None:
                return present
            await rejoin(connection, present)
            return await _set(connection, actor, where, "inbox.restored", "deleted_at = NULL")

        return await self._change(actor, reference, "any_inbox", write)

    async def purge(
        self, actor: Actor, reference: str, if_match: frozenset[str] | None = None
    ) -> None:
        """Destroy an inbox, deleted or not, with all its mail; its address is never used again.

        Raises: NotFound, PreconditionFailed.
        """

        async def write(connection: Connection, where: Scope) -> tuple[Inbox, list[str]]:
            present = await _get(connection, where, lock=True)
            checks.match(if_match, present.version)
            keys = await purge(connection, [present.id])
            await announcing.inbox(connection, actor, present, "inbox.purged")
            return present, keys

        place = checks.place("any_inbox", reference)
        gone, keys = await self._door.write(actor, "inboxes:write", place, write)
        for name in (gone.id, gone.address, *keys):
            self._forget(name)

    async def pause(self, actor: Actor, reference: str, reason: str) -> Inbox:
        """Stop sending from an inbox; it goes on receiving (R64).  A new reason replaces the old.

        Raises: NotFound, UnknownField.
        """
        checks.line("reason", reason, self._settings.limits.max_reason_characters)

        async def write(connection: Connection, where: Scope) -> Inbox:
            present = await _get(connection, where, lock=True)
            await pausing.pause(connection, actor, where, reason)
            await audit.append(
                connection, actor, where, "inbox.paused", present.id, {"reason": reason}
            )
            return await _get(connection, where)

        return await self._change(actor, reference, "inbox", write)

    async def resume(self, actor: Actor, reference: str, *, force: bool = False) -> Inbox:
        """Let an inbox send again; one that is not paused stays as it is.

        With ``force`` also against its bounces and complaints, which then are forgiven: only what
        comes later counts towards the next pause.  Raises: NotFound; DeliverabilityCritical
        without ``force``; Forbidden for ``force`` without the scope org:write.
        """
        if force and not actor.may("org:write"):
            raise Forbidden(
                "To resume with force needs the scope org:write.",
                fix="Use a key that holds the scope org:write.",
            )

        async def write(connection: Connection, where: Scope) -> Inbox:
            present = await _get(connection, where, lock=True)
            if not present.send_paused:
                return present
            forced = await pausing.resume(connection, where, force=force)
            await audit.append(
                connection, actor, where, "inbox.resumed", present.id, {"forced": forced}
            )
            return await _get(connection, where)

        return await self._change(actor, reference, "inbox", write)

    async def _change(
        self,
        actor: Actor,
        reference: str,
        kind: checks.InboxKind,
        write: Callable[[Connection, Scope], Any],
    ) -> Inbox:
        place = checks.place(kind, reference)
        changed: Inbox = await self._door.write(actor, "inboxes:write", place, write)
        self._forget(changed.id)
        self._forget(changed.address)
        return changed

    async def _insert(
        self,
        connection: Connection,
        where: Scope,
        request: InboxRequest,
        username: str,
        site: Site,
    ) -> Row | None:
        """A new row with a free address; None when the client_id is taken, or no address is free."""
        limits = self._settings.limits
        await hold(connection, site, self._settings.shared_domain)
        for username_, address in site.addresses(username, limits.address_attempts):
            row = await connection.row(
                "INSERT INTO inboxes (id, organization_id, environment_id, address, username,"
                " domain, display_name, client_id, metadata, labels, settings, signature, domain_id)"
                " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $14"
                " WHERE NOT EXISTS ("
                "  SELECT 1 FROM retired_addresses WHERE address_sha256 = $13)"
                f" ON CONFLICT DO NOTHING RETURNING {INBOX_COLUMNS}",
                new_id("inb"),
                where.organization,
                where.environment,
                address,
                username_,
                site.domain,
                request.display_name,
                request.client_id,
                checks.json(request.metadata, "metadata"),
                checks.labels(request.labels, limits),
                checks.json(request.settings, "settings"),
                request.signature,
                hashlib.sha256(address.encode()).digest(),
                site.holder,
            )
            if row is not None:
                return row
            if await _by_client_id(connection, where, request.client_id) is not None:
                return None
        return None

    async def _site(self, environment: str, request: InboxRequest) -> Site:
        """Where the new inbox shall live."""
        domain = self._settings.shared_domain
        if request.domain is None or lowered(request.domain) == domain:
            return Site(domain, shared=True)

        # Who holds a name is seen only by who sees every organization.
        async def read(connection: Connection, _: Scope) -> Site:
            return await custom_site(connection, environment, str(request.domain), request.username)

        return await self._door.read(system_actor(), None, None, read)

    def _check_new(self, request: InboxRequest) -> str:
        """Refuse what a new inbox cannot be; the user name that it gets."""
        checks.client_id(request.client_id)
        if request.username is not None:
            usernames.check_username(request.username)
        self._check_change(
            InboxChange(
                request.display_name,
                request.metadata,
                request.labels,
                request.settings,
                request.signature,
            )
        )
        return request.username or usernames.generated_username()

    def _check_change(self, change: InboxChange) -> None:
        limits = self._settings.limits
        if isinstance(change.display_name, str):
            checks.line("display_name", change.display_name, limits.max_display_name_characters)
        if isinstance(change.signature, str):
            checks.lines("signature", change.signature, limits.max_signature_characters)
        if not isinstance(change.metadata, UnsetType):
            checks.metadata(change.metadata, limits)
        if not isinstance(change.labels, UnsetType):
            checks.labels(change.labels, limits)
        if not isinstance(change.settings, UnsetType):
            check_settings(change.settings)

    def _values(self, present: Inbox, change: InboxChange) -> tuple[object, ...]:
        """The columns that a change may touch, as they shall be."""
        limits = self._settings.limits
        metadata, labels, settings = present.metadata, present.labels, present.settings
        if not isinstance(change.metadata, UnsetType):
            metadata = checks.metadata(checks.merged(metadata, change.metadata), limits)
        if not isinstance(change.labels, UnsetType):
            labels = checks.labels(change.labels, limits)
        if not isinstance(change.settings, UnsetType):
            settings = checks.merged(settings, change.settings)
        return (
            present.display_name if change.display_name is UNSET else change.display_name,
            checks.json(metadata, "metadata"),
            labels,
            checks.json(settings, "settings"),
            present.signature if change.signature is UNSET else change.signature,
        )


def inbox(row: Row) -> Inbox:
    """A row of ``INBOX_COLUMNS`` as a value."""
    return Inbox(
        id=InboxId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        address=row["address"],
        username=row["username"],
        domain=row["domain"],
        display_name=row["display_name"],
        client_id=row["client_id"],
        metadata=msgspec.json.decode(row["metadata"]),
        labels=tuple(row["labels"]),
        settings=msgspec.json.decode(row["settings"]),
        signature=row["signature"],
        modseq=ModSeq(row["modseq"]),
        version=row["version"],
        send_paused=row["send_paused"],
        paused_reason=row["paused_reason"],
        paused_at=row["paused_at"],
        paused_by=row["paused_by"],
        deleted_at=row["deleted_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def _furnish(connection: Connection, actor: Actor, row: Row, prepared: Prepared) -> NewInbox:
    """Mailboxes and the first mail credential of an inbox just made."""
    made = inbox(row)
    where = Scope(made.organization, made.environment, made.id)
    await make_special(connection, where)
    credential = await insert(connection, where, FIRST_NAME, prepared)
    await announcing.inbox(connection, actor, made, "inbox.created")
    return NewInbox(made, credential)


async def _get(connection: Connection, where: Scope, *, lock: bool = False) -> Inbox:
    row = await connection.row(
        f"SELECT {INBOX_COLUMNS} FROM inboxes WHERE id = $1" + (" FOR UPDATE" if lock else ""),
        where.inbox,
    )
    if row is None:
        raise checks.no_inbox()
    return inbox(row)


async def _set(
    connection: Connection, actor: Actor, where: Scope, action: str, change: str, *values: object
) -> Inbox:
    row = await connection.row(
        f"UPDATE inboxes SET {change}, version = version + 1, updated_at = now()"
        f" WHERE id = $1 RETURNING {INBOX_COLUMNS}",
        where.inbox,
        *values,
    )
    if row is None:
        raise checks.no_inbox()
    changed = inbox(row)
    await announcing.inbox(connection, actor, changed, action)
    return changed


async def _by_client_id(connection: Connection, where: Scope, client_id: str | None) -> Row | None:
    if client_id is None:
        return None
    return await connection.row(
        f"SELECT {INBOX_COLUMNS} FROM inboxes WHERE environment_id = $1 AND client_id = $2",
        where.environment,
        client_id,
    )


def _narrowed(actor: Actor, wanted: InboxFilter, page: PageRequest) -> Narrowing:
    query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
    if not actor.system:
        query.add("i.organization_id = {0}", actor.organization)
    if actor.environments is not None:
        query.add("i.environment_id = ANY ({0})", sorted(actor.environments))
    if actor.inboxes is not None:
        query.add("i.id = ANY ({0})", sorted(actor.inboxes))
    page_of(query, page, "i")
    if not wanted.include_deleted:
        query.add("i.deleted_at IS NULL")
    if wanted.q is not None:
        text = pattern(checks.searchable("q", wanted.q))
        query.add("(i.address ILIKE {0} OR i.display_name ILIKE {0})", text)
    if wanted.domain is not None:
        query.add("i.domain = {0}", lowered(checks.searchable("domain", wanted.domain)))
    if wanted.send_paused is not None:
        query.add("i.send_paused = {0}", wanted.send_paused)
    for key, value in wanted.metadata.items():
        query.add(
            "i.metadata ->> {0} = {1}",
            checks.searchable("metadata", key),
            checks.searchable("metadata", value),
        )
    if wanted.labels:
        labels = [checks.searchable("labels", label).lower() for label in wanted.labels]
        query.add("i.labels @> {0}", labels)
    return query
