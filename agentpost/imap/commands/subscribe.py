"""SUBSCRIBE (RFC 9051 section 6.3.7), and what UNSUBSCRIBE shares with it.

subscribe = "SUBSCRIBE" SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.select import parse
from agentpost.imap.states import Authenticated

if TYPE_CHECKING:
    from agentpost.imap.session import Session


async def run(session: Session, name: str, tag: bytes, by_uid: bool) -> Done:
    """Subscribe to a name, whether or not a mailbox has it."""
    del tag, by_uid
    return await subscribe(session, name, subscribed=True)


async def subscribe(session: Session, name: str, *, subscribed: bool) -> Done:
    """Set or end a subscription."""
    state = session.state
    assert isinstance(state, Authenticated)
    name = name.removesuffix("/")
    await session.desk.store.mailboxes.subscribe(state.actor, state.where, name, subscribed)
    return Done()


COMMAND = Command(b"SUBSCRIBE", Authenticated, parse, run)
