"""LIST (RFC 9051 section 6.3.9, RFC 5258, RFC 5819, RFC 6154).

list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.status import counted, parse_items
from agentpost.imap.listing import Listed, Selection, listed
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.listmatch import ListPattern, join

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_MAX_OPTIONS = 10
_SELECT_OPTIONS = (b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE")
_RETURN_OPTIONS = (b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE")


@dataclass(frozen=True, slots=True)
class List:
    """What LIST asks for; ``patterns`` have the reference before them."""

    patterns: tuple[str, ...]
    selection: Selection
    status: tuple[str, ...]
    root: bool
    extended: bool


def parse(cursor: Cursor) -> List:
    """Selection options, reference, one pattern or several, return options."""
    cursor.space()
    options: set[bytes] = set()
    has_options = cursor.at(b"(")
    if has_options:
        options = set(_options(cursor, _SELECT_OPTIONS))
        cursor.space()
    reference = cursor.list_mailbox()
    cursor.space()
    patterns = (
        [cursor.list_mailbox()]
        if not cursor.at(b"(")
        else cursor.parenthesised(cursor.list_mailbox, "patterns", most=cursor.limits.max_patterns)
    )
    wanted, status = _return_options(cursor)
    if b"RECURSIVEMATCH" in options and options.isdisjoint((b"SUBSCRIBED", b"SPECIAL-USE")):
        raise cursor.fault("RECURSIVEMATCH needs another selection option")
    selection = Selection(
        subscribed=b"SUBSCRIBED" in options,
        special_use=b"SPECIAL-USE" in options,
        recursive=b"RECURSIVEMATCH" in options,
        tell_subscribed=b"SUBSCRIBED" in wanted,
    )
    joined = tuple(join(reference, pattern) for pattern in patterns)
    extended = has_options or len(patterns) > 1 or bool(wanted or status)
    return List(joined, selection, status, root=patterns == [""], extended=extended)


def _options(cursor: Cursor, known: tuple[bytes, ...]) -> list[bytes]:
    if cursor.skip(b"()"):
        return []

    def option() -> bytes:
        word = cursor.word().upper()
        if word not in known:
            raise cursor.fault("unknown option")
        return word

    return cursor.parenthesised(option, "options", most=_MAX_OPTIONS)


def _return_options(cursor: Cursor) -> tuple[set[bytes], tuple[str, ...]]:
    wanted: set[bytes] = set()
    status: tuple[str, ...] = ()
    if cursor.at_end():
        return wanted, status
    cursor.space()
    if not cursor.skip_word(b"RETURN"):
        raise cursor.fault("expected RETURN")
    cursor.space()
    cursor.expect(b"(", "( before the return options")
    while not cursor.skip(b")"):
        if wanted or status:
            cursor.space()
        word = cursor.word().upper()
        if word == b"STATUS":
            cursor.space()
            status = parse_items(cursor)
        elif word in _RETURN_OPTIONS:
            wanted.add(word)
        else:
            raise cursor.fault("unknown return option")
    return wanted, status


async def run(session: Session, command: List, tag: bytes, by_uid: bool) -> Done:
    """Say the mailboxes that match, with their attributes and, where asked, their counts."""
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    if command.root:
        session.say(response.hierarchy(utf8=state.utf8))
        return Done()
    mailboxes = session.desk.store.mailboxes
    subscribed = await mailboxes.subscriptions(state.actor, state.where)
    lines = listed(
        await mailboxes.all(state.actor, state.where),
        subscribed,
        [ListPattern(pattern) for pattern in command.patterns],
        command.selection,
        non_existent=state.rev2 or command.extended,
    )
    for line in lines:
        extended = response.childinfo(["SUBSCRIBED"]) if line.child_matches else b""
        session.say(
            response.listing(line.attributes, line.name, utf8=state.utf8, extended=extended)
        )
        if command.status:
            await _say_status(session, state, line, command.status)
    return Done()


async def _say_status(
    session: Session, state: Authenticated, line: Listed, items: tuple[str, ...]
) -> None:
    if line.mailbox is None or not line.mailbox.selectable:
        return
    snapshot = await session.desk.store.index.snapshot(
        state.actor, state.where, line.mailbox.id, ask=True
    )
    limit = session.desk.messages.max_octets
    values = {item: counted(snapshot, item, limit) for item in items}
    session.say(response.mailbox_status(line.name, values, utf8=state.utf8))


COMMAND = Command(b"LIST", Authenticated, parse, run)
