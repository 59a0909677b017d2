"""Inboxes: the product account, one address with its mail (R36-R70)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from agentpost.ids import DomainId, EnvironmentId, InboxId, ModSeq, OrganizationId
from agentpost.model.actor import Scope


@dataclass(frozen=True, slots=True)
class Inbox:
    """One inbox.  ``version`` is its own ETag, ``modseq`` the counter of its mail."""

    id: InboxId
    organization: OrganizationId
    environment: EnvironmentId
    address: str
    username: str
    domain: str
    display_name: str | None
    client_id: str | None
    metadata: dict[str, Any]
    labels: tuple[str, ...]
    settings: dict[str, Any]
    signature: str | None
    modseq: ModSeq
    version: int
    send_paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    paused_by: str | None
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime


ApprovalRule = Literal["never", "new_recipients", "always"]
"""Which messages an inbox sends only with somebody's approval.

``new_recipients``: those that go to anyone to whom nothing from the inbox was approved before.
"""


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """What delivery, login and sending must know of an address that lives here.

    ``max_imap_connections`` and ``approval_expires_s`` are the inbox's own bounds; ``None`` leaves
    them to the deployment.  ``domain`` is None at the shared domain.
    """

    inbox: InboxId
    organization: OrganizationId
    environment: EnvironmentId
    address: str
    display_name: str | None
    deleted: bool
    send_paused: bool
    max_imap_connections: int | None = None
    domain: DomainId | None = None
    approval: ApprovalRule = "never"
    approval_expires_s: int | None = None

    @property
    def scope(self) -> Scope:
        """The place of this inbox, as authorization wants it."""
        return Scope(self.organization, self.environment, self.inbox)
