"""Search programmes."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import BadCharset
from agentpost.imap.wire.cursor import Cursor, SyntaxFault
from agentpost.imap.wire.framer import Frame
from agentpost.imap.wire.searchkeys import (
    AddressField,
    All,
    And,
    Clock,
    Dated,
    EmailIdIs,
    HasFlag,
    HasKeyword,
    InAddresses,
    InBody,
    InHeader,
    InSubject,
    InText,
    IsRecent,
    Larger,
    ModSeqAtLeast,
    Not,
    Numbers,
    Or,
    Returns,
    SaveDateSupported,
    SearchKey,
    SearchProgram,
    Smaller,
    ThreadIdIs,
    Uids,
    When,
    Within,
)
from agentpost.imap.wire.searchprogram import parse_search
from agentpost.imap.wire.sequence import parse
from agentpost.model.mailbox import Flag


def program(text: bytes) -> SearchProgram:
    cursor = Cursor(Frame(b"SEARCH " + text))
    cursor.word()
    return parse_search(cursor)


def key(text: bytes) -> SearchKey:
    return program(text).key


SEEN = HasFlag(Flag.SEEN, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"ALL", All()),
        (b"seen", SEEN),
        (b"UNANSWERED", HasFlag(Flag.ANSWERED, False)),
        (b"DRAFT", HasFlag(Flag.DRAFT, True)),
        (b"RECENT", IsRecent(True)),
        (b"OLD", IsRecent(False)),
        (b"NEW", And((IsRecent(True), HasFlag(Flag.SEEN, False)))),
        (b"KEYWORD $Foo", HasKeyword("$Foo", True)),
        (b"UNKEYWORD x", HasKeyword("x", False)),
        (b'FROM "Smith"', InAddresses(AddressField.FROM, "Smith")),
        (b"TO a", InAddresses(AddressField.TO, "a")),
        (b"CC a", InAddresses(AddressField.CC, "a")),
        (b"BCC a", InAddresses(AddressField.BCC, "a")),
        (b'SUBJECT ""', InSubject("")),
        (b"BODY x", InBody("x")),
        (b"TEXT x", InText("x")),
        (b'HEADER Message-ID ""', InHeader("Message-ID", "")),
        (b"BEFORE 1-Feb-1994", Dated(Clock.INTERNAL, When.BEFORE, date(1994, 2, 1))),
        (b'SENTON "1-Feb-1994"', Dated(Clock.SENT, When.ON, date(1994, 2, 1))),
        (b"SAVEDSINCE 1-Feb-1994", Dated(Clock.SAVED, When.SINCE, date(1994, 2, 1))),
        (b"SAVEDATESUPPORTED", SaveDateSupported()),
        (b"OLDER 60", Within(60, False)),
        (b"YOUNGER 60", Within(60, True)),
        (b"LARGER 0", Larger(0)),
        (b"SMALLER 5000000000", Smaller(5_000_000_000)),
        (b"UID 1:*", Uids(parse(b"1:*"))),  # type: ignore[arg-type]
        (b"2,4", Numbers(parse(b"2,4"))),  # type: ignore[arg-type]
        (b"$", Numbers(parse(b"$"))),  # type: ignore[arg-type]
        (b"MODSEQ 5", ModSeqAtLeast(5)),
        (b'MODSEQ "/flags/\\\\draft" all 620162338', ModSeqAtLeast(620162338)),
        (b"EMAILID M1", EmailIdIs("M1")),
        (b"THREADID T1", ThreadIdIs("T1")),
        (b"NOT SEEN", Not(SEEN)),
        (b"NOT NOT SEEN", Not(Not(SEEN))),
        (b"OR SEEN ALL", Or((SEEN, All()))),
        (b"OR SEEN OR ALL 1", Or((SEEN, All(), Numbers(parse(b"1"))))),  # type: ignore[arg-type]
        (b"OR OR SEEN ALL SEEN", Or((Or((SEEN, All())), SEEN))),
        (b"(SEEN)", SEEN),
        (b"(SEEN ALL)", And((SEEN, All()))),
        (b"SEEN ALL", And((SEEN, All()))),
        (b"OR (SEEN ALL) NOT (ALL)", Or((And((SEEN, All())), Not(All())))),
    ],
)
def test_keys(text: bytes, expected: SearchKey) -> None:
    assert key(text) == expected


@pytest.mark.parametrize(
    "text",
    [b"", b"FOO", b"SEENx", b"FROM", b"OR SEEN", b"NOT", b"(", b"()", b"(SEEN", b"SEEN)", b"SEEN  ALL",
     b"KEYWORD \\Seen", b"UID", b"UID x", b"LARGER -1", b"BEFORE x", b"HEADER x", b"1:", b"0",
     b"OLDER 0", b'MODSEQ "/x" all 1', b'MODSEQ "/flags/x" some 1', b"RETURN (FOO) ALL",
     b"RETURN MIN ALL", b"RETURN (MIN", b"RETURN () ", b"CHARSET UTF-8", b"ALL SEEN(", b'HEADER "\xc3\xa9" x'],
)  # fmt: skip
def test_what_is_no_programme(text: bytes) -> None:
    with pytest.raises(SyntaxFault):
        program(text)


def test_return_options() -> None:
    assert program(b"ALL").returns is None
    assert program(b"RETURN () ALL").returns == Returns(all=True)
    found = program(b"RETURN (MIN max COUNT SAVE) ALL").returns
    assert found == Returns(minimum=True, maximum=True, count=True, save=True)
    assert not found.only_save
    saved = program(b"RETURN (SAVE) ALL").returns
    assert saved is not None
    assert saved.only_save


def test_charsets() -> None:
    assert program(b'RETURN (ALL) CHARSET "utf-8" TEXT "\xc3\xa9"').key == InText("é")
    assert program(b"CHARSET US-ASCII TEXT x").key == InText("x")
    assert program(b'CHARSET ISO-2022-JP TEXT "\x1b$B%F\x1b(B"').key == InText("テ")
    assert program('TEXT "é"'.encode()).key == InText("é")
    with pytest.raises(BadCharset):
        program(b"CHARSET X-EVIL TEXT x")
    with pytest.raises(BadCharset):
        program(b'CHARSET "\xc3\xa9" TEXT x')
    with pytest.raises(SyntaxFault):
        program('CHARSET US-ASCII TEXT "é"'.encode())


def test_what_a_programme_depends_on_is_known() -> None:
    assert program(b"OR NOT 1 UID 2").by_number
    assert not program(b"UID 1 $").by_number
    assert program(b"MODSEQ 1").by_modseq
    assert not program(b"ALL").by_modseq


@pytest.mark.parametrize(
    "text",
    [b"(" * 20_000 + b"ALL" + b")" * 20_000, b"NOT " * 5_000 + b"ALL", b"OR " * 5_000 + b"ALL",
     b"OR NOT ALL " * 5_000 + b"ALL", b"OR (" * 30 + b"ALL", b"ALL " * 5_000 + b"ALL"],
)  # fmt: skip
def test_hostile_programmes_are_refused_at_once(text: bytes) -> None:
    started = time.process_time()
    with pytest.raises(SyntaxFault):
        program(text)
    assert time.process_time() - started < 0.1


def test_nesting_up_to_the_bound_and_long_chains_are_taken() -> None:
    assert program(b"(" * 20 + b"ALL" + b")" * 20).key == All()
    chain = program(b"OR HEADER Message-ID x " * 500 + b"ALL").key
    assert isinstance(chain, Or)
    assert len(chain.keys) == 501
    with pytest.raises(SyntaxFault):
        program(b"(" * 21 + b"ALL" + b")" * 21)
    assert isinstance(program(b"OR ALL (" * 10 + b"ALL" + b")" * 10).key, Or)


_words = st.sampled_from([b"(", b")", b"NOT", b"OR", b"ALL", b"SEEN", b"1:*", b'TEXT "x"', b"x"])


def _spelled(found: SearchKey) -> bytes:
    """A key as words, so that what was read can be read again."""
    match found:
        case And(keys):
            return b"(" + b" ".join(map(_spelled, keys)) + b")"
        case Or((first, *rest)):
            inner = Or(tuple(rest)) if len(rest) > 1 else rest[0]
            return b"OR " + _spelled(first) + b" " + _spelled(inner)
        case Not(inner):
            return b"NOT " + _spelled(inner)
        case HasFlag():
            return b"SEEN"
        case InText(text):
            return b'TEXT "' + text.encode() + b'"'
        case Numbers():
            return b"1:*"
        case _:
            return b"ALL"


@given(st.lists(_words, max_size=14).map(b" ".join))
def test_a_programme_that_is_read_reads_again(text: bytes) -> None:
    text = text.replace(b"( ", b"(").replace(b" )", b")")
    try:
        found = program(text).key
    except SyntaxFault:
        return
    assert key(_spelled(found)) == found
