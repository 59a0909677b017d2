"""Sets of the messages of a mailbox as bit masks (for SEARCH over a hundred thousand of them).

A mask is one large integer with an octet for each row of a snapshot, 1 where the row belongs to the
set: and, or and not of a hundred thousand rows are one operation on integers, and a mask is made
from an array by a map that runs in C.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import compress

Mask = int

NONE: Mask = 0


def everyone(rows: int) -> Mask:
    """The mask with all of so many rows."""
    return int.from_bytes(b"\1" * rows, "little")


def of_ranges(ranges: Iterable[range], rows: int) -> Mask:
    """The mask with these rows."""
    octets = bytearray(rows)
    for part in ranges:
        octets[part.start : part.stop] = b"\1" * len(part)
    return int.from_bytes(octets, "little")


def of_rows(members: Iterable[int], rows: int) -> Mask:
    """The mask with these rows, in any order."""
    octets = bytearray(rows)
    for row in members:
        octets[row] = 1
    return int.from_bytes(octets, "little")


def where(test: Callable[[int], bool], column: Iterable[int]) -> Mask:
    """The rows whose value in ``column`` passes ``test``."""
    return int.from_bytes(bytes(map(test, column)), "little")


def where_bit(bit: int, column: array[int]) -> Mask:
    """The rows whose value in ``column``, an array of 16-bit numbers below 256, has ``bit``."""
    low = column.tobytes()[0 if _LITTLE else 1 :: 2]
    return int.from_bytes(low.translate(_table(bit)), "little")


def select(column: Sequence[int], mask: Mask) -> array[int]:
    """The values of ``column`` in the rows of ``mask``."""
    return array("I", compress(column, mask.to_bytes(len(column), "little")))


_LITTLE = array("H", [1]).tobytes()[0] == 1


def _table(bit: int) -> bytes:
    return bytes(1 if value & bit else 0 for value in range(256))
