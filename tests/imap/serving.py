"""The IMAP server over streams in memory, and clients that speak to it line by line."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
import trio.testing

from agentpost.imap.desk import ImapDesk
from agentpost.imap.server import ImapServer
from agentpost.net import Peer, TlsInfo

_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")
PATIENCE_S = 10.0
"""After so long a server that should say something is taken to be silent."""


class MemoryStream:
    """The server's end; a client that does not read blocks it after ``room`` octets."""

    tls: TlsInfo | None = TlsInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256")

    def __init__(
        self, stream: trio.StapledStream[trio.abc.SendStream, trio.abc.ReceiveStream], peer: Peer
    ) -> None:
        self._stream = stream
        self.peer = peer
        self.closed = False
        self.aborted = False
        self.writes: list[int] = []
        self.room: int | None = None
        self._closing = trio.Event()

    async def receive_some(self, max_octets: int = 65_536) -> bytes:
        if self.closed:
            raise trio.ClosedResourceError
        return bytes(await self._stream.receive_some(max_octets))

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        if self.closed:
            raise trio.ClosedResourceError
        self.writes.append(len(octets))
        if self.room is not None:
            self.room -= len(octets)
            if self.room < 0:
                await self._closing.wait()
                raise trio.ClosedResourceError
        await self._stream.send_all(octets)

    def send_at_once(self, octets: bytes | bytearray) -> int:
        if self.closed or (self.room is not None and self.room < len(octets)):
            return 0
        self.writes.append(len(octets))
        if self.room is not None:
            self.room -= len(octets)
        # What send_all does, without its checkpoints: the hook moves the octets over.
        self._stream.send_stream._outgoing.put(octets)  # type: ignore[attr-defined]
        self._stream.send_stream.close_hook()  # type: ignore[attr-defined]
        return len(octets)

    async def aclose(self) -> None:
        self.closed = True
        self._closing.set()
        await self._stream.aclose()

    def abort(self) -> None:
        self.closed = self.aborted = True
        self._closing.set()
        self._stream.send_stream.close()  # type: ignore[attr-defined]
        self._stream.receive_stream.close()  # type: ignore[attr-defined]


@dataclass
class Talker:
    """A client that sends octets and reads responses, each with its literals."""

    stream: trio.StapledStream[trio.abc.SendStream, trio.abc.ReceiveStream]
    server: MemoryStream
    ended: trio.Event = field(default_factory=trio.Event)
    _buffer: bytearray = field(default_factory=bytearray)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def send(self, octets: bytes) -> None:
        await self.stream.send_all(octets)

    async def response(self) -> bytes:
        """The next response with its CR LF; empty at the end."""
        out = bytearray()
        while True:
            out += await self._line()
            match = _LITERAL.search(out)
            if match is None:
                return bytes(out)
            out += await self._exactly(int(match[1]))

    async def until(self, tag: bytes) -> list[bytes]:
        """Responses up to the one with this tag (or a continuation for ``+``), or the end."""
        found = []
        while True:
            found.append(await self.response())
            if not found[-1] or found[-1].startswith(tag + b" "):
                return [line for line in found if line]

    async def command(self, text: str | bytes) -> list[bytes]:
        """What a command is answered, the tagged line last."""
        tag = b"t%d" % next(self._numbers)
        octets = text.encode() if isinstance(text, str) else text
        await self.send(tag + b" " + octets + b"\r\n")
        return await self.until(tag)

    async def ok(self, text: str | bytes) -> list[bytes]:
        """What a command is answered before its OK."""
        answer = await self.command(text)
        assert answer, "the connection is closed"
        assert answer[-1].split(b" ")[1] == b"OK", answer[-3:]
        return answer[:-1]

    async def close(self) -> None:
        """Go without a word."""
        await self.stream.aclose()

    def half_close(self) -> None:
        """Send nothing more, and go on reading."""
        self.stream.send_stream.close()  # type: ignore[attr-defined]

    async def _line(self) -> bytes:
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if not await self._more():
                return b""
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            assert await self._more(), "the connection ended inside a literal"
        octets = bytes(self._buffer[:count])
        del self._buffer[:count]
        return octets

    async def _more(self) -> bool:
        try:
            octets = await self.stream.receive_some(65_536)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        self._buffer += octets
        return bool(octets)


@dataclass
class Serving:
    """A server at work, and the way to new connections."""

    server: ImapServer
    nursery: trio.Nursery
    stopping: trio.Event = field(default_factory=trio.Event)
    _ports: itertools.count[int] = field(default_factory=lambda: itertools.count(40_000))

    def connect(self, address: str = "192.0.2.1") -> Talker:
        """A new connection; its greeting is the first response."""
        ours, theirs = trio.testing.memory_stream_pair()
        stream = MemoryStream(theirs, Peer(address, next(self._ports)))  # type: ignore[arg-type]
        talker = Talker(ours, stream)  # type: ignore[arg-type]

        async def serve() -> None:
            await self.server.serve(stream)
            talker.ended.set()

        self.nursery.start_soon(serve)
        return talker

    async def welcomed(self) -> Talker:
        """A new connection whose greeting has been read."""
        talker = self.connect()
        assert (await talker.response()).startswith(b"* OK ")
        return talker

    async def logged_in(self, address: str, password: str) -> Talker:
        """A new connection that has logged in."""
        talker = await self.welcomed()
        await talker.ok(f"LOGIN {address} {password}")
        return talker


@asynccontextmanager
async def serving(desk: ImapDesk) -> AsyncIterator[Serving]:
    """A server that is stopped at the end, whatever its clients do."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        running = Serving(ImapServer(desk), nursery)
        nursery.start_soon(running.server.drain_when, running.stopping)
        try:
            # On a clock that jumps, a test that waits in vain ends too.
            with trio.fail_after(7_200):
                yield running
        except Exception as error:  # raised again without the nursery's group around it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
