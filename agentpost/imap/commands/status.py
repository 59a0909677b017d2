"""STATUS (RFC 9051 section 6.3.11, RFC 8438 for SIZE).

status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentpost.imap import masks
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor
from agentpost.model.mailbox import Flag, Snapshot

if TYPE_CHECKING:
    from agentpost.imap.session import Session

STATUS_ITEMS = (
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "APPENDLIMIT",
)  # fmt: skip
_BY_WORD = {item.encode("ascii"): item for item in STATUS_ITEMS}


@dataclass(frozen=True, slots=True)
class Status:
    """A mailbox and what is asked of it."""

    mailbox: str
    items: tuple[str, ...]


def parse(cursor: Cursor) -> Status:
    """A name and a list of items."""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    return Status(mailbox, parse_items(cursor))


def parse_items(cursor: Cursor) -> tuple[str, ...]:
    """The parenthesised items, each once, in the order asked for."""

    def item() -> str:
        word = cursor.word().upper()
        if word not in _BY_WORD:
            raise cursor.fault("unknown status item")
        return _BY_WORD[word]

    found = cursor.parenthesised(item, "status items", most=len(STATUS_ITEMS) * 2)
    return tuple(dict.fromkeys(found))


async def run(session: Session, command: Status, tag: bytes, by_uid: bool) -> Done:
    """Say counts of a mailbox from the index."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    store = session.desk.store
    mailbox = await store.mailboxes.find(state.actor, state.where, command.mailbox)
    snapshot = await store.index.snapshot(state.actor, state.where, mailbox.id, ask=True)
    limit = session.desk.messages.max_octets
    values = {item: counted(snapshot, item, limit) for item in command.items}
    session.say(response.mailbox_status(mailbox.name, values, utf8=state.utf8))
    return Done()


def counted(snapshot: Snapshot, item: str, append_limit: int) -> int:
    """The value of one status item."""
    match item:
        case "MESSAGES":
            return len(snapshot.uids)
        case "RECENT":
            return len(snapshot.uids) - bisect_left(snapshot.uids, snapshot.recent_from)
        case "UIDNEXT":
            return snapshot.uidnext
        case "UIDVALIDITY":
            return snapshot.uidvalidity
        case "UNSEEN":
            return len(snapshot.uids) - masks.count_bit(Flag.SEEN, snapshot.flags)
        case "DELETED":
            return masks.count_bit(Flag.DELETED, snapshot.flags)
        case "SIZE":
            return sum(snapshot.sizes)
        case "APPENDLIMIT":
            return append_limit
        case _:
            raise ValueError(item)


COMMAND = Command(b"STATUS", Authenticated, parse, run)
