"""SELECT (RFC 9051 section 6.3.2), and what EXAMINE shares with it.

select = "SELECT" SP mailbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap import masks
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Authenticated, Selected
from agentpost.imap.view import MailboxView
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor
from agentpost.model.mailbox import Flag, Mailbox, Snapshot

if TYPE_CHECKING:
    from agentpost.imap.session import Session


def parse(cursor: Cursor) -> str:
    """A mailbox name."""
    cursor.space()
    return cursor.mailbox()


async def run(session: Session, name: str, tag: bytes, by_uid: bool) -> Done:
    """Open a mailbox for reading and writing, as far as the credential may write."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    return await open_mailbox(session, name, read_only=not state.actor.may("labels:write"))


async def open_mailbox(session: Session, name: str, *, read_only: bool) -> Done:
    """Close what is selected, then select ``name`` and say what it holds.

    A failed SELECT leaves no mailbox selected (RFC 9051 section 6.3.2).
    Raises: MailboxNotFound.
    """
    state = session.state
    assert isinstance(state, Authenticated)
    if isinstance(state, Selected):
        session.say(response.untagged_ok("The previous mailbox is closed.", "CLOSED"))
        state = state.deselected()
        session.state = state
    store = session.desk.store
    mailbox = await store.mailboxes.find(state.actor, state.where, name)
    snapshot = await store.index.snapshot(state.actor, state.where, mailbox.id, ask=True)
    recent = range(0)
    if not state.rev2:
        if read_only:
            recent = range(snapshot.recent_from, snapshot.uidnext)
        elif snapshot.recent_from < snapshot.uidnext:
            snapshot, recent = await store.index.claim_recent(state.actor, state.where, mailbox.id)
    view = MailboxView(snapshot, recent)
    session.state = state.select(mailbox, view, read_only=read_only)
    session.say(_described(state, mailbox, snapshot, view, read_only=read_only))
    code = "READ-ONLY" if read_only else "READ-WRITE"
    return Done(code, f"{'Examined' if read_only else 'Selected'} {len(snapshot.uids)} messages.")


def _described(
    state: Authenticated,
    mailbox: Mailbox,
    snapshot: Snapshot,
    view: MailboxView,
    *,
    read_only: bool,
) -> bytes:
    keywords = snapshot.known_keywords
    lines = [response.flags(keywords), response.exists(len(snapshot.uids))]
    if not state.rev2:
        lines.append(response.recent(view.recent_count))
        first = masks.first_without(Flag.SEEN, snapshot.flags)
        if first is not None:
            lines.append(response.untagged_ok("The first unseen message.", f"UNSEEN {first + 1}"))
    kept = b"PERMANENTFLAGS ()" if read_only else response.permanentflags(keywords)
    lines += [
        response.untagged_ok("Flags that are kept.", kept),
        response.untagged_ok("UIDs are valid.", f"UIDVALIDITY {snapshot.uidvalidity}"),
        response.untagged_ok("The next UID.", f"UIDNEXT {snapshot.uidnext}"),
    ]
    if state.rev2:
        lines.append(response.listing((), mailbox.name, utf8=state.utf8))
    return b"".join(lines)


COMMAND = Command(b"SELECT", Authenticated, parse, run, tells_nothing=True)
