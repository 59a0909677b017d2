"""Custom domains: claimed, found, changed, given up (R46, R47, R69).

A claim belongs to an environment.  Anybody may claim any name; what a look at its records proves is
written by :mod:`agentpost.store.domainlooks`, and only a proven claim has a meaning for mail.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import trio
from msgspec import UNSET, UnsetType

from agentpost.auth.dkim_sign import NewKey, new_ed25519, new_rsa
from agentpost.auth.domainnames import NotADomain, a_labels
from agentpost.auth.passwords import seal
from agentpost.errors import AlreadyExists, Conflict, Limit, NotFound
from agentpost.ids import DomainId, new_id
from agentpost.limits import DomainLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.domain import Domain, DomainStatus, KeyAlgorithm
from agentpost.model.page import Page, PageRequest
from agentpost.store import audit, checks
from agentpost.store.domainrows import (
    DOMAIN_COLUMNS,
    domain,
    load,
    pause_inboxes,
    resume_inboxes,
    tell_domain,
)
from agentpost.store.fresh import nobody
from agentpost.store.homes import hold_home, home_of
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door, Place

SUSPENDED: Final = "domain_suspended"
"""Why inboxes of a suspended domain are paused."""

_CHALLENGE_OCTETS: Final = 20
_ALGORITHMS: Final[dict[KeyAlgorithm, Callable[[], NewKey]]] = {
    "rsa": new_rsa,
    "ed25519": new_ed25519,
}


@dataclass(frozen=True, slots=True)
class DomainRequest:
    """What a new domain shall be."""

    domain: str
    client_id: str | None = None
    inbound: bool = True
    subdomains: bool = False
    catch_all: str | None = None


@dataclass(frozen=True, slots=True)
class DomainChange:
    """What PATCH does to a domain; ``UNSET`` leaves a thing as it is."""

    inbound: bool | UnsetType = UNSET
    subdomains: bool | UnsetType = UNSET
    catch_all: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class DomainFilter:
    """What a list of domains is narrowed to; every given condition must hold."""

    domain: str | None = None
    status: DomainStatus | None = None


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    selector: str
    algorithm: KeyAlgorithm
    public: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Changed:
    """A domain, and the ids and addresses of inboxes that changed with it."""

    domain: Domain
    names: tuple[str, ...] = ()


class Domains:
    """The domains of environments.

    ``forget`` is told names whose holder, and ids and addresses of inboxes whose sending, changed.
    """

    def __init__(
        self,
        door: Door,
        settings: StoreSettings,
        forget: Callable[[str], None] = nobody,
        limits: DomainLimits | None = None,
    ) -> None:
        self._door = door
        self._settings = settings
        self._forget = forget
        self._limits = limits or DomainLimits()

    async def create(
        self, actor: Actor, request: DomainRequest, environment: str | None = None
    ) -> tuple[Domain, bool]:
        """Claim a domain in ``environment``, or in the one that the actor's key determines.

        With a ``client_id`` known there, the existing domain and False.
        Raises: UnknownField; NotFound for the environment; Forbidden for a key that is bound to
        inboxes; AlreadyExists when the environment has it; Limit.
        """
        chosen = home_of(actor, environment)
        checks.client_id(request.client_id)
        name = self._checked_name(request.domain)
        whole_environment(actor)
        keys = await trio.to_thread.run_sync(_new_keys, self._settings.master_key)

        async def write(connection: Connection, where: Scope) -> tuple[Domain, bool]:
            await hold_home(connection, where)
            known = await _by_client_id(connection, where, request.client_id)
            if known is not None:
                return known, False
            await self._check_room(connection, where)
            await _check_catch_all(connection, where, request.catch_all)
            made = await self._insert(connection, where, name, request)
            if made is None:
                # Another request was faster with the same client_id, or the name is here already.
                known = await _by_client_id(connection, where, request.client_id)
                if known is not None:
                    return known, False
                raise AlreadyExists(f"The environment has the domain {name} already.")
            await _insert_keys(connection, where, made, keys)
            found = await load(connection, made)
            assert found is not None
            await audit.append(connection, actor, where, "domain.created", made, {"domain": name})
            await tell_domain(connection, found, "domain.created")
            return found, True

        place = checks.place("environment", chosen)
        made, created = await self._door.write(actor, "domains:write", place, write)
        if created:
            self._door.wake_everyone(made.environment)
        return made, created

    async def get(self, actor: Actor, reference: str) -> Domain:
        """One domain by its id.  Raises: NotFound; Forbidden for a key bound to inboxes."""
        whole_environment(actor)

        async def read(connection: Connection, _: Scope) -> Domain:
            return await _found(connection, reference)

        return await self._door.read(actor, "domains:read", checks.place("domain", reference), read)

    async def page(
        self, actor: Actor, wanted: DomainFilter, page: PageRequest, where: Place | None = None
    ) -> Page[Domain]:
        """Domains that fit the filter, newest first unless asked otherwise.

        ``where`` narrows to an environment.  Raises: UnknownField, NotFound, Forbidden.
        """
        whole_environment(actor)
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        if not actor.system:
            query.add("d.organization_id = {0}", actor.organization)
        if actor.environments is not None:
            query.add("d.environment_id = ANY ({0})", sorted(actor.environments))
        if wanted.domain is not None:
            query.add("d.name = {0}", self._checked_name(wanted.domain, "domain"))
        if wanted.status is not None:
            query.add("d.status = {0}", wanted.status)
        page_of(query, page, "d")

        async def read(connection: Connection, place: Scope) -> list[Row]:
            if where is not None:
                query.add("d.environment_id = {0}", place.environment)
            return await connection.rows(
                f"SELECT {DOMAIN_COLUMNS} FROM domains d WHERE {query.condition}"
                f" ORDER BY d.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "domains:read", where, read)
        return page_from(found, page, domain)

    async def update(
        self,
        actor: Actor,
        reference: str,
        change: DomainChange,
        if_match: frozenset[str] | None = None,
    ) -> Domain:
        """Change how a domain receives; never its name.

        What it must publish may change with that, so that it is looked at again soon.
        Raises: NotFound, UnknownField (the inbox), PreconditionFailed, Forbidden.
        """

        async def write(connection: Connection, where: Scope) -> _Changed:
            present = await _found(connection, reference, lock=True)
            checks.match(if_match, present.version)
            catch_all: str | None = present.catch_all
            if not isinstance(change.catch_all, UnsetType):
                catch_all = change.catch_all
                await _check_catch_all(connection, where, catch_all)
            await connection.execute(
                "UPDATE domains SET inbound = coalesce($2, inbound),"
                " receives = receives AND coalesce($2, inbound),"
                " subdomains = coalesce($3, subdomains), catch_all_inbox_id = $4,"
                " checks = checks + 1, version = version + 1, updated_at = now(),"
                " check_at = CASE WHEN status = 'suspended' THEN NULL ELSE now() END"
                " WHERE id = $1",
                present.id,
                None if isinstance(change.inbound, UnsetType) else change.inbound,
                None if isinstance(change.subdomains, UnsetType) else change.subdomains,
                catch_all,
            )
            await audit.append(connection, actor, where, "domain.updated", present.id)
            return _Changed(await _found(connection, present.id))

        return await self._change(actor, reference, write)

    async def delete(
        self, actor: Actor, reference: str, if_match: frozenset[str] | None = None
    ) -> None:
        """Give a domain up, with its keys.

        Raises: NotFound, PreconditionFailed, Forbidden; Conflict while inboxes live at it, deleted
        ones apart, which keep their mail.
        """

        async def write(connection: Connection, where: Scope) -> _Changed:
            # For update: a new inbox holds the row against it.
            await connection.execute("SELECT 1 FROM domains WHERE id = $1 FOR UPDATE", reference)
            present = await _found(connection, reference, lock=True)
            checks.match(if_match, present.version)
            count = await connection.value(
                "SELECT count(*) FROM inboxes WHERE domain_id = $1 AND deleted_at IS NULL",
                present.id,
            )
            if count:
                raise Conflict(
                    f"{count} inboxes live at the domain.", fix="Delete its inboxes first."
                )
            await connection.execute("DELETE FROM domains WHERE id = $1", present.id)
            detail = {"domain": present.name}
            await audit.append(connection, actor, where, "domain.deleted", present.id, detail)
            await tell_domain(connection, present, "domain.deleted")
            return _Changed(present)

        await self._change(actor, reference, write)

    async def suspend(self, actor: Actor, reference: str, reason: str) -> Domain:
        """Stop all sending from a domain until ``reinstate``; it goes on receiving.

        Raises: NotFound, UnknownField, Forbidden.
        """
        checks.line("reason", reason, self._settings.limits.max_reason_characters)

        async def write(connection: Connection, where: Scope) -> _Changed:
            present = await _found(connection, reference, lock=True)
            await connection.execute(
                "UPDATE domains SET status = 'suspended', reason = $2, check_at = NULL,"
                " checks = checks + 1, version = version + 1, updated_at = now() WHERE id = $1",
                present.id,
                reason,
            )
            paused = await pause_inboxes(connection, present, SUSPENDED)
            detail = {"reason": reason}
            await audit.append(connection, actor, where, "domain.suspended", present.id, detail)
            return _Changed(await _found(connection, present.id), paused)

        return await self._change(actor, reference, write)

    async def reinstate(self, actor: Actor, reference: str) -> Domain:
        """End a suspension; a domain that is not suspended stays as it is.

        Raises: NotFound, Forbidden.
        """

        async def write(connection: Connection, where: Scope) -> _Changed:
            present = await _found(connection, reference, lock=True)
            if present.status != "suspended":
                return _Changed(present)
            await connection.execute(
                "UPDATE domains SET reason = NULL, check_at = now(), sought_since = now(),"
                " status = CASE WHEN held_since IS NULL THEN 'pending' ELSE 'verified' END,"
                " checks = checks + 1, version = version + 1, updated_at = now() WHERE id = $1",
                present.id,
            )
            resumed = await resume_inboxes(connection, present, SUSPENDED)
            await audit.append(connection, actor, where, "domain.reinstated", present.id)
            return _Changed(await _found(connection, present.id), resumed)

        return await self._change(actor, reference, write)

    async def _change(
        self,
        actor: Actor,
        reference: str,
        write: Callable[[Connection, Scope], Awaitable[_Changed]],
    ) -> Domain:
        whole_environment(actor)
        place = checks.place("domain", reference)
        changed = await self._door.write(actor, "domains:write", place, write)
        for name in (changed.domain.name, *changed.names):
            self._forget(name)
        self._door.wake_everyone(changed.domain.environment)
        return changed.domain

    async def _check_room(self, connection: Connection, where: Scope) -> None:
        count = await connection.value(
            "SELECT count(*) FROM domains WHERE organization_id = $1", where.organization
        )
        if count >= self._limits.max_domains:
            raise Limit(f"The organization has {count} domains; it may have no more.")

    async def _insert(
        self, connection: Connection, where: Scope, name: str, request: DomainRequest
    ) -> DomainId | None:
        made: DomainId | None = await connection.value(
            "INSERT INTO domains (id, organization_id, environment_id, name, client_id, inbound,"
            " subdomains, catch_all_inbox_id, challenge, check_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10::interval)"
            " ON CONFLICT DO NOTHING RETURNING id",
            new_id("dom"),
            where.organization,
            where.environment,
            name,
            request.client_id,
            request.inbound,
            request.subdomains,
            request.catch_all,
            secrets.token_urlsafe(_CHALLENGE_OCTETS),
            timedelta(seconds=self._limits.first_check_s),
        )
        return made

    def _checked_name(self, text: str, path: str = "domain") -> str:
        try:
            name = a_labels(checks.searchable(path, text).strip())
        except NotADomain as error:
            raise checks.refuse(path, str(error), fix="Write it like mail.example.com.") from None
        shared = self._settings.shared_domain
        if name == shared or name.endswith("." + shared):
            raise checks.refuse(
                path,
                "is the domain that this server shares among all",
                fix="Inboxes are made there without adding a domain.",
            )
        return name


def _new_keys(master_key: bytes | None) -> tuple[_Key, ...]:
    if master_key is None:
        raise RuntimeError("the store was opened without a master key")
    # A selector of its own for each claim: two environments can publish theirs side by side.
    tail = secrets.token_hex(4)
    made = []
    for algorithm, new in _ALGORITHMS.items():
        key = new()
        identity = new_id("dk")
        sealed = seal(master_key, identity, key.private_pem.decode("ascii"))
        public = key.record.rpartition("p=")[2]
        made.append(_Key(identity, f"ap-{algorithm}-{tail}", algorithm, public, sealed))
    return tuple(made)


async def _insert_keys(
    connection: Connection, where: Scope, owner: DomainId, keys: tuple[_Key, ...]
) -> None:
    for key in keys:
        await connection.execute(
            "INSERT INTO domain_keys (id, domain_id, organization_id, selector, algorithm,"
            " public_key, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            key.id,
            owner,
            where.organization,
            key.selector,
            key.algorithm,
            key.public,
            key.sealed,
        )


async def _found(connection: Connection, reference: str, *, lock: bool = False) -> Domain:
    found = await load(connection, reference, lock=lock)
    if found is None:
        raise NotFound("There is no such domain.")
    return found


async def _by_client_id(
    connection: Connection, where: Scope, client_id: str | None
) -> Domain | None:
    if client_id is None:
        return None
    row = await connection.row(
        f"SELECT {DOMAIN_COLUMNS} FROM domains d WHERE d.environment_id = $1 AND d.client_id = $2",
        where.environment,
        client_id,
    )
    return None if row is None else domain(row)


async def _check_catch_all(connection: Connection, where: Scope, inbox: str | None) -> None:
    """Refuse a catch-all that is no living inbox of the environment.  Raises: UnknownField."""
    if inbox is None:
        return
    there = await connection.value(
        "SELECT true FROM inboxes WHERE id = $1 AND environment_id = $2 AND deleted_at IS NULL",
        checks.searchable("catch_all_inbox_id", inbox),
        where.environment,
    )
    if there is None:
        raise checks.refuse(
            "catch_all_inbox_id",
            "is no inbox of the domain's environment",
            fix="Name an inbox of the same environment by its id, or null.",
        )
