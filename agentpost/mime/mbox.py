"""Messages one after another in a file: mbox, in the form known as mboxrd (RFC 4155 describes the family).

Each message follows a line ``From <address> <time>`` and is followed by one LF.  A line in it that
begins with ``From ``, or with that after any number of ``>``, gets one more ``>``; a reader takes
one away from each such line, and one LF from the end, and has the octets as they were.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_FROM: Final = re.compile(rb"^(>*From )", re.MULTILINE)
_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,320}", re.ASCII)
_NOBODY: Final = "MAILER-DAEMON"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def entry(octets: bytes, sender: str | None, moment: datetime) -> bytes:
    """One message of an mbox; ``sender`` is left out where it does not fit into the line."""
    return from_line(sender, moment) + _FROM.sub(rb">\1", octets) + b"\n"


def from_line(sender: str | None, moment: datetime) -> bytes:
    """The line before a message, with its LF: the time as C's asctime writes it, in UTC."""
    who = sender if sender is not None and _PLAIN.fullmatch(sender) else _NOBODY
    at = moment.astimezone(UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"From {who} {day} {month} {at.day:2} {at:%H:%M:%S} {at.year:04}\n".encode("ascii")
