"""Cursors, list bodies, ETags."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import InvalidCursor, InvalidRequest, PreconditionFailed
from agentpost.http.conditional import check_match, etag, if_match, not_modified
from agentpost.http.decode import QueryDecoder
from agentpost.http.paging import Cursors, ListQuery, Moment
from agentpost.model.page import Page, PageRequest

cursors = Cursors(b"secret")


class Letters(ListQuery, frozen=True, forbid_unknown_fields=True):
    labels: list[str] = msgspec.field(default_factory=list)
    after: Moment | None = None


def ask(query: str) -> Letters:
    decoded: Letters = QueryDecoder(Letters).decode(query)
    return decoded


def test_a_list_goes_on_where_it_ended() -> None:
    page = Page(("a", "b"), ("2026-03-08", "msg_2"))
    body = cursors.body(page, str.upper, ask("labels=x"), "org_1", "/messages")
    assert (body.data, body.has_more) == (["A", "B"], True)
    query = ask(f"labels=x&cursor={body.next_cursor}&limit=50")
    assert cursors.page(query, "org_1", "/messages") == PageRequest(
        50, descending=True, position=("2026-03-08", "msg_2")
    )
    by_alias = ask(f"labels=x&page_token={body.next_cursor}")
    assert cursors.page(by_alias, "org_1", "/messages").position == ("2026-03-08", "msg_2")
    last = cursors.body(Page(("a",), None), str.upper, ask(""), "org_1")
    assert (last.next_cursor, last.has_more) == (None, False)
    assert msgspec.json.encode(last) == b'{"data":["A"],"next_cursor":null,"has_more":false}'


def test_defaults() -> None:
    assert cursors.page(ask("")) == PageRequest(20, descending=True, position=None)
    assert not cursors.page(ask("order=asc")).descending


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "order=up", "after=2026-03-08", "after=2026-03-08T14:30:00"]
)
def test_bad_parameters(query: str) -> None:
    with pytest.raises(InvalidRequest):
        ask(query)


def test_a_moment_has_a_zone() -> None:
    assert ask("after=2026-03-08T14:30:00.5%2B01:00") == ask("after=2026-03-08T13:30:00.500Z")


@pytest.mark.parametrize(
    ("query", "place", "secret"),
    [
        ("labels=y", "org_1", b"secret"),
        ("labels=x&order=asc", "org_1", b"secret"),
        ("labels=x&after=2026-03-08T14:30:00Z", "org_1", b"secret"),
        ("labels=x", "org_2", b"secret"),
        ("labels=x", "org_1", b"other"),
    ],
)
def test_a_cursor_fits_its_own_list_only(query: str, place: str, secret: bytes) -> None:
    sealed = cursors.body(Page((), ("1",)), str, ask("labels=x"), "org_1").next_cursor
    with pytest.raises(InvalidCursor):
        Cursors(secret).page(ask(f"{query}&cursor={sealed}"), place)


@given(st.text(max_size=100))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.open(text, b"digest")


@given(st.lists(st.text(max_size=30), max_size=4).map(tuple), st.data())
def test_a_cursor_opens_to_what_was_sealed_and_bends_nowhere(
    position: tuple[str, ...], data: st.DataObject
) -> None:
    sealed = cursors.seal(position, b"digest")
    assert cursors.open(sealed, b"digest") == position
    at = data.draw(st.integers(0, 20))
    other = "A" if sealed[at] != "A" else "B"
    with pytest.raises(InvalidCursor):
        cursors.open(sealed[:at] + other + sealed[at + 1 :], b"digest")


def test_if_match() -> None:
    assert if_match(None) is None
    assert if_match(" * ") is None
    assert if_match('"17"') == frozenset({"17"})
    assert if_match('"17", W/"18" ,"19"') == frozenset({"17", "19"})
    for bad in ("17", '"17', '"17" "18"', "", '"1",', '"' + "a" * 300 + '"'):
        with pytest.raises(InvalidRequest):
            if_match(bad)
    check_match(None, 5)
    check_match(frozenset({"5"}), 5)
    with pytest.raises(PreconditionFailed):
        check_match(frozenset({"4"}), 5)


def test_if_none_match() -> None:
    assert etag(17) == '"17"'
    assert not not_modified(None, 17)
    assert not_modified("*", 17)
    assert not_modified('W/"17"', 17)
    assert not not_modified('"18"', 17)
