"""The language of SPF records (RFC 7208 sections 4.6, 5 to 7)."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.spf_record import SpfSyntax, expand, is_record, parse, shortened

VALID = [
    b"v=spf1",
    b"v=spf1   ",
    b"V=SPF1 A MX -ALL",
    b"v=spf1 +a ?mx ~ptr -all",
    b"v=spf1 a:example.com/24//64 mx//96 a/0 mx/32",
    b"v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.1 ip6:2001:db8::/32 ip6:::1 ip6:::ffff:192.0.2.1",
    b"v=spf1 include:_spf.%{d} exists:%{ir}.%{l1r+-}._spf.%{d2} exists:%{d}",
    b"v=spf1 redirect=example.com exp=explain._spf.%{d}",
    b"v=spf1 foo=%{c}%{r}%{t} moo.cow-far_out=man:dog/cat bar=",
    b"v=spf1 a:example.com. a:xn--bcher-kva.xn--p1ai a:%{d}.x-y a:a%%b.c a:1.2.3.4a",
    b"v=spf1 exists:%{L000002R.-+,/_=}.example.com exists:%{i999}.example.com",
    b"v=spf1 a:%{d}%_ a:%-",
]
INVALID = [
    b"v=spf1 \xc3\xa4.example",
    b"v=spf1 all:foo",
    b"v=spf1 all/8",
    b"v=spf1 -",
    b"v=spf1 ++all",
    b"v=spf1 unknown",
    b"v=spf1 a:",
    b"v=spf1 a:foo",
    b"v=spf1 a:example.com:8080",
    b"v=spf1 a:example.123",
    b"v=spf1 a:example.-com a:x",
    b"v=spf1 a/33",
    b"v=spf1 a//129",
    b"v=spf1 a/01",
    b"v=spf1 a/",
    b"v=spf1 a//",
    b"v=spf1 mx/24/64",
    b"v=spf1 ip4",
    b"v=spf1 ip4:",
    b"v=spf1 ip4:192.0.2",
    b"v=spf1 ip4:192.0.2.256",
    b"v=spf1 ip4:192.0.2.01",
    b"v=spf1 ip4:192.0.2.1/",
    b"v=spf1 ip4:192.0.2.1/33",
    b"v=spf1 ip4:192.0.2.1/024",
    b"v=spf1 ip4:2001:db8::1",
    b"v=spf1 ip6:192.0.2.1",
    b"v=spf1 ip6:fe80::1%eth0",
    b"v=spf1 ip6:2001:db8::/129",
    b"v=spf1 include",
    b"v=spf1 include:",
    b"v=spf1 include:example.com/24",
    b"v=spf1 exists",
    b"v=spf1 ptr/24",
    b"v=spf1 redirect=",
    b"v=spf1 redirect=a.example redirect=b.example",
    b"v=spf1 exp=a.example exp=a.example",
    b"v=spf1 exp=",
    b"v=spf1 exists:%(ir).example.com",
    b"v=spf1 exists:%{x}.example.com",
    b"v=spf1 exists:%{d0}.example.com",
    b"v=spf1 exists:%{c}.example.com",
    b"v=spf1 exists:%{t}.example.com",
    b"v=spf1 exists:%.example.com",
    b"v=spf1 exists:100%",
    b"v=spf1 foo=%",
    b"v=spf1 a:foo} -all",
    b"v=spf1\ta",
    b"v=spf1 a\tb",
]


@pytest.mark.parametrize("record", VALID)
def test_a_record_that_the_grammar_allows_is_read(record: bytes) -> None:
    assert is_record(record)
    parse(record)


@pytest.mark.parametrize("record", INVALID)
def test_a_fault_anywhere_makes_all_of_it_worthless(record: bytes) -> None:
    with pytest.raises(SpfSyntax):
        parse(b"v=spf1 +all " + record.removeprefix(b"v=spf1").lstrip(b" "))


@pytest.mark.parametrize("record", [b"v=spf10 a", b"v=spf1a", b" v=spf1", b"spf2.0/mfrom a", b""])
def test_what_has_another_version_is_no_record(record: bytes) -> None:
    assert not is_record(record)


def test_a_redirect_does_not_count_beside_all() -> None:
    assert parse(b"v=spf1 redirect=a.example ?all").redirect is None
    assert parse(b"v=spf1 redirect=a.example").redirect is not None


MACROS = {
    "%{s}": "strong-bad@email.example.com",
    "%{o}": "email.example.com",
    "%{d}": "email.example.com",
    "%{d4}": "email.example.com",
    "%{d3}": "email.example.com",
    "%{d2}": "example.com",
    "%{d1}": "com",
    "%{dr}": "com.example.email",
    "%{d2r}": "example.email",
    "%{l}": "strong-bad",
    "%{l-}": "strong.bad",
    "%{lr}": "strong-bad",
    "%{lr-}": "bad.strong",
    "%{l1r-}": "strong",
    "%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com",
    "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}": "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
    "%{d2}.trusted-domains.example.net": "example.com.trusted-domains.example.net",
    "%{S}": "strong-bad%40email.example.com",
    "a%%b%_c%-d%{d1}": "a%b c%20dcom",
}


@pytest.mark.parametrize(("text", "meaning"), MACROS.items())
def test_macros_expand_as_the_standard_shows(text: str, meaning: str) -> None:
    """RFC 7208 section 7.4."""
    values = {
        "s": "strong-bad@email.example.com",
        "l": "strong-bad",
        "o": "email.example.com",
        "d": "email.example.com",
        "i": "192.0.2.3",
        "v": "in-addr",
        "h": "mx.example.org",
    }
    redirect = parse(b"v=spf1 redirect=" + (text + ".%{d}").encode()).redirect
    assert redirect is not None
    assert expand(redirect, values) == meaning + ".email.example.com"


@given(st.lists(st.text("abc", min_size=1, max_size=63), min_size=1, max_size=40))
def test_a_long_name_loses_labels_on_the_left_and_no_more_than_it_must(labels: list[str]) -> None:
    name = ".".join(labels)
    short = shortened(name, 253)
    assert len(short) <= 253
    assert name.endswith(short)
    if short != name:
        assert name[-len(short) - 1] == "."
        longer = name[: -len(short) - 1].rpartition(".")[2] + "." + short
        assert len(longer) > 253


@given(st.binary(max_size=200))
def test_any_octets_are_a_record_or_a_fault(octets: bytes) -> None:
    with contextlib.suppress(SpfSyntax):
        parse(b"v=spf1 " + octets)


@pytest.mark.parametrize(
    "piece", [b"%{d", b"a:" + b"/1", b"%", b"a.", b"a-", b"=", b"ip4:1.", b"/", b"{", b"%{d1r-}"]
)
def test_hostile_records_are_read_in_time_that_grows_with_their_length(piece: bytes) -> None:
    for prefix in (b"", b"a:", b"x="):
        record = b"v=spf1 " + prefix + piece * (16_384 // len(piece))
        begun = time.process_time()
        with contextlib.suppress(SpfSyntax):
            parse(record)
        assert time.process_time() - begun < 0.5
