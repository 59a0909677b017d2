"""CREATE (RFC 9051 section 6.3.4, RFC 6154 section 3 is not offered).

create = "CREATE" SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.errors import AlreadyExists, NotAcceptable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Authenticated
from agentpost.imap.wire.cursor import Cursor
from agentpost.limits import GrammarLimits
from agentpost.model.mailboxname import fault_of_name

if TYPE_CHECKING:
    from agentpost.imap.session import Session


def parse(cursor: Cursor) -> str:
    """A mailbox name; a trailing separator only announces names below it."""
    cursor.space()
    return cursor.mailbox()


async def run(session: Session, name: str, tag: bytes, by_uid: bool) -> Done:
    """Make the mailbox and the levels above it."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    name = name.removesuffix("/")
    check_name(name)
    await session.desk.store.mailboxes.create(state.actor, state.where, name)
    return Done()


def check_name(name: str) -> None:
    """Whether a mailbox may be called so.  Raises: AlreadyExists for INBOX; CannotBeCalled."""
    if name == "INBOX":
        raise AlreadyExists("INBOX always exists.")
    fault = fault_of_name(name, GrammarLimits())
    if fault is not None:
        raise CannotBeCalled(f"A mailbox name {fault}.")


class CannotBeCalled(NotAcceptable):
    """A mailbox cannot have this name."""


COMMAND = Command(b"CREATE", Authenticated, parse, run)
