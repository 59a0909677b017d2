"""An inbox that is worked through: its messages, and the stores that workers use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.claim import Claim, ClaimRequest
from agentpost.model.inbox import Inbox
from agentpost.model.message import MessageChange, MessageFilter
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from tests.http.resources.conftest import SETTINGS, deliver, letter

WANTED = MessageFilter(direction="inbound", folder="INBOX", seen=False)
DONE = MessageChange(seen=True)


@dataclass
class Queue:
    """An inbox with messages, and two stores over its database."""

    stores: list[Store]
    actor: Actor
    inbox: Inbox
    messages: list[str] = field(default_factory=list)

    async def fill(self, count: int) -> None:
        for number in range(count):
            placed = await deliver(self.stores[0], self.inbox, letter(f"n{number}"))
            self.messages.append(placed.message)

    async def take(self, most: int = 1, *, store: int = 0, **more: Any) -> tuple[Claim, ...]:
        request = ClaimRequest(most, more.get("lease_s", 60.0), more.get("max_attempts", 5))
        claims = self.stores[store].claims
        return await claims.take(self.actor, self.inbox.id, WANTED, request)

    async def lapse(self, *claims: Claim) -> None:
        """Let leases be over."""
        await self.run(
            "UPDATE claims SET due_at = clock_timestamp() - interval '1 s' WHERE id = ANY ($1)",
            [claim.id for claim in claims],
        )

    async def run(self, sql: str, *arguments: object) -> list[Any]:
        async def operation(connection: Connection) -> list[Any]:
            return await connection.rows(sql, *arguments)

        return await self.stores[0].database.run("*", operation)

    async def keywords(self, message: str) -> set[str]:
        rows = await self.run("SELECT keywords FROM placements WHERE message_id = $1", message)
        return {word for row in rows for word in row["keywords"]}


@asynccontextmanager
async def open_queue(url: str, blobs: Path, stores: int = 1) -> AsyncIterator[Queue]:
    """A queue in an empty database."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_store(url, blobs, SETTINGS, alone=False))
            for _ in range(stores)
        ]
        organization, environment = await opened[0].organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        actor = Actor(organization.id, "key_x", widen(SCOPES), environment=environment.id)
        made, _ = await opened[0].inboxes.create(actor, InboxRequest("work"))
        yield Queue(opened, actor, made.inbox)
