"""The wire against hostile input: the corpus of attacks where it is present.

A connection of nothing but the wire answers each row's octets: the framer, the grammar of the
commands the rows use, and the replies.  What needs a store is tested with the server.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from array import array
from pathlib import Path
from typing import Any

import pytest

from agentpost.errors import BadCharset
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor, SyntaxFault
from agentpost.imap.wire.fetchitems import parse_fetch_items
from agentpost.imap.wire.framer import Frame, Framer, NeedContinuation, Rejected
from agentpost.imap.wire.listmatch import ListPattern
from agentpost.imap.wire.searchprogram import parse_search
from agentpost.limits import FRAMING_AFTER_LOGIN, FRAMING_BEFORE_LOGIN

UIDS = array("I", range(1, 100_001))
EXISTING = {"INBOX", "a" * 60, "&"}


def answer(frame: Frame) -> bytes:
    """What the pure part of a command answers."""
    cursor = Cursor(frame)
    tag = b"*"
    try:
        tag = cursor.tag()
        cursor.space()
        command = cursor.word()
        if command == b"UID":
            cursor.space()
            command = cursor.word()
        if command == b"SEARCH":
            parse_search(cursor)
            return response.ok(tag, "searched")
        if command == b"NOOP":
            cursor.end()
            return response.ok(tag, "nothing")
        cursor.space()
        if command == b"LOGIN":
            cursor.astring()
            cursor.space()
            cursor.astring()
            cursor.end()
            return response.no(tag, "no", "AUTHENTICATIONFAILED")
        if command == b"FETCH":
            chosen = cursor.sequence_set().positions(UIDS)
            cursor.space()
            parse_fetch_items(cursor)
            cursor.end()
            return response.ok(tag, str(sum(map(len, chosen))))
        if command == b"SELECT":
            name = cursor.mailbox()
            cursor.end()
            known = name in EXISTING
            return response.ok(tag, "open") if known else response.no(tag, "no", "NONEXISTENT")
        if command == b"LIST":
            cursor.mailbox()
            cursor.space()
            pattern = ListPattern(cursor.list_mailbox())
            cursor.end()
            return response.ok(tag, str(sum(map(pattern.matches, EXISTING))))
    except SyntaxFault as fault:
        return response.bad(tag, fault.message)
    except BadCharset as fault:
        return response.no(tag, fault.message, fault.column.imap)
    raise AssertionError(command)


def converse(octets: bytes, *, logged_in: bool) -> list[bytes]:
    """Every reply to ``octets``, which arrive in reads of 16 KiB."""
    framer = Framer(FRAMING_AFTER_LOGIN if logged_in else FRAMING_BEFORE_LOGIN)
    replies: list[bytes] = []
    for start in range(0, len(octets), 16_384):
        framer.feed(octets[start : start + 16_384])
        while (event := framer.next_event()) is not None:
            if isinstance(event, NeedContinuation):
                replies.append(b"+")
                framer.grant()
            elif isinstance(event, Rejected):
                line = response.status_line(event.tag, event.condition, event.text, event.code)
                replies.append(response.bye(event.text, event.code) if event.fatal else line)
            else:
                assert isinstance(event, Frame)
                replies.append(answer(event))
    return replies


def rows(corpus: Path) -> dict[str, tuple[bytes, bool]]:
    found: dict[str, tuple[bytes, bool]] = {}
    for line in (corpus / "attacks" / "attacks.jsonl").read_text("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        if row["proto"] != "imap" or any("file" in part for part in row["send"]):
            continue
        octets = b""
        for part in row["send"]:
            text, times = part["repeat"] if isinstance(part, dict) else (part, 1)
            octets += text.encode("latin-1") * times
        found[row["id"]] = octets, bool(row["setup"])
    return found


@pytest.fixture(scope="module")
def attacks(corpus: Path) -> dict[str, tuple[bytes, bool]]:
    return rows(corpus)


def replies_to(attacks: dict[str, tuple[bytes, bool]], name: str) -> list[bytes]:
    octets, logged_in = attacks[name]
    started = time.process_time()
    replies = converse(octets, logged_in=logged_in)
    assert time.process_time() - started < 0.2, name
    return replies


LITERALS = {
    "I01.01": b"a NO [TOOBIG]",
    "I01.02": b"* BYE [TOOBIG]",
    "I01.03": b"a NO [TOOBIG]",
    "I01.05": b"a BAD",
    "I01.06": b"a BAD",
    "I01.07": b"a BAD",
    "I01.08": b"a BAD",
    "I01.09": b"a BAD",
    "I01.10": b"a NO [TOOBIG]",
    "I01.11": b"a BAD",
    "I01.12": b"a BAD [TOOBIG]",
    "I01.13": b"a BAD [TOOBIG]",
    "I01.14": b"a BAD",
    "I01.15": b"a BAD",
    "I01.20": b"a BAD [LIMIT]",
    "I01.21": b"a NO [TOOBIG]",
    "I01.22": b"* BYE [TOOBIG]",
}


@pytest.mark.parametrize(("name", "reply"), LITERALS.items())
def test_literals(attacks: dict[str, tuple[bytes, bool]], name: str, reply: bytes) -> None:
    assert replies_to(attacks, name)[0].startswith(reply)


@pytest.mark.parametrize("name", LITERALS)
def test_refused_literals_hold_no_memory(attacks: dict[str, tuple[bytes, bool]], name: str) -> None:
    tracemalloc.start()
    replies_to(attacks, name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A thousand literals are allowed, and so are the objects that hold them.
    assert peak < (256 if name == "I01.20" else 64) * 1024


def test_nesting(attacks: dict[str, tuple[bytes, bool]]) -> None:
    assert replies_to(attacks, "I02.01")[0].startswith(b"* BAD")
    assert replies_to(attacks, "I02.02")[0].startswith(b"a BAD")
    assert replies_to(attacks, "I02.05")[0].startswith(b"a BAD")
    assert replies_to(attacks, "I02.06") == [
        b"a NO [BADCHARSET (UTF-8 US-ASCII)] The charset is not supported.\r\n"
    ]


SETS = {
    "I03.01": b"a OK 100000", "I03.02": b"a OK 100000", "I03.03": b"a OK 100000",
    "I03.04": b"a BAD", "I03.05": b"a OK 1\r\n", "I03.06": b"a BAD", "I03.07": b"a BAD",
    "I03.08": b"a BAD", "I03.09": b"a BAD", "I03.11": b"a BAD", "I03.12": b"a BAD",
    "I03.13": b"a BAD", "I03.14": b"a BAD", "I03.15": b"a OK 2000",
}  # fmt: skip


@pytest.mark.parametrize(("name", "reply"), SETS.items())
def test_sets(attacks: dict[str, tuple[bytes, bool]], name: str, reply: bytes) -> None:
    assert replies_to(attacks, name)[0].startswith(reply)


def test_list_patterns(attacks: dict[str, tuple[bytes, bool]]) -> None:
    for name in ("I04.01", "I04.02"):
        assert replies_to(attacks, name) == [b"a OK 0\r\n"]
    assert converse(b'a LIST "" "%b"\r\n' % (b"%a" * 300), logged_in=True)[0].startswith(b"a BAD")


NAMES = {
    "I05.01": b"a BAD", "I05.02": b"a OK", "I05.03": b"a BAD", "I05.05": b"a BAD",
    "I05.06": b"a NO [NONEXISTENT]", "I05.08": b"a NO [NONEXISTENT]", "I05.09": b"a BAD",
    "I05.10": b"a BAD", "I05.11": b"a NO [NONEXISTENT]", "I05.12": b"a BAD", "I05.13": b"a BAD",
    "I05.14": b"a BAD", "I05.15": b"a NO [NONEXISTENT]", "I05.17": b"a BAD",
}  # fmt: skip


@pytest.mark.parametrize(("name", "reply"), NAMES.items())
def test_names(attacks: dict[str, tuple[bytes, bool]], name: str, reply: bytes) -> None:
    assert replies_to(attacks, name)[0].startswith(reply)


def test_long_lines_and_lists(attacks: dict[str, tuple[bytes, bool]]) -> None:
    assert replies_to(attacks, "I06.05")[0].startswith(b"a BAD")
    assert replies_to(attacks, "I06.06")[0].startswith(b"a OK")
    assert replies_to(attacks, "I08.05")[0].startswith(b"* BAD")
