"""Which messages a search programme finds (RFC 9051 section 6.4.4).

Every key becomes a mask over the rows of the view's snapshot.  Keys about flags, numbers, dates and
sizes are answered from the mailbox index.  The others need the messages: they are put off, each
standing for "perhaps", until it is clear which messages they decide about, and those are looked at
in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agentpost import clock
from agentpost.imap import masks
from agentpost.imap.columns import day_number, local_days
from agentpost.imap.masks import Mask
from agentpost.imap.states import Selected
from agentpost.imap.view import Chosen
from agentpost.imap.wire.searchkeys import (
    All,
    And,
    Clock,
    Dated,
    EmailIdIs,
    HasFlag,
    HasKeyword,
    InAddresses,
    InBody,
    InHeader,
    InSubject,
    InText,
    IsRecent,
    Larger,
    ModSeqAtLeast,
    Not,
    Numbers,
    Or,
    SaveDateSupported,
    SearchKey,
    Smaller,
    ThreadIdIs,
    Uids,
    When,
    Within,
)
from agentpost.imap.wire.sequence import SequenceSet
from agentpost.model.mailbox import Snapshot

ContentKey = InAddresses | InSubject | InHeader | InBody | InText | Dated | EmailIdIs | ThreadIdIs
"""Keys that the mailbox index cannot answer; of the dates only those of the Date field."""


def needs_content(key: SearchKey) -> bool:
    """Whether ``key`` is a :data:`ContentKey`."""
    if isinstance(key, Dated):
        return key.clock is Clock.SENT
    return isinstance(
        key, InAddresses | InSubject | InHeader | InBody | InText | EmailIdIs | ThreadIdIs
    )


def content_keys(key: SearchKey) -> list[SearchKey]:
    """The keys in and below ``key`` that need the messages, each once."""
    found: dict[SearchKey, None] = {}
    waiting = [key]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Not):
            waiting.append(one.key)
        elif isinstance(one, And | Or):
            waiting.extend(one.keys)
        elif needs_content(one):
            found[one] = None
    return list(found)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known of a key: rows that it finds for sure, and rows that it may find."""

    sure: Mask
    maybe: Mask

    @property
    def undecided(self) -> Mask:
        """Rows that must be looked at."""
        return self.maybe & ~self.sure


class Search:
    """One search over the messages that the client knows and that are still there."""

    def __init__(self, state: Selected) -> None:
        self._state = state
        self.snapshot: Snapshot = state.view.snapshot
        self.rows = len(self.snapshot.uids)
        self._all = masks.everyone(self.rows)
        self._days: dict[Clock, list[int]] = {}

    @property
    def everyone(self) -> Mask:
        """Every message."""
        return self._all

    def bounds(self, key: SearchKey, found: Mapping[SearchKey, Mask] | None = None) -> Bounds:
        """What the index says of ``key``, given the rows ``found`` for keys that need content."""
        if isinstance(key, Not):
            inner = self.bounds(key.key, found)
            return Bounds(self._all & ~inner.maybe, self._all & ~inner.sure)
        if isinstance(key, And | Or):
            return self._joined(key, found)
        if needs_content(key):
            mask = None if found is None else found.get(key)
            return Bounds(masks.NONE, self._all) if mask is None else Bounds(mask, mask)
        mask = self._indexed(key)
        return Bounds(mask, mask)

    def _joined(self, key: And | Or, found: Mapping[SearchKey, Mask] | None) -> Bounds:
        conjunction = isinstance(key, And)
        sure = maybe = self._all if conjunction else masks.NONE
        for one in key.keys:
            inner = self.bounds(one, found)
            if conjunction:
                sure, maybe = sure & inner.sure, maybe & inner.maybe
                if not maybe:
                    break
            else:
                sure, maybe = sure | inner.sure, maybe | inner.maybe
        return Bounds(sure, maybe)

    # Keys that the index answers

    def _indexed(self, key: SearchKey) -> Mask:
        snapshot = self.snapshot
        match key:
            case All() | SaveDateSupported():
                return self._all
            case HasFlag(flag, present):
                return self._if(present, masks.where_bit(flag, snapshot.flags))
            case HasKeyword(keyword, present):
                return self._if(present, self._with_keyword(keyword))
            case IsRecent(present):
                return self._if(present, self._recent())
            case Numbers(numbers):
                return self._rows_of(self._numbered(numbers))
            case Uids(uids):
                return self._rows_of(self._by_uid(uids))
            case Larger(octets):
                return masks.where(octets.__lt__, snapshot.sizes)
            case Smaller(octets):
                return masks.where(octets.__gt__, snapshot.sizes)
            case Dated(which, when, day):
                return self._dated(which, when, day_number(day))
            case Within(seconds, younger):
                since = int(clock.now().timestamp()) - seconds
                return masks.where(since.__le__ if younger else since.__gt__, snapshot.dates)
            case ModSeqAtLeast(modseq):
                return masks.where(modseq.__le__, snapshot.modseqs)
            case _:
                raise AssertionError(key)

    def _if(self, present: bool, mask: Mask) -> Mask:
        return mask if present else self._all & ~mask

    def _with_keyword(self, keyword: str) -> Mask:
        wanted = _folded(keyword)
        kinds = {
            kind
            for kind, words in enumerate(self.snapshot.keyword_sets)
            if any(_folded(word) == wanted for word in words)
        }
        return masks.where(kinds.__contains__, self.snapshot.keywords) if kinds else masks.NONE

    def _recent(self) -> Mask:
        parts = SequenceSet(
            tuple((part.start, part.stop - 1) for part in self._state.view.recent if part)
        )
        return masks.of_ranges(parts.positions(self.snapshot.uids), self.rows)

    def _numbered(self, numbers: SequenceSet) -> Chosen:
        view = self._state.view
        if numbers.saved:
            return view.chosen_uids(self._state.saved)
        count = view.count
        # LENIENT_SEARCH_NUMBERS: numbers beyond the last message find nothing.
        clipped = tuple(
            (low, min(high, count)) for low, high in numbers.resolve(count) if low <= count
        )
        found = view.by_number(SequenceSet(clipped))
        assert found is not None
        return found

    def _by_uid(self, uids: SequenceSet) -> Chosen:
        view = self._state.view
        return view.chosen_uids(self._state.saved) if uids.saved else view.by_uid(uids)

    def _rows_of(self, found: Chosen) -> Mask:
        rows = found.rows
        if isinstance(rows, range):
            return masks.of_ranges([rows], self.rows)
        return masks.of_rows(rows, self.rows)

    def _dated(self, which: Clock, when: When, day: int) -> Mask:
        days = self._days.get(which)
        if days is None:
            if which is Clock.SAVED:
                days = local_days(self.snapshot.saved, [0] * self.rows)
            else:
                days = local_days(self.snapshot.dates, self.snapshot.zones)
            self._days[which] = days
        return masks.where(fits(when, day), days)

    # Answers

    def numbers_of(self, mask: Mask) -> Sequence[int]:
        """The sequence numbers of the rows, ascending."""
        return masks.select(self._state.view.all().numbers, mask)

    def uids_of(self, mask: Mask) -> Sequence[int]:
        """The uids of the rows, ascending."""
        return masks.select(self.snapshot.uids, mask)


def fits(when: When, day: int) -> Callable[[int], bool]:
    """Whether a message's day stands to ``day`` as ``when`` wants it."""
    match when:
        case When.BEFORE:
            return day.__gt__
        case When.ON:
            return day.__eq__
        case When.SINCE:
            return day.__le__


def _folded(word: str) -> bytes:
    return word.encode().lower()
