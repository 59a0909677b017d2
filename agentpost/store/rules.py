"""Filter rules: made, listed, changed, and remembered for the messages they decide about.

A rule belongs to an organization, to one of its environments, or to an inbox.  Who is bound to a
part of the organization sees the rules that reach into that part, and changes only those that
stay inside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from msgspec import UNSET, UnsetType

from agentpost.errors import AlreadyExists, Limit, NotFound
from agentpost.ids import EnvironmentId, InboxId, OrganizationId, RuleId, new_id
from agentpost.limits import PolicyLimits
from agentpost.model.actor import Actor, Scope, system_actor
from agentpost.model.page import Page, PageRequest
from agentpost.model.rule import (
    FilterRule,
    MatchType,
    RuleAction,
    RuleBook,
    RuleDirection,
    RuleScope,
)
from agentpost.store import audit, checks
from agentpost.store.fresh import Fresh
from agentpost.store.narrowing import Narrowing, page_from, page_of
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment, whole_organization
from agentpost.store.store import Door, Place, Where

_COLUMNS: Final = (
    "id, organization_id, environment_id, inbox_id, direction, action, match_type, value, note,"
    " client_id, version, created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class RuleRequest:
    """What a new rule shall be; ``value`` is canonical.  ``inbox`` is an id or an address."""

    direction: RuleDirection
    action: RuleAction
    match_type: MatchType
    value: str
    scope: RuleScope = "environment"
    inbox: str | None = None
    note: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """What a list of rules is narrowed to; every given condition must hold."""

    direction: RuleDirection | None = None
    action: RuleAction | None = None
    scope: RuleScope | None = None
    inbox: InboxId | None = None
    value: str | None = None


class Rules:
    """The filter rules of organizations."""

    def __init__(self, door: Door, limits: PolicyLimits | None = None) -> None:
        self._door = door
        self._limits = limits or PolicyLimits()
        self._books: Fresh[str, RuleBook] = Fresh(
            self._limits.cached_s, self._limits.cached_organizations
        )

    async def create(self, actor: Actor, request: RuleRequest) -> tuple[FilterRule, bool]:
        """Make a rule; with a ``client_id`` known in its environment the existing one, and False.

        Raises: UnknownField; NotFound for the inbox; Forbidden for a key that is bound to a part
        of what the rule would reach; AlreadyExists when a rule there matches the same, or one that
        the key does not see has the ``client_id``; Limit.
        """
        checks.client_id(request.client_id)
        self._check_note(request.note)
        place = _place_of(actor, request)

        async def write(connection: Connection, where: Scope) -> tuple[FilterRule, bool]:
            known = await _by_client_id(connection, actor, where, request.client_id)
            if known is not None:
                return known, False
            count = await connection.value(
                "SELECT count(*) FROM filter_rules WHERE organization_id = $1", where.organization
            )
            if count >= self._limits.max_rules:
                raise Limit(f"The organization has {count} filter rules; it may have no more.")
            row = await connection.row(
                "INSERT INTO filter_rules (id, organization_id, environment_id, inbox_id,"
                " direction, action, match_type, value, note, client_id)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
                f" RETURNING {_COLUMNS}",
                new_id("fr"),
                where.organization,
                where.environment,
                where.inbox,
                request.direction,
                request.action,
                request.match_type,
                request.value,
                request.note,
                request.client_id,
            )
            if row is None:
                # Another request was faster: with the same client_id, or with the same match.
                known = await _by_client_id(connection, actor, where, request.client_id)
                if known is not None:
                    return known, False
                raise _taken()
            made = filter_rule(row)
            await audit.append(connection, actor, where, "filter_rule.created", made.id)
            return made, True

        rule, created = await self._door.write(actor, "filters:write", place, write, wakes=False)
        self.forget(rule.organization)
        return rule, created

    async def page(self, actor: Actor, wanted: RuleFilter, page: PageRequest) -> Page[FilterRule]:
        """Rules that reach into what the actor covers, newest first unless asked otherwise."""
        query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        _visible(query, actor)
        page_of(query, page, "f")
        for column in ("direction", "action", "value"):
            value: str | None = getattr(wanted, column)
            if value is not None:
                query.add(f"f.{column} = {{0}}", checks.searchable(column, value))
        if wanted.inbox is not None:
            query.add("f.inbox_id = {0}", wanted.inbox)
        if wanted.scope is not None:
            query.add(_SCOPES[wanted.scope])

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM filter_rules f WHERE {query.condition}"
                f" ORDER BY f.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "filters:read", None, read)
        return page_from(found, page, filter_rule)

    async def get(self, actor: Actor, rule: str) -> FilterRule:
        """One rule by id.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> FilterRule:
            return await _get(connection, actor, rule)

        return await self._door.read(actor, "filters:read", None, read)

    async def update(
        self,
        actor: Actor,
        rule: str,
        *,
        action: RuleAction | UnsetType = UNSET,
        note: str | UnsetType | None = UNSET,
        if_match: frozenset[str] | None = None,
    ) -> FilterRule:
        """Change what a rule does or its note; what it matches is another rule.

        Raises: NotFound, Forbidden, UnknownField, PreconditionFailed.
        """
        if not isinstance(note, UnsetType):
            self._check_note(note)

        async def write(connection: Connection, _: Scope) -> FilterRule:
            present = await _get(connection, actor, rule, lock=True)
            _may_change(actor, present)
            checks.match(if_match, present.version)
            row = await connection.row(
                "UPDATE filter_rules SET action = $2, note = $3, version = version + 1,"
                f" updated_at = now() WHERE id = $1 RETURNING {_COLUMNS}",
                present.id,
                present.action if isinstance(action, UnsetType) else action,
                present.note if isinstance(note, UnsetType) else note,
            )
            assert row is not None
            place = _scope(present)
            await audit.append(connection, actor, place, "filter_rule.updated", present.id)
            return filter_rule(row)

        changed = await self._door.write(actor, "filters:write", None, write, wakes=False)
        self.forget(changed.organization)
        return changed

    async def delete(self, actor: Actor, rule: str, if_match: frozenset[str] | None = None) -> None:
        """Remove a rule.  Raises: NotFound, Forbidden, PreconditionFailed."""

        async def write(connection: Connection, _: Scope) -> FilterRule:
            present = await _get(connection, actor, rule, lock=True)
            _may_change(actor, present)
            checks.match(if_match, present.version)
            await connection.execute("DELETE FROM filter_rules WHERE id = $1", present.id)
            await audit.append(
                connection, actor, _scope(present), "filter_rule.deleted", present.id
            )
            return present

        gone = await self._door.write(actor, "filters:write", None, write, wakes=False)
        self.forget(gone.organization)

    async def book(self, organization: OrganizationId) -> RuleBook:
        """All rules of an organization, as a few seconds ago; on the server's own behalf."""
        known = self._books.get(organization)
        if known is not None:
            return known
        generation = self._books.generation

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM filter_rules WHERE organization_id = $1", organization
            )

        found = await self._door.read(system_actor(), None, None, read)
        book = RuleBook.of(filter_rule(row) for row in found)
        self._books.put(organization, book, (organization,), generation)
        return book

    def forget(self, organization: OrganizationId) -> None:
        """Ask again for the rules of this organization."""
        self._books.forget(organization)

    def forget_all(self) -> None:
        """Ask again for all rules: something may have changed unheard."""
        self._books.clear()

    def _check_note(self, note: str | None) -> None:
        if note is not None:
            checks.line("note", note, self._limits.max_note_characters)


