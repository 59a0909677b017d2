"""What a mailbox may be called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import GrammarLimits
from agentpost.model.mailboxname import canonical, fault_of_name


def test_inbox_has_no_case_in_ascii_only() -> None:
    assert canonical("iNbOx") == "INBOX"
    assert canonical("inbox/Sub") == "INBOX/Sub"
    assert canonical("inboxes") == "inboxes"
    assert canonical("ıNBOX") == "ıNBOX"
    assert canonical("x/inbox") == "x/inbox"


@pytest.mark.parametrize(
    "name", ["INBOX", "a/b", "../../etc/passwd", "a&b", "日本語", "#news", "a%"]
)
def test_names_that_a_mailbox_can_have(name: str) -> None:
    assert fault_of_name(name, GrammarLimits()) is None


@pytest.mark.parametrize(
    "name",
    ["", "/", "a//b", "/a", "a/", "a\rb", "a\x00", "a\x85", "a\u2028", "\ud800", "x" * 1_025,
     "é" * 600, "/".join("a" * 40)],
)  # fmt: skip
def test_names_that_no_mailbox_has(name: str) -> None:
    assert fault_of_name(name, GrammarLimits()) is not None


@given(st.text(max_size=20))
def test_the_form_is_stable(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)
