"""The WebSocket conversation: its pure part, its shell, and the whole way over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import AuthenticationFailed, NotFound, Overloaded, RateLimited
from agentpost.http import websocket
from agentpost.http.app import make_asgi, socket_secret
from agentpost.http.feed import Credential, Wanted
from agentpost.http.ratelimit import Governor
from agentpost.http.services import Services
from agentpost.http.websocket import (
    Await,
    Conversation,
    End,
    Open,
    Reply,
    Resume,
    Wait,
    converse,
)
from agentpost.ids import EnvironmentId, EventId, OrganizationId
from agentpost.limits import HttpLimits
from agentpost.model.actor import Actor
from agentpost.model.event import Event, EventBatch, LogSpan

ACTOR = Actor(OrganizationId("org_1"), "key_1", frozenset({"events:read"}))
LIMITS = HttpLimits(max_subscriptions=3)


def event(seq: int, kind: str = "message.received") -> Event:
    return Event(
        EventId(f"evt_{seq}"),
        kind,
        OrganizationId("org_1"),
        EnvironmentId("env_1"),
        None,
        seq,
        None,
        {"n": seq},
        datetime(2026, 3, 8, tzinfo=UTC),
    )


class Log:
    """An event source in memory; it does not answer ``fails`` times."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fails = 0
        self.forgotten = 0
        self.ears: list[Ear] = []

    def add(self, *seqs: int) -> None:
        self.events += [event(seq) for seq in seqs]
        self.wake()

    def wake(self) -> None:
        for ear in self.ears:
            ear.event.set()

    async def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch:
        await trio.lowlevel.checkpoint()
        if self.fails:
            self.fails -= 1
            raise Overloaded
        visible: list[Event] = []
        position = seq
        for each in self.events:
            if len(visible) == limit:
                break
            position = max(position, each.seq)
            if each.seq > seq and each.type in wanted.types:
                visible.append(each)
        return EventBatch(tuple(visible), position)

    async def checked(self, actor: Actor, wanted: Wanted) -> Wanted:
        await trio.lowlevel.checkpoint()
        return wanted

    async def span(self, actor: Actor) -> LogSpan:
        return LogSpan(self.forgotten, max((e.seq for e in self.events), default=0))

    def teller(self, actor: Actor, events: Sequence[Event], wanted: Wanted) -> Teller:
        return Teller()

    def watch(self, actor: Actor, wanted: Wanted) -> Ear:
        ear = Ear(self)
        self.ears.append(ear)
        return ear


class Teller:
    async def envelope(self, event: Event) -> bytes:
        return msgspec.json.encode({"id": event.id, "seq": event.seq})


@dataclass
class Ear:
    log: Log
    event: trio.Event = field(default_factory=trio.Event)

    async def wait(self, timeout_s: float) -> bool:
        with trio.move_on_after(timeout_s):
            await self.event.wait()
        heard = self.event.is_set()
        self.event = trio.Event()
        return heard

    def close(self) -> None:
        self.log.ears.remove(self)


class Keys:
    def __init__(self) -> None:
        self.actor: Actor | None = ACTOR

    async def by_key(self, secret: str, *, peer: str | None, source: str = "rest") -> Actor:
        if secret != "ap_sk_x" or self.actor is None:
            raise AuthenticationFailed
        return self.actor

    async def by_polling_token(self, token: str, *, peer: str | None) -> Actor:
        raise AuthenticationFailed

    async def has_environment(
        self, organization: OrganizationId, environment: EnvironmentId
    ) -> bool:
        await trio.lowlevel.checkpoint()
        return True


class Mail:
    async def wait_for(self, actor: Actor, wait: Wait) -> Any | None:
        if wait.inbox_id == "inb_none":
            raise NotFound
        await trio.sleep(wait.timeout_s)
        return None if wait.from_ is None else {"message_id": "msg_1"}


class Client:
    """The other end of a conversation, in memory."""

    def __init__(self) -> None:
        self.send_frame, self._receive = trio.open_memory_channel[str | bytes | None](100)
        self._send, self._frames = trio.open_memory_channel[bytes](10_000)
        self.closed: tuple[int, str] | None = None
        self.over = trio.Event()

    async def receive(self) -> str | bytes | None:
        return await self._receive.receive()

    async def send(self, frame: bytes) -> None:
        await self._send.send(frame)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def say(self, **frame: Any) -> None:
        self.send_frame.send_nowait(msgspec.json.encode(frame).decode())

    async def hear(self) -> dict[str, Any]:
        with trio.fail_after(400):
            frame: dict[str, Any] = msgspec.json.decode(await self._frames.receive())
        return frame

    async def hear_events(self, count: int) -> list[int]:
        seqs: list[int] = []
        while len(seqs) < count:
            frame = await self.hear()
            if frame["type"] == "event":
                seqs.append(frame["data"]["seq"])
        return seqs

    def silent(self) -> bool:
        return self._frames.statistics().current_buffer_used == 0


