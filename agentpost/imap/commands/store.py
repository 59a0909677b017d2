"""STORE and UID STORE (RFC 9051 section 6.4.6).

store           = "STORE" SP sequence-set SP store-att-flags
store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agentpost.imap.chosen import chosen, parse_set, writable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Selected
from agentpost.imap.telling import flag_lines
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.sequence import SequenceSet
from agentpost.model.mailbox import FlagChange

if TYPE_CHECKING:
    from agentpost.imap.session import Session


@dataclass(frozen=True, slots=True)
class Store:
    """Which messages, what change, and whether the answer is silent."""

    messages: SequenceSet | None
    change: FlagChange
    silent: bool


def parse(cursor: Cursor) -> Store:
    """A set, FLAGS with its sign and its SILENT, and flags with or without parentheses."""
    messages = parse_set(cursor)
    cursor.space()
    mode = _mode(cursor)
    word = cursor.word().upper()
    if word not in (b"FLAGS", b"FLAGS.SILENT"):
        raise cursor.fault("expected FLAGS or FLAGS.SILENT")
    cursor.space()
    flags = cursor.flag_list() if cursor.at(b"(") else cursor.flags()
    change = FlagChange(mode, flags.flags, flags.keywords)
    return Store(messages, change, word.endswith(b".SILENT"))


def _mode(cursor: Cursor) -> Literal["replace", "add", "remove"]:
    if cursor.skip(b"+"):
        return "add"
    return "remove" if cursor.skip(b"-") else "replace"


async def run(session: Session, command: Store, tag: bytes, by_uid: bool) -> Done:
    """Change flags and answer with what they are now, also where nothing changed."""
    del tag
    state = session.state
    assert isinstance(state, Selected)
    writable(state)
    named = chosen(state, command.messages, by_uid=by_uid)
    if not named.uids:
        return Done()
    await session.desk.store.mailboxes.store_flags(
        state.actor, state.where, state.mailbox.id, list(named.uids), command.change
    )
    told = set(named.uids)
    # What else happened comes first, so that the rows below are those of the present snapshot.
    await session.tell_changes(may_expunge=False, told=told)
    if not command.silent and not session.closing:
        present = state.view.chosen_uids(named.uids)
        lines = flag_lines(state, present.numbers, present.uids, present.rows, uid=by_uid)
        session.say(lines)
    return Done(told=told)


COMMAND = Command(b"STORE", Selected, parse, run, by_uid=True, numbered=True)
