"""Messages that wait before they leave: for somebody's approval, or for a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agentpost.ids import (
    ApprovalId,
    DraftId,
    EnvironmentId,
    InboxId,
    MessageId,
    OrganizationId,
    ThreadId,
)
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Address

HoldKind = Literal["approval", "schedule"]

ApprovalState = Literal["pending", "approved", "rejected", "expired", "canceled"]
"""``canceled``: who wanted it sent took it back."""

Decision = Literal["approved", "rejected"]


@dataclass(frozen=True, slots=True)
class NewHold:
    """The deposit's first arrival waits, and with it what it needs to go on.

    ``credential`` wants it sent.  ``due_at`` is when it is sent, or when nobody can approve it any
    longer.  ``revises`` names the waiting message whose next version it is; that keeps what it
    was: who wanted it, its approval and its time.  ``most`` messages may wait in the inbox.
    """

    kind: HoldKind
    credential: str
    reverse_path: str
    due_at: datetime
    most: int
    options: dict[str, Any] = field(default_factory=dict)
    send_at: datetime | None = None
    draft: DraftId | None = None
    approval: ApprovalId | None = None
    rule: str | None = None
    revises: MessageId | None = None


@dataclass(frozen=True, slots=True)
class HeldRecipient:
    """A recipient of a held message, with what its delivery was asked to be (RFC 3461)."""

    address: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A message that waits, as its release needs it.

    ``due`` is the database's word: its clock decides for all workers.
    """

    message: MessageId
    thread: ThreadId
    kind: HoldKind
    due: bool
    due_in_s: float
    sender: LocalAddress
    source: str
    credential: str
    reverse_path: str
    options: dict[str, Any]
    recipients: tuple[HeldRecipient, ...]
    send_at: datetime | None
    draft: DraftId | None
    approval: ApprovalId | None


@dataclass(frozen=True, slots=True)
class Released:
    """One recipient of a message that is released, and what becomes of him now."""

    recipient: str
    state: str
    local: bool
    status: str | None = None
    diagnostic: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A request to let a message go; what it tells of the message outlives the message."""

    id: ApprovalId
    organization: OrganizationId
    environment: EnvironmentId
    inbox: InboxId
    message: MessageId
    thread: ThreadId
    draft: DraftId | None
    requested_by: str
    rule: str
    state: ApprovalState
    subject: str
    preview: str
    from_: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    recipients: tuple[str, ...]
    send_at: datetime | None
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    version: int
    created_at: datetime
    updated_at: datetime
