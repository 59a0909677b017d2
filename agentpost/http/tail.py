"""The end of the event log, read once a worker for all who listen.

How it works: while somebody listens, one task reads what is new in the organizations of the
listeners, woken by commits, and wakes those whom an event concerns.  It is exact about order:
an event that is committed behind a transaction still running waits until that has ended, and
only then is anybody woken.  The last events stay in memory for a moment, so that a thousand
listeners who are woken by one event do not ask the database a thousand times.

An organization's strand begins when its first listener comes.  From where it begins is known
only after the first look; until then, and to whom asks for earlier events, the log itself
answers.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import Final

import trio

from agentpost.errors import Overloaded
from agentpost.events.bus import Bus
from agentpost.events.bus import Watch as BusWatch
from agentpost.http.feed import Wanted
from agentpost.ids import OrganizationId
from agentpost.limits import EventLimits
from agentpost.model.actor import Actor, system_actor
from agentpost.model.event import Event, EventBatch, Tape
from agentpost.store.events import Events

log = logging.getLogger("agentpost.http")

_TROUBLE_PAUSE_S: Final = 1.0


class Ear:
    """One listener's alarm: it rings when something came that its filter lets through."""

    __slots__ = ("_rung", "_strand", "_tail", "inboxes", "types")

    def __init__(self, tail: Tail, strand: _Strand, wanted: Wanted) -> None:
        self._tail = tail
        self._strand = strand
        self._rung = trio.Event()
        self.types = None if "*" in wanted.types else frozenset(wanted.types)
        self.inboxes = wanted.inboxes

    async def wait(self, timeout_s: float) -> bool:
        """Wait until it has rung since the last wait; False when the time is over."""
        with trio.move_on_after(timeout_s):
            await self._rung.wait()
        heard = self._rung.is_set()
        if heard:
            self._rung = trio.Event()
        return heard

    def ring(self) -> None:
        """Make ``wait`` return, now or when it is next called."""
        self._rung.set()

    def close(self) -> None:
        """Stop listening."""
        self._tail.forget(self, self._strand)


class _Strand:
    """The latest events of one organization, and who listens to them."""

    __slots__ = ("_ears", "_events", "_floor", "_keep", "organization", "position")

    def __init__(self, organization: OrganizationId, keep: int) -> None:
        self.organization = organization
        self.position: int | None = None
        """Up to where everything has been read; None before the first look."""
        self._keep = keep
        self._events: deque[tuple[float, Event]] = deque()
        self._floor = 0
        """What is later than this, and not later than ``position``, is in ``_events``."""
        self._ears: dict[str | None, set[Ear]] = {}

    def __bool__(self) -> bool:
        return bool(self._ears)

    def add(self, ear: Ear) -> None:
        for inbox in ear.inboxes or (None,):
            self._ears.setdefault(inbox, set()).add(ear)

    def remove(self, ear: Ear) -> None:
        for inbox in ear.inboxes or (None,):
            ears = self._ears.get(inbox)
            if ears is not None:
                ears.discard(ear)
                if not ears:
                    del self._ears[inbox]

    def ears(self) -> Iterator[Ear]:
        for ears in self._ears.values():
            yield from ears

    def begin(self, position: int) -> None:
        """The first look: whoever looked before it must look again."""
        self.position = self._floor = position
        for ear in self.ears():
            ear.ring()

    def take(self, event: Event, now: float) -> None:
        """The next event; whom it concerns is woken."""
        self._events.append((now, event))
        if len(self._events) > self._keep:
            self._floor = self._events.popleft()[1].seq
        for inbox in {event.inbox, None}:
            for ear in self._ears.get(inbox, ()):
                if ear.types is None or event.type in ear.types:
                    ear.ring()

    def drop_before(self, moment: float) -> None:
        """Forget what was taken before ``moment``."""
        while self._events and self._events[0][0] < moment:
            self._floor = self._events.popleft()[1].seq

    def after(self, seq: int) -> list[Event] | None:
        """Everything after ``seq`` in order; None when not all of that is here."""
        if self.position is None or seq < self._floor:
            return None
        found: list[Event] = []
        for _, event in reversed(self._events):
            if event.seq <= seq:
                break
            found.append(event)
        found.reverse()
        return found


