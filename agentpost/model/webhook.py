"""Webhooks: URLs that are told what happens, and what came of telling them (API.md, Webhooks)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from agentpost.ids import (
    EnvironmentId,
    EventId,
    InboxId,
    OrganizationId,
    WebhookDeliveryId,
    WebhookId,
)
from agentpost.model.event import Event

Payload = Literal["full", "thin", "agentmail"]
"""How an event is told: with texts, by ids and what a program decides by, or as AgentMail does."""
Ordering = Literal["none", "inbox"]
"""``inbox``: what happened in one inbox is told one after the other."""
DeliveryState = Literal["pending", "succeeded", "failed"]

ALL_TYPES: Final = "*"
"""What stands for every type that the maker of a webhook may be told of."""
TEST_TYPE: Final = "webhook.test"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook.  ``environment`` is where it was made; ``inboxes`` None is every inbox."""

    id: WebhookId
    organization: OrganizationId
    environment: EnvironmentId
    url: str
    description: str | None
    event_types: tuple[str, ...]
    environments: tuple[EnvironmentId, ...]
    inboxes: tuple[InboxId, ...] | None
    payload: Payload
    ordering: Ordering
    timeout_s: int
    header_names: tuple[str, ...]
    client_id: str | None
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    failures: int
    """Failed attempts since the last good one."""
    failing_since: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    secret: str = field(repr=False)
    old_secret: str | None = field(repr=False)
    """The one before, while it still signs."""
    old_secret_until: datetime | None
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that sign now, the newest first."""
        return (self.secret,) if self.old_secret is None else (self.secret, self.old_secret)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt in brief: ``status`` is None when nothing was answered."""

    at: str
    status: int | None
    error: str | None
    took_ms: int | None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event on its way to one webhook, and how the last attempt went.

    ``run_at`` is when the next attempt is due; None when there is none.
    """

    id: WebhookDeliveryId
    webhook: WebhookId
    event: EventId
    event_type: str
    inbox: InboxId | None
    state: DeliveryState
    attempts: int
    run_at: datetime | None
    status: int | None
    error: str | None
    took_ms: int | None
    request_headers: dict[str, str]
    response_headers: dict[str, str]
    response_body: str | None
    history: tuple[Attempt, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be tried now; ``event`` is None when it is no longer kept."""

    id: WebhookDeliveryId
    attempts: int
    """Attempts before this one."""
    chain: str
    """What it must be told in order with; empty for nothing."""
    event: Event | None
    address: str | None
    """Of the inbox that it happened in."""


@dataclass(frozen=True, slots=True)
class DueBatch:
    """What one webhook is to be told now, and the webhook as it is now; None when it is gone."""

    webhook: Webhook | None
    deliveries: tuple[Due, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to.

    ``again_s`` is the pause before the next one; None ends the delivery.  ``counts`` says whether
    a failure is the receiver's; ``gone`` that it wants no more.
    """

    delivery: WebhookDeliveryId
    attempts: int
    """Attempts before this one, by which the claim is known."""
    ok: bool
    again_s: float | None
    status: int | None = None
    error: str | None = None
    took_ms: int | None = None
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str | None = None
    counts: bool = True
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Events of a time, to be told again; ``types`` None is all that the webhook wants."""

    after: datetime
    before: datetime
    types: tuple[str, ...] | None
