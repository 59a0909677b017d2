"""Submission over the network: sessions on streams, with clocks (RFC 5321 section 4.5.3.2).

One handler serves both ports: a stream that is under TLS already begins there (port 465,
RFC 8314), any other is offered STARTTLS (port 587).  Deadlines bound what the client does:

* a command must be complete within its time, however many octets trickle in meanwhile;
* message data must keep a minimal speed over a window; our own work does not count against it.

At shutdown a session that awaits a command is told 421 at once; one whose message is on its way
may finish it and is told then.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from agentpost.log import actor_id, connection_id
from agentpost.net import HandshakeFailed, Stream
from agentpost.smtp.desk import Budget, SubmissionDesk, Terms
from agentpost.smtp.session import Session
from agentpost.smtp.wire import replies
from agentpost.smtp.wire.replies import Reply
from agentpost.smtp.wire.states import Anonymous, Unprotected

_log: Final = logging.getLogger(__name__)

_COMMAND_OCTETS: Final = 16 * 1024
_DATA_OCTETS: Final = 64 * 1024
_INSTANT_S: Final = 0.25

Secure = Callable[[Stream], Awaitable[Stream]]
"""Do the server's side of a TLS handshake on a plain stream (``agentpost.net.starttls``)."""


class SubmissionServer:
    """Serves connections; :meth:`serve` is the handler for ``agentpost.net.serve_listener``.

    ``secure`` begins TLS after STARTTLS; without it only streams under TLS can be served.
    """

    def __init__(
        self, terms: Terms, desk: SubmissionDesk, budget: Budget, secure: Secure | None = None
    ) -> None:
        self._terms = terms
        self._desk = desk
        self._budget = budget
        self._secure = secure
        self._connections: set[_Connection] = set()
        self._numbers = itertools.count(1)
        self._draining = False
        self._empty = trio.Event()

    @property
    def open(self) -> int:
        """Connections now."""
        return len(self._connections)

    async def serve(self, stream: Stream) -> None:
        """Serve one connection to its end; the stream is closed when this returns.

        Raises: only cancellation; what goes wrong with the network ends this connection.
        """
        connection_id.set(f"smtp-{next(self._numbers):x}")
        actor_id.set(None)
        memory = _PatientMemory(self._budget, self._terms.limits.reservation_s)
        session = Session(
            self._terms,
            self._desk,
            memory,
            tls=stream.tls is not None,
            peer=stream.peer.address,
        )
        connection = _Connection(self._terms, session, stream, self._secure)
        if self._draining:
            connection.drain()
        self._connections.add(connection)
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await connection.run()
        except HandshakeFailed as error:
            _log.debug("TLS handshake failed: %s", error)
        finally:
            self._connections.discard(connection)
            if self._draining and not self._connections:
                self._empty.set()
            session.close()
            await connection.stream.aclose()

    async def drain_when(self, stopping: trio.Event) -> None:
        """Once ``stopping`` is set, end every session as soon as its client can bear it.

        Returns when all connections have ended, at the latest after the limit's ``drain_s``.
        """
        await stopping.wait()
        self._draining = True
        for connection in self._connections:
            connection.drain()
        if self._connections:
            with trio.move_on_after(self._terms.limits.drain_s):
                await self._empty.wait()
        for connection in self._connections:
            connection.cut()


class _PatientMemory:
    """The worker's budget, waited for no longer than a client can bear."""

    __slots__ = ("_budget", "_patience_s")

    def __init__(self, budget: Budget, patience_s: float) -> None:
        self._budget = budget
        self._patience_s = patience_s

    async def reserve(self, octets: int) -> bool:
        if self._budget.try_acquire(octets):
            return True
        with trio.move_on_after(self._patience_s) as waiting:
            await self._budget.acquire(octets)
        return not waiting.cancelled_caught

    def release(self, octets: int) -> None:
        self._budget.release(octets)


