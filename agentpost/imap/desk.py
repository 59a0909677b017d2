"""What IMAP sessions need of the floors below, handed to them as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentpost.budget import ByteBudget
from agentpost.events.bus import Bus
from agentpost.ids import InboxId, MailboxId
from agentpost.limits import ImapLimits, MessageLimits
from agentpost.mail.appending import Appending
from agentpost.mail.logins import Logins
from agentpost.model.actor import Actor, Scope
from agentpost.model.inbox import LocalAddress
from agentpost.net import Peer
from agentpost.store.opening import Store

if TYPE_CHECKING:
    from agentpost.imap.idling import Company


@dataclass(frozen=True, slots=True)
class ImapDesk:
    """The store, the wake-ups and the bounds behind every IMAP session of a worker."""

    store: Store
    logins: Logins
    bus: Bus
    appending: Appending
    budget: ByteBudget
    limits: ImapLimits = ImapLimits()
    messages: MessageLimits = MessageLimits()
    connections: dict[InboxId, int] = field(default_factory=dict)
    """Logged-in connections of this worker by inbox (R131)."""
    companies: dict[MailboxId, Company] = field(default_factory=dict)
    """Idling sessions of this worker by mailbox."""

    async def authenticate(
        self, username: str, password: str, peer: Peer
    ) -> tuple[Actor, Scope, LocalAddress]:
        """Who this is.  Raises: AuthenticationFailed, Expired, Forbidden, RateLimited."""
        return await self.logins.login(username, password, protocol="imap", peer=peer.address)

    def connections_allowed(self, local: LocalAddress) -> int:
        """Connections that the inbox may hold at once (R131)."""
        return local.max_imap_connections or self.limits.connections_per_inbox
