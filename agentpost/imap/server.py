"""IMAP over the network: sessions on TLS streams, with clocks (RFC 9051 section 5.4).

Commands of one connection run one after the other, in order; whatever arrives meanwhile waits in
the framer, bounded.  The answers of a pipelined group leave in one write.
"""

from __future__ import annotations

import itertools
import logging
from typing import Final

import trio

from agentpost.errors import Problem
from agentpost.imap.desk import ImapDesk
from agentpost.imap.link import Roused
from agentpost.imap.session import Session
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.framer import Frame, Framer, Line, NeedContinuation, Rejected
from agentpost.limits import FRAMING_BEFORE_LOGIN, FramingLimits
from agentpost.log import actor_id, connection_id
from agentpost.model.actor import Actor
from agentpost.net import Stream

_log: Final = logging.getLogger(__name__)

_READ_OCTETS: Final = 64 * 1024
_THROTTLED_S: Final = 0.1


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
            connection.close()
            self._connections.discard(connection)
            if self._stopping.is_set() and not self._connections:
                self._empty.set()
            await stream.aclose()

    async def drain_when(self, stopping: trio.Event) -> None:
        """End sessions whose credential ceases to hold; once ``stopping`` is set, end all.

        Sessions are told BYE; what is left after the deadline is cut.
        """
        while not stopping.is_set():
            with trio.move_on_after(self._desk.limits.welcome_check_s):
                await stopping.wait()
            if not stopping.is_set():
                await self._check_welcome()
        self._stopping.set()
        for connection in self._connections:
            connection.rouse()
        if self._connections:
            with trio.move_on_after(self._desk.limits.drain_s):
                await self._empty.wait()
        for connection in self._connections:
            connection.cut()

    async def _check_welcome(self) -> None:
        """One question to the store for the credentials of all sessions."""
        known = [each for each in self._connections if each.actor is not None]
        try:
            ended = await self._desk.store.authentication.ended(
                {actor for each in known if (actor := each.actor) is not None}
            )
        except Problem as problem:
            _log.warning("cannot check credentials: %s", problem.message)
            return
        for connection in known:
            if connection.actor in ended:
                connection.unwelcome()


