"""Suppressions: addresses that an environment does not write to any longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agentpost.ids import EnvironmentId, MessageId, OrganizationId, SuppressionId

SuppressionSource = Literal["bounce", "complaint", "unsubscribe", "manual"]
"""Who asked for it: a refusal for ever, a recipient who called it spam, one who does not want it
any longer, or a client of the API."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One address on the list of an environment; ``message`` is the one it followed from."""

    id: SuppressionId
    organization: OrganizationId
    environment: EnvironmentId
    address: str
    source: SuppressionSource
    reason: str | None
    message: MessageId | None
    expires_at: datetime | None
    created_at: datetime
