"""Sets of the messages of a mailbox as bit masks (for SEARCH over a hundred thousand of them).

A mask is one large integer with an octet for each row of a snapshot, 1 where the row belongs to the
set: and, or and not of a hundred thousand rows are one operation on integers, and a mask is made
from an array by a map that runs in C.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cache
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
    return int.from_bytes(_low(column).translate(_table(bit)), "little")


def first_without(bit: int, column: array[int]) -> int | None:
    """The first row whose value lacks ``bit``, of a column as in ``where_bit``."""
    row = _low(column).translate(_table(bit)).find(b"\0")
    return None if row < 0 else row


def count_bit(bit: int, column: array[int]) -> int:
    """How many rows have ``bit``, of a column as in ``where_bit``."""
    return _low(column).translate(_table(bit)).count(b"\1")


def select(column: Sequence[int], mask: Mask) -> array[int]:
    """The values of ``column`` in the rows of ``mask``."""
    return array("I", compress(column, mask.to_bytes(len(column), "little")))


_LITTLE = array("H", [1]).tobytes()[0] == 1


def _low(column: array[int]) -> bytes:
    return column.tobytes()[0 if _LITTLE else 1 :: 2]


@cache
def _table(bit: int) -> bytes:
    return bytes(1 if value & bit else 0 for value in range(256))
