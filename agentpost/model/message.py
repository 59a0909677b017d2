"""Messages, threads, drafts and deliveries as the edges show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from agentpost.ids import (
    DraftId,
    EnvironmentId,
    InboxId,
    MailboxId,
    MessageId,
    ModSeq,
    OrganizationId,
    ThreadId,
)
from agentpost.model.mailbox import Flag, InternalDate, Role

Direction = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True)
class Address:
    """An address with its display name, as text."""

    email: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Correspondents:
    """The address fields of a message's header."""

    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message as lists and single reads show it; the octets are fetched apart."""

    id: MessageId
    organization: OrganizationId
    environment: EnvironmentId
    inbox: InboxId
    thread: ThreadId
    direction: Direction
    source: str
    state: str
    size: int
    subject: str
    correspondents: Correspondents
    rfc_message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    sent_at: datetime | None
    preview: str
    attachments: int
    automated: bool
    delivered_to: str | None
    authentication: dict[str, Any]
    metadata: dict[str, Any]
    flags: Flag
    keywords: tuple[str, ...]
    folder: str | None
    modseq: ModSeq
    created_at: datetime


class Listed(NamedTuple):
    """One message as lists show it; addresses and metadata are JSON as it is stored.

    ``keywords`` are those of all its mailboxes, perhaps twice; None when there are none.
    """

    id: MessageId
    environment: EnvironmentId
    inbox: InboxId
    thread: ThreadId
    direction: Direction
    source: str
    state: str
    size: int
    subject: str
    from_: str | None
    to: str
    cc: str
    bcc: str
    reply_to: str
    rfc_message_id: str | None
    in_reply_to: str | None
    preview: str
    attachments: int
    automated: bool
    delivered_to: str | None
    metadata: str
    created_at: datetime
    flags: int
    keywords: list[str] | None
    folder: str | None
    modseq: int


@dataclass(frozen=True, slots=True)
class MessageContent:
    """A message together with its octets and packed part tree (``mime.scan.unpack``)."""

    message: Message
    octets: bytes
    parts: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What a list of messages is narrowed to; every given condition must hold."""

    environments: frozenset[EnvironmentId] | None = None
    inbox: InboxId | None = None
    direction: Direction | None = None
    folder: str | None = None
    thread: ThreadId | None = None
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()
    seen: bool | None = None
    flagged: bool | None = None
    from_: str | None = None
    to: str | None = None
    subject: str | None = None
    has_attachments: bool | None = None
    after: datetime | None = None
    before: datetime | None = None
    include: frozenset[str] = frozenset()
    include_deleted: bool = False
    """Also what is in deleted inboxes, where no inbox is named."""


@dataclass(frozen=True, slots=True)
class MessageChange:
    """What PATCH on a message does; ``None`` leaves a thing as it is."""

    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    seen: bool | None = None
    flagged: bool | None = None
    answered: bool | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a message has or has not: ``\\Seen``, or a label."""

    seen: bool = False
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation inside an inbox (R41-R43)."""

    id: ThreadId
    organization: OrganizationId
    environment: EnvironmentId
    inbox: InboxId
    subject: str
    labels: tuple[str, ...]
    message_labels: tuple[str, ...]
    senders: tuple[Address, ...]
    recipients: tuple[Address, ...]
    preview: str
    message_count: int
    unread_count: int
    attachments: int
    last_message_at: datetime
    received_at: datetime | None
    sent_at: datetime | None
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ThreadTail:
    """The latest message of a thread, and the octets of all of them; drafts do not count."""

    message: MessageId
    rfc_message_id: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An unsent message in Drafts: the same thing over REST and IMAP.

    With ``send_at`` it lies in Scheduled and is sent at that time.
    """

    id: DraftId
    message: Message
    client_id: str | None
    in_reply_to: MessageId | None
    reply_all: bool
    forward_of: MessageId | None
    version: int
    send_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How far a message has come on its way to one recipient."""

    recipient: str
    state: str
    local: bool
    attempts: int
    status: str | None
    diagnostic: str | None
    history: tuple[dict[str, Any], ...]
    updated_at: datetime


OWN_SOURCES: Final = frozenset({"rest", "smtp", "imap", "mcp", "cli", "relay"})
"""Ways in by which mail comes from an inbox here, or from this server itself."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message on its way into one mailbox, named by its id or its role."""

    organization: OrganizationId
    inbox: InboxId
    message: MessageId
    direction: Direction
    source: str
    state: str
    mailbox: MailboxId | None = None
    role: Role | None = None
    flags: Flag = Flag(0)
    keywords: tuple[str, ...] = ()
    date: InternalDate | None = None
    delivered_to: str | None = None
    events: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    fingerprint: bytes | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    authentication: dict[str, Any] = field(default_factory=dict)
    bcc: tuple[Address, ...] = ()
    """Blind copies that are told to this inbox alone; the octets do not name them."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A recipient of the deposit's first arrival."""

    recipient: str
    local: bool
    state: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewRelay:
    """The deposit's first arrival leaves this server, with this reverse-path."""

    reverse_path: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewDraft:
    """The deposit's first arrival is the present version of this draft."""

    id: DraftId
    client_id: str | None = None
    in_reply_to: MessageId | None = None
    reply_all: bool = False
    forward_of: MessageId | None = None


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """The Idempotency-Key of a request, the hash of what it asks, and the answer to repeat.

    ``told`` is what the answer holds beside the ids and the status.
    """

    key: str
    request_hash: bytes
    status: int = 202
    answer: str = "queued"
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meter:
    """An organization's mails to count against its bound for the day.

    From ``near`` mails on it is told once a day, in ``environment``, that the bound is near.
    """

    organization: OrganizationId
    mails: int
    bound: int
    near: int
    environment: EnvironmentId


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a submission came to; ``duplicate`` when it repeats one that was accepted before.

    ``status`` is ``queued`` while the relay has something to do, else ``delivered``; ``held`` and
    ``scheduled`` when the message waits.
    ``suppressed`` are the recipients that it does not go to.
    """

    message_id: MessageId
    thread_id: ThreadId
    duplicate: bool = False
    status: str = "queued"
    suppressed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InboxChanges:
    """What happened in an inbox after a modseq: ids by kind, and where that leads.

    What was destroyed up to ``forgotten`` is not all told any longer.
    """

    created: tuple[MessageId, ...]
    updated: tuple[MessageId, ...]
    destroyed: tuple[MessageId, ...]
    modseq: ModSeq
    has_more: bool
    forgotten: ModSeq
    created_at: tuple[ModSeq, ...] = ()
    """The modseq at which each of ``created`` came."""
