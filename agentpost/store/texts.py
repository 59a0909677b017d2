"""The text of messages as search keeps it: what still lacks it, and writing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentpost.ids import InboxId, MessageId
from agentpost.mime.matching import Texts
from agentpost.mime.packs import Pack, PackText
from agentpost.model.actor import Actor, Scope
from agentpost.store.blobs import Blobs
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
    """A message's texts."""

    message: MessageId
    texts: Texts


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Messages of one inbox that are in no pack, and their texts, alike in order."""

    messages: tuple[MessageId, ...]
    texts: tuple[PackText, ...]


class MessageTexts:
    """Reads messages that are not indexed, writes their texts, and makes packs of these."""

    def __init__(self, door: Door, blobs: Blobs) -> None:
        self._door = door
        self._blobs = blobs

    async def unindexed(
        self,
        actor: Actor,
        after: tuple[InboxId, MessageId] | None,
        limit: int,
        octets: int,
    ) -> tuple[Unindexed, ...]:
        """Messages without text after ``after``, inbox by inbox, the oldest first.

        At most ``limit``, and about ``octets`` in all.
        """
        inbox, message = after or ("", "")

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_UNINDEXED, inbox, message, limit, octets)

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

    async def unpacked(
        self, actor: Actor, inboxes: Sequence[InboxId], messages: int, octets: int
    ) -> Unpacked | None:
        """The oldest texts that are in no pack, of an inbox that has enough of them for one.

        Enough are ``messages``, or ``octets`` of text; a pack is no larger either, but for its
        last message.  None when none of ``inboxes`` has enough.
        """
        arguments = (list(inboxes), messages, octets)

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_UNPACKED, *arguments)

        found = await self._door.read(actor, None, None, read)
        if not found:
            return None
        return Unpacked(
            tuple([MessageId(row["message_id"]) for row in found]),
            tuple([_pack_text(row) for row in found]),
        )

    async def pack(self, actor: Actor, messages: Sequence[MessageId], pack: Pack) -> int:
        """Keep the pack of ``messages``; tells how many of them are in it.

        Those that are gone, or in another pack, are not.
        """
        arguments = (
            list(messages),
            pack.width,
            pack.buckets,
            pack.slices,
            list(pack.words),
            pack.in_header,
            pack.in_body,
        )

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(_PACK, *arguments)
            return count

        return await self._door.write(actor, None, None, write, single=True)

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
    SELECT m.id, m.inbox_id, m.blob_id, m.size
    FROM unindexed u JOIN messages m ON m.id = u.message_id
    WHERE (u.inbox_id, u.message_id) > ($1, $2)
    ORDER BY u.inbox_id, u.message_id LIMIT $3
), bounded AS (
    SELECT w.*, sum(w.size) OVER (ORDER BY w.inbox_id, w.id) - w.size AS before FROM waiting w
)
SELECT w.id, w.inbox_id, b.octets, b.location FROM bounded w JOIN blobs b ON b.id = w.blob_id
WHERE w.before < $4 ORDER BY w.inbox_id, w.id
"""

_PARAMETERS = 11
_WRITE = "SELECT index_messages({})".format(", ".join(f"${n + 1}" for n in range(_PARAMETERS)))

_UNPACKED = """
WITH enough AS (
    SELECT f.inbox_id FROM message_fields f WHERE f.inbox_id = ANY ($1) AND f.pack IS NULL
    GROUP BY f.inbox_id HAVING count(*) >= $2 OR sum(f.text_octets) >= $3 LIMIT 1
), oldest AS (
    SELECT f.message_id,
        sum(f.text_octets) OVER (ORDER BY f.message_id) - f.text_octets AS before
    FROM enough e JOIN message_fields f ON f.inbox_id = e.inbox_id AND f.pack IS NULL
    ORDER BY f.message_id LIMIT $2
)
SELECT t.message_id, t.headers, t.parts, t.body, f.from_text, f.to_text, f.cc_text
FROM oldest o JOIN message_texts t ON t.message_id = o.message_id
JOIN message_fields f ON f.message_id = o.message_id
WHERE o.before < $3 ORDER BY t.message_id
"""
_PACK = "SELECT pack_messages($1, $2, $3, $4, $5, $6, $7)"


def _pack_text(row: Row) -> PackText:
    fields = (row["from_text"], row["to_text"], row["cc_text"])
    return PackText((row["headers"], row["parts"]), row["body"], fields)


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
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns
