"""MOVE and UID MOVE (RFC 9051 section 6.4.8, RFC 6851).

move = "MOVE" SP sequence-set SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.copy import Copy, carry, parse
from agentpost.imap.states import Selected
from agentpost.imap.wire import response

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, command: Copy, tag: bytes, by_uid: bool) -> Done:
    """Move messages in one step: COPYUID comes before the expunges (RFC 6851 section 4.3)."""
    del tag
    state = session.state
    assert isinstance(state, Selected)
    code = await carry(session, state, command, by_uid, moving=True)
    if code is not None:
        session.say(response.untagged_ok("Moved.", code))
    return Done()


COMMAND = Command(b"MOVE", Selected, parse, run, by_uid=True)
