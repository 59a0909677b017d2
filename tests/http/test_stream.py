"""Server-sent events: the frames, and what a client may say where it was."""

from __future__ import annotations

import json

import httpx2
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import InvalidRequest
from agentpost.http import stream
from agentpost.http.feed import Credential, Feed, Wanted
from agentpost.limits import HttpLimits
from tests.http.test_websocket import ACTOR, Keys, Log, event


def read(octets: bytes) -> list[httpx2.ServerSentEvent]:
    """What a client's reader makes of a stream."""
    request = httpx2.Request("GET", "http://server.test/api/v1/stream")
    fields = {"content-type": stream.MEDIA}
    response = httpx2.Response(200, content=octets, headers=fields, request=request)
    return list(httpx2.EventSource(response))


def test_a_frame_is_an_event_with_its_seq_type_and_envelope() -> None:
    [found] = read(stream.event_frame(event(48211), b'{"seq":48211}'))
    assert (found.id, found.event, json.loads(found.data)) == (
        "48211",
        "message.received",
        {"seq": 48211},
    )


def test_what_only_shows_life_tells_nothing_but_its_place() -> None:
    octets = stream.opening_frame(7, 2.0) + stream.ping_frame(9)
    assert octets == b"retry: 2000\nid: 7\n\n: ping\nid: 9\n\n"
    assert [frame.data for frame in read(octets) if frame.data] == []


@given(st.integers(0, 2**63 - 1))
def test_every_seq_is_understood_as_it_was_sent(seq: int) -> None:
    assert stream.last_seq(str(seq)) == seq


@pytest.mark.parametrize("field", [None, ""])
def test_a_client_that_has_no_place_yet_has_none(field: str | None) -> None:
    assert stream.last_seq(field) is None


@pytest.mark.parametrize("field", ["-1", "1.0", " 1", "x", "٣", "1e3", "0x10", "9" * 20, "²"])
def test_a_place_that_is_none_of_ours_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequest):
        stream.last_seq(field)


async def test_a_quiet_stream_shows_that_it_lives_and_how_far_it_has_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log, limits = Log(), HttpLimits()
    feed = Feed(log, Credential(Keys(), "ap_sk_x", None), Wanted(("message.received",)), 0)
    frames = stream.frames(feed, log, ACTOR, trio.Event(), limits)
    assert await anext(frames) == b"retry: 2000\nid: 0\n\n"
    began = trio.current_time()
    assert await anext(frames) == b": ping\nid: 0\n\n"
    assert trio.current_time() - began == pytest.approx(limits.stream_ping_s)
    log.events = [event(7, "message.sent")]
    async with trio.open_nursery() as nursery:
        for pause in (5, 10, 15):  # It is woken for nothing.
            nursery.start_soon(_wake_in, log, pause)
        assert await anext(frames) == b": ping\nid: 7\n\n"
        assert trio.current_time() - began == pytest.approx(2 * limits.stream_ping_s)
        log.add(8)
        assert (await anext(frames)).startswith(b"id: 8\nevent: message.received\ndata: {")
        assert await anext(frames) == b": ping\nid: 8\n\n"
        assert trio.current_time() - began == pytest.approx(3 * limits.stream_ping_s)
    await frames.aclose()
    assert log.ears == []


async def _wake_in(log: Log, seconds: float) -> None:
    await trio.sleep(seconds)
    log.wake()


async def test_a_stream_ends_with_the_server_and_with_its_key(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log, keys, stopping = Log(), Keys(), trio.Event()
    feed = Feed(log, Credential(keys, "ap_sk_x", None), Wanted(), 0)
    frames = stream.frames(feed, log, ACTOR, stopping, HttpLimits())
    await anext(frames)
    keys.actor = None
    assert [frame async for frame in frames] == [b": key_revoked\n\n"]
    keys.actor = ACTOR
    frames = stream.frames(feed, log, ACTOR, stopping, HttpLimits())
    await anext(frames)
    stopping.set()
    assert [frame async for frame in frames] == []
