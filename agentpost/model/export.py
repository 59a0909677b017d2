"""Exports: files of mail or of the audit log (R7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from agentpost.ids import EnvironmentId, ExportId, InboxId, MessageId, OrganizationId
from agentpost.model.actor import Actor
from agentpost.model.message import Message

ExportKind = Literal["mbox", "maildir", "jsonl", "audit"]
ExportState = Literal["pending", "running", "done", "failed"]

SUFFIXES: Final[dict[ExportKind, str]] = {
    "mbox": "mbox",
    "maildir": "tar",
    "jsonl": "jsonl",
    "audit": "jsonl",
}
MEDIA: Final[dict[ExportKind, str]] = {
    "mbox": "application/mbox",
    "maildir": "application/x-tar",
    "jsonl": "application/x-ndjson",
    "audit": "application/x-ndjson",
}


@dataclass(frozen=True, slots=True)
class NewExport:
    """What is asked for; without an inbox all that the key covers."""

    kind: ExportKind
    inbox: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    folder: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """An export and how far it is.

    ``environments`` and ``inboxes`` are what it covers, ``None`` for all.  ``scopes`` are those
    that its maker held and that decide what is in it.  ``file`` are the octets of the latest
    attempt, which are there when ``state`` is done.
    """

    id: ExportId
    organization: OrganizationId
    kind: ExportKind
    environments: frozenset[EnvironmentId] | None
    inboxes: frozenset[InboxId] | None
    scopes: frozenset[str]
    inbox: InboxId | None
    after: datetime | None
    before: datetime | None
    folder: str | None
    state: ExportState
    done: int
    total: int | None
    file: str | None
    size: int | None
    sha256: bytes | None
    error: str | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime

    @property
    def filename(self) -> str:
        """What the file is called when it is kept."""
        return f"{self.id}.{SUFFIXES[self.kind]}"

    @property
    def media(self) -> str:
        """The type of the file."""
        return MEDIA[self.kind]

    @property
    def reader(self) -> Actor:
        """Who may read what the export's maker could read, and nothing else."""
        return Actor(
            self.organization,
            self.created_by,
            self.scopes,
            environments=self.environments,
            inboxes=self.inboxes,
            source="export",
        )


@dataclass(frozen=True, slots=True)
class Exported:
    """A message that an export is to hold, and the address of its inbox."""

    message: Message
    address: str

    @property
    def id(self) -> MessageId:
        """The message's."""
        return self.message.id
