"""LIST patterns."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire.listmatch import ListPattern, ancestors, join


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "a/b/c", True),
        ("%", "a", True),
        ("%", "a/b", False),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("%/c", "a/c", True),
        ("a*", "a", True),
        ("*c", "a/b/c", True),
        ("*%c", "a/b/c", True),
        ("", "", True),
        ("", "a", False),
        ("inbox", "INBOX", True),
        ("inBOX/%", "INBOX/Sub", True),
        ("inbox*", "inboxes", True),
        ("INBOX*", "inboxes", False),
        ("%nb%x", "INBOX", True),
        ("sent", "Sent", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert ListPattern(pattern).matches(name) is expected


@given(st.text("ab/%*", max_size=10), st.text("ab/", max_size=10))
def test_patterns_mean_what_the_rfc_says(pattern: str, name: str) -> None:
    oracle = "".join({"*": ".*", "%": "[^/]*"}.get(letter, letter) for letter in pattern)
    assert ListPattern(pattern).matches(name) == (re.fullmatch(oracle, name) is not None)


@pytest.mark.parametrize("pattern", ["%a" * 8 + "b", "*a" * 200 + "b", "%*" * 250, "%a*" * 150])
def test_matching_is_linear(pattern: str) -> None:
    compiled = ListPattern(pattern)
    started = time.process_time()
    assert compiled.matches("a" * 60) is (pattern[-1] == "%" or pattern == "%*" * 250)
    assert time.process_time() - started < 0.01


def test_levels_and_references() -> None:
    assert ancestors("a/b/c") == ["a", "a/b"]
    assert ancestors("a") == []
    assert join("Work/", "%") == "Work/%"
    assert repr(ListPattern("a%")) == "ListPattern('a%')"
    assert ListPattern("a%").text == "a%"
