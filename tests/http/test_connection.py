"""What stock Hypercorn with Quart-Trio does to a server, and that ours does not.

Each fault is planted first: the same probe runs against the stock server and must find it there,
so that the probe is known to see what it looks for.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as stock_serve
from quart import Response, request, websocket
from quart_trio import QuartTrio

WEBSOCKET = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE_TO_HTTP2 = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
)
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


def make_app() -> QuartTrio:
    app = QuartTrio(__name__)

    @app.route("/", methods=["GET", "POST"])
    async def root() -> str:
        return str(len(await request.get_data())) if request.method == "POST" else "fine"

    @app.route("/unread", methods=["POST"])
    async def unread() -> str:
        return "fine"

    @app.route("/large")
    async def large() -> bytes:
        return b"x" * 30_000_000

    @app.route("/slow")
    async def slow() -> str:
        await trio.sleep(60)
        return "late"

    @app.route("/pieces")
    async def pieces() -> Response:
        async def make() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"piece %d\n" % number

        return Response(make())

    @app.websocket("/echo")
    async def echo() -> None:
        await websocket.accept()
        while True:
            await websocket.send(await websocket.receive())

    @app.route("/endless", methods=["POST"])
    async def endless() -> Response:
        async def make() -> AsyncIterator[bytes]:
            yield b"begun"
            await trio.sleep_forever()

        return Response(make())

    @app.websocket("/late")
    async def late() -> None:
        await trio.sleep(0.05)
        await websocket.accept()
        await websocket.send(await websocket.receive())

    @app.websocket("/refuse")
    async def refuse() -> tuple[str, int]:
        return "no", 403

    return app


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Stock:
    """The stock server in this process, with what became of it."""

    def __init__(self) -> None:
        self.port = 0
        self.died = False
        self.stopping = trio.Event()
        self.ended = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        config = Config()
        config.bind = ["127.0.0.1:0"]
        config.errorlog = None
        config.graceful_timeout = 0.2
        config.keep_alive_timeout = 0.2
        try:
            async with trio.open_nursery() as nursery:
                binds = await nursery.start(
                    partial(stock_serve, make_app(), config, shutdown_trigger=self.stopping.wait)
                )
                self.port = int(binds[0].rsplit(":", 1)[1])
                task_status.started()
        except BaseException as error:
            self.died = not isinstance(error, trio.Cancelled)
            if isinstance(error, trio.Cancelled):
                raise
        finally:
            self.ended.set()

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


@asynccontextmanager
async def stock() -> AsyncIterator[Stock]:
    server = Stock()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        server.stopping.set()
        with trio.move_on_after(3):
            await server.ended.wait()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def ours(serve: Any, **options: Any) -> AsyncIterator[Any]:
    app = make_app()
    async with serve(asgi=app, foreign=["/"], **options) as server:
        yield server


async def talk(server: Any, *parts: bytes, pause: float = 0.02, patience: float = 1.0) -> bytes:
    """Send the parts and read until the end, or until ``patience`` is over."""
    received = b""
    async with await server.connect() as stream:
        try:
            for part in parts:
                await stream.send_all(part)
                await trio.sleep(pause)
            with trio.move_on_after(patience):
                while octets := await stream.receive_some(65536):
                    received += octets
        except trio.BrokenResourceError:
            pass
    return received


async def alive(server: Any) -> bool:
    try:
        return b"fine" in await talk(server, GET % b"/", patience=0.2)
    except OSError:
        return False


HOSTILE = {
    "malformed chunk, body not read": (CHUNKED % b"/unread" + b"ZZ\r\n",),
    "octets after the handshake": (WEBSOCKET % b"/echo" + b"\x81\x85aaaabcdef",),
}


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_octets_end_the_stock_server(parts: tuple[bytes, ...]) -> None:
    async with stock() as server:
        for _ in range(40):  # a race, which about every third attempt wins
            if server.died:
                break
            try:
                await talk(server, *parts, pause=0.001, patience=0.03)
            except OSError:
                await trio.sleep(0.01)
        assert server.died


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_octets_end_their_connection_only(
    serve: Any, parts: tuple[bytes, ...]
) -> None:
    async with ours(serve) as server:
        for pause in (0.0, 0.005, 0.02):
            await talk(server, *parts, pause=pause, patience=0.1)
            await talk(server, b"".join(parts), pause=pause, patience=0.1)
        assert await alive(server)


async def pipelined_and_gone(server: Any) -> int:
    """Descriptors that stay open after clients pipelined and went away."""
    before = descriptors()
    for _ in range(5):
        stream = await server.connect()
        await stream.send_all(GET % b"/slow" * 3)
        await trio.sleep(0.02)
        await stream.aclose()
    for _ in range(50):
        if descriptors() <= before:
            break
        await trio.sleep(0.01)
    return descriptors() - before


async def test_stock_leaks_descriptors_of_pipelining_clients() -> None:
    async with stock() as server:
        assert await pipelined_and_gone(server) >= 5


async def test_no_descriptor_leaks_when_pipelining_clients_go(serve: Any) -> None:
    async with ours(serve) as server:
        assert await pipelined_and_gone(server) <= 0


async def shutdown_with_a_deaf_client(server: Any, ended: Callable[[], Awaitable[None]]) -> bool:
    """Whether a shutdown completes although a client does not read its 30 MB."""
    async with await server.connect() as stream:
        await stream.send_all(GET % b"/large")
        await trio.sleep(0.1)
        server.stopping.set()
        with trio.move_on_after(0.7) as patience:
            await ended()
        return not patience.cancelled_caught


async def test_a_deaf_client_hangs_the_shutdown_of_stock() -> None:
    async with stock() as server:
        assert not await shutdown_with_a_deaf_client(server, server.ended.wait)


async def test_a_deaf_client_does_not_hang_the_shutdown(serve: Any) -> None:
    async with ours(serve) as server:

        async def ended() -> None:
            while server.server.floor.connections:
                await trio.sleep(0.01)

        assert await shutdown_with_a_deaf_client(server, ended)


async def test_a_deaf_client_is_dropped_after_the_send_deadline(serve: Any) -> None:
    async with ours(serve) as server, await server.connect() as stream:
        await stream.send_all(GET % b"/large")
        with trio.fail_after(3):
            while not server.server.floor.connections:
                await trio.sleep(0.01)
            while server.server.floor.connections:
                await trio.sleep(0.01)


async def closes(server: Any) -> bool:
    """Whether a connection ends after the answer to ``Connection: close``."""
    async with await server.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with trio.move_on_after(0.5) as patience:
            while await stream.receive_some(65536):
                pass
        return not patience.cancelled_caught


async def test_stock_never_closes_on_connection_close() -> None:
    async with stock() as server:
        assert not await closes(server)


async def test_connection_close_closes(serve: Any) -> None:
    async with ours(serve) as server:
        assert await closes(server)


async def test_the_connection_goes_on_after_a_handed_over_request(serve: Any) -> None:
    async with ours(serve) as server:
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        chunked = CHUNKED % b"/" + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        got = await talk(server, GET % b"/pieces" + post + chunked + last)
        assert got.count(b"HTTP/1.1 200") == 4
        assert b"piece 2" in got
        assert got.endswith(b"fine")
        bodies = [part.partition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200")[2:4]]
        assert bodies == [b"5", b"7"]


def masked(payload: bytes, opcode: int = 1) -> bytes:
    key = b"\x01\x02\x03\x04"
    body = bytes(octet ^ key[at % 4] for at, octet in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + key + body


async def test_a_websocket_echoes(serve: Any) -> None:
    async with ours(serve) as server, await server.connect() as stream:
        await stream.send_all(WEBSOCKET % b"/echo")
        head = b""
        with trio.fail_after(2):
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some(4096)
            assert head.startswith(b"HTTP/1.1 101")
            await stream.send_all(masked(b"hello"))
            got = head.partition(b"\r\n\r\n")[2]
            while b"hello" not in got:
                got += await stream.receive_some(4096)


async def test_frames_that_come_too_early_wait_for_the_handshake(serve: Any) -> None:
    async with ours(serve) as server:
        got = await talk(server, WEBSOCKET % b"/late", masked(b"early"), patience=0.2)
        assert got.index(b"101") < got.index(b"early")


async def test_a_broken_request_does_not_complete_an_answer_under_way(serve: Any) -> None:
    async with ours(serve) as server:
        got = await talk(server, CHUNKED % b"/endless", b"ZZ\r\n", pause=0.05)
        assert b"begun" in got
        assert b"0\r\n\r\n" not in got


async def test_an_application_that_does_not_end_is_ended(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            await trio.sleep_forever()

    async with serve(asgi=app, foreign=["/"]) as server:
        got = await talk(server, GET % b"/" * 2, patience=0.7)
        assert got.count(b"HTTP/1.1 204") == 2


async def test_a_refused_handshake_is_answered(serve: Any) -> None:
    async with ours(serve) as server:
        assert b" 403 " in await talk(server, WEBSOCKET % b"/refuse")
        assert await alive(server)


async def test_a_websocket_that_answers_no_ping_is_closed_with_4008(serve: Any) -> None:
    async with ours(serve) as server:
        got = await talk(server, WEBSOCKET % b"/echo", patience=2)
        assert (4008).to_bytes(2) + b"ping_timeout" in got
        assert got.count(b"\x89\x00") >= 2


async def test_compression_of_frames_is_not_negotiated(serve: Any) -> None:
    offer = b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    async with ours(serve) as server:
        got = await talk(server, (WEBSOCKET % b"/echo").replace(b"\r\n\r\n", offer), patience=0.05)
        assert b"101" in got
        assert b"deflate" not in got


@pytest.mark.parametrize(
    "octets",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        UPGRADE_TO_HTTP2,
    ],
)
async def test_http2_is_not_spoken(serve: Any, octets: bytes) -> None:
    async with ours(serve) as server:
        assert b"101" not in await talk(server, octets, patience=0.1)
        assert await alive(server)


def hostile_session(rng: random.Random) -> list[bytes]:
    """Pieces of valid and broken requests in random order, cut and bent at random."""
    paths = [b"/", b"/unread", b"/pieces", b"/echo", b"/refuse", b"/none", b"/slow"]
    stock_of_pieces: list[Callable[[], bytes]] = [
        lambda: GET % rng.choice(paths),
        lambda: CHUNKED % rng.choice(paths),
        lambda: WEBSOCKET % rng.choice(paths),
        lambda: b"5\r\nhello\r\n",
        lambda: b"0\r\n\r\n",
        lambda: rng.choice([b"ZZ\r\n", b"-1\r\n", b"FFFFFFFFF\r\n", b"5\r\nhelloX"]),
        lambda: masked(rng.randbytes(rng.randrange(100)), rng.randrange(16)),
        lambda: rng.randbytes(rng.randrange(40)),
        lambda: b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % rng.randrange(20),
        lambda: b"Expect: 100-continue\r\n\r\n",
    ]
    octets = b"".join(rng.choice(stock_of_pieces)() for _ in range(rng.randrange(1, 6)))
    if rng.random() < 0.3:
        at = rng.randrange(len(octets) + 1)
        octets = octets[:at] + rng.randbytes(2) + octets[at + rng.randrange(3) :]
    cuts = sorted(rng.randrange(len(octets) + 1) for _ in range(rng.randrange(3)))
    return [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]


@pytest.mark.parametrize("seed", range(3))
async def test_no_octets_end_the_server_or_leak(
    serve: Any, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rng = random.Random(seed)
    sessions = [hostile_session(rng) for _ in range(60)]
    async with ours(serve) as server:
        assert await alive(server)
        before = descriptors()
        async with trio.open_nursery() as nursery:
            for session in sessions:
                nursery.start_soon(partial(talk, server, *session, pause=0.001, patience=0.03))
        with trio.fail_after(5):
            while server.server.floor.connections:
                await trio.sleep(0.01)
        assert await alive(server)
        with trio.fail_after(2):
            while descriptors() > before:
                await trio.sleep(0.01)
    for record in caplog.records:
        assert record.levelno < logging.WARNING, record.exc_text or record.getMessage()
