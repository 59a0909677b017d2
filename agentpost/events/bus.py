"""Wake-ups: who watches an inbox is told that something was committed there.

A wake-up carries no data, so none can be lost or pile up: it only makes the watcher ask the store
what is new.  Inside a worker it is immediate; other workers hear of it by NOTIFY, sent after the
commit and gathered for a few milliseconds (inside the transaction it would serialise all commits).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import trio

from agentpost.ids import InboxId

CHANNEL: Final = "agentpost"
"""The NOTIFY channel; a payload is inbox ids joined by commas, or empty for "anything"."""

MAX_PAYLOAD_IDS: Final = 200
"""Ids in one NOTIFY payload: PostgreSQL takes 8,000 octets."""


class Sleeper(Protocol):
    """Whoever shall hear that something changed."""

    def wake(self) -> None:
        """Something changed; called often, so it only takes note."""
        ...


class Watch:
    """One watcher's ear: set when an inbox it watches changed."""

    __slots__ = ("_bus", "_event", "_inbox")

    def __init__(self, bus: Bus, inbox: InboxId | None) -> None:
        self._bus = bus
        self._inbox = inbox
        self._event = trio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something changed since the last wait; False when the time is over."""
        with trio.move_on_after(timeout_s):
            await self._event.wait()
        heard = self._event.is_set()
        self._event = trio.Event()
        return heard

    def wake(self) -> None:
        """Make ``wait`` return, now or when it is next called."""
        self._event.set()

    def close(self) -> None:
        """Stop watching."""
        self._bus.remove(self, self._inbox)


class Bus:
    """Watchers by inbox, and what other workers must still be told."""

    def __init__(self) -> None:
        self._watches: dict[InboxId | None, set[Sleeper]] = {}
        self._listeners: list[Callable[[InboxId | None], None]] = []
        self._unsent: set[InboxId] = set()
        self._something_unsent = trio.Event()

    def watch(self, inbox: InboxId | None) -> Watch:
        """A watch on one inbox, or on every one (``None``); close it when done."""
        watch = Watch(self, inbox)
        self.add(watch, inbox)
        return watch

    def add(self, watch: Sleeper, inbox: InboxId | None) -> None:
        """Wake ``watch`` whenever something changes in ``inbox``; ``remove`` it when done."""
        self._watches.setdefault(inbox, set()).add(watch)

    def remove(self, watch: Sleeper, inbox: InboxId | None) -> None:
        """Forget a watch; called by ``Watch.close``."""
        watches = self._watches.get(inbox)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watches[inbox]

    def on_wake(self, listener: Callable[[InboxId | None], None]) -> None:
        """Call ``listener`` before any watcher wakes; with None when anything may have changed."""
        self._listeners.append(listener)

    def committed_alone(self, inbox: InboxId) -> None:
        """This worker, and there is no other, committed a change in ``inbox``."""
        self._wake(inbox)

    def committed(self, inbox: InboxId) -> None:
        """This worker committed a change in ``inbox``, which others must be told."""
        self._wake(inbox)
        self._unsent.add(inbox)
        self._something_unsent.set()

    def heard(self, payload: str) -> None:
        """Another worker said that it committed something (a NOTIFY payload)."""
        if not payload:
            for listener in self._listeners:
                listener(None)
            for watches in self._watches.values():
                for watch in watches:
                    watch.wake()
            return
        for inbox in payload.split(","):
            self._wake(InboxId(inbox))

    async def unsent(self) -> tuple[str, ...]:
        """Payloads to NOTIFY, waiting until there are any; for the task that sends them."""
        await self._something_unsent.wait()
        self._something_unsent = trio.Event()
        ids = sorted(self._unsent)
        self._unsent.clear()
        return tuple(
            ",".join(ids[start : start + MAX_PAYLOAD_IDS])
            for start in range(0, len(ids), MAX_PAYLOAD_IDS)
        )

    def _wake(self, inbox: InboxId) -> None:
        for listener in self._listeners:
            listener(inbox)
        for watch in self._watches.get(inbox, ()):
            watch.wake()
        for watch in self._watches.get(None, ()):
            watch.wake()
