"""What a list of messages is narrowed to, as SQL conditions with numbered arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentpost.model.actor import Actor, Scope
from agentpost.model.message import MessageFilter
from agentpost.model.page import PageRequest


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
        first = len(self.arguments) + 1
        names = [f"${first + n}" for n in range(len(arguments))]
        self.conditions.append(condition.format(*names))
        self.arguments += arguments


def reach(query: Narrowing, actor: Actor, place: Scope | None, table: str) -> None:
    """Keep to what the actor's credential covers, and to the place when one is named."""
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


def narrowed(
    actor: Actor, place: Scope | None, wanted: MessageFilter, page: PageRequest
) -> Narrowing:
    """The conditions of a page of messages; one row more than the page tells whether more come."""
    query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
    reach(query, actor, place, "m")
    if wanted.environments is not None:
        query.add("m.environment_id = ANY ({0})", sorted(wanted.environments))
    if page.position is not None:
        query.add("m.id " + ("<" if page.descending else ">") + " {0}", page.position[0])
    _columns(query, wanted)
    _placement(query, wanted)
    return query


def _columns(query: Narrowing, wanted: MessageFilter) -> None:
    if wanted.direction is not None:
        query.add("m.direction = {0}", wanted.direction)
    if wanted.thread is not None:
        query.add("m.thread_id = {0}", wanted.thread)
    if wanted.has_attachments is not None:
        query.add("(m.attachments > 0) = {0}", wanted.has_attachments)
    if wanted.after is not None:
        query.add("m.created_at > {0}", wanted.after)
    if wanted.before is not None:
        query.add("m.created_at < {0}", wanted.before)
    if wanted.subject is not None:
        query.add("m.subject ILIKE {0}", pattern(wanted.subject))
    if wanted.from_ is not None:
        query.add("(m.sender -> 'from')::text ILIKE {0}", pattern(wanted.from_))
    if wanted.to is not None:
        query.add("m.recipients::text ILIKE {0}", pattern(wanted.to))


def _placement(query: Narrowing, wanted: MessageFilter) -> None:
    if wanted.folder is not None:
        query.add("{0} = ANY (p.folders)", wanted.folder)
    else:
        hidden = ["drafts"]
        if "trash" not in wanted.include:
            hidden.append("trash")
        if "spam" not in wanted.include:
            hidden.append("junk")
        query.add("NOT coalesce(p.roles, '{{}}') && {0}::text[]", hidden)
    if wanted.seen is not None:
        query.add("(coalesce(p.flags, 0) & 1 <> 0) = {0}", wanted.seen)
    if wanted.flagged is not None:
        query.add("(coalesce(p.flags, 0) & 4 <> 0) = {0}", wanted.flagged)
    if wanted.labels:
        query.add("folded(p.keywords) @> folded({0}::text[])", list(wanted.labels))
    if wanted.not_labels:
        query.add("NOT folded(p.keywords) && folded({0}::text[])", list(wanted.not_labels))


def pattern(text: str) -> str:
    """``text`` anywhere, as an ILIKE pattern."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
