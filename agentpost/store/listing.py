"""Lists of messages: which ones, in index order, and nothing read that is not shown.

A page walks ``messages_by_inbox`` from its end and stops when it is full.  The comparison of
(inbox, id) pairs binds the planner to that index: under ``inbox_id = $1`` alone it may walk all
messages there are by their primary key, which is slow for a small inbox beside a large one.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from agentpost.ids import ulid_time
from agentpost.model.actor import Actor, Scope
from agentpost.model.message import Listed, MessageFilter
from agentpost.model.page import PageRequest
from agentpost.store import rows
from agentpost.store.narrowing import Narrowing, pattern, reach
from agentpost.store.pool import Row

_SLACK_MS = 3600 * 1000
"""How far the moment in an id and that of its row may lie apart."""

_LISTED = """
    m.id, m.environment_id, m.inbox_id, m.thread_id, m.direction, m.source, m.state, m.size,
    m.subject, m.sender -> 'from' -> 0, m.recipients -> 'to', m.recipients -> 'cc',
    m.recipients -> 'bcc', m.sender -> 'reply_to', m.rfc_message_id, m.in_reply_to, m.preview,
    m.attachments, m.automated, m.delivered_to, m.metadata, m.created_at, p.flags, p.keywords,
    (SELECT b.name FROM mailboxes b WHERE b.id = p.first), p.modseq
"""

# A message's placements as one.  Nearly every message has a single one, which is told without the
# sorting and unnesting that several need.  ``hidden``: every mailbox that holds it is hidden, as
# ``{hides}`` tells of one placement.
_PLACED = """
    LATERAL (
        SELECT bit_or(q.flags) AS flags, max(q.modseq) AS modseq, bool_and({hides}) AS hidden,
            CASE WHEN count(*) = 1 THEN min(q.mailbox_id) ELSE (
                SELECT f.mailbox_id FROM placements f WHERE f.message_id = m.id
                ORDER BY f.save_date, f.mailbox_id LIMIT 1) END AS first,
            CASE WHEN count(*) = 1 THEN min(q.keywords) ELSE ARRAY(
                SELECT k FROM placements r, unnest(r.keywords) AS k
                WHERE r.message_id = m.id) END AS keywords
        FROM placements q WHERE q.message_id = m.id
    ) p
"""
_HIDES_HERE = (
    "q.mailbox_id = ANY (ARRAY(SELECT h.id FROM mailboxes h"
    " WHERE h.inbox_id = {0} AND h.role = ANY ({1}::text[])))"
)
_HIDES_ANYWHERE = "coalesce((SELECT h.role FROM mailboxes h WHERE h.id = q.mailbox_id) = ANY ({0}::text[]), false)"


_BLOCKED = (
    "(m.state = 'blocked' AND EXISTS (SELECT 1 FROM placements q JOIN mailboxes b"
    " ON b.id = q.mailbox_id WHERE q.message_id = m.id AND b.role = 'junk'))"
)
"""A filter rule blocks its sender, and nobody has taken it out of Junk."""


LIES_IN = (
    "EXISTS (SELECT 1 FROM placements f JOIN mailboxes g ON g.id = f.mailbox_id"
    " WHERE f.message_id = m.id AND g.name = ANY ({0}::text[]))"
)
"""It is in one of these folders."""
LABELLED = "folded(coalesce(p.keywords, '{{}}')) @> folded({0}::text[])"
"""It has all of these labels."""


class Listing:
    """One page of messages as a statement."""

    def __init__(
        self, actor: Actor, place: Scope | None, wanted: MessageFilter, page: PageRequest
    ) -> None:
        self._query = query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
        self._order = "m.id"
        if place is not None and place.inbox is not None and wanted.thread is None:
            self._order = "m.inbox_id {0}, m.id"
            _span(query, place.inbox, wanted, page)
        else:
            reach(query, actor, place, "m", deleted=wanted.include_deleted)
            if page.position is not None:
                query.add("m.id " + ("<" if page.descending else ">") + " {0}", page.position[0])
        _columns(query, wanted)
        self._placed = _placement(query, place, wanted)

    @property
    def arguments(self) -> list[object]:
        """What the statement's numbers stand for."""
        return self._query.arguments

    def keep(self, condition: str, *arguments: object) -> None:
        """Keep to messages ``m`` for which ``condition`` holds, as ``Narrowing.add``."""
        self._query.add(condition, *arguments)

    def ids(self) -> str:
        """The statement for no more than the ids, and none of the next page."""
        query = self._query
        order = self._order.format(query.direction)
        return (
            f"SELECT m.id FROM messages m, {self._placed} WHERE {query.condition}"
            f" ORDER BY {order} {query.direction} LIMIT {query.limit - 1}"
        )

    def sql(self, *, whole: bool) -> str:
        """The statement; ``whole`` rows are ``rows.MESSAGE_COLUMNS``, the others ``Listed``."""
        query = self._query
        order = self._order.format(query.direction)
        chosen = (
            f"FROM messages m, {self._placed} WHERE {query.condition}"
            f" ORDER BY {order} {query.direction} LIMIT {query.limit}"
        )
        if not whole:
            return f"SELECT {_LISTED} {chosen}"
        return (
            f"SELECT {rows.MESSAGE_COLUMNS} FROM (SELECT m.id {chosen}) chosen"
            f" JOIN messages m ON m.id = chosen.id, {rows.PLACEMENT} ORDER BY m.id {query.direction}"
        )


