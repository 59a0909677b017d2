"""The conversation that a new message goes on with: who takes part, and how fast it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec

from agentpost.auth.addresses import canonical
from agentpost.ids import ulid_time
from agentpost.model.actor import Actor, Scope
from agentpost.store.depositing import ref_of
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


@dataclass(frozen=True, slots=True)
class Conversation:
    """``people`` are the canonical addresses of the message that is answered, in From, Reply-To,
    To and Cc; ``messages`` of its thread are recent, ``sent`` of them from this inbox.
    """

    people: frozenset[str] = frozenset()
    messages: int = 0
    sent: int = 0


NONE = Conversation()


class Conversations:
    """Reads conversations on behalf of who writes in them."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def answered(
        self, actor: Actor, where: Scope, message_id: str, recent_s: float
    ) -> Conversation:
        """The conversation of the message here that has this Message-ID; NONE when none has."""
        low = "msg_" + ulid_time(time.time_ns() // 1_000_000 - int(recent_s * 1000))

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT m.sender, m.recipients, c.messages, c.sent"
                " FROM thread_refs r LEFT JOIN messages m ON m.id = r.message_id"
                " CROSS JOIN LATERAL (SELECT count(*) AS messages,"
                "  count(*) FILTER (WHERE n.direction = 'outbound') AS sent"
                "  FROM messages n WHERE n.thread_id = r.thread_id AND n.id > $3"
                "  AND n.state <> 'draft') c"
                " WHERE r.inbox_id = $1 AND r.ref = $2",
                where.inbox,
                ref_of(message_id),
                low,
            )

        row = await self._door.read(actor, None, where, read)
        if row is None:
            return NONE
        people: set[str] = set()
        if row["sender"] is not None:
            sender = msgspec.json.decode(row["sender"])
            recipients = msgspec.json.decode(row["recipients"])
            fields = (sender["from"], sender["reply_to"], recipients["to"], recipients["cc"])
            people = {canonical(one["email"]) for field in fields for one in field}
        return Conversation(frozenset(people), row["messages"], row["sent"])
