"""The client's idea of a mailbox (RFC 9051 section 7.5.1, RFC 7162 section 3.2.10, RFC 2180).

Knows which messages the client has been told of, in which order.  Sequence numbers exist nowhere
else.

A view shows one :class:`Snapshot` of the mailbox.  ``advance`` goes on to a later one and says what
the client has to be told, in an order that a client can follow literally: expunges first, then the
new size, ``\\Recent``, new keywords, and the flags that changed.  Commands that name messages by
sequence number may not tell expunges; then the messages that are gone stay in the view as ghosts,
keep their numbers and the last row they had, and are told at the next opportunity.

While there are no ghosts the view's uids are the snapshot's own array and cost nothing.  A snapshot
is compared with the one before it block by block, so that one arrival among a hundred thousand
messages costs microseconds, not a walk over all of them.  It relies on what the store promises: a
uid below the ``uidnext`` of an earlier snapshot never appears anew, and a message whose flags change
gets a new modseq.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from agentpost.errors import MailboxNotFound
from agentpost.imap.wire.sequence import SequenceSet, expand
from agentpost.model.mailbox import Snapshot

_BLOCK_ROWS = 2_048
_MAX_MODSEQ = 1 << 63


@dataclass(frozen=True, slots=True)
class Expunged:
    """Messages are gone: EXPUNGE for each of ``numbers`` in this order, or one VANISHED.

    The numbers descend, so that each is what it was before the first of them was told.  ``uids``
    ascend.
    """

    numbers: tuple[int, ...]
    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The mailbox has grown: EXISTS."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The number of messages with ``\\Recent`` has changed: RECENT, unless IMAP4rev2 is enabled."""

    count: int


@dataclass(frozen=True, slots=True)
class NewKeywords:
    """Keywords are used that the client has not heard of: FLAGS and PERMANENTFLAGS with all."""

    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """FETCH with FLAGS (and MODSEQ where enabled) for these messages; all parallel, ascending.

    ``rows`` are their places in the view's snapshot.
    """

    numbers: Sequence[int]
    uids: Sequence[int]
    rows: Sequence[int]


Untagged = Expunged | Exists | Recent | NewKeywords | FlagsChanged


@dataclass(frozen=True, slots=True)
class Chosen:
    """Messages that a command named: parallel and ascending.

    ``numbers`` are sequence numbers, ``rows`` places in the view's snapshot.  ``ghosts`` are the
    (number, uid) of messages that are gone but were named, because the client does not know yet.
    """

    numbers: Sequence[int]
    uids: Sequence[int]
    rows: Sequence[int]
    ghosts: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.uids)


@dataclass(frozen=True, slots=True)
class GhostRow:
    """Where a message that is gone was seen last."""

    snapshot: Snapshot
    row: int


