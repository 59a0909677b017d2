"""STORE and UID STORE (RFC 9051 section 6.4.6).

store           = "STORE" SP sequence-set SP store-att-flags
store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agentpost.imap.chosen import Gone, chosen, parse_set, writable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Selected
from agentpost.imap.telling import flag_lines
from agentpost.imap.view import Chosen
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
    # What others did comes first: a silent change must hide nothing of it, and messages that
    # are gone cannot be changed.
    await session.tell_changes(may_expunge=False)
    if session.closing:
        return Done()
    named = chosen(state, command.messages, by_uid=by_uid)
    told: set[int] = set()
    if named.uids:
        told = await _change(session, state, named, command)
    # What else happened comes first, so that the rows below are those of the present snapshot.
    await session.tell_changes(may_expunge=False, told=told)
    if not command.silent and not session.closing:
        present = state.view.chosen_uids(named.uids)
        lines = flag_lines(state, present.numbers, present.uids, present.rows, uid=by_uid)
        session.say(lines)
    if named.ghosts and not by_uid:
        raise Gone("Some of these messages are gone.")
    return Done()


async def _change(session: Session, state: Selected, named: Chosen, command: Store) -> set[int]:
    """Change flags; the uids whose flags the client knows then without being told."""
    expected = _expected(state, named, command.change) if command.silent else {}
    stored = await session.desk.store.mailboxes.store_flags(
        state.actor, state.where, state.mailbox.id, list(named.uids), command.change
    )
    if not command.silent:
        return set(named.uids)
    # A silent client must hear of flags that others changed meanwhile.
    return {row.uid for row in stored if expected[row.uid] == _comparable(row.flags, row.keywords)}


_Known = tuple[int, frozenset[str]]


def _comparable(flags: int, keywords: Iterable[str]) -> _Known:
    return int(flags), frozenset(map(str.casefold, keywords))


def _expected(state: Selected, named: Chosen, change: FlagChange) -> dict[int, _Known]:
    """The flags that a client works out by itself, which knows the flags of the view."""
    snapshot = state.view.snapshot
    bits, words = _comparable(change.flags, change.keywords)
    known = [frozenset(map(str.casefold, each)) for each in snapshot.keyword_sets]
    expected = {}
    for uid, row in zip(named.uids, named.rows, strict=True):
        flags, keywords = snapshot.flags[row], known[snapshot.keywords[row]]
        match change.mode:
            case "replace":
                expected[uid] = (bits, words)
            case "add":
                expected[uid] = (flags | bits, keywords | words)
            case "remove":
                expected[uid] = (flags & ~bits, keywords - words)
    return expected


COMMAND = Command(b"STORE", Selected, parse, run, by_uid=True, numbered=True)
