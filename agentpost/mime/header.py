"""Where the fields of a header section stand (RFC 5322 section 2.2).

Knows names and offsets; what a value means is other modules' business.  Mail arrives with lines
that are no field (an mbox "From " line, text without a colon, a folded line that follows nothing):
they are passed over here and kept in the octets.  A line ends with LF, with or without CR before
it; a bare CR is an ordinary octet.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from agentpost.limits import MimeLimits

_DEFAULT = MimeLimits()

# A field with its folded lines, or one line that is none.  Possessive throughout: nothing is read
# twice.  Octets over 127 in a name are not legal, but dropping the field would hide it.
_FIELD = re.compile(
    rb"([!-9;-~\x80-\xff]++)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?+|[^\n]*+\n|[^\n]++"
)
# The look-behind keeps a run of CR from being read once for each of them.
_WINDOW = 8_192
_FOLD = re.compile(rb"(?<!\r)\r*+\n")


class Field(NamedTuple):
    """One header field: its name in lower case and as found, and where it stands.

    ``start`` to ``end`` is the whole field with its line end; ``value_start`` to ``value_end`` is
    the value without the white space before it and the line end after it, folding kept.
    """

    name: bytes
    found: bytes
    start: int
    end: int
    value_start: int
    value_end: int


class Header:
    """The fields of one header section in their order, for look-up by lower-case name.

    Values come unfolded, without the white space before them.
    """

    __slots__ = ("_rows", "_values", "end", "octets", "start", "truncated")

    def __init__(self, octets: bytes, start: int, end: int, limits: MimeLimits = _DEFAULT) -> None:
        """Read the section between ``start`` and ``end``, which is where it ends.

        Only ``limits.max_header_octets`` octets and ``limits.max_fields`` fields are read;
        ``truncated`` then says that there are more.
        """
        stop = start + limits.max_header_octets
        self.truncated = stop < end
        self.octets = octets
        self.start = start
        self.end = min(end, stop)
        rows: list[tuple[bytes, bytes]] = _FIELD.findall(octets, start, self.end)
        if len(rows) > limits.max_fields:
            rows = [row for row in rows if row[0]]
            self.truncated = self.truncated or len(rows) > limits.max_fields
            del rows[limits.max_fields :]
        self._rows = rows
        # Lines that are no field have the empty name, which no one asks for.
        self._values: dict[bytes, bytes] = {name.lower(): value for name, value in rows}

    @property
    def fields(self) -> list[Field]:
        """Every field with its offsets, in order."""
        room = len(self._rows)
        found: list[Field] = []
        for match in _FIELD.finditer(self.octets, self.start, self.end):
            name = match[1]
            if name is None:
                continue
            if len(found) == room:
                break
            start, end = match.span()
            value_start, value_end = match.span(2)
            if value_end > value_start and self.octets[value_end - 1] == 13:
                value_end -= 1
            found.append(Field(name.lower(), name, start, end, value_start, value_end))
        return found

    def last(self, name: bytes) -> bytes | None:
        """The value of the last field called ``name`` (lower case), None without one."""
        value = self._values.get(name)
        return None if value is None else _unfolded(value)

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field called ``name`` (lower case), None without one."""
        value = self._values.get(name)
        if value is None:
            return None
        if len(self._values) != len(self._rows):
            value = next(value for found, value in self._rows if found.lower() == name)
        return _unfolded(value)

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """The values of every field called ``name`` (lower case), in order."""
        if name not in self._values:
            return ()
        return tuple(_unfolded(value) for found, value in self._rows if found.lower() == name)

    def has_none_of(self, names: frozenset[bytes]) -> bool:
        """Whether no field is called one of ``names`` (lower case)."""
        return names.isdisjoint(self._values)

    def __contains__(self, name: bytes) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._rows)


def _unfolded(value: bytes) -> bytes:
    if value[-1:] == b"\r":
        value = value[:-1]
    return _FOLD.sub(b"", value) if b"\n" in value else value


def header_end(octets: bytes, start: int, end: int) -> int | None:
    """Where the body begins: after the first empty line, or None when there is none.

    Source: RFC 5322 section 2.1.  The empty line may be the very first one.
    """
    if octets.startswith(b"\r\n", start, end):
        return start + 2
    if octets.startswith(b"\n", start, end):
        return start + 1
    window = _WINDOW
    while True:
        # In growing windows: a message without one kind of line end is not searched to its end.
        stop = min(end, start + window)
        at = octets.find(b"\n\r\n", start, stop)
        bare = octets.find(b"\n\n", start, stop if at < 0 else at + 1)
        if bare >= 0:
            return bare + 2
        if at >= 0:
            return at + 3
        if stop == end:
            return None
        window *= 4


def unfold(value: bytes) -> bytes:
    """``value`` without the line ends of folding; the white space after them stays.

    Source: RFC 5322 section 2.2.3.
    """
    return _FOLD.sub(b"", value) if b"\n" in value else value


def select_fields(
    octets: bytes, start: int, end: int, names: Collection[bytes], *, exclude: bool = False
) -> bytes:
    """The fields called one of ``names`` exactly as found, then an empty line.

    ``names`` are in lower case.  With ``exclude`` everything but those fields, lines that are no
    field included.  ``end`` is where the body begins.  Where the message ends without an empty
    line the section less some fields has none either; a list of fields is ended by one all the
    same, as clients know from other servers.

    Source: RFC 9051 section 6.4.5.1 (HEADER.FIELDS and HEADER.FIELDS.NOT).
    """
    blank = blank_line(octets, start, end)
    stop = end - len(blank)
    pieces: list[bytes] = []
    add = pieces.append
    for found in _FIELD.finditer(octets, start, stop):
        name = found[1]
        if name is None:
            if exclude and found.end() > found.start():
                add(found[0])
        elif (name.lower() in names) is not exclude:
            add(found[0])
    add(blank if blank or exclude or start == end else b"\r\n")
    return b"".join(pieces)


def blank_line(octets: bytes, start: int, end: int) -> bytes:
    """The empty line that ends the header section from ``start`` to ``end``, as found.

    Empty when the section has none: it was cut by a boundary or by the end of the message.
    """
    if end - start >= 1 and octets[end - 1] == 10:
        line = b"\r\n" if end - start >= 2 and octets[end - 2] == 13 else b"\n"
        before = end - len(line)
        if before == start or octets[before - 1] == 10:
            return line
    return b""
