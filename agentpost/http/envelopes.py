"""Events as JSON, made once for all who are told of them at the same moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

import trio

from agentpost.limits import EventLimits

Key = tuple[str, bool]
"""The id of an event, and whether it is told in full."""


class _Held:
    __slots__ = ("made_at", "octets", "ready")

    def __init__(self) -> None:
        self.ready = trio.Event()
        self.octets: bytes | None = None
        self.made_at = 0.0


class Envelopes:
    """A bounded memory of what was made a moment ago."""

    def __init__(self, limits: EventLimits) -> None:
        self._limits = limits
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._octets = 0

    async def get(self, key: Key, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What ``make`` gives, or gave a moment ago to somebody else.

        Whoever comes while it is being made waits; when making fails, or its maker is cancelled,
        the next one makes it.
        """
        while True:
            held = self._held.get(key)
            if held is not None and held.octets is not None:
                if trio.current_time() - held.made_at <= self._limits.envelope_keep_s:
                    return held.octets
                self._drop(key)
                held = None
            if held is None:
                return await self._make(key, make)
            await held.ready.wait()

    async def _make(self, key: Key, make: Callable[[], Awaitable[bytes]]) -> bytes:
        held = self._held[key] = _Held()
        try:
            octets = held.octets = await make()
        except BaseException:
            self._drop(key)
            raise
        finally:
            held.ready.set()
        held.made_at = trio.current_time()
        self._octets += len(octets)
        while self._octets > self._limits.envelope_octets:
            oldest = next((name for name, one in self._held.items() if one.octets is not None))
            self._drop(oldest)
        return octets

    def _drop(self, key: Key) -> None:
        held = self._held.pop(key)
        self._octets -= len(held.octets or b"")
