"""The worker's budget of octets for message data in flight: one bound for all protocols.

``+`` and ``354`` are held back until the announced size fits, so memory is bounded by the
protocol and not by hope.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import trio


@dataclass(slots=True)
class _Waiter:
    octets: int
    granted: trio.Event = field(default_factory=trio.Event)


class ByteBudget:
    """So many octets and no more; whoever waits is served in turn, large ones too."""

    def __init__(self, octets: int) -> None:
        self._free = octets
        self._whole = octets
        self._waiting: deque[_Waiter] = deque()

    @property
    def used(self) -> int:
        """Octets taken now."""
        return self._whole - self._free

    def try_acquire(self, octets: int) -> bool:
        """Take ``octets`` if that is possible without waiting and without overtaking others."""
        if self._waiting or octets > self._free:
            return False
        self._free -= octets
        return True

    async def acquire(self, octets: int) -> None:
        """Take ``octets``, waiting until they are free; nothing is taken when cancelled.

        Raises: ValueError when they could never be free.
        """
        if octets > self._whole:
            raise ValueError(f"{octets} octets never fit into {self._whole}")
        if self.try_acquire(octets):
            return
        waiter = _Waiter(octets)
        self._waiting.append(waiter)
        try:
            await waiter.granted.wait()
        except trio.Cancelled:
            if waiter.granted.is_set():
                self.release(octets)
            else:
                self._waiting.remove(waiter)
                self._serve()
            raise

    def release(self, octets: int) -> None:
        """Give octets back."""
        self._free += octets
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0].octets <= self._free:
            waiter = self._waiting.popleft()
            self._free -= waiter.octets
            waiter.granted.set()
