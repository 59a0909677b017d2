"""Claims: messages that a worker has taken to work on, for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agentpost.ids import ClaimId, InboxId, MessageId

ClaimState = Literal["leased", "waiting", "done", "dead"]
"""``leased``: somebody works on it; ``waiting``: to be taken again; ``done``; ``dead``: it was taken
as often as it may be."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One lease.  ``due_at`` is its end; of a message that waits, when it may be taken again."""

    id: ClaimId
    inbox: InboxId
    message: MessageId
    state: ClaimState
    attempts: int
    max_attempts: int
    due_at: datetime
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """How many messages are to be taken, for how long, and how often each may be."""

    most: int
    lease_s: float
    max_attempts: int
