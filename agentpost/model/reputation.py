"""What receivers make of an inbox's mail: numbers, score, rating (R49, R65, R75)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentpost.ids import InboxId

Rating = Literal["excellent", "good", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class PausingTerms:
    """When an inbox is paused: above either share, in percent, of at least ``min_sample``
    recipients of the last ``window_days`` days."""

    bounce_percent: float = 5.0
    complaint_percent: float = 0.3
    min_sample: int = 100
    min_complaints: int = 3
    window_days: int = 30


@dataclass(frozen=True, slots=True)
class Deliverability:
    """How an inbox's mail fared: recipients it was offered to, and those who refused it for ever
    or called it spam.  ``reason_to_pause`` is None while the numbers do not ask for it.
    """

    inbox: InboxId
    address: str
    window_days: int
    sent: int
    bounced: int
    complained: int
    bounce_percent: float
    complaint_percent: float
    score: float
    rating: Rating
    reason_to_pause: str | None
    send_paused: bool
    terms: PausingTerms