_SCOPES: Final[dict[RuleScope, str]] = {
    "organization": "f.environment_id IS NULL",
    "environment": "f.environment_id IS NOT NULL AND f.inbox_id IS NULL",
    "inbox": "f.inbox_id IS NOT NULL",
}


def filter_rule(row: Row) -> FilterRule:
    """A row of ``filter_rules`` as a value."""
    environment, inbox = row["environment_id"], row["inbox_id"]
    return FilterRule(
        id=RuleId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=None if environment is None else EnvironmentId(environment),
        inbox=None if inbox is None else InboxId(inbox),
        direction=cast("RuleDirection", row["direction"]),
        action=cast("RuleAction", row["action"]),
        match_type=cast("MatchType", row["match_type"]),
        value=row["value"],
        note=row["note"],
        client_id=row["client_id"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _place_of(actor: Actor, request: RuleRequest) -> Where:
    """Where a new rule belongs.  Raises: UnknownField, Forbidden."""
    if request.scope == "inbox":
        if request.inbox is None:
            raise checks.refuse("inbox", "is needed for a rule of one inbox")
        return checks.place("inbox", request.inbox)
    if request.inbox is not None:
        raise checks.refuse("inbox", f"does not go with the scope {request.scope}")
    if request.scope == "organization":
        whole_organization(actor)
        return None
    whole_environment(actor)
    if actor.environment is None:
        raise checks.refuse(
            "environment",
            "the key covers several environments",
            fix="Name one in the header AgentPost-Environment.",
        )
    return Place("environment", actor.environment)


def _may_change(actor: Actor, rule: FilterRule) -> None:
    """Refuse who is bound to a part of what the rule reaches.  Raises: Forbidden."""
    if rule.scope == "organization":
        whole_organization(actor)
    elif rule.scope == "environment":
        whole_environment(actor)


def _scope(rule: FilterRule) -> Scope:
    return Scope(rule.organization, rule.environment, rule.inbox)


def _visible(query: Narrowing, actor: Actor) -> None:
    if not actor.system:
        query.add("f.organization_id = {0}", actor.organization)
    if actor.environments is not None:
        query.add(
            "(f.environment_id IS NULL OR f.environment_id = ANY ({0}))",
            sorted(actor.environments),
        )
    if actor.inboxes is not None:
        query.add("(f.inbox_id IS NULL OR f.inbox_id = ANY ({0}))", sorted(actor.inboxes))


async def _get(
    connection: Connection, actor: Actor, rule: str, *, lock: bool = False
) -> FilterRule:
    query = Narrowing(1, "ASC")
    _visible(query, actor)
    query.add("f.id = {0}", checks.identifier(rule))
    row = await connection.row(
        f"SELECT {_COLUMNS} FROM filter_rules f WHERE {query.condition}"
        + (" FOR UPDATE" if lock else ""),
        *query.arguments,
    )
    if row is None:
        raise NotFound("There is no such filter rule.")
    return filter_rule(row)


async def _by_client_id(
    connection: Connection, actor: Actor, where: Scope, client_id: str | None
) -> FilterRule | None:
    """Raises: AlreadyExists for one that this actor must not see."""
    if client_id is None:
        return None
    known = await connection.value(
        "SELECT id FROM filter_rules WHERE organization_id = $1"
        " AND environment_id IS NOT DISTINCT FROM $2 AND client_id = $3",
        where.organization,
        where.environment,
        client_id,
    )
    if known is None:
        return None
    try:
        return await _get(connection, actor, known)
    except NotFound:
        raise AlreadyExists("Another filter rule has this client_id.") from None


def _taken() -> AlreadyExists:
    return AlreadyExists(
        "A filter rule of this place matches the same addresses.",
        fix="Change that rule, or delete it first; GET /filter-rules?value= finds it.",
    )
