"""Hostile input against the server, and what is expected of it, case by case.

The cases are numbered as in the collection of attacks beside the checkout, which is run as well
where it is present.
"""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from agentpost.limits import ImapLimits
from tests.imap.fakes import PASSWORD, Memory, desk
from tests.imap.harness import NO_FLAGS, Client, Place
from tests.imap.serving import Serving, Talker, serving
from tests.imap.snapshots import mailbox

GENEROUS_MS = 400
"""A bound on time that a busy machine keeps too; what is quadratic takes seconds."""


async def attack(running: Serving, octets: bytes, *, logged_in: bool) -> tuple[Talker, list[bytes]]:
    """What these octets are answered before the server waits again or closes."""
    talker = await running.welcomed()
    if logged_in:
        await talker.ok(f"LOGIN agent@shared.test {PASSWORD}")
        await talker.ok("SELECT INBOX")
    said: list[bytes] = []

    async def listen(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while line := await talker.response():
            said.append(line)

    async with trio.open_nursery() as nursery:
        await nursery.start(listen)
        try:
            await talker.send(octets)
        except trio.BrokenResourceError:
            pass  # It has closed before it heard all.
        await trio.testing.wait_all_tasks_blocked(0.005)
        nursery.cancel_scope.cancel()
    return talker, said


def condition(said: list[bytes]) -> str:
    """The last answer in short: ``NO [TOOBIG]``, ``BAD``, ``BYE``, ``+``, or nothing."""
    if not said:
        return ""
    match = re.match(rb"(?:\+|\S+ ((?:OK|NO|BAD|BYE)(?: \[[A-Z-]+)?))", said[-1])
    assert match is not None, said
    return "+" if match[1] is None else match[1].decode() + ("]" if b"[" in match[1] else "")


async def outcome(octets: bytes, *, logged_in: bool = False, memory: Memory | None = None) -> str:
    kept = memory or Memory(snapshot=mailbox(range(1, 5)))
    at = desk(kept, ImapLimits(failed_login_s=0))
    async with serving(at) as running:
        _, said = await attack(running, octets, logged_in=logged_in)
        assert not any(b"SERVERBUG" in line for line in said), said
        result = condition(said)
    assert at.budget.used == 0
    assert kept.appended == []
    return result


# I01. Literals


@pytest.mark.parametrize(
    ("announced", "expected"),
    [
        (b"{4294967295}", "NO [TOOBIG]"),
        (b"{4294967295+}", "BYE [TOOBIG]"),
        (b"{18446744073709551616}", "NO [TOOBIG]"),
        (b"{" + b"9" * 4_000 + b"}", "NO [TOOBIG]"),
        (b"{100000+}", "BAD [TOOBIG]"),
        (b"{4097+}", "BAD [TOOBIG]"),
        (b"{1_000}", "BAD"),
        (b"{0x10}", "BAD"),
        (b"{ 5}", "BAD"),
        (b"{5 }", "BAD"),
        (b"{05}", "BAD"),
        (b"{-5}", "BAD"),
        (b"{3-}", "BAD"),
        (b"{\xef\xbc\x91}", "BAD"),
        (b"~{10}", "BAD"),
        (b"{", "BAD"),
        (b"{}", "BAD"),
    ],
)
async def test_i01_a_stranger_gets_no_large_or_malformed_literal(
    announced: bytes, expected: str
) -> None:
    result = await outcome(b"a LOGIN " + announced + b"\r\n")
    assert result.removesuffix(" [CLIENTBUG]") == expected


async def test_i01_20_a_command_has_so_many_literals() -> None:
    octets = b"a SEARCH SUBJECT {1+}\r\nx " + b"SUBJECT {1+}\r\nx " * 2_000
    assert await outcome(octets, logged_in=True) == "BAD [LIMIT]"


async def test_i01_21_a_message_too_large_is_refused_before_it_comes() -> None:
    assert await outcome(b"a APPEND INBOX {10485761}\r\n", logged_in=True) == "NO [TOOBIG]"


async def test_i01_22_a_message_too_large_that_does_not_wait_ends_the_connection() -> None:
    octets = b"a APPEND INBOX {10485761+}\r\n" + b"x" * 10_485_761
    assert (await outcome(octets, logged_in=True)).startswith("BYE")


async def test_i01_24_an_empty_message_is_refused() -> None:
    assert (await outcome(b"a APPEND INBOX {0}\r\n\r\n", logged_in=True)).startswith("NO")


# Nesting, sets, patterns (I02 to I04)


@pytest.mark.parametrize("logged_in", [False, True])
async def test_i02_01_parentheses_without_end(logged_in: bool) -> None:
    result = await outcome(b"a LOGIN " + b"(" * 100_000 + b"\r\n", logged_in=logged_in)
    assert result in ("BAD", "BAD [CLIENTBUG]", "BYE [TOOBIG]")


@pytest.mark.parametrize(
    "keys",
    [
        b"(" * 20_000 + b"ALL" + b")" * 20_000,
        b"NOT " * 5_000 + b"ALL",
        b"OR " * 5_000 + b"ALL " * 5_001,
        b"(" * 21 + b"ALL" + b")" * 21,
    ],
)
async def test_i02_nested_keys_are_refused_at_once(keys: bytes) -> None:
    began = time.perf_counter()
    result = await outcome(b"a SEARCH " + keys + b"\r\n", logged_in=True)
    assert result.startswith("BAD")
    assert (time.perf_counter() - began) * 1_000 < GENEROUS_MS


async def test_i02_05_a_search_string_is_bounded() -> None:
    octets = b'a SEARCH TEXT "' + b"a" * 60_000 + b'"\r\n'
    assert (await outcome(octets, logged_in=True)).startswith("BAD")


async def test_i02_06_an_unknown_charset_is_named_with_the_known_ones() -> None:
    async with serving(desk(Memory(snapshot=mailbox([1])))) as running:
        _, said = await attack(running, b"a SEARCH CHARSET X-EVIL TEXT x\r\n", logged_in=True)
        assert b"NO [BADCHARSET (UTF-8 US-ASCII)]" in said[-1]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (b"1:4294967295", "OK"),
        (b"4294967295:1", "OK"),
        (b"1:*," * 2_000 + b"1", "OK"),
        (b",".join(b"%d" % n for n in range(1, 4_000, 2)), "OK"),
        (b"*:*", "OK"),
        (b"0", "BAD"),
        (b"1:", "BAD"),
        (b"1:2:3", "BAD"),
        (b":1", "BAD"),
        (b"1,,2", "BAD"),
        (b"4294967296", "BAD"),
        (b"99999999999999999999", "BAD"),
        (b"1_0", "BAD"),
        (b"+1", "BAD"),
        (b"\xef\xbc\x91", "BAD"),
        (b"", "BAD"),
    ],
)
async def test_i03_sets_meet_the_mailbox_and_nothing_else(numbers: bytes, expected: str) -> None:
    began = time.perf_counter()
    memory = Memory(snapshot=mailbox(range(1, 5)))
    result = await outcome(
        b"a UID FETCH " + numbers + b" (FLAGS)\r\n", logged_in=True, memory=memory
    )
    assert result.split()[0] == expected
    assert (time.perf_counter() - began) * 1_000 < GENEROUS_MS


