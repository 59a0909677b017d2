"""Message data as it arrives: after DATA (RFC 5321 section 4.5.2) and BDAT (RFC 3030).

Only the five octets CRLF ``.`` CRLF end DATA.  Neither receiver judges what it takes before the
end is known, so that a refused message is passed over to its real end and the connection stays
in step; :func:`canonical` judges the whole afterwards.  All searching is left to
``bytes.find`` and ``bytes.count``: there is no loop over lines.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"
_DOT = 0x2E


def canonical(octets: bytes) -> bool:
    """Whether every CR and LF is part of a CRLF and no NUL occurs (RFC 5321 section 2.3.8)."""
    # Every pair has one of each.  If all CR, LF and NUL together are twice the pairs, none of the
    # three occurs anywhere else.
    others = octets.translate(None, b"\r\n\0")
    return len(octets) - len(others) == 2 * octets.count(b"\r\n")


class DataReceiver:
    """The octets between 354 and CRLF.CRLF.

    It keeps at most four thirds of ``max_octets``: a message may double one octet in three by
    dot-stuffing, and its exact size is known only at the end.  Beyond that, or after
    :meth:`discard`, only the four octets are kept that the end mark could begin with.
    """

    __slots__ = ("_discarding", "_end", "_max_kept", "_octets", "size")

    def __init__(self, max_octets: int) -> None:
        # The line end before the first line is the one of the DATA command itself; with it in
        # place the empty message and a dot in the first line need no special case.
        self._octets = bytearray(b"\r\n")
        self._end = -1
        self._discarding = False
        self._max_kept = max_octets * 4 // 3 + len(_END)
        self.size = 0

    @property
    def discarding(self) -> bool:
        """Whether the message is lost and only its end is looked for."""
        return self._discarding

    def discard(self) -> None:
        """Keep nothing of the message from here on."""
        self._discarding = True
        del self._octets[:-4]

    def take(self, octets: bytes) -> bytes | None:
        """Add what arrived.

        Returns: what follows the end of the message, or ``None`` when its end has not come.
        """
        kept = self._octets
        before = len(kept)
        kept += octets
        self.size += len(octets)
        # The mark may have begun in the four octets before.
        end = kept.find(_END, max(before - 4, 0))
        if end >= 0:
            self._end = end
            return octets[end + 5 - before :]
        if self._discarding:
            del kept[:-4]
        elif len(kept) > self._max_kept:
            self.discard()
        return None

    def message(self) -> bytes | None:
        """The message with its dots restored, or ``None`` when it was discarded.

        Only after :meth:`take` has found the end; the receiver is empty afterwards.
        """
        if self._discarding:
            return None
        # The CRLF that begins the mark also ends the last line of the message.
        begin = 3 if self._octets[2] == _DOT else 2
        with memoryview(self._octets) as view:
            octets = bytes(view[begin : self._end + 2])
        self._octets = bytearray()
        return octets.replace(b"\r\n.", b"\r\n") if b"\r\n." in octets else octets


class ChunkReceiver:
    """The octets after one BDAT, appended to ``body`` or, without one, passed over."""

    __slots__ = ("body", "remaining")

    def __init__(self, octets: int, body: bytearray | None) -> None:
        self.remaining = octets
        self.body = body

    def take(self, octets: bytes) -> bytes | None:
        """Add what arrived.

        Returns: what follows the chunk, or ``None`` when the chunk is not complete.
        """
        have = len(octets)
        if have < self.remaining:
            self.remaining -= have
            if self.body is not None:
                self.body += octets
            return None
        size, self.remaining = self.remaining, 0
        if self.body is not None:
            self.body += octets if have == size else octets[:size]
        return octets[size:]
