"""What the client does when the server, or the way to it, fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from trio.testing import MockClock

from agentpost import AgentPost, AsyncAgentPost
from agentpost.client import ApiError, ConnectionFailed, RateLimited, ServerFault, TimedOut
from agentpost.client._calls import Call
from agentpost.client._values import encoded

_INBOX = {"id": "inb_1", "email": "a@b.c", "metadata": {}, "shape_of_the_future": 1}
_SENT = {"id": "msg_1", "thread_id": "thr_1", "status": "queued"}

Step = httpx2.Response | Exception


class Script:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self, *steps: Step) -> None:
        self._steps: Iterator[Step] = iter(steps)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = next(self._steps)
        if isinstance(step, Exception):
            raise step
        return step

    @property
    def keys(self) -> list[str | None]:
        return [each.headers.get("idempotency-key") for each in self.requests]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client has waited; nobody waits in truth."""
    waited: list[float] = []
    monkeypatch.setattr("agentpost.client._client.time.sleep", waited.append)
    return waited


def client_of(script: Callable[[httpx2.Request], httpx2.Response], **options: Any) -> AgentPost:
    http = httpx2.Client(transport=httpx2.MockTransport(script))
    return AgentPost("ap_sk_test_k", base_url="http://server.test", http_client=http, **options)


def ok(body: object, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=body)


def refused(status: int, code: str = "overloaded", **fields: str) -> httpx2.Response:
    body = {"code": code, "message": "No.", "fix": "Wait.", "request_id": "req_1"}
    return httpx2.Response(status, json=body, headers=fields)


def test_a_busy_server_is_asked_again_with_the_same_key(pauses: list[float]) -> None:
    script = Script(refused(503), refused(429, "rate_limited", **{"Retry-After": "7"}), ok(_SENT))
    sent = client_of(script).messages.send("inb_1", to="x@y.z", subject="s", text_body="t")
    assert sent.id == "msg_1"
    assert len(set(script.keys)) == 1
    assert script.keys[0]
    assert 0.3 < pauses[0] < 0.7
    assert pauses[1] == 7


def test_what_may_have_happened_is_repeated_only_when_that_does_no_harm(
    pauses: list[float],
) -> None:
    script = Script(httpx2.ReadTimeout("slow"), ok(_SENT))
    client_of(script).messages.send("inb_1", to="x@y.z", subject="s", text_body="t")
    assert len(set(script.keys)) == 1
    script = Script(httpx2.ReadTimeout("slow"), ok(_INBOX))
    with pytest.raises(TimedOut):
        client_of(script).inboxes.create(username="a")
    assert len(script.requests) == 1
    script = Script(httpx2.ReadError("reset"), ok(_INBOX))
    assert client_of(script).inboxes.create(username="a", client_id="c").id == "inb_1"
    script = Script(httpx2.ConnectError("refused"), ok(_INBOX))
    assert client_of(script).inboxes.create(username="a").id == "inb_1"


def test_it_gives_up_after_a_while(pauses: list[float]) -> None:
    script = Script(*[refused(503)] * 4)
    with pytest.raises(ServerFault) as failed:
        client_of(script).inboxes.get("inb_1")
    assert failed.value.status == 503
    assert len(script.requests) == 4
    assert pauses[0] < pauses[1] < pauses[2]
    script = Script(*[httpx2.ConnectError("refused")] * 2)
    with pytest.raises(ConnectionFailed):
        client_of(script, max_retries=1).inboxes.get("inb_1")


def test_a_long_wait_is_left_to_the_program(pauses: list[float]) -> None:
    script = Script(refused(429, "rate_limited", **{"Retry-After": "3600"}))
    with pytest.raises(RateLimited) as limited:
        client_of(script).inboxes.get("inb_1")
    assert limited.value.retry_after_s == 3600
    assert pauses == []


def test_a_request_still_at_work_is_waited_for(pauses: list[float]) -> None:
    script = Script(refused(409, "idempotency_in_flight"), ok(_SENT, 202))
    client_of(script).messages.send("inb_1", to="x@y.z", text_body="t")
    script = Script(refused(409, "idempotency_key_reuse"))
    with pytest.raises(ApiError):
        client_of(script).messages.send("inb_1", to="x@y.z", text_body="t")


def test_refusals_are_not_repeated(pauses: list[float]) -> None:
    for status in (400, 401, 402, 403, 404, 409, 412, 413, 422, 500):
        script = Script(refused(status, "some_code"))
        with pytest.raises(ApiError) as failed:
            client_of(script).messages.send("inb_1", to="x@y.z", text_body="t")
        assert failed.value.status == status
        assert "Wait." in str(failed.value)
        assert len(script.requests) == 1


def test_an_answer_that_is_not_ours_is_named_so(pauses: list[float]) -> None:
    with pytest.raises(ApiError) as failed:
        client_of(Script(httpx2.Response(200, text="<html>"))).inboxes.get("inb_1")
    assert failed.value.code == "unexpected_answer"
    with pytest.raises(ServerFault) as gateway:
        client_of(Script(httpx2.Response(599, text="<html>"))).inboxes.get("inb_1")
    assert gateway.value.code == "http_599"


def test_fields_of_a_newer_server_are_ignored_and_missing_ones_are_none() -> None:
    inbox = client_of(Script(ok(_INBOX))).inboxes.get("inb_1")
    assert inbox.email == "a@b.c"
    assert getattr(inbox, "username") is None  # noqa: B009  # the type says that it is there
    assert inbox.to_dict()["metadata"] == {}


def test_how_arguments_are_written() -> None:
    script = Script(ok({"data": [], "has_more": False, "next_cursor": None}), ok(_INBOX))
    client = client_of(script)
    moment = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
    client.messages.list("a+b/c@d.e", labels=["x", "y"], seen=False, from_="ann", after=moment)
    url = script.requests[0].url
    assert url.raw_path.startswith(b"/api/v1/inboxes/a%2Bb%2Fc%40d.e/messages?")
    assert url.params.get_list("labels") == ["x", "y"]
    assert (url.params["seen"], url.params["from"]) == ("false", "ann")
    assert url.params["after"] == "2026-03-08T14:30:00Z"
    client.inboxes.update("inb_1", display_name=None, metadata={"a": 1})
    assert json.loads(script.requests[1].content) == {"display_name": None, "metadata": {"a": 1}}
    assert script.requests[1].headers["authorization"] == "Bearer ap_sk_test_k"


def test_moments_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        encoded(datetime(2026, 3, 8))  # noqa: DTZ001
    with pytest.raises(TypeError):
        encoded(object())


def test_a_call_that_waits_gets_the_time_it_asks_for() -> None:
    script = Script(ok({}))
    client = client_of(script, timeout_s=10)
    client._call(Call("GET", "/api/v1/x", None, query={"timeout_s": 120}))
    assert script.requests[0].extensions["timeout"]["read"] > 120


async def test_the_asynchronous_client_retries_alike(autojump_clock: MockClock) -> None:
    script = Script(refused(503), httpx2.ReadError("reset"), ok(_SENT))
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(script))
    client = AsyncAgentPost("ap_sk_test_k", base_url="http://server.test", http_client=http)
    assert (await client.messages.send("inb_1", to="x@y.z", text_body="t")).id == "msg_1"
    assert len(set(script.keys)) == 1