class _Connection:
    """One stream, its framer and its session; the session's ``Link``."""

    __slots__ = (
        "_allowance", "_allowance_at", "_desk", "_framer", "_framing", "_owed_octets",
        "_owed_since", "_reading", "_reserved", "_session", "_since", "_stopping", "_stream",
        "_woken",
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
        self._woken = False
        self._since = self._owed_since = self._allowance_at = trio.current_time()
        self._owed_octets = 0
        self._allowance = float(desk.limits.commands_per_minute)
        self._session = Session(desk, self, peer=stream.peer)

    @property
    def actor(self) -> Actor | None:
        """Who has logged in."""
        state = self._session.state
        return state.actor if isinstance(state, Authenticated) else None

    async def run(self) -> None:
        """Greet, then command after command until either side ends it."""
        session, framer = self._session, self._framer
        session.greet()
        while not session.closing:
            event = framer.next_event()
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
                self._give_back()
                session.reject(event)
            self._owes_from_now()
            await session.flush_when_large()
            # Who sends many commands at once shares the worker with those who send one.
            await trio.lowlevel.checkpoint()
        await session.flush()

    async def _execute(self, frame: Frame) -> None:
        try:
            await self._throttle()
            await self._session.execute(frame)
        finally:
            self._give_back()
        if isinstance(self._session.state, Authenticated):
            self._framer.limits = self._framing

    async def _throttle(self) -> None:
        """Slow down who sends more commands than a mail program could need."""
        self._allowance -= 1
        if self._allowance >= 0:
            return
        most = self._desk.limits.commands_per_minute
        now = trio.current_time()
        self._allowance = min(most, self._allowance + (now - self._allowance_at) * most / 60)
        self._allowance_at = now
        if self._allowance < 0:
            await self._session.flush()
            await trio.sleep(_THROTTLED_S)
            self._allowance += _THROTTLED_S * most / 60
            self._allowance_at += _THROTTLED_S

    async def _admit(self, event: NeedContinuation) -> None:
        """Let a literal in once its octets fit the worker's budget, or refuse its command."""
        session = self._session
        if session.refuse_literal(event.tag, event.name):
            self._framer.refuse()
            self._give_back()
            return
        if not self._desk.budget.try_acquire(event.size):
            # What is answered already does not wait for memory.
            await session.flush()
            with trio.move_on_after(self._desk.limits.reservation_s) as waiting:
                await self._desk.budget.acquire(event.size)
            if waiting.cancelled_caught:
                self._framer.refuse()
                self._give_back()
                session.say(response.no(event.tag or b"*", "No room now.", "UNAVAILABLE"))
                return
        self._reserved += event.size
        self._framer.grant()
        session.say(response.continuation())

    def _give_back(self) -> None:
        if self._reserved:
            self._desk.budget.release(self._reserved)
            self._reserved = 0

    # The session's link

    async def send(self, octets: bytes | bytearray) -> None:
        """Send everything, within the deadlines of the network."""
        await self._stream.send_all(octets)

    def send_at_once(self, octets: bytes | bytearray) -> int:
        """Send what the network takes without waiting; returns how many octets that were."""
        return self._stream.send_at_once(octets)

    @property
    def resting(self) -> bool:
        """Whether nothing happens on the connection but waiting for the client."""
        return self._reading is not None

    async def read_line(self) -> Line | Rejected | None:
        """One line that answers a continuation request; None when the connection is over."""
        self._framer.expect_line()
        while True:
            event = self._framer.next_event()
            if isinstance(event, Line | Rejected):
                return event
            if not await self._read():
                return None

    async def read_line_unless(self, timeout_s: float) -> Line | Rejected | Roused | None:
        """The same, unless something else calls for the session first."""
        self._framer.expect_line()
        until = trio.current_time() + timeout_s
        roused: Roused | None = None
        while roused is None:
            event = self._framer.next_event()
            if isinstance(event, Line | Rejected):
                return event
            if self._woken:
                self._woken = False
                roused = Roused.CHANGED
            elif trio.current_time() >= until:
                roused = Roused.SILENCE
            elif not await self._receive(until) and self._session.closing:
                return None
        self._framer.expect_command()
        return roused

    def wake(self) -> None:
        """Make ``read_line_unless`` return, now or when it is next called."""
        self._woken = True
        self.rouse()

    # Octets and clocks

    async def _read(self) -> bool:
        """Feed what arrives next; False when the connection is over (the session has said why)."""
        until = self._deadline()
        if not await self._receive(until) and not self._session.closing:
            self._session.bye("Too slow; come again.")
        return not self._session.closing

    async def _receive(self, until: float) -> bool:
        """Feed what arrives before ``until``; False when nothing did or the connection is over."""
        session = self._session
        octets: bytes | None = None
        if not (session.closing or self._stopping.is_set()):
            with trio.CancelScope(deadline=until) as self._reading:
                octets = await self._stream.receive_some(_READ_OCTETS)
            self._reading = None
        if octets:
            if not self._framer.inside_command:
                self._owes_from_now()
            self._owed_octets += len(octets)
            self._framer.feed(octets)
            return True
        if octets is not None:
            session.closing = True  # The client is gone; nobody reads a farewell.
        elif self._stopping.is_set():
            session.bye("The server is shutting down.", "UNAVAILABLE")
        else:
            session.check_welcome()
        return False

    def _deadline(self) -> float:
        """Until when the client has to say something."""
        limits = self._desk.limits
        now = trio.current_time()
        inside = self._framer.inside_command
        if not isinstance(self._session.state, Authenticated):
            since = self._owed_since if inside else now
            return min(since + limits.command_before_login_s, self._since + limits.login_s)
        if not inside:
            return now + limits.autologout_s
        whole = limits.literal_s + self._owed_octets / limits.command_octets_per_s
        return min(now + limits.literal_s, self._owed_since + whole)

    def _owes_from_now(self) -> None:
        self._owed_since = trio.current_time()
        self._owed_octets = 0

    def rouse(self) -> None:
        """Break off waiting for the client, to look at what else there is."""
        if self._reading is not None:
            self._reading.cancel()

    def unwelcome(self) -> None:
        """End the session as soon as it waits for its client or runs a command."""
        self._session.welcome = False
        self.wake()

    def cut(self) -> None:
        """End the connection now."""
        self._stream.abort()

    def close(self) -> None:
        """Give back what the connection held."""
        self._give_back()
        self._session.close()
