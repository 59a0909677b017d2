"""Dates of header fields and of IMAP."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.date import (
    format_date,
    format_internal_date,
    parse_date,
    parse_internal_date,
    zone_of,
)
from agentpost.model.mailbox import InternalDate

NEW_YEAR = datetime(2024, 1, 1, 9, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        (b"Mon, 1 Jan 2024 09:30:05 +0000", 0),
        (b"Mon, 01 Jan 2024 10:30:05 +0100", 60),
        (b"1 Jan 2024 09:30:05 GMT", 0),
        (b"Mon,  1 Jan\r\n 2024 09:30:05 +0000 (UTC)", 0),
        (b"Fri, 1 Jan 2024 04:30:05 EST", -300),
        (b"Mon, 1 Jan 24 09:30:05 Z", 0),
        (b"Mon, 1 Jan 124 09:30:05 -0000", 0),
        (b"Monday, 1 January 2024 09:30:05 UT", 0),
        (b"Mon, 1-Jan-2024 09:30:05", 0),
        (b"Mon, 1 Jan 2024 9:30:5 +0000", 0),
        (b"Mon, 1 Jan 2024 09.30.05 +0000", 0),
        (b"Mon, 1 Jan 2024 09:30:05.123 +0000", 0),
        (b"Mon, 1 Jan 2024 09:30:05 AM +0000", 0),
        (b"Mon, 1 Jan 2024 10:30:05 GMT+01:00", 60),
        (b"Mon (day), 1 (d) Jan 2024 09:30:05 (time) +0000", 0),
        (b"Mon Jan  1 09:30:05 2024", 0),
        (b"Mon Jan  1 09:30:05 UTC 2024", 0),
        (b"Mon Jan 1 2024 09:30:05 GMT+0000 (Coordinated)", 0),
        (b"Jan 1, 2024 09:30:05 +0000", 0),
        (b"2024-01-01T09:30:05Z", 0),
        (b"2024-01-01 10:30:05 +01:00", 60),
        (b"Mon, 1 Jan 2024 09:30:05 +9999", 0),
        (b"Mon, 1 Jan 2024 09:30:05 XYZ", 0),
    ],
)
def test_dates_of_mail(value: bytes, minutes: int) -> None:
    moment = parse_date(value)
    assert moment is not None
    assert zone_of(moment) == minutes
    assert moment == NEW_YEAR


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1 Jan 2024", datetime(2024, 1, 1, tzinfo=UTC)),
        (b"1 Jan 2024 23:59:60 +0000", datetime(2024, 1, 1, 23, 59, 59, tzinfo=UTC)),
        (b"1 Jan 2024 12:15 PM", datetime(2024, 1, 1, 12, 15, tzinfo=UTC)),
        (b"1 Jan 2024 12:15 am", datetime(2024, 1, 1, 0, 15, tzinfo=UTC)),
        (b"1 Jan 50 00:00", datetime(1950, 1, 1, tzinfo=UTC)),
        (b"29 Feb 2024 00:00:00 +0000", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_special_dates(value: bytes, expected: datetime) -> None:
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    "value",
    [b"", b"yesterday", b"32 Jan 2024 00:00:00 +0000", b"29 Feb 2023 00:00:00 +0000",
     b"1 Foo 2024 00:00:00 +0000", b"1 Jan 2024 24:00:00 +0000", b"1 Jan 0000 00:00:00 +0000",
     b"1 Jan 1899 00:00:00 +0000", b"1 Jan 9999 00:00:00 -1200", b"\xd9\xa1 Jan 2024",
     b"Jan 1 09:00:00", b"00 Jan 2024 00:00:00", b"2024-13-01"],
)  # fmt: skip
def test_what_is_no_date(value: bytes) -> None:
    assert parse_date(value) is None


MOMENTS = st.datetimes(
    datetime(1900, 1, 2), datetime(9998, 12, 30),  # noqa: DTZ001  # the zones come below
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
).map(lambda moment: moment.replace(microsecond=0))  # fmt: skip


@given(MOMENTS)
def test_a_written_date_reads_as_the_same_moment(moment: datetime) -> None:
    written = format_date(moment)
    read = parse_date(written)
    assert read == moment
    assert zone_of(read) == zone_of(moment)
    assert parse_date(format_datetime(moment)) == moment


@given(st.binary(max_size=60))
def test_any_octets_have_an_answer(value: bytes) -> None:
    parse_date(value)
    parse_internal_date(value)


@given(st.lists(st.sampled_from(["1", "24", "2024", "Jan", "Mon", ",", " ", ":", "+", "0100", "-",
                                 "GMT", "(", ")", "AM", ".", "T", "Z", "60", "9999"])))  # fmt: skip
def test_pieces_of_dates_never_raise(pieces: list[str]) -> None:
    moment = parse_date("".join(pieces))
    if moment is not None:
        moment.astimezone(UTC)


@pytest.mark.parametrize("piece", [b"(", b"1 ", b" ", b"1 Jan ", b":", b"a"])
def test_hostile_dates_cost_nothing(piece: bytes) -> None:
    begun = time.process_time()
    parse_date(piece * 100_000)
    assert time.process_time() - begun < 0.05


def test_internal_dates() -> None:
    date = parse_internal_date(b" 1-Jan-2024 10:30:05 +0100")
    assert date == InternalDate(NEW_YEAR, 60)
    assert format_internal_date(date) == b" 1-Jan-2024 10:30:05 +0100"
    assert parse_internal_date(b"01-jan-2024 10:30:05 +0100") == date


@pytest.mark.parametrize(
    "value",
    [b"", b"1-Jan-2024 10:30:05 +0100", b" 1-Jan-2024 10:30:05", b"31-Feb-2024 10:30:05 +0000",
     b" 1-Foo-2024 10:30:05 +0000", b" 1-Jan-2024 25:30:05 +0000", b" 1-Jan-2024 10:30:05 +0060",
     b" 1-Jan-2024 10:30:05 +2400", b" 1-Jan-0001 00:00:00 +0100", b" 1-Jan-2024 10:30:05 +0100 "],
)  # fmt: skip
def test_what_is_no_internal_date(value: bytes) -> None:
    assert parse_internal_date(value) is None


@given(MOMENTS)
def test_an_internal_date_keeps_its_second_and_zone(moment: datetime) -> None:
    date = InternalDate(moment.astimezone(UTC), zone_of(moment))
    assert parse_internal_date(format_internal_date(date)) == date
