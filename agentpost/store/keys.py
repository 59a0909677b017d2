"""API keys: made, listed, narrowed, rotated and revoked (R76-R95).

A key is shown in clear once; its SHA-256 is kept.  Nobody hands on more than he holds: scopes,
environments, inboxes and networks of a new or changed key lie inside those of the key that asks,
and it ends no later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import UNSET, UnsetType

from agentpost import clock
from agentpost.auth.keys import Secret, new_api_key
from agentpost.errors import Conflict, FieldError, Forbidden, Limit, NotFound, UnknownField
from agentpost.ids import EnvironmentId, InboxId, KeyId, OrganizationId, is_id, new_id
from agentpost.limits import IdentityLimits
from agentpost.model.actor import SCOPES, Actor, Scope
from agentpost.model.organization import ApiKey, Kind, NewApiKey
from agentpost.model.page import Page, PageRequest
from agentpost.net.networks import network
from agentpost.store import announcing, audit, checks
from agentpost.store.keybounds import Bounds, bounds_of
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import check_scopes, power_of, sees
from agentpost.store.store import Door

Id = TypeVar("Id", EnvironmentId, InboxId)

DEFAULT_OVERLAP_S = 24 * 3600
"""How long a rotated key works on unless asked otherwise: a day to deploy the new one."""

KEY_COLUMNS = (
    "id, organization_id, name, prefix, scopes, environment_ids, inbox_ids, ip_allow, client_id,"
    " expires_at, revoked_at, last_used_at, version, created_at"
)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a new key shall be.

    ``None`` for an id list means everything that the key which asks covers itself; without
    ``ip_allow`` and ``expires_at`` what bounds that key bounds the new one.
    """

    name: str
    scopes: tuple[str, ...]
    environments: tuple[EnvironmentId, ...] | None = None
    inboxes: tuple[InboxId, ...] | None = None
    ip_allow: tuple[str, ...] = ()
    expires_at: datetime | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What PATCH does to a key; ``UNSET`` leaves a thing as it is."""

    name: str | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    environments: tuple[EnvironmentId, ...] | UnsetType | None = UNSET
    inboxes: tuple[InboxId, ...] | UnsetType | None = UNSET
    ip_allow: tuple[str, ...] | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET


class Keys:
    """The API keys of an organization; ``forget`` is told the ids of keys that changed."""

    def __init__(
        self, door: Door, forget: Callable[[str], None], limits: IdentityLimits | None = None
    ) -> None:
        self._door = door
        self._forget = forget
        self._limits = limits or IdentityLimits()

    async def create(self, actor: Actor, request: KeyRequest) -> tuple[NewApiKey | ApiKey, bool]:
        """Make a key; with a known ``client_id`` the existing one, without its secret, and False.

        Raises: UnknownField; Forbidden when it would hold more than the one who asks; Limit.
        """
        if actor.system:
            raise Forbidden("A key is made by a key of its organization.")
        checked = self._checked(actor, request)

        async def write(connection: Connection, where: Scope) -> tuple[NewApiKey | ApiKey, bool]:
            known = await _by_client_id(connection, where.organization, checked.client_id)
            if known is not None:
                return _visible(actor, api_key(known)), False
            count = await connection.value(
                "SELECT count(*) FROM api_keys WHERE organization_id = $1 AND revoked_at IS NULL",
                where.organization,
            )
            if count >= self._limits.max_keys:
                raise Limit(f"The organization has {count} keys; it may have no more.")
            kind = await _check_places(connection, where, checked.environments, checked.inboxes)
            secret = new_api_key(kind)
            bounded = _bounded(await bounds_of(connection, actor), checked)
            row = await insert(connection, where.organization, secret, bounded)
            if row is None:
                known = await _by_client_id(connection, where.organization, checked.client_id)
                assert known is not None
                return _visible(actor, api_key(known)), False
            detail = {"name": checked.name, "scopes": checked.scopes}
            made = api_key(row)
            await announcing.key(connection, actor, made, "api_key.created", detail)
            return NewApiKey(made, secret.text), True

        return await self._door.write(actor, "keys:write", None, write)

    async def page(
        self, actor: Actor, page: PageRequest, *, include_revoked: bool = False
    ) -> Page[ApiKey]:
        """The keys inside what the actor covers, newest first unless asked otherwise."""
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        if not actor.system:
            query.add("k.organization_id = {0}", actor.organization)
        if actor.environments is not None:
            query.add("k.environment_ids <@ {0}", sorted(actor.environments))
        if actor.inboxes is not None:
            query.add("k.inbox_ids <@ {0}", sorted(actor.inboxes))
        if not include_revoked:
            query.add("k.revoked_at IS NULL")
        page_of(query, page, "k")

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {KEY_COLUMNS} FROM api_keys k"
                f" WHERE {query.condition} ORDER BY k.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "keys:read", None, read)
        return page_from(found, page, api_key)

    async def get(self, actor: Actor, key: str) -> ApiKey:
        """One key by id, revoked ones too.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> ApiKey:
            return await _get(connection, actor, key)

        return await self._door.read(actor, "keys:read", None, read)

    async def update(
        self,
        actor: Actor,
        key: str,
        change: KeyChange,
        if_match: frozenset[str] | None = None,
    ) -> ApiKey:
        """Change a key.

        Raises: NotFound, UnknownField, PreconditionFailed; Conflict when it is revoked; Forbidden
        when it holds, or would hold, more than the one who asks.
        """

        async def write(connection: Connection, where: Scope) -> ApiKey:
            present = await _get(connection, actor, key, lock=True)
            checks.match(if_match, present.version)
            _check_alive(present)
            check_scopes(actor, frozenset(present.scopes))
            bounds = await bounds_of(connection, actor)
            bounds.check(present)
            wanted = _bounded(bounds, self._checked(actor, _changed(present, change)))
            await _check_places(
                connection, Scope(present.organization), wanted.environments, wanted.inboxes
            )
            row = await connection.row(
                "UPDATE api_keys SET name = $2, scopes = $3, environment_ids = $4, inbox_ids = $5,"
                " ip_allow = $6, expires_at = $7, version = version + 1, updated_at = now()"
                f" WHERE id = $1 RETURNING {KEY_COLUMNS}",
                present.id,
                wanted.name,
                wanted.scopes,
                wanted.environments,
                wanted.inboxes,
                wanted.ip_allow,
                wanted.expires_at,
            )
            assert row is not None
            detail = {"name": wanted.name, "scopes": wanted.scopes}
            await audit.append(connection, actor, where, "api_key.updated", present.id, detail)
            return api_key(row)

        changed = await self._door.write(actor, "keys:write", None, write)
        self._forget(changed.id)
        return changed

    async def rotate(self, actor: Actor, key: str, overlap_s: int = DEFAULT_OVERLAP_S) -> NewApiKey:
        """Make a key with the same rights; the old one ends after ``overlap_s`` seconds.

        With an overlap of 0 the old one is revoked at once.  The new key takes over client_id.
        Raises: NotFound, UnknownField, Conflict; Forbidden when the key holds more than the one
        who asks, who would otherwise be given its rights.
        """
        if not 0 <= overlap_s <= self._limits.max_overlap_s:
            raise checks.refuse(
                "overlap_s", f"must be from 0 to {self._limits.max_overlap_s} seconds"
            )

        async def write(connection: Connection, where: Scope) -> NewApiKey:
            present = await _get(connection, actor, key, lock=True)
            _check_alive(present)
            check_scopes(actor, frozenset(present.scopes))
            (await bounds_of(connection, actor)).check(present)
            now = clock.now()
            end = now + timedelta(seconds=overlap_s)
            await connection.execute(
                "UPDATE api_keys SET client_id = NULL, expires_at = least(expires_at, $2),"
                " revoked_at = $3, version = version + 1, updated_at = now() WHERE id = $1",
                present.id,
                end,
                now if overlap_s == 0 else None,
            )
            kind = await _kind(connection, Scope(present.organization), present.environments)
            secret = new_api_key(kind)
            row = await insert(connection, present.organization, secret, _again(present))
            assert row is not None
            detail = {"replaces": present.id, "overlap_s": overlap_s}
            made = api_key(row)
            await announcing.key(connection, actor, made, "api_key.rotated", detail)
            if overlap_s == 0:
                await announcing.keys_revoked(connection, [present.id], "rotated")
            return NewApiKey(made, secret.text)

        made = await self._door.write(actor, "keys:write", None, write)
        self._forget(key)
        return made

    async def revoke(
        self, actor: Actor, key: str, if_match: frozenset[str] | None = None
    ) -> ApiKey:
        """End a key at once, also one that holds more: who sees a leak may stop it.

        Revoking it again changes nothing.  Raises: NotFound, PreconditionFailed.
        """

        async def write(connection: Connection, where: Scope) -> ApiKey:
            present = await _get(connection, actor, key, lock=True)
            checks.match(if_match, present.version)
            if present.revoked_at is not None:
                return present
            row = await connection.row(
                "UPDATE api_keys SET revoked_at = now(), client_id = NULL,"
                " version = version + 1, updated_at = now()"
                f" WHERE id = $1 RETURNING {KEY_COLUMNS}",
                present.id,
            )
            assert row is not None
            await announcing.key(connection, actor, present, "api_key.revoked", {})
            return api_key(row)

        revoked = await self._door.write(actor, "keys:write", None, write)
        self._forget(revoked.id)
        return revoked

    def _checked(self, actor: Actor, request: KeyRequest) -> KeyRequest:
        """The request in its stored form, bounded by what the actor holds."""
        limits = self._limits
        checks.line("name", request.name, limits.max_name_characters)
        checks.client_id(request.client_id)
        scopes = _checked_scopes(actor, request.scopes)
        environments = _inherited(
            "environment_ids", "env", request.environments, actor.environments
        )
        inboxes = _inherited("inbox_ids", "inb", request.inboxes, actor.inboxes)
        for name, ids in (("environment_ids", environments), ("inbox_ids", inboxes)):
            if ids is not None and len(ids) > limits.max_key_places:
                raise checks.refuse(name, f"at most {limits.max_key_places} are allowed")
        if len(request.ip_allow) > limits.max_ip_allow:
            raise checks.refuse("ip_allow", f"at most {limits.max_ip_allow} are allowed")
        return replace(
            request,
            scopes=scopes,
            environments=environments,
            inboxes=inboxes,
            ip_allow=_checked_networks(request.ip_allow),
            expires_at=_checked_expiry(request.expires_at),
        )