@pytest.mark.parametrize("pattern", ["%a" * 8 + "b", "*a" * 200 + "b", "%" * 400 + "b"])
async def test_i04_patterns_take_linear_time(pattern: str, place: Place) -> None:
    client = place.client()
    await client.ok("CREATE " + "a" * 60)
    await client.ok("CREATE " + "a" * 500)
    began = time.perf_counter()
    await client.ok(f'LIST "" "{pattern}"')
    assert (time.perf_counter() - began) * 1_000 < GENEROUS_MS
    assert b" BAD " in await client.command(f'LIST "" "{"*" * 600}"')


# I05. Names


@pytest.mark.parametrize(
    "name",
    [
        b"&", b"&AGE-", b"&2D3", b"&2D3cqQ", b"&ZeVnLIqe-&ZeVnLIqe-", b"&&-", b"&AC8-",
        b"a&AA0ACg-b", b"&AEkATgBCAE8AWA-", b"\xff\xfe", b"INBOX\x00", b"../../etc/passwd",
        b"\xc4\xb1NBOX", b"&ATE-NBOX",
    ],
)  # fmt: skip
async def test_i05_no_other_spelling_is_inbox_or_a_path(name: bytes, place: Place) -> None:
    answer = await place.client().command(b'SELECT "' + name + b'"')
    assert answer.split(b" ", 1)[1].startswith((b"BAD", b"NO [NONEXISTENT]")), answer


