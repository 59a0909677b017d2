"""Delivery into an inbox that lives here, for mail that does not come through submission."""

from __future__ import annotations

from contextlib import suppress

from agentpost.ids import InboxId
from agentpost.mail.submission import arrival, summarised
from agentpost.model.actor import system_actor
from agentpost.model.mailbox import Placed
from agentpost.model.message import IdempotentRequest
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import ReplayedRequest
from agentpost.store.directory import Directory
from agentpost.store.messages import Messages


class Delivery:
    """Puts mail into INBOX on the server's own behalf."""

    def __init__(self, messages: Messages, directory: Directory) -> None:
        self._messages = messages
        self._directory = directory

    async def deliver(self, address: str, octets: bytes, source: str) -> Placed | None:
        """Deliver to ``address``; None when no inbox of that name takes mail here."""
        local = await self._directory.resolve(address)
        if local is None or local.deleted:
            return None
        summary = await summarised(octets)
        deposit = Deposit(octets, summary, (arrival(local, address, source),))
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
            deposit = Deposit(
                octets, await summarised(octets), (arrival(local, local.address, "simulator"),)
            )
            await self._messages.deposit(system_actor("simulator"), None, local.scope, deposit)
