"""Tells webhooks what they have not been told: the part of it that runs in every worker.

One task gives new events out to the webhooks that want them, as they become visible.  Another
takes the queues of webhooks in which something is due, each for a task of its own, so that a
receiver that hangs delays itself alone.  How much is under way to one receiver grows with every
success and shrinks with every failure; one that has failed often is tried once and then rests.
Places are kept for receivers that work, so that any number of broken ones cannot take all.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from agentpost.errors import Overloaded
from agentpost.ids import WebhookDeliveryId, WebhookId, new_id
from agentpost.jobs.attempting import Attempting
from agentpost.jobs.gathering import Gathering
from agentpost.limits import WebhookLimits
from agentpost.model.actor import system_actor
from agentpost.model.webhook import Due, Outcome, Webhook
from agentpost.store.webhook_queue import WebhookQueue

log = logging.getLogger(__name__)

_SETTLING_S: Final = (0.02, 0.1, 0.5)
"""Looks after a wake-up: an event becomes visible when older transactions have ended."""
_RELEASE_S: Final = 5.0
_TROUBLE_S: Final = 1.0
_TURN_OVER_S: Final = 0.001
"""The rest of a queue whose turn is over: others that are due go first."""


class Ear(Protocol):
    """Hears that something was committed."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something was; False when the time is over."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


@dataclass(slots=True)
class _Turn:
    """One webhook's queue while this worker has it."""

    webhook: WebhookId
    until: float
    width: int
    running: set[WebhookDeliveryId] = field(default_factory=set)
    chains: set[str] = field(default_factory=set)
    waiting: list[Due] = field(default_factory=list)
    hook: Webhook | None = None
    failures: int = 0
    more: bool = True
    rest_s: float | None = None
    changed: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def poke(self) -> None:
        """There may be more."""
        self.more = True
        self.changed.set()