class MailboxView:
    """One session's view of its selected mailbox; not shared between sessions."""

    __slots__ = ("_ghosts", "_keywords_told", "_recent", "_recent_told", "_shown", "_uids")

    def __init__(self, snapshot: Snapshot, recent: range = range(0)) -> None:
        """Show ``snapshot``, all of which the answer to SELECT tells.

        ``recent`` are the uids that this session, and no other, was given as ``\\Recent``.
        """
        self._shown = snapshot
        self._uids: Sequence[int] = snapshot.uids
        self._ghosts: dict[int, GhostRow] = {}
        self._keywords_told = len(snapshot.known_keywords)
        self._recent: list[range] = [recent] if recent else []
        self._recent_told = self.recent_count

    # What the client knows

    @property
    def snapshot(self) -> Snapshot:
        """What the view shows; the rows of ``Chosen`` and ``FlagsChanged`` are places in it."""
        return self._shown

    @property
    def count(self) -> int:
        """Messages the client counts, ghosts included."""
        return len(self._uids)

    @property
    def uids(self) -> Sequence[int]:
        """Their uids in the order of sequence numbers, which is ascending; not to be changed."""
        return self._uids

    @property
    def modseq(self) -> int:
        """The mod-sequence that the client has heard everything up to, ghosts apart."""
        return self._shown.modseq

    @property
    def ghosts(self) -> Collection[int]:
        """Uids that are gone while the client still counts them."""
        return self._ghosts.keys()

    @property
    def recent(self) -> Sequence[range]:
        """The uid ranges whose messages carry ``\\Recent`` in this session."""
        return self._recent

    @property
    def recent_count(self) -> int:
        """Messages of the view that carry ``\\Recent``."""
        uids = self._uids
        return sum(bisect_left(uids, part.stop) - bisect_left(uids, part.start)
                   for part in self._recent)  # fmt: skip

    def uid_of(self, number: int) -> int | None:
        """The uid of a sequence number, None when the client has no such message."""
        return self._uids[number - 1] if 0 < number <= len(self._uids) else None

    def number_of(self, uid: int) -> int | None:
        """The sequence number of a uid, None when the client has no such message."""
        at = bisect_left(self._uids, uid)
        return at + 1 if at < len(self._uids) and self._uids[at] == uid else None

    def ghost_row(self, uid: int) -> GhostRow:
        """The last row of a ghost, so that FETCH can still answer (RFC 2180 section 4.1.1).

        Raises: KeyError when ``uid`` is no ghost.
        """
        return self._ghosts[uid]

    # What a command names

    def by_number(self, numbers: SequenceSet) -> Chosen | None:
        """The messages of a set of sequence numbers; None when it names one beyond the last.

        ``*`` in an empty mailbox is beyond the last as well (RFC 9051 section 9, seq-number).
        """
        count = len(self._uids)
        if numbers.highest > count or (numbers.has_star and not count):
            return None
        places = [
            range(low - 1, min(high, count)) for low, high in numbers.resolve(count) if low <= count
        ]
        return self._chosen(places)

    def by_uid(self, uids: SequenceSet) -> Chosen:
        """The messages of a set of uids; uids that do not exist name nothing."""
        return self._chosen(uids.positions(self._uids))

    def all(self) -> Chosen:
        """Every message of the view."""
        return self._chosen([range(len(self._uids))])

    def chosen_uids(self, uids: Collection[int]) -> Chosen:
        """Those of ``uids``, ascending, that the client knows: the saved search result, say."""
        known = self._uids
        places = [
            at for uid in uids if (at := bisect_left(known, uid)) < len(known) and known[at] == uid
        ]
        return self._chosen([range(at, at + 1) for at in places])

    def _chosen(self, places: list[range]) -> Chosen:
        places = [part for part in places if part]
        if not self._ghosts:
            if len(places) == 1:
                only = places[0]
                numbers: Sequence[int] = range(only.start + 1, only.stop + 1)
                return Chosen(numbers, self._uids[only.start : only.stop], only)
            rows = expand(places)
            known = self._uids
            uids = array("I")
            for part in places:
                uids.extend(known[part.start : part.stop])
            return Chosen(array("I", [row + 1 for row in rows]), uids, rows)
        return self._chosen_among_ghosts(expand(places))

    def _chosen_among_ghosts(self, places: Sequence[int]) -> Chosen:
        numbers, uids, rows = array("I"), array("I"), array("I")
        gone: list[tuple[int, int]] = []
        present = self._shown.uids
        for at in places:
            uid = self._uids[at]
            if uid in self._ghosts:
                gone.append((at + 1, uid))
                continue
            numbers.append(at + 1)
            uids.append(uid)
            rows.append(bisect_left(present, uid))
        return Chosen(numbers, uids, rows, tuple(gone))

    # Going on

    def advance(
        self,
        snapshot: Snapshot,
        *,
        may_expunge: bool,
        recent: range = range(0),
        told: Collection[int] = (),
    ) -> tuple[Untagged, ...]:
        """Show ``snapshot``, the same or a later one, and return what to tell, in legal order.

        ``may_expunge`` is false while a command is answered that names messages by sequence number
        (FETCH, STORE, SEARCH) and while none is in progress.  ``recent`` are uids that this session
        is newly given as ``\\Recent``.  ``told`` are uids whose present flags the client has heard
        from the answer of its own command.

        An older snapshot than the one shown says nothing new and is passed over.

        Raises: MailboxNotFound when the mailbox was replaced (its UIDVALIDITY changed): the
        session has to leave the selected state.
        """
        before = self._shown
        if snapshot.uidvalidity != before.uidvalidity:
            raise MailboxNotFound("The selected mailbox was deleted and made anew.")
        if snapshot.modseq < before.modseq:
            snapshot = before
        if recent:
            self._recent.append(recent)
        events: list[Untagged] = []
        gone: list[int] = []
        if snapshot is not before:
            gone = _gone(before, snapshot)
        count = len(self._uids)
        self._show(snapshot, gone)
        # Expunges lower the count the client holds by themselves; only growth needs EXISTS.
        grown = len(self._uids) > count
        if may_expunge and self._ghosts:
            events.append(self._tell_ghosts())
        if grown:
            events.append(Exists(len(self._uids)))
        if self.recent_count != self._recent_told:
            self._recent_told = self.recent_count
            events.append(Recent(self._recent_told))
        if len(snapshot.known_keywords) != self._keywords_told:
            self._keywords_told = len(snapshot.known_keywords)
            events.append(NewKeywords(snapshot.known_keywords))
        if snapshot is not before:
            changed = self._changed(before, gone, told)
            if changed is not None:
                events.append(changed)
        return tuple(events)

    def _show(self, snapshot: Snapshot, gone: list[int]) -> None:
        """Take ``snapshot``; what is gone becomes a ghost for now."""
        before = self._shown
        for uid in gone:
            self._ghosts[uid] = GhostRow(before, bisect_left(before.uids, uid))
        if not self._ghosts:
            self._uids = snapshot.uids
        else:
            first_new = bisect_left(snapshot.uids, before.uidnext)
            arrived = snapshot.uids[first_new:]
            if arrived:
                self._uids = array("I", self._uids)
                self._uids.extend(arrived)
        self._shown = snapshot

    def _tell_ghosts(self) -> Expunged:
        uids = tuple(sorted(self._ghosts))
        known = self._uids
        numbers = tuple([bisect_left(known, uid) + 1 for uid in reversed(uids)])
        self._ghosts = {}
        self._uids = self._shown.uids
        return Expunged(numbers, uids)

    def _changed(
        self, before: Snapshot, gone: list[int], told: Collection[int]
    ) -> FlagsChanged | None:
        """The messages known before whose flags are newer than what the client has heard."""
        snapshot = self._shown
        if snapshot.modseq == before.modseq:
            return None
        rows = array("I", _changed_rows(before, snapshot, gone))
        uids = array("I", [snapshot.uids[row] for row in rows])
        if told:
            kept = [at for at, uid in enumerate(uids) if uid not in told]
            rows = array("I", [rows[at] for at in kept])
            uids = array("I", [uids[at] for at in kept])
        if not rows:
            return None
        if self._ghosts:
            numbers = array("I", [bisect_left(self._uids, uid) + 1 for uid in uids])
        else:
            numbers = array("I", [row + 1 for row in rows])
        return FlagsChanged(numbers, uids, rows)


