"""Byte ranges of a download (RFC 9110 sections 13.1.5 and 14).

One range is served; several at once are answered with the whole, as section 14.2 allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agentpost.errors import RangeNotSatisfiable

_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Octets from ``start`` to before ``end``, out of ``size``."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def wanted_span(asked: str | None, if_range: str | None, tag: str, size: int) -> Span | None:
    """The span that Range asks for, or ``None`` for the whole.

    ``if_range`` is If-Range: another version than ``tag`` (without quotes) is sent whole.
    Raises: RangeNotSatisfiable.
    """
    if asked is None or (if_range is not None and if_range.strip(" \t") != f'"{tag}"'):
        return None
    match = _RANGE.fullmatch(asked.strip(" \t"))
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(f"The content has {size} octets.")
    return Span(start, end, size)
