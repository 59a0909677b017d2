"""APPEND (RFC 9051 section 6.3.12, RFC 6855 section 4 for the UTF8 form).

append   = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
utf8form = "UTF8" SP "(" literal8 ")"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentpost.errors import DestinationNotFound, MailboxNotFound, MessageUnacceptable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor, FlagList
from agentpost.model.mailbox import InternalDate

if TYPE_CHECKING:
    from agentpost.imap.session import Session


@dataclass(frozen=True, slots=True)
class Append:
    """A message and where it goes."""

    mailbox: str
    flags: FlagList
    date: InternalDate | None
    octets: bytes


def parse(cursor: Cursor) -> Append:
    """Name, flags, date, message."""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    flags = FlagList()
    if cursor.at(b"("):
        flags = cursor.flag_list()
        cursor.space()
    date = None
    if cursor.at_date_time():
        date = cursor.date_time()
        cursor.space()
    return Append(mailbox, flags, date, _message(cursor))


def _message(cursor: Cursor) -> bytes:
    if cursor.skip_word(b"UTF8"):
        cursor.space()
        cursor.expect(b"(", "( before the literal")
        octets, _ = cursor.literal()
        cursor.expect(b")", ") behind the literal")
        return octets
    octets, _ = cursor.literal()
    return octets


async def run(session: Session, command: Append, tag: bytes, by_uid: bool) -> Done:
    """Store the message; the OK comes when it is on disk."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    if not command.octets:
        raise MessageUnacceptable("An empty message cannot be stored.")
    try:
        mailbox = await session.desk.store.mailboxes.find(state.actor, state.where, command.mailbox)
        placed = await session.desk.appending.append(
            state.actor,
            state.where,
            mailbox,
            command.octets,
            command.flags.flags,
            command.flags.keywords,
            command.date,
        )
    except MailboxNotFound:
        raise DestinationNotFound from None
    return Done(response.appenduid(placed.uidvalidity, [placed.uid]))


COMMAND = Command(b"APPEND", Authenticated, parse, run)
