"""Clients that believe every response number messages exactly as the server does.

Several sessions look at one mailbox while mail arrives, is expunged and flagged.  Each client is
naive: it knows only the octets it is sent, and applies them literally.  Whatever happens in
whatever order, a sequence number means the same message on both sides, and a client that has just
heard everything knows the mailbox as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agentpost.imap.view import (
    Exists,
    Expunged,
    FlagsChanged,
    MailboxView,
    NewKeywords,
    Recent,
    Untagged,
)
from agentpost.imap.wire import response
from agentpost.imap.wire.sequence import of
from agentpost.model.mailbox import FLAG_NAMES, Snapshot
from tests.imap import snapshots

_LINE = re.compile(
    rb"\* (?:(?P<n>\d+) (?:(?P<word>EXPUNGE|EXISTS|RECENT)"
    rb"|FETCH \((?:UID (?P<uid>\d+) )?FLAGS \((?P<flags>[^)]*)\)(?: MODSEQ \((?P<modseq>\d+)\))?\))"
    rb"|VANISHED (?P<gone>[\d:,]+))\r\n"
)
_NAMES = {name.encode(): int(flag) for flag, name in FLAG_NAMES.items()}


def octets_of(events: Sequence[Untagged], view: MailboxView, *, vanished: bool, uid: bool) -> bytes:
    """The responses for ``events``, in their order, as ``view`` stands behind them."""
    lines: list[bytes] = []
    for event in events:
        match event:
            case Expunged(numbers, uids):
                lines.append(response.vanished(uids) if vanished else response.expunges(numbers))
            case Exists(count):
                lines.append(response.exists(count))
            case Recent(count):
                lines.append(response.recent(count))
            case NewKeywords(keywords):
                lines.append(response.flags(keywords))
            case FlagsChanged(numbers, uids, rows):
                snapshot = view.snapshot
                lines.append(
                    response.render_flags_lines(
                        numbers,
                        uids,
                        [snapshot.flags[row] for row in rows],
                        [snapshot.keywords[row] for row in rows],
                        snapshot.keyword_sets,
                        uid=uid,
                        modseqs=[snapshot.modseqs[row] for row in rows] if vanished else None,
                    )
                )
    return b"".join(lines)


@dataclass
class Slot:
    """What a client knows of one message."""

    uid: int | None = None
    flags: int | None = None


class NaiveClient:
    """Applies untagged responses one after the other, as the RFC words them."""

    def __init__(self, count: int) -> None:
        self.slots = [Slot() for _ in range(count)]
        self.recent = 0

    def hear(self, octets: bytes, *, expunges_allowed: bool) -> None:
        at = 0
        while at < len(octets):
            match = _LINE.match(octets, at)
            assert match, octets[at:]
            at = match.end()
            if match["gone"]:
                assert expunges_allowed
                self._vanish(match["gone"])
                continue
            number = int(match["n"])
            if match["word"] == b"EXPUNGE":
                assert expunges_allowed
                assert 1 <= number <= len(self.slots)
                del self.slots[number - 1]
            elif match["word"] == b"EXISTS":
                assert number >= len(self.slots), "EXISTS never shrinks a mailbox"
                self.slots += [Slot() for _ in range(number - len(self.slots))]
            elif match["word"] == b"RECENT":
                self.recent = number
            else:
                self._fetched(number, match)

    def _fetched(self, number: int, match: re.Match[bytes]) -> None:
        assert 1 <= number <= len(self.slots)
        slot = self.slots[number - 1]
        if match["uid"]:
            assert slot.uid in (None, int(match["uid"])), "a number never changes its message"
            slot.uid = int(match["uid"])
        slot.flags = sum(_NAMES.get(word, 0) for word in match["flags"].split())

    def _vanish(self, text: bytes) -> None:
        for item in text.split(b","):
            low, _, high = item.partition(b":")
            for uid in range(int(low), int(high or low) + 1):
                (known,) = [slot for slot in self.slots if slot.uid == uid]
                self.slots.remove(known)


class Session:
    """One server session and the client at its other end."""

    def __init__(self, view: MailboxView, *, vanished: bool) -> None:
        self.view = view
        self.vanished = vanished
        self.client = NaiveClient(view.count)
        self.learn()

    def learn(self) -> None:
        """The client asks for every uid it does not know: QRESYNC clients have to."""
        if self.vanished:
            self.fetch([n for n, slot in enumerate(self.client.slots, 1) if slot.uid is None])

    def go_on(self, state: Snapshot, *, may_expunge: bool, told: Collection[int] = ()) -> None:
        events = self.view.advance(state, may_expunge=may_expunge, told=told)
        said = octets_of(events, self.view, vanished=self.vanished, uid=self.vanished)
        self.client.hear(said, expunges_allowed=may_expunge)
        self.agree()

    def fetch(self, numbers: list[int]) -> list[int]:
        """FETCH (UID FLAGS) of what the client means by these numbers; the uids answered."""
        known = [self.client.slots[number - 1].uid for number in numbers]
        chosen = self.view.by_number(of(numbers))
        assert chosen is not None, "a number that the client holds is never out of range"
        rows = FlagsChanged(chosen.numbers, chosen.uids, chosen.rows)
        answer = octets_of([rows], self.view, vanished=False, uid=True)
        self.client.hear(answer, expunges_allowed=False)
        everything = {*zip(chosen.numbers, chosen.uids, strict=True), *chosen.ghosts}
        for number, uid in zip(numbers, known, strict=True):
            assert uid is None or (number, uid) in everything
        return list(chosen.uids)

    def agree(self) -> None:
        assert len(self.client.slots) == self.view.count
        for number, slot in enumerate(self.client.slots, 1):
            assert slot.uid is None or slot.uid == self.view.uid_of(number)

    def knows_all(self, state: Snapshot) -> None:
        """After NOOP nothing is left to tell."""
        assert list(self.view.uids) == list(state.uids)
        for slot, uid, flags in zip(self.client.slots, state.uids, state.flags, strict=True):
            assert slot.uid in (None, uid)
            assert slot.flags in (None, flags)


_where = st.lists(st.integers(0, 40), min_size=1, max_size=5)
_session = st.integers(0, 2)
_happenings = st.one_of(
    st.tuples(st.just("arrive"), st.integers(1, 3)),
    st.tuples(st.just("expunge"), _where),
    st.tuples(st.just("flag"), _where, st.integers(0, 31)),
    st.tuples(st.just("noop"), _session),
    st.tuples(st.just("fetch"), _session, _where),
    st.tuples(st.just("store"), _session, _where, st.integers(0, 31)),
    st.tuples(st.just("uid fetch"), _session),
)


def some(present: list[int], where: list[int]) -> list[int]:
    """Members of ``present`` picked by ``where``, ascending."""
    return sorted({present[at % len(present)] for at in where}) if present else []


def simulate(kind: type[MailboxView], size: int, happenings: list[tuple[Any, ...]]) -> None:
    """Play ``happenings`` with three sessions whose views are of ``kind``."""
    state = snapshots.mailbox(range(1, size + 1))
    sessions = [Session(kind(state), vanished=n == 2) for n in range(3)]
    for what, *arguments in happenings:
        if what == "arrive":
            state = snapshots.arrive(state, arguments[0])
        elif what == "expunge":
            gone = some(list(state.uids), arguments[0])
            state = snapshots.expunge(state, *gone) if gone else state
        elif what == "flag":
            state = snapshots.flag(state, *some(list(state.uids), arguments[0]), flags=arguments[1])
        else:
            state = command(sessions[arguments[0]], what, arguments[1:], state)
    for session in sessions:
        command(session, "noop", [], state)


def command(session: Session, what: str, arguments: list[Any], state: Snapshot) -> Snapshot:
    """One command of one client; returns the mailbox behind it."""
    if what == "noop":
        session.go_on(state, may_expunge=True)
        session.knows_all(state)
    elif what == "uid fetch":
        session.go_on(state, may_expunge=True)
        session.fetch(list(range(1, session.view.count + 1)))
    else:
        numbers = some(list(range(1, len(session.client.slots) + 1)), arguments[0])
        if what == "store":
            chosen = session.view.by_number(of(numbers))
            assert chosen is not None
            alive = sorted(set(chosen.uids) & set(state.uids))
            state = snapshots.flag(state, *alive, flags=arguments[1])
            session.go_on(state, may_expunge=False, told=alive)
            session.fetch(numbers)
        else:
            session.go_on(state, may_expunge=False)
            session.fetch(numbers)
    session.learn()
    return state


_games = st.lists(_happenings, max_size=25)
_sizes = st.integers(0, 8)


# A game has five steps on average (Hypothesis draws short lists): a million of them in all.
_GAMES_PLAYED = 200_000 if os.environ.get("AGENTPOST_TEST_PROFILE") == "soak" else 150


@given(_sizes, _games)
@settings(max_examples=_GAMES_PLAYED)
def test_client_and_server_number_messages_alike(size: int, game: list[tuple[Any, ...]]) -> None:
    simulate(MailboxView, size, game)


# The property itself is tested: each of these views has a fault that has been seen in servers.


class Impatient(MailboxView):
    """Tells expunges during FETCH."""

    __slots__ = ()

    def advance(self, snapshot: Snapshot, **how: Any) -> tuple[Untagged, ...]:
        return super().advance(snapshot, **{**how, "may_expunge": True})


class Unadjusted(MailboxView):
    """Forgets that every EXPUNGE moves the numbers behind it."""

    __slots__ = ()

    def advance(self, snapshot: Snapshot, **how: Any) -> tuple[Untagged, ...]:
        return tuple(
            Expunged(event.numbers[::-1], event.uids) if isinstance(event, Expunged) else event
            for event in super().advance(snapshot, **how)
        )


class SizeFirst(MailboxView):
    """Tells the new size before the expunges."""

    __slots__ = ()

    def advance(self, snapshot: Snapshot, **how: Any) -> tuple[Untagged, ...]:
        events = super().advance(snapshot, **how)
        return tuple(sorted(events, key=lambda event: not isinstance(event, Exists)))


class RowNumbers(MailboxView):
    """Numbers flag changes by the mailbox as it is, not as the client counts it."""

    __slots__ = ()

    def advance(self, snapshot: Snapshot, **how: Any) -> tuple[Untagged, ...]:
        return tuple(
            FlagsChanged([row + 1 for row in event.rows], event.uids, event.rows)
            if isinstance(event, FlagsChanged)
            else event
            for event in super().advance(snapshot, **how)
        )


class Deaf(MailboxView):
    """Loses the flag changes of commands that hold back expunges."""

    __slots__ = ()

    def advance(self, snapshot: Snapshot, **how: Any) -> tuple[Untagged, ...]:
        events = super().advance(snapshot, **how)
        if how["may_expunge"]:
            return events
        return tuple(event for event in events if not isinstance(event, FlagsChanged))


class Ghostless(MailboxView):
    """Takes what is gone out of the view although the client has not been told."""

    __slots__ = ()

    def advance(self, snapshot: Snapshot, **how: Any) -> tuple[Untagged, ...]:
        events = super().advance(snapshot, **how)
        if self._ghosts:
            self._tell_ghosts()
        return events


@pytest.mark.parametrize("kind", [Impatient, Unadjusted, SizeFirst, RowNumbers, Deaf, Ghostless])
def test_the_property_catches_a_planted_fault(kind: type[MailboxView]) -> None:
    @given(_sizes, _games)
    @settings(
        max_examples=500,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
    )
    def play(size: int, game: list[tuple[Any, ...]]) -> None:
        simulate(kind, size, game)

    with pytest.raises(AssertionError):
        play()
