"""The framer of command lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentpost.smtp.wire.lines import Break, LineFramer


def lines(pieces: list[bytes], limit: int = 20, endless: int = 60) -> list[bytes | Break]:
    framer = LineFramer(endless)
    found: list[bytes | Break] = []
    for piece in pieces:
        framer.receive(piece)
        while (line := framer.next_line(limit)) is not None:
            found.append(line)
            if line is Break.ENDLESS:
                return found
    return found


def test_only_crlf_ends_a_good_line() -> None:
    assert lines([b"NOOP\r\nQUIT\r\n"]) == [b"NOOP", b"QUIT"]
    assert lines([b"a\rb\r\n"]) == [b"a\rb"]
    assert lines([b"a\nb\r\n"]) == [Break.BARE_LF, b"b"]
    assert lines([b"\n\r\n"]) == [Break.BARE_LF, b""]
    assert lines([b"abc\r"]) == []


def test_long_line_is_told_once_and_passed_over() -> None:
    assert lines([b"x" * 19]) == []
    assert lines([b"x" * 20]) == [Break.TOO_LONG]
    assert lines([b"x" * 18 + b"\r\n"]) == [b"x" * 18]
    assert lines([b"x" * 19 + b"\r\n"]) == [Break.TOO_LONG]
    assert lines([b"x" * 30, b"y" * 20, b"\r\nNOOP\r\n"]) == [Break.TOO_LONG, b"NOOP"]


def test_line_without_end_is_given_up() -> None:
    assert lines([b"x" * 30, b"x" * 30, b"x"]) == [Break.TOO_LONG, Break.ENDLESS]


def test_framer_keeps_no_more_than_the_limit() -> None:
    framer = LineFramer(1 << 20)
    framer.receive(b"x" * 100_000)
    assert framer.next_line(2048) is Break.TOO_LONG
    assert framer.rest() == b""


def test_clear_forgets_everything() -> None:
    framer = LineFramer(60)
    framer.receive(b"STARTTLS\r\nNOOP\r\nhalf")
    assert framer.next_line(20) == b"STARTTLS"
    framer.clear()
    assert framer.empty
    assert not framer.midway
    assert framer.next_line(20) is None


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"x" * 25]), max_size=30),
    st.data(),
)
def test_lines_do_not_depend_on_how_the_octets_arrive(
    parts: list[bytes], data: st.DataObject
) -> None:
    octets = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=10)))
    pieces = [octets[i:j] for i, j in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert lines(pieces, endless=10_000) == lines([octets], endless=10_000)


@given(st.binary(max_size=200))
def test_octet_by_octet(octets: bytes) -> None:
    single = [octets[i : i + 1] for i in range(len(octets))]
    assert lines(single, endless=10_000) == lines([octets], endless=10_000)
