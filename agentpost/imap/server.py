"""IMAP over the network: sessions on TLS streams, with clocks (RFC 9051 section 5.4).

Commands of one connection run one after the other, in order; whatever arrives meanwhile waits in
the framer, bounded.  The answers of a pipelined group leave in one write.
"""

from __future__ import annotations

import itertools
import logging
from typing import Final

import trio

from agentpost.imap.commands import COMMANDS
from agentpost.imap.desk import ImapDesk
from agentpost.imap.session import Session
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.framer import Frame, Framer, Line, NeedContinuation, Rejected
from agentpost.limits import FRAMING_BEFORE_LOGIN, FramingLimits
from agentpost.log import actor_id, connection_id
from agentpost.net import Stream

_log: Final = logging.getLogger(__name__)

_READ_OCTETS: Final = 64 * 1024


class ImapServer:
    """Serves connections; ``serve`` is the handler for ``agentpost.net.serve_listener``."""

    def __init__(self, desk: ImapDesk) -> None:
        self._desk = desk
        self._framing = FramingLimits(max_message_octets=desk.messages.max_octets)
        self._connections: set[_Connection] = set()
        self._numbers = itertools.count(1)
        self._stopping = trio.Event()
        self._empty = trio.Event()

    @property
    def open(self) -> int:
        """Connections now."""
        return len(self._connections)

    async def serve(self, stream: Stream) -> None:
        """Serve one connection to its end.  Raises: only cancellation."""
        connection_id.set(f"imap-{next(self._numbers):x}")
        actor_id.set(None)
        connection = _Connection(self._desk, self._framing, stream, self._stopping)
        self._connections.add(connection)
        try:
            await connection.run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            _log.debug("connection lost")
        finally:
            self._connections.discard(connection)
            if self._stopping.is_set() and not self._connections:
                self._empty.set()
            connection.close()
            await stream.aclose()

    async def drain_when(self, stopping: trio.Event) -> None:
        """Once ``stopping`` is set, say BYE everywhere; cut what is left after the deadline."""
        await stopping.wait()
        self._stopping.set()
        for connection in self._connections:
            connection.drain()
        if self._connections:
            with trio.move_on_after(self._desk.limits.drain_s):
                await self._empty.wait()
        for connection in self._connections:
            connection.cut()


class _Connection:
    """One stream, its framer and its session."""

    __slots__ = (
        "_desk", "_framer", "_framing", "_reading", "_reserved", "_session", "_stopping",
        "_stream",
    )  # fmt: skip

    def __init__(
        self, desk: ImapDesk, framing: FramingLimits, stream: Stream, stopping: trio.Event
    ) -> None:
        self._desk = desk
        self._framing = framing
        self._stream = stream
        self._stopping = stopping
        self._framer = Framer(FRAMING_BEFORE_LOGIN)
        self._reading: trio.CancelScope | None = None
        self._reserved = 0
        self._session = Session(
            desk, stream.send_all, self._read_line, peer=stream.peer.address, stopping=stopping
        )

    async def run(self) -> None:
        """Greet, then command after command until either side ends it."""
        session = self._session
        session.greet()
        while not session.closing:
            event = self._framer.next_event()
            if event is None:
                await session.flush()
                if not await self._read():
                    break
                continue
            if isinstance(event, Frame):
                await self._execute(event)
            elif isinstance(event, NeedContinuation):
                await self._admit(event)
            elif isinstance(event, Rejected):
                session.reject(event)
            await session.flush_when_large()
        await session.flush()

    async def _execute(self, frame: Frame) -> None:
        try:
            await self._session.execute(frame)
        finally:
            self._give_back()
        if isinstance(self._session.state, Authenticated):
            self._framer.limits = self._framing

    async def _admit(self, event: NeedContinuation) -> None:
        """Let a literal in once its octets fit the worker's budget, or refuse its command."""
        session = self._session
        command = COMMANDS.get(event.name)
        if command is None or not isinstance(session.state, command.needs):
            self._framer.refuse()
            session.say(response.bad(event.tag, "This command is not possible now."))
            return
        with trio.move_on_after(self._desk.limits.reservation_s) as waiting:
            await self._desk.budget.acquire(event.size)
        if waiting.cancelled_caught:
            self._framer.refuse()
            tag = event.tag or b"*"
            session.say(response.no(tag, "The server has no room now.", "UNAVAILABLE"))
            return
        self._reserved += event.size
        self._framer.grant()
        session.say(response.continuation())
        await session.flush()

    def _give_back(self) -> None:
        if self._reserved:
            self._desk.budget.release(self._reserved)
            self._reserved = 0

    async def _read_line(self) -> Line | Rejected | None:
        """One line that answers a continuation request; None when the connection is over."""
        self._framer.expect_line()
        while True:
            event = self._framer.next_event()
            if isinstance(event, Line | Rejected):
                return event
            if not await self._read():
                return None

    async def _read(self) -> bool:
        """Feed what arrives next; False when the connection is over (the session has said why)."""
        if self._session.closing or self._stopping.is_set():
            self._say_shutdown()
            return False
        octets: bytes | None = None
        with trio.move_on_after(self._deadline()) as self._reading:
            octets = await self._stream.receive_some(_READ_OCTETS)
        self._reading = None
        if octets is None:
            if self._stopping.is_set():
                self._say_shutdown()
            else:
                self._session.bye("Too slow; come again.")
            return False
        self._framer.feed(octets)
        return bool(octets)

    def _deadline(self) -> float:
        limits = self._desk.limits
        if not isinstance(self._session.state, Authenticated):
            return limits.command_before_login_s
        return limits.literal_s if self._framer.inside_command else limits.autologout_s

    def _say_shutdown(self) -> None:
        self._session.bye("The server is shutting down.", "UNAVAILABLE")

    def drain(self) -> None:
        """End the session as soon as it waits for its client."""
        if self._reading is not None:
            self._reading.cancel()

    def cut(self) -> None:
        """End the connection now."""
        self._stream.abort()

    def close(self) -> None:
        """Give back what the connection held."""
        self._give_back()
        self._session.close()