def listed(row: Row) -> Listed:
    """A row of a list."""
    return Listed(*row)


def _span(query: Narrowing, inbox: str, wanted: MessageFilter, page: PageRequest) -> None:
    """The part of the inbox's messages that the page may come from, by the pair of its index."""
    low, high = id_bounds(wanted.after, wanted.before)
    if page.position is not None:
        if page.descending:
            high = min(high, page.position[0])
        else:
            low = max(low, page.position[0])
    query.add(
        "(m.inbox_id, m.id) > ({0}, {1}) AND (m.inbox_id, m.id) < ({0}, {2})", inbox, low, high
    )


def id_bounds(after: datetime | None, before: datetime | None) -> tuple[str, str]:
    """Ids between which all messages of a time lie: an id begins with its own moment."""
    low = "msg_" if after is None else f"msg_{_time_of_id(after, -_SLACK_MS)}"
    high = "msg_~" if before is None else f"msg_{_time_of_id(before, _SLACK_MS)}~"
    return low, high


def _time_of_id(moment: datetime, more_ms: int) -> str:
    """How ids of this moment begin, after their prefix."""
    milliseconds = int(moment.timestamp() * 1000) + more_ms
    return ulid_time(min(max(milliseconds, 0), 2**48 - 1))


def _columns(query: Narrowing, wanted: MessageFilter) -> None:
    if wanted.environments is not None:
        query.add("m.environment_id = ANY ({0})", sorted(wanted.environments))
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


def _placement(query: Narrowing, place: Scope | None, wanted: MessageFilter) -> str:
    """Conditions on where the message lies and how it is marked; the source of these columns."""
    if wanted.folder is not None:
        query.add(LIES_IN, [wanted.folder])
        if "blocked" not in wanted.include:
            query.add(f"NOT {_BLOCKED}")
        placed = _PLACED.format(hides="false")
    else:
        placed = visible(query, place, wanted.include)
    if wanted.seen is not None:
        query.add("(coalesce(p.flags, 0) & 1 <> 0) = {0}", wanted.seen)
    if wanted.flagged is not None:
        query.add("(coalesce(p.flags, 0) & 4 <> 0) = {0}", wanted.flagged)
    if wanted.labels:
        query.add(LABELLED, list(wanted.labels))
    if wanted.not_labels:
        keywords = "folded(coalesce(p.keywords, '{{}}'))"
        query.add(f"NOT {keywords} && folded({{0}}::text[])", list(wanted.not_labels))
    return placed


def visible(
    query: Narrowing,
    place: Scope | None,
    include: AbstractSet[str],
    folders: AbstractSet[str] = frozenset(),
) -> str:
    """Keep to messages that lists show, or that lie in one of ``folders``; the source ``p`` of
    their placements as one."""
    hidden = ["drafts"]
    if "trash" not in include:
        hidden.append("trash")
    if "spam" not in include:
        hidden.append("junk")
    if place is not None and place.inbox is not None:
        hides = query.spelled(_HIDES_HERE, place.inbox, hidden)
    else:
        hides = query.spelled(_HIDES_ANYWHERE, hidden)
    ways = ["p.hidden IS NOT TRUE"]
    if "blocked" in include:
        ways.append(_BLOCKED)
    elif folders or "spam" in include:
        query.add(f"NOT {_BLOCKED}")
    if folders:
        ways.append(query.spelled(LIES_IN, sorted(folders)))
    query.add(f"({' OR '.join(ways)})")
    return _PLACED.format(hides=hides)
