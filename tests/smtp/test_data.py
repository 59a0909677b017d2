"""Receivers of message data."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agentpost.smtp.wire.data import ChunkReceiver, DataReceiver, canonical

_soup = st.lists(
    st.sampled_from([b"a", b".", b"..", b"\r", b"\n", b"\r\n", b"\r\n.", b"\0", b"xyz"]),
    max_size=30,
).map(b"".join)


def cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(min(place, len(octets)) for place in cuts)
    return [octets[i:j] for i, j in zip([0, *places], [*places, len(octets)], strict=True)]


def receive(pieces: list[bytes], limit: int = 1000) -> tuple[bytes | None, bytes] | None:
    """The message and what follows it; ``None`` when the end does not come."""
    receiver = DataReceiver(limit)
    for number, piece in enumerate(pieces):
        rest = receiver.take(piece)
        if rest is not None:
            return receiver.message(), rest + b"".join(pieces[number + 1 :])
    return None


def stuff(message: bytes) -> bytes:
    """What a client sends for ``message`` (RFC 5321 section 4.5.2)."""
    return re.sub(rb"(\A|(?<=\r\n))\.", b"..", message) + b".\r\n"


@given(_soup, _soup, st.lists(st.integers(0, 100), max_size=8))
def test_stuffed_message_comes_out_as_it_was(message: bytes, rest: bytes, cuts: list[int]) -> None:
    message += b"" if message.endswith(b"\r\n") or not message else b"\r\n"
    assert receive(cut(stuff(message) + rest, cuts)) == (message, rest)


@given(_soup, st.lists(st.integers(0, 100), max_size=8))
def test_end_does_not_depend_on_how_the_octets_arrive(octets: bytes, cuts: list[int]) -> None:
    assert receive(cut(octets, cuts)) == receive([octets])


@given(_soup)
def test_only_crlf_dot_crlf_ends_data(octets: bytes) -> None:
    end = (b"\r\n" + octets).find(b"\r\n.\r\n")
    found = receive([octets])
    assert (found is None) == (end < 0)
    if found is not None:
        assert found[1] == octets[end + 3 :]


@given(_soup)
def test_canonical_is_what_the_grammar_says(octets: bytes) -> None:
    assert canonical(octets) == (re.fullmatch(rb"(?:[^\r\n\0]|\r\n)*", octets) is not None)


@given(_soup, st.lists(st.integers(0, 100), max_size=8))
def test_lost_message_is_passed_over_to_its_end(message: bytes, cuts: list[int]) -> None:
    whole = stuff(message + b"\r\n")
    receiver = DataReceiver(1000)
    receiver.discard()
    for piece in cut(whole + b"QUIT\r\n", cuts)[:-1]:
        assert receiver.take(piece) is None or receiver.message() is None
    assert receive([whole + b"QUIT\r\n"], limit=0) in (
        (None, b"QUIT\r\n"),
        (b"\r\n", b"QUIT\r\n"),
        (message + b"\r\n", b"QUIT\r\n"),
    )


def test_too_large_a_message_is_not_kept() -> None:
    receiver = DataReceiver(1000)
    for _ in range(100):
        assert receiver.take(b"x" * 100) is None
    assert receiver.discarding
    assert receiver.size == 10_000
    assert len(receiver._octets) == 4
    assert receiver.take(b"\r\n.\r\nNOOP") == b"NOOP"
    assert receiver.message() is None


def test_end_mark_across_every_cut_while_discarding() -> None:
    for cuts in range(5):
        receiver = DataReceiver(10)
        assert receiver.take(b"x" * 100) is None
        mark = b"\r\n.\r\n"
        first = receiver.take(mark[:cuts])
        assert (first if first is not None else receiver.take(mark[cuts:])) == b""


@given(st.binary(max_size=50), st.binary(max_size=20), st.lists(st.integers(0, 70), max_size=5))
def test_chunk_takes_exactly_its_octets(chunk: bytes, rest: bytes, cuts: list[int]) -> None:
    body = bytearray(b"before")
    receiver = ChunkReceiver(len(chunk), body)
    pieces = cut(chunk + rest, cuts)
    for number, piece in enumerate(pieces):
        left = receiver.take(piece)
        if left is not None:
            assert left + b"".join(pieces[number + 1 :]) == rest
            break
    else:
        raise AssertionError("the chunk did not end")
    assert body == b"before" + chunk
