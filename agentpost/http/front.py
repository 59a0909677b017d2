"""One HTTP connection: heads in, answers out, the rest handed over.

The front answers everything that is an :mod:`endpoint <agentpost.http.endpoint>` itself, with the
strict parser of :mod:`agentpost.http.wire`; what it does not own goes to the ASGI gate, one
request at a time.  Hypercorn with Quart-Trio needs about ten times as long for a request.

How it works: one task a connection, no nursery, no cancel scope per read.  A connection writes
the moment by which it must have come further into ``deadline``; one sweeper for all connections
looks every second and cancels those that have not.  The only exception are endpoints that wait
(long polls): beside them a second task reads, so that a client that went away frees its place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from agentpost.http import wire
from agentpost.http.answer import Answer
from agentpost.http.budget import ByteBudget
from agentpost.http.wire import Head, MalformedRequest
from agentpost.limits import HttpLimits
from agentpost.net import Peer, Stream

log = logging.getLogger("agentpost.http")

MAX_RECEIVE: Final = 64 * 1024
NEVER: Final = float("inf")


class Admission(Protocol):
    """A request whose head was accepted: what its body may be, and how it is answered."""

    @property
    def max_body_octets(self) -> int: ...

    @property
    def waits(self) -> bool:
        """Whether the answer may take long, so that the peer must be watched meanwhile."""
        ...

    async def answer(self, body: bytes) -> Answer:
        """The answer; failures of every kind are answers too."""
        ...

    def too_large(self) -> Answer:
        """The answer to a body over ``max_body_octets``."""
        ...

    def overload(self) -> Answer:
        """The answer when there is no room for the body."""
        ...


class Application(Protocol):
    """What stands behind the front.  None of its methods raises an ``Exception``."""

    def owns(self, head: Head) -> bool:
        """Whether the request is answered here rather than by the ASGI application."""
        ...

    async def admit(self, head: Head, peer: Peer) -> Admission | Answer:
        """Look at a head before its body is read: route, credential, rate, scope."""
        ...

    def refusal(self, error: MalformedRequest, peer: Peer) -> Answer:
        """The answer to octets that are no request."""
        ...

    def overload(self, peer: Peer) -> Answer:
        """The answer when the server is full."""
        ...


HandOver = Callable[[Stream, Head, bytes], Awaitable[bytes | None]]


class Floor:
    """What the connections of one worker share: limits, counts, the sweeper's list."""

    def __init__(
        self, application: Application, hand_over: HandOver | None, limits: HttpLimits
    ) -> None:
        self.application = application
        self.hand_over = hand_over
        self.limits = limits
        self.budget = ByteBudget(limits.max_buffered_octets)
        self.connections: set[Connection] = set()
        self.requests = 0
        self.stopping = False
        self.date = wire.DateLine()

    async def sweep(self) -> None:
        """Cancel connections that are past their deadline; runs for ever."""
        while True:
            await trio.sleep(self.limits.sweep_s)
            now = trio.current_time()
            for connection in self.connections:
                if connection.deadline < now:
                    connection.scope.cancel()

    def stop(self) -> None:
        """No further request: idle connections end now, the others after their answer."""
        self.stopping = True
        for connection in self.connections:
            if connection.idle:
                connection.scope.cancel()


