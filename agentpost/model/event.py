"""Events: what happened, for customers (API.md, Events)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agentpost.ids import EnvironmentId, EventId, InboxId, ModSeq, OrganizationId
from agentpost.model.message import Message
from agentpost.model.reading import Reading

DEFAULT_TYPES: Final = (
    "message.received",
    "message.sent",
    "message.delivered",
    "message.bounced",
    "message.complained",
    "message.rejected",
    "domain.verified",
)
"""What a subscription without types gets (R110-R116)."""

TYPES: Final = (
    *DEFAULT_TYPES,
    "message.received.spam",
    "message.received.blocked",
    "message.received.unauthenticated",
    "message.queued",
    "message.deferred",
    "message.failed",
    "message.updated",
    "message.deleted",
    "message.restored",
    "thread.created",
    "thread.updated",
    "draft.created",
    "draft.updated",
    "draft.deleted",
    "draft.sent",
    "draft.send_failed",
    "approval.requested",
    "approval.approved",
    "approval.rejected",
    "approval.expired",
    "inbox.created",
    "inbox.updated",
    "inbox.deleted",
    "inbox.paused",
    "inbox.resumed",
    "inbox.deliverability_changed",
    "domain.created",
    "domain.failed",
    "domain.unverified",
    "domain.deleted",
    "suppression.added",
    "suppression.removed",
    "api_key.created",
    "api_key.revoked",
    "credential.created",
    "credential.revoked",
    "webhook.disabled",
    "webhook.test",
    "quota.approaching",
    "quota.exceeded",
    "claim.expired",
)
"""Every name that events have (API.md, Types); ``*`` is all that the key may hear of."""

SCOPE_OF: Final[dict[str, str]] = {
    "message.received.spam": "spam:read",
    "message.received.blocked": "blocked:read",
    "api_key.created": "keys:read",
    "api_key.revoked": "keys:read",
    "credential.created": "credentials:read",
    "credential.revoked": "credentials:read",
}
"""Types that a key hears of only with this scope, besides ``events:read``: what it could not list
it is not told of either."""


HEARING: Final = frozenset({"messages:read", *SCOPE_OF.values()})
"""Scopes that decide what is told to who may hear of events at all."""


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


@dataclass(frozen=True, slots=True)
class LogSpan:
    """From where to where the log of an organization reaches."""

    forgotten: int
    """The highest seq that was removed for its age."""
    head: int
    """What happens now gets a higher seq than this."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a list of events is narrowed to; empty means all that the actor may hear of."""

    types: tuple[str, ...] = ()
    inboxes: tuple[str, ...] = ()
    after_seq: int | None = None


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events in their order, and how far the log was looked through for them."""

    events: tuple[Event, ...]
    position: int
    """Nothing that is wanted lies between the last event and this ``seq``."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of the message that an event is about.

    ``reading`` is None where texts are not to be told; ``local`` are recipients that live here.
    """

    message: Message
    thread_subject: str
    thread_messages: int
    local: tuple[str, ...] = ()
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Tape:
    """What several organizations' logs hold after the positions that were asked for.

    ``events`` are settled, those of one organization in their order; no further one will come
    before ``settled``.  Of the organizations in ``more`` there are further settled ones.
    """

    events: tuple[Event, ...]
    settled: int
    more: frozenset[OrganizationId]
    unsettled: bool
    """Something was committed behind a transaction that still runs: look again soon."""
