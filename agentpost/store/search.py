"""Which messages of a mailbox contain what is asked for.

An answer is complete: what the index does not know as a whole is told apart as ``unsure``, for the
caller to look at the octets (``agentpost.mime.matching``).

How it is fast: packs (``agentpost.mime.packs``, migration 0006) propose candidates, which are
then looked at in their text; one that has what is asked for as a whole word needs no look.  From,
To, Cc, Bcc, Subject and the sent day stand in short rows of their own, ten thousand of which are
read through in milliseconds.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

from agentpost.ids import MailboxId
from agentpost.mime.matching import fold, header_prefix
from agentpost.mime.packs import grams_of, word_of
from agentpost.model.actor import Actor, Scope
from agentpost.model.search import Day, IdLeaf, Leaf, Matches, SentLeaf, TextField, TextLeaf
from agentpost.store.pool import Connection, Row
from agentpost.store.search_terms import COLUMNS, MOST_GRAMS, literal
from agentpost.store.store import Door

_FEW = 256
"""Placements asked about that are looked at one by one rather than through the index."""

_COMPARED = {Day.BEFORE: "<", Day.ON: "=", Day.SINCE: ">="}


class Search:
    """Answers what a search asks of the content of messages."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def matching(
        self,
        actor: Actor,
        where: Scope,
        mailbox: MailboxId,
        leaves: Sequence[Leaf],
        among: Sequence[int] | None = None,
    ) -> tuple[Matches, ...]:
        """The answer to each leaf, in order, for the messages in ``mailbox`` now.

        ``among`` are the uids that matter, ascending, when not all do; others may be left out.
        """
        few = None if among is None or len(among) > _FEW else list(among)

        async def read(connection: Connection, _: Scope) -> list[Matches]:
            # First: what is indexed in between is then both found and unsure, never neither.
            unsure = await connection.rows(_UNSURE, where.inbox, mailbox)
            return [
                _matches(leaf, await _found(connection, where, mailbox, leaf, few), unsure)
                for leaf in leaves
            ]

        return tuple(await self._door.read(actor, "messages:read", where, read))


async def _found(
    connection: Connection, where: Scope, mailbox: MailboxId, leaf: Leaf, few: list[int] | None
) -> bytes | None:
    """The uids of the leaf's messages, packed."""
    sql, arguments = statement(leaf, few is not None)
    if few is not None:
        arguments = [*arguments, few]
    found: bytes | None = await connection.value(sql, where.inbox, mailbox, *arguments)
    return found


def _matches(leaf: Leaf, packed: bytes | None, unsure: Sequence[Row]) -> Matches:
    found = array("I")
    if packed:
        found.frombytes(packed)
        if sys.byteorder == "little":
            found.byteswap()
        found = array("I", sorted(found))
    if isinstance(leaf, IdLeaf) or not unsure:
        return Matches(found)
    sure = set(found)
    return Matches(
        found, tuple([tuple(row["uids"]) for row in unsure if sure.isdisjoint(row["uids"])])
    )


def statement(leaf: Leaf, few: bool) -> tuple[str, list[object]]:
    """The statement that finds ``leaf``, and its arguments after inbox and mailbox ($1, $2).

    With ``few`` a last argument follows: the uids to look at.
    """
    if isinstance(leaf, IdLeaf):
        condition = "t.thread_id = $3" if leaf.thread else "t.id = $3"
        return _scan("messages", condition, few, 4, key="id"), [leaf.value]
    if isinstance(leaf, SentLeaf):
        return _scan("message_fields", f"t.sent_day {_COMPARED[leaf.when]} $3", few, 4), [leaf.day]
    needle = fold(leaf.text)
    octets = needle.encode("utf-8", "replace")
    column = COLUMNS.get(leaf.field)
    if column is not None:
        return _scan("message_fields", f"position($3 IN t.{column}) > 0", few, 4), [octets]
    if leaf.field is TextField.HEADER:
        return _header(leaf, needle, octets, few)
    return _text(leaf.field is TextField.TEXT, needle, octets, few)


def _text(with_headers: bool, needle: str, octets: bytes, few: bool) -> tuple[str, list[object]]:
    if few:
        condition = "position($3 IN t.body) > 0"
        if with_headers:
            condition += " OR position($3 IN t.headers) > 0 OR position($3 IN t.parts) > 0"
        return _scan("message_texts", f"({condition})", few, 4), [octets]
    return (
        "SELECT search_text($1, $2, $3, $4, $5, $6)",
        [octets, grams_of((needle,), MOST_GRAMS), word_of(needle), with_headers],
    )


def _header(leaf: TextLeaf, needle: str, octets: bytes, few: bool) -> tuple[str, list[object]]:
    prefix = header_prefix(leaf.name)
    line = f"{literal(prefix)}[^\n]*{literal(needle)}" if needle else None
    arguments: list[object] = [prefix.encode("utf-8", "replace"), octets, line]
    if few:
        condition = (
            "CASE WHEN position($3 IN t.headers) > 0 AND position($4 IN t.headers) > 0"
            " THEN $5::text IS NULL OR convert_from(t.headers, 'UTF8') COLLATE \"C\" ~ $5"
            " ELSE false END"
        )
        return _scan("message_texts", condition, few, 6), arguments
    grams = grams_of((prefix, needle), MOST_GRAMS)
    return "SELECT search_header($1, $2, $3, $4, $5, $6)", [*arguments, grams]


def _scan(table: str, condition: str, few: bool, after: int, key: str = "message_id") -> str:
    """Reading through the rows of the inbox, or through ``few`` of the mailbox."""
    if few:
        return (
            "SELECT string_agg(int4send(p.uid::integer), NULL)"
            f" FROM placements p JOIN {table} t ON t.{key} = p.message_id AND t.inbox_id = $1"
            f" WHERE p.mailbox_id = $2 AND p.inbox_id = $1 AND {condition}"
            f" AND p.uid = ANY (${after}::bigint[])"
        )
    return (
        f"SELECT place($1, $2, ARRAY(SELECT t.{key}::text FROM {table} t"
        f" WHERE t.inbox_id = $1 AND {condition}))"
    )


_UNSURE = """
SELECT array_agg(p.uid ORDER BY p.uid) AS uids
FROM (
    SELECT n.message_id AS id FROM unindexed n WHERE n.inbox_id = $1
    UNION ALL
    SELECT t.message_id FROM message_texts t WHERE t.inbox_id = $1 AND NOT t.whole
) u JOIN placements p ON p.message_id = u.id AND p.mailbox_id = $2
GROUP BY u.id
"""
