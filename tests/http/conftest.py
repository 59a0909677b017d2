"""Servers and clients for the tests of the HTTP edge; everything listens on loopback, port 0."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
import trio

from agentpost.errors import AuthenticationFailed
from agentpost.http.api import Api
from agentpost.http.connection import AsgiGate
from agentpost.http.endpoint import Endpoint
from agentpost.http.proxies import Proxies
from agentpost.http.ratelimit import Governor
from agentpost.http.server import HttpServer, Listener
from agentpost.http.services import Services
from agentpost.ids import EnvironmentId, OrganizationId
from agentpost.limits import HttpLimits
from agentpost.model.actor import SCOPES, Actor
from agentpost.net import NetLimits, Tally

KEY = "ap_sk_test_0123456789abcdef0123456789abcdef"
ACTOR = Actor(OrganizationId("org_1"), "key_1", SCOPES)
QUICK = HttpLimits(drain_s=0.3, cleanup_s=0.2, sweep_s=0.03, websocket_ping_s=0.1)
NET = NetLimits(send_stall_s=0.3, close_s=0.2)


@dataclass
class Keys:
    """An authenticator with its keys in a dict."""

    actors: dict[str, Actor] = field(default_factory=lambda: {KEY: ACTOR})

    async def by_key(self, secret: str, *, peer: str | None, source: str = "rest") -> Actor:
        await trio.lowlevel.checkpoint()
        actor = self.actors.get(secret)
        if actor is None:
            raise AuthenticationFailed
        return actor

    async def by_polling_token(self, token: str, *, peer: str | None) -> Actor:
        raise AuthenticationFailed

    async def has_environment(
        self, organization: OrganizationId, environment: EnvironmentId
    ) -> bool:
        await trio.lowlevel.checkpoint()
        return True


@dataclass
class Running:
    """A server that runs for a test."""

    port: int
    stopping: trio.Event
    server: HttpServer
    api: Api
    keys: Keys

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def ask(self, octets: bytes, *, whole: bool = True) -> bytes:
        """Send octets on a new connection and read until the server closes it."""
        stream = await self.connect()
        async with stream:
            with trio.fail_after(5):
                await stream.send_all(octets)
                return await read_all(stream)


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything until the end; a reset counts as one."""
    received = b""
    try:
        while octets := await stream.receive_some(65536):
            received += octets
    except trio.BrokenResourceError:
        pass
    return received


def listening() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(100)
    sock.setblocking(False)
    return sock


AsgiApp = Callable[..., Awaitable[None]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]


@asynccontextmanager
async def running(
    endpoints: Iterable[Endpoint] = (),
    *,
    asgi: AsgiApp | None = None,
    foreign: Iterable[str] = (),
    limits: HttpLimits = QUICK,
    governor: Governor | None = None,
    proxies: Proxies | None = None,
) -> AsyncIterator[Running]:
    stopping = trio.Event()
    keys = Keys()

    async def ready() -> dict[str, bool]:
        return {"database": True}

    services = Services(keys, stopping, ready, "0.0.0")
    api = Api(endpoints, services, governor or Governor(), limits, proxies)
    api.give_away(*foreign)
    gate = None if asgi is None else AsgiGate(asgi, limits, proxies)
    server = HttpServer(api, gate, limits, stopping)
    sock = listening()
    port = sock.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [Listener(sock)], NET, Tally(NET))
        try:
            yield Running(port, stopping, server, api, keys)
        finally:
            stopping.set()
            with trio.CancelScope(shield=True), trio.move_on_after(5) as patience:
                while nursery.child_tasks:
                    await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
            assert not patience.cancelled_caught, "the server did not stop"


@pytest.fixture
def serve() -> Serve:
    return running


@pytest.fixture
def quick() -> HttpLimits:
    return QUICK


@pytest.fixture
def shrink() -> Callable[..., HttpLimits]:
    def with_changes(**changes: float) -> HttpLimits:
        return replace(QUICK, **changes)  # type: ignore[arg-type]

    return with_changes
