"""RENAME (RFC 9051 section 6.3.6).

rename = "RENAME" SP mailbox SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.create import check_name
from agentpost.imap.states import Authenticated
from agentpost.imap.wire.cursor import Cursor

if TYPE_CHECKING:
    from agentpost.imap.session import Session


def parse(cursor: Cursor) -> tuple[str, str]:
    """The old and the new name."""
    cursor.space()
    old = cursor.mailbox()
    cursor.space()
    return old, cursor.mailbox()


async def run(session: Session, names: tuple[str, str], tag: bytes, by_uid: bool) -> Done:
    """Rename a mailbox and those below it; INBOX stays and gives its messages away."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    old, new = (name.removesuffix("/") for name in names)
    check_name(new)
    await session.desk.store.mailboxes.rename(state.actor, state.where, old, new)
    return Done()


COMMAND = Command(b"RENAME", Authenticated, parse, run)