class Connection:
    """One connection from its first octet to its close."""

    __slots__ = (
        "_body_began",
        "_buffer",
        "_floor",
        "_handed_over",
        "_limits",
        "_stream",
        "deadline",
        "idle",
        "scope",
    )

    def __init__(self, floor: Floor, stream: Stream) -> None:
        self._floor = floor
        self._limits = floor.limits
        self._stream = stream
        self._buffer = b""
        self.scope = trio.CancelScope()
        self.deadline = NEVER
        self.idle = True

    async def serve(self) -> None:
        """Serve requests until either side has had enough; the caller closes the stream.

        Raises: trio.BrokenResourceError when the peer is gone.
        """
        self._floor.connections.add(self)
        try:
            with self.scope:
                await self._serve()
            if self.scope.cancelled_caught and not self.idle:
                self._stream.abort()  # In the middle of something: there is nothing to say.
        finally:
            self._floor.connections.discard(self)

    async def _serve(self) -> None:
        self.deadline = trio.current_time() + self._limits.first_request_s
        while not self._floor.stopping:
            try:
                head = await self._head()
                if head is None:
                    return
                going_on = await self._request(head)
            except MalformedRequest as error:
                await self._refuse(self._floor.application.refusal(error, self._stream.peer))
                return
            if not going_on:
                return
            self.idle = True
            self.deadline = trio.current_time() + self._limits.keep_alive_s

    async def _head(self) -> Head | None:
        """The next request's head, or ``None`` when the peer is done."""
        searched = 0
        while True:
            if self._buffer.startswith((b"\r\n", b"\n")):
                # RFC 9112 section 2.2: one empty line before a request is forgiven, CR LF only.
                if self._buffer[:1] == b"\n":
                    raise MalformedRequest("Lines of the request head must end with CR LF.")
                self._buffer = self._buffer[2:]
            end = self._buffer.find(wire.END_OF_HEAD, searched)
            if end >= 0:
                break
            if len(self._buffer) > self._limits.max_head_octets:
                raise MalformedRequest("The request head is too large.", 431)
            searched = max(len(self._buffer) - 3, 0)
            octets = await self._stream.receive_some(MAX_RECEIVE)
            if not octets:
                return None
            if self.idle:
                self.idle = False
                self.deadline = trio.current_time() + self._limits.head_s
            self._buffer = self._buffer + octets if self._buffer else bytes(octets)
        if end > self._limits.max_head_octets:
            raise MalformedRequest("The request head is too large.", 431)
        self.idle = False
        octets, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        head = wire.parse_head(octets)
        if len(head.fields) > self._limits.max_fields:
            raise MalformedRequest("The request has too many header fields.", 431)
        return head

    async def _request(self, head: Head) -> bool:
        """Answer one request.  Returns: whether the connection goes on."""
        floor = self._floor
        self.deadline = NEVER
        if floor.hand_over is not None and not floor.application.owns(head):
            return await self._give_away(head, floor.hand_over)
        if floor.requests >= self._limits.max_requests:
            return await self._refuse(floor.application.overload(self._stream.peer))
        floor.requests += 1
        try:
            admission = await floor.application.admit(head, self._stream.peer)
            if isinstance(admission, Answer):
                if head.framing == "none":
                    return await self._reply(head, admission)
                return await self._refuse(admission, head)
            if head.length > admission.max_body_octets:
                return await self._refuse(admission.too_large(), head)
            if head.framing == "none":
                return await self._reply(head, await self._answer(admission, b""))
            return await self._with_body(head, admission)
        finally:
            floor.requests -= 1

    async def _with_body(self, head: Head, admission: Admission) -> bool:
        # A chunked body does not say how large it gets: its bound is what must fit.
        announced = head.length if head.framing == "length" else admission.max_body_octets
        with trio.move_on_after(self._limits.body_s) as waiting:
            await self._floor.budget.acquire(announced)
        if waiting.cancelled_caught:
            return await self._refuse(admission.overload(), head)
        try:
            if head.expects_continue and not self._buffer:
                await self._send(wire.CONTINUE)
            body = await self._body(head, admission.max_body_octets)
            if body is None:
                return await self._refuse(admission.too_large(), head)
            answer = await self._answer(admission, body)
        finally:
            self._floor.budget.release(announced)
        return await self._reply(head, answer)

    async def _body(self, head: Head, bound: int) -> bytes | None:
        """The whole body, or ``None`` when it is over ``bound`` octets."""
        self._body_began = trio.current_time()
        self.deadline = self._body_began + self._limits.body_s
        pieces: list[bytes] = []
        if head.framing == "length":
            if len(self._buffer) >= head.length:
                body, self._buffer = self._buffer[: head.length], self._buffer[head.length :]
                return body
            left = head.length - len(self._buffer)
            pieces.append(self._buffer)
            self._buffer = b""
            received = len(pieces[0])
            while left:
                octets = await self._receive(min(left, MAX_RECEIVE), received)
                pieces.append(octets)
                left -= len(octets)
                received += len(octets)
            return b"".join(pieces)
        decoder = wire.ChunkedBody()
        octets, self._buffer = self._buffer, b""
        received = 0
        while True:
            piece = decoder.feed(octets)
            received += len(piece)
            if received > bound:
                return None
            if piece:
                pieces.append(piece)
            if decoder.done:
                self._buffer = decoder.rest
                return b"".join(pieces)
            octets = await self._receive(MAX_RECEIVE, received)

    async def _receive(self, at_most: int, received: int) -> bytes:
        """Octets of a body of which ``received`` are here; the deadline moves with them.

        Raises: trio.BrokenResourceError when the peer ends in the middle of it.
        """
        octets = await self._stream.receive_some(at_most)
        if not octets:
            raise trio.BrokenResourceError("the peer ended within a body")
        allowed = (received + len(octets)) / self._limits.body_octets_per_s
        self.deadline = self._body_began + self._limits.body_s + allowed
        return bytes(octets)

    async def _answer(self, admission: Admission, body: bytes) -> Answer:
        self.deadline = NEVER
        if not admission.waits:
            return await admission.answer(body)
        answers: list[Answer] = []
        with self._place_given_back():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, nursery.cancel_scope)
                answers.append(await admission.answer(body))
                nursery.cancel_scope.cancel()
        if not answers:
            raise trio.BrokenResourceError("the peer went away")
        return answers[0]

    @contextmanager
    def _place_given_back(self) -> Iterator[None]:
        """Wait for something, or for a slow reader, without a place among ``max_requests``."""
        self._floor.requests -= 1
        try:
            yield
        finally:
            self._floor.requests += 1

    async def _watch(self, waiting: trio.CancelScope) -> None:
        """Notice, while an answer is waited for, that nobody will read it."""
        while len(self._buffer) < self._limits.max_pipelined_octets:
            try:
                octets = await self._stream.receive_some(MAX_RECEIVE)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                octets = b""
            if not octets:
                waiting.cancel()
                return
            self._buffer += octets

    async def _reply(self, head: Head, answer: Answer) -> bool:
        """Send an answer whose request was read to its end."""
        close = answer.close or not head.keep_alive or self._floor.stopping
        if isinstance(answer.body, bytes):
            empty = head.method == "HEAD" or answer.status in (204, 304)
            await self._send(
                self._response_head(answer, len(answer.body), close)
                + (b"" if empty else answer.body)
            )
            return not close
        return await self._stream_out(head, answer, answer.body, close)

    def _response_head(
        self, answer: Answer, length: int | None, close: bool, *, chunked: bool = False
    ) -> bytes:
        return wire.response_head(
            answer.status,
            answer.fields,
            date=self._floor.date.at(time.time()),
            length=length,
            chunked=chunked,
            close=close,
        )

    async def _stream_out(
        self, head: Head, answer: Answer, pieces: AsyncIterator[bytes], close: bool
    ) -> bool:
        """Send an answer as it is made; HTTP/1.0 knows no chunks, there the close is the end."""
        known = answer.length is not None
        chunked = head.minor == 1 and not known
        await self._send(self._response_head(answer, answer.length, close, chunked=chunked))
        complete = head.method == "HEAD"
        with self._place_given_back():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, nursery.cancel_scope)
                if not complete:
                    complete = await self._pieces(pieces, chunked, answer.length)
                nursery.cancel_scope.cancel()
        return complete and (chunked or known) and not close

    async def _pieces(
        self, pieces: AsyncIterator[bytes], chunked: bool, length: int | None
    ) -> bool:
        """Send a body piece by piece.  Returns: whether it has the length that was announced."""
        sent = 0
        try:
            async for piece in pieces:
                if piece:
                    sent += len(piece)
                    await self._send(wire.chunk(piece) if chunked else piece)
        finally:
            # A generator that is not run to its end must let go of what it holds.
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                    await aclose()
        if chunked:
            await self._send(wire.LAST_CHUNK)
        return length is None or sent == length

    async def _send(self, octets: bytes) -> None:
        self.deadline = NEVER  # The stream bounds a send by itself.
        await self._stream.send_all(octets)

    async def _refuse(self, answer: Answer, head: Head | None = None) -> bool:
        """Send an answer to a request that is not read to its end, and close.  Returns: False.

        Closing the stream reads on for a moment: octets left unread would make the kernel reset
        the connection, and destroy the answer before the client has read it.
        """
        body = answer.body if isinstance(answer.body, bytes) else b""
        empty = head is not None and head.method == "HEAD"
        await self._send(
            self._response_head(answer, len(body), close=True) + (b"" if empty else body)
        )
        return False

    async def _give_away(self, head: Head, hand_over: HandOver) -> bool:
        if head.upgrade and self._buffer:
            # RFC 6455 section 4.1: a client waits for the handshake's answer.
            raise MalformedRequest("Octets follow a handshake that is not answered yet.")
        if head.expects_continue and not self._buffer:
            await self._send(wire.CONTINUE)
        received, self._buffer = self._buffer, b""
        rest = await hand_over(self._stream, head, received)
        if rest is None:
            return False
        self._buffer = rest
        return head.keep_alive
