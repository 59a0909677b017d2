"""The line between supervisor and worker."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from agentpost.control import frames
from agentpost.control.line import Line

ORDER = frames.Order(3, {"domain": "a.example"}, {"imaps": 7})


@given(
    contents=st.lists(st.tuples(st.sampled_from(b"SRDTM"), st.binary(max_size=60)), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_frames_do_not_depend_on_how_the_octets_arrive(
    contents: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    wanted = [(bytes([letter]), content) for letter, content in contents]
    octets = b"".join(frames.frame(letter, content) for letter, content in wanted)
    unframer, got, start = frames.Unframer(), [], 0
    for cut in [*sorted(cuts), len(octets)]:
        got += unframer.feed(octets[start:cut])
        start = max(start, min(cut, len(octets)))
    assert got == wanted


def test_a_frame_that_cannot_be_ours_breaks_the_line() -> None:
    with pytest.raises(frames.LineBroken):
        frames.Unframer().feed(b"S\xff\xff\xff\xff")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_the_order_arrives_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = pair
    supervisor.sendall(frames.encode_order(ORDER))
    assert Line(worker).await_order() == ORDER


def test_a_supervisor_that_never_orders(pair: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = pair
    supervisor.close()
    with pytest.raises(frames.LineBroken):
        Line(worker).await_order()


async def test_orders_are_obeyed_and_a_failing_one_does_no_harm(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    supervisor, worker = pair
    # Orders may come together with the start.
    supervisor.sendall(frames.encode_order(ORDER) + frames.frame(frames.RELOAD))
    line, stopping, reloads = Line(worker), trio.Event(), []
    line.await_order()

    def reload() -> None:
        reloads.append(1)
        raise OSError("no such certificate")

    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await line.run(
                stopping, expose=lambda: b"x 1\n" * 9, reload=reload, orphaned=lambda: None
            )

        nursery.start_soon(run)
        await line.ready()
        supervisor.sendall(frames.frame(frames.METRICS))
        unframer = frames.Unframer()
        heard: list[tuple[bytes, bytes]] = []
        supervisor.setblocking(False)
        while len(heard) < 2:
            await trio.lowlevel.wait_readable(supervisor)
            heard += unframer.feed(supervisor.recv(100))
        assert sorted(heard) == [(frames.METRICS, b"x 1\n" * 9), (frames.READY, b"")]
        assert reloads == [1]
        assert not stopping.is_set()
        supervisor.sendall(frames.frame(frames.DRAIN))
        await stopping.wait()
        nursery.cancel_scope.cancel()


async def test_an_orphan_ends_soon(
    pair: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    supervisor, worker = pair
    worker.setblocking(False)
    stopping, orphaned = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await Line(worker).run(
                stopping, expose=lambda: b"", reload=lambda: None, orphaned=orphaned.set
            )

        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        supervisor.close()
        await stopping.wait()
        await orphaned.wait()
    assert 0 < trio.current_time() < 5
