"""DELETE (RFC 9051 section 6.3.5).

delete = "DELETE" SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.select import parse
from agentpost.imap.states import Authenticated, Selected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, name: str, tag: bytes, by_uid: bool) -> Done:
    """Delete a mailbox with its messages; its name stays while others lie below it."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    mailboxes = session.desk.store.mailboxes
    deleted = await mailboxes.delete(state.actor, state.where, name.removesuffix("/"))
    if isinstance(state, Selected) and state.mailbox.id == deleted:
        # RFC 9051 leaves this to the server; a session that deletes its mailbox has left it.
        session.state = state.deselected()
    return Done()


COMMAND = Command(b"DELETE", Authenticated, parse, run)
