"""The server's clocks, bounds and endings, on a clock that jumps where all wait."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from agentpost.errors import Overloaded, QuotaExceeded
from agentpost.imap.desk import ImapDesk
from agentpost.limits import ImapLimits
from tests.imap.fakes import ACTOR, INBOX, PASSWORD, Memory, desk
from tests.imap.serving import Serving, Talker, serving
from tests.imap.snapshots import arrive, expunge, flag, mailbox

Clock = trio.testing.MockClock


@pytest.fixture(autouse=True)
def _no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that these clients do is a fault of the server."""
    yield
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


@asynccontextmanager
async def member(
    memory: Memory | None = None, at: ImapDesk | None = None
) -> AsyncIterator[tuple[Talker, Serving]]:
    """A connection that has logged in, and its server."""
    async with serving(at or desk(memory or Memory())) as running:
        yield await login(running), running


async def login(running: Serving) -> Talker:
    return await running.logged_in("agent@shared.test", PASSWORD)


async def elapsed(since: float) -> float:
    return trio.current_time() - since


# Order and writes


async def test_pipelined_commands_are_answered_in_order_and_in_one_write(
    autojump_clock: Clock,
) -> None:
    async with member() as (client, _):
        client.server.writes.clear()
        await client.send(b"".join(b"p%d NOOP\r\n" % n for n in range(50)))
        answer = await client.until(b"p49")
        assert [line.split()[0] for line in answer] == [b"p%d" % n for n in range(50)]
        assert len(client.server.writes) == 1


async def test_commands_may_follow_login_without_waiting(autojump_clock: Clock) -> None:
    async with serving(desk(Memory())) as running:
        client = await running.welcomed()
        await client.send(b"a LOGIN x {5+}\r\nright\r\nb SELECT INBOX\r\nc NOOP\r\n")
        answer = await client.until(b"c")
        tagged = [line[:4] for line in answer if not line.startswith(b"*")]
        assert tagged == [b"a OK", b"b OK", b"c OK"]


async def test_octets_may_come_one_by_one(autojump_clock: Clock) -> None:
    async with member() as (client, _):
        for octet in b"a NOOP\r\n":
            await client.send(bytes([octet]))
            await trio.testing.wait_all_tasks_blocked()
        assert await client.until(b"a") == [b"a OK NOOP completed.\r\n"]


async def test_what_was_sent_before_the_end_is_answered(autojump_clock: Clock) -> None:
    async with member() as (client, _):
        await client.send(b"a NOOP\r\nb NOOP\r\nc NO")
        client.half_close()
        assert len(await client.until(b"b")) == 2
        assert await client.response() == b""
        await client.ended.wait()


# Deadlines


async def test_a_stranger_who_is_silent_is_dismissed(autojump_clock: Clock) -> None:
    async with serving(desk(Memory())) as running:
        client = await running.welcomed()
        began = trio.current_time()
        assert (await client.response()).startswith(b"* BYE")
        assert await elapsed(began) == pytest.approx(30)


async def test_a_stranger_who_trickles_is_dismissed(autojump_clock: Clock) -> None:
    async with serving(desk(Memory())) as running:
        client = await running.welcomed()
        began = trio.current_time()
        for octet in b"a LOGIN agent@shared.test ":
            await client.send(bytes([octet]))
            await trio.sleep(2)
            if client.server.closed:
                break
        assert (await client.response()).startswith(b"* BYE")
        assert await elapsed(began) < 35


async def test_a_stranger_who_only_chats_is_dismissed(autojump_clock: Clock) -> None:
    async with serving(desk(Memory())) as running:
        client = await running.welcomed()
        began = trio.current_time()
        while not (await client.command("NOOP"))[-1].startswith(b"* BYE"):
            await trio.sleep(20)
        assert await elapsed(began) <= 200


async def test_a_command_that_begins_after_long_silence_has_its_whole_time(
    autojump_clock: Clock,
) -> None:
    async with member() as (client, _):
        await trio.sleep(1_500)
        await client.send(b"a NO")
        await trio.sleep(200)
        await client.send(b"OP\r\n")
        assert await client.until(b"a") == [b"a OK NOOP completed.\r\n"]


async def test_a_command_sent_behind_a_slow_one_has_its_whole_time(autojump_clock: Clock) -> None:
    async with member(Memory(snapshot=mailbox([1]))) as (client, _):
        await client.send(b"a SELECT INBOX\r\nb NO")
        await client.until(b"a")
        await trio.sleep(250)
        await client.send(b"OP\r\n")
        assert (await client.until(b"b"))[-1].startswith(b"b OK")


