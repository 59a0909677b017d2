"""Where commands end: lines, literals, bounds and refusals."""

from __future__ import annotations

import pytest

from agentpost.imap.wire.framer import (
    Frame,
    Framer,
    Happening,
    Line,
    NeedContinuation,
    Rejected,
    head,
)
from agentpost.limits import FRAMING_AFTER_LOGIN, FRAMING_BEFORE_LOGIN, FramingLimits

SMALL = FramingLimits(
    max_line_octets=40,
    max_literals=3,
    max_argument_octets=200,
    max_nonsynchronizing_octets=20,
    max_message_octets=100,
    max_swallowed_octets=150,
)


def drain(framer: Framer) -> list[Happening]:
    """Everything the framer can say, every waiting literal granted."""
    said: list[Happening] = []
    while (event := framer.next_event()) is not None:
        said.append(event)
        if isinstance(event, NeedContinuation):
            framer.grant()
    return said


def events(octets: bytes, limits: FramingLimits = FRAMING_AFTER_LOGIN) -> list[Happening]:
    framer = Framer(limits)
    framer.feed(octets)
    return drain(framer)


def test_a_line_is_a_command() -> None:
    assert events(b"a NOOP\r\n") == [Frame(b"a NOOP")]


def test_pipelined_commands_come_one_at_a_time() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a NOOP\r\nb CHECK\r\nc LOG")
    assert framer.next_event() == Frame(b"a NOOP")
    assert framer.next_event() == Frame(b"b CHECK")
    assert framer.next_event() is None
    assert framer.inside_command
    framer.feed(b"OUT\r\n")
    assert framer.next_event() == Frame(b"c LOGOUT")
    assert not framer.inside_command


def test_an_empty_line_is_a_frame_that_the_grammar_refuses() -> None:
    assert events(b"\r\n") == [Frame(b"")]


def test_a_synchronising_literal_waits_for_the_server() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a1 append INBOX {5}\r\n")
    need = framer.next_event()
    assert need == NeedContinuation(5, b"a1", b"APPEND", 19, b"a1 append INBOX {5}")
    with pytest.raises(RuntimeError):
        framer.next_event()
    framer.grant()
    assert framer.next_event() is None
    framer.feed(b"he\r\no)\r\n")
    assert framer.next_event() == Frame(b"a1 append INBOX {5})", (b"he\r\no",), (19,))


def test_a_need_names_the_command_with_uid() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"x Uid Replace 3 INBOX ~{7}\r\n")
    need = framer.next_event()
    assert isinstance(need, NeedContinuation)
    assert (need.tag, need.name, need.size) == (b"x", b"UID REPLACE", 7)


def test_after_a_refused_synchronising_literal_the_next_line_is_a_command() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a APPEND INBOX {99}\r\n")
    assert isinstance(framer.next_event(), NeedContinuation)
    framer.refuse()
    framer.feed(b"b NOOP\r\n")
    assert drain(framer) == [Frame(b"b NOOP")]


def test_non_synchronising_literals_need_no_answer() -> None:
    assert events(b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\nb NOOP\r\n") == [
        Frame(b"A001 LOGIN {11+} {7+}", (b"FRED FOOBAR", b"fat man"), (16, 21)),
        Frame(b"b NOOP"),
    ]


def test_an_empty_literal_is_a_literal() -> None:
    assert events(b'a LOGIN {0+}\r\n "x"\r\n') == [Frame(b'a LOGIN {0+} "x"', (b"",), (12,))]


def test_a_literal8_is_taken_where_a_message_is() -> None:
    assert events(b"a APPEND x (UTF8 (~{3+}\r\na\0b))\r\n")[-1] == Frame(
        b"a APPEND x (UTF8 (~{3+}))", (b"a\0b",), (23,)
    )
    assert events(b"a LOGIN ~{10}\r\nb NOOP\r\n") == [
        Rejected(b"a", "BAD", None, "a literal8 is not allowed here"),
        Frame(b"b NOOP"),
    ]


@pytest.mark.parametrize("count", [b"1_0", b"0x1", b" 5", b"5 ", b"05", b"00", b"-1", b"+5", b"3-",
                                   b"\xef\xbc\x91", b"", b"5++"])  # fmt: skip
