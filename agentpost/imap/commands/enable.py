"""ENABLE (RFC 5161): from now on the client understands more.

enable = "ENABLE" 1*(SP capability)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Authenticated, Extension
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_MAX_WORDS = 30


def parse(cursor: Cursor) -> tuple[bytes, ...]:
    """One atom or more, in upper case."""
    words: list[bytes] = []
    while not words or not cursor.at_end():
        cursor.space()
        words.append(cursor.atom().upper())
        if len(words) > _MAX_WORDS:
            raise cursor.fault("too many capabilities")
    return tuple(words)


async def run(session: Session, words: tuple[bytes, ...], tag: bytes, by_uid: bool) -> Done:
    """Enable what is offered and can be enabled; other words are passed over (section 3.1)."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    offered = session.capabilities()
    wanted = [
        each for each in Extension if each.value.upper().encode() in words and each.value in offered
    ]
    fresh = [each for each in wanted if each not in state.enabled]
    session.state = state.enable(fresh)
    session.say(response.enabled(each.value for each in fresh))
    return Done()


COMMAND = Command(b"ENABLE", Authenticated, parse, run)
