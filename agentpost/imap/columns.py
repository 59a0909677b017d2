"""What FETCH shows of messages from the mailbox index: one column of values for many messages.

Knows how flags, dates and identifiers are written (RFC 9051 section 9, RFC 8474, RFC 8514).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from agentpost.imap.wire import response
from agentpost.model.mailbox import Snapshot

_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal()
_DAY_S = 86_400
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SIXTY = tuple(b"%02d" % number for number in range(60))


def at(column: Sequence[int], rows: Sequence[int]) -> Sequence[int]:
    """The values of ``column`` at ``rows``."""
    if isinstance(rows, range) and rows.step == 1:
        return column[rows.start : rows.stop]
    return [column[row] for row in rows]


def flag_words(
    snapshot: Snapshot, uids: Sequence[int], rows: Sequence[int], recent: Sequence[range]
) -> Iterator[bytes]:
    """The inside of the FLAGS list of each message; ``recent`` are the uids with ``\\Recent``."""
    bits: Sequence[int] = at(snapshot.flags, rows)
    if recent:
        bits = response.with_recent(uids, bits, recent)
    kinds = at(snapshot.keywords, rows)
    sets = snapshot.keyword_sets
    known: dict[tuple[int, int], bytes] = {}
    for key in zip(bits, kinds, strict=True):
        words = known.get(key)
        if words is None:
            words = known[key] = response.flag_words(key[0], sets[key[1]])
        yield words


def date_times(moments: Sequence[int], zones: Sequence[int]) -> Iterator[bytes]:
    """``date-time`` without its quotes: seconds since 1970 shown so many minutes east of UTC."""
    days: dict[int, bytes] = {}
    suffixes: dict[int, bytes] = {}
    for moment, zone in zip(moments, zones, strict=True):
        day, second = divmod(moment + 60 * zone, _DAY_S)
        shown = days.get(day)
        if shown is None:
            shown = days[day] = _day(day)
        suffix = suffixes.get(zone)
        if suffix is None:
            sign = b"-" if zone < 0 else b"+"
            suffix = suffixes[zone] = b" %b%02d%02d" % (sign, *divmod(abs(zone), 60))
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        yield b"%b %b:%b:%b%b" % (shown, _SIXTY[hour], _SIXTY[minute], _SIXTY[second], suffix)


def local_days(moments: Sequence[int], zones: Sequence[int]) -> list[int]:
    """The day of each moment in its own zone, as days since 1970."""
    return [(moment + 60 * zone) // _DAY_S for moment, zone in zip(moments, zones, strict=True)]


def day_number(day: date) -> int:
    """Days from 1970 to ``day``."""
    return day.toordinal() - _EPOCH


def _day(number: int) -> bytes:
    # A zone may carry the first or the last day of all beyond the calendar.
    found = date.fromordinal(min(max(number + _EPOCH, 1), _LAST))
    return b"%2d-%b-%04d" % (found.day, _MONTHS[found.month - 1], found.year)


def email_id(message: str) -> bytes:
    """The EMAILID of a message (RFC 8474 section 5.1)."""
    return b"M" + message.partition("_")[2].encode("ascii")


def thread_id(thread: str) -> bytes:
    """The THREADID of a thread (RFC 8474 section 5.2)."""
    return b"T" + thread.partition("_")[2].encode("ascii")
