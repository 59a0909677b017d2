"""The job that relays one message: take it up, offer it, write what came of it.

What is about to be sent is committed before it is sent, and the outcome of an attempt is one
transaction with the end of the job, so an accepted message is never lost.  When a worker dies in
between, the message is offered again with the same Message-ID: towards a smart host delivery is
at least once.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from agentpost import clock
from agentpost.ids import MessageId
from agentpost.jobs.gathering import Gathering
from agentpost.limits import RelayLimits
from agentpost.mail.relay import (
    Transport,
    Ways,
    accepted_now,
    again_at,
    events_of,
    expired,
    prepared,
)
from agentpost.mail.reports import report_of
from agentpost.metrics import DELIVERIES
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Settled, Verdict
from agentpost.model.relay import Outgoing, RecipientOutcome, Settlement
from agentpost.store.relays import Relays

log = logging.getLogger(__name__)


class RelayWork:
    """See the module's text."""

    kind = "relay"
    standing = False

    def __init__(
        self,
        relays: Relays,
        ways: Ways,
        domain: str,
        limits: RelayLimits | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """``domain`` is the server's own; ``spread`` gives numbers from 0 to 1 for pauses."""
        self._relays = relays
        self._ways = ways
        self._domain = domain
        self._limits = limits or RelayLimits()
        self._spread = spread
        self._actor = system_actor("relay")
        self._begin = Gathering(self._begin_all, self._limits.batch_settlements)
        self._settle = Gathering(self._settle_all, self._limits.batch_settlements)

    @property
    def concurrency(self) -> int:
        return self._limits.concurrency

    @property
    def deadline_s(self) -> float:
        return self._limits.attempt_s

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return self._ways.beside()

    async def run(self, job: Job) -> Verdict:
        """One attempt for all recipients that are still to be served."""
        message = job.payload.get("message_id")
        if not isinstance(message, str):
            return GivenUp("the job names no message")
        outgoing = await self._begin(MessageId(message))
        if outgoing is None:
            return Done()
        transport = self._ways.of(outgoing)
        outgoing = prepared(outgoing, self._domain)
        outcomes = await self._offer(transport, outgoing)
        now = clock.now()
        again = again_at(outgoing, outcomes, now, self._limits, self._spread())
        if again is None:
            outcomes = expired(outcomes)
        await self._settle(
            Settlement(
                message=outgoing.message,
                job=job.id,
                attempt=job.attempts,
                outcomes=outcomes,
                events=events_of(outgoing, outcomes, transport.name, now),
                accepted=accepted_now(outcomes),
                again_at=again,
                report=report_of(outgoing, outcomes, now, self._limits),
            )
        )
        for outcome in outcomes:
            DELIVERIES.labels(outcome.state).inc()
        await self._tell(transport, outgoing, outcomes)
        return Settled(None if again is None else (again - now).total_seconds())

    async def _offer(
        self, transport: Transport, outgoing: Outgoing
    ) -> tuple[RecipientOutcome, ...]:
        if not outgoing.recipients:
            return ()
        try:
            outcomes = await transport.send(outgoing)
        except Exception:
            log.exception("relaying %s by %s failed", outgoing.message, transport.name)
            outcomes = ()
        outcomes = tuple(self._bounded(one) for one in outcomes)
        # A recipient the transport said nothing about is tried again.
        told = {one.recipient for one in outcomes}
        return outcomes + tuple(
            RecipientOutcome(one.address, "deferred", "4.3.0", "The relay failed; it tries again.")
            for one in outgoing.recipients
            if one.address not in told
        )

    def _bounded(self, outcome: RecipientOutcome) -> RecipientOutcome:
        most = self._limits.settle_octets
        diagnostic = outcome.diagnostic
        if diagnostic is not None:
            diagnostic = diagnostic.replace("\0", "")[:most]
        return replace(outcome, diagnostic=diagnostic)

    async def _tell(
        self, transport: Transport, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]
    ) -> None:
        try:
            await transport.settled(outgoing, outcomes)
        except Exception:
            # The message has gone; what its receiver would have answered must not undo that.
            log.exception("what follows %s by %s failed", outgoing.message, transport.name)

    async def _begin_all(self, messages: Sequence[MessageId]) -> Sequence[Outgoing | None]:
        found = await self._relays.begin(self._actor, messages)
        return [found.get(message) for message in messages]

    async def _settle_all(self, settlements: Sequence[Settlement]) -> Sequence[None]:
        await self._relays.settle(self._actor, settlements)
        return [None] * len(settlements)
