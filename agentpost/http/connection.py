"""One exchange handed over to Hypercorn and the ASGI application behind it.

The front (``front.py``) answers REST itself; WebSocket, MCP and the console are ASGI and come
here: one request, or one WebSocket.  Stock Hypercorn 0.18 on Trio must not face a network; each
of these was reproduced and is tested in ``tests/http/test_connection.py``:

* an error of one connection (a malformed chunk, octets after a WebSocket handshake) leaves its
  nursery and ends the process.  Here frames are read only after the handshake, one task alone
  ends the exchange, and what still goes wrong ends in the guard of :mod:`agentpost.net`;
* a pipelined request blocks the reader, so that a disconnect is never noticed and the descriptor
  leaks.  Here reading goes on, bounded, and the peer's end is the connection's end;
* a client that does not read holds a shielded send, and with it the shutdown, for ever.  Here
  nothing is shielded, and the stream gives up on a peer that does not read;
* Quart-Trio cancels the application when it is told ``http.disconnect``, which Hypercorn does
  within the last ``send()``, before it closes: the connection is never closed.  Here that last
  step waits for nothing: the exchange is marked as over, and its owner closes or goes on.

HTTP/2 is not offered: neither by upgrade, nor by prior knowledge.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Body, Data, EndBody, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from wsproto.events import CloseConnection, Ping
from wsproto.utilities import LocalProtocolError

from agentpost.http.proxies import Proxies
from agentpost.http.wire import Head
from agentpost.limits import HttpLimits
from agentpost.net import Stream

log = logging.getLogger("agentpost.http")

MAX_RECEIVE: Final = 64 * 1024
PING_TIMEOUT: Final = 4008
_DROPPED: Final = frozenset({b"sec-websocket-extensions", b"http2-settings", b"expect"})
"""Fields not passed on: compression of WebSocket frames lets 64 KiB become 64 MiB, HTTP/2 is
not offered, and the front has already answered ``Expect``."""


class AsgiGate:
    """The ASGI application and what its connections share; made once for a worker."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        limits: HttpLimits,
        proxies: Proxies | None = None,
    ) -> None:
        self.proxies = proxies or Proxies()
        self.app: AppWrapper = ASGIWrapper(cast(Any, app))
        self.limits = limits
        self.config = _config(limits)
        self.context = WorkerContext(None)

    async def stop(self) -> None:
        """Tell connections that the server is stopping: no exchange leads to another one."""
        await self.context.terminated.set()

    async def exchange(self, stream: Stream, head: Head, received: bytes) -> bytes | None:
        """Serve the request ``head``, of which ``received`` octets of the body are already read.

        Returns: octets of the next request when the connection goes on (often none yet), or
        ``None`` when it is over.  Never raises an ``Exception``.
        """
        return await HandedOver(self, stream, head).serve(replay(head) + received)


def _config(limits: HttpLimits) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = log
    config.include_server_header = False
    config.h11_max_incomplete_size = limits.max_head_octets + 4096
    config.websocket_max_message_size = limits.websocket_message_octets
    config.websocket_ping_interval = None
    return config


def replay(head: Head) -> bytes:
    """The head as octets again, written from its parsed form so that it reads in one way only."""
    websocket = wants_websocket(head)
    fields = [
        b"%b: %b\r\n" % (name, value)
        for name, value in head.fields.items()
        if name not in _DROPPED and (websocket or name != b"upgrade") and name != b"connection"
    ]
    option = b"upgrade" if websocket else (b"keep-alive" if head.keep_alive else b"close")
    line = f"{head.method} {head.target} HTTP/1.{head.minor}\r\n".encode("ascii")
    return b"".join((line, *fields, b"connection: ", option, b"\r\n\r\n"))


def wants_websocket(head: Head) -> bool:
    """Whether the request is a WebSocket handshake (RFC 6455 section 4.2.1)."""
    return (
        head.upgrade
        and head.method == "GET"
        and head.framing == "none"
        and head.fields.get(b"upgrade", b"").lower() == b"websocket"
    )


class _Tasks(TaskGroup):
    """The tasks of one exchange: the application's and those that assist it."""

    def end_within(self, seconds: float) -> None:
        """Cancel what still runs then: the application was told to end and may clean up."""
        assert self._nursery is not None
        self._nursery.cancel_scope.deadline = trio.current_time() + seconds


