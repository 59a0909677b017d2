"""PLAIN (RFC 4616) and LOGIN: what is understood and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.sasl import MAX_OCTETS, Login, answer, plain
from agentpost.errors import AuthenticationFailed, InvalidRequest

SAFE = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60
)


@given(SAFE, SAFE, st.booleans())
def test_every_message_of_the_grammar_is_understood(user: str, password: str, named: bool) -> None:
    message = b"\0".join([user.encode() if named else b"", user.encode(), password.encode()])
    assert plain(message) == Login(user, password)
    assert answer(user.encode()) == user


@given(st.binary(max_size=200))
def test_any_octets_are_understood_or_refused(octets: bytes) -> None:
    try:
        found = plain(octets)
    except (InvalidRequest, AuthenticationFailed):
        return
    assert octets.endswith(b"\0".join([b"", found.username.encode(), found.password.encode()]))


def test_255_octets_are_accepted() -> None:
    # RFC 4616 section 2: authzid, authcid and passwd up to and including 255 octets.
    user = "\u00e9" * 127 + "x"
    assert plain(b"\0".join([user.encode()] * 2 + [b"p" * 255])).username == user


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"user",
        b"user\0password",
        b"\0user\0pass\0word",
        b"\0\0password",
        b"\0user\0",
        b"\0us\xc3\0password",
        b"\0user\0\xed\xa0\x80",
        b"\0user\0\xc0\x80",
        b"\0" + b"u" * (MAX_OCTETS + 1) + b"\0p",
        b"\0" * 100_000,
    ],
)
def test_what_is_not_of_the_form_is_refused(message: bytes) -> None:
    with pytest.raises(InvalidRequest):
        plain(message)


def test_nobody_acts_for_another() -> None:
    with pytest.raises(AuthenticationFailed):
        plain(b"Ursel\0Kurt\0xipj3plmq")


@pytest.mark.parametrize("octets", [b"", b"a\0b", b"\xff", b"x" * (MAX_OCTETS + 1)])
def test_login_refuses_the_same(octets: bytes) -> None:
    with pytest.raises(InvalidRequest):
        answer(octets)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Login("user", "hunter2"))
