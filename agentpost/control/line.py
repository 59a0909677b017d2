"""A worker's end of the line to its supervisor."""

from __future__ import annotations

import json
import logging
import signal
import socket
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from agentpost.control.frames import (
    DRAIN,
    METRICS,
    READY,
    RELOAD,
    START,
    LineBroken,
    Order,
    Unframer,
    frame,
)

T = TypeVar("T")
logger = logging.getLogger("agentpost.control")

_ORPHAN_DEADLINE_S: Final = 2.0
"""How long a worker outlives its supervisor: the next one wants the listening addresses."""


class Line:
    """A worker's end of the line."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unframer = Unframer()
        self._pending: list[tuple[bytes, bytes]] = []
        self._sending = trio.Lock()

    def await_order(self) -> Order:
        """Block until the supervisor says start; before Trio runs.

        Raises: LineBroken when it never will.
        """
        self._sock.setblocking(True)
        while not self._pending:
            octets = self._sock.recv(65536)
            if not octets:
                raise LineBroken("the supervisor ended before the start")
            self._pending += self._unframer.feed(octets)
        letter, content = self._pending.pop(0)
        if letter != START:
            raise LineBroken(f"expected a start, not {letter!r}")
        self._sock.setblocking(False)
        fields = json.loads(content)
        return Order(fields["worker"], fields["settings"], fields["sockets"])

    async def ready(self) -> None:
        """Tell the supervisor that all listeners accept."""
        await self._send(frame(READY))

    async def run(
        self,
        stopping: trio.Event,
        *,
        expose: Callable[[], bytes],
        reload: Callable[[], None],
        orphaned: Callable[[], None],
    ) -> None:
        """Obey the supervisor until cancelled.

        ``stopping`` is set when the worker is to drain: at a drain frame, at SIGTERM, and when
        the supervisor is gone; in that last case ``orphaned`` is called soon after, and must end
        the worker at once.  ``expose`` renders the metrics, ``reload`` reads the certificate.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_set_at_sigterm, stopping)
            try:
                while True:
                    for letter, _ in self._pending:
                        if letter == DRAIN:
                            stopping.set()
                        elif letter == RELOAD:
                            _attempt(reload)
                        elif letter == METRICS:
                            await self._send(frame(METRICS, _attempt(expose) or b""))
                    self._pending = await self._receive()
            except (OSError, LineBroken):
                stopping.set()
                await trio.sleep(_ORPHAN_DEADLINE_S)
                orphaned()
                nursery.cancel_scope.cancel()

    async def _receive(self) -> list[tuple[bytes, bytes]]:
        await trio.lowlevel.wait_readable(self._sock)
        octets = self._sock.recv(65536)
        if not octets:
            raise LineBroken("the supervisor is gone")
        return self._unframer.feed(octets)

    async def _send(self, octets: bytes) -> None:
        async with self._sending:
            view = memoryview(octets)
            while view:
                try:
                    view = view[self._sock.send(view) :]
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._sock)


def _attempt(order: Callable[[], T]) -> T | None:
    """Do what the supervisor asks; a failure (a certificate that does not fit) is only logged."""
    try:
        return order()
    except Exception:
        logger.exception("an order of the supervisor failed")
        return None


async def _set_at_sigterm(stopping: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            stopping.set()
