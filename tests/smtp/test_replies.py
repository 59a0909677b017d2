"""Replies keep to ASCII and to 512 octets a line, whatever they are made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentpost.smtp.wire.replies import accepted, problem, reply


def test_every_line_has_the_codes() -> None:
    assert reply(214, "2.0.0", "a", "b").octets == b"214-2.0.0 a\r\n214 2.0.0 b\r\n"
    assert reply(250, None, "a").octets == b"250 a\r\n"


def test_foreign_text_cannot_forge_a_reply() -> None:
    assert reply(550, "5.7.1", "no\r\n250 yes \u00e9\x1b[1m").octets == (
        b"550 5.7.1 no??250 yes ??[1m\r\n"
    )


def test_cure_is_left_out_before_the_line_is_too_long() -> None:
    assert problem((550, "5.7.1"), "m" * 400, "f" * 400).octets.count(b"f") == 0


def test_duplicate_says_so() -> None:
    assert accepted("msg_1", "thr_1", duplicate=False).octets == b"250 2.0.0 msg_1 thr_1\r\n"
    assert accepted("msg_1", "thr_1", duplicate=True).octets == (
        b"250 2.0.0 duplicate of msg_1 thr_1\r\n"
    )


@given(st.text(max_size=900), st.text(max_size=900))
def test_lines_are_bounded_ascii(message: str, fix: str) -> None:
    octets = problem((550, "5.7.1"), message, fix).octets
    assert octets.isascii()
    assert len(octets) <= 512
    assert octets.count(b"\r\n") == 1
    assert octets.endswith(b"\r\n")