async def test_a_literal_that_stalls_ends_the_connection_and_frees_its_memory(
    autojump_clock: Clock,
) -> None:
    at = desk(Memory())
    async with member(at=at) as (client, _):
        await client.send(b"a APPEND INBOX {1000}\r\n")
        assert (await client.response()).startswith(b"+")
        assert at.budget.used == 1_000
        began = trio.current_time()
        await client.send(b"x" * 10)
        assert (await client.response()).startswith(b"* BYE")
        assert await elapsed(began) == pytest.approx(300)
        await client.ended.wait()
        assert at.budget.used == 0


async def test_a_literal_that_trickles_ends_the_connection(autojump_clock: Clock) -> None:
    at = desk(Memory())
    async with member(at=at) as (client, _):
        await client.send(b"a APPEND INBOX {1000}\r\n")
        await client.response()
        began = trio.current_time()
        while not client.server.closed:
            await client.send(b"x")
            await trio.sleep(100)
        assert await elapsed(began) < 500
        assert at.budget.used == 0


async def test_a_silent_member_is_dismissed_after_half_an_hour(autojump_clock: Clock) -> None:
    async with member() as (client, _):
        began = trio.current_time()
        assert (await client.response()).startswith(b"* BYE")
        assert await elapsed(began) == pytest.approx(1_860)


# Memory for messages


async def test_a_literal_waits_for_memory_and_goes_on(autojump_clock: Clock) -> None:
    at = desk(Memory(), budget=1_000)
    async with member(at=at) as (client, running):
        other = await login(running)
        await other.send(b"a APPEND INBOX {900}\r\n")
        await other.response()
        await client.send(b"a APPEND INBOX {200}\r\n")
        await trio.sleep(10)
        await other.send(b"x" * 900 + b"\r\n")
        assert (await other.until(b"a"))[-1].startswith(b"a OK")
        assert (await client.response()).startswith(b"+")
        await client.send(b"x" * 200 + b"\r\n")
        assert (await client.until(b"a"))[-1].startswith(b"a OK")
        assert at.budget.used == 0


async def test_a_literal_is_refused_when_no_memory_comes_free(autojump_clock: Clock) -> None:
    at = desk(Memory(), budget=1_000)
    async with member(at=at) as (client, running):
        other = await login(running)
        await other.send(b"a APPEND INBOX {900}\r\n")
        await other.response()
        began = trio.current_time()
        await client.send(b"b NOOP\r\na APPEND INBOX {200}\r\n")
        assert await client.until(b"b")
        assert await elapsed(began) == 0
        assert (await client.until(b"a"))[-1].startswith(b"a NO [UNAVAILABLE]")
        assert await elapsed(began) == pytest.approx(20)
        await client.ok("NOOP")
        await other.close()
        await other.ended.wait()
        assert at.budget.used == 0


@pytest.mark.parametrize(
    "tail",
    [
        b"\r\n",
        b" more\r\n",
        b" {99999999}\r\n",
        b" ~{5+}\r\nxxxxx\r\n",
        b" {99999+}\r\n",
        b"x" * 70_000 + b"\r\n",
        b"\n",
    ],
)
async def test_memory_comes_back_whatever_becomes_of_the_command(
    autojump_clock: Clock, tail: bytes
) -> None:
    memory = Memory(refusal=QuotaExceeded())
    at = desk(memory)
    async with member(at=at) as (client, _):
        await client.send(b"a APPEND INBOX {100}\r\n")
        await client.response()
        await client.send(b"x" * 100 + tail)
        answer = (await client.response()).split()
        assert answer[1] in (b"NO", b"BAD", b"BYE")
        await trio.testing.wait_all_tasks_blocked()
        assert at.budget.used == 0


async def test_a_connection_lost_inside_a_literal_gives_its_memory_back(
    autojump_clock: Clock,
) -> None:
    at = desk(Memory())
    async with member(at=at) as (client, _):
        await client.send(b"a APPEND INBOX {1000}\r\n")
        await client.response()
        await client.close()
        await client.ended.wait()
        assert at.budget.used == 0


