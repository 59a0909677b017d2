"""Header fields and their offsets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import MimeLimits
from agentpost.mime.header import Header, blank_line, header_end, select_fields, unfold

MAIL = (
    b"From mbox Mon Jan  1 00:00:00 2024\r\n"
    b"Received: one\r\n\tfolded\r\n"
    b"subject : a\n b\r\n"
    b"no colon here\r\n"
    b"RECEIVED:two  \r\n"
    b"Empty:\r\n"
    b"\r\n"
)


def test_fields_in_order_with_offsets() -> None:
    header = Header(MAIL, 0, len(MAIL))
    assert [field.name for field in header.fields] == [
        b"received", b"subject", b"received", b"empty",
    ]  # fmt: skip
    first = header.fields[0]
    assert first.found == b"Received"
    assert MAIL[first.start : first.end] == b"Received: one\r\n\tfolded\r\n"
    assert MAIL[first.value_start : first.value_end] == b"one\r\n\tfolded"


def test_look_up() -> None:
    header = Header(MAIL, 0, len(MAIL))
    assert header.first(b"received") == b"one\tfolded"
    assert header.last(b"received") == b"two  "
    assert header.all(b"received") == (b"one\tfolded", b"two  ")
    assert header.last(b"subject") == b"a b"
    assert header.last(b"empty") == b""
    assert header.first(b"no colon here") is header.last(b"x") is None
    assert header.all(b"x") == ()
    assert b"subject" in header
    assert header.has_none_of(frozenset((b"x", b"y")))
    assert not header.truncated


def test_limits_are_told() -> None:
    octets = b"A: 1\r\nB: 2\r\nC: 3\r\n"
    few = Header(octets, 0, len(octets), MimeLimits(max_fields=2))
    assert (few.truncated, few.last(b"b"), few.last(b"c")) == (True, b"2", None)
    assert len(few.fields) == 2
    short = Header(octets, 0, len(octets), MimeLimits(max_header_octets=6))
    assert (short.truncated, short.last(b"a"), short.last(b"b")) == (True, b"1", None)


def test_selected_fields_are_as_found() -> None:
    selected = select_fields(MAIL, 0, len(MAIL), {b"received", b"x"})
    assert selected == b"Received: one\r\n\tfolded\r\nRECEIVED:two  \r\n\r\n"
    rest = select_fields(MAIL, 0, len(MAIL), {b"received", b"empty"}, exclude=True)
    assert rest == (
        b"From mbox Mon Jan  1 00:00:00 2024\r\nsubject : a\n b\r\nno colon here\r\n\r\n"
    )


def test_a_list_of_fields_ends_with_an_empty_line() -> None:
    assert select_fields(b"A: 1\r\nB: 2\r\n", 0, 12, {b"b"}) == b"B: 2\r\n\r\n"
    assert select_fields(b"A: 1\r\nB: 2\r\n", 0, 12, {b"c"}) == b"\r\n"
    assert select_fields(b"A: 1\nB: 2\n\n", 0, 11, {b"b"}) == b"B: 2\n\n"
    assert select_fields(b"\r\n", 0, 2, {b"b"}) == b"\r\n"
    assert select_fields(b"", 0, 0, {b"b"}) == b""


def test_the_rest_of_a_header_without_an_empty_line_gets_none() -> None:
    assert select_fields(b"A: 1\r\nB: 2\r\n", 0, 12, {b"b"}, exclude=True) == b"A: 1\r\n"
    assert select_fields(b"", 0, 0, {b"b"}, exclude=True) == b""


def test_names_match_exactly_but_for_case() -> None:
    octets = b"To: a\r\nTo-x: b\r\nX-To: c\r\nTO: d\r\n\r\n"
    assert select_fields(octets, 0, len(octets), {b"to"}) == b"To: a\r\nTO: d\r\n\r\n"


def test_unfold() -> None:
    assert unfold(b"a\r\n b\n\tc") == b"a b\tc"
    assert unfold(b"a") == b"a"


@given(st.lists(st.sampled_from([b"A: 1", b"\r\n", b"\n", b"\r", b" x", b"B:", b"\0", b":"])))
def test_selection_and_its_complement_make_the_whole(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    end = header_end(octets, 0, len(octets))
    end = len(octets) if end is None else end
    chosen = select_fields(octets, 0, end, {b"a"})
    others = select_fields(octets, 0, end, {b"a"}, exclude=True)
    blank = blank_line(octets, 0, end)
    shown = blank if blank or not octets else b"\r\n"
    assert len(chosen) + len(others) == end + len(shown)
    header = Header(octets, 0, end)
    written = b"".join(
        octets[field.start : field.end] for field in header.fields if field.name == b"a"
    )
    assert chosen == written + shown
