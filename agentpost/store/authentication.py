"""Who presents this secret: API keys over HTTP, keys and mail credentials over IMAP and SMTP.

A secret is found by its SHA-256.  Whatever is wrong with a login, the same statements run and the
same text answers, so that neither time nor words tell whether an inbox exists; what a stranger
could not know (expiry, a missing scope) is told only to who holds the right secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from agentpost import clock
from agentpost.auth.addresses import canonical, is_ours
from agentpost.auth.keys import Secret, parse_secret
from agentpost.errors import AuthenticationFailed, Expired, Forbidden
from agentpost.ids import EnvironmentId, InboxId, OrganizationId, is_id
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor, Scope, system_actor, widen
from agentpost.model.event import HEARING
from agentpost.model.inbox import LocalAddress
from agentpost.net.networks import Network, covers, networks
from agentpost.store.directory import LOCAL_COLUMNS, local_address
from agentpost.store.fresh import Fresh
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

Protocol = Literal["imap", "smtp"]

_READING: Final = frozenset({"messages:read", "threads:read", "drafts:read"})
_WRITING: Final = frozenset({"messages:write", "labels:write", "drafts:write"})
_APPROVING: Final = frozenset({"approvals:read", "approvals:decide"})

_KEY: Final = """
SELECT k.id, k.organization_id, k.scopes, k.environment_ids, k.inbox_ids, k.ip_allow,
    k.expires_at, k.revoked_at, o.tier,
    (SELECT e.id FROM environments e
        WHERE e.organization_id = k.organization_id AND e.is_default) AS default_environment
FROM api_keys k JOIN organizations o ON o.id = k.organization_id
"""
_POLLING: Final = (
    _KEY + " JOIN polling_webhooks w ON w.key_id = k.id AND w.organization_id = k.organization_id"
    " WHERE w.token_hash = $1"
)
_MAIL: Final = """
SELECT c.id, c.organization_id, c.inbox_id, i.environment_id, c.protocols, c.read_only,
    c.approver, c.expires_at, c.revoked_at, o.tier
FROM mail_credentials c JOIN organizations o ON o.id = c.organization_id
    JOIN inboxes i ON i.id = c.inbox_id
