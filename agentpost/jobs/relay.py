"""The job that relays one message: take it up, offer it, write what came of it.

What is about to be sent is committed before it is sent, and the outcome of an attempt is one
transaction with the end of the job, so an accepted message is never lost.  When a worker dies in
between, what follows depends on the transport.  Towards a smart host delivery is at least once:
the message is offered again with the same Message-ID.  Amazon SES is given a message once: an
attempt whose answer is missing is in doubt, and is left alone until SES's own events tell what has
become of it, or prove by their absence that nothing has.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import trio

from agentpost import clock
from agentpost.errors import Overloaded
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
    given_up,
    look_at,
    prepared,
)
from agentpost.mail.reports import report_of
from agentpost.metrics import DELIVERIES
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Settled, Verdict
from agentpost.model.relay import (
    Doubts,
    OutcomeState,
    Outgoing,
    RecipientOutcome,
    Routing,
    Settlement,
)
from agentpost.store.relays import Relays

log = logging.getLogger(__name__)

Sign = Callable[[Outgoing], Awaitable[bytes]]
"""Gives the octets of a message that is ready to leave, with a signature."""

_FAILED = "The relay failed; it tries again."
_UNCONFIGURED = "The environment's relay, {}, is not set up on this server; it tries again."


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
        *,
        doubts: Doubts | None = None,
        sign: Sign | None = None,
    ) -> None:
        """``domain`` is the server's own; ``spread`` gives numbers from 0 to 1 for pauses.

        ``sign`` is asked for the octets of every message that leaves the machine.
        """
        self._relays = relays
        self._ways = ways
        self._domain = domain
        self._limits = limits or RelayLimits()
        self._spread = spread
        self._sign = sign
        self._doubts = doubts or Doubts()
        self._routing = Routing(ways.configured.name, ways.once(), self._doubts)
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
        tasks = [*self._ways.beside()]
        if self._routing.once:
            tasks.append(self._listen)
        return tasks

    async def run(self, job: Job) -> Verdict:
        """One attempt for all recipients that are still to be served."""
        message = job.payload.get("message_id")
        if not isinstance(message, str):
            return GivenUp("the job names no message")
        until = trio.current_time() + self._doubts.wait_s / 8
        outgoing = await self._begin(MessageId(message))
        if outgoing is None:
            return Done()
        transport = self._ways.of(outgoing)
        outcomes = await self._offer(transport, outgoing, until)
        now = clock.now()
        again = again_at(outgoing, outcomes, now, self._limits, self._spread())
        if again is None:
            outcomes = expired(outcomes)
        doubtful, lost = given_up(outgoing, now, self._doubts)
        look = look_at(doubtful, outcomes, now, self._doubts)
        again = min((moment for moment in (again, look) if moment is not None), default=None)
        outcomes += lost
        await self._settle(
            Settlement(
                message=outgoing.message,
                job=job.id,
                attempt=job.attempts,
                outcomes=outcomes,
                events=events_of(outgoing, outcomes, outgoing.relay, now),
                accepted=accepted_now(outcomes),
                again_at=again,
                report=report_of(outgoing, outcomes, now, self._limits),
            )
        )
        for outcome in outcomes:
            DELIVERIES.labels("in_doubt" if outcome.state == "sending" else outcome.state).inc()
        if transport is not None:
            await self._tell(transport, outgoing, outcomes)
        return Settled(None if again is None else (again - now).total_seconds())

    async def _offer(
        self, transport: Transport | None, outgoing: Outgoing, until: float
    ) -> tuple[RecipientOutcome, ...]:
        """The outcome for every recipient; ``until`` is when a transport that sends once must have
        been given the message, so that it is done before another attempt may begin."""
        if not outgoing.recipients:
            return ()
        if transport is None:
            log.error("%s goes by %s, which is not set up", outgoing.message, outgoing.relay)
            return self._rest(outgoing, (), "deferred", _UNCONFIGURED.format(outgoing.relay))
        try:
            ready = await self._ready(outgoing)
        except Exception:
            log.exception("%s could not be made ready to leave", outgoing.message)
            return self._rest(outgoing, (), "deferred", _FAILED)
        if transport.once and trio.current_time() > until:
            log.warning("%s was not made ready in time", outgoing.message)
            return self._rest(outgoing, (), "deferred", _FAILED)
        outcomes: tuple[RecipientOutcome, ...] = ()
        try:
            outcomes = await transport.send(ready)
        except Exception:
            log.exception("relaying %s by %s failed", outgoing.message, transport.name)
        # A recipient the transport said nothing about is tried again, or in doubt.
        return self._rest(outgoing, outcomes, "sending" if transport.once else "deferred", _FAILED)

    async def _ready(self, outgoing: Outgoing) -> Outgoing:
        ready = prepared(outgoing, self._domain)
        if self._sign is None or outgoing.relay == self._ways.simulator.name:
            return ready
        return replace(ready, octets=await self._sign(ready))

    def _rest(
        self,
        outgoing: Outgoing,
        outcomes: Sequence[RecipientOutcome],
        state: OutcomeState,
        text: str,
    ) -> tuple[RecipientOutcome, ...]:
        """``outcomes``, and ``state`` for every recipient that has none."""
        told = {one.recipient for one in outcomes}
        rest = (
            RecipientOutcome(one.address, state, "4.3.0", text)
            for one in outgoing.recipients
            if one.address not in told
        )
        return tuple(self._bounded(one, outgoing.attempt) for one in (*outcomes, *rest))

    def _bounded(self, outcome: RecipientOutcome, attempt: int) -> RecipientOutcome:
        most = self._limits.settle_octets
        diagnostic = outcome.diagnostic
        if diagnostic is not None:
            diagnostic = diagnostic.replace("\0", "")[:most]
        return replace(outcome, diagnostic=diagnostic, attempt=attempt)

    async def _listen(self) -> None:
        """Say as long as this server runs that it would hear of events."""
        while True:
            try:
                await self._relays.listening(self._actor)
            except Overloaded as error:
                log.warning("it cannot be noted that this server listens: %s", error)
            await trio.sleep(self._limits.listening_s)

    async def _tell(
        self, transport: Transport, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]
    ) -> None:
        try:
            await transport.settled(outgoing, outcomes)
        except Exception:
            # The message has gone; what its receiver would have answered must not undo that.
            log.exception("what follows %s by %s failed", outgoing.message, transport.name)

    async def _begin_all(self, messages: Sequence[MessageId]) -> Sequence[Outgoing | None]:
        found = await self._relays.begin(self._actor, messages, self._routing)
        return [found.get(message) for message in messages]

    async def _settle_all(self, settlements: Sequence[Settlement]) -> Sequence[None]:
        await self._relays.settle(self._actor, settlements)
        return [None] * len(settlements)
