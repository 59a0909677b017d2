"""The text of messages as search keeps it: what still lacks it, and writing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentpost.ids import InboxId, MessageId
from agentpost.mime.grams import Terms
from agentpost.mime.matching import Texts
from agentpost.model.actor import Actor, Scope
from agentpost.store.blobs import DiskBlobs
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A message whose text search does not know yet; ``octets`` are None when they are lost."""

    message: MessageId
    inbox: InboxId
    octets: bytes | None


@dataclass(frozen=True, slots=True)
class Indexed:
    """A message's texts and their terms: those of header and parts, those of the body."""

    message: MessageId
    texts: Texts
    header: Terms
    body: Terms


class MessageTexts:
    """Reads messages that are not indexed, and writes their texts."""

    def __init__(self, door: Door, blobs: DiskBlobs) -> None:
        self._door = door
        self._blobs = blobs

    async def unindexed(
        self,
        actor: Actor,
        after: tuple[InboxId, MessageId] | None,
        limit: int,
        octets: int,
        inboxes: Sequence[InboxId] | None = None,
    ) -> tuple[Unindexed, ...]:
        """Messages without text after ``after``, inbox by inbox, the oldest first.

        At most ``limit``, and about ``octets`` in all; only of ``inboxes`` when they are given.
        """
        inbox, message = after or ("", "")
        chosen = "" if inboxes is None else " AND m.inbox_id = ANY ($5)"
        arguments: list[object] = [inbox, message, limit, octets]
        if inboxes is not None:
            arguments.append(list(inboxes))

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_UNINDEXED.format(chosen=chosen), *arguments)

        found = await self._door.read(actor, None, None, read)
        return tuple([await self._with_octets(row) for row in found])

    async def write(self, actor: Actor, indexed: Sequence[Indexed]) -> int:
        """Keep the texts; tells how many were written.

        Messages that are gone, or indexed already, are passed over.
        """
        columns = _columns(indexed)

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(_WRITE, *columns)
            return count

        return await self._door.write(actor, None, None, write, single=True)

    async def tidy(self, actor: Actor) -> None:
        """Sort what was written lately into the indexes, so that searches need not read through it.

        Writing leaves new terms in short unsorted lists, because sorting many at once costs an
        eighth of sorting each.
        """

        async def write(connection: Connection, _: Scope) -> None:
            await connection.value(_TIDY)

        await self._door.write(actor, None, None, write, single=True)

    async def _with_octets(self, row: Row) -> Unindexed:
        octets: bytes | None = row["octets"]
        if octets is None:
            try:
                octets = await self._blobs.get(row["location"])
            except OSError:
                octets = None
        return Unindexed(MessageId(row["id"]), InboxId(row["inbox_id"]), octets)


_UNINDEXED = """
WITH waiting AS (
    SELECT m.id, m.inbox_id, m.blob_id, m.size FROM messages m
    WHERE NOT m.indexed AND (m.inbox_id, m.id) > ($1, $2){chosen}
    ORDER BY m.inbox_id, m.id LIMIT $3
), bounded AS (
    SELECT w.*, sum(w.size) OVER (ORDER BY w.inbox_id, w.id) - w.size AS before FROM waiting w
)
SELECT w.id, w.inbox_id, b.octets, b.location FROM bounded w JOIN blobs b ON b.id = w.blob_id
WHERE w.before < $4 ORDER BY w.inbox_id, w.id
"""

_PARAMETERS = 15
_WRITE = "SELECT index_messages({})".format(", ".join(f"${n + 1}" for n in range(_PARAMETERS)))
_TIDY = (
    "SELECT sum(gin_clean_pending_list(i::regclass)) FROM unnest(ARRAY["
    "'message_grams_header', 'message_grams_body', 'message_words_header',"
    " 'message_words_body']) AS i"
)


def _columns(indexed: Sequence[Indexed]) -> list[list[Any]]:
    """The arguments of ``index_messages``, column by column."""
    columns: list[list[Any]] = [[] for _ in range(_PARAMETERS)]
    for one in indexed:
        texts = one.texts
        row: tuple[Any, ...] = (
            one.message,
            texts.whole,
            texts.headers.encode(),
            texts.parts.encode(),
            texts.body.encode(),
            texts.sent_day,
            *(text.encode() for text in texts.fields),
            _literal(one.header.grams),
            _literal(one.body.grams),
            _literal(one.header.words),
            _literal(one.body.words),
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


def _literal(numbers: Sequence[int]) -> str:
    """An array as PostgreSQL reads it: text is written faster here than the driver's form."""
    return "{" + ",".join(map(str, numbers)) + "}"
