"""LSUB (RFC 3501 section 6.3.9): the subscribed names.

lsub = "LSUB" SP mailbox SP list-mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.listing import subscriptions
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.listmatch import ListPattern, join

if TYPE_CHECKING:
    from agentpost.imap.session import Session


def parse(cursor: Cursor) -> str:
    """A reference and a pattern, joined."""
    cursor.space()
    reference = cursor.list_mailbox()
    cursor.space()
    return join(reference, cursor.list_mailbox())


async def run(session: Session, pattern: str, tag: bytes, by_uid: bool) -> Done:
    """Say the subscribed names that match."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    mailboxes = session.desk.store.mailboxes
    lines = subscriptions(
        await mailboxes.all(state.actor, state.where),
        await mailboxes.subscriptions(state.actor, state.where),
        ListPattern(pattern),
    )
    for line in lines:
        session.say(response.listing(line.attributes, line.name, utf8=state.utf8, response="LSUB"))
    return Done()


COMMAND = Command(b"LSUB", Authenticated, parse, run)
