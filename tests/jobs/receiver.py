"""A receiver of webhooks on this machine, which answers as it is told."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import trio


@dataclass(frozen=True)
class Request:
    """What came: names of header fields in lower case."""

    path: str
    fields: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[["Request"], bytes | Awaitable[bytes]]


def answer(status: int, fields: str = "", body: str = "") -> bytes:
    """A complete answer; ``fields`` are lines that end in CR LF."""
    head = f"HTTP/1.1 {status} X\r\n{fields}content-length: {len(body)}\r\n\r\n{body}"
    return head.encode()


@dataclass
class Receiver:
    """Records requests; ``says`` decides about each."""

    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    says: Answer = lambda _: answer(200)
    requests: list[Request] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    def url(self, path: str = "/hook") -> str:
        return f"{self.scheme}://{self.host}:{self.port}{path}"

    async def handle(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            request = await self._read(stream)
            self.requests.append(request)
            said = self.says(request)
            await stream.send_all(said if isinstance(said, bytes) else await said)
        except (trio.BrokenResourceError, EOFError):
            pass
        finally:
            self.open -= 1
            await trio.aclose_forcefully(stream)

    async def _read(self, stream: trio.abc.Stream) -> Request:
        wire = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = b""
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                octets = bytes(await stream.receive_some(65536))
                if not octets:
                    raise EOFError
                wire.receive_data(octets)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                break
        assert head is not None
        fields = {name.decode(): value.decode() for name, value in head.headers}
        return Request(head.target.decode(), fields, body, trio.current_time())


@asynccontextmanager
async def receiving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=512)
    receiver.port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        if context is None:
            nursery.start_soon(trio.serve_listeners, receiver.handle, listeners)
        else:
            receiver.scheme = "https"
            wrapped = [trio.SSLListener(one, context, https_compatible=True) for one in listeners]

            async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
                try:
                    await stream.do_handshake()
                except trio.BrokenResourceError:
                    return
                await receiver.handle(stream)

            nursery.start_soon(trio.serve_listeners, handle, wrapped)
        yield receiver
        nursery.cancel_scope.cancel()
