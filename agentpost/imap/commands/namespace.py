"""NAMESPACE (RFC 9051 section 6.3.10): one personal namespace, no others.

namespace = "NAMESPACE"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Authenticated

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """The personal namespace has no prefix and ``/`` between levels."""
    del tag, by_uid
    session.say(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return Done()


COMMAND = Command(b"NAMESPACE", Authenticated, nothing, run)
