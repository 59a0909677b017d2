"""Command lines cut from the octets of a connection (RFC 5321 sections 2.3.8 and 4.5.3.1).

Only CRLF ends a command.  A bare LF also ends a line here, so that its sender is told at once
instead of waiting for ever, but such a line is marked and never executed; a bare CR is an
ordinary octet that no command accepts.  A line over its limit is told once, when the limit is
passed, and its rest is dropped as it arrives: the framer never holds more than the limit.
"""

from __future__ import annotations

from enum import Enum, auto


class Break(Enum):
    """What stands in the place of a line that cannot be a command."""

    BARE_LF = auto()
    TOO_LONG = auto()
    ENDLESS = auto()


class LineFramer:
    """Octets in, lines out; independent of how the octets were cut on their way.

    ``max_endless_octets`` bounds what a sender may add to a line that was too long already.
    """

    __slots__ = ("_dropped", "_max_endless_octets", "_octets", "_position", "_scanned")

    def __init__(self, max_endless_octets: int) -> None:
        self._octets = b""
        self._position = 0
        self._scanned = 0
        self._dropped: int | None = None
        self._max_endless_octets = max_endless_octets

    @property
    def empty(self) -> bool:
        """Whether no octet waits here."""
        return self._position == len(self._octets)

    @property
    def midway(self) -> bool:
        """Whether a line has begun and not ended."""
        return self._dropped is not None or self._position != len(self._octets)

    def begins_with(self, prefix: bytes) -> bool:
        """Whether the line at hand begins with ``prefix`` (upper case), in any case."""
        begin = self._position
        return self._octets[begin : begin + len(prefix)].upper() == prefix

    def receive(self, octets: bytes) -> None:
        """Append what arrived."""
        if self._position == len(self._octets):
            self._octets = octets
        else:
            self._octets = self._octets[self._position :] + octets
        self._scanned -= self._position
        self._position = 0
        self._scanned = max(self._scanned, 0)

    def rest(self) -> bytes:
        """Take everything that waits, for a receiver of message data."""
        octets = self._octets[self._position :] if self._position else self._octets
        self.clear()
        return octets

    def clear(self) -> None:
        """Forget what waits: plain text must not outlive the TLS handshake (RFC 3207 4.2)."""
        self._octets = b""
        self._position = self._scanned = 0
        self._dropped = None

    def next_line(self, max_octets: int) -> bytes | Break | None:
        """The next line without its CRLF; a :class:`Break`; ``None`` when more must arrive.

        ``max_octets`` counts the CRLF, as RFC 5321 section 4.5.3.1.4 does.
        """
        octets, begin = self._octets, self._position
        if self._dropped is not None:
            return self._drop(max_octets)
        # The search does not begin anew where an earlier one found nothing: a line that arrives
        # octet by octet costs linear time.
        end = octets.find(b"\n", max(begin, self._scanned))
        if end < 0:
            self._scanned = len(octets)
            if len(octets) - begin < max_octets:
                return None
            self._dropped = len(octets) - begin
            self._octets, self._position, self._scanned = b"", 0, 0
            return Break.TOO_LONG
        self._position = self._scanned = end + 1
        if end + 1 - begin > max_octets:
            return Break.TOO_LONG
        if end == begin or octets[end - 1] != 13:
            return Break.BARE_LF
        return octets[begin : end - 1]

    def _drop(self, max_octets: int) -> bytes | Break | None:
        """Pass over the rest of a line that was told to be too long."""
        octets, begin = self._octets, self._position
        end = octets.find(b"\n", begin)
        if end >= 0:
            self._position = self._scanned = end + 1
            self._dropped = None
            return self.next_line(max_octets)
        assert self._dropped is not None
        self._dropped += len(octets) - begin
        self._octets, self._position, self._scanned = b"", 0, 0
        return Break.ENDLESS if self._dropped > self._max_endless_octets else None