class _Connection:
    """A session, its stream and its clocks.

    One cancel scope lives as long as the connection.  Its deadline is moved before each wait (a
    scope for each would cost more than parsing a command), and ``_parting`` is what the client
    is told when it passes.
    """

    __slots__ = (
        "_arrived",
        "_deadline",
        "_draining",
        "_life",
        "_parting",
        "_progress",
        "_secure",
        "_session",
        "_terms",
        "_waiting",
        "_window_s",
        "stream",
    )

    def __init__(
        self, terms: Terms, session: Session, stream: Stream, secure: Secure | None
    ) -> None:
        self._terms = terms
        self._session = session
        self._secure = secure
        self.stream = stream
        self._life = trio.CancelScope()
        self._parting: Reply | None = None
        self._waiting = False
        self._draining = False
        self._progress = -1
        # The command at hand must be complete by then.
        self._deadline = 0.0
        # Of the window over which data is judged: the time left, and what arrived in it.
        self._window_s = 0.0
        self._arrived = 0

    def drain(self) -> None:
        """End the session at the next point between two commands, now when it is there."""
        self._draining = True
        if self._waiting and not self._session.midway:
            self._parting = replies.SHUTTING_DOWN
            self._life.cancel()

    def cut(self) -> None:
        """End the connection wherever it is."""
        self._parting = None
        self._life.cancel()

    async def run(self) -> None:
        """Raises: HandshakeFailed, BrokenResourceError, ClosedResourceError."""
        with self._life:
            self._work()
            await self.stream.send_all(self._session.greeting())
            await self._converse()
        if self._life.cancelled_caught and self._parting is not None:
            await self.stream.send_all(self._parting.octets)

    def _work(self) -> None:
        """From here on time is ours, not the client's."""
        self._until(trio.current_time() + self._terms.limits.answer_s, replies.TOO_LATE)

    def _until(self, deadline: float, parting: Reply) -> None:
        """What follows has time until ``deadline``, give or take an instant."""
        self._parting = parting
        # Moving a deadline costs as much as parsing a command, and most moves are tiny.
        if abs(self._life.deadline - deadline) > _INSTANT_S:
            self._life.deadline = deadline

    async def _converse(self) -> None:
        session = self._session
        while True:
            began = trio.current_time()
            octets = await session.advance()
            if session.pause_s:
                await trio.sleep_until(began + session.pause_s)
            if octets:
                await self.stream.send_all(octets)
            if session.closing:
                return
            if session.tls_due:
                await self._begin_tls()
            if session.starved and not await self._receive():
                return

    async def _begin_tls(self) -> None:
        """Raises: HandshakeFailed."""
        assert self._secure is not None
        self.stream = await self._secure(self.stream)
        self._session.secured()

    async def _receive(self) -> bool:
        """Wait for the client; says whether the conversation goes on."""
        session = self._session
        if self._draining and not session.midway:
            await self.stream.send_all(replies.SHUTTING_DOWN.octets)
            return False
        data = session.receiving_data
        now = trio.current_time()
        self._until(self._patience(now, data), replies.TIMED_OUT)
        self._waiting = True
        octets = await self.stream.receive_some(_DATA_OCTETS if data else _COMMAND_OCTETS)
        self._waiting = False
        self._work()
        if not octets:
            return False
        if data:
            self._count_data(len(octets), trio.current_time() - now)
        session.receive(octets)
        return True

    def _patience(self, now: float, data: bool) -> float:
        """When the client has to be done with what it is doing."""
        session, limits = self._session, self._terms.limits
        if self._progress != session.progress:
            self._progress = session.progress
            self._window_s, self._arrived = limits.data_window_s, 0
            stranger = isinstance(session.state, Unprotected | Anonymous)
            self._deadline = now + (limits.command_before_login_s if stranger else limits.command_s)
        return now + self._window_s if data else self._deadline

    def _count_data(self, octets: int, waited_s: float) -> None:
        """Data that keeps its speed opens a new window."""
        limits = self._terms.limits
        self._window_s -= waited_s
        self._arrived += octets
        if self._arrived >= limits.data_window_s * limits.data_octets_per_s:
            self._window_s, self._arrived = limits.data_window_s, 0
