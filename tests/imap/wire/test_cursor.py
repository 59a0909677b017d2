"""The grammar of arguments."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire.cursor import (
    LENIENT_RECENT_FLAG,
    LENIENT_SHORT_DAY,
    LENIENT_TRAILING_SPACE,
    LENIENT_UTF8_QUOTED,
    Cursor,
    FlagList,
    SyntaxFault,
)
from agentpost.imap.wire.framer import Frame, Framer
from agentpost.limits import FRAMING_AFTER_LOGIN, GrammarLimits
from agentpost.model.mailbox import Flag


def cursor(text: bytes, *, utf8: bool = False) -> Cursor:
    """A cursor at the beginning of ``text``, whose literals are non-synchronising."""
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a APPEND " + text + b"\r\n")
    frame = framer.next_event()
    assert isinstance(frame, Frame)
    frame = Frame(frame.text[9:], frame.literals, tuple(mark - 9 for mark in frame.marks))
    return Cursor(frame, GrammarLimits(max_search_string_octets=20, max_flags=4), utf8=utf8)


def fault(text: bytes, method: str, *, utf8: bool = False) -> SyntaxFault:
    with pytest.raises(SyntaxFault) as caught:
        getattr(cursor(text, utf8=utf8), method)()
    return caught.value


def test_a_command_reads_from_left_to_right() -> None:
    at = cursor(b'A1 LOGIN "a\\"b\\\\c" {3+}\r\nd"e')
    assert at.tag() == b"A1"
    at.space()
    assert at.word() == b"LOGIN"
    at.space()
    assert at.astring() == b'a"b\\c'
    at.space()
    assert at.at_literal()
    assert at.astring() == b'd"e'
    at.end()
    assert at.at_end()


def test_a_fault_says_where_and_what() -> None:
    at = cursor(b"a NOOP x")
    at.tag()
    at.space()
    at.word()
    with pytest.raises(SyntaxFault) as caught:
        at.end()
    assert caught.value.position == 6
    assert "unexpected" in caught.value.message
    assert fault(b"", "tag").message == "expected a tag"
    assert fault(b"+ x", "tag").position == 0


def test_a_trailing_space_is_forgiven() -> None:
    assert LENIENT_TRAILING_SPACE
    at = cursor(b"NOOP  ")
    at.word()
    at.end()


def test_a_literal_is_not_overlooked_at_the_end() -> None:
    at = cursor(b"x {1+}\r\ny")
    at.word()
    with pytest.raises(SyntaxFault):
        at.end()


@pytest.mark.parametrize(
    "text", [b"", b" x", b"(x", b"%", b'"', b"\\", b"\x00", b"\x7f", b"\xc3\xa9", b"]"]
)
def test_what_is_no_atom(text: bytes) -> None:
    fault(text, "atom")


def test_an_astring_may_hold_a_bracket() -> None:
    assert cursor(b"a]b c").astring() == b"a]b"
    assert cursor(b"[x").atom() == b"[x"


@pytest.mark.parametrize(
    "text",
    [b'"', b'"x', b'"\\', b'"\\x"', b'"a\rb"', b'"a\x00b"', b'"\xff\xfe"', b'"\xc0\xaf"', b"{5}x",
     b"{5", b"~{1+}\r\nx", b"{2+}\r\na\x00", b""],
)  # fmt: skip
def test_what_is_no_string(text: bytes) -> None:
    fault(text, "string")


def test_utf8_in_quoted_strings_is_taken() -> None:
    assert LENIENT_UTF8_QUOTED
    assert cursor('"é"'.encode()).string() == "é".encode()


def test_nil() -> None:
    assert cursor(b"nil)").nstring() is None
    assert cursor(b'"NIL"').nstring() == b"NIL"


def test_a_message_literal_is_returned_as_it_is() -> None:
    at = cursor(b"APPEND ~{2+}\r\n\x00x {1+}\r\n\x00")
    at.word()
    at.space()
    assert at.literal() == (b"\x00x", True)
    at.space()
    assert at.literal() == (b"\x00", False)
    at.end()
    fault(b"x", "literal")


def test_text_is_bounded_and_in_its_charset() -> None:
    assert cursor("{2+}\r\né".encode()).text_string("utf-8") == "é"
    for text, charset in ((b"{1+}\r\n\xff", "utf-8"), ('"é"'.encode(), "us-ascii")):
        with pytest.raises(SyntaxFault):
            cursor(text).text_string(charset)
    with pytest.raises(SyntaxFault):
        cursor(b"x" * 21).text_string("utf-8")


@pytest.mark.parametrize(
    ("method", "good", "bad"),
    [
        ("number", [b"0", b"4294967295", b"007"], [b"4294967296", b"-1", b"+1", b"x", b"9" * 5000]),
        ("nz_number", [b"1", b"4294967295"], [b"0", b"01", b"4294967296", b"\xef\xbc\x91"]),
        ("number64", [b"0", b"9223372036854775807"], [b"9223372036854775808"]),
        ("nz_number64", [b"1"], [b"0"]),
    ],
)
def test_numbers(method: str, good: list[bytes], bad: list[bytes]) -> None:
    for text in good:
        assert getattr(cursor(text), method)() == int(text)
    for text in bad:
        fault(text, method)


def test_an_underscore_ends_a_number() -> None:
    at = cursor(b"1_000")
    assert at.number() == 1
    with pytest.raises(SyntaxFault):
        at.end()


def test_sets() -> None:
    assert cursor(b"1:3,* x").sequence_set().ranges[0] == (1, 3)
    assert cursor(b"$").sequence_set().saved
    assert cursor(b"1:2").sequence_set(star=False).highest == 2
    for text in (b"1:*", b"$"):
        with pytest.raises(SyntaxFault):
            cursor(text).sequence_set(star=False)
    for text in (b"x", b"1:", b"0"):
        fault(text, "sequence_set")
    assert cursor(b"*").at_sequence_set()
    assert not cursor(b"x").at_digit()


def test_flags() -> None:
    assert cursor(b"()").flag_list() == FlagList()
    assert cursor(b"(\\seen $Foo \\DELETED)").flag_list() == FlagList(
        Flag.SEEN | Flag.DELETED, ("$Foo",)
    )
    assert cursor(b"\\Seen work ").flags() == FlagList(Flag.SEEN, ("work",))
    assert cursor(b"(Work WORK)").flags() == FlagList(Flag(0), ("Work",))
    assert cursor(b"&AOk-").keyword() == "é"
    for text in (b"(\\Foo)", b"\\*", b"(x", b"(x y z u v)", b"(" + b"k" * 200 + b")", b"( x)", b""):
        fault(text, "flags")
    fault(b"\\Seen", "keyword")
    fault(b"k" * 200, "keyword")


def test_recent_among_flags_means_nothing() -> None:
    assert LENIENT_RECENT_FLAG
    assert cursor(b"(\\Recent \\Seen)").flag_list() == FlagList(Flag.SEEN)


def test_dates() -> None:
    assert cursor(b"1-Feb-1994").date() == date(1994, 2, 1)
    assert cursor(b'"29-feb-2024"').date() == date(2024, 2, 29)
    for text in (b"29-Feb-2023", b"0-Jan-2020", b"32-Jan-2020", b"1-Foo-2020", b"1-Jan-0000",
                 b'"1-Jan-2020', b"1-Jan-20", b"2020-01-01"):  # fmt: skip
        fault(text, "date")


def test_date_times_keep_their_zone() -> None:
    found = cursor(b'"17-Jul-1996 02:44:25 -0730"').date_time()
    assert found.moment == datetime(1996, 7, 17, 10, 14, 25, tzinfo=UTC)
    assert found.zone == -450
    assert cursor(b'" 1-Jan-2024 23:59:60 +0000"').date_time().moment.second == 59
    assert cursor(b'"').at_date_time()
    for text in (b'"31-Feb-2024 00:00:00 +0000"', b'"01-Jan-2024 24:00:00 +0000"',
                 b'"01-Jan-2024 00:60:00 +0000"', b'"01-Jan-2024 00:00:00 +2400"',
                 b'"01-Jan-2024 00:00:00 +0060"', b'"01-Jan-2024 00:00:00"',
                 b'"01-Jan-0001 00:00:00 +0100"', b'"31-Dec-9999 23:00:00 -0200"',
                 b'"01-Jan-2024 00:00:00 0000"'):  # fmt: skip
        fault(text, "date_time")


def test_a_short_day_is_forgiven() -> None:
    assert LENIENT_SHORT_DAY
    assert cursor(b'"1-Jan-2024 00:00:00 +0000"').date_time().moment.day == 1


def test_mailboxes() -> None:
    assert cursor(b"inbox").mailbox() == "INBOX"
    assert cursor(b'"Entw&APw-rfe"').mailbox() == "Entwürfe"
    assert cursor("{4+}\r\na/é".encode(), utf8=True).mailbox() == "a/é"
    assert cursor('"é"'.encode(), utf8=True).mailbox() == "é"
    assert cursor(b"a&b", utf8=True).mailbox() == "a&b"
    for text in ('"é"'.encode(), b'"&"', b"&AGE-", b"x" * 2_000, '"ı"NBOX'.encode()):
        fault(text, "mailbox")
    assert cursor(b"%/*").list_mailbox() == "%/*"
    assert cursor(b'""').list_mailbox() == ""
    fault(b"%" * 513, "list_mailbox")


def test_words_and_lists() -> None:
    at = cursor(b"body.peek[x](a b)")
    assert not at.skip_word(b"BODY")
    assert at.skip_word(b"BODY.PEEK")
    assert at.skip(b"[")
    at.expect(b"x]", "x]")
    assert at.parenthesised(at.atom, "a list", 2) == [b"a", b"b"]
    assert at.position == 17
    with pytest.raises(SyntaxFault):
        (full := cursor(b"(a b c)")).parenthesised(full.atom, "a list", 2)
    assert cursor(b"unchangedsince 1").label() == b"UNCHANGEDSINCE"
    fault(b"1x", "label")
    with pytest.raises(SyntaxFault):
        cursor(b"x").space()


@given(st.binary(max_size=60), st.booleans())
def test_no_octets_make_the_cursor_fail_otherwise(octets: bytes, utf8: bool) -> None:
    for method in ("tag", "atom", "astring", "string", "nstring", "number", "sequence_set", "flags",
                   "date", "date_time", "mailbox", "list_mailbox", "literal", "end"):  # fmt: skip
        at = Cursor(Frame(octets), utf8=utf8)
        with suppress(SyntaxFault):
            getattr(at, method)()
        assert 0 <= at.position <= len(octets)
