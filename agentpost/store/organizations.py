"""Organizations: the top-level container, founded with its default environment (R27, R32)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

import msgspec

from agentpost.errors import AlreadyExists, Forbidden, NotFound
from agentpost.ids import EnvironmentId, OrganizationId, new_id
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.organization import Environment, Organization, Tier
from agentpost.model.page import Page, PageRequest
from agentpost.store import audit, checks
from agentpost.store.narrowing import Narrowing, page_from
from agentpost.store.pool import Connection, Duplicate, Row
from agentpost.store.reach import whole_organization
from agentpost.store.store import Door

TIERS: tuple[Tier, ...] = get_args(Tier)

_COLUMNS = "id, name, slug, tier, settings, created_at"


@dataclass(frozen=True, slots=True)
class OrganizationUsage:
    """What an organization holds and did today; octets of stored messages."""

    mails_today: int
    environments: int
    inboxes: int
    keys: int
    messages: int
    octets: int
    domains: int


class Organizations:
    """The organization of the one who asks; the server itself founds them."""

    def __init__(self, door: Door, limits: IdentityLimits | None = None) -> None:
        self._door = door
        self._limits = limits or IdentityLimits()

    async def get(self, actor: Actor, scope: str | None = "org:read") -> Organization:
        """The actor's organization; ``scope`` is None for what every key may know (``/me``)."""

        async def read(connection: Connection, where: Scope) -> Row | None:
            return await connection.row(
                f"SELECT {_COLUMNS} FROM organizations WHERE id = $1", where.organization
            )

        row = await self._door.read(actor, scope, None, read)
        if row is None:
            raise NotFound("There is no such organization.")
        return organization(row)

    async def page(self, actor: Actor, page: PageRequest) -> Page[Organization]:
        """The organizations that the actor sees: its own, or all for the server itself."""
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        if not actor.system:
            query.add("o.id = {0}", actor.organization)
        if page.position is not None:
            query.add("o.id " + ("<" if page.descending else ">") + " {0}", page.position[0])

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM organizations o"
                f" WHERE {query.condition} ORDER BY o.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        rows = await self._door.read(actor, "org:read", None, read)
        return page_from(rows, page, organization)

    async def update(
        self, actor: Actor, *, name: str | None = None, slug: str | None = None
    ) -> Organization:
        """Change the name or the slug; None leaves it as it is.

        The tier is not the organization's to choose: see ``set_tier``.
        Raises: UnknownField; AlreadyExists when another organization has the slug; Forbidden for
        a key that is bound to environments or inboxes.
        """
        if name is not None:
            checks.line("name", name, self._limits.max_name_characters)
        if slug is not None:
            checks.slug(slug)
        whole_organization(actor)

        async def write(connection: Connection, where: Scope) -> Row | None:
            row = await connection.row(
                "UPDATE organizations SET name = coalesce($2, name), slug = coalesce($3, slug),"
                f" updated_at = now() WHERE id = $1 RETURNING {_COLUMNS}",
                where.organization,
                name,
                slug,
            )
            detail = {"name": name, "slug": slug}
            await audit.append(connection, actor, where, "org.updated", where.organization, detail)
            return row

        try:
            row = await self._door.write(actor, "org:write", None, write)
        except Duplicate:
            raise AlreadyExists("Another organization has this slug.") from None
        if row is None:
            raise NotFound("There is no such organization.")
        return organization(row)

    async def usage(self, actor: Actor, scope: str | None = "org:read") -> OrganizationUsage:
        """What the organization holds, and the mails it has sent today (UTC)."""

        async def read(connection: Connection, where: Scope) -> Row | None:
            return await connection.row(_USAGE, where.organization)

        row = await self._door.read(actor, scope, None, read)
        assert row is not None
        return OrganizationUsage(*row)

    async def mails_today(self, actor: Actor) -> int:
        """The mails that the actor's organization has sent today (UTC)."""

        async def read(connection: Connection, where: Scope) -> int:
            mails: int | None = await connection.value(
                "SELECT mails FROM usage WHERE organization_id = $1 AND day = current_date",
                where.organization,
            )
            return mails or 0

        return await self._door.read(actor, None, None, read)

    async def create(
        self, actor: Actor, name: str, slug: str, tier: Tier
    ) -> tuple[Organization, Environment]:
        """Found an organization with its default environment; only the server itself may.

        Raises: Forbidden, UnknownField, AlreadyExists.
        """
        _only_server(actor)
        checks.line("name", name, self._limits.max_name_characters)
        checks.slug(slug)
        _check_tier(tier)

        async def write(connection: Connection, _: Scope) -> tuple[Organization, Environment]:
            return await found(connection, actor, name, slug, tier)

        try:
            return await self._door.write(actor, None, None, write)
        except Duplicate:
            raise AlreadyExists("Another organization has this slug.") from None

    async def set_tier(
        self, actor: Actor, organization_id: OrganizationId, tier: Tier
    ) -> Organization:
        """Put an organization into another tier; only the server itself may.

        Raises: Forbidden, NotFound, UnknownField.
        """
        _only_server(actor)
        _check_tier(tier)
        where = Scope(organization_id)

        async def write(connection: Connection, _: Scope) -> Row | None:
            row = await connection.row(
                "UPDATE organizations SET tier = $2, updated_at = now() WHERE id = $1"
                f" RETURNING {_COLUMNS}",
                organization_id,
                tier,
            )
            if row is not None:
                detail = {"tier": tier}
                await audit.append(
                    connection, actor, where, "org.tier_changed", organization_id, detail
                )
            return row

        row = await self._door.write(actor, None, where, write)
        if row is None:
            raise NotFound("There is no such organization.")
        return organization(row)