def test_a_malformed_count_announces_nothing(count: bytes) -> None:
    line = b"a LOGIN {" + count + b"}"
    assert events(line + b"\r\nb NOOP\r\n") == [Frame(line), Frame(b"b NOOP")]


def test_a_huge_synchronising_literal_is_refused_before_the_continuation() -> None:
    for digits in (b"4294967295", b"18446744073709551616", b"9" * 5_000):
        refused, after = events(b"a LOGIN {" + digits + b"}\r\nb NOOP\r\n", FRAMING_BEFORE_LOGIN)
        assert isinstance(refused, Rejected)
        assert (refused.tag, refused.condition, refused.code) == (b"a", "NO", "TOOBIG")
        assert not refused.fatal
        assert after == Frame(b"b NOOP")


def test_a_huge_non_synchronising_literal_ends_the_connection() -> None:
    framer = Framer(FRAMING_BEFORE_LOGIN)
    framer.feed(b"a LOGIN {4294967295+}\r\nxxxx")
    refused = framer.next_event()
    assert isinstance(refused, Rejected)
    assert refused.fatal
    assert refused.code == "TOOBIG"
    framer.feed(b"b NOOP\r\n")
    assert framer.next_event() is None
    assert framer.buffered == 0


def test_a_non_synchronising_literal_over_4096_is_refused_and_swallowed() -> None:
    said = events(b"a APPEND INBOX {4097+}\r\n" + b"x" * 4097 + b" more\r\nb NOOP\r\n")
    assert said[0] == Rejected(
        b"a", "BAD", "TOOBIG", "a literal of this size must wait for a continuation request"
    )
    assert said[1:] == [Frame(b"b NOOP")]


def test_the_commands_inside_a_swallowed_literal_are_not_run() -> None:
    inside = b"x DELETE INBOX\r\n" * 300
    said = events(b"a APPEND INBOX {%d+}\r\n%b\r\nb NOOP\r\n" % (len(inside), inside))
    assert said[1:] == [Frame(b"b NOOP")]


def test_a_swallowed_command_with_more_literals_is_swallowed_as_a_whole() -> None:
    octets = b"a LOGIN {21+}\r\n" + b"u" * 21 + b" {4+}\r\nx\r\n) {3+}\r\npwd\r\nb NOOP\r\n"
    said = events(octets, SMALL)
    assert [type(event) for event in said] == [Rejected, Frame]
    assert said[1] == Frame(b"b NOOP")


def test_swallowing_is_bounded() -> None:
    said = events(b"a LOGIN {21+}\r\n" + b"u" * 21 + b" {4+}\r\nxxxx" * 200, SMALL)
    assert [isinstance(event, Rejected) and event.fatal for event in said] == [False, True]


def test_a_line_that_is_too_long_is_refused_and_dropped() -> None:
    said = events(b"tag SEARCH " + b"x" * 100 + b"\r\nb NOOP\r\n", SMALL)
    assert said == [Rejected(b"tag", "BAD", None, "the line is too long"), Frame(b"b NOOP")]


def test_a_line_of_exactly_the_limit_is_taken() -> None:
    line = b"a " + b"x" * 38
    assert events(line + b"\r\n", SMALL) == [Frame(line)]
    assert events(line + b"y\r\n", SMALL) == [Rejected(b"a", "BAD", None, "the line is too long")]


def test_an_endless_line_holds_no_memory() -> None:
    framer = Framer(FRAMING_BEFORE_LOGIN)
    said: list[Happening] = []
    for _ in range(2_000):
        framer.feed(b"(" * 1_000)
        said += drain(framer)
        assert framer.buffered <= FRAMING_BEFORE_LOGIN.max_line_octets + 1_001
    assert [isinstance(event, Rejected) and event.fatal for event in said] == [False, True]


def test_too_many_literals_are_refused() -> None:
    said = events(b"a SEARCH SUBJECT {1+}\r\nx " * 1_100 + b"ALL\r\nb NOOP\r\n")
    refusal = said[0]
    assert isinstance(refusal, Rejected)
    assert (refusal.tag, refusal.code) == (b"a", "LIMIT")
    assert said[1:] == [Frame(b"b NOOP")]


