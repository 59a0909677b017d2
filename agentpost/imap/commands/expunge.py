"""EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9).

expunge     = "EXPUNGE"
uid-expunge = "UID EXPUNGE" SP sequence-set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.chosen import chosen, writable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Selected
from agentpost.imap.wire.cursor import Cursor, SyntaxFault
from agentpost.imap.wire.sequence import SequenceSet
from agentpost.model.mailbox import Flag

if TYPE_CHECKING:
    from agentpost.imap.session import Session


def parse(cursor: Cursor) -> SequenceSet | None:
    """Nothing, or the uids of UID EXPUNGE, which ``$`` can stand for."""
    if cursor.at_end():
        return None
    cursor.space()
    return cursor.sequence_set()


async def run(session: Session, uids: SequenceSet | None, tag: bytes, by_uid: bool) -> Done:
    """Remove \\Deleted messages; the session tells their numbers before the OK."""
    del tag
    state = session.state
    assert isinstance(state, Selected)
    if (uids is not None) != by_uid:
        raise SyntaxFault(0, "EXPUNGE names no messages, UID EXPUNGE names uids")
    writable(state)
    wanted = None if uids is None else list(chosen(state, uids, by_uid=True).uids)
    store = session.desk.store
    present = await store.index.snapshot(state.actor, state.where, state.mailbox.id, ask=True)
    if any(bits & Flag.DELETED for bits in present.flags):
        await store.mailboxes.expunge(state.actor, state.where, state.mailbox.id, wanted)
    return Done()


COMMAND = Command(b"EXPUNGE", Selected, parse, run, by_uid=True)
