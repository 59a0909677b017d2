"""Messages that a query finds, over one inbox or all that a credential reaches.

A look goes from the newest message to older ones.  First candidates are chosen: what the packs
propose (``agentpost.mime.packs``), what is in no pack, and what is not indexed as a whole; or, where
the query names no text to choose by, what is marked as it wants, or simply the latest.  Then one
statement looks at these one by one until it has found enough, so that neither what is frequent nor
what is rare costs more than it must.  Both are bounded: a look that ends early tells where the next
one begins.

What a text says is not always known.  A message of which only the octets can tell is given with what
each term says, for the caller to find out the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentpost.ids import MessageId, ThreadId
from agentpost.model.actor import Actor, Scope
from agentpost.model.facet import FacetCount, Facets
from agentpost.model.message import MessageContent
from agentpost.model.query import All, Query, Since, Term, Until, Words, folders, terms
from agentpost.store import checks, rows
from agentpost.store.blobs import Blobs
from agentpost.store.listing import id_bounds, visible
from agentpost.store.narrowing import Narrowing, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.search_terms import Spelled, mark, order, sieve
from agentpost.store.store import Door

_MOST_ENTRIES: Final = 500_000
"""Latest messages of all inboxes together that are gone through to tell which come first: 0.2 s."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for, and of what is hidden what may be found: spam, trash, blocked."""

    query: Query
    include: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Span:
    """The ids between which to look, that of ``start`` included, and how far."""

    below: str = "msg_~"
    start: str = ""
    looks: int = 1_000
    hits: int = 20
    near: int | None = None
    """Among about so many of the latest only: what is frequent is found there."""
    each: int = 64
    """Latest messages of one inbox among many that are candidates together, at least."""
    threads: Sequence[str] | None = None
    """Only in these."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that is found; or perhaps, where ``known`` says what its terms do."""

    message: MessageId
    thread: ThreadId
    known: dict[Term, bool | None] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, newest first, by how many looks, and below which id to go on.

    ``below`` is None when nothing is left.
    """

    hits: tuple[Hit, ...]
    looked: int
    below: str | None


class MessageSearch:
    """Finds messages, and reads what is to be shown of those that were found."""

    def __init__(self, door: Door, blobs: Blobs) -> None:
        self._door = door
        self._blobs = blobs

    async def look(self, actor: Actor, where: Scope | None, asked: Asked, span: Span) -> Look:
        """Go on with a search, from newer messages to older ones.

        Raises: Forbidden when what is to be found needs a scope that is missing.
        """
        visible_to(actor, asked)

        async def read(connection: Connection, _: Scope) -> Look:
            inboxes = await _inboxes(connection, actor, where)
            candidates = await _candidates(connection, inboxes, asked.query, span)
            found = await _looked_at(connection, where, asked, span, candidates.messages)
            hits = tuple(_hit(row, asked.query) for row in found)
            if len(found) == span.hits:
                return Look(hits, found[-1]["n"], hits[-1].message)
            return Look(hits, len(candidates.messages), candidates.below)

        return await self._door.read(actor, "messages:read", where, read)

    async def contents(
        self, actor: Actor, messages: Sequence[str], octets: int
    ) -> tuple[MessageContent, ...]:
        """The messages that exist for the actor, in this order, up to about so many octets in all.

        There is one at least, if any exists.  What is lost has no octets.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(len(messages), "ASC")
            reach(query, actor, None, "m", deleted=True)
            wanted = query.spelled(_WANTED, list(messages))
            bound = query.spelled("{0}", octets)
            return await connection.rows(
                f"SELECT {rows.MESSAGE_COLUMNS}, m.parts, b.octets, b.location, b.sha256 FROM ("
                " SELECT w.id, w.n, sum(m.size) OVER (ORDER BY w.n) - m.size AS before"
                f" FROM {wanted} JOIN messages m ON m.id = w.id WHERE {query.condition}) w"
                f" JOIN messages m ON m.id = w.id JOIN blobs b ON b.id = m.blob_id, {rows.PLACEMENT}"
                f" WHERE w.before < {bound} ORDER BY w.n",
                *query.arguments,
            )

        found = await self._door.read(actor, "messages:read", None, read)
        return tuple([await self._content(row) for row in found])

    async def facets(self, actor: Actor, messages: Sequence[str], most: int) -> Facets:
        """How many of the messages have which label, folder, sender and inbox."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(most, "DESC")
            reach(query, actor, None, "m", deleted=True)
            query.add("m.id = ANY ({0}::text[])", list(messages))
            sql = _FACETS.format(messages=query.condition, most=query.limit)
            return await connection.rows(sql, *query.arguments)

        found = await self._door.read(actor, "messages:read", None, read)
        counts: dict[str, list[FacetCount]] = {}
        for row in found:
            counts.setdefault(row["facet"], []).append(FacetCount(row["value"], row["messages"]))
        kinds = ("label", "folder", "from", "inbox")
        return Facets(*(tuple(counts.get(kind, ())) for kind in kinds))

    async def _content(self, row: Row) -> MessageContent:
        octets: bytes | None = row["octets"]
        if octets is None:
            try:
                octets = await self._blobs.get(row["location"])
            except FileNotFoundError:
                octets = b""
        return MessageContent(rows.message(row), octets, row["parts"], row["sha256"])


def visible_to(actor: Actor, asked: Asked) -> None:
    """Refuse to look into what is hidden from this key.  Raises: Forbidden."""
    checks.visible(actor, asked.include, None)
    for folder in sorted(folders(asked.query)):
        checks.visible(actor, asked.include, folder)


async def _inboxes(connection: Connection, actor: Actor, where: Scope | None) -> list[str]:
    """The inboxes to look into."""
    if where is not None and where.inbox is not None:
        return [where.inbox]
    query = Narrowing(0, "ASC")
    reach(query, actor, where, "i", deleted=True)
    found = await connection.rows(
        "SELECT i.inbox_id FROM (SELECT id AS inbox_id, organization_id, environment_id FROM inboxes"
        f" WHERE deleted_at IS NULL) i WHERE {query.condition}",
        *query.arguments,
    )
    return [row["inbox_id"] for row in found]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Messages to look at, newest first; ``below`` as in ``Look``."""

    messages: list[str]
    below: str | None


