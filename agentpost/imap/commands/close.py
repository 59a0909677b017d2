"""CLOSE (RFC 9051 section 6.4.1): expunge silently and leave the mailbox.

close = "CLOSE"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Selected
from agentpost.model.mailbox import Flag

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Remove \\Deleted messages unless the mailbox is open for reading only."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Selected)
    if not state.read_only and any(bits & Flag.DELETED for bits in state.view.snapshot.flags):
        await session.desk.store.mailboxes.expunge(state.actor, state.where, state.mailbox.id)
    session.state = state.deselected()
    return Done()


COMMAND = Command(b"CLOSE", Selected, nothing, run, tells_nothing=True)
