"""How many octets of request bodies one worker holds at once."""

from __future__ import annotations

from collections import deque

import trio


class ByteBudget:
    """A fixed number of octets that requests take before they read and give back afterwards.

    First come, first served: a large request is not overtaken by small ones for ever.
    """

    def __init__(self, octets: int) -> None:
        self._total = octets
        self._free = octets
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    @property
    def free(self) -> int:
        """Octets not taken."""
        return self._free

    async def acquire(self, octets: int) -> None:
        """Take ``octets`` (at most all there are), waiting until they are free."""
        octets = min(octets, self._total)
        if not self._waiting and octets <= self._free:
            self._free -= octets
            return
        turn = (octets, trio.Event())
        self._waiting.append(turn)
        try:
            await turn[1].wait()
        except trio.Cancelled:
            if turn[1].is_set():
                self.release(octets)
            else:
                self._waiting.remove(turn)
                self._wake()
            raise

    def release(self, octets: int) -> None:
        """Give back what :meth:`acquire` took."""
        self._free += min(octets, self._total)
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            octets, turn = self._waiting.popleft()
            self._free -= octets
            turn.set()
