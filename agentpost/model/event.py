"""Events: what happened, for customers (API.md, Events)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpost.ids import EnvironmentId, EventId, InboxId, ModSeq, OrganizationId
from agentpost.model.message import Message
from agentpost.model.reading import Reading


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