async def found(
    connection: Connection, actor: Actor, name: str, slug: str, tier: Tier
) -> tuple[Organization, Environment]:
    """Found an organization and its default environment in the running transaction."""
    made = await connection.row(
        "INSERT INTO organizations (id, name, slug, tier) VALUES ($1, $2, $3, $4)"
        f" RETURNING {_COLUMNS}",
        new_id("org"),
        name,
        slug,
        tier,
    )
    assert made is not None
    row = await connection.row(
        "INSERT INTO environments (id, organization_id, name, slug, kind, is_default)"
        " VALUES ($1, $2, 'Default', 'default', 'live', true)"
        f" RETURNING {ENVIRONMENT_COLUMNS}",
        new_id("env"),
        made["id"],
    )
    assert row is not None
    where = Scope(OrganizationId(made["id"]), EnvironmentId(row["id"]))
    await audit.append(connection, actor, where, "org.created", made["id"], {"tier": tier})
    return organization(made), environment(row)


def organization(row: Row) -> Organization:
    """A row of ``organizations`` as a value."""
    return Organization(
        id=OrganizationId(row["id"]),
        name=row["name"],
        slug=row["slug"],
        tier=cast("Tier", row["tier"]),
        settings=msgspec.json.decode(row["settings"]),
        created_at=row["created_at"],
    )


ENVIRONMENT_COLUMNS = (
    "id, organization_id, name, slug, kind, is_default, client_id, version, created_at,"
    " updated_at, relay"
)


def environment(row: Row) -> Environment:
    """A row of ``ENVIRONMENT_COLUMNS`` as a value."""
    return Environment(
        id=EnvironmentId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        name=row["name"],
        slug=row["slug"],
        kind=row["kind"],
        is_default=row["is_default"],
        client_id=row["client_id"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        relay=row["relay"],
    )


_USAGE = """
SELECT
    coalesce((SELECT u.mails FROM usage u
        WHERE u.organization_id = $1 AND u.day = current_date), 0),
    (SELECT count(*) FROM environments e WHERE e.organization_id = $1),
    (SELECT count(*) FROM inboxes i WHERE i.organization_id = $1 AND i.deleted_at IS NULL),
    (SELECT count(*) FROM api_keys k WHERE k.organization_id = $1 AND k.revoked_at IS NULL),
    m.messages, m.octets,
    (SELECT count(*) FROM domains d WHERE d.organization_id = $1)
FROM (
    SELECT count(m.id) AS messages, coalesce(sum(m.size), 0)::bigint AS octets
    FROM inboxes i JOIN messages m ON m.inbox_id = i.id WHERE i.organization_id = $1
) m
"""


def _only_server(actor: Actor) -> None:
    if not actor.system:
        raise Forbidden(
            "Organizations are founded and placed by the operator of the server.",
            fix="Ask the operator of this deployment.",
        )


def _check_tier(tier: str) -> None:
    if tier not in TIERS:
        raise checks.refuse("tier", f"must be one of {', '.join(TIERS)}")