def test_arguments_are_bounded_together() -> None:
    said = events(b"a SEARCH {20+}\r\n" + b"x" * 20 + b" {165}\r\nb NOOP\r\n", SMALL)
    assert said == [
        Rejected(b"a", "NO", "TOOBIG", "the arguments are too large"),
        Frame(b"b NOOP"),
    ]


def test_a_message_counts_against_its_own_bound() -> None:
    framer = Framer(SMALL)
    framer.feed(b"a APPEND INBOX {100}\r\n")
    assert isinstance(framer.next_event(), NeedContinuation)
    framer.grant()
    framer.feed(b"m" * 100 + b" {101}\r\nb NOOP\r\n")
    assert drain(framer) == [
        Rejected(b"a", "NO", "TOOBIG", "the message is too large"),
        Frame(b"b NOOP"),
    ]


def test_a_bare_line_feed_is_refused() -> None:
    assert events(b"a NOOP\nb NOOP\r\n") == [
        Rejected(b"a", "BAD", None, "lines end with CR LF"),
        Frame(b"b NOOP"),
    ]


def test_a_literal_behind_a_bare_line_feed_is_not_run_as_commands() -> None:
    assert events(b"a LOGIN {12+}\nx LOGOUT\r\n..\r\nb NOOP\r\n")[1:] == [Frame(b"b NOOP")]


def test_nul_and_controls_are_left_to_the_grammar() -> None:
    assert events(b"a \x00\x01\rNOOP\r\n") == [Frame(b"a \x00\x01\rNOOP")]


def test_idle_reads_one_line() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a IDLE\r\n")
    assert framer.next_event() == Frame(b"a IDLE")
    framer.expect_line()
    assert framer.next_event() is None
    framer.feed(b"DO")
    assert framer.next_event() is None
    framer.feed(b"NE\r\nb NOOP\r\n")
    assert drain(framer) == [Line(b"DONE"), Frame(b"b NOOP")]


def test_a_reply_line_announces_no_literal() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.expect_line()
    framer.feed(b"{5+}\r\nb NOOP\r\n")
    assert drain(framer) == [Line(b"{5+}"), Frame(b"b NOOP")]


def test_a_reply_line_that_is_too_long_ends_the_connection() -> None:
    framer = Framer(SMALL)
    framer.expect_line()
    framer.feed(b"x" * 100)
    assert drain(framer) == [Rejected(None, "BAD", None, "the line is too long", fatal=True)]


def test_a_reply_is_not_expected_inside_a_command() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a LOGIN {1}\r\n")
    framer.next_event()
    with pytest.raises(RuntimeError):
        framer.expect_line()
    framer.refuse()
    for call in (framer.grant, framer.refuse):
        with pytest.raises(RuntimeError):
            call()


def test_limits_change_at_login() -> None:
    framer = Framer(FRAMING_BEFORE_LOGIN)
    framer.limits = FRAMING_AFTER_LOGIN
    assert framer.limits is FRAMING_AFTER_LOGIN
    framer.feed(b"a SEARCH " + b"x" * 20_000 + b"\r\n")
    assert isinstance(framer.next_event(), Frame)


def test_what_a_frame_and_a_framer_hold_is_counted() -> None:
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(b"a LOGIN {4+}\r\nuser {4+}\r\npa")
    assert framer.next_event() is None
    assert framer.buffered == len(b"a LOGIN {4+}user {4+}pa")
    framer.feed(b"ss\r\n")
    frame = framer.next_event()
    assert isinstance(frame, Frame)
    assert frame.octets == len(b"a LOGIN {4+}user {4+}pass")
    assert framer.buffered == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a NOOP", (b"a", b"NOOP")),
        (b"a uid fetch 1:* all", (b"a", b"UID FETCH")),
        (b"a", (b"a", b"")),
        (b"a ", (b"a", b"")),
        (b"a (x", (b"a", b"")),
        (b"", (None, b"")),
        (b"+ NOOP", (None, b"")),
        (b"a+ NOOP", (None, b"")),
        (b"a\x00 NOOP", (None, b"")),
        (b"x" * 300 + b" NOOP", (None, b"")),
    ],
)
def test_head(text: bytes, expected: tuple[bytes | None, bytes]) -> None:
    assert head(text) == expected