class Tail:
    """See the module's text."""

    def __init__(self, events: Events, bus: Bus, limits: EventLimits) -> None:
        self._events = events
        self._bus = bus
        self._limits = limits
        self._alarm = BusWatch(bus, None)
        self._actor = system_actor("events")
        self._strands: dict[OrganizationId, _Strand] = {}

    def listen(self, actor: Actor, wanted: Wanted) -> Ear:
        """An ear for what a checked filter wants; its owner closes it."""
        if not self._strands:
            self._bus.add(self._alarm, None)
        strand = self._strands.get(actor.organization)
        if strand is None:
            strand = _Strand(actor.organization, self._limits.tail_events)
            self._strands[actor.organization] = strand
            self._alarm.wake()
        ear = Ear(self, strand, wanted)
        strand.add(ear)
        return ear

    def forget(self, ear: Ear, strand: _Strand) -> None:
        """Called by ``Ear.close``; a strand without listeners is not read on."""
        strand.remove(ear)
        if not strand and self._strands.get(strand.organization) is strand:
            del self._strands[strand.organization]
            if not self._strands:
                self._alarm.close()

    def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch | None:
        """As ``Events.after``; None when the log itself has to be asked.

        Raises: Forbidden.
        """
        self._events.allow(actor)
        strand = self._strands.get(actor.organization)
        later = None if strand is None or wanted.labels else strand.after(seq)
        if strand is None or later is None or strand.position is None:
            return None
        found: list[Event] = []
        for event in later:
            if _wants(wanted, event) and self._events.sees(actor, event):
                found.append(event)
                if len(found) == limit:
                    return EventBatch(tuple(found), event.seq)
        return EventBatch(tuple(found), max(seq, strand.position))

    async def run(self, stopping: trio.Event) -> None:
        """Read while somebody listens; for ever.  When ``stopping`` is set every ear rings."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ring_all, stopping)
            while True:
                await self._alarm.wait(self._limits.tail_look_s if self._strands else float("inf"))
                try:
                    await self._catch_up()
                except Overloaded as problem:
                    log.warning("the event log cannot be read now: %s", problem.message)
                    await trio.sleep(_TROUBLE_PAUSE_S)
                    self._alarm.wake()

    async def _ring_all(self, stopping: trio.Event) -> None:
        await stopping.wait()
        for strand in self._strands.values():
            for ear in strand.ears():
                ear.ring()

    async def _catch_up(self) -> None:
        """Read until nothing is left that was committed, settled or not.  Raises: Overloaded."""
        pause = self._limits.tail_settle_s
        while self._strands:
            strands = dict(self._strands)
            positions = {name: strand.position for name, strand in strands.items()}
            tape = await self._events.tape(self._actor, positions, self._limits.tail_events)
            self._take(strands, tape)
            if tape.more:
                continue
            if not tape.unsettled:
                return
            await trio.sleep(pause)
            pause = min(pause * 2, self._limits.tail_max_settle_s)

    def _take(self, strands: dict[OrganizationId, _Strand], tape: Tape) -> None:
        now = trio.current_time()
        for event in tape.events:
            strand = strands[event.organization]
            strand.position = event.seq
            strand.take(event, now)
        for name, strand in strands.items():
            if strand.position is None:
                strand.begin(tape.settled - 1)
            elif name not in tape.more:
                strand.position = max(strand.position, tape.settled - 1)
            strand.drop_before(now - self._limits.tail_keep_s)


def _wants(wanted: Wanted, event: Event) -> bool:
    return (
        ("*" in wanted.types or event.type in wanted.types)
        and (not wanted.inboxes or event.inbox in wanted.inboxes)
        and (not wanted.environments or event.environment in wanted.environments)
    )
