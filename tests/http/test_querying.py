"""The language of searches: what is read, what is refused and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import UnknownField
from agentpost.http.querying import parse, written
from agentpost.limits import SearchLimits
from agentpost.mime.matching import words_of
from agentpost.model.query import (
    All,
    Any,
    HasAttachment,
    InFolder,
    Is,
    Labelled,
    Not,
    Part,
    Query,
    Since,
    State,
    Term,
    Until,
    Words,
    folders,
    holds,
    terms,
)

DAY = datetime(2026, 3, 8, tzinfo=UTC)

READ: dict[str, Query] = {
    "invoice": Words("invoice"),
    '"invoice  1042"': Words("invoice  1042"),
    "two words": All((Words("two"), Words("words"))),
    "two AND words": All((Words("two"), Words("words"))),
    "-invoice": Not(Words("invoice")),
    "NOT invoice": Not(Words("invoice")),
    'well-known -"not this"': All((Words("well-known"), Not(Words("not this")))),
    "from:ada@example.org": Words("ada@example.org", Part.FROM),
    'To:"Ada Lovelace"': Words("Ada Lovelace", Part.TO),
    "cc:ada": Words("ada", Part.CC),
    "subject:hello": Words("hello", Part.SUBJECT),
    "label:Billing": Labelled("billing"),
    "in:trash": InFolder("Trash"),
    "in:SPAM": InFolder("Junk"),
    "in:inbox/work": InFolder("INBOX/work"),
    'in:"My folder"': InFolder("My folder"),
    "has:attachment": HasAttachment(),
    "is:unseen": Is(State.UNREAD),
    "is:flagged": Is(State.FLAGGED),
    "after:2026-03-08": Since(DAY),
    "before:2026-03-08T02:30:00.5+02:30": Until(DAY + timedelta(seconds=0.5)),
    "a OR b c": Any((Words("a"), All((Words("b"), Words("c"))))),
    "(a OR b) c": All((Any((Words("a"), Words("b"))), Words("c"))),
    "((a b)) c": All((Words("a"), Words("b"), Words("c"))),
    "-(a OR b)": Not(Any((Words("a"), Words("b")))),
    "or not and": All((Words("or"), Words("not"), Words("and"))),
    '"OR"': Words("OR"),
    r'"a \"b\" \\c"': Words('a "b" \\c'),
    "https://example.org/a:b": Words("https://example.org/a:b"),
    "12:30": Words("12:30"),
    'a"b c"d': All((Words("a"), Words("b c"), Words("d"))),
    "会议\u3000議": All((Words("会议"), Words("議"))),
}

REFUSED: dict[str, tuple[int | None, str]] = {
    "": (None, "must not be empty"),
    "  ": (None, "must not be empty"),
    "form:ada": (1, "there is no operator form:"),
    "invoice form:ada": (9, "there is no operator form:"),
    "from: ada": (6, "from: wants a word"),
    "from:": (6, "from: wants a word"),
    'from:"ada': (6, "quotation mark is not closed"),
    'a "b': (3, "quotation mark is not closed"),
    'a ""': (3, "nothing in this text"),
    "(a": (1, "not closed"),
    "a)": (2, "closes nothing"),
    "()": (2, "something to look for is missing"),
    "a OR": (5, "something to look for is missing"),
    "OR a": (1, "something to look for is missing"),
    "a AND": (6, "missing behind AND"),
    "AND a": (1, "AND stands between"),
    "a -": (4, "- wants something"),
    "- a": (2, "- wants something"),
    "a NOT": (6, "NOT wants something"),
    "is:big": (1, "is: does not know this"),
    "has:teeth": (1, "has: knows attachment"),
    "a after:yesterday": (3, "no date and no moment"),
    "after:2026-13-40": (1, "no date and no moment"),
    "after:0001-01-01T00:00:00+14:00": (1, "no date and no moment"),
    "before:2026-03-08T14:30:00": (1, "no date and no moment"),
    'label:" "': (1, "label: wants the name"),
    'in:""': (1, "in: wants the name"),
    "a\0b": (2, "no text holds this character"),
    "a" * 1001: (None, "at most 1000 characters"),
    " ".join("a" * 33): (65, "more than 32 things"),
    "-" * 9 + "a": (10, "deeper than 8"),
    "(" * 9 + "a" + ")" * 9: (10, "deeper than 8"),
}


@pytest.mark.parametrize("text", READ)
def test_what_is_written_is_read(text: str) -> None:
    assert parse(text) == READ[text]
    assert parse(written(READ[text])) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_mistakes_are_told_with_their_position(text: str) -> None:
    position, what = REFUSED[text]
    with pytest.raises(UnknownField) as refused:
        parse(text)
    (error,) = refused.value.errors
    assert error.path == "q"
    assert what in error.message
    assert (f"at character {position}:" in error.message) is (position is not None)


PIECES = st.sampled_from(
    ["a", "OR", "AND", "NOT", "-", "(", ")", '"', "\\", " ", "from:", "in:", "is:", "read", "after:",
     "2026-03-08", "T00:00:00Z", "x:", "label:", "ß", "\u2028", "\0", "9999-12-31T23:59:59-23:59"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except UnknownField:
        return
    assert parse(written(query), SearchLimits(10_000, 100, 100)) == query


def _joined(kind: type[All | Any], parts: list[Query]) -> Query:
    """Without groups of the same kind inside, as they are read."""
    return kind(
        tuple(inner for one in parts for inner in (one.of if type(one) is kind else (one,)))
    )


TEXTS = st.text().filter(lambda text: "\0" not in text and bool(words_of(text)))
MOMENTS = st.datetimes(timezones=st.just(UTC))
TERMS: st.SearchStrategy[Term] = st.one_of(
    st.builds(Words, TEXTS, st.sampled_from(Part)),
    st.builds(Labelled, TEXTS.map(lambda text: text.strip().lower()).filter(bool)),
    st.just(InFolder("Trash")),
    st.just(InFolder("Some (folder)")),
    st.just(HasAttachment()),
    st.builds(Is, st.sampled_from(State)),
    st.builds(Since, MOMENTS),
    st.builds(Until, MOMENTS),
)
QUERIES: st.SearchStrategy[Query] = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: _joined(All, parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: _joined(Any, parts)),
    ),
    max_leaves=6,
)
WIDE = SearchLimits(max_query_characters=1 << 20, max_query_terms=1 << 20, max_query_depth=200)


@given(QUERIES)
def test_what_is_written_of_a_query_is_the_query(query: Query) -> None:
    assert parse(written(query), WIDE) == query


@given(QUERIES, st.randoms())
def test_what_is_not_known_never_decides_wrongly(query: Query, random: object) -> None:
    truth = {term: bool(hash((term, id(random))) & 1) for term, _ in terms(query)}
    known = {term: value for term, value in truth.items() if hash((value, term)) & 1}
    said = holds(query, known.get)
    assert said in (None, holds(query, truth.__getitem__))


def test_only_folders_that_are_wanted_are_looked_into() -> None:
    assert folders(parse("in:trash OR -(in:spam -in:sent)")) == {"Trash", "Sent"}


def test_a_moment_is_the_same_in_every_zone() -> None:
    moment = datetime(2026, 3, 8, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    assert parse(f"after:{moment.isoformat()}") == Since(moment)
