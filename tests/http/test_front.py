"""The front: connections, bodies, deadlines, drain, and what it refuses."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from agentpost.http.budget import ByteBudget
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.limits import HttpLimits

routes = Routes("Test", root="")


class Sum(Body, frozen=True, forbid_unknown_fields=True):
    numbers: list[int]


class Total(msgspec.Struct):
    total: int


@routes.get("/fine", public=True, answer=Total, summary="fine")
async def fine(request: Request[None, None]) -> Response:
    """Answers at once."""
    return Response(Total(0))


@routes.post("/sum", public=True, body=Sum, answer=Total, summary="sum", max_body_octets=1000)
async def add(request: Request[Sum, None]) -> Response:
    """Adds."""
    return Response(Total(sum(request.body.numbers)))


@routes.post(
    "/octets", public=True, body=bytes, accepts=("message/rfc822",), answer=Total, summary="octets"
)
async def octets(request: Request[bytes, None]) -> Response:
    """Counts octets."""
    return Response(Total(len(request.body)))


waiting = {"begun": 0, "ended": 0, "answered": 0}


@routes.get("/wait", public=True, answer=Total, summary="wait", waits=True)
async def wait(request: Request[None, None]) -> Response:
    """Waits long."""
    waiting["begun"] += 1
    try:
        await trio.sleep(0.15)
        waiting["answered"] += 1
    finally:
        waiting["ended"] += 1
    return Response(Total(1))


@routes.get("/busy", public=True, answer=Total, summary="busy")
async def busy(request: Request[None, None]) -> Response:
    """Works for a moment."""
    await trio.sleep(0.15)
    return Response(Total(2))


@routes.get("/slow", public=True, answer=Total, summary="slow", deadline_s=0.05)
async def slow(request: Request[None, None]) -> Response:
    """Never answers in time."""
    await trio.sleep_forever()
    raise AssertionError


@routes.get("/stream", public=True, answer=bytes, summary="stream")
async def stream(request: Request[None, None]) -> Response:
    """Tells numbers for ever."""

    async def numbers() -> AsyncIterator[bytes]:
        waiting["begun"] += 1
        try:
            for number in range(1_000_000):
                yield b"%d\n" % number
                await trio.sleep(0.01 if number > 2 else 0)
        finally:
            waiting["ended"] += 1

    return Response(numbers(), media="text/plain")


@routes.get("/three", public=True, answer=bytes, summary="three")
async def three(request: Request[None, None]) -> Response:
    """Tells three numbers."""

    async def numbers() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number
        yield b""

    return Response(numbers(), media="text/plain")


@routes.get("/large", public=True, answer=bytes, summary="large")
async def large(request: Request[None, None]) -> Response:
    """20 MB."""
    return Response(b"x" * 20_000_000, media="application/octet-stream")


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *lines, "", "")).encode()


def post(path: str, body: bytes, media: str = "application/json", *lines: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    start = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {media}", length)
    return "\r\n".join((*start, *lines, "", "")).encode() + body


CLOSE = "Connection: close"


async def test_pipelined_requests_are_answered_in_order(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(
            get("/fine")
            + post("/sum", b'{"numbers":[1,2]}')
            + b"POST /octets HTTP/1.1\r\nHost: x\r\nContent-Type: message/rfc822\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            + get("/three")
            + get("/fine", CLOSE)
        )
    assert got.count(b"HTTP/1.1 200 OK") == 5
    order = [got.index(body) for body in (b'{"total":3}', b'{"total":5}', b"2\r\n0\n\r\n")]
    assert order == sorted(order)
    assert got.endswith(b'{"total":0}')


async def test_octets_may_come_one_by_one(serve: Any) -> None:
    async with serve(routes.endpoints) as server, await server.connect() as stream:
        for octet in post("/sum", b'{"numbers":[20,22]}', "application/json", CLOSE):
            await stream.send_all(bytes([octet]))
            await trio.lowlevel.checkpoint()
        with trio.fail_after(2):
            got = b""
            while piece := await stream.receive_some(4096):
                got += piece
    assert got.endswith(b'{"total":42}')


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /fine HTTP/1.1\nHost: x\n\n\r\n\r\n", 400),
        (b"\n\nGET /fine HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x/fine HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /fine HTTP/1.1\r\n\r\n", 400),
        (b"GET /fine HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /fine HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\nB: c\r\nCc: d\r\n" * 1000, 431),
        (b"GET /fine HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (post("/sum", b"x" * 1001), 413),
        (b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", 413),
        (b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
        (post("/sum", b"{}", "text/plain"), 415),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_and_closed(
    serve: Any, octets: bytes, status: int
) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(octets + get("/fine"))
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert got.count(b"content-length: ") == 1
    assert b"\r\nconnection: close\r\n" in got
    body = msgspec.json.decode(got.partition(b"\r\n\r\n")[2])
    assert body["fix"]
    assert body["request_id"].startswith("req_")


async def test_one_empty_line_before_a_request_is_forgiven(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(b"\r\n" + get("/fine") + b"\r\n" + get("/fine", CLOSE))
    assert got.count(b"200 OK") == 2


async def test_expect_continue(serve: Any) -> None:
    async with serve(routes.endpoints) as server, await server.connect() as stream:
        request = post("/sum", b'{"numbers":[1]}', "application/json", "Expect: 100-continue")
        head, _, body = request.partition(b"\r\n\r\n")
        with trio.fail_after(2):
            await stream.send_all(head + b"\r\n\r\n")
            assert await stream.receive_some(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            await stream.send_all(body)
            assert b'{"total":1}' in await stream.receive_some(4096)


async def test_expect_continue_is_not_asked_for_a_refused_body(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        head = post("/none", b"x", "application/json", "Expect: 100-continue")[:-1]
        assert (await server.ask(head)).startswith(b"HTTP/1.1 404")


async def test_head_has_no_body(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(get("/fine", CLOSE).replace(b"GET", b"HEAD"))
    assert b"content-length: 11\r\n" in got
    assert got.endswith(b"\r\n\r\n")


async def test_http_1_0_gets_a_close_and_no_chunks(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(b"GET /three HTTP/1.0\r\n\r\n")
    assert b"transfer-encoding" not in got
    assert got.endswith(b"\r\n\r\n0\n1\n2\n")


async def test_a_slow_head_is_cut(serve: Any, shrink: Callable[..., HttpLimits]) -> None:
    limits = shrink(head_s=0.1, first_request_s=5)
    async with serve(routes.endpoints, limits=limits) as server:
        with trio.fail_after(3):
            assert await server.ask(b"GET /fine HTT") == b""


async def test_a_silent_client_is_cut(serve: Any, shrink: Callable[..., HttpLimits]) -> None:
    async with serve(routes.endpoints, limits=shrink(first_request_s=0.1)) as server:
        with trio.fail_after(3):
            assert await server.ask(b"") == b""


async def test_keep_alive_ends(serve: Any, shrink: Callable[..., HttpLimits]) -> None:
    async with serve(routes.endpoints, limits=shrink(keep_alive_s=0.1)) as server:
        with trio.fail_after(3):
            assert (await server.ask(get("/fine"))).endswith(b'{"total":0}')


async def test_a_slow_body_is_cut(serve: Any, shrink: Callable[..., HttpLimits]) -> None:
    limits = shrink(body_s=0.1, body_octets_per_s=1_000_000)
    async with serve(routes.endpoints, limits=limits) as server:
        with trio.fail_after(3):
            assert await server.ask(post("/sum", b'{"numbers":[1]}')[:-3]) == b""
        assert server.server.floor.budget.free == limits.max_buffered_octets


async def test_a_handler_past_its_deadline_is_503(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(get("/slow", CLOSE))
    assert got.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5\r\n" in got


async def test_too_many_requests_at_once_are_503(
    serve: Any, shrink: Callable[..., HttpLimits]
) -> None:
    limits = shrink(max_requests=1)
    async with serve(routes.endpoints, limits=limits) as server, await server.connect() as first:
        await first.send_all(get("/busy"))
        await trio.sleep(0.03)
        assert (await server.ask(get("/fine"))).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("path", ["/wait", "/stream"])
async def test_who_waits_or_streams_takes_nobody_s_place(
    serve: Any, shrink: Callable[..., HttpLimits], path: str
) -> None:
    limits = shrink(max_requests=1)
    async with serve(routes.endpoints, limits=limits) as server:
        async with await server.connect() as first, await server.connect() as second:
            await first.send_all(get(path))
            await trio.sleep(0.03)
            await second.send_all(get(path))
            await trio.sleep(0.03)
            assert (await server.ask(get("/fine", CLOSE))).startswith(b"HTTP/1.1 200")
        with trio.fail_after(2):
            while server.server.floor.requests:
                await trio.sleep(0.005)


async def test_a_waiting_handler_ends_when_its_client_goes(serve: Any) -> None:
    before = dict(waiting)
    async with serve(routes.endpoints) as server:
        async with await server.connect() as stream:
            await stream.send_all(get("/wait"))
            await trio.sleep(0.03)
        with trio.fail_after(2):
            while waiting["ended"] == before["ended"]:
                await trio.sleep(0.005)
    assert waiting["answered"] == before["answered"]


async def test_a_request_may_follow_a_waiting_one(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(get("/wait") + get("/fine", CLOSE))
    assert got.index(b'{"total":1}') < got.index(b'{"total":0}')


async def test_a_stream_ends_when_its_client_goes(serve: Any) -> None:
    before = dict(waiting)
    async with serve(routes.endpoints) as server:
        async with await server.connect() as stream:
            await stream.send_all(get("/stream"))
            with trio.fail_after(2):
                got = b""
                while b"2\n" not in got:
                    got += await stream.receive_some(4096)
        with trio.fail_after(2):
            while waiting["ended"] == before["ended"]:
                await trio.sleep(0.005)


async def test_drain_lets_requests_finish_and_ends_idle_connections(
    serve: Any, shrink: Callable[..., HttpLimits]
) -> None:
    async with (
        serve(routes.endpoints, limits=shrink(drain_s=4)) as server,
        await server.connect() as idle,
        await server.connect() as busy,
    ):
        await idle.send_all(get("/fine"))
        await idle.receive_some(4096)
        await busy.send_all(get("/wait"))
        await trio.sleep(0.03)
        server.stopping.set()
        with trio.fail_after(1):
            assert await idle.receive_some(4096) == b""
            answer = await busy.receive_some(4096)
            assert b'{"total":1}' in answer
            assert b"connection: close" in answer
            assert await busy.receive_some(4096) == b""
        with pytest.raises(OSError, match=r"[Rr]efused|connect"):
            await server.connect()


async def test_drain_is_over_although_a_client_does_not_read(serve: Any) -> None:
    async with serve(routes.endpoints) as server:
        stream = await server.connect()
        await stream.send_all(get("/large"))
        await trio.sleep(0.05)
        server.stopping.set()
        with trio.fail_after(1.5):
            while server.server.floor.connections:
                await trio.sleep(0.01)
        await stream.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_no_octets_end_the_server(serve: Any, seed: int) -> None:
    rng = random.Random(seed)
    pieces = [
        *(get("/fine"), get("/three"), get("/wait"), get("/none"), get("/fine", "Expect: x")),
        *(post("/sum", b'{"numbers":[1]}'), post("/sum", b"{"), post("/octets", b"x" * 50)),
        *(b"POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n"),
        *(b"0\r\n\r\n", b"\r\n", b"\n", b"\0", b"GET", b" HTTP/1.1\r\n"),
    ]  # fmt: skip

    async def session(octets: bytes) -> None:
        async with await server.connect() as stream:
            with trio.move_on_after(0.05), contextlib.suppress(trio.BrokenResourceError):
                at = rng.randrange(len(octets) + 1)
                await stream.send_all(octets[:at])
                await trio.sleep(0.001)
                await stream.send_all(octets[at:])
                while await stream.receive_some(65536):
                    pass

    async with serve(routes.endpoints) as server:
        async with trio.open_nursery() as nursery:
            for _ in range(60):
                octets = b"".join(rng.choice(pieces) for _ in range(rng.randrange(1, 5)))
                at = rng.randrange(len(octets) + 1)
                if rng.random() < 0.5:
                    octets = octets[:at] + rng.randbytes(2) + octets[at + rng.randrange(3) :]
                nursery.start_soon(session, octets)
        with trio.fail_after(3):
            while server.server.floor.connections:
                await trio.sleep(0.005)
        assert b"200 OK" in await server.ask(get("/fine", CLOSE))
        assert server.server.floor.requests == 0
        assert server.server.floor.budget.free == server.server.floor.limits.max_buffered_octets


async def test_budget_is_first_come_first_served() -> None:
    budget = ByteBudget(100)
    await budget.acquire(80)
    order: list[int] = []

    async def take(octets: int) -> None:
        await budget.acquire(octets)
        order.append(octets)

    async with trio.open_nursery() as nursery:
        for octets in (90, 10, 500):
            nursery.start_soon(take, octets)
            await trio.testing.wait_all_tasks_blocked()
        assert order == []
        budget.release(80)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(order) == [10, 90]
        budget.release(90)
        budget.release(10)
    assert order[2] == 500
    budget.release(500)
    assert budget.free == 100


async def test_a_cancelled_wait_takes_nothing_from_the_budget() -> None:
    budget = ByteBudget(100)
    await budget.acquire(60)
    with trio.move_on_after(0.01):
        await budget.acquire(60)
    await budget.acquire(40)
    budget.release(60)
    budget.release(40)
    assert budget.free == 100


CHUNKED = (
    b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
        (post("/sum", b"a" * 1001), b"413"),
        (CHUNKED + b"3e9\r\n" + b"a" * 1001 + b"\r\n", b"413"),
    ],
)
async def test_refusals_of_the_front_carry_what_every_answer_carries(
    serve: Any, octets: bytes, status: bytes
) -> None:
    async with serve(routes.endpoints) as server:
        got = await server.ask(octets)
    assert got.startswith(b"HTTP/1.1 " + status)
    head, _, body = got.partition(b"\r\n\r\n")
    for name in (b"ratelimit-limit", b"x-ratelimit-reset", b"x-content-type-options"):
        assert name + b": " in head
    identity = msgspec.json.decode(body)["request_id"].encode()
    assert b"x-request-id: " + identity in head