async def test_literals_of_every_form_of_a_command_are_let_in(autojump_clock: Clock) -> None:
    async with member(Memory(snapshot=mailbox([1]))) as (client, _):
        await client.ok("SELECT INBOX")
        await client.send(b"a UID SEARCH UID {1}\r\n")
        assert (await client.response()).startswith(b"+")


async def test_a_literal_of_a_command_out_of_place_is_refused_before_it_comes(
    autojump_clock: Clock,
) -> None:
    async with serving(desk(Memory())) as running:
        client = await running.welcomed()
        for command in (b"APPEND INBOX", b"NONSENSE", b"UID SEARCH", b"SELECT"):
            await client.send(b"a " + command + b" {10}\r\n")
            assert (await client.response()).startswith(b"a BAD")


# IDLE


@asynccontextmanager
async def idling(memory: Memory) -> AsyncIterator[tuple[Talker, Serving]]:
    async with member(memory) as (client, running):
        await client.ok("SELECT INBOX")
        await client.send(b"i IDLE\r\n")
        assert (await client.response()).startswith(b"+")
        yield client, running


def _change(running: Serving, memory: Memory, snapshot: object) -> None:
    memory.snapshot = snapshot  # type: ignore[assignment]
    running.server._desk.bus.committed(INBOX)


async def test_idle_tells_what_happens_as_it_happens(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1, 2]))
    async with idling(memory) as (client, running):
        _change(running, memory, arrive(memory.snapshot))
        assert await client.response() == b"* 3 EXISTS\r\n"
        _change(running, memory, flag(memory.snapshot, 2))
        assert (await client.response()).startswith(b"* 2 FETCH")
        _change(running, memory, expunge(memory.snapshot, 1))
        assert await client.response() == b"* 1 EXPUNGE\r\n"
        await client.send(b"DONE\r\n")
        assert await client.until(b"i") == [b"i OK IDLE completed.\r\n"]


