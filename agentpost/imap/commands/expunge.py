"""EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9).

expunge     = "EXPUNGE"
uid-expunge = "UID EXPUNGE" SP sequence-set
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from agentpost.imap import masks
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
    wanted = None if uids is None else chosen(state, uids, by_uid=True).uids
    await expunge(session, state, wanted)
    return Done()


async def expunge(session: Session, state: Selected, wanted: Collection[int] | None) -> None:
    """Remove the messages that are \\Deleted now, of those that are wanted; None for all."""
    store = session.desk.store
    # Also what others have marked since the client last heard of it.
    present = await store.index.snapshot(state.actor, state.where, state.mailbox.id, ask=True)
    deleted: Sequence[int] = masks.select(
        present.uids, masks.where_bit(Flag.DELETED, present.flags)
    )
    if wanted is not None:
        deleted = sorted(set(deleted).intersection(wanted))
    if deleted:
        await store.mailboxes.expunge(state.actor, state.where, state.mailbox.id, deleted)


COMMAND = Command(b"EXPUNGE", Selected, parse, run, by_uid=True)
