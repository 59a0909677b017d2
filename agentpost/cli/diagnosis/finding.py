"""What a look at one thing came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do unless all is well."""

    area: str
    level: Level
    text: str
    mend: str | None = None


def ok(area: str, text: str) -> Finding:
    """All is well."""
    return Finding(area, Level.OK, text)


def warning(area: str, text: str, mend: str) -> Finding:
    """It works, but somebody will be surprised."""
    return Finding(area, Level.WARNING, text, mend)


def problem(area: str, text: str, mend: str) -> Finding:
    """It does not work, or mail is at risk."""
    return Finding(area, Level.PROBLEM, text, mend)
