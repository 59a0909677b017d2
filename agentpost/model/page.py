"""A page of a list: how all lists are asked for and answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list: after ``position`` (a sort key), at most ``limit`` rows."""

    limit: int = 20
    descending: bool = True
    position: tuple[str, ...] | None = None
    after: datetime | None = None
    before: datetime | None = None
    """Only rows that were made between these moments."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, and the sort key to go on from when there are more."""

    rows: tuple[T, ...]
    next_position: tuple[str, ...] | None
