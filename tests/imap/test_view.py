"""The client's view of a mailbox: numbers, ghosts and the order in which changes are told."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from agentpost.errors import MailboxNotFound
from agentpost.imap.view import (
    Exists,
    Expunged,
    FlagsChanged,
    MailboxView,
    NewKeywords,
    Recent,
)
from agentpost.imap.wire.sequence import SAVED, SequenceSet, parse
from tests.imap.snapshots import arrive, expunge, flag, mailbox


def the_set(text: bytes) -> SequenceSet:
    found = parse(text)
    assert found is not None
    return found


def flags_of(event: object) -> tuple[list[int], list[int], list[int]]:
    assert isinstance(event, FlagsChanged)
    return list(event.numbers), list(event.uids), list(event.rows)


def test_a_view_shares_the_snapshot() -> None:
    state = mailbox([3, 5, 9])
    view = MailboxView(state)
    assert view.uids is state.uids
    assert (view.count, view.modseq, view.snapshot) == (3, 1, state)
    assert [view.uid_of(number) for number in (0, 1, 3, 4)] == [None, 3, 9, None]
    assert [view.number_of(uid) for uid in (3, 4, 9, 10)] == [1, None, 3, None]


def test_nothing_new_says_nothing() -> None:
    state = mailbox([1])
    view = MailboxView(state)
    assert view.advance(state, may_expunge=True) == ()
    assert view.advance(replace(state, uidnext=9), may_expunge=True) == ()


def test_changes_are_told_in_the_order_of_the_rfc() -> None:
    state = mailbox([1, 2, 3, 4, 5])
    view = MailboxView(state)
    after = replace(
        flag(arrive(expunge(state, 2, 4), 2), 5), known_keywords=("x",)
    )  # fmt: skip
    events = view.advance(after, may_expunge=True, recent=range(6, 8))
    assert events[:4] == (
        Expunged((4, 2), (2, 4)),
        Exists(5),
        Recent(2),
        NewKeywords(("x",)),
    )
    assert flags_of(events[4]) == ([3], [5], [2])
    assert view.uids is after.uids
    assert view.advance(after, may_expunge=True) == ()


def test_an_expunge_alone_needs_no_exists() -> None:
    state = mailbox([1, 2])
    view = MailboxView(state)
    assert view.advance(expunge(state, 1), may_expunge=True) == (Expunged((1,), (1,)),)


def test_expunges_wait_for_a_command_that_may_tell_them() -> None:
    state = mailbox([1, 2, 3])
    view = MailboxView(state)
    after = expunge(state, 1)
    assert view.advance(after, may_expunge=False) == ()
    assert view.count == 3
    assert list(view.ghosts) == [1]
    assert view.ghost_row(1).snapshot is state
    later = flag(arrive(after), 3)
    events = view.advance(later, may_expunge=False)
    assert events[0] == Exists(4)
    assert flags_of(events[1]) == ([3], [3], [1])
    assert list(view.uids) == [1, 2, 3, 4]
    last = expunge(later, 3)
    assert view.advance(last, may_expunge=True) == (Expunged((3, 1), (1, 3)),)
    assert view.uids is last.uids
    assert not view.ghosts


def test_ghosts_are_named_by_commands() -> None:
    state = mailbox([10, 20, 30, 40])
    view = MailboxView(state)
    view.advance(expunge(state, 20), may_expunge=False)
    chosen = view.by_number(the_set(b"1:3"))
    assert chosen is not None
    assert (list(chosen.numbers), list(chosen.uids), list(chosen.rows)) == (
        [1, 3],
        [10, 30],
        [0, 1],
    )
    assert chosen.ghosts == ((2, 20),)
    by_uid = view.by_uid(the_set(b"20,40"))
    assert (list(by_uid.numbers), by_uid.ghosts) == ([4], ((2, 20),))


def test_what_sets_name() -> None:
    view = MailboxView(mailbox([10, 20, 30]))

    def numbers(text: bytes) -> list[int] | None:
        chosen = view.by_number(the_set(text))
        return None if chosen is None else list(chosen.numbers)

    assert numbers(b"1:*") == [1, 2, 3]
    assert numbers(b"3,1") == [1, 3]
    assert numbers(b"*") == [3]
    assert numbers(b"9:*") == [3]
    assert numbers(b"4") is None
    assert numbers(b"1:4") is None
    chosen = view.by_uid(the_set(b"15:35,99"))
    assert list(chosen.uids) == [20, 30]
    assert list(view.by_uid(the_set(b"999:*")).uids) == [30]
    assert len(view.by_uid(SAVED)) == 0
    assert list(view.all().numbers) == [1, 2, 3]
    assert list(view.chosen_uids([10, 11, 30]).numbers) == [1, 3]


def test_star_names_nothing_in_an_empty_mailbox() -> None:
    view = MailboxView(mailbox([]))
    assert view.by_number(the_set(b"1:*")) is None
    assert len(view.by_uid(the_set(b"1:*"))) == 0
    assert len(view.all()) == 0


def test_a_message_that_came_and_went_is_never_told() -> None:
    state = mailbox([1])
    view = MailboxView(state)
    assert view.advance(expunge(arrive(state), 2), may_expunge=True) == ()


def test_what_the_client_heard_from_its_own_command_is_not_repeated() -> None:
    state = mailbox([1, 2, 3])
    view = MailboxView(state)
    after = flag(state, 1, 2)
    events = view.advance(after, may_expunge=False, told={1})
    assert [flags_of(event) for event in events] == [([2], [2], [1])]
    assert view.advance(flag(after, 1), may_expunge=False, told={1}) == ()


def test_a_recent_message_counts_until_it_is_gone() -> None:
    state = mailbox([1, 2, 3])
    view = MailboxView(state, recent=range(2, 4))
    assert view.recent_count == 2
    assert list(view.recent) == [range(2, 4)]
    events = view.advance(expunge(state, 2), may_expunge=False)
    assert events == ()
    assert view.advance(view.snapshot, may_expunge=True) == (Expunged((2,), (2,)), Recent(1))


def test_expunges_beyond_what_the_snapshot_remembers_are_found() -> None:
    state = mailbox(range(1, 11))
    view = MailboxView(state)
    after = replace(expunge(state, 2, 9), expunged=(), expunged_since=5)
    assert view.advance(after, may_expunge=True) == (Expunged((9, 2), (2, 9)),)


def test_an_incomplete_memory_of_expunges_is_not_believed() -> None:
    state = mailbox(range(1, 11))
    view = MailboxView(state)
    after = expunge(state, 2, 9)
    after = replace(after, expunged=after.expunged[:1])
    assert view.advance(after, may_expunge=True) == (Expunged((9, 2), (2, 9)),)


def test_an_older_snapshot_is_passed_over() -> None:
    state = mailbox([1, 2])
    view = MailboxView(arrive(state))
    assert view.advance(state, may_expunge=True) == ()
    assert view.count == 3


def test_a_mailbox_made_anew_ends_the_view() -> None:
    state = mailbox([1])
    with pytest.raises(MailboxNotFound):
        MailboxView(state).advance(replace(state, uidvalidity=2), may_expunge=True)


def test_changes_are_found_between_many_expunges() -> None:
    state = mailbox(range(1, 10_001))
    view = MailboxView(state)
    gone = list(range(3, 9_000, 7))
    after = flag(expunge(state, *gone), 1, 4, 5_000, 9_999)
    events = view.advance(after, may_expunge=True)
    assert isinstance(events[0], Expunged)
    assert list(events[0].uids) == gone
    _, uids, rows = flags_of(events[1])
    assert uids == [1, 4, 5_000, 9_999]
    assert [after.uids[row] for row in rows] == uids


@pytest.mark.parametrize("change", ["arrive", "flag", "expunge"])
def test_one_change_among_a_hundred_thousand_costs_little(change: str) -> None:
    state = mailbox(range(1, 100_001))
    after = {
        "arrive": arrive(state),
        "flag": flag(state, 50_000),
        "expunge": expunge(state, 50_000),
    }[change]
    best = 1.0
    for _ in range(5):
        view = MailboxView(state)
        started = time.process_time()
        assert len(view.advance(after, may_expunge=True)) == 1
        best = min(best, time.process_time() - started)
    assert best < 0.005
