"""Mailboxes, placements and what is known of them (RFC 9051 sections 2.3 and 5.1)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag
from typing import Literal

from agentpost.ids import InboxId, MailboxId, MessageId, ModSeq, OrganizationId, ThreadId, Uid

Role = Literal[
    "inbox",
    "sent",
    "drafts",
    "trash",
    "junk",
    "archive",
    "approvals",
    "approved",
    "rejected",
    "scheduled",
]
"""The last four are made when a message first waits (migrations/0011_holds.sql)."""

SPECIAL_USE: dict[Role, str] = {
    "sent": "\\Sent",
    "drafts": "\\Drafts",
    "trash": "\\Trash",
    "junk": "\\Junk",
    "archive": "\\Archive",
}
"""Roles as RFC 6154 attributes; INBOX is known by its name."""

ROLE_NAMES: dict[Role, str] = {
    "inbox": "INBOX",
    "sent": "Sent",
    "drafts": "Drafts",
    "trash": "Trash",
    "junk": "Junk",
    "archive": "Archive",
}
"""The mailboxes that every inbox has from the start."""


class Flag(IntFlag):
    """System flags as stored bits (RFC 9051 section 2.3.2); \\Recent is not stored."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


FLAG_NAMES: dict[Flag, str] = {
    Flag.ANSWERED: "\\Answered",
    Flag.FLAGGED: "\\Flagged",
    Flag.DELETED: "\\Deleted",
    Flag.SEEN: "\\Seen",
    Flag.DRAFT: "\\Draft",
}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One IMAP mailbox of an inbox.  ``name`` is Unicode with ``/`` between levels."""

    id: MailboxId
    organization: OrganizationId
    inbox: InboxId
    name: str
    role: Role | None
    uidvalidity: int
    subscribed: bool
    selectable: bool


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """The counts that STATUS and REST folders tell (RFC 9051 section 6.3.11)."""

    mailbox: Mailbox
    messages: int
    unseen: int
    deleted: int
    recent: int
    size: int
    uidnext: Uid
    modseq: ModSeq


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything small about a mailbox at one moment: parallel arrays in uid order.

    Immutable by agreement: a change makes a new snapshot, so that a thousand sessions share one.
    ``keywords`` holds indexes into ``keyword_sets``; index 0 is the empty set.  ``dates`` are
    seconds since 1970 UTC of INTERNALDATE and ``zones`` the minutes east it is shown in.
    ``known_keywords`` are all keywords ever used here, spelled as first seen.
    ``expunged`` are the latest expunges (modseq, uid), oldest first, complete for every modseq
    after ``expunged_since``.
    """

    mailbox: MailboxId
    uidvalidity: int
    uidnext: int
    modseq: int
    uids: array[int]
    flags: array[int]
    keywords: array[int]
    modseqs: array[int]
    sizes: array[int]
    dates: array[int]
    zones: array[int]
    saved: array[int]
    keyword_sets: tuple[tuple[str, ...], ...]
    known_keywords: tuple[str, ...]
    expunged: tuple[tuple[int, int], ...]
    expunged_since: int
    recent_from: int


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A STORE: what to do with flags and keywords (RFC 9051 section 6.4.6)."""

    mode: Literal["replace", "add", "remove"]
    flags: Flag
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a message went: what APPENDUID, COPYUID and the REST answer tell."""

    message: MessageId
    mailbox: MailboxId
    uidvalidity: int
    uid: Uid
    modseq: ModSeq
    thread: ThreadId


@dataclass(frozen=True, slots=True)
class Copied:
    """Outcome of COPY or MOVE: source and destination uids pairwise, in order."""

    uidvalidity: int
    source: tuple[int, ...]
    destination: tuple[int, ...]


HEAD_OCTETS = 16 * 1024
"""How much of a message ``Wanted.head`` reads: nearly every header section fits."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns of ``Rendered`` are to be read; ``head`` is the beginning of the octets.

    ``span`` are so many octets from there on: where and how many.
    """

    ids: bool = False
    envelope: bool = False
    body: bool = False
    bodystructure: bool = False
    preview: bool = False
    parts: bool = False
    head: bool = False
    octets: bool = False
    span: tuple[int, int] | None = None

    @property
    def anything(self) -> bool:
        """Whether the database has to be asked at all."""
        return self != _NOTHING


_NOTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What FETCH needs of placements beyond the index: parallel columns in uid order.

    Columns that were not asked for are empty.  ``spans`` are the octets of a span; ``heads`` are the first ``HEAD_OCTETS`` of the
    messages, ``parts`` packed part trees (``mime.scan.unpack``).
    """

    uids: Sequence[int] = ()
    messages: Sequence[MessageId] = ()
    threads: Sequence[ThreadId] = ()
    envelopes: Sequence[bytes] = ()
    bodies: Sequence[bytes] = ()
    bodystructures: Sequence[bytes] = ()
    previews: Sequence[str] = ()
    parts: Sequence[bytes] = ()
    heads: Sequence[bytes] = ()
    octets: Sequence[bytes] = ()
    spans: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class InternalDate:
    """The date a message carries in a mailbox: a moment and the zone to show it in."""

    moment: datetime
    zone: int = 0
