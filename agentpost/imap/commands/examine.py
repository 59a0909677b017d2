"""EXAMINE (RFC 9051 section 6.3.3): SELECT for reading only.

examine = "EXAMINE" SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.select import open_mailbox, parse
from agentpost.imap.states import Authenticated

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, name: str, tag: bytes, by_uid: bool) -> Done:
    """Open a mailbox in which this session changes nothing."""
    del tag, by_uid
    return await open_mailbox(session, name, read_only=True)


COMMAND = Command(b"EXAMINE", Authenticated, parse, run, tells_nothing=True)