async def test_i05_02_the_ampersand_itself_is_a_name(place: Place) -> None:
    client = place.client()
    await client.ok('CREATE "&-"')
    assert b"&-" in await client.ok('LIST "" "&-"')


# What messages do to answers (I06)


def _one_fetch(answer: bytes) -> bytes:
    """The FETCH in an answer, which holds no other untagged line outside its literals."""
    rest, lines = answer, []
    while rest:
        end = rest.index(b"\r\n") + 2
        line = rest[:end]
        while (literal := re.search(rb"\{([0-9]+)\}\r\n\Z", line)) is not None:
            end += int(literal[1])
            end = rest.index(b"\r\n", end) + 2
            line = rest[:end]
        lines.append(line)
        rest = rest[end:]
    fetched = [line for line in lines if line.startswith(b"* 1 FETCH ")]
    assert len(fetched) == 1
    assert all(line.startswith((b"* ", b"a")) for line in lines), lines
    assert not any(b"999 EXISTS" in line and b" FETCH " not in line for line in lines)
    return fetched[0]


@pytest.mark.parametrize(
    "head",
    [
        b'Subject: a"b\\c =?utf-8?q?=22=0D=0A*_999_EXISTS?= \xff\x00 end ' + b"x" * 9_000,
        b"Subject: folded\r\n * 999 EXISTS\r\n\t* 999 EXISTS",
        b"Subject: raw\rreturn\r* 999 EXISTS",
        b'From: "a\\"b\\\\" <"x\\"y"@example.com>\r\nSubject: q',
        b'Content-Type: text/plain; name="a\\"b)\r\n\tFLAGS (\\Deleted"',
        b"Content-Type: text/plain" + b";" * 7_000,
        b'Content-Disposition: attachment; filename="x\\"\r\n * 999 EXISTS"',
        b"Content-ID: <a)\r\n * 999 EXISTS (b>\r\nContent-Description: {5}",
        b"To: " + b", ".join(b"a%d@example.com" % n for n in range(10_000)),
        b"Content-Type: " + b"x/" * 1_000 + b'; boundary="',
    ],
)
async def test_i06_no_header_octet_ends_an_answer_early(head: bytes, place: Place) -> None:
    client = await place.selected()
    box = await place.store.mailboxes.find(place.actor, place.where, "INBOX")
    octets = head.replace(b"\x00", b"\x01") + b"\r\n\r\nbody\r\n"
    appending = place.desk.appending
    await appending.append(place.actor, place.where, box, octets, NO_FLAGS, (), None)
    await client.ok("NOOP")
    began = time.perf_counter()
    answer = await client.command("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY)")
    assert (time.perf_counter() - began) * 1_000 < GENEROUS_MS
    fetched = _one_fetch(answer)
    assert fetched.count(b"ENVELOPE") >= 1
    assert b" OK " in answer


async def test_i06_05_many_header_names_are_bounded(place: Place) -> None:
    await place.put(b"X: y\r\n\r\n")
    client = await place.selected()
    names = " ".join(["X"] * 3_000)
    assert b" BAD " in await client.command(f"FETCH 1 BODY[HEADER.FIELDS ({names})]")


async def test_i06_06_a_far_part_of_a_section_is_empty(place: Place) -> None:
    await place.put(b"X: y\r\n\r\nbody\r\n")
    client = await place.selected()
    answer = await client.ok("FETCH 1 BODY.PEEK[]<4294967295.4294967295>")
    assert b"BODY[]<4294967295> {0}\r\n)" in answer


# I07. Compression, which is not offered


