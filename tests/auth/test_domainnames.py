"""Domain names: what may be one, and one form for each."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentpost.auth.domainnames import NotADomain, a_labels, looked_up, parents, u_labels


@pytest.mark.parametrize(
    ("written", "kept", "shown"),
    [
        ("Acme.COM", "acme.com", "acme.com"),
        ("acme.com.", "acme.com", "acme.com"),
        ("bücher.example", "xn--bcher-kva.example", "bücher.example"),
        ("BÜCHER.example", "xn--bcher-kva.example", "bücher.example"),
        ("b\u0075\u0308cher.example", "xn--bcher-kva.example", "bücher.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example", "bücher.example"),
        ("faß.example", "xn--fa-hia.example", "faß.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト"),
        ("x.1.example", "x.1.example", "x.1.example"),
    ],
)
def test_a_name_has_one_form_for_dns_and_one_for_people(
    written: str, kept: str, shown: str
) -> None:
    assert a_labels(written) == kept
    assert u_labels(kept) == shown
    assert looked_up(written.removesuffix(".")) == kept


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "com", "localhost", "a..b", ".acme.com", "acme.com..", "-a.com", "a-.com",
        "a_b.com", "a b.com", "a\n.com", "a\0.com", "*.acme.com", "x@acme.com", "192.0.2.1",
        "a.0x7f", "[192.0.2.1]", "ab--c.com", "xn--a.com", "xn--abc-.com", "xn--bcher-kvA\u212a.com",
        "a" * 64 + ".com", "a." * 127 + "com", "\u0301a.com", "a\u200db.com", "\udc80.com",
        "☃.com", "ü" * 60 + ".com", "xn--" + "9" * 59 + ".com",
    ],
)  # fmt: skip
def test_what_cannot_be_a_domain_is_refused(text: str) -> None:
    with pytest.raises(NotADomain):
        a_labels(text)


@given(st.text(max_size=40).map(lambda text: text + ".example"))
@example("\u212a.example")
def test_a_taken_name_is_taken_again_in_either_form(text: str) -> None:
    try:
        kept = a_labels(text)
    except NotADomain:
        return
    assert kept.isascii()
    assert kept == kept.lower()
    assert a_labels(kept) == kept
    assert a_labels(u_labels(kept)) == kept


@given(st.text(max_size=30))
def test_looking_up_never_fails(text: str) -> None:
    looked_up(text)


def test_a_name_has_parents() -> None:
    assert parents("a.b.acme.com") == ("a.b.acme.com", "b.acme.com", "acme.com")
    assert parents("acme.com") == ("acme.com",)
    assert parents("com") == ("com",)
