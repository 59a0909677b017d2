"""What a list is narrowed to, as SQL conditions with numbered arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from agentpost.model.actor import Actor, Scope
from agentpost.model.page import Page, PageRequest
from agentpost.store.pool import Row


@dataclass(slots=True)
class Narrowing:
    """Conditions joined by AND, their arguments, and the order and size of the page."""

    limit: int
    direction: str
    conditions: list[str] = field(default_factory=list)
    arguments: list[object] = field(default_factory=list)

    @property
    def condition(self) -> str:
        return " AND ".join(self.conditions) or "true"

    def add(self, condition: str, *arguments: object) -> None:
        """Add a condition in which ``{0}``, ``{1}``… stand for the arguments."""
        self.conditions.append(self.spelled(condition, *arguments))

    def spelled(self, text: str, *arguments: object) -> str:
        """``text`` with the numbers of further arguments in the place of ``{0}``, ``{1}``…"""
        first = len(self.arguments) + 1
        self.arguments += arguments
        return text.format(*(f"${first + n}" for n in range(len(arguments))))


def reach(
    query: Narrowing, actor: Actor, place: Scope | None, table: str, *, deleted: bool = False
) -> None:
    """Keep to what the actor's credential covers, and to the place when one is named.

    With ``deleted`` also what is in deleted inboxes, which a named inbox may always be.
    """
    if place is not None and place.inbox is not None:
        query.add(table + ".inbox_id = {0}", place.inbox)
        return
    if not actor.system:
        query.add(table + ".organization_id = {0}", actor.organization)
    if place is not None and place.environment is not None:
        query.add(table + ".environment_id = {0}", place.environment)
    elif actor.environments is not None:
        query.add(table + ".environment_id = ANY ({0})", sorted(actor.environments))
    if actor.inboxes is not None:
        query.add(table + ".inbox_id = ANY ({0})", sorted(actor.inboxes))
    if not deleted:
        query.add(
            f"NOT EXISTS (SELECT 1 FROM inboxes gone WHERE gone.id = {table}.inbox_id"
            " AND gone.deleted_at IS NOT NULL)"
        )


def page_of(query: Narrowing, page: PageRequest, table: str) -> None:
    """Keep to the part of a list, ordered by id, that a page may come from."""
    if page.position is not None:
        query.add(f"{table}.id " + ("<" if page.descending else ">") + " {0}", page.position[0])
    if page.after is not None:
        query.add(table + ".created_at > {0}", page.after)
    if page.before is not None:
        query.add(table + ".created_at < {0}", page.before)


class _Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Named)


def page_from(found: Sequence[Row], page: PageRequest, made: Callable[[Row], T]) -> Page[T]:
    """The page in ``found``, which has a row more than it when there is another page."""
    rows = tuple(made(row) for row in found[: page.limit])
    return Page(rows, (rows[-1].id,) if len(found) > page.limit else None)


def pattern(text: str) -> str:
    """``text`` anywhere, as an ILIKE pattern."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