@dataclass
class Scene:
    client: Client
    log: Log
    keys: Keys
    stopping: trio.Event
    tokens: int = 1000

    def admit(self, actor: Actor) -> None:
        if not self.tokens:
            raise RateLimited(retry_after=1.2)
        self.tokens -= 1


@asynccontextmanager
async def scene(secret: str = "ap_sk_x", actor: Actor | None = ACTOR) -> AsyncIterator[Scene]:
    made = Scene(Client(), Log(), Keys(), trio.Event())
    made.keys.actor = actor
    credential = Credential(made.keys, secret, None)

    async def run() -> None:
        await converse(made.client, credential, made.log, Mail(), made.admit, made.stopping, LIMITS)
        made.client.over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield made
        nursery.cancel_scope.cancel()


async def test_events_come_as_they_happen(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.log.add(1, 2)
        s.client.say(type="subscribe", id="s1")
        told = {"type": "subscribed", "id": "s1", "resumed_from": None, "head_seq": 2}
        assert await s.client.hear() == told
        began = trio.current_time()
        s.log.add(3)
        frame = {"type": "event", "sub": "s1", "data": {"id": "evt_3", "seq": 3}}
        assert await s.client.hear() == frame
        assert trio.current_time() - began < 0.01


async def test_resuming_misses_nothing_and_doubles_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with scene() as s:
        s.log.add(*range(1, 251))
        s.client.say(type="subscribe", id="s1", from_seq=10)
        assert (await s.client.hear())["resumed_from"] == 10
        assert await s.client.hear_events(240) == list(range(11, 251))
        s.log.add(251)
        assert await s.client.hear_events(1) == [251]


async def test_a_store_that_does_not_answer_is_asked_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with scene() as s:
        s.client.say(type="subscribe")
        await s.client.hear()
        s.log.fails = 3
        s.log.add(1)
        assert await s.client.hear_events(1) == [1]
        assert s.log.fails == 0


async def test_a_lost_wake_up_costs_seconds_only(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.client.say(type="subscribe")
        await s.client.hear()
        await trio.testing.wait_all_tasks_blocked()
        s.log.events.append(event(1))
        assert await s.client.hear_events(1) == [1]
        assert trio.current_time() <= 16


async def test_a_client_that_falls_behind_is_told_and_gets_everything(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with scene() as s:
        s.client.say(type="subscribe", id="s1")
        await s.client.hear()
        await trio.testing.wait_all_tasks_blocked()
        s.log.add(*range(1, 301))
        assert await s.client.hear() == {
            "type": "lagged",
            "sub": "s1",
            "from_seq": 0,
            "to_seq": 300,
        }
        assert await s.client.hear_events(300) == list(range(1, 301))


async def test_acknowledgements_hold_events_back(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.log.add(*range(1, 2001))
        s.client.say(type="ack", seq=0)
        s.client.say(type="subscribe", from_seq=0)
        await s.client.hear()
        got = await s.client.hear_events(1000)
        await trio.testing.wait_all_tasks_blocked()
        assert s.client.silent()
        s.client.say(type="ack", seq=500)
        got += await s.client.hear_events(500)
        await trio.testing.wait_all_tasks_blocked()
        assert s.client.silent()
        assert got == list(range(1, 1501))
        await s.client.over.wait()
        assert s.client.closed == (4009, "slow_consumer")


async def test_a_place_that_is_forgotten_or_to_come_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with scene() as s:
        s.log.forgotten = 5
        s.log.add(6, 7)
        for seq, code in ((4, "events_forgotten"), (8, "validation_failed")):
            s.client.say(type="subscribe", id="s", from_seq=seq)
            error = await s.client.hear()
            assert (error["type"], error["id"], error["code"]) == ("error", "s", code)
        for seq in (0, 5):
            s.client.say(type="subscribe", id=f"from {seq}", from_seq=seq)
            assert (await s.client.hear())["type"] == "subscribed"
            assert await s.client.hear_events(2) == [6, 7]


async def test_subscriptions_and_waits_are_requests(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.tokens = 2
        s.client.say(type="subscribe", id="a")
        assert (await s.client.hear())["type"] == "subscribed"
        s.client.say(type="wait", id="b", inbox_id="inb_1", timeout_s=0)
        assert (await s.client.hear())["type"] == "wait_result"
        for frame in ({"type": "subscribe"}, {"type": "wait", "inbox_id": "inb_1"}):
            s.client.say(id="c", **frame)
            error = await s.client.hear()
            assert (error["id"], error["code"], error["retry_after"]) == ("c", "rate_limited", 2)
        s.client.say(type="ping")
        assert await s.client.hear() == {"type": "pong"}


async def test_unsubscribing_ends_the_events(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.client.say(type="subscribe", id="s1")
        await s.client.hear()
        s.client.say(type="unsubscribe", id="s1")
        await trio.testing.wait_all_tasks_blocked()
        s.log.add(1)
        s.client.say(type="ping")
        assert await s.client.hear() == {"type": "pong"}
        assert s.log.ears == []


async def test_a_second_subscription_of_the_same_id_replaces_the_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with scene() as s:
        s.client.say(type="subscribe", id="s1")
        await s.client.hear()
        s.client.say(type="subscribe", id="s1", event_types=["domain.verified"])
        await s.client.hear()
        await trio.testing.wait_all_tasks_blocked()
        s.log.add(1)
        s.client.say(type="ping")
        assert await s.client.hear() == {"type": "pong"}
        assert len(s.log.ears) == 1


async def test_waits(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.client.say(type="wait", id="w1", inbox_id="inb_1", timeout_s=5)
        s.client.say(type="wait", id="w2", inbox_id="inb_1", timeout_s=3, **{"from": "a@b"})
        s.client.say(type="wait", id="w3", inbox_id="inb_none")
        error = await s.client.hear()
        assert (error["type"], error["id"], error["code"]) == ("error", "w3", "not_found")
        matched = {"type": "wait_result", "id": "w2", "status": "matched"}
        assert await s.client.hear() == matched | {"data": {"message_id": "msg_1"}}
        timeout = {"type": "wait_result", "id": "w1", "status": "timeout", "data": None}
        assert await s.client.hear() == timeout
        for number in range(3):
            s.client.say(type="wait", id=f"x{number}", inbox_id="inb_1", timeout_s=1)
            await s.client.hear()


async def test_shutting_down_closes_with_1001(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.client.say(type="subscribe")
        await s.client.hear()
        s.stopping.set()
        await s.client.over.wait()
        assert s.client.closed == (1001, "shutting_down")


async def test_a_revoked_key_closes_with_4010(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.client.say(type="subscribe")
        await s.client.hear()
        await trio.testing.wait_all_tasks_blocked()
        s.keys.actor = None
        s.log.add(1)
        await s.client.over.wait()
        assert s.client.closed == (4010, "key_revoked")
        assert s.client.silent()
        assert trio.current_time() < 1


async def test_a_revoked_key_closes_an_idle_socket_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with scene() as s:
        await trio.testing.wait_all_tasks_blocked()
        s.keys.actor = None
        await s.client.over.wait()
        assert s.client.closed == (4010, "key_revoked")
        assert trio.current_time() <= 26


async def test_no_key_and_no_scope() -> None:
    async with scene(secret="wrong") as s:
        await s.client.over.wait()
        assert s.client.closed == (4001, "unauthenticated")
    async with scene(actor=replace(ACTOR, scopes=frozenset())) as s:
        await s.client.over.wait()
        assert s.client.closed == (4003, "forbidden")


async def test_a_bug_closes_with_1011(autojump_clock: trio.testing.MockClock) -> None:
    async with scene() as s:
        s.log.events = None  # type: ignore[assignment]
        s.client.say(type="subscribe")
        await s.client.over.wait()
        assert s.client.closed == (1011, "internal_error")


def test_frames_become_steps() -> None:
    talk = Conversation(LIMITS)
    [step] = talk.receive('{"type":"subscribe","inbox_id":"inb_1","inbox_ids":["inb_2","inb_1"]}')
    assert isinstance(step, Open)
    assert (step.id, step.wanted.inboxes) == ("default", ("inb_2", "inb_1"))
    assert talk.receive('{"type":"ack","seq":5}') == [Resume()]
    [wait] = talk.receive('{"type":"wait","id":"w","inbox_id":"i","from":"a@b"}')
    assert isinstance(wait, Await)
    assert wait.wait.from_ == "a@b"
    assert talk.receive('{"type":"unsubscribe","id":"w"}') == [End("w")]
    assert talk.receive('{"type":"ping"}') == [Reply(websocket.PONG)]


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ('{"type":"subscribe","event_type":["x"]}', "event_type"),
        ('{"type":"subscribe","from_seq":-1}', "from_seq"),
        ('{"type":"subscribe","inbox_ids":[1]}', "inbox_ids[0]"),
        ('{"type":"wait","id":"w"}', "inbox_id"),
        ('{"type":"wait","id":"w","inbox_id":"i","timeout_s":301}', "timeout_s"),
        ('{"type":"unsubscribe","id":"none"}', "id"),
        ('{"type":"nonsense"}', "type"),
        ("{}", "type"),
    ],
)
def test_a_wrong_frame_is_told_with_its_path(message: str, path: str) -> None:
    [step] = Conversation(LIMITS).receive(message)
    assert isinstance(step, Reply)
    frame = msgspec.json.decode(step.frame)
    assert (frame["type"], frame["code"], bool(frame["fix"])) == (
        "error",
        "validation_failed",
        True,
    )
    assert frame["errors"][0]["path"] == path


def test_subscriptions_are_bounded() -> None:
    talk = Conversation(LIMITS)
    for number in range(3):
        assert isinstance(talk.receive(f'{{"type":"subscribe","id":"{number}"}}')[0], Open)
    [refused] = talk.receive('{"type":"subscribe","id":"4"}')
    assert isinstance(refused, Reply)
    talk.ended("0")
    assert isinstance(talk.receive('{"type":"subscribe","id":"4"}')[0], Open)


@given(st.one_of(st.text(), st.binary(), st.none(), st.just("[" * 100_000)))
def test_no_message_breaks_a_conversation(message: str | bytes | None) -> None:
    for step in Conversation(LIMITS).receive(message):
        assert isinstance(step, Reply)


@pytest.mark.parametrize(
    ("header", "offered", "token", "found"),
    [
        ("Bearer ap_sk_1", [], "ap_sk_2", ("ap_sk_1", None)),
        ("bearer  ap_sk_1", ["agentpost.v1"], None, ("ap_sk_1", "agentpost.v1")),
        (None, ["agentpost.v1", "bearer.ap_sk_1"], "x", ("ap_sk_1", "agentpost.v1")),
        (None, [], "ap_sk_1", ("ap_sk_1", None)),
        ("Basic eA==", [], None, (None, None)),
        (None, [], "", (None, None)),
    ],
)
def test_where_the_key_is_looked_for(
    header: str | None, offered: list[str], token: str | None, found: tuple[str | None, str | None]
) -> None:
    assert socket_secret(header, offered, token) == found


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


async def test_guessing_keys_over_sockets_is_bounded(serve: Any) -> None:
    services = Services(Keys(), trio.Event(), None, "1")  # type: ignore[arg-type]
    governor = Governor(strangers_per_minute=2)
    app = make_asgi(services, Log(), Mail(), governor, HttpLimits())
    async with serve(asgi=app, foreign=["/ws"]) as server:

        async def answer(*fields: bytes) -> bytes:
            async with await server.connect() as stream:
                await stream.send_all(b"".join((HANDSHAKE, *fields, b"\r\n")))
                received = b""
                with trio.fail_after(5):
                    while b"\r\n\r\n" not in received:
                        received += await stream.receive_some(4096)
                    if b" 101 " not in received:
                        while b"rate_limited" not in received:
                            received += await stream.receive_some(4096)
                    elif b"agentpost.v1" not in received:
                        while (4001).to_bytes(2) not in received:
                            received += await stream.receive_some(4096)
                return received

        for guess in (b"Authorization: Bearer ap_sk_1\r\n", b""):
            assert b"unauthenticated" in await answer(guess)
        refused = await answer(b"Authorization: Bearer ap_sk_2\r\n")
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: " in refused
        browser = b"Sec-WebSocket-Protocol: agentpost.v1, bearer.ap_sk_x\r\n"
        opened = (await answer(browser)).lower()
        assert opened.startswith(b"http/1.1 101 ")
        assert b"sec-websocket-protocol: agentpost.v1\r\n" in opened


@pytest.mark.proves("R117")
async def test_over_a_real_socket(serve: Any) -> None:
    log, keys = Log(), Keys()
    services = Services(keys, trio.Event(), None, "1")  # type: ignore[arg-type]
    app = make_asgi(services, log, Mail(), Governor(), HttpLimits())
    async with serve(asgi=app, foreign=["/ws"]) as server, await server.connect() as stream:
        await stream.send_all(
            b"GET /ws?token=ap_sk_x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        received = b""

        async def until(wanted: bytes) -> None:
            nonlocal received
            with trio.fail_after(2):
                while wanted not in received:
                    octets = await stream.receive_some(4096)
                    assert octets, received
                    received += octets

        await until(b"101")
        await until(b"\r\n\r\n")
        frame = b'{"type":"subscribe"}'
        await stream.send_all(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
        await until(b'"subscribed"')
        log.add(7)
        await until(b'"seq":7')
        services.stopping.set()
        await until((1001).to_bytes(2) + b"shutting_down")
