"""A tiny smart host on the loopback interface that does as it is told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from agentpost.mail.transports.smarthost import SmartHost


@dataclass(slots=True)
class Taken:
    """A message it took, and the commands that brought it."""

    mail: bytes
    rcpts: list[bytes]
    data: bytes


@dataclass(slots=True)
class FakeHost:
    """Answers by command; ``say`` may hold an answer by the beginning of a command line.

    An answer of ``None`` closes the connection, an answer of ``b""`` says nothing for ever.
    """

    offers: list[bytes] = field(
        default_factory=lambda: [b"PIPELINING", b"SIZE 1000000", b"8BITMIME", b"SMTPUTF8", b"DSN"]
    )
    greeting: bytes | None = b"220 fake ESMTP\r\n"
    say: dict[bytes, bytes | Callable[[bytes], bytes | None] | None] = field(default_factory=dict)
    final: bytes | None = b"250 2.0.0 Ok: queued as QID1\r\n"
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    taken: list[Taken] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0
    most_recipients: int = 1000
    port: int = 0
    secured: int = 0
    login: list[bytes] = field(default_factory=list)
    clients: list[SmartHost] = field(default_factory=list)

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        try:
            if self.implicit:
                stream = await self._secure(stream)
            await _Session(self, stream).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _secure(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        assert self.tls is not None
        secured = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)
        await secured.do_handshake()
        self.secured += 1
        return secured


class _Session:
    def __init__(self, host: FakeHost, stream: trio.abc.Stream) -> None:
        self.host = host
        self.stream = stream
        self.buffer = b""
        self.mail: bytes | None = None
        self.rcpts: list[bytes] = []

    async def run(self) -> None:
        if not await self._answer(self.host.greeting):
            return
        while (line := await self._line()) is not None:
            self.host.heard.append(line)
            if not await self._command(line):
                return

    async def _command(self, line: bytes) -> bool:
        host = self.host
        for begin, answer in host.say.items():
            if line.upper().startswith(begin.upper()):
                said = answer(line) if callable(answer) else answer
                if said is not None and said[:1] == b"2":
                    self._note(line)
                return await self._answer(said)
        verb = line.upper()
        if verb.startswith(b"EHLO"):
            lines = [b"fake", *host.offers]
            text = b"".join(b"250-%b\r\n" % one for one in lines[:-1])
            return await self._answer(text + b"250 %b\r\n" % lines[-1])
        if verb == b"STARTTLS":
            await self._answer(b"220 go\r\n")
            self.stream = await host._secure(self.stream)
            return True
        if verb.startswith(b"AUTH PLAIN"):
            host.login.append(line)
            return await self._answer(b"235 welcome\r\n")
        if verb == b"AUTH LOGIN":
            for prompt in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"):
                await self._answer(prompt)
                host.login.append(await self._line() or b"")
            return await self._answer(b"235 welcome\r\n")
        if verb == b"DATA":
            if not self.rcpts:
                return await self._answer(b"503 no recipients\r\n")
            await self._answer(b"354 go on\r\n")
            data = await self._data()
            if data is None or host.final is None:
                return False
            if host.final[:1] == b"2":
                host.taken.append(Taken(self.mail or b"", self.rcpts, data))
            self.mail, self.rcpts = None, []
            return await self._answer(host.final)
        if verb == b"QUIT":
            await self._answer(b"221 bye\r\n")
            return False
        if verb == b"RSET":
            self.mail, self.rcpts = None, []
            return await self._answer(b"250 ok\r\n")
        if verb.startswith(b"MAIL"):
            self._note(line)
            return await self._answer(b"250 2.1.0 ok\r\n")
        if verb.startswith(b"RCPT"):
            if len(self.rcpts) >= host.most_recipients:
                return await self._answer(b"452 4.5.3 too many\r\n")
            self._note(line)
            return await self._answer(b"250 2.1.5 ok\r\n")
        return await self._answer(b"500 what?\r\n")

    def _note(self, line: bytes) -> None:
        if line.upper().startswith(b"MAIL"):
            self.mail = line
        elif line.upper().startswith(b"RCPT"):
            self.rcpts.append(line)

    async def _answer(self, said: bytes | None) -> bool:
        if said is None:
            return False
        if said == b"":
            await trio.sleep_forever()
        await self.stream.send_all(said)
        return True

    async def _line(self) -> bytes | None:
        while b"\r\n" not in self.buffer:
            octets = await self.stream.receive_some(65536)
            if not octets:
                return None
            self.buffer += octets
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    async def _data(self) -> bytes | None:
        while b"\r\n.\r\n" not in self.buffer and not self.buffer.startswith(b".\r\n"):
            octets = await self.stream.receive_some(65536)
            if not octets:
                return None
            self.buffer += octets
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        data, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        return (data + b"\r\n").replace(b"\n..", b"\n.")


@asynccontextmanager
async def serving(host: FakeHost) -> AsyncIterator[FakeHost]:
    """``host`` on a free port of 127.0.0.1."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        sock: socket.socket = listeners[0].socket  # type: ignore[assignment]
        host.port = sock.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, host.serve, listeners)
        yield host
        for client in host.clients:
            await client.aclose()
        nursery.cancel_scope.cancel()
