"""Links: what was sealed opens, and nothing else does (R8)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.links import Link, LinkMethod, Links
from agentpost.errors import LinkExpired, LinkInvalid

LINKS = Links(bytes(32))
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
ANY_LINK = st.builds(
    Link,
    method=st.sampled_from(["GET", "PUT"]),
    kind=st.sampled_from(["raw", "attachment", "upload"]),
    expires=st.integers(1, 2**40),
    organization=NAMES,
    environment=NAMES,
    inbox=NAMES,
    subject=NAMES,
    part=NAMES,
    credential=NAMES,
    octets=st.integers(0, 2**40),
)
LINK = Link("GET", "raw", 1_000, "org_1", "env_1", "inb_1", "msg_1", "", "key_1")


@given(ANY_LINK)
def test_what_was_sealed_opens_until_it_ends(link: Link) -> None:
    token = LINKS.seal(link)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert LINKS.open(token, link.method, link.expires - 1) == link
    with pytest.raises(LinkExpired):
        LINKS.open(token, link.method, link.expires)


@given(ANY_LINK, st.data())
def test_a_link_that_was_changed_in_any_place_opens_nothing(
    link: Link, data: st.DataObject
) -> None:
    token = LINKS.seal(link)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCXYZabcxyz0189-_"))
    changed = token[:at] + other + token[at + 1 :]
    if changed == token:
        changed = token[:at]
    with pytest.raises(LinkInvalid):
        LINKS.open(changed, link.method, 0)


@given(st.text(max_size=60))
def test_text_that_is_no_link_opens_nothing(text: str) -> None:
    with pytest.raises(LinkInvalid):
        LINKS.open(text, "GET", 0)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_link_is_for_one_method(method: LinkMethod) -> None:
    other: LinkMethod = "PUT" if method == "GET" else "GET"
    token = LINKS.seal(Link(method, "raw", 1_000, "o", "e", "i", "m", "", "k"))
    with pytest.raises(LinkInvalid, match=method):
        LINKS.open(token, other, 0)


def test_another_deployment_s_links_open_nothing() -> None:
    with pytest.raises(LinkInvalid):
        LINKS.open(Links(b"\1" * 32).seal(LINK), "GET", 0)


def test_a_token_has_one_spelling() -> None:
    """Spare bits at the end of base64 must not make a second URL of the same link."""
    token = LINKS.seal(LINK)
    accepted = []
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        try:
            LINKS.open(token[:-1] + last, "GET", 0)
        except LinkInvalid:
            continue
        accepted.append(last)
    assert accepted == [token[-1]]
    with pytest.raises(LinkInvalid):
        LINKS.open(token + "==", "GET", 0)


def test_an_endless_token_is_refused_unread() -> None:
    with pytest.raises(LinkInvalid):
        LINKS.open("A" * 100_000, "GET", 0)