def _gone(before: Snapshot, after: Snapshot) -> list[int]:
    """The uids of ``before`` that ``after`` lacks, ascending."""
    remaining = bisect_left(after.uids, before.uidnext)
    missing = len(before.uids) - remaining
    if not missing:
        return []
    if after.expunged_since <= before.modseq:
        first = bisect_right(after.expunged, (before.modseq, _MAX_MODSEQ))
        known = before.uids
        found = sorted(
            {
                uid
                for _, uid in after.expunged[first:]
                if (at := bisect_left(known, uid)) < len(known) and known[at] == uid
            }
        )
        if len(found) == missing:
            return found
    return sorted(set(before.uids).difference(after.uids))


def _changed_rows(before: Snapshot, after: Snapshot, gone: list[int]) -> Iterator[int]:
    """The rows of ``after`` whose message was in ``before`` with another modseq, ascending.

    Between two messages that are gone the rows of both stand in the same order, shifted; equal
    blocks are passed over as a whole.
    """
    old, new = before.modseqs, after.modseqs
    start = 0
    for shift, uid in enumerate([*gone, 0]):
        stop = bisect_left(before.uids, uid) if uid else len(before.uids)
        for block in range(start, stop, _BLOCK_ROWS):
            end = min(block + _BLOCK_ROWS, stop)
            if old[block:end] != new[block - shift : end - shift]:
                for row in range(block, end):
                    if old[row] != new[row - shift]:
                        yield row - shift
        start = stop + 1
