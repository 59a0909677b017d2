"""UNSELECT (RFC 9051 section 6.4.2): leave the mailbox and expunge nothing.

unselect = "UNSELECT"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Selected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Back to the authenticated state."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Selected)
    session.state = state.deselected()
    return Done()


COMMAND = Command(b"UNSELECT", Selected, nothing, run, tells_nothing=True)