async def _candidates(
    connection: Connection, inboxes: list[str], asked: Query, span: Span
) -> _Candidates:
    low, high = _ends(asked, span)
    query = Narrowing(span.looks, "DESC")
    parts = {
        "inboxes": query.spelled("{0}::text[]", inboxes),
        "high": query.spelled("{0}::text", high),
        "take": query.spelled("{0}::integer", span.looks),
    }
    if span.threads is not None:
        parts["threads"] = query.spelled("{0}::text[]", list(span.threads))
        sql, latest = _OF_THREADS, None
    elif (bits := sieve(query, asked)) is not None:
        parts["bits"] = bits
        sql, latest = _PROPOSED, span.near
    elif span.near is None and (marked := mark(query, asked)) is not None:
        parts["marked"] = marked
        sql, latest = _MARKED, None
    else:
        sql, latest = _LATEST, span.looks
    parts["low"] = query.spelled("{0}::text", low)
    edge: str | None = None
    each = 0 if latest is None else max(span.each, latest // max(1, len(inboxes)))
    while True:
        if latest is not None:
            edge = await connection.value(_EDGE, inboxes, low, high, each)
            query.arguments[-1] = low if edge is None else edge
        found: list[str] = await connection.value(sql.format(**parts), *query.arguments)
        enough = sql is not _LATEST or edge is None or 2 * len(found) >= span.looks
        if enough or each * len(inboxes) > _MOST_ENTRIES:
            break
        each *= 4  # Much has come to one of them at once.
    below = found[-1] if len(found) >= span.looks else edge
    # A message whose text was cut may be proposed twice.
    return _Candidates(list(dict.fromkeys(found)), below)


def _ends(asked: Query, span: Span) -> tuple[str, str]:
    """The span narrowed to the times that the query wants in any case."""
    low, high = span.start, span.below
    for one in asked.of if isinstance(asked, All) else (asked,):
        if isinstance(one, Since):
            low = max(low, id_bounds(one.moment, None)[0])
        elif isinstance(one, Until):
            high = min(high, id_bounds(None, one.moment)[1])
    return low, high


async def _looked_at(
    connection: Connection,
    where: Scope | None,
    asked: Asked,
    span: Span,
    candidates: list[str],
) -> list[Row]:
    query = Narrowing(span.hits, "DESC")
    ids = query.spelled("{0}::text[]", candidates)
    spelled = Spelled(query, asked.query)
    placed = visible(query, where, asked.include, folders(asked.query))
    whole = spelled.whole()
    query.conditions.append(f"{whole} IS NOT FALSE")
    if any(isinstance(term, Words) for term, _ in terms(asked.query)):
        source = _WITH_TEXTS.format(ids=ids, texts=spelled.texts())
    else:
        source = _WITHOUT_TEXTS.format(ids=ids)
    return await connection.rows(
        f"SELECT x.id, x.n, m.thread_id, CASE WHEN {whole} IS NULL THEN {spelled.each()} END AS known"
        f" FROM {source} {_MESSAGE} CROSS JOIN {placed} WHERE {query.condition}"
        f" ORDER BY x.n LIMIT {span.hits}",
        *query.arguments,
    )


def _hit(row: Row, asked: Query) -> Hit:
    known = row["known"]
    said = None if known is None else dict(zip(order(asked), known, strict=True))
    return Hit(MessageId(row["id"]), ThreadId(row["thread_id"]), said)


# Each of them comes from one place: what is whole from its pack or, when it is in none, from the
# fields; what was cut from its text, though it may be in a pack as well.
_PROPOSED = """
SELECT ARRAY(SELECT c.id FROM (
    SELECT o.id FROM message_packs k
    CROSS JOIN LATERAL (SELECT {bits} AS maybe OFFSET 0) s
    CROSS JOIN LATERAL unnest(k.messages) WITH ORDINALITY AS o (id, n)
    WHERE k.inbox_id = ANY ({inboxes}) AND k.newest >= {low} AND k.oldest < {high}
        AND position(B'1' IN s.maybe) > 0
        AND o.id >= {low} AND o.id < {high} AND get_bit(s.maybe, o.n::integer - 1) = 1
    UNION ALL
    SELECT f.message_id FROM message_fields f
    WHERE f.inbox_id = ANY ({inboxes}) AND f.pack IS NULL
        AND f.message_id >= {low} AND f.message_id < {high}
    UNION ALL
    SELECT u.message_id FROM unindexed u
    WHERE u.inbox_id = ANY ({inboxes}) AND u.message_id >= {low} AND u.message_id < {high}
    UNION ALL
    SELECT t.message_id FROM message_texts t
    WHERE t.inbox_id = ANY ({inboxes}) AND NOT t.whole
        AND t.message_id >= {low} AND t.message_id < {high}
) c (id) ORDER BY c.id DESC LIMIT {take})
"""

# Of several inboxes as many of the latest as an edge: what is older than the edge of an inbox is left
# for the next look, or messages of that inbox would be passed over.
_EDGE = """
SELECT max((
    SELECT m.id FROM messages m WHERE (m.inbox_id, m.id) >= (i.id, $2) AND (m.inbox_id, m.id) < (i.id, $3)
    ORDER BY m.inbox_id DESC, m.id DESC OFFSET $4 - 1 LIMIT 1))
FROM unnest($1::text[]) AS i (id)
"""
_LATEST = """
SELECT ARRAY(
    SELECT l.id FROM unnest({inboxes}) AS i (id) CROSS JOIN LATERAL (
        SELECT m.id FROM messages m
        WHERE (m.inbox_id, m.id) >= (i.id, {low}) AND (m.inbox_id, m.id) < (i.id, {high})
        ORDER BY m.inbox_id DESC, m.id DESC LIMIT {take}) l
    ORDER BY l.id DESC LIMIT {take})
"""
_MARKED = """
SELECT ARRAY(
    SELECT DISTINCT q.message_id FROM mailboxes b JOIN placements q ON q.mailbox_id = b.id
    WHERE b.inbox_id = ANY ({inboxes}) AND {marked}
        AND q.message_id >= {low} AND q.message_id < {high}
    ORDER BY q.message_id DESC LIMIT {take})
"""

_OF_THREADS = """
SELECT ARRAY(
    SELECT m.id FROM messages m
    WHERE m.thread_id = ANY ({threads}) AND m.inbox_id = ANY ({inboxes})
        AND m.id >= {low} AND m.id < {high} ORDER BY m.id DESC LIMIT {take})
"""

# One by one in their order, until there are enough: with LIMIT 1 no join can be turned round.
_WITH_TEXTS = """
(
    SELECT c.id, c.n, x.* FROM unnest({ids}) WITH ORDINALITY AS c (id, n)
    LEFT JOIN LATERAL (
        SELECT CASE WHEN t.whole THEN false END AS doubt, t.body, f.subject_text, f.from_text,
            f.to_text, f.cc_text, f.bcc_text
        FROM message_texts t JOIN message_fields f ON f.message_id = t.message_id
        WHERE t.message_id = c.id LIMIT 1) x ON true
    WHERE {texts} IS NOT FALSE ORDER BY c.n OFFSET 0
) x
"""
_WITHOUT_TEXTS = "(SELECT c.id, c.n FROM unnest({ids}) WITH ORDINALITY AS c (id, n)) x"
_MESSAGE = """
CROSS JOIN LATERAL (
    SELECT m.id, m.thread_id, m.direction, m.state, m.attachments, m.automated, m.created_at
    FROM messages m WHERE m.id = x.id LIMIT 1) m
"""
_WANTED = "unnest({0}::text[]) WITH ORDINALITY AS w (id, n)"

_FACETS = """
WITH found AS MATERIALIZED (
    SELECT m.id, m.inbox_id, m.sender FROM messages m WHERE {messages}
), counted AS (
    SELECT 'label' AS facet, lower(k) AS value, count(DISTINCT f.id) AS messages
    FROM found f JOIN placements p ON p.message_id = f.id, unnest(p.keywords) AS k GROUP BY 2
    UNION ALL
    SELECT 'folder', b.name, count(DISTINCT f.id)
    FROM found f JOIN placements p ON p.message_id = f.id JOIN mailboxes b ON b.id = p.mailbox_id
    GROUP BY 2
    UNION ALL
    SELECT 'from', lower(f.sender -> 'from' -> 0 ->> 'email'), count(*) FROM found f
    WHERE f.sender -> 'from' -> 0 ->> 'email' IS NOT NULL GROUP BY 2
    UNION ALL
    SELECT 'inbox', f.inbox_id, count(*) FROM found f GROUP BY 2
)
SELECT facet, value, messages FROM (
    SELECT c.*, row_number() OVER (PARTITION BY facet ORDER BY messages DESC, value COLLATE "C") AS n
    FROM counted c
) ranked WHERE n <= {most} ORDER BY facet, n
"""
