"""Remembered pages: never older than the last change, never more than their room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentpost.http.pages import MAX_PAGE_OCTETS, MAX_PAGES, PageMemory
from agentpost.ids import InboxId

A, B = InboxId("inb_a"), InboxId("inb_b")


def keep(memory: PageMemory, inbox: InboxId, query: str, page: bytes) -> None:
    memory.put(inbox, query, page, memory.epoch)


def test_a_page_is_kept_until_its_inbox_changes() -> None:
    memory = PageMemory(keeps=True)
    keep(memory, A, "limit=2", b"1")
    keep(memory, A, "", b"2")
    keep(memory, B, "", b"3")
    assert (memory.get(A, "limit=2"), memory.get(A, ""), memory.get(B, "")) == (b"1", b"2", b"3")
    memory.forget(A)
    assert (memory.get(A, "limit=2"), memory.get(A, ""), memory.get(B, "")) == (None, None, b"3")
    memory.forget(None)
    assert memory.get(B, "") is None


def test_what_was_read_before_a_change_is_not_kept() -> None:
    memory = PageMemory(keeps=True)
    epoch = memory.epoch
    memory.forget(A)
    memory.put(A, "", b"old", epoch)
    assert memory.get(A, "") is None


def test_nothing_is_kept_where_others_write_too() -> None:
    memory = PageMemory(keeps=False)
    keep(memory, A, "", b"1")
    assert memory.get(A, "") is None


def test_the_least_asked_for_goes_first() -> None:
    memory = PageMemory(keeps=True, max_octets=10)
    keep(memory, A, "", b"12345")
    keep(memory, B, "", b"12345")
    assert memory.get(A, "") == b"12345"
    keep(memory, InboxId("inb_c"), "", b"12345")
    assert memory.get(B, "") is None
    assert memory.get(A, "") == b"12345"


def test_one_page_and_one_inbox_are_bounded() -> None:
    memory = PageMemory(keeps=True)
    keep(memory, A, "", b"x" * (MAX_PAGE_OCTETS + 1))
    assert memory.get(A, "") is None
    for number in range(MAX_PAGES + 1):
        keep(memory, A, str(number), b"1")
    kept = [number for number in range(MAX_PAGES + 1) if memory.get(A, str(number)) is not None]
    assert 0 < len(kept) <= MAX_PAGES
    assert kept[-1] == MAX_PAGES


_step = st.tuples(
    st.sampled_from(["put", "forget", "all"]),
    st.sampled_from([A, B, InboxId("inb_c")]),
    st.sampled_from(["", "x", "y"]),
    st.binary(max_size=8),
)


@given(st.lists(_step, max_size=40))
def test_what_is_remembered_is_what_was_put_last_and_fits(
    steps: list[tuple[str, InboxId, str, bytes]],
) -> None:
    memory = PageMemory(keeps=True, max_octets=20)
    truth: dict[tuple[InboxId, str], bytes] = {}
    for what, inbox, query, page in steps:
        if what == "put":
            keep(memory, inbox, query, page)
            truth[inbox, query] = page
        else:
            memory.forget(inbox if what == "forget" else None)
            truth = {
                key: value for key, value in truth.items() if what == "forget" and key[0] != inbox
            }
        held = {
            (i, q): memory.get(i, q)
            for i in (A, B, InboxId("inb_c"))
            for q in ("", "x", "y")
            if memory.get(i, q) is not None
        }
        assert held.items() <= truth.items()
        assert sum(len(page or b"") for page in held.values()) <= 20
