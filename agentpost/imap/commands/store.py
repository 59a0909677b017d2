"""STORE and UID STORE (RFC 9051 section 6.4.6).

store           = "STORE" SP sequence-set SP store-att-flags
store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

from agentpost.imap.chosen import Gone, chosen, parse_set, writable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Selected
from agentpost.imap.telling import Told, flag_lines, nothing_told
from agentpost.imap.view import Chosen
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.sequence import SequenceSet
from agentpost.model.mailbox import FlagChange, Snapshot

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
    told: Told = nothing_told
    if named.uids:
        told = _told(state, named, command)
        await session.desk.store.mailboxes.store_flags(
            state.actor, state.where, state.mailbox.id, list(named.uids), command.change
        )
    # What else happened comes first, so that the rows below are those of the present snapshot.
    await session.tell_changes(may_expunge=False, told=told)
    if not command.silent and not session.closing:
        present = state.view.chosen_uids(named.uids)
        lines = flag_lines(state, present.numbers, present.uids, present.rows, uid=by_uid)
        session.say(lines)
    if named.ghosts and not by_uid:
        raise Gone("Some of these messages are gone.")
    return Done()


def _told(state: Selected, named: Chosen, command: Store) -> Told:
    """The messages whose flags the client knows once they are changed.

    Those in a loud answer; of a silent one those that have the flags that a client works out by
    itself, who knows the flags of the view: it must hear of what others changed meanwhile.
    """
    if not command.silent:
        uids = frozenset(named.uids)
        return lambda _: uids
    return partial(_as_expected, state.view.snapshot, named, command.change)


_Known = tuple[int, frozenset[str]]


def _as_expected(
    before: Snapshot, named: Chosen, change: FlagChange, present: Snapshot
) -> frozenset[int]:
    """The uids whose present flags follow from the change and the flags ``before``."""
    expected = _memo(before, lambda known: _changed(known, change))
    known = _memo(present, lambda known: known)
    uids = present.uids
    found = []
    for uid, row in zip(named.uids, named.rows, strict=True):
        place = bisect_left(uids, uid)
        if (
            place < len(uids)
            and uids[place] == uid
            and known(present.flags[place], present.keywords[place])
            == expected(before.flags[row], before.keywords[row])
        ):
            found.append(uid)
    return frozenset(found)


def _memo(snapshot: Snapshot, derive: Callable[[_Known], _Known]) -> Callable[[int, int], _Known]:
    """What ``derive`` makes of flags and a set of keywords of ``snapshot``: few kinds, many rows."""

    @cache
    def of(flags: int, keywords: int) -> _Known:
        return derive(_comparable(flags, snapshot.keyword_sets[keywords]))

    return of


def _comparable(flags: int, keywords: Iterable[str]) -> _Known:
    return int(flags), frozenset(map(str.casefold, keywords))


def _changed(known: _Known, change: FlagChange) -> _Known:
    flags, keywords = known
    bits, words = _comparable(change.flags, change.keywords)
    match change.mode:
        case "replace":
            return bits, words
        case "add":
            return flags | bits, keywords | words
        case "remove":
            return flags & ~bits, keywords - words


COMMAND = Command(b"STORE", Selected, parse, run, by_uid=True, numbered=True)
