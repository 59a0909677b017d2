"""CLOSE (RFC 9051 section 6.4.1): expunge silently and leave the mailbox.

close = "CLOSE"
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agentpost.errors import MailboxNotFound
from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.commands.expunge import expunge
from agentpost.imap.states import Selected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Remove \\Deleted messages unless the mailbox is open for reading only.

    It cannot fail (its result is OK or BAD): who may not remove messages only leaves.
    """
    del tag, by_uid
    state = session.state
    assert isinstance(state, Selected)
    if not state.read_only and state.actor.may("messages:delete"):
        with suppress(MailboxNotFound):
            await expunge(session, state, None)
    session.state = state.deselected()
    return Done()


COMMAND = Command(b"CLOSE", Selected, nothing, run, tells_nothing=True)
