"""The one form of an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.addresses import canonical, is_ours, lowered, split_tag


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Support-A1b2C3@Shared.Example", "support-a1b2c3@shared.example"),
        ('"support"@shared.test', "support@shared.test"),
        ('"Sup.Port+Tag"@shared.test', "sup.port+tag@shared.test"),
        ('"a b"@shared.test', '"a b"@shared.test'),
        ('"a@b"@shared.test', '"a@b"@shared.test'),
        ("support+Tag@shared.test", "support+tag@shared.test"),
    ],
)
def test_an_address_has_one_form(written: str, meant: str) -> None:
    assert canonical(written) == meant


@pytest.mark.parametrize(
    "foreign", ["\u212aelvin@shared.test", "\u0131nbox@shared.test", "\uff21@shared.test"]
)
def test_letters_that_only_look_like_ours_stay_others(foreign: str) -> None:
    assert canonical(foreign) == foreign
    assert not is_ours(canonical(foreign))


@given(st.text())
def test_the_form_is_stable_and_folds_ascii_only(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)
    assert lowered(text) == "".join(c.lower() if "A" <= c <= "Z" else c for c in text)


@pytest.mark.parametrize(
    ("address", "base", "tag"),
    [
        ("user+Ticket42@shared.test", "user@shared.test", "Ticket42"),
        ("User+a+b@Shared.Test", "user@shared.test", "a+b"),
        ("user+@shared.test", "user@shared.test", ""),
        ("user@shared.test", "user@shared.test", None),
        ("+tag@shared.test", "+tag@shared.test", None),
        ("user@a+b.test", "user@a+b.test", None),
        ('"user+tag"@shared.test', "user@shared.test", "tag"),
    ],
)
def test_a_tag_is_split_off(address: str, base: str, tag: str | None) -> None:
    assert split_tag(address) == (base, tag)


@given(st.text(max_size=60))
def test_splitting_never_fails_and_adds_nothing(text: str) -> None:
    base, tag = split_tag(text)
    assert tag is None or canonical(text).startswith(base.rpartition("@")[0])


@pytest.mark.parametrize("text", ["", "@", "a@", "@b.c", "a b@c.d", "a@b\0.c", "a+b@c.d", "A@c.d"])
def test_what_no_inbox_can_be_called_is_not_asked_for(text: str) -> None:
    assert not is_ours(text)
