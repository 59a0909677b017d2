"""Sequence sets: ``2,4:7,9,12:*`` (RFC 9051 section 9, ``sequence-set``).

Knows sets of numbers, not whether they are sequence numbers or uids.  A set is kept as merged
ascending ranges and never spelled out: ``1:4294967295`` costs one pair.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_NUMBER = 0xFFFFFFFF
"""The largest sequence number or uid (``nz-number``)."""

STAR = 0x1_0000_0000
"""``*`` in a range: above every number until the set is resolved."""

_NUMBER = rb"(?:[1-9][0-9]{0,9}+|\*)"
_RANGE = _NUMBER + rb"(?::" + _NUMBER + rb")?+"
SHAPE = re.compile(_RANGE + rb"(?:," + _RANGE + rb")*+")
"""A sequence set by its looks; the numbers may still be too large."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Merged ascending ranges, both ends included; ``STAR`` stands for ``*``.

    ``highest`` is the largest number that was named without a ``*`` beside it, 0 when there is
    none.  ``saved`` means ``$``, the result of the last SEARCH (RFC 5182); it has no ranges.
    """

    ranges: tuple[Range, ...]
    highest: int = 0
    saved: bool = False

    @property
    def has_star(self) -> bool:
        """Whether ``*`` occurs, so that the largest number in use belongs to the set."""
        return bool(self.ranges) and self.ranges[-1][1] == STAR

    def resolve(self, largest: int) -> tuple[Range, ...]:
        """The ranges with ``*`` read as ``largest``, the largest number in use.

        Ranges beyond ``largest`` are kept where the client named them; ``n:*`` with n above it
        means ``largest`` alone.  With ``largest`` 0 nothing is in use and ``*`` is nothing.
        """
        if not self.has_star:
            return self.ranges
        low, _ = self.ranges[-1]
        if largest < 1:
            return self.ranges[:-1]
        last = (min(low, largest), largest)
        return _merged([*self.ranges[:-1], last])

    def contains(self, number: int, largest: int) -> bool:
        """Whether ``number`` belongs to the set when ``largest`` is the largest number in use."""
        if number == largest and self.has_star:
            return True
        at = bisect_right(self.ranges, (number, STAR)) - 1
        return at >= 0 and self.ranges[at][0] <= number <= self.ranges[at][1]

    def positions(self, numbers: Sequence[int]) -> list[range]:
        """Where the members of the set stand in ``numbers``: ascending index ranges.

        ``numbers`` are ascending without repetition; the last one is what ``*`` means.  Costs a
        search for each range, whatever the ranges span.
        """
        found: list[range] = []
        size = len(numbers)
        if not size:
            return found
        start = 0
        for low, high in self.resolve(numbers[-1]):
            first = bisect_left(numbers, low, start)
            start = bisect_right(numbers, high, first)
            if first < start:
                if found and found[-1].stop == first:
                    found[-1] = range(found[-1].start, start)
                else:
                    found.append(range(first, start))
            if start == size:
                break
        return found


SAVED = SequenceSet((), saved=True)
"""``$``"""


def parse(text: bytes) -> SequenceSet | None:
    """The set that ``text`` spells, or None when it is not a sequence set.

    Numbers are 1 to 4,294,967,295 without leading zeros; ``4:2`` means ``2:4``.
    """
    if text == b"1:*":
        return _ALL
    if text == b"$":
        return SAVED
    if SHAPE.fullmatch(text) is None:
        return None
    ranges: list[Range] = []
    highest = 0
    for item in text.split(b","):
        first, colon, second = item.partition(b":")
        low = STAR if first == b"*" else _number(first)
        high = low if not colon else STAR if second == b"*" else _number(second)
        if not low or not high:
            return None
        if low > high:
            low, high = high, low
        if highest < high < STAR:
            highest = high
        ranges.append((low, high))
    return SequenceSet(_merged(ranges), highest)


def of(numbers: Iterable[int]) -> SequenceSet:
    """The set of these numbers."""
    ranges = _merged([(number, number) for number in numbers])
    return SequenceSet(ranges, ranges[-1][1] if ranges else 0)


def render(numbers: Sequence[int]) -> bytes:
    """``numbers``, ascending without repetition, as a compact set: ``1:3,7``.

    Empty for no numbers, which no sequence set can say.  A run is found by doubling steps, so
    that a hundred thousand numbers in few runs cost microseconds.
    """
    parts: list[str] = []
    at, size = 0, len(numbers)
    while at < size:
        first = numbers[at]
        end = at + 1
        if end < size and numbers[end] == first + 1:
            end = _run_end(numbers, at, size)
            parts.append(f"{first}:{numbers[end - 1]}")
        else:
            parts.append(str(first))
        at = end
    return ",".join(parts).encode("ascii")


def render_in_order(numbers: Sequence[int]) -> bytes:
    """``numbers`` in the order given, as COPYUID and APPENDUID pair them.

    Only ascending neighbours are joined to a range.  Source: RFC 4315 section 3.
    """
    parts: list[str] = []
    at, size = 0, len(numbers)
    while at < size:
        end = at + 1
        while end < size and numbers[end] == numbers[end - 1] + 1:
            end += 1
        first, last = numbers[at], numbers[end - 1]
        parts.append(f"{first}:{last}" if end - at > 1 else str(first))
        at = end
    return ",".join(parts).encode("ascii")


def expand(ranges: Iterable[range]) -> array[int]:
    """Index ranges spelled out."""
    out = array("I")
    for part in ranges:
        out.extend(part)
    return out


def _run_end(numbers: Sequence[int], at: int, size: int) -> int:
    """The index behind the run of consecutive numbers that starts at ``at``."""
    offset = numbers[at] - at
    low, step = at + 1, 1
    while low + step < size and numbers[low + step] - (low + step) == offset:
        low += step
        step += step
    while step > 1:
        step >>= 1
        if low + step < size and numbers[low + step] - (low + step) == offset:
            low += step
    return low + 1


def _number(digits: bytes) -> int:
    """The number that one to ten digits spell, 0 when it is too large."""
    number = int(digits)
    return number if number <= MAX_NUMBER else 0


def _merged(ranges: list[Range]) -> tuple[Range, ...]:
    if len(ranges) < 2:
        return tuple(ranges)
    ranges.sort()
    merged: list[Range] = []
    low, high = ranges[0]
    for first, last in ranges:
        if first > high + 1:
            merged.append((low, high))
            low, high = first, last
        elif last > high:
            high = last
    merged.append((low, high))
    return tuple(merged)


_ALL = SequenceSet(((1, STAR),))
