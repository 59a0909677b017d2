"""The time of day, in one place so that tests can hold it still.

Deadlines use Trio's clock; this one is for what is written down.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC, with microseconds."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """``2026-03-08T14:30:00.000Z``: RFC 3339 in UTC with milliseconds, as the API writes it."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
