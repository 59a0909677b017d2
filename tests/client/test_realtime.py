"""Streams of events that break and go on where they were (R117, R118)."""

from __future__ import annotations

import itertools
import json

import httpx2
import pytest
from trio.testing import MockClock

from agentpost import AgentPost, AsyncAgentPost
from agentpost.client import AuthenticationFailed, ConnectionFailed
from agentpost.client import _realtime as realtime_module


def frame(seq: int) -> str:
    event = {
        "id": f"evt_{seq}",
        "type": "message.received",
        "timestamp": "2026-03-08T14:30:00.000Z",
        "org_id": "org_1",
        "env_id": "env_1",
        "inbox_id": "inb_1",
        "seq": seq,
        "modseq": seq,
        "data": {"subject": f"no. {seq}"},
    }
    return f"id: {seq}\nevent: message.received\ndata: {json.dumps(event)}\n\n"


class Streams:
    """A server whose streams hold these numbers and then break; text is sent as it is."""

    def __init__(self, *streams: tuple[int | str, ...] | int | Exception) -> None:
        self._streams = list(streams)
        self.asked: list[tuple[str | None, httpx2.QueryParams]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((request.headers.get("last-event-id"), request.url.params))
        step = self._streams.pop(0) if self._streams else httpx2.ConnectError("gone")
        if isinstance(step, Exception):
            raise step
        if isinstance(step, int):
            return httpx2.Response(step, json={"code": "unauthenticated", "message": "No."})
        text = ": hello\n\n" + "".join(
            each if isinstance(each, str) else frame(each) for each in step
        )
        return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentpost.client._realtime.time.sleep", lambda _: None)


def client_of(streams: Streams) -> AgentPost:
    http = httpx2.Client(transport=httpx2.MockTransport(streams))
    return AgentPost("ap_sk_test_k", base_url="http://server.test", http_client=http)


def test_a_stream_that_breaks_goes_on_behind_its_last_event() -> None:
    streams = Streams((5, 6), httpx2.ReadError("reset"), (), (7, 9))
    events = client_of(streams).realtime.stream(["message.received"], inbox_id="inb_1", from_seq=4)
    found = list(itertools.islice(events, 4))
    assert [event.seq for event in found] == [5, 6, 7, 9]
    assert found[0].data["subject"] == "no. 5"
    assert found[0].timestamp.year == 2026
    assert [last for last, _ in streams.asked] == ["4", "6", "6", "6"]
    assert streams.asked[0][1]["inbox_id"] == "inb_1"
    assert streams.asked[0][1].get_list("event_types") == ["message.received"]


def test_a_stream_that_breaks_before_its_first_event_misses_nothing() -> None:
    streams = Streams(("retry: 2000\nid: 4\n\n",), (": ping\nid: 8\n\n",), (9,))
    assert next(iter(client_of(streams).realtime.stream())).seq == 9
    assert [last for last, _ in streams.asked] == [None, "4", "8"]


def test_a_refusal_is_told_at_once() -> None:
    with pytest.raises(AuthenticationFailed):
        next(client_of(Streams(401)).realtime.stream())


def test_a_server_that_stays_away_is_given_up() -> None:
    streams = Streams()
    with pytest.raises(ConnectionFailed):
        next(client_of(streams).realtime.stream())
    assert len(streams.asked) == realtime_module.MAX_FAILURES + 1


# httpx2 leaves its own generators to the garbage collector when a stream is closed.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx2:ResourceWarning")
async def test_the_asynchronous_stream_goes_on_alike(autojump_clock: MockClock) -> None:
    streams = Streams((1,), httpx2.ConnectError("gone"), (2,))
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(streams))
    client = AsyncAgentPost("ap_sk_test_k", base_url="http://server.test", http_client=http)
    found = []
    async with client.realtime.stream() as events:
        async for event in events:
            found.append(event.seq)
            if len(found) == 2:
                break
    assert found == [1, 2]
    assert [last for last, _ in streams.asked] == [None, "1", "1"]
