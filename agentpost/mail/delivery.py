"""Delivery into an inbox that lives here, for mail that does not come through submission."""

from __future__ import annotations

from contextlib import suppress

from agentpost.ids import InboxId
from agentpost.mail.arriving import arrival, blocked, summarised
from agentpost.mail.policy import Policy
from agentpost.mime.summary import MessageSummary
from agentpost.model.actor import system_actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import Placed
from agentpost.model.message import Arrival, IdempotentRequest
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import ReplayedRequest
from agentpost.store.directory import Directory
from agentpost.store.messages import Messages


class Delivery:
    """Puts mail into INBOX on the server's own behalf.

    ``policy`` keeps out senders whom the inbox's filter rules block; what the server itself
    reports is let in.
    """

    def __init__(self, messages: Messages, directory: Directory, policy: Policy) -> None:
        self._messages = messages
        self._directory = directory
        self._policy = policy

    async def deliver(self, address: str, octets: bytes, source: str) -> Placed | None:
        """Deliver to ``address``; None when no inbox of that name takes mail here."""
        local = await self._directory.resolve(address)
        if local is None or local.deleted:
            return None
        summary = await summarised(octets)
        arriving = await self._filtered(local, arrival(local, address, source), summary)
        deposit = Deposit(octets, summary, (arriving,))
        where = local.scope
        return (await self._messages.deposit(system_actor(source), None, where, deposit))[0]

    async def deliver_once(
        self,
        inbox: InboxId,
        address: str,
        octets: bytes,
        source: str,
        once: IdempotentRequest,
    ) -> None:
        """Deliver to ``inbox``, which was written to as ``address``, unless ``once`` was delivered.

        Nothing happens when the inbox is gone.
        """
        local = await self._directory.by_id(inbox)
        if local is None or local.deleted:
            return
        arrives = arrival(local, address, source)
        deposit = Deposit(octets, await summarised(octets), (arrives,), idempotency=once)
        with suppress(ReplayedRequest):
            await self._messages.deposit(system_actor(source), None, local.scope, deposit)

    async def deliver_reply(self, inbox: InboxId, octets: bytes) -> None:
        """Deliver what the simulated world answers to one of our inboxes."""
        local = await self._directory.by_id(inbox)
        if local is not None and not local.deleted:
            summary = await summarised(octets)
            arriving = arrival(local, local.address, "simulator")
            deposit = Deposit(octets, summary, (await self._filtered(local, arriving, summary),))
            await self._messages.deposit(system_actor("simulator"), None, local.scope, deposit)

    async def _filtered(
        self, local: LocalAddress, arriving: Arrival, summary: MessageSummary
    ) -> Arrival:
        """The arrival, as one that is blocked when a rule of the inbox blocks its author."""
        # Who does not say who he is matches what is said of everyone.
        authors = [author.email for author in summary.from_] or [""]
        return arriving if await self._policy.admits(local, authors) else blocked(arriving)
