"""Polling webhooks: subscriptions that are read instead of being delivered, and who reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agentpost.ids import EnvironmentId, InboxId, OrganizationId, WebhookId
from agentpost.model.event import Event


@dataclass(frozen=True, slots=True)
class PollingWebhook:
    """One subscription.  ``environment`` and ``inbox`` are where it was made, None where it is the
    organization's; it tells what happens in any of ``environments`` and ``inboxes``, and where both
    are None whatever its key reaches.
    """

    id: WebhookId
    organization: OrganizationId
    environment: EnvironmentId | None
    inbox: InboxId | None
    client_id: str
    event_types: tuple[str, ...]
    environments: tuple[EnvironmentId, ...] | None
    inboxes: tuple[InboxId, ...] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a polling webhook: the SHA-256 of its token, and the name of one consumer."""

    webhook: str
    token_hash: bytes
    consumer: str


@dataclass(frozen=True, slots=True)
class Look:
    """What waits for a consumer.  ``position`` is where it stands, and ``reached`` how far the log
    was looked through for ``events``."""

    position: int
    events: tuple[Event, ...]
    reached: int
    more: bool
    """There may be further ones."""
    forgotten: bool
    """Some of what came after ``position`` was removed for its age; ``reached`` is where the rest
    begins."""
    worth_noting: bool
    """The consumer is not known yet, or was not noted for some time."""
