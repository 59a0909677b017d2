"""Saying what happened in the selected mailbox (RFC 9051 sections 7.3 to 7.5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from agentpost.errors import Problem
from agentpost.imap.states import Selected
from agentpost.imap.view import (
    Exists,
    Expunged,
    FlagsChanged,
    NewKeywords,
    Recent,
    Untagged,
)
from agentpost.imap.wire import response
from agentpost.model.mailbox import Snapshot

if TYPE_CHECKING:
    from agentpost.imap.session import Session

Told = Callable[[Snapshot], Collection[int]]
"""The uids whose flags, as they are in that snapshot, the client knows or is about to be told."""


def nothing_told(snapshot: Snapshot) -> Collection[int]:
    """No command has told the client any flags."""
    del snapshot
    return ()


async def tell(
    session: Session, state: Selected, *, may_expunge: bool, told: Told = nothing_told
) -> None:
    """Bring the view up to date and say what that means for the client.

    Raises: MailboxNotFound when the mailbox is gone.
    """
    index = session.desk.store.index
    snapshot = await index.snapshot(state.actor, state.where, state.mailbox.id, ask=True)
    recent = range(0)
    if claims_recent(state, snapshot):
        snapshot, recent = await index.claim_recent(state.actor, state.where, state.mailbox.id)
    known = told(snapshot)
    for event in state.view.advance(snapshot, may_expunge=may_expunge, recent=recent, told=known):
        session.say(rendered(state, event))
        await session.flush_when_large()


def tell_at_once(session: Session, state: Selected) -> bool:
    """The same from what is known of the mailbox now, without waiting for anything.

    Returns False when that cannot be done, or not to the end: the session has to tell the rest.
    """
    index = session.desk.store.index
    if session.output:
        return False  # It has a rest to send.
    try:
        snapshot = index.present(state.actor, state.where, state.mailbox.id)
        if snapshot is None:
            return False
        for event in state.view.advance(snapshot, may_expunge=True):
            session.say(rendered(state, event))
    except Problem:
        return False
    return session.flush_at_once()


def claims_recent(state: Selected, snapshot: Snapshot) -> bool:
    """Whether the mailbox has messages that this session may show as ``\\Recent``."""
    return not state.rev2 and not state.read_only and snapshot.recent_from < snapshot.uidnext


def rendered(state: Selected, event: Untagged) -> bytes:
    """One event as the client's protocol version says it."""
    match event:
        case Expunged(numbers, uids):
            return response.vanished(uids) if state.qresync else response.expunges(numbers)
        case Exists(count):
            return response.exists(count)
        case Recent(count):
            return b"" if state.rev2 else response.recent(count)
        case NewKeywords(keywords):
            code = response.permanentflags(keywords)
            return response.flags(keywords) + (
                b"" if state.read_only else response.untagged_ok("Flags that are kept.", code)
            )
        case FlagsChanged(numbers, uids, rows):
            return flag_lines(state, numbers, uids, rows, uid=True)


def flag_lines(
    state: Selected,
    numbers: Sequence[int],
    uids: Sequence[int],
    rows: Sequence[int],
    *,
    uid: bool,
) -> bytes:
    """FETCH responses with the present flags of messages at ``rows`` of the view's snapshot."""
    snapshot = state.view.snapshot
    columns = (snapshot.flags, snapshot.keywords, snapshot.modseqs)
    flags, keywords, modseqs = (_at(column, rows) for column in columns)
    return response.render_flags_lines(
        numbers,
        uids,
        flags,
        keywords,
        snapshot.keyword_sets,
        uid=uid,
        modseqs=modseqs if state.condstore else None,
        recent=() if state.rev2 else state.view.recent,
    )


def _at(column: Sequence[int], rows: Sequence[int]) -> Sequence[int]:
    if isinstance(rows, range) and rows.step == 1:
        return column[rows.start : rows.stop]
    return [column[row] for row in rows]
