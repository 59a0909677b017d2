"""Messages by the names that others have for them: the Message-ID within an inbox."""

from __future__ import annotations

from collections.abc import Sequence

from agentpost.ids import MessageId
from agentpost.model.actor import Actor, Scope
from agentpost.store.depositing import ref_of
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


class MessageNames:
    """Finds messages of one inbox by name."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def named(
        self, actor: Actor, where: Scope, message_ids: Sequence[str], scope: str = "messages:read"
    ) -> dict[str, MessageId]:
        """The inbox's messages with these Message-IDs, without brackets; drafts are none.

        Of several with the same one, what was received comes before what was sent, and the latest
        first.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT DISTINCT ON (m.rfc_message_id) m.rfc_message_id, m.id"
                " FROM unnest($2::bytea[], $3::text[]) AS k(ref, message_id)"
                " JOIN thread_refs r ON r.inbox_id = $1 AND r.ref = k.ref"
                " JOIN messages m ON m.thread_id = r.thread_id AND m.inbox_id = $1"
                "  AND m.rfc_message_id = k.message_id AND m.state <> 'draft'"
                " ORDER BY m.rfc_message_id, m.direction, m.id DESC",
                where.inbox,
                [ref_of(one) for one in message_ids],
                list(message_ids),
            )

        found = await self._door.read(actor, scope, where, read)
        return {row["rfc_message_id"]: MessageId(row["id"]) for row in found}

    async def within(
        self, actor: Actor, where: Scope, message: str, scope: str = "messages:read"
    ) -> MessageId | None:
        """The message with this id when it is the inbox's; None when it is not."""

        async def read(connection: Connection, _: Scope) -> str | None:
            found: str | None = await connection.value(
                "SELECT id FROM messages WHERE id = $1 AND inbox_id = $2", message, where.inbox
            )
            return found

        found = await self._door.read(actor, scope, where, read)
        return None if found is None else MessageId(found)

    async def names(
        self, actor: Actor, where: Scope, messages: Sequence[str], scope: str = "messages:read"
    ) -> dict[str, str]:
        """The Message-IDs of the inbox's messages with these ids, for those that have one."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT id, rfc_message_id FROM messages WHERE id = ANY ($1) AND inbox_id = $2"
                " AND rfc_message_id IS NOT NULL",
                list(messages),
                where.inbox,
            )

        found = await self._door.read(actor, scope, where, read)
        return {row["id"]: row["rfc_message_id"] for row in found}
