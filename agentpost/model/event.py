"""Events: what happened, for customers (API.md, Events)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpost.ids import EnvironmentId, EventId, InboxId, ModSeq, OrganizationId


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is kept: ``data`` names the message; its text is read when it is told."""

    id: EventId
    type: str
    organization: OrganizationId
    environment: EnvironmentId
    inbox: InboxId | None
    seq: int
    modseq: ModSeq | None
    data: dict[str, Any]
    created_at: datetime
