"""A search over the index finds what looking at each message alone finds."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agentpost.ids import EnvironmentId, InboxId, OrganizationId
from agentpost.imap.searching import Search
from agentpost.imap.states import Authenticated, Selected
from agentpost.imap.view import MailboxView
from agentpost.imap.wire.searchkeys import (
    All,
    And,
    Clock,
    Dated,
    HasFlag,
    HasKeyword,
    InSubject,
    InText,
    IsRecent,
    Larger,
    ModSeqAtLeast,
    Not,
    Numbers,
    Or,
    SearchKey,
    Smaller,
    Uids,
    When,
)
from agentpost.imap.wire.sequence import parse
from agentpost.model.actor import Scope, system_actor
from agentpost.model.mailbox import Flag, Mailbox, Snapshot
from tests.imap.snapshots import mailbox

_DAY = date(2024, 2, 28)
_WHERE = Scope(OrganizationId("org_x"), EnvironmentId("env_x"), InboxId("inb_x"))
_SETS = ((), ("Work",), ("work-not", "$Junk"))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    uids = sorted(draw(st.sets(st.integers(1, 40), max_size=12)))
    rows = len(uids)

    def column(kind: str, values: st.SearchStrategy[int]) -> array[int]:
        return array(kind, draw(st.lists(values, min_size=rows, max_size=rows)))

    return replace(
        mailbox(uids),
        flags=column("H", st.integers(0, 31)),
        keywords=column("I", st.integers(0, 2)),
        modseqs=column("Q", st.integers(1, 9)),
        sizes=column("I", st.integers(0, 9)),
        dates=column("q", st.integers(1709078400, 1709424000)),
        zones=column("h", st.integers(-720, 840)),
        saved=column("q", st.integers(1709078400, 1709424000)),
        keyword_sets=_SETS,
    )


_sets = st.sampled_from([b"1", b"*", b"2:4", b"5:*", b"1:*", b"40", b"3,1,9:7"]).map(parse)
_leaves: st.SearchStrategy[SearchKey] = st.one_of(
    st.just(All()),
    st.builds(HasFlag, st.sampled_from(list(Flag)), st.booleans()),
    st.builds(HasKeyword, st.sampled_from(["WORK", "$junk", "none"]), st.booleans()),
    st.builds(IsRecent, st.booleans()),
    st.builds(Larger, st.integers(0, 9)),
    st.builds(Smaller, st.integers(0, 9)),
    st.builds(ModSeqAtLeast, st.integers(0, 10)),
    st.builds(
        Dated,
        st.sampled_from([Clock.INTERNAL, Clock.SAVED]),
        st.sampled_from(list(When)),
        st.integers(0, 4).map(lambda days: _DAY + timedelta(days=days)),
    ),
    st.builds(Numbers, _sets),
    st.builds(Uids, _sets),
    st.sampled_from([InText("a"), InSubject("b")]),
)
_keys: st.SearchStrategy[SearchKey] = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda keys: And(tuple(keys)), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda keys: Or(tuple(keys)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


def holds(state: Snapshot, recent: range, row: int, key: SearchKey) -> bool:
    """Whether one message answers ``key``; texts are found where the uid is even."""
    uid = state.uids[row]
    match key:
        case Not(inner):
            return not holds(state, recent, row, inner)
        case And(keys):
            return all(holds(state, recent, row, one) for one in keys)
        case Or(keys):
            return any(holds(state, recent, row, one) for one in keys)
        case HasFlag(flag, present):
            return bool(state.flags[row] & flag) is present
        case HasKeyword(word, present):
            words = [name.lower() for name in _SETS[state.keywords[row]]]
            return (word.lower() in words) is present
        case IsRecent(present):
            return (uid in recent) is present
        case Larger(octets):
            return state.sizes[row] > octets
        case Smaller(octets):
            return state.sizes[row] < octets
        case ModSeqAtLeast(modseq):
            return state.modseqs[row] >= modseq
        case Dated(clock, when, day):
            moment = (
                state.saved[row]
                if clock is Clock.SAVED
                else (state.dates[row] + 60 * state.zones[row])
            )
            shown = date(1970, 1, 1) + timedelta(days=moment // 86_400)
            return {When.BEFORE: shown < day, When.ON: shown == day, When.SINCE: shown >= day}[when]
        case Numbers(numbers):
            return numbers.contains(row + 1, len(state.uids))
        case Uids(uids):
            return uids.contains(uid, state.uids[-1])
        case InText() | InSubject():
            return uid % 2 == 0
    return True


@given(snapshots(), _keys, st.integers(1, 40), st.integers(0, 20))
def test_masks_and_messages_agree(
    snapshot: Snapshot, key: SearchKey, first: int, span: int
) -> None:
    recent = range(first, first + span)
    state = _selected(snapshot, recent)
    search = Search(state)
    even = sum(1 << 8 * row for row, uid in enumerate(snapshot.uids) if uid % 2 == 0)
    bounds = search.bounds(key)
    final = search.bounds(key, {InText("a"): even, InSubject("b"): even})
    rows = [row for row in range(search.rows) if holds(snapshot, recent, row, key)]
    assert final.sure == final.maybe
    assert list(search.uids_of(final.sure)) == [snapshot.uids[row] for row in rows]
    assert list(search.numbers_of(final.sure)) == [row + 1 for row in rows]
    # What is decided without the texts stays decided with them.
    assert bounds.sure & ~final.sure == 0
    assert final.sure & ~bounds.maybe == 0


def _selected(snapshot: Snapshot, recent: range) -> Selected:
    box = Mailbox(
        snapshot.mailbox, _WHERE.organization, InboxId("inb_x"), "INBOX", "inbox", 1, True, True
    )
    view = MailboxView(snapshot, recent)
    known = Authenticated(actor=system_actor(), where=_WHERE)
    return known.select(box, view, read_only=False)
