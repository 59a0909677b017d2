"""COPY and UID COPY (RFC 9051 section 6.4.7), and what MOVE shares with it.

copy = "COPY" SP sequence-set SP mailbox
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentpost.imap.chosen import Gone, chosen, parse_set, writable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Selected
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.sequence import SequenceSet

if TYPE_CHECKING:
    from agentpost.imap.session import Session


@dataclass(frozen=True, slots=True)
class Copy:
    """Which messages go where; ``messages`` is None for ``$``."""

    messages: SequenceSet | None
    mailbox: str


def parse(cursor: Cursor) -> Copy:
    """A set and a mailbox name."""
    messages = parse_set(cursor)
    cursor.space()
    return Copy(messages, cursor.mailbox())


async def run(session: Session, command: Copy, tag: bytes, by_uid: bool) -> Done:
    """Copy messages with their flags, keywords and dates; all of them or none."""
    del tag
    state = session.state
    assert isinstance(state, Selected)
    code = await carry(session, state, command, by_uid, moving=False)
    return Done(code)


async def carry(
    session: Session, state: Selected, command: Copy, by_uid: bool, *, moving: bool
) -> bytes | None:
    """Copy or move; returns the COPYUID code, None when nothing was named.

    Raises: DestinationNotFound, answered TRYCREATE; Gone for numbers of messages that are not
    there any longer (RFC 2180 section 4.4.2).
    """
    if moving:
        writable(state)
    await session.tell_changes(may_expunge=False)  # so that those who are gone are known
    if session.closing:
        return None
    named = chosen(state, command.messages, by_uid=by_uid)
    if named.ghosts and not by_uid:
        raise Gone("Some of these messages are gone.")
    copied = await session.desk.store.mailboxes.copy(
        state.actor,
        state.where,
        state.mailbox.id,
        list(named.uids),
        command.mailbox,
        moving=moving,
    )
    if not copied.source:
        return None
    return response.copyuid(copied.uidvalidity, copied.source, copied.destination)


COMMAND = Command(b"COPY", Selected, parse, run, by_uid=True, numbered=True)
