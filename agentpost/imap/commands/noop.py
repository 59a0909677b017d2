"""NOOP (RFC 9051 section 6.1.2): do nothing, and hear what is new.

noop = "NOOP"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Connected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """The session tells changes after every command, so nothing is left to do here."""
    del session, tag, by_uid
    return Done()


COMMAND = Command(b"NOOP", Connected, nothing, run)
