"""What IMAP sessions need of the floors below, handed to them as one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentpost.budget import ByteBudget
from agentpost.events.bus import Bus
from agentpost.ids import InboxId
from agentpost.limits import ImapLimits, MessageLimits
from agentpost.mail.appending import Appending
from agentpost.model.actor import Actor, Scope
from agentpost.model.inbox import LocalAddress
from agentpost.store.opening import Store


@dataclass(frozen=True, slots=True)
class ImapDesk:
    """The store, the wake-ups and the bounds behind every IMAP session of a worker."""

    store: Store
    bus: Bus
    appending: Appending
    budget: ByteBudget
    limits: ImapLimits = ImapLimits()
    messages: MessageLimits = MessageLimits()
    connections: dict[InboxId, int] = field(default_factory=dict)
    """Logged-in connections of this worker by inbox (R131)."""

    async def authenticate(
        self, username: str, password: str, peer: str
    ) -> tuple[Actor, Scope, LocalAddress]:
        """Who this is.  Raises: AuthenticationFailed, Expired, Forbidden, RateLimited."""
        return await self.store.authentication.by_login(
            username, password, protocol="imap", peer=peer
        )

    def connections_allowed(self, local: LocalAddress) -> int:
        """Connections that the inbox may hold at once (R131)."""
        return local.max_imap_connections or self.limits.connections_per_inbox