async def test_a_wake_up_between_two_looks_is_not_lost(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with member(memory) as (client, running):
        await client.ok("SELECT INBOX")
        for _ in range(20):
            await client.send(b"i IDLE\r\n")
            # Whatever the session is doing just then.
            _change(running, memory, arrive(memory.snapshot))
            await trio.lowlevel.checkpoint()
            _change(running, memory, arrive(memory.snapshot))
            count = b"* %d EXISTS\r\n" % len(memory.snapshot.uids)
            while await client.response() != count:
                pass
            await client.send(b"DONE\r\n")
            await client.until(b"i")


async def test_done_may_follow_at_once_and_more_behind_it(autojump_clock: Clock) -> None:
    async with member() as (client, _):
        await client.send(b"i IDLE\r\nDONE\r\na NOOP\r\n")
        answer = await client.until(b"a")
        assert [line.split()[0] for line in answer] == [b"+", b"i", b"a"]


async def test_done_may_come_in_pieces_around_news(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with idling(memory) as (client, running):
        await client.send(b"DO")
        await trio.testing.wait_all_tasks_blocked()
        _change(running, memory, arrive(memory.snapshot))
        assert await client.response() == b"* 2 EXISTS\r\n"
        await client.send(b"NE\r")
        await trio.testing.wait_all_tasks_blocked()
        _change(running, memory, arrive(memory.snapshot))
        assert await client.response() == b"* 3 EXISTS\r\n"
        await client.send(b"\na NOOP\r\n")
        assert [line[:4] for line in await client.until(b"a")] == [b"i OK", b"a OK"]


async def test_done_that_meets_news_harms_neither(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with idling(memory) as (client, running):
        for _ in range(10):
            _change(running, memory, arrive(memory.snapshot))
            await client.send(b"DONE\r\na NOOP\r\ni IDLE\r\n")
            lines = await client.until(b"+")
            assert sum(line.endswith(b"EXISTS\r\n") for line in lines) == 1
            assert any(line.startswith(b"a OK") for line in lines)


async def test_idle_shows_that_it_lives_and_ends_in_time(autojump_clock: Clock) -> None:
    async with idling(Memory()) as (client, _):
        began = trio.current_time()
        still = 0
        while (line := await client.response()).startswith(b"* OK"):
            still += 1
        assert line.startswith(b"* BYE")
        assert await elapsed(began) == pytest.approx(1_860)
        assert still == 6


async def test_idle_looks_again_when_the_store_did_not_answer(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with idling(memory) as (client, running):
        memory.failure = Overloaded()
        began = trio.current_time()
        _change(running, memory, arrive(memory.snapshot))
        assert await client.response() == b"* 2 EXISTS\r\n"
        assert await elapsed(began) < 10


async def test_who_leaves_while_idling_is_watched_no_longer(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with idling(memory) as (client, running):
        await client.close()
        await client.ended.wait()
        _change(running, memory, arrive(memory.snapshot))
        assert running.server._desk.bus._watches == {}
        assert running.server.open == 0


async def test_only_done_ends_idle(autojump_clock: Clock) -> None:
    async with idling(Memory()) as (client, _):
        await client.send(b"b NOOP\r\n")
        assert (await client.response()).startswith(b"i BAD")
        await client.ok("NOOP")
        await client.send(b"i IDLE\r\n")
        await client.response()
        await client.send(b"x" * 70_000)
        assert (await client.response()).startswith(b"i BAD")


# Endings


async def test_at_shutdown_all_are_told(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with idling(memory) as (client, running):
        stranger = await running.welcomed()
        silent = await login(running)
        asked = await running.welcomed()
        await asked.send(b"a AUTHENTICATE PLAIN\r\n")
        await asked.response()
        began = trio.current_time()
        running.stopping.set()
        for each in (client, stranger, silent, asked):
            lines = []
            while line := await each.response():
                lines.append(line)
            assert any(line.startswith(b"* BYE [UNAVAILABLE]") for line in lines)
            await each.ended.wait()
        assert await elapsed(began) == 0
        late = running.connect()
        assert (await late.until(b"nothing"))[-1].startswith(b"* BYE")


async def test_at_shutdown_a_client_that_does_not_read_is_cut(autojump_clock: Clock) -> None:
    async with member(Memory(snapshot=mailbox(range(1, 50_000)))) as (client, running):
        await client.ok("SELECT INBOX")
        client.server.room = 1_000
        await client.send(b"a FETCH 1:* FLAGS\r\n")
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        running.stopping.set()
        await client.ended.wait()
        assert await elapsed(began) == pytest.approx(8)
        assert client.server.aborted


async def test_a_client_that_does_not_read_makes_little_wait_for_it(autojump_clock: Clock) -> None:
    async with member(Memory(snapshot=mailbox(range(1, 200_000)))) as (client, running):
        await client.ok("SELECT INBOX")
        client.server.room = 1_000
        client.server.writes.clear()
        await client.send(b"a FETCH 1:* (FLAGS)\r\n" * 10)
        await trio.testing.wait_all_tasks_blocked()
        assert len(client.server.writes) == 1
        assert client.server.writes[0] < 1024 * 1024
        other = await login(running)
        await other.ok("NOOP")
        await client.server.aclose()


async def test_a_connection_that_breaks_is_no_fault(autojump_clock: Clock) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with idling(memory) as (client, running):
        client.server.abort()
        await client.ended.wait()
        second = await login(running)
        await second.close()
        await second.ended.wait()
        assert running.server.open == 0
        assert running.server._desk.connections == {}


@pytest.mark.parametrize("doing", ["nothing", "idle", "literal"])
async def test_a_revoked_credential_ends_its_sessions(autojump_clock: Clock, doing: str) -> None:
    memory = Memory(snapshot=mailbox([1]))
    async with member(memory) as (client, _):
        if doing == "idle":
            await client.send(b"i IDLE\r\n")
            await client.response()
        elif doing == "literal":
            await client.send(b"a APPEND INBOX {10}\r\n")
            await client.response()
        began = trio.current_time()
        memory.ended_actors = frozenset({ACTOR})
        assert (await client.response()).startswith(b"* BYE [EXPIRED]")
        assert await elapsed(began) <= 10
        await client.ended.wait()


async def test_a_revoked_credential_runs_no_further_command(autojump_clock: Clock) -> None:
    memory = Memory()
    async with member(memory) as (client, running):
        (connection,) = running.server._connections
        connection._session.welcome = False
        assert (await client.command("SELECT INBOX"))[-1].startswith(b"* BYE [EXPIRED]")
        await client.ended.wait()


async def test_a_fault_ends_the_command_and_not_the_session(
    autojump_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory(fault=RuntimeError("planted"))
    async with member(memory) as (client, _):
        assert (await client.command("SELECT INBOX"))[-1].split(b" ")[1:3] == [
            b"NO",
            b"[SERVERBUG]",
        ]
        assert "planted" in caplog.text
        assert b"planted" not in b"".join(await client.command("STATUS INBOX (MESSAGES)"))
        caplog.clear()
        await client.ok("NOOP")


# Bounds


async def test_an_inbox_has_so_many_connections_and_no_more(autojump_clock: Clock) -> None:
    limits = ImapLimits(connections_per_inbox=2)
    async with member(at=desk(Memory(), limits)) as (first, running):
        await login(running)
        third = await running.welcomed()
        answer = await third.command(f"LOGIN x {PASSWORD}")
        assert answer[-1].split(b" ")[1:3] == [b"NO", b"[LIMIT]"]
        await first.close()
        await first.ended.wait()
        await third.ok(f"LOGIN x {PASSWORD}")


async def test_the_limit_of_the_inbox_itself_comes_first(autojump_clock: Clock) -> None:
    memory = Memory()
    memory.local.max_imap_connections = 1  # type: ignore[misc]
    async with member(memory) as (_, running):
        second = await running.welcomed()
        answer = await second.command(f"LOGIN x {PASSWORD}")
        assert b"NO [LIMIT]" in answer[-1]


async def test_failed_logins_take_the_same_time_and_three_end_the_connection(
    autojump_clock: Clock,
) -> None:
    async with serving(desk(Memory())) as running:
        client = await running.welcomed()
        for _ in range(3):
            began = trio.current_time()
            answer = await client.command("LOGIN x wrong")
            assert b"NO [AUTHENTICATIONFAILED]" in answer[-1]
            assert await elapsed(began) == pytest.approx(1)
        assert (await client.response()).startswith(b"* BYE")
        assert await client.response() == b""


async def test_a_network_that_guesses_is_refused_for_a_while(autojump_clock: Clock) -> None:
    async with serving(desk(Memory())) as running:
        for _ in range(4):
            client = running.connect("203.0.113.9")
            await client.response()
            for _ in range(3):
                await client.command("LOGIN x wrong")
        client = running.connect("203.0.113.9")
        await client.response()
        assert b"NO [LIMIT]" in (await client.command(f"LOGIN x {PASSWORD}"))[-1]
        elsewhere = running.connect("203.0.113.10")
        await elsewhere.response()
        await elsewhere.ok(f"LOGIN x {PASSWORD}")
        await trio.sleep(60)
        client = running.connect("203.0.113.9")
        await client.response()
        await client.ok(f"LOGIN x {PASSWORD}")


async def test_nonsense_ends_the_connection_after_a_while(autojump_clock: Clock) -> None:
    async with member() as (client, _):
        await client.send(b"nonsense\r\n" * 25)
        lines = []
        while line := await client.response():
            lines.append(line)
        assert sum(b" BAD " in line for line in lines) == 20
        assert lines[-1].startswith(b"* BYE [CLIENTBUG]")


async def test_nonsense_between_good_commands_is_forgiven(autojump_clock: Clock) -> None:
    async with member() as (client, _):
        for _ in range(30):
            await client.command("nonsense")
            await client.ok("NOOP")


async def test_a_flood_of_commands_is_slowed_down_and_starves_nobody(autojump_clock: Clock) -> None:
    limits = ImapLimits(commands_per_minute=600)
    async with member(at=desk(Memory(), limits)) as (client, running):
        began = trio.current_time()
        other = await login(running)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, b"f NOOP\r\n" * 1_800)
            for _ in range(5):
                asked = trio.current_time()
                await other.ok("NOOP")
                assert await elapsed(asked) == 0
            lines = [await client.response() for _ in range(1_800)]
        assert all(line.startswith(b"f OK") for line in lines)
        assert 100 <= await elapsed(began) <= 130


async def test_a_flood_holds_little_memory(autojump_clock: Clock) -> None:
    async with member() as (client, running):
        (connection,) = running.server._connections
        client.server.room = 500_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, b"f NOOP\r\n" * 100_000)
            await trio.testing.wait_all_tasks_blocked()
            assert connection._framer.buffered <= 128 * 1024
            assert len(connection._session.output) <= 512 * 1024
            assert max(client.server.writes) <= 512 * 1024
            nursery.cancel_scope.cancel()


def test_the_limits_of_the_attack_list_stand() -> None:
    limits = ImapLimits()
    assert limits.max_failed_logins == 3
    assert 1 <= limits.failed_login_s <= 3
    assert limits.literal_s == 300
    assert limits.command_before_login_s == 30
