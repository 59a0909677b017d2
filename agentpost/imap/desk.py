"""What IMAP sessions need of the floors below, handed to them as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from agentpost.auth.attempts import Attempts
from agentpost.budget import ByteBudget
from agentpost.errors import AuthenticationFailed, RateLimited
from agentpost.events.bus import Bus
from agentpost.ids import InboxId, MailboxId
from agentpost.limits import ImapLimits, MessageLimits
from agentpost.mail.appending import Appending
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
    bus: Bus
    appending: Appending
    budget: ByteBudget
    limits: ImapLimits = ImapLimits()
    messages: MessageLimits = MessageLimits()
    connections: dict[InboxId, int] = field(default_factory=dict)
    """Logged-in connections of this worker by inbox (R131)."""
    companies: dict[MailboxId, Company] = field(default_factory=dict)
    """Idling sessions of this worker by mailbox."""
    attempts: Attempts = field(default_factory=Attempts)
    """Failed logins of this worker by network."""

    async def authenticate(
        self, username: str, password: str, peer: Peer
    ) -> tuple[Actor, Scope, LocalAddress]:
        """Who this is.  Raises: AuthenticationFailed, Expired, Forbidden, RateLimited."""
        most = self.limits.failed_logins_per_minute
        wait_s = self.attempts.refused_s(peer.network, most, trio.current_time())
        if wait_s:
            raise RateLimited(
                "Too many logins from your network failed; try again in a minute.",
                retry_after=wait_s,
            )
        try:
            return await self.store.authentication.by_login(
                username, password, protocol="imap", peer=peer.address
            )
        except AuthenticationFailed:
            self.attempts.failed(peer.network)
            raise

    def connections_allowed(self, local: LocalAddress) -> int:
        """Connections that the inbox may hold at once (R131)."""
        return local.max_imap_connections or self.limits.connections_per_inbox