async def test_i07_01_compression_is_unknown() -> None:
    result = await outcome(b"a COMPRESS DEFLATE\r\n" + b"\xc5\xb1\r\n", logged_in=True)
    assert result.startswith("BAD")


# I08. Sessions


async def test_i08_03_only_done_ends_idle() -> None:
    assert (await outcome(b"a IDLE\r\nb NOOP\r\n", logged_in=True)).startswith("BAD")


async def test_i08_04_there_is_no_starttls() -> None:
    assert await outcome(b"a STARTTLS\r\nb LOGIN x wrong\r\n") == "NO [AUTHENTICATIONFAILED]"
    async with serving(desk(Memory())) as running:
        _, said = await attack(running, b"a STARTTLS\r\n", logged_in=False)
        assert said[0].startswith(b"a BAD")


@pytest.mark.parametrize(("logged_in", "octets"), [(False, 9_000), (True, 66_000)])
async def test_i08_05_a_line_is_bounded(logged_in: bool, octets: int) -> None:
    result = await outcome(b"A" * octets, logged_in=logged_in)
    assert result.split()[0] in ("BAD", "BYE")
    assert await outcome(b"A" * 3_000_000, logged_in=logged_in) == "BYE [TOOBIG]"


async def test_i08_06_who_may_not_enter_learns_nothing(place: Place) -> None:
    at = replace(place.desk, limits=ImapLimits(failed_login_s=0))
    address = place.actor.address
    answers = set()
    async with serving(at) as running:
        for name, secret in (
            (address, "ap_mail_" + "x" * 24),
            ("nobody@shared.test", place.password),
            ("nobody@shared.test", "wrong"),
            (address, place.password + " "),
            (address, ""),
            (address, place.password[:-1]),
            ("agent\x7f@shared.test", place.password),
        ):
            client = await running.welcomed()
            answer = await client.command(f'LOGIN "{name}" "{secret}"')
            answers.add(answer[-1].split(b" ", 1)[1])
    assert len(answers) == 1
    assert answers.pop().startswith(b"NO [AUTHENTICATIONFAILED]")


async def test_a_stranger_costs_little_memory() -> None:
    """I01: whatever is announced before login, nothing is set aside for it."""
    async with serving(desk(Memory())) as running:
        await attack(running, b"a LOGIN {8000}\r\n", logged_in=False)
        tracemalloc.start()
        talkers = []
        for _ in range(20):
            talker, _ = await _announce(running)
            talkers.append(talker)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert grown / 20 < 64 * 1024


async def _announce(running: Serving) -> tuple[Talker, bytes]:
    talker = await running.welcomed()
    await talker.send(b"a LOGIN {8000}\r\n")
    return talker, await talker.response()


# The collection itself


def _octets(parts: list[Any]) -> bytes:
    out = b""
    for part in parts:
        if isinstance(part, str):
            out += part.encode("latin-1")
        elif "repeat" in part:
            text, times = part["repeat"]
            out += text.encode("latin-1") * times
    return out


_ALONE = {"I01.22", "I08.02"}
"""Megabytes, which have a test of their own."""


async def test_the_collection_of_attacks_meets_a_server_that_lives_on(
    corpus: Path, place: Place
) -> None:
    path = corpus / "attacks" / "attacks.jsonl"
    cases = [json.loads(line) for line in path.read_text().splitlines() if line]
    await place.put(b"Subject: x\r\n\r\nbody\r\n")
    for case in cases:
        if case["proto"] != "imap" or "file" in str(case["send"]) or case["id"] in _ALONE:
            continue
        inside = "authenticated" in case["setup"]
        client = await place.selected() if inside else None
        octets = _octets(case["send"])
        if client is not None and len(octets) < 200_000:
            answer = await _sent(client, octets)
            assert b"SERVERBUG" not in answer, case["id"]
        else:
            result = await outcome(octets, logged_in=inside, memory=Memory(snapshot=mailbox([1])))
            assert result.split(" ")[0] in ("", "OK", "NO", "BAD", "BYE", "+"), case["id"]


async def _sent(client: Client, octets: bytes) -> bytes:
    with trio.fail_after(5):
        return await client.send(octets)
