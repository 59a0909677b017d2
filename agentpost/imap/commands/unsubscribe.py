"""UNSUBSCRIBE (RFC 9051 section 6.3.8).

unsubscribe = "UNSUBSCRIBE" SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.select import parse
from agentpost.imap.commands.subscribe import subscribe
from agentpost.imap.states import Authenticated

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, name: str, tag: bytes, by_uid: bool) -> Done:
    """End the subscription of a name, if there is one."""
    del tag, by_uid
    return await subscribe(session, name, subscribed=False)


COMMAND = Command(b"UNSUBSCRIBE", Authenticated, parse, run)
