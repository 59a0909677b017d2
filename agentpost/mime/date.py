"""Dates of header fields and of IMAP, both ways (RFC 5322 sections 3.3 and 4.3, RFC 9051 section 9).

Reading is tolerant: obsolete and military zones, two-digit years, missing seconds or zones, the
order of asctime() and ISO 8601 are all found in mail.  A date that no calendar has is None.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from agentpost.model.mailbox import InternalDate

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_MONTH_NAMES = tuple(name.capitalize() for name in _MONTHS)
_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ZONES = {
    "": 0,
    "ut": 0,
    "utc": 0,
    "gmt": 0,
    "z": 0,
    "wet": 0,
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
    "bst": 60,
    "cet": 60,
    "met": 60,
    "cest": 120,
    "mest": 120,
    "eet": 120,
    "eest": 180,
    "msk": 180,
    "jst": 540,
    "kst": 540,
}
"""Minutes east of UTC.  Any other name says nothing (RFC 5322 section 4.3: military zones were
defined the wrong way round) and counts as -0000."""

_MAX = 200
_CLOCK = r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,]\d{1,9})?)?"
_ZONE = r"(?:(?:GMT|UTC|UT)?([+-])(\d{1,2}):?(\d{2})?\b|([A-Za-z]{1,5})\b)?"
_USUAL = re.compile(
    r"(?:[A-Za-z]{2,9}[.,]?[ ,]*)?(\d{1,2})[ \-]*([A-Za-z]{3})[a-z]{0,6}\.?,?[ \-]*(\d{2,4})"
    r",?(?: +(?:at +)?" + _CLOCK + r" *([AaPp][Mm])? *" + _ZONE + ")?",
    re.ASCII,
)
_ASCTIME = re.compile(
    r"(?:[A-Za-z]{3,9}[.,]? +)?([A-Za-z]{3})[a-z]{0,6}\.? +(\d{1,2})(?:st|nd|rd|th)?,? +(?:(\d{4}),? +)?"
    + _CLOCK
    + r" *([AaPp][Mm])? *"
    + _ZONE
    + r"(?: *(\d{4}))?",
    re.ASCII,
)
_ISO = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]+" + _CLOCK + " *" + _ZONE + ")?", re.ASCII
)
_COMMENT = re.compile(r"\([^()]*\)?")
_INTERNAL = re.compile(
    rb"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})"
)
_DIGITS_OF_YEAR = {2, 3}


def parse_date(value: bytes | str) -> datetime | None:
    """A Date field's value as an aware datetime in the zone it was written in.

    None when it is no date, or one before 1900 or after 9998.  A leap second is the second
    before it; a missing zone is UTC.  Never raises.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    text = text[:_MAX]
    if "(" in text:
        text = _COMMENT.sub(" ", text)
    text = " ".join(text.split())
    found = _USUAL.match(text)
    if found is not None:
        day, month, year, *rest = found.groups()
        return _moment(year, _MONTHS.get(month.lower()), day, rest)
    found = _ISO.match(text)
    if found is not None:
        year, month, day, hour, minute, second, *zone = found.groups()
        return _moment(year, int(month), day, [hour, minute, second, None, *zone])
    found = _ASCTIME.match(text)
    if found is not None:
        month, day, early_year, *rest, late_year = found.groups()
        return _moment(early_year or late_year, _MONTHS.get(month.lower()), day, rest)
    return None


def _moment(
    year: str | None, month: int | None, day: str, clock: list[str | None]
) -> datetime | None:
    if year is None or month is None:
        return None
    hour, minute, second, half, sign, hours, minutes, name = clock
    number = _full_year(year)
    of_day = int(hour or 0)
    if half is not None and of_day <= 12:
        of_day = of_day % 12 + (12 if half in ("pm", "PM", "Pm", "pM") else 0)
    if sign is not None:
        east = _offset(sign, hours or "0", minutes)
    else:
        east = _ZONES.get((name or "").lower(), 0)
    if not 1900 <= number <= 9998:
        return None
    try:
        return datetime(
            number,
            month,
            int(day),
            of_day,
            int(minute or 0),
            min(int(second or 0), 59),
            tzinfo=_zone(east),
        )
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _zone(east: int) -> timezone:
    return timezone(timedelta(minutes=east)) if east else UTC


def _full_year(year: str) -> int:
    """RFC 5322 section 4.3: two digits up to 49 are 2000 and later, more of them 1900 and later."""
    number = int(year)
    if len(year) == 2 and number < 50:
        return number + 2000
    return number + 1900 if len(year) in _DIGITS_OF_YEAR else number


def _offset(sign: str, hours: str, minutes: str | None) -> int:
    """Minutes east; 0 for an offset that no place on earth has."""
    east = int(hours) * 60 + int(minutes or 0)
    if minutes is not None and (int(minutes) > 59 or east > 15 * 60):
        return 0
    if east > 15 * 60:
        return 0
    return -east if sign == "-" else east


def format_date(moment: datetime) -> str:
    """``moment`` as the value of a Date field, in its own zone (RFC 5322 section 3.3)."""
    return (
        f"{_DAY_NAMES[moment.weekday()]}, {moment.day:02d} {_MONTH_NAMES[moment.month - 1]}"
        f" {moment.year:04d} {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
        f" {_written_zone(zone_of(moment))}"
    )


def zone_of(moment: datetime) -> int:
    """Minutes east of UTC that ``moment`` is written in; 0 for a naive one, taken as UTC."""
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) // 60


def _written_zone(east: int) -> str:
    hours, minutes = divmod(abs(east), 60)
    return f"{'-' if east < 0 else '+'}{hours:02d}{minutes:02d}"


def format_internal_date(date: InternalDate) -> bytes:
    """``date`` as IMAP writes it, without the quotes: `` 1-Jan-2024 09:00:00 +0000``."""
    moment = date.moment.astimezone(_zone(date.zone))
    return (
        f"{moment.day:2d}-{_MONTH_NAMES[moment.month - 1]}-{moment.year:04d}"
        f" {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} {_written_zone(date.zone)}"
    ).encode("ascii")


def parse_internal_date(value: bytes) -> InternalDate | None:
    """IMAP's date-time without its quotes; None when it is not exactly one (RFC 9051 section 9)."""
    found = _INTERNAL.fullmatch(value)
    if found is None:
        return None
    day, name, year, hour, minute, second, sign, hours, minutes = found.groups()
    month = _MONTHS.get(name.decode("ascii").lower())
    east = int(hours) * 60 + int(minutes)
    if month is None or int(minutes) > 59 or int(hours) > 23:
        return None
    east = -east if sign == b"-" else east
    try:
        moment = datetime(
            int(year),
            month,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59) if second == b"60" else int(second),
            0,
            _zone(east),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return InternalDate(moment, east)
