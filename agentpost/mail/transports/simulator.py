"""The whole internet, inside this server: nothing that takes this way leaves the machine.

Every recipient takes the mail, unless its domain begins with ``simulator.``: there the local part
says what happens (a ``+tag`` does not matter).

======================  ==========================================================
``bounce``              refused for ever, 5.1.1
``soft-bounce``         refused for now, 4.2.2; taken at the second attempt
``reject``              not taken at all, as a provider's policy has it, 5.7.1
``complaint``           delivered, then reported as spam
``ooo``                 delivered; an automatic reply comes back (RFC 3834)
``echo``                delivered; a reply with the same text comes back
anything else           delivered
======================  ==========================================================

What was sent is recorded as any other mail is: in the deliveries of the message.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agentpost.ids import InboxId
from agentpost.mail.transports.replying import automatic_reply, echo, may_be_answered
from agentpost.model.relay import Outgoing, RecipientOutcome, RelayRecipient

log = logging.getLogger(__name__)

_SOFT_BOUNCE_RETRY_S = 2.0


class Deliver(Protocol):
    """Puts mail into an inbox that lives here."""

    async def __call__(self, inbox: InboxId, octets: bytes, /) -> None:
        """Deliver ``octets`` to ``inbox``; nothing happens when it is gone."""
        ...


class Simulator:
    """See the module's text."""

    name = "simulator"
    once = False

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
        """What the simulated recipients say; never fails."""
        return tuple(outcome for one in outgoing.recipients for outcome in _outcomes(outgoing, one))

    async def settled(self, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]) -> None:
        """Let those recipients answer that do; a lost answer is not repeated."""
        if not may_be_answered(outgoing):
            return
        delivered = dict.fromkeys(one.recipient for one in outcomes if one.state == "delivered")
        for address in delivered:
            role = _role(address)
            if role == "ooo":
                octets = automatic_reply(outgoing, address)
            elif role == "echo":
                octets = echo(outgoing, address)
            else:
                continue
            await self._deliver(outgoing.inbox, octets)

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()


def _outcomes(outgoing: Outgoing, recipient: RelayRecipient) -> tuple[RecipientOutcome, ...]:
    address = recipient.address
    delivered = RecipientOutcome(
        address, "delivered", "2.1.5", "smtp; 250 2.1.5 simulated delivery", outgoing.message
    )
    match _role(address):
        case "bounce":
            return (
                RecipientOutcome(
                    address, "bounced", "5.1.1", "smtp; 550 5.1.1 simulated: no such user"
                ),
            )
        case "reject":
            return (
                RecipientOutcome(
                    address, "rejected", "5.7.1", "smtp; 550 5.7.1 simulated: refused by policy"
                ),
            )
        case "soft-bounce" if recipient.attempts == 1:
            return (
                RecipientOutcome(
                    address,
                    "deferred",
                    "4.2.2",
                    "smtp; 452 4.2.2 simulated: mailbox full",
                    retry_after_s=_SOFT_BOUNCE_RETRY_S,
                ),
            )
        case "complaint":
            complained = RecipientOutcome(
                address, "complained", "2.1.5", "simulated: reported as spam", outgoing.message
            )
            return (delivered, complained)
        case _:
            return (delivered,)


def _role(address: str) -> str | None:
    """What the local part asks for; None outside the simulated domains."""
    local, _, domain = address.rpartition("@")
    if not domain.lower().startswith("simulator."):
        return None
    return local.partition("+")[0].lower()
