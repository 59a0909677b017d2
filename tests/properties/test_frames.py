"""Frames depend on the octets alone, never on the reads that brought them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire.framer import Frame, Framer, Happening, Line, NeedContinuation, Rejected
from agentpost.limits import FramingLimits

LIMITS = FramingLimits(
    max_line_octets=30,
    max_literals=3,
    max_argument_octets=120,
    max_nonsynchronizing_octets=15,
    max_message_octets=60,
    max_swallowed_octets=90,
)

_pieces = st.sampled_from(
    [
        b"a", b" ", b"NOOP", b"APPEND", b"LOGIN", b"IDLE", b"(", b")", b'"', b"\\", b"\r\n", b"\r\n",
        b"\n", b"\r", b"\0", b"{3+}\r\n", b"{3}\r\n", b"{0}\r\n", b"~{2}\r\n", b"~{4+}\r\n",
        b"{16+}\r\n", b"{200+}\r\n", b"{61}\r\n", b"{03}\r\n", b"{9}", b"xxxxxxxxxxxxxxxx", b"DONE\r\n",
    ]
)  # fmt: skip
_streams = st.lists(_pieces, max_size=30).map(b"".join)


def run(octets: bytes, cuts: list[int]) -> list[Happening]:
    """Feed ``octets`` cut at ``cuts``; every third waiting literal is refused, a reply follows
    IDLE."""
    framer = Framer(LIMITS)
    said: list[Happening] = []
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    for start, stop in pairwise(edges):
        framer.feed(octets[start:stop])
        while (event := framer.next_event()) is not None:
            said.append(event)
            if isinstance(event, NeedContinuation):
                if event.size % 3 == 2:
                    framer.refuse()
                else:
                    framer.grant()
            elif isinstance(event, Frame) and event.text.endswith(b"IDLE"):
                framer.expect_line()
    return said


@given(_streams, st.lists(st.integers(min_value=0, max_value=10_000), max_size=12))
def test_frames_do_not_depend_on_how_the_octets_arrive(octets: bytes, cuts: list[int]) -> None:
    whole = run(octets, [])
    assert run(octets, cuts) == whole
    assert run(octets, list(range(len(octets)))) == whole


@given(_streams)
def test_a_frame_keeps_to_the_limits(octets: bytes) -> None:
    for event in run(octets, []):
        if isinstance(event, Frame):
            assert len(event.literals) == len(event.marks) <= LIMITS.max_literals
            for octets_of_literal, mark in zip(event.literals, event.marks, strict=True):
                announced = event.text[:mark].rpartition(b"{")[2].rstrip(b"+}")
                assert int(announced) == len(octets_of_literal)
        elif isinstance(event, Line):
            assert len(event.text) <= LIMITS.max_line_octets
        else:
            assert isinstance(event, Rejected | NeedContinuation)


@given(st.binary(max_size=400), st.lists(st.integers(min_value=0, max_value=400), max_size=5))
def test_no_octets_make_the_framer_fail(octets: bytes, cuts: list[int]) -> None:
    assert run(octets, cuts) == run(octets, [])