class Posting:
    """See the module's text."""

    def __init__(
        self,
        queue: WebhookQueue,
        attempting: Attempting,
        listen: Callable[[], Ear],
        limits: WebhookLimits | None = None,
    ) -> None:
        """``listen`` gives an ear for every commit."""
        self._queue = queue
        self._attempting = attempting
        self._listen = listen
        self._limits = limits or WebhookLimits()
        self._actor = system_actor("webhooks")
        self._holder = new_id("whk")
        self._turns: dict[WebhookId, _Turn] = {}
        self._look = trio.Event()
        self._made = trio.Event()
        self._settle = Gathering(self._settle_all, self._limits.outcomes)

    def wake(self) -> None:
        """A webhook was made or changed, or something was queued for one."""
        self._made.set()
        self._look.set()
        for turn in self._turns.values():
            turn.poke()

    def tasks(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """What is to be run, until it is cancelled."""
        return (self.give_out, self.take, self._renew)

    async def give_out(self) -> None:
        """Give new events to webhooks, for ever."""
        ear = self._listen()
        try:
            looks = 0
            while True:
                self._made = trio.Event()
                found = await self._queue.fan_out(self._actor)
                self._told(found.webhooks)
                if found.more:
                    continue
                looks = 0 if found.webhooks else looks + 1
                if found.idle:
                    # Nobody listens to what happens here: commits cost nothing.
                    with trio.move_on_after(self._limits.poll_s):
                        await self._made.wait()
                    continue
                settling = looks < len(_SETTLING_S)
                if await ear.wait(_SETTLING_S[looks] if settling else self._limits.poll_s):
                    looks = 0
                    await trio.sleep(self._limits.gather_s)
        finally:
            ear.close()

    def _told(self, webhooks: Sequence[WebhookId]) -> None:
        if webhooks:
            self._look.set()
        for webhook in webhooks:
            turn = self._turns.get(webhook)
            if turn is not None:
                turn.poke()

    async def take(self) -> None:
        """Take queues in which something is due, for ever."""
        limits = self._limits
        async with trio.open_nursery() as nursery:
            while True:
                self._look = trio.Event()
                free = limits.endpoints - len(self._turns)
                if free > 0:
                    await self._claim(nursery, free)
                with trio.move_on_after(limits.poll_s):
                    await self._look.wait()

    async def _claim(self, nursery: trio.Nursery, free: int) -> None:
        failing = max(0, free - self._limits.healthy_endpoints)
        # What was claimed must not get lost between the commit and its task.
        with trio.CancelScope(shield=True):
            try:
                claimed = await self._queue.claim(self._actor, self._holder, free, failing)
            except Exception as error:
                # Those that are served must not end with it.
                _note(None, error)
                return
            for webhook in claimed:
                turn = _Turn(
                    webhook,
                    trio.current_time() + self._limits.lease_s,
                    self._limits.first_in_flight,
                )
                self._turns[webhook] = turn
                nursery.start_soon(self._serve, turn)

    async def _serve(self, turn: _Turn) -> None:
        """One queue's turn; whatever happens to it happens to no other."""
        try:
            with turn.scope:
                await self._tell(turn)
        except Exception as error:
            turn.rest_s = _TROUBLE_S
            _note(turn.webhook, error)
        finally:
            with trio.move_on_after(_RELEASE_S, shield=True):
                try:
                    await self._queue.release(
                        self._actor, self._holder, turn.webhook, turn.rest_s or 0.0
                    )
                except Exception as error:
                    _note(turn.webhook, error)
            self._turns.pop(turn.webhook, None)
            # A place is free now.
            self._look.set()

    async def _tell(self, turn: _Turn) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                turn.changed = trio.Event()
                if trio.current_time() >= turn.until and turn.rest_s is None:
                    turn.rest_s = _TURN_OVER_S
                if turn.rest_s is None:
                    await self._refill(turn)
                    self._start(nursery, turn)
                if not turn.running:
                    return
                await turn.changed.wait()

    async def _refill(self, turn: _Turn) -> None:
        if turn.waiting or (turn.running and not turn.more):
            return
        turn.more = False
        batch = await self._queue.due(self._actor, turn.webhook, [*turn.running])
        if batch.webhook is None:
            turn.rest_s = 0.0
            return
        if turn.hook is None:
            turn.failures = batch.webhook.failures
        turn.hook = batch.webhook
        turn.waiting.extend(batch.deliveries)
        # Of an ordered one only the beginnings of chains are read.
        ordered = turn.hook.ordering == "inbox"
        turn.more = bool(turn.waiting) and (ordered or len(turn.waiting) >= self._limits.batch)

    def _start(self, nursery: trio.Nursery, turn: _Turn) -> None:
        if turn.hook is None:
            return
        width = 1 if turn.failures else turn.width
        while turn.waiting and len(turn.running) < width:
            free = (n for n, one in enumerate(turn.waiting) if one.chain not in turn.chains)
            place = next(free, None)
            if place is None:
                return
            due = turn.waiting.pop(place)
            turn.running.add(due.id)
            if due.chain:
                turn.chains.add(due.chain)
            nursery.start_soon(self._one, turn, turn.hook, due)

    async def _one(self, turn: _Turn, hook: Webhook, due: Due) -> None:
        outcome = await self._attempting.attempt(hook, due)
        await self._settle(outcome)
        turn.running.discard(due.id)
        turn.chains.discard(due.chain)
        self._learn(turn, due, outcome)
        turn.changed.set()

    def _learn(self, turn: _Turn, due: Due, outcome: Outcome) -> None:
        limits = self._limits
        if outcome.ok:
            turn.failures = 0
            turn.width = min(turn.width + 1, limits.in_flight)
            return
        if due.chain and outcome.again_s is not None:
            # What came later waits for it.
            turn.waiting = [one for one in turn.waiting if one.chain != due.chain]
        if not outcome.counts:
            return
        turn.failures += 1
        turn.width = limits.first_in_flight
        if outcome.gone:
            turn.rest_s = 0.0
        elif turn.failures >= limits.weary_after:
            turn.rest_s = limits.rest_s

    async def _settle_all(self, outcomes: Sequence[Outcome]) -> Sequence[None]:
        for webhook in await self._queue.settle(self._actor, outcomes):
            log.warning("webhook %s is disabled: it refused for too long", webhook)
        return [None] * len(outcomes)

    async def _renew(self) -> None:
        while True:
            await trio.sleep(self._limits.lease_s / 3)
            held = list(self._turns.values())
            if not held:
                continue
            kept = await self._queue.renew(
                self._actor, self._holder, [turn.webhook for turn in held]
            )
            for turn in held:
                if turn.webhook not in kept and self._turns.get(turn.webhook) is turn:
                    turn.scope.cancel()


def _note(webhook: WebhookId | None, error: Exception) -> None:
    name = "webhooks" if webhook is None else f"webhook {webhook}"
    if isinstance(error, Overloaded):
        log.warning("the queue of %s: %s", name, error)
    else:
        log.error("the queue of %s failed", name, exc_info=error)
