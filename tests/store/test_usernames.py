"""User names (R52-R55), generated ones and shared addresses: properties."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.addresses import canonical, is_ours, split_tag
from agentpost.store.usernames import broken_rule, generated_username, shared_address

EDGE = "abcdefghijklmnopqrstuvwxyz0123456789"
NAMES = st.text(alphabet=EDGE + "-._", min_size=1, max_size=64)


def allowed(name: str) -> bool:
    """The rules of the documents, said another way."""
    return (
        1 <= len(name) <= 64
        and all(c in EDGE + "-._" for c in name)
        and name[0] in EDGE
        and name[-1] in EDGE
        and all(pair not in name for pair in ("..", "--"))
    )


@pytest.mark.proves("R52", "R53", "R54", "R55")
@given(NAMES | st.text(max_size=70))
def test_exactly_the_names_of_the_documents_are_allowed(name: str) -> None:
    assert (broken_rule(name) is None) == allowed(name)


@pytest.mark.proves("R55")
@pytest.mark.parametrize("name", ["a__b", "a.-b", "a_.-_b", "0", "a" * 64, "a-b.c_d"])
def test_what_the_rules_do_not_forbid_is_allowed(name: str) -> None:
    assert broken_rule(name) is None


@pytest.mark.proves("R50")
@given(NAMES.filter(allowed))
def test_a_shared_address_is_one_that_mail_can_be_sent_to(name: str) -> None:
    address = shared_address(name, "shared.test")
    local, _, domain = address.rpartition("@")
    assert domain == "shared.test"
    # RFC 5321 section 4.5.3.1.1 and the grammar of Dot-string in section 4.1.2.
    assert len(local) <= 64
    assert re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", local)
    assert re.fullmatch(r"-[a-z0-9]{6}", local[-7:])
    assert name.startswith(local[:-7])
    assert len(name) > 57 or local[:-7] == name
    assert is_ours(address)
    assert canonical(address) == address
    assert split_tag(address) == (address, None)


@pytest.mark.proves("R50")
def test_suffixes_differ() -> None:
    assert len({shared_address("support", "x.test") for _ in range(200)}) == 200


def test_generated_names_are_allowed_and_readable() -> None:
    for _ in range(200):
        name = generated_username()
        assert broken_rule(name) is None
        assert re.fullmatch(r"[a-z]+-[a-z]+", name)