async def insert(
    connection: Connection, organization: OrganizationId, secret: Secret, request: KeyRequest
) -> Row | None:
    """A new key in the running transaction; None when its client_id is taken."""
    return await connection.row(
        "INSERT INTO api_keys (id, organization_id, name, prefix, secret_hash, scopes,"
        " environment_ids, inbox_ids, ip_allow, client_id, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " ON CONFLICT (organization_id, client_id) DO NOTHING"
        f" RETURNING {KEY_COLUMNS}",
        new_id("key"),
        organization,
        request.name,
        secret.prefix,
        secret.hash,
        request.scopes,
        request.environments,
        request.inboxes,
        request.ip_allow,
        request.client_id,
        request.expires_at,
    )


def api_key(row: Row) -> ApiKey:
    """A row of ``KEY_COLUMNS`` as a value."""
    environments = row["environment_ids"]
    inboxes = row["inbox_ids"]
    return ApiKey(
        id=KeyId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        name=row["name"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"]),
        environments=None if environments is None else tuple(map(EnvironmentId, environments)),
        inboxes=None if inboxes is None else tuple(map(InboxId, inboxes)),
        ip_allow=tuple(row["ip_allow"]),
        client_id=row["client_id"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        version=row["version"],
        created_at=row["created_at"],
    )


async def _get(connection: Connection, actor: Actor, key: str, *, lock: bool = False) -> ApiKey:
    row = await connection.row(
        f"SELECT {KEY_COLUMNS} FROM api_keys WHERE id = $1" + (" FOR UPDATE" if lock else ""),
        checks.identifier(key),
    )
    if row is None:
        raise NotFound("There is no such key.")
    return _visible(actor, api_key(row))


def _visible(actor: Actor, key: ApiKey) -> ApiKey:
    """The key, when it reaches no further than the actor.  Raises: NotFound."""
    if not sees(actor, power_of(key)):
        raise NotFound("There is no such key.")
    return key


async def _by_client_id(
    connection: Connection, organization: OrganizationId, client_id: str | None
) -> Row | None:
    if client_id is None:
        return None
    return await connection.row(
        f"SELECT {KEY_COLUMNS} FROM api_keys WHERE organization_id = $1 AND client_id = $2",
        organization,
        client_id,
    )


async def _check_places(
    connection: Connection,
    where: Scope,
    environments: Sequence[str] | None,
    inboxes: Sequence[str] | None,
) -> Kind:
    """Refuse environments and inboxes that are not there; the kind that the key shall name."""
    if environments is not None:
        rows = await connection.rows(
            "SELECT id FROM environments WHERE id = ANY ($1) AND organization_id = $2"
            " FOR KEY SHARE",
            list(environments),
            where.organization,
        )
        _all_found("environment_ids", environments, {row["id"] for row in rows})
    if inboxes is not None:
        rows = await connection.rows(
            "SELECT id FROM inboxes WHERE id = ANY ($1) AND organization_id = $2"
            " AND deleted_at IS NULL AND ($3::text[] IS NULL OR environment_id = ANY ($3))"
            " FOR KEY SHARE",
            list(inboxes),
            where.organization,
            None if environments is None else list(environments),
        )
        _all_found("inbox_ids", inboxes, {row["id"] for row in rows})
    return await _kind(connection, where, environments)


async def _kind(connection: Connection, where: Scope, environments: Sequence[str] | None) -> Kind:
    """The one kind of the environments, or that of the default among them, or live."""
    rows = await connection.rows(
        "SELECT kind, is_default FROM environments"
        " WHERE organization_id = $1 AND ($2::text[] IS NULL OR id = ANY ($2))",
        where.organization,
        None if environments is None else list(environments),
    )
    kinds: set[Kind] = {row["kind"] for row in rows}
    if len(kinds) == 1:
        return kinds.pop()
    default: list[Kind] = [row["kind"] for row in rows if row["is_default"]]
    return default[0] if default else "live"


def _all_found(path: str, wanted: Sequence[str], present: AbstractSet[str]) -> None:
    missing = tuple(
        FieldError(f"{path}[{number}]", "does not exist")
        for number, each in enumerate(wanted)
        if each not in present
    )
    if missing:
        raise UnknownField(
            f"{path}: {len(missing)} of the ids do not exist.",
            fix="Use ids that the lists of this organization show to this key.",
            errors=missing,
        )


def _inherited(
    path: str, prefix: str, wanted: Sequence[Id] | None, held: frozenset[Id] | None
) -> tuple[Id, ...] | None:
    """What the new key is bound to: what was asked for, else what binds the one who asks."""
    if wanted is None:
        return None if held is None else tuple(sorted(held))
    if not wanted:
        raise checks.refuse(path, "must name at least one, or be left out for all")
    possible = {each for each in wanted if is_id(each, prefix)}
    _all_found(path, wanted, possible if held is None else possible & held)
    return tuple(dict.fromkeys(wanted))


def _checked_scopes(actor: Actor, scopes: Sequence[str]) -> tuple[str, ...]:
    if not scopes:
        raise checks.refuse("scopes", "must name at least one scope")
    unknown = tuple(
        FieldError(f"scopes[{number}]", "is not a scope")
        for number, scope in enumerate(scopes)
        if scope not in SCOPES
    )
    if unknown:
        raise UnknownField(
            "Some scopes do not exist.",
            fix=f"Use scopes from: {', '.join(sorted(SCOPES))}.",
            errors=unknown,
        )
    check_scopes(actor, frozenset(scopes))
    return tuple(dict.fromkeys(scopes))


def _checked_networks(texts: Sequence[str]) -> tuple[str, ...]:
    checked = []
    for number, text in enumerate(texts):
        try:
            checked.append(str(network(text)))
        except ValueError:
            raise checks.refuse(
                f"ip_allow[{number}]",
                "must be an IP address or a network such as 192.0.2.0/24",
            ) from None
    return tuple(dict.fromkeys(checked))


def _checked_expiry(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise checks.refuse("expires_at", "must name its time zone")
    return moment


def _bounded(bounds: Bounds, request: KeyRequest) -> KeyRequest:
    """The request within the bounds of who asks.  Raises: Forbidden."""
    return replace(
        request,
        ip_allow=bounds.networks(request.ip_allow),
        expires_at=bounds.end(request.expires_at),
    )


def _check_alive(key: ApiKey) -> None:
    if key.revoked_at is not None:
        raise Conflict("The key is revoked.", fix="Create a new key.")


def _changed(present: ApiKey, change: KeyChange) -> KeyRequest:
    wanted = _again(present)
    for name in ("name", "scopes", "environments", "inboxes", "ip_allow", "expires_at"):
        value = getattr(change, name)
        if value is not UNSET:
            wanted = replace(wanted, **{name: value})
    return wanted


def _again(key: ApiKey) -> KeyRequest:
    return KeyRequest(
        key.name,
        key.scopes,
        key.environments,
        key.inboxes,
        key.ip_allow,
        key.expires_at,
        key.client_id,
    )
