"""FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 6.4.9, RFC 7162 section 3.1.4.1).

fetch     = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" /
            fetch-att / "(" fetch-att *(SP fetch-att) ")")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentpost.imap.bodies import UnknownEncoding
from agentpost.imap.chosen import chosen, parse_set
from agentpost.imap.columns import at
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.fetching import plan, say_flags, say_messages
from agentpost.imap.states import Selected
from agentpost.imap.view import Chosen
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.fetchitems import FetchItems, Plain, parse_fetch_items
from agentpost.imap.wire.sequence import SequenceSet
from agentpost.model.mailbox import Flag, FlagChange

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_ONLY_FLAGS = (frozenset({Plain.FLAGS}), frozenset({Plain.FLAGS, Plain.UID}))
_NOT_SEEN: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Fetch:
    """Which messages, and what of them."""

    messages: SequenceSet | None
    items: FetchItems


def parse(cursor: Cursor) -> Fetch:
    """A set and data items."""
    messages = parse_set(cursor)
    cursor.space()
    return Fetch(messages, parse_fetch_items(cursor))


async def run(session: Session, command: Fetch, tag: bytes, by_uid: bool) -> Done:
    """Answer for every message named; those that are gone meanwhile are passed over."""
    del tag
    state = session.state
    assert isinstance(state, Selected)
    named = chosen(state, command.messages, by_uid=by_uid)
    items = command.items
    asked = frozenset(items.items)
    if asked in _ONLY_FLAGS and not named.ghosts:
        await say_flags(session, state, named, uid=by_uid or Plain.UID in asked)
        return Done()
    seen = _NOT_SEEN
    if items.marks_seen and not state.read_only and state.actor.may("labels:write"):
        named, seen = await _mark_seen(session, state, named)
        if session.closing:
            return Done()
    how = plan(items, by_uid=by_uid, condstore=state.condstore, changes=bool(seen))
    try:
        missing = await say_messages(session, state, named, how, seen)
    except UnknownEncoding:
        # The flags have changed all the same, and nobody else tells them.
        changed = state.view.chosen_uids(sorted(seen))
        await say_flags(session, state, changed, uid=by_uid)
        raise
    if missing and not by_uid:
        return Done("EXPUNGEISSUED", "Some of the messages are gone.")
    return Done()


async def _mark_seen(
    session: Session, state: Selected, named: Chosen
) -> tuple[Chosen, frozenset[int]]:
    """Set \\Seen on those that lack it, all in one step.

    Returns: the same messages in the view as it is now, and the uids that changed.
    """
    flags = at(state.view.snapshot.flags, named.rows)
    unseen = [uid for uid, bits in zip(named.uids, flags, strict=True) if not bits & Flag.SEEN]
    if not unseen:
        return named, _NOT_SEEN
    changed = frozenset(unseen)
    await session.desk.store.mailboxes.store_flags(
        state.actor, state.where, state.mailbox.id, unseen, FlagChange("add", Flag.SEEN)
    )
    # The view goes on to the snapshot that holds the change; no number moves by that.
    await session.tell_changes(may_expunge=False, told=lambda _: changed)
    everyone = sorted([*named.uids, *(uid for _, uid in named.ghosts)])
    return state.view.chosen_uids(everyone), changed


COMMAND = Command(b"FETCH", Selected, parse, run, by_uid=True, numbered=True)
