"""Labels in use (R44)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label in lower case, and how many messages and threads have it."""

    name: str
    messages: int
    threads: int
