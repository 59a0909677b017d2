"""CAPABILITY (RFC 9051 section 6.1.1): what the server can do.

capability = "CAPABILITY"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Connected
from agentpost.imap.wire import response

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Say the capabilities of the present state."""
    del tag, by_uid
    session.say(response.capability(session.capabilities()))
    return Done()


COMMAND = Command(b"CAPABILITY", Connected, nothing, run)
