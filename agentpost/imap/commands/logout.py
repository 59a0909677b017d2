"""LOGOUT (RFC 9051 section 6.1.3): say goodbye and close.

logout = "LOGOUT"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Connected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """BYE before the tagged OK."""
    del tag, by_uid
    session.bye("Goodbye.")
    return Done()


COMMAND = Command(b"LOGOUT", Connected, nothing, run, tells_nothing=True)
