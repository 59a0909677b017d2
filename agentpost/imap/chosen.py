"""Which messages a command names, and whether it may change them."""

from __future__ import annotations

from dataclasses import replace

from agentpost.errors import Conflict, InvalidRequest
from agentpost.imap.states import Selected
from agentpost.imap.view import Chosen
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.sequence import SequenceSet


class NoSuchMessage(InvalidRequest):
    """A sequence number beyond the last message: BAD (RFC 9051 section 9, seq-number)."""


class ReadOnly(Conflict):
    """The mailbox is open for reading only."""

    column = replace(Conflict.column, imap="READ-ONLY")


class Gone(Conflict):
    """Messages were named that another session has expunged (RFC 2180 section 4)."""

    column = replace(Conflict.column, imap="EXPUNGEISSUED")


def parse_set(cursor: Cursor) -> SequenceSet | None:
    """SP and a sequence set; None for ``$``, the saved search result (RFC 5182)."""
    cursor.space()
    if cursor.skip(b"$"):
        return None
    return cursor.sequence_set()


def chosen(state: Selected, messages: SequenceSet | None, *, by_uid: bool) -> Chosen:
    """The messages a command names.  Raises: NoSuchMessage."""
    if messages is None or messages.saved:
        return state.view.chosen_uids(state.saved)
    if by_uid:
        return state.view.by_uid(messages)
    found = state.view.by_number(messages)
    if found is None:
        raise NoSuchMessage(
            f"There is no message of that number; the mailbox holds {state.view.count}."
        )
    return found


def writable(state: Selected) -> None:
    """Refuse a change in a mailbox that was opened for reading only."""
    if state.read_only:
        raise ReadOnly("The mailbox is open for reading only.")
