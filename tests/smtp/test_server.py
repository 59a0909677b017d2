"""The shell: clocks, memory that is waited for, shutdown, lost connections; on a mock clock."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import trio
import trio.testing

from agentpost.limits import SubmissionLimits
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope
from agentpost.net import HandshakeFailed, Peer, Stream, TlsInfo
from agentpost.smtp.server import SubmissionServer
from tests.smtp.fakes import FakeDesk, FakeReceipt, plain, small_terms

_LIMITS = SubmissionLimits()
_BEGIN = b"MAIL FROM:<inbox-a@shared.test>\r\nRCPT TO:<a@ext.test>\r\nDATA\r\n"


class MemoryStream:
    """A Trio memory stream in the shape of ours; counts writes."""

    def __init__(self, inner: trio.abc.Stream, tls: TlsInfo | None) -> None:
        self.inner = inner
        self.peer = Peer("192.0.2.1", 4000)
        self.tls = tls
        self.writes: list[bytes] = []
        self.closed = False

    async def receive_some(self, max_octets: int = 65_536) -> bytes:
        return bytes(await self.inner.receive_some(max_octets))

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(octets))
        await self.inner.send_all(octets)

    def send_at_once(self, octets: bytes | bytearray) -> int:
        return 0

    async def aclose(self) -> None:
        self.closed = True
        await self.inner.aclose()

    def abort(self) -> None:
        raise NotImplementedError


class FakeBudget:
    """First come, first served."""

    def __init__(self, free: int = 1 << 30) -> None:
        self.free = free
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    def try_acquire(self, octets: int) -> bool:
        if self._waiting or octets > self.free:
            return False
        self.free -= octets
        return True

    async def acquire(self, octets: int) -> None:
        while not self.try_acquire(octets):
            turn = (octets, trio.Event())
            self._waiting.append(turn)
            try:
                await turn[1].wait()
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)

    def release(self, octets: int) -> None:
        self.free += octets
        waiting, self._waiting = self._waiting, deque()
        for _, turn in waiting:
            turn.set()


class SlowDesk(FakeDesk):
    """Takes its time over a message, and says whether it was allowed to finish."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def submit(self, actor: Actor, envelope: Envelope, octets: bytes) -> FakeReceipt:
        await trio.sleep(self.seconds)
        return await super().submit(actor, envelope, octets)


class Line:
    """The client's end of a connection that is being served."""

    def __init__(self, inner: trio.abc.Stream, server_end: MemoryStream) -> None:
        self.inner = inner
        self.server_end = server_end
        self.ended = trio.Event()
        self._unread = b""

    async def send(self, octets: bytes) -> None:
        await self.inner.send_all(octets)

    async def reply(self) -> str:
        """One whole reply; empty when the server has closed."""
        whole = ""
        while True:
            line, end, rest = self._unread.partition(b"\r\n")
            if end:
                self._unread = rest
                whole += line.decode() + "\n"
                if line[3:4] == b" ":
                    return whole
                continue
            octets = bytes(await self.inner.receive_some(65_536))
            if not octets:
                return whole
            self._unread += octets

    async def say(self, text: bytes) -> str:
        await self.send(text + b"\r\n")
        return await self.reply()

    async def login(self) -> None:
        assert (await self.reply()).startswith("220 ")
        assert (await self.say(b"EHLO x")).startswith("250-")
        assert (await self.say(b"AUTH PLAIN " + plain().encode())).startswith("235")

    async def begin(self) -> None:
        await self.send(_BEGIN)
        replies = [(await self.reply())[:3] for _ in range(3)]
        assert replies == ["250", "250", "354"]


class World:
    """A server, and connections to it."""

    def __init__(self, nursery: trio.Nursery, server: SubmissionServer, desk: FakeDesk) -> None:
        self.server = server
        self.desk = desk
        self.stopping = trio.Event()
        self._nursery = nursery

    def connect(self, *, tls: bool = True) -> Line:
        theirs, ours = trio.testing.memory_stream_pair()
        end = MemoryStream(ours, TlsInfo("TLSv1.3", "") if tls else None)
        line = Line(theirs, end)

        async def serve() -> None:
            await self.server.serve(end)
            line.ended.set()

        self._nursery.start_soon(serve)
        return line


