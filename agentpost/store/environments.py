"""Environments: tenant isolation inside an organization (R32-R35)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from msgspec import UNSET, UnsetType

from agentpost.errors import AlreadyExists, Conflict, Limit, NotFound
from agentpost.ids import EnvironmentId, InboxId, OrganizationId, new_id
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.organization import Environment, Kind, RelayName
from agentpost.model.page import Page, PageRequest
from agentpost.store import audit, checks
from agentpost.store.fresh import nobody
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.organizations import ENVIRONMENT_COLUMNS, environment
from agentpost.store.pool import Connection, Duplicate, Row
from agentpost.store.purging import forget_environment, purge
from agentpost.store.reach import whole_environment, whole_organization
from agentpost.store.store import Door

KINDS: tuple[Kind, ...] = get_args(Kind)


class Environments:
    """The environments of an organization.

    ``forget`` is told the ids of inboxes and keys, and the names of domains, that are not what they
    were; ``relays`` are the ways out of this server that are set up.
    """

    def __init__(
        self,
        door: Door,
        forget: Callable[[str], None] = nobody,
        limits: IdentityLimits | None = None,
        relays: Sequence[str] = ("simulator",),
    ) -> None:
        self._door = door
        self._relays = relays
        self._forget = forget
        self._limits = limits or IdentityLimits()

    async def create(
        self,
        actor: Actor,
        name: str,
        *,
        slug: str | None = None,
        kind: Kind = "live",
        client_id: str | None = None,
    ) -> tuple[Environment, bool]:
        """Make an environment; with a known ``client_id`` the existing one and False.

        Raises: UnknownField, AlreadyExists (slug), Limit; Forbidden for a key that is bound to a
        part of the organization, which could not reach it.
        """
        checks.line("name", name, self._limits.max_name_characters)
        checks.client_id(client_id)
        chosen = checks.slug(slug) if slug is not None else checks.slug_of(name)
        if kind not in KINDS:
            raise checks.refuse("kind", f"must be one of {', '.join(KINDS)}")
        whole_organization(actor)
        made = EnvironmentId(new_id("env"))

        async def write(connection: Connection, where: Scope) -> tuple[Row, bool]:
            known = await _by_client_id(connection, where.organization, client_id)
            if known is not None:
                return known, False
            count = await connection.value(
                "SELECT count(*) FROM environments WHERE organization_id = $1", where.organization
            )
            if count >= self._limits.max_environments:
                raise Limit(f"The organization has {count} environments; it may have no more.")
            row = await connection.row(
                "INSERT INTO environments (id, organization_id, name, slug, kind, client_id)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
                f" RETURNING {ENVIRONMENT_COLUMNS}",
                made,
                where.organization,
                name,
                # A name without a Latin letter or digit leaves no slug: the id is one.
                chosen or made[4:].lower(),
                kind,
                client_id,
            )
            if row is None:
                # Another request was faster: with the same client_id, or with the same slug.
                known = await _by_client_id(connection, where.organization, client_id)
                if known is not None:
                    return known, False
                raise AlreadyExists("An environment of this organization has the slug.")
            place = Scope(where.organization, made)
            await audit.append(connection, actor, place, "environment.created", made)
            return row, True

        row, created = await self._door.write(actor, "environments:write", None, write)
        return environment(row), created

    async def page(self, actor: Actor, page: PageRequest) -> Page[Environment]:
        """The environments that the actor covers, newest first unless asked otherwise."""
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        if not actor.system:
            query.add("e.organization_id = {0}", actor.organization)
        if actor.environments is not None:
            query.add("e.id = ANY ({0})", sorted(actor.environments))
        page_of(query, page, "e")

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {ENVIRONMENT_COLUMNS} FROM environments e"
                f" WHERE {query.condition} ORDER BY e.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "environments:read", None, read)
        return page_from(found, page, environment)

    async def get(
        self, actor: Actor, reference: str, scope: str | None = "environments:read"
    ) -> Environment:
        """One environment by id.  ``scope`` is None for what every key may know (``/me``).

        Raises: NotFound.
        """

        async def read(connection: Connection, where: Scope) -> Row:
            return await _row(connection, where)

        place = checks.place("environment", reference)
        return environment(await self._door.read(actor, scope, place, read))

    async def update(
        self,
        actor: Actor,
        reference: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        is_default: bool | None = None,
        relay: RelayName | UnsetType | None = UNSET,
        if_match: frozenset[str] | None = None,
    ) -> Environment:
        """Change an environment; None leaves a thing as it is, UNSET the relay.

        Making one the default takes that from another; there is always exactly one.  A ``relay``
        of None is what the deployment is set to; it counts for what is taken up from now on.
        Raises: NotFound, UnknownField, AlreadyExists, PreconditionFailed, Forbidden, Conflict.
        """
        if name is not None:
            checks.line("name", name, self._limits.max_name_characters)
        if slug is not None:
            checks.slug(slug)
        if not isinstance(relay, UnsetType) and relay not in (None, *self._relays):
            raise checks.refuse("relay", f"must be one of {', '.join(self._relays)}, or null")
        whole_environment(actor)
        if is_default is not None:
            whole_organization(actor)

        async def write(connection: Connection, where: Scope) -> Row:
            present = await _row(connection, where, lock=True)
            checks.match(if_match, present["version"])
            if present["kind"] == "test" and relay not in (UNSET, None, "simulator"):
                raise checks.refuse("relay", "mail from a test environment is always simulated")
            if is_default is False and present["is_default"]:
                raise Conflict(
                    "An organization always has a default environment.",
                    fix="Make another environment the default.",
                )
            if is_default and not present["is_default"]:
                await connection.execute(
                    "UPDATE environments SET is_default = false, version = version + 1,"
                    " updated_at = now() WHERE organization_id = $1 AND is_default",
                    where.organization,
                )
            row = await connection.row(
                "UPDATE environments SET name = coalesce($2, name), slug = coalesce($3, slug),"
                " is_default = is_default OR $4, relay = CASE WHEN $5 THEN $6 ELSE relay END,"
                " version = version + 1, updated_at = now()"
                f" WHERE id = $1 RETURNING {ENVIRONMENT_COLUMNS}",
                where.environment,
                name,
                slug,
                bool(is_default),
                not isinstance(relay, UnsetType),
                None if isinstance(relay, UnsetType) else relay,
            )
            assert row is not None
            detail: dict[str, object] = {"name": name, "slug": slug, "is_default": is_default}
            if not isinstance(relay, UnsetType):
                detail["relay"] = relay
            await audit.append(
                connection, actor, where, "environment.updated", where.environment, detail
            )
            return row

        place = checks.place("environment", reference)
        try:
            return environment(await self._door.write(actor, "environments:write", place, write))
        except Duplicate as error:
            if error.constraint == "environments_default":
                raise Conflict("Another environment became the default just now.") from None
            raise AlreadyExists("An environment of this organization has the slug.") from None

    async def delete(
        self,
        actor: Actor,
        reference: str,
        *,
        purge_all: bool = False,
        if_match: frozenset[str] | None = None,
    ) -> None:
        """Delete an environment without inboxes and domains, or, with ``purge_all``, everything in it.

        Keys that were bound to it alone are revoked.
        Raises: NotFound, PreconditionFailed, Forbidden; Conflict when it holds inboxes (deleted
        ones count: their mail is retained) or domains, or is the default.
        """
        whole_environment(actor)

        async def write(connection: Connection, where: Scope) -> list[str]:
            present = await _row(connection, where, lock=True)
            checks.match(if_match, present["version"])
            if present["is_default"]:
                raise Conflict(
                    "The default environment cannot be deleted.",
                    fix="Make another environment the default first.",
                )
            rows = await connection.rows(
                "SELECT id FROM inboxes WHERE environment_id = $1 ORDER BY id FOR UPDATE",
                where.environment,
            )
            if rows and not purge_all:
                raise Conflict(
                    f"The environment holds {len(rows)} inboxes; deleted ones count.",
                    fix="Purge its inboxes first, or delete it with purge=true.",
                )
            domains = await connection.rows(
                "SELECT name FROM domains WHERE environment_id = $1", where.environment
            )
            if domains and not purge_all:
                raise Conflict(
                    f"The environment holds {len(domains)} domains.",
                    fix="Delete its domains first, or delete it with purge=true.",
                )
            inboxes = [InboxId(row["id"]) for row in rows]
            keys = await purge(connection, inboxes)
            keys += await forget_environment(connection, where)
            detail = {"inboxes": len(inboxes)}
            # Of the organization: the environment is gone.
            place = Scope(where.organization)
            await audit.append(
                connection, actor, place, "environment.deleted", where.environment, detail
            )
            return [*inboxes, *keys, *(row["name"] for row in domains)]

        place = checks.place("environment", reference)
        for gone in await self._door.write(actor, "environments:write", place, write):
            self._forget(gone)


async def _by_client_id(
    connection: Connection, organization: OrganizationId, client_id: str | None
) -> Row | None:
    if client_id is None:
        return None
    return await connection.row(
        f"SELECT {ENVIRONMENT_COLUMNS} FROM environments"
        " WHERE organization_id = $1 AND client_id = $2",
        organization,
        client_id,
    )


async def _row(connection: Connection, where: Scope, *, lock: bool = False) -> Row:
    row = await connection.row(
        f"SELECT {ENVIRONMENT_COLUMNS} FROM environments WHERE id = $1"
        + (" FOR UPDATE" if lock else ""),
        where.environment,
    )
    if row is None:
        raise NotFound("There is no such environment.")
    return row
