"""SEARCH and UID SEARCH (RFC 9051 section 6.4.4, RFC 3501 section 6.4.4, RFC 4731, RFC 5182).

search = "SEARCH" [SP "RETURN" SP "(" [option *(SP option)] ")"] SP search-program
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.contents import find
from agentpost.imap.masks import Mask, where
from agentpost.imap.searching import Search, content_keys
from agentpost.imap.states import Selected
from agentpost.imap.wire import response, sequence
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.searchkeys import Returns, SearchProgram
from agentpost.imap.wire.searchprogram import parse_search

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_EVERYTHING = Returns(all=True)


def parse(cursor: Cursor) -> SearchProgram:
    """RETURN options, a charset and keys."""
    return parse_search(cursor)


async def run(session: Session, program: SearchProgram, tag: bytes, by_uid: bool) -> Done:
    """Find messages and say them; none is a result as well."""
    state = session.state
    assert isinstance(state, Selected)
    search = Search(state)
    mask = await _found(session, state, search, program)
    uids = search.uids_of(mask)
    numbers = uids if by_uid else search.numbers_of(mask)
    modseq = _highest(search, mask) if program.by_modseq and uids else None
    returns = program.returns
    if returns is not None and returns.save:
        session.state = state.save(_saved(returns, uids))
        if returns.only_save:
            return Done()
    if returns is None and not state.rev2:
        session.say(response.search(numbers, modseq))
    else:
        items = _items(returns or _EVERYTHING, numbers)
        if modseq is not None:
            items["MODSEQ"] = modseq
        session.say(response.esearch(tag, items, by_uid=by_uid))
    return Done()


async def _found(session: Session, state: Selected, search: Search, program: SearchProgram) -> Mask:
    """The rows that the programme finds; messages are looked at only where they decide."""
    bounds = search.bounds(program.key)
    if not bounds.undecided:
        return bounds.sure
    keys = content_keys(program.key)
    by_key = await find(session, state, keys, search.uids_of(bounds.undecided))
    found = {
        key: where(frozenset(uids).__contains__, search.snapshot.uids)
        for key, uids in by_key.items()
    }
    return search.bounds(program.key, found).sure


def _items(returns: Returns, numbers: Sequence[int]) -> dict[str, bytes | int]:
    """The ESEARCH items; MIN, MAX and ALL are absent from an empty result (RFC 4731 3.1)."""
    items: dict[str, bytes | int] = {}
    if numbers:
        if returns.minimum:
            items["MIN"] = numbers[0]
        if returns.maximum:
            items["MAX"] = numbers[-1]
        if returns.all:
            items["ALL"] = sequence.render(numbers)
    if returns.count:
        items["COUNT"] = len(numbers)
    return items


def _saved(returns: Returns, uids: Sequence[int]) -> Sequence[int]:
    """What ``$`` stands for from now on: MIN and MAX alone save only these (RFC 5182 2.4)."""
    if not uids or returns.all or returns.count or returns.only_save:
        return uids
    ends = {uids[0]} if returns.minimum else set()
    if returns.maximum:
        ends.add(uids[-1])
    return sorted(ends)


def _highest(search: Search, mask: Mask) -> int:
    octets = mask.to_bytes(search.rows, "little")
    pairs = zip(search.snapshot.modseqs, octets, strict=True)
    return max(modseq for modseq, found in pairs if found)


COMMAND = Command(b"SEARCH", Selected, parse, run, by_uid=True, numbered=True)