"""
_INBOX: Final = f"SELECT {LOCAL_COLUMNS} FROM inboxes WHERE {{}} = $1 AND deleted_at IS NULL"
_PRESENT: Final = "SELECT id FROM inboxes WHERE id = ANY ($1) AND deleted_at IS NULL"


@dataclass(frozen=True, slots=True)
class _Credential:
    """What a credential may do, before it is known where from and over which protocol.

    ``protocols`` is None for an API key, which speaks all of them.
    """

    actor: Actor
    networks: tuple[Network, ...]
    expires_at: datetime | None
    protocols: frozenset[str] | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class _Login:
    credential: _Credential
    actor: Actor
    local: LocalAddress | None


class Authentication:
    """Turns secrets into actors, remembering for a few seconds what it read."""

    def __init__(self, door: Door, limits: IdentityLimits | None = None) -> None:
        self._limits = limits or IdentityLimits()
        self._door = door
        self._known: Fresh[tuple[bytes, str, str], _Login] = Fresh(
            self._limits.cached_s, self._limits.cached_entries
        )
        self._environments: Fresh[EnvironmentId, OrganizationId] = Fresh(
            self._limits.cached_s, self._limits.cached_entries
        )
        self._used: dict[str, datetime] = {}

    async def by_key(self, secret: str, *, peer: str | None, source: str = "rest") -> Actor:
        """The actor of an API key (R76).  ``peer`` is the client's IP address.

        Raises: AuthenticationFailed, Expired; Forbidden when the key may not be used from there.
        """
        parsed = parse_secret(secret)
        if parsed.kind != "api_key":
            raise AuthenticationFailed
        return await self._holder(_KEY + " WHERE k.secret_hash = $1", parsed.hash, source, peer)

    async def by_polling_token(self, token: str, *, peer: str | None) -> Actor:
        """Whoever reads a polling webhook with this token: the key that it was given to, for
        hearing of events alone.  Whether it is still the webhook's is decided where it is read.

        Raises: as ``by_key``, for the key.
        """
        parsed = parse_secret(token)
        if parsed.kind != "polling_token":
            raise AuthenticationFailed
        holder = await self._holder(_POLLING, parsed.hash, "polling", peer)
        return replace(holder, scopes=holder.scopes & HEARING | {"events:read"})

    async def _holder(self, sql: str, digest: bytes, source: str, peer: str | None) -> Actor:
        """The actor of the key that ``sql`` finds by the digest of a secret."""
        key = (digest, "", source)
        known = self._known.get(key)
        if known is None:
            generation = self._known.generation

            async def read(connection: Connection, _: Scope) -> Row | None:
                return await connection.row(sql, digest)

            credential = _live_key(await self._door.read(system_actor(), None, None, read))
            known = _Login(credential, replace(credential.actor, source=source), None)
            self._known.put(key, known, (known.actor.credential,), generation)
        _admit(known.credential, peer)
        self._note_use(known.actor.credential)
        return known.actor

    async def has_environment(
        self, organization: OrganizationId, environment: EnvironmentId
    ) -> bool:
        """Whether the organization has this environment; one just deleted counts for seconds."""
        owner = self._environments.get(environment)
        if owner is None:
            generation = self._environments.generation

            async def read(connection: Connection, _: Scope) -> str | None:
                found: str | None = await connection.value(
                    "SELECT organization_id FROM environments WHERE id = $1", environment
                )
                return found

            found = await self._door.read(system_actor(), None, None, read)
            if found is None:
                return False
            owner = OrganizationId(found)
            self._environments.put(environment, owner, (), generation)
        return owner == organization

    async def by_login(
        self, username: str, password: str, *, protocol: Protocol, peer: str | None
    ) -> tuple[Actor, Scope, LocalAddress]:
        """The actor of an IMAP or SMTP session and the one inbox that it is bound to.

        ``username`` is an inbox's address or id; ``password`` an API key that covers the inbox
        or one of the inbox's mail credentials (R123-R126).
        Raises: AuthenticationFailed; with the right password Expired, and Forbidden when a
        scope, the protocol or the client's address is not the credential's.
        """
        secret = parse_secret(password)
        name = canonical(username) if "@" in username else username
        key = (secret.hash, name, protocol)
        known = self._known.get(key)
        if known is None:
            generation = self._known.generation
            known = _login(*await self._look_up(secret, name), protocol)
            assert known.local is not None
            names = (known.actor.credential, known.local.inbox, known.local.address)
            self._known.put(key, known, names, generation)
        _admit(known.credential, peer)
        _check_protocol(known.credential, known.actor, protocol)
        self._note_use(known.actor.credential)
        assert known.local is not None
        return known.actor, known.local.scope, known.local

    async def still_valid(self, actor: Actor) -> bool:
        """Whether the credential of a long session may still do all that ``actor`` may.

        False when it was revoked, has expired or lost rights, or when the inbox is gone.
        """
        return not await self.ended([actor])

    async def ended(self, actors: Iterable[Actor]) -> frozenset[Actor]:
        """Those of ``actors`` whose sessions have to end (see ``still_valid``), by three queries
        however many they are."""
        asked = [actor for actor in actors if not actor.system]
        credentials = list({actor.credential for actor in asked})
        inboxes = list({actor.at.inbox for actor in asked if actor.at is not None})

        async def read(connection: Connection, _: Scope) -> tuple[list[Row], list[Row], list[Row]]:
            return (
                await connection.rows(_KEY + " WHERE k.id = ANY ($1)", credentials),
                await connection.rows(_MAIL + " WHERE c.id = ANY ($1)", credentials),
                await connection.rows(_PRESENT, inboxes),
            )

        if not asked:
            return frozenset()
        keys, mail, present = await self._door.read(system_actor(), None, None, read)
        alive: dict[str, _Credential] = {}
        for rows, live in ((keys, _live_key), (mail, _live_mail)):
            for row in rows:
                with suppress(AuthenticationFailed):
                    alive[row["id"]] = live(row)
        there = {row["id"] for row in present}
        return frozenset(
            actor
            for actor in asked
            if not _holds(alive.get(actor.credential), actor)
            or (actor.at is not None and actor.at.inbox not in there)
        )

    def forget(self, name: str) -> None:
        """Ask again about a credential, or about the logins of an inbox (its id or address)."""
        self._known.forget(name)

    def forget_all(self) -> None:
        """Ask again about everything: something may have been revoked unheard."""
        self._known.clear()

    async def flush_last_used(self) -> int:
        """Write down when credentials were last used; returns how many were noted.

        A credential is written at most once a minute, whatever the number of workers.
        """
        used, self._used = self._used, {}
        if not used:
            return 0
        ids = sorted(used)

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(_USED, ids, [used[each] for each in ids])

        try:
            await self._door.write(system_actor(), None, None, write, single=True)
        except Exception:
            self._used = {**used, **self._used}
            raise
        return len(ids)

    async def _look_up(self, secret: Secret, name: str) -> tuple[Row | None, Row | None, bool]:
        """The credential's row, the inbox's, and whether it is a mail credential.

        Both are always asked for: a stranger's login costs the same, whatever exists.
        """
        mail = secret.kind == "mail_credential"
        sql = (
            (_MAIL + " WHERE c.secret_hash = $1") if mail else (_KEY + " WHERE k.secret_hash = $1")
        )
        digest = secret.hash
        column = "address" if is_ours(name) else "id"
        wanted = name if column == "address" or is_id(name, "inb") else ""

        async def read(connection: Connection, _: Scope) -> tuple[Row | None, Row | None]:
            return (
                await connection.row(sql, digest),
                await connection.row(_INBOX.format(column), wanted),
            )

        row, inbox = await self._door.read(system_actor(), None, None, read)
        return row, inbox, mail

    def _note_use(self, credential: str) -> None:
        if credential not in self._used and len(self._used) < self._limits.max_used_pending:
            self._used[credential] = clock.now()


_USED: Final = """
WITH used AS (
    SELECT u.id, u.moment FROM unnest($1::text[], $2::timestamptz[]) AS u (id, moment)
), keys AS (
    UPDATE api_keys k SET last_used_at = u.moment FROM used u
    WHERE k.id = u.id AND coalesce(k.last_used_at < u.moment - interval '1 minute', true)
)
UPDATE mail_credentials c SET last_used_at = u.moment FROM used u
WHERE c.id = u.id AND coalesce(c.last_used_at < u.moment - interval '1 minute', true)
"""


def _live_key(row: Row | None) -> _Credential:
    """An API key that is not revoked.  Raises: AuthenticationFailed."""
    if row is None or row["revoked_at"] is not None:
        raise AuthenticationFailed
    environments = row["environment_ids"]
    default = row["default_environment"]
    if environments is None or default in environments:
        environment = default
    else:
        environment = environments[0] if len(environments) == 1 else None
    actor = Actor(
        organization=OrganizationId(row["organization_id"]),
        credential=row["id"],
        scopes=widen(frozenset(row["scopes"])),
        environments=None if environments is None else frozenset(environments),
        inboxes=None if row["inbox_ids"] is None else frozenset(row["inbox_ids"]),
        environment=None if environment is None else EnvironmentId(environment),
        tier=row["tier"],
    )
    return _Credential(actor, networks(row["ip_allow"]), row["expires_at"])


def _live_mail(row: Row | None) -> _Credential:
    """A mail credential that is not revoked.  Raises: AuthenticationFailed."""
    if row is None or row["revoked_at"] is not None:
        raise AuthenticationFailed
    protocols = frozenset(row["protocols"])
    scopes = _READING if "imap" in protocols else frozenset()
    if not row["read_only"]:
        scopes |= _WRITING if "imap" in protocols else frozenset({"messages:write"})
    if row["approver"]:
        scopes |= _APPROVING
    actor = Actor(
        organization=OrganizationId(row["organization_id"]),
        credential=row["id"],
        scopes=widen(scopes),
        environments=frozenset({EnvironmentId(row["environment_id"])}),
        inboxes=frozenset({InboxId(row["inbox_id"])}),
        environment=EnvironmentId(row["environment_id"]),
        tier=row["tier"],
    )
    return _Credential(actor, (), row["expires_at"], protocols, row["read_only"])


def _login(row: Row | None, inbox: Row | None, mail: bool, protocol: Protocol) -> _Login:
    credential = _live_mail(row) if mail else _live_key(row)
    if inbox is None:
        raise AuthenticationFailed
    local = local_address(inbox)
    actor = credential.actor
    covered = (
        local.organization == actor.organization
        and (actor.environments is None or local.environment in actor.environments)
        and (actor.inboxes is None or local.inbox in actor.inboxes)
    )
    if not covered:
        raise AuthenticationFailed
    # A session has one inbox, whatever else its key could reach (R129).
    bound = replace(
        actor,
        environments=frozenset({local.environment}),
        inboxes=frozenset({local.inbox}),
        environment=local.environment,
        source=protocol,
        at=local.scope,
        address=local.address,
    )
    return _Login(credential, bound, local)


def _admit(credential: _Credential, peer: str | None) -> None:
    if _expired(credential):
        raise Expired
    if credential.networks and not covers(credential.networks, peer):
        raise Forbidden(
            "The credential may not be used from this network address.",
            fix="Connect from an address named in ip_allow of the key, or change ip_allow.",
        )


def _check_protocol(credential: _Credential, actor: Actor, protocol: Protocol) -> None:
    if credential.protocols is not None and protocol not in credential.protocols:
        raise Forbidden(
            f"This mail credential is not for {protocol.upper()}.",
            fix=f"Use a mail credential of the inbox whose protocols name {protocol}.",
        )
    # R125 and R126; messages:send is the finer scope that messages:write contains.
    held, named = {
        "imap": ("messages:read", "messages:read"),
        "smtp": ("messages:send", "messages:write"),
    }[protocol]
    if not actor.may(held):
        raise Forbidden(
            f"{protocol.upper()} needs the scope {named}.",
            fix=f"Use a credential that holds the scope {named}.",
        )


def _expired(credential: _Credential) -> bool:
    return credential.expires_at is not None and credential.expires_at <= clock.now()


def _holds(credential: _Credential | None, actor: Actor) -> bool:
    return credential is not None and not _expired(credential) and _as_mighty(credential, actor)


def _as_mighty(credential: _Credential, actor: Actor) -> bool:
    now = credential.actor
    if now.organization != actor.organization or not actor.scopes <= now.scopes:
        return False
    if credential.protocols is not None and actor.source not in credential.protocols:
        return False
    places = ((actor.environments, now.environments), (actor.inboxes, now.inboxes))
    return all(
        present is None or (held is not None and held <= present) for held, present in places
    )
