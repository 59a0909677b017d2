"""Limits on requests that hold for all workers together, of every instance.

A worker tells the others now and then what it has granted, by NOTIFY; nothing is written.  One
that is not heard costs no more than that the limit is kept a little less exactly for a minute.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

import msgspec
import trio
from msgspec import Meta

from agentpost.http.ratelimit import Governor
from agentpost.ids import ulid
from agentpost.limits import HttpLimits

log = logging.getLogger("agentpost.http")

CHANNEL: Final = "agentpost_grants"
"""The NOTIFY channel; a payload is one :class:`Grants` as JSON."""

_IN_A_PAYLOAD: Final = 50
"""PostgreSQL takes 8,000 octets; the longest name is of an IPv6 address or two ids."""

_Count = Annotated[int, Meta(ge=1, le=2**31)]


class Grants(msgspec.Struct, frozen=True):
    """What one worker granted: for each bucket its limit and the number of requests."""

    worker: str
    buckets: dict[Annotated[str, Meta(max_length=100)], tuple[_Count, _Count]]


_decoder: Final = msgspec.json.Decoder(Grants)
_encoder: Final = msgspec.json.Encoder()


class Sharing:
    """Tells what a worker's ``governor`` grants, and charges it with what others do."""

    def __init__(
        self,
        governor: Governor,
        send: Callable[[Sequence[str]], Awaitable[None]],
        limits: HttpLimits,
    ) -> None:
        """``send`` gives payloads to every worker, this one included."""
        self._governor = governor
        self._send = send
        self._limits = limits
        self._worker = ulid()

    def heard(self, payload: str) -> None:
        """A worker told what it granted; an empty payload says that some may have been missed."""
        if not payload:
            return
        try:
            grants = _decoder.decode(payload)
        except msgspec.DecodeError:
            log.warning("a worker of another version tells what it grants in another form")
            return
        if grants.worker != self._worker:
            self._governor.charge(grants.buckets)

    async def run(self) -> None:
        """Tell the others, for ever."""
        while True:
            await trio.sleep(self._limits.grants_every_s)
            granted = list(self._governor.granted(self._limits.shared_grants).items())
            if granted:
                parts = range(0, len(granted), _IN_A_PAYLOAD)
                await self._send([self._payload(granted[n : n + _IN_A_PAYLOAD]) for n in parts])

    def _payload(self, granted: Sequence[tuple[str, tuple[int, int]]]) -> str:
        return _encoder.encode(Grants(self._worker, dict(granted))).decode()