@asynccontextmanager
async def world(
    *,
    limits: SubmissionLimits = _LIMITS,
    desk: FakeDesk | None = None,
    budget: FakeBudget | None = None,
    secure: Callable[[Stream], object] | None = None,
) -> AsyncIterator[World]:
    chosen = desk or FakeDesk()
    server = SubmissionServer(
        small_terms(limits=limits),
        chosen,
        budget or FakeBudget(),
        secure,  # type: ignore[arg-type]
    )
    async with trio.open_nursery() as nursery:
        yield World(nursery, server, chosen)
        nursery.cancel_scope.cancel()


async def test_a_message_is_submitted(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        line = here.connect()
        await line.login()
        await line.begin()
        assert (await line.say(b"x\r\n.")) == "250 2.0.0 msg_1 thr_1\n"
        assert (await line.say(b"QUIT")).startswith("221")
        await line.ended.wait()
        assert line.server_end.closed
        assert here.server.open == 0
        assert here.desk.submitted[0][1] == b"x\r\n"
        # Greeting, EHLO, AUTH, the group, the message, QUIT.
        assert len(line.server_end.writes) == 6


async def test_a_stranger_has_thirty_seconds_for_a_command(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world() as here:
        line = here.connect()
        await line.reply()
        began = trio.current_time()
        with trio.move_on_after(100):
            for octet in b"EHLO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
                await trio.sleep(1)
                try:
                    await line.send(bytes([octet]))
                except trio.BrokenResourceError:
                    break
        assert (await line.reply()).startswith("421 4.4.2")
        await line.ended.wait()
        assert trio.current_time() - began == pytest.approx(30, abs=1.5)


async def test_a_stranger_who_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        line = here.connect()
        await line.reply()
        began = trio.current_time()
        assert (await line.reply()).startswith("421 4.4.2")
        assert trio.current_time() - began == pytest.approx(30, abs=0.5)


async def test_after_login_there_are_five_minutes(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        line = here.connect()
        await line.login()
        await trio.sleep(299)
        assert (await line.say(b"NOOP")).startswith("250")
        await trio.sleep(200)
        await line.send(b"NO")
        began = trio.current_time()
        assert (await line.reply()).startswith("421 4.4.2")
        assert trio.current_time() - began == pytest.approx(100, abs=0.5)


async def test_slow_data_is_cut(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        line = here.connect()
        await line.login()
        await line.begin()
        began = trio.current_time()
        with suppress(trio.BrokenResourceError):
            for _ in range(20):
                await line.send(b"a\r\n")
                await trio.sleep(10)
        assert (await line.reply()).startswith("421 4.4.2")
        assert trio.current_time() - began <= 70
        assert here.desk.submitted == []


async def test_steady_data_may_take_long(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        line = here.connect()
        await line.login()
        await line.begin()
        for _ in range(60):
            await line.send(b"x" * 6_998 + b"\r\n")
            await trio.sleep(10)
        assert (await line.say(b".")).startswith("250")
        assert len(here.desk.submitted[0][1]) == 420_000


async def test_failed_login_is_answered_after_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world() as here:
        line = here.connect()
        await line.reply()
        for _ in range(2):
            began = trio.current_time()
            assert (await line.say(b"AUTH PLAIN " + plain(password="x").encode())).startswith("535")
            assert trio.current_time() - began == pytest.approx(1)
        assert (await line.say(b"AUTH PLAIN " + plain(password="x").encode())).startswith("535")
        assert (await line.reply()).startswith("421")
        await line.ended.wait()


async def test_354_waits_for_memory(autojump_clock: trio.testing.MockClock) -> None:
    budget = FakeBudget(_LIMITS.reservation_octets)
    async with world(budget=budget) as here:
        first, second = here.connect(), here.connect()
        await first.login()
        await second.login()
        await first.begin()
        await second.send(_BEGIN)
        await trio.sleep(5)
        assert (await first.say(b"x\r\n.")).startswith("250")
        assert [(await second.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
        assert (await second.say(b"x\r\n.")).startswith("250")
        assert budget.free == _LIMITS.reservation_octets


async def test_354_does_not_wait_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    budget = FakeBudget(_LIMITS.reservation_octets)
    async with world(budget=budget) as here:
        first, second = here.connect(), here.connect()
        await first.login()
        await second.login()
        await first.begin()
        began = trio.current_time()
        await second.send(_BEGIN)
        assert [(await second.reply())[:9] for _ in range(3)][2] == "452 4.3.1"
        assert trio.current_time() - began == pytest.approx(_LIMITS.reservation_s)
        await first.inner.aclose()
        await first.ended.wait()
        assert budget.free == _LIMITS.reservation_octets


async def test_waiting_for_memory_does_not_count_as_slowness(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = replace(_LIMITS, reservation_s=200)
    budget = FakeBudget(400_000)
    async with world(limits=limits, budget=budget) as here:
        line = here.connect()
        await line.login()
        await line.begin()
        hostage = budget.free
        assert budget.try_acquire(hostage)
        await line.send(b"x" * 149_998 + b"\r\n")
        await trio.sleep(100)
        budget.release(hostage)
        await trio.sleep(1)
        assert (await line.say(b".")).startswith("250")


async def test_work_that_takes_too_long_ends_the_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(desk=SlowDesk(1000)) as here:
        line = here.connect()
        await line.login()
        await line.begin()
        began = trio.current_time()
        assert (await line.say(b"x\r\n.")).startswith("421 4.3.0")
        assert trio.current_time() - began == pytest.approx(_LIMITS.answer_s, abs=0.5)
        await line.ended.wait()


class TestShutdown:
    async def test_idle_sessions_are_told_at_once(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with world() as here, trio.open_nursery() as nursery:
            lines = [here.connect() for _ in range(3)]
            await lines[0].login()
            for line in lines[1:]:
                await line.reply()
            nursery.start_soon(here.server.drain_when, here.stopping)
            began = trio.current_time()
            here.stopping.set()
            for line in lines:
                assert (await line.reply()).startswith("421 4.3.2")
                await line.ended.wait()
            assert trio.current_time() == began

    async def test_a_message_on_its_way_may_arrive(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with world(desk=SlowDesk(3)) as here, trio.open_nursery() as nursery:
            line = here.connect()
            await line.login()
            await line.begin()
            nursery.start_soon(here.server.drain_when, here.stopping)
            here.stopping.set()
            await trio.sleep(5)
            assert (await line.say(b"x\r\n.")).startswith("250")
            assert (await line.reply()).startswith("421 4.3.2")
            assert len(here.desk.submitted) == 1

    async def test_who_does_not_come_to_an_end_is_cut(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with world() as here, trio.open_nursery() as nursery:
            line = here.connect()
            await line.login()
            await line.begin()
            nursery.start_soon(here.server.drain_when, here.stopping)
            began = trio.current_time()
            here.stopping.set()
            await line.ended.wait()
            assert trio.current_time() - began == pytest.approx(_LIMITS.drain_s, abs=0.5)

    async def test_who_comes_late_is_turned_away(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with world() as here:
            here.stopping.set()
            await here.server.drain_when(here.stopping)
            line = here.connect()
            assert (await line.reply()).startswith("220")
            assert (await line.reply()).startswith("421 4.3.2")


class TestStartTls:
    async def test_session_goes_on_over_the_new_stream(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        upgraded: list[MemoryStream] = []

        async def secure(stream: Stream) -> Stream:
            assert isinstance(stream, MemoryStream)
            upgraded.append(MemoryStream(stream.inner, TlsInfo("TLSv1.3", "")))
            return upgraded[0]

        async with world(secure=secure) as here:
            line = here.connect(tls=False)
            assert (await line.reply()).startswith("220")
            assert "STARTTLS" in await line.say(b"EHLO x")
            assert (await line.say(b"STARTTLS")).startswith("220")
            assert "STARTTLS" not in await line.say(b"EHLO x")
            assert (await line.say(b"AUTH PLAIN " + plain().encode())).startswith("235")
            await line.begin()
            assert (await line.say(b"x\r\n.")).startswith("250")
            assert (await line.say(b"QUIT")).startswith("221")
            await line.ended.wait()
            assert upgraded[0].closed

    async def test_failed_handshake_ends_the_connection(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async def secure(stream: Stream) -> Stream:
            await trio.sleep(10)
            raise HandshakeFailed("planted")

        async with world(secure=secure) as here:
            line = here.connect(tls=False)
            await line.reply()
            assert (await line.say(b"STARTTLS")).startswith("220")
            await line.ended.wait()
            assert here.server.open == 0


@pytest.mark.parametrize("words", [b"", b"EHLO x\r\nMAIL", b"AUTH PLAIN\r\n"])
async def test_a_client_that_vanishes(words: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        line = here.connect()
        await line.send(words)
        await line.inner.aclose()
        await line.ended.wait()
        assert here.server.open == 0


async def test_a_client_that_vanishes_within_its_message(
    autojump_clock: trio.testing.MockClock,
) -> None:
    budget = FakeBudget()
    async with world(budget=budget) as here:
        line = here.connect()
        await line.login()
        await line.begin()
        await line.send(b"half a message\r\n")
        await line.inner.aclose()
        await line.ended.wait()
        assert here.desk.submitted == []
        assert budget.free == 1 << 30
