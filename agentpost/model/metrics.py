"""Numbers over time: what is asked for, and what is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

Bucket = Literal["hour", "day"]

WIDTHS: Final[dict[Bucket, timedelta]] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Window:
    """Whole buckets from ``start`` up to, and without, ``end``; both in UTC."""

    start: datetime
    end: datetime
    bucket: Bucket

    @classmethod
    def around(cls, after: datetime, before: datetime, bucket: Bucket) -> Window:
        """The buckets that the time between two moments touches."""
        width = WIDTHS[bucket]
        end = floor(before, bucket)
        return cls(
            floor(after, bucket), end if end == before.astimezone(UTC) else end + width, bucket
        )

    @property
    def buckets(self) -> int:
        """How many there are."""
        return max(0, (self.end - self.start) // WIDTHS[self.bucket])

    def starts(self) -> list[datetime]:
        """When each of them begins, in order."""
        return [self.start + n * WIDTHS[self.bucket] for n in range(self.buckets)]


def floor(moment: datetime, bucket: Bucket) -> datetime:
    """The beginning of the bucket that a moment lies in."""
    exact = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return exact if bucket == "hour" else exact.replace(hour=0)


@dataclass(frozen=True, slots=True)
class MetricsPlace:
    """What is asked about: an inbox, or an environment, or all that the key covers."""

    inbox: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many events of a type happened in one bucket."""

    start: datetime
    type: str
    events: int


@dataclass(frozen=True, slots=True)
class StorageDay:
    """What was stored when the day's look came by."""

    day: date
    messages: int
    octets: int


@dataclass(frozen=True, slots=True)
class OutcomeDay:
    """How the mail of one day fared, in recipients on other servers."""

    day: date
    sent: int
    bounced: int
    complained: int
