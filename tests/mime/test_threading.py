"""Identification fields and base subjects."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import ThreadingLimits
from agentpost.mime.threading import (
    ancestors,
    base_subject,
    bounded_references,
    message_ids,
    normal_id,
    reply_references,
)


@pytest.mark.parametrize(
    ("field", "ids"),
    [
        ("<a@x> <b@y>", ("a@x", "b@y")),
        ("<a@x><b@y>", ("a@x", "b@y")),
        ("<a@x>, (comment) <b@y>;", ("a@x", "b@y")),
        ("<a@x> <a@x>", ("a@x",)),
        ("<very.long\r\n .id@x>", ("very.long.id@x",)),
        ("a@x", ("a@x",)),
        ("Your message of Monday from bob@example.org", ()),
        ("<>", ()),
        ("<a\x00@x>", ()),
        ("<Case@X>", ("Case@X",)),
        ("", ()),
        ("<no-at-sign>", ("no-at-sign",)),
    ],
)
def test_identifiers_are_found_in_broken_fields(field: str, ids: tuple[str, ...]) -> None:
    assert message_ids(field) == ids


def test_an_identifier_over_the_limit_is_none() -> None:
    assert normal_id("<" + "a" * 999 + ">") is None


def test_the_nearest_ancestor_comes_first() -> None:
    assert ancestors(["<parent@x>"], ["<root@x> <grand@x> <parent@x>"]) == (
        "parent@x",
        "grand@x",
        "root@x",
    )


def test_two_parents_in_in_reply_to_come_after_the_references() -> None:
    assert ancestors(["<p1@x> <p2@x>"], ["<root@x> <near@x>"]) == (
        "near@x",
        "root@x",
        "p1@x",
        "p2@x",
    )


def test_a_message_is_not_its_own_ancestor() -> None:
    assert ancestors(["<a@x>"], ["<me@x> <a@x>"], own="<me@x>") == ("a@x",)


def test_the_root_survives_the_bound() -> None:
    limits = ThreadingLimits(max_ids=3)
    field = " ".join(f"<{n}@x>" for n in range(10))
    assert message_ids(field, limits) == ("0@x", "8@x", "9@x")
    assert ancestors([], [field], limits=limits) == ("9@x", "8@x", "0@x")


@given(st.lists(st.text("abc<>@ \r\n", max_size=30), max_size=5))
def test_ancestors_are_bounded_and_distinct(values: list[str]) -> None:
    limits = ThreadingLimits(max_ids=4)
    found = ancestors(values, values, limits=limits)
    assert len(found) <= 4
    assert len(set(found)) == len(found)
    assert all(one and "<" not in one and " " not in one for one in found)


def test_references_of_a_reply_follow_rfc_5322() -> None:
    assert reply_references("m@x", ("p@x",), ("r@x", "p@x")) == ("r@x", "p@x", "m@x")
    assert reply_references("m@x", ("p@x",), ()) == ("p@x", "m@x")
    assert reply_references("m@x", ("p@x", "q@x"), ()) == ("m@x",)
    assert reply_references(None, (), ()) == ()


def test_written_references_stay_within_their_octets() -> None:
    limits = ThreadingLimits(max_references_octets=100)
    kept = bounded_references(tuple(f"{n:020d}@x" for n in range(50)), limits)
    assert kept[0].startswith("0000")
    assert kept[-1] == f"{49:020d}@x"
    assert sum(len(one) + 3 for one in kept) <= 100


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Re: hello", "hello"),
        ("RE[2]: Fwd: hello (fwd)", "hello"),
        ("[list] Re: [list] hello", "hello"),
        ("[a][b]", "[b]"),
        ("[fwd: re: [x] hi]", "hi"),
        ("  a \t b ", "a b"),
        ("re [x]: y", "y"),
        ("(fwd)", ""),
        ("[fwd: ]", ""),
        ("Regarding: x", "Regarding: x"),
        ("re: fw : fwd:x(FWD)", "x"),
        ("[unclosed re: x", "[unclosed re: x"),
        ("", ""),
    ],
)
def test_base_subjects_follow_rfc_5256(subject: str, base: str) -> None:
    assert base_subject(subject) == base


@given(st.text("re:fwd[]( )x", max_size=40))
def test_a_base_subject_is_its_own_base(subject: str) -> None:
    base = base_subject(subject)
    assert base_subject(base) == base


@pytest.mark.parametrize(
    "piece", ["[a]", "Re: ", "[fwd:", "[", "[a]re:", "re[a]", "(fwd)", "re ", "<", "<a@b>", "a@"]
)
def test_hostile_fields_take_linear_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    begin = time.process_time()
    base_subject(text)
    ancestors([text], [text])
    assert time.process_time() - begin < 3.0
