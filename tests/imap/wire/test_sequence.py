"""Sequence sets: what they mean, what is none, and how sets are written."""

from __future__ import annotations

import time
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire import sequence
from agentpost.imap.wire.sequence import MAX_NUMBER, SAVED, STAR, SequenceSet, parse


def members(found: SequenceSet, numbers: list[int]) -> list[int]:
    return [numbers[at] for part in found.positions(numbers) for at in part]


def parsed(text: bytes) -> SequenceSet:
    found = parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2,4:7,9,12:*", [2, 4, 5, 6, 7, 9, 12, 13, 14, 15]),
        (b"*:4,5:7", list(range(4, 16))),
        (b"4:2", [2, 3, 4]),
        (b"*", [15]),
        (b"*:*", [15]),
        (b"16:*", [15]),
        (b"*:16", [15]),
        (b"20,3,3,1:2", [1, 2, 3]),
        (b"1:4294967295", list(range(1, 16))),
        (b"4294967295:1", list(range(1, 16))),
        (b"4294967295", []),
    ],
)
def test_what_a_set_names_in_a_mailbox_of_fifteen(text: bytes, expected: list[int]) -> None:
    assert members(parsed(text), list(range(1, 16))) == expected


def test_star_is_the_last_uid_even_below_the_range() -> None:
    assert members(parsed(b"3291:*"), [5, 9, 700]) == [700]
    assert members(parsed(b"1,3291:*"), [1, 9, 700]) == [1, 700]


def test_star_is_nothing_in_an_empty_mailbox() -> None:
    assert members(parsed(b"1:*"), []) == []
    assert parsed(b"3,5:*").resolve(0) == ((3, 3),)


@pytest.mark.parametrize(
    "text",
    [b"", b"0", b"1:", b":1", b"1:2:3", b"1,,2", b",1", b"1,", b"01", b"1_0", b"+1", b"-1", b"1 ",
     b"99999999999999999999", b"4294967296", b"4294967296:*", b"*:4294967296", b"5:4294967296",
     b"\xef\xbc\x91", b"1.5", b"0x1", b"$1", b"1,$", b"**", b"0:5", b"1:0"],
)  # fmt: skip
def test_what_is_no_set(text: bytes) -> None:
    assert parse(text) is None


def test_dollar_is_the_saved_result() -> None:
    assert parse(b"$") is SAVED
    assert members(SAVED, [1, 2]) == []


def test_highest_is_what_was_named_without_star() -> None:
    assert parsed(b"1:3,9:*").highest == 3
    assert parsed(b"*").highest == 0
    assert parsed(b"7:2,5").highest == 7


def test_huge_sets_cost_ranges_not_numbers() -> None:
    uids = array("I", range(1, 100_001))
    many = b",".join(b"1:*" for _ in range(10_000))
    odd = b",".join(b"%d" % number for number in range(1, 20_000, 2))
    started = time.process_time()
    for text in (b"1:4294967295", many, odd):
        assert parsed(text).positions(uids)
    assert time.process_time() - started < 0.5
    assert parsed(many).ranges == ((1, STAR),)


_numbers = st.integers(min_value=1, max_value=40)
_ends = _numbers.map(str) | st.just("*")
_texts = st.lists(
    _ends | st.tuples(_ends, _ends).map(":".join), min_size=1, max_size=8
).map(",".join)  # fmt: skip


def _meaning(text: str, largest: int) -> set[int]:
    """The RFC's words, number by number."""
    named: set[int] = set()
    for item in text.split(","):
        low, _, high = item.replace("*", str(largest)).partition(":")
        ends = sorted((int(low), int(high or low)))
        named.update(range(ends[0], ends[1] + 1))
    return named


@given(_texts, st.sets(_numbers, min_size=1))
def test_positions_follow_the_meaning_number_by_number(text: str, present: set[int]) -> None:
    numbers = sorted(present)
    named = _meaning(text, numbers[-1])
    found = parsed(text.encode())
    assert members(found, numbers) == [number for number in numbers if number in named]
    for number in numbers:
        assert found.contains(number, numbers[-1]) == (number in named)


@given(st.sets(st.integers(min_value=1, max_value=300) | st.just(MAX_NUMBER)))
def test_a_rendered_set_reads_back(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    text = sequence.render(ordered)
    if not ordered:
        assert text == b""
        return
    assert members(parsed(text), ordered) == ordered
    assert sum(high - low + 1 for low, high in parsed(text).ranges) == len(ordered)
    assert parsed(text).ranges == sequence.of(ordered).ranges


@given(st.lists(st.integers(min_value=1, max_value=50)))
def test_a_set_in_order_pairs_with_its_numbers(numbers: list[int]) -> None:
    spelled: list[int] = []
    for item in sequence.render_in_order(numbers).decode().split(",") if numbers else []:
        low, _, high = item.partition(":")
        spelled += range(int(low), int(high or low) + 1)
    assert spelled == numbers


def test_rendering() -> None:
    assert sequence.render([1, 2, 3, 7]) == b"1:3,7"
    assert sequence.render([4, 5]) == b"4:5"
    assert sequence.render(array("I", range(1, 100_001))) == b"1:100000"
    assert sequence.render_in_order([3, 1, 2]) == b"3,1:2"
    assert sequence.of([]).ranges == ()
    assert sequence.expand([range(2), range(5, 7)]).tolist() == [0, 1, 5, 6]