class _Exchange(H11Protocol):
    """Hypercorn's HTTP/1.1 for one request; says when it is over instead of going on."""

    def __init__(self, owner: HandedOver, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._owner = owner
        self.accepted = trio.Event()
        """Set when a WebSocket handshake is answered; its frames are read only then."""

    @property
    def ahead(self) -> int:
        """Octets received beyond the request that is being answered."""
        if isinstance(self.connection, H11WSConnection):
            return 0
        return len(self.connection.trailing_data[0])

    async def _handle_events(self) -> None:
        """Give the application what has arrived.

        Unlike the stock method this never waits for the answer when a further request is there
        already (a deaf reader does not notice that the peer is gone), and never starts HTTP/2.
        """
        while True:
            try:
                event = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            if isinstance(event, h11.Request):
                await self._create_stream(event)
            elif self.stream is None:
                return
            elif isinstance(event, h11.Data):
                await self.stream.handle(Body(stream_id=STREAM_ID, data=bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                await self.stream.handle(EndBody(stream_id=STREAM_ID))
            elif isinstance(event, Data):
                await self.stream.handle(event)
            else:  # h11.NEED_DATA, h11.PAUSED or the peer's end
                return

    async def _refuse(self, status: int) -> None:
        # Does nothing when an answer is under way already; that one stays incomplete.
        await self._send_error_response(status)
        self._owner.finish(None)

    async def stream_send(self, event: StreamEvent) -> None:
        await super().stream_send(event)
        if isinstance(event, Response) and isinstance(self.connection, H11WSConnection):
            self.accepted.set()
            if event.status_code == 101:
                self._owner.assist(self._keep_alive)

    async def _maybe_recycle(self) -> None:
        connection = self.connection
        reusable = (
            isinstance(connection, h11.Connection)
            and connection.our_state is h11.DONE
            and connection.their_state is h11.DONE
            and not self.context.terminated.is_set()
        )
        rest = bytes(connection.trailing_data[0]) if reusable else None
        await self._close_stream()
        self._owner.finish(rest)

    async def _keep_alive(self) -> None:
        """Ping an accepted WebSocket; close it when nothing came back for two intervals."""
        interval = self._owner.limits.websocket_ping_s
        while True:
            await trio.sleep(interval)
            if not isinstance(self.stream, WSStream):
                return
            if trio.current_time() - self._owner.heard_at > 2.5 * interval:
                await self._tell(CloseConnection(code=PING_TIMEOUT, reason="ping_timeout"))
                self._owner.abandon()
                return
            await self._tell(Ping())

    async def _tell(self, event: CloseConnection | Ping) -> None:
        assert isinstance(self.stream, WSStream)
        with suppress(LocalProtocolError):  # The closing handshake has begun meanwhile.
            await self.send(RawData(self.stream.connection.send(event)))


class HandedOver(TCPServer):
    """One exchange over one stream, to its end or to the end of the peer's patience and ours."""

    def __init__(self, gate: AsgiGate, stream: Stream, head: Head) -> None:
        super().__init__(gate.app, gate.config, gate.context, {}, cast(Any, stream))
        self.limits = gate.limits
        self.heard_at = trio.current_time()
        self._head = head
        self._connection = stream
        self._client = gate.proxies.client(head, stream.peer)
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._rest: bytes | None = None
        self._assistants: list[trio.CancelScope] = []
        self._tasks: TaskGroup
        self._exchange: _Exchange

    def finish(self, rest: bytes | None) -> None:
        """The exchange is over; ``rest`` belongs to the next one, ``None`` closes."""
        if not self._over.is_set():
            self._rest = rest
            self._over.set()

    def abandon(self) -> None:
        """End the connection now, whatever it is doing."""
        self._rest = None
        self._scope.cancel()

    async def serve(self, received: bytes) -> bytes | None:
        """Run the exchange.  Returns: as :meth:`AsgiGate.exchange`."""
        with self._scope:
            await self._run(received)
        return self._rest

    async def _run(self, received: bytes) -> None:
        tasks = _Tasks()
        async with tasks:
            self._exchange = _Exchange(
                self,
                self.app,
                self.config,
                self.context,
                tasks,
                ConnectionState({}),
                self._connection.tls is not None,
                (self._client.address, self._client.port),
                None,
                self.protocol_send,
            )
            self._tasks = tasks
            self.assist(self._read, received)
            await self._over.wait()
            for scope in self._assistants:
                scope.cancel()
            tasks.end_within(self.limits.cleanup_s)

    def assist(self, task: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Run ``task`` beside the application until the exchange is over."""
        scope = trio.CancelScope()
        self._assistants.append(scope)

        async def scoped() -> None:
            with scope:
                await task(*arguments)

        self._tasks.spawn(scoped)

    async def _read(self, received: bytes) -> None:
        await self._exchange.handle(RawData(received))
        websocket = wants_websocket(self._head)
        while True:
            if websocket:
                await self._exchange.accepted.wait()
            elif self._exchange.ahead > self.limits.max_pipelined_octets:
                await trio.sleep_forever()
            octets = await self._receive()
            if not octets:
                break
            self.heard_at = trio.current_time()
            await self._exchange.handle(RawData(octets))
        await self._peer_is_gone()

    async def _receive(self) -> bytes:
        try:
            return await self._connection.receive_some(MAX_RECEIVE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _peer_is_gone(self) -> None:
        """Tell the application; what it still does to clean up is bounded."""
        with trio.move_on_after(self.limits.cleanup_s):
            await self._exchange.handle(Closed())
            await self._over.wait()
        self.finish(None)

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Closed):
            self.finish(None)

    async def _send(self, octets: bytes) -> None:
        async with self.send_lock:
            try:
                await self._connection.send_all(octets)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.abandon()
