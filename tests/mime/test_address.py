"""Address lists, and the one address an identity depends on."""

from __future__ import annotations

import time
from email.utils import getaddresses
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import AddressSyntax
from agentpost.limits import MimeLimits
from agentpost.mime.address import (
    GROUP_END,
    Mailbox,
    parse_addresses,
    parse_mailboxes,
    parse_one_address,
)
from agentpost.model.message import Address


def box(name: bytes | None, local: bytes, domain: bytes, route: bytes | None = None) -> Mailbox:
    return Mailbox(name, local, domain, route)


def group(name: bytes) -> Mailbox:
    return Mailbox(None, name, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.c", [box(None, b"a", b"b.c")]),
        (b" a@b , c@d ", [box(None, b"a", b"b"), box(None, b"c", b"d")]),
        (b"Jo Doe <jo@x.y>", [box(b"Jo Doe", b"jo", b"x.y")]),
        (b"J.  R.\t Doe <jo@x.y>", [box(b"J. R. Doe", b"jo", b"x.y")]),
        (b'"Doe, Jo" <jo@x.y>,', [box(b"Doe, Jo", b"jo", b"x.y")]),
        (b'"a \\"b\\" \\\\" <jo@x.y>', [box(b'a "b" \\', b"jo", b"x.y")]),
        (b"jo@x.y (Jo (J) Doe)", [box(b"Jo (J) Doe", b"jo", b"x.y")]),
        (b"(no name) jo@x.y", [box(None, b"jo", b"x.y")]),
        (b"(no name) jo@x.y (Jo)", [box(b"Jo", b"jo", b"x.y")]),
        (b"(c) Jo (d) <(e)jo(f)@(g)x.y(h)> (i)", [box(b"Jo", b"jo", b"x.y")]),
        (b'"john doe"@x.y', [box(None, b"john doe", b"x.y")]),
        (b"jo . doe @ x . y", [box(None, b"jo.doe", b"x.y")]),
        (b"<@r.a,@r.b:jo@x.y>", [box(None, b"jo", b"x.y", b"@r.a,@r.b")]),
        (b"jo@[192.0.2.1]", [box(None, b"jo", b"[192.0.2.1]")]),
        (b"Team: a@b, Jo <c@d>;", [group(b"Team"), box(None, b"a", b"b"), box(b"Jo", b"c", b"d"),
                                   GROUP_END]),
        (b"undisclosed-recipients:;", [group(b"undisclosed-recipients"), GROUP_END]),
        (b"a:;, b:c@d;, e@f", [group(b"a"), GROUP_END, group(b"b"), box(None, b"c", b"d"),
                               GROUP_END, box(None, b"e", b"f")]),
        (b"open: a@b", [group(b"open"), box(None, b"a", b"b"), GROUP_END]),
        (b"", []),
        (b" , ,, ", []),
        (b"(only a comment)", []),
        (b"lonely", [box(None, b"lonely", b"")]),
        (b"two words", [box(None, b"two words", b"")]),
        (b"<a@b> <c@d>", [box(None, b"a", b"b"), box(None, b"c", b"d")]),
        (b"jo@x.y <jo@x.z>", [box(b"jo@x.y", b"jo", b"x.z")]),
        (b"Jo jo@x.y <jo@x.z>, a@b", [box(b"Jo jo@x.y", b"jo", b"x.z"), box(None, b"a", b"b")]),
        (b"Foo [Bar] (c) Baz <a@b>", [box(b"Foo [Bar] Baz", b"a", b"b")]),
        (b"Jo jo@x.y", [box(b"Jo", b"jo", b"x.y")]),
        (b"jo@x.y; bo@x.y", [box(None, b"jo", b"x.y"), box(None, b"bo", b"x.y")]),
        (b"Jo <jo@x.y", [box(b"Jo", b"jo", b"x.y")]),
        (b'"Jo <jo@x.y>', [box(b"Jo", b"jo", b"x.y")]),
        (b"\xc3\xa9 <\xc3\xa9@\xc3\xa9.y>", [box(b"\xc3\xa9", b"\xc3\xa9", b"\xc3\xa9.y")]),
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?= <c@d>", [box(b"=?utf-8?q?a?= =?utf-8?q?b?=", b"c", b"d")]),
        (b"Jo\r\n\tDoe <jo@x.y>", [box(b"Jo Doe", b"jo", b"x.y")]),
    ],
)  # fmt: skip
def test_lists(value: bytes, expected: list[Mailbox]) -> None:
    assert list(parse_mailboxes(value)) == expected


def test_the_number_of_addresses_is_bounded() -> None:
    assert len(parse_mailboxes(b"a@b," * 50, MimeLimits(max_addresses=7))) == 7
    assert len(parse_mailboxes(b"a,b@c (x)," * 50, MimeLimits(max_addresses=7))) == 7
    assert len(parse_addresses(b"a@b," * 50, most=7)) == 7


def test_addresses_as_text() -> None:
    assert parse_addresses("=?utf-8?q?J=C3=B6?= <jo@x.y>, Team: b@c;, lonely, \xe9@d") == (
        Address("jo@x.y", "Jö"),
        Address("b@c"),
        Address("lonely"),
        Address("é@d"),
    )
    assert parse_addresses(b"a\0b@c\0, \xe9 <x@y>") == (Address("ab@c"), Address("x@y", "é"))
    assert parse_addresses("=?utf-8?q?a=0D=0ABcc=3A_x=40y?= <a@b>") == (
        Address("a@b", "a Bcc: x@y"),
    )
    assert parse_addresses("\ud800@x") == (Address("?@x"),)


@pytest.mark.parametrize(
    "piece",
    [b"a@b,", b'"', b'"\\', b'\\"', b"(", b"()", b"<", b"a ", b"[", b"[,", b'"a,', b'"a\\",',
     b":", b";", b"g:x;", b"@", b"<@", b"a.", b"a. ", b"\\", b"<@a:b@c>", b"(\\", b"a@b (", b" "],
)  # fmt: skip
def test_hostile_lists_cost_milliseconds(piece: bytes) -> None:
    value = piece * (60_000 // len(piece))
    begun = time.process_time()
    parse_mailboxes(value)
    assert time.process_time() - begun < 2


@given(st.lists(st.sampled_from(
    [b"a", b"@", b"<", b">", b",", b";", b":", b'"', b"\\", b"(", b")", b"[", b"]", b" ", b"\r\n ",
     b".", b"\xff", b"\0", b"b.c"]
)))  # fmt: skip
def test_any_list_has_an_answer(pieces: list[bytes]) -> None:
    value = b"".join(pieces)
    depth = 0
    for entry in parse_mailboxes(value):
        if entry == GROUP_END:
            depth -= 1
        elif entry.domain is None:
            depth += 1
        else:
            assert entry.local is not None
        assert depth in (0, 1)
    assert depth == 0
    for address in parse_addresses(value):
        assert "\0" not in address.email
        assert "\n" not in (address.name or "")


ATOMS = st.text("abcxyz0189-_+", min_size=1, max_size=8)


@given(st.lists(st.tuples(ATOMS, ATOMS, ATOMS), max_size=8))
def test_well_formed_lists_are_read_as_python_reads_them(people: list[tuple[str, ...]]) -> None:
    value = ", ".join(f'"{name}, x" <{local}@{domain}.org>' for name, local, domain in people)
    ours = [(address.name or "", address.email) for address in parse_addresses(value)]
    assert ours == [one for one in getaddresses([value]) if one != ("", "")]


@pytest.mark.parametrize(
    ("value", "email", "name"),
    [
        (b"a@b.c", "a@b.c", None),
        (b"  Jo Doe <Jo.Doe+x@B.c>  ", "Jo.Doe+x@B.c", "Jo Doe"),
        (b'"Doe, \\"Jo\\"" <a@b>', "a@b", 'Doe, "Jo"'),
        (b"<a@b>", "a@b", None),
        (b"Jo\r\n <a@b>", "a@b", "Jo"),
        (b"=?utf-8?q?J=C3=B6?= <a@b>", "a@b", "Jö"),
        (b"\xc3\xb6@\xc3\xb6.de", "ö@ö.de", None),
        ("ö@ö.de", "ö@ö.de", None),
    ],
)
def test_one_plain_address(value: bytes | str, email: str, name: str | None) -> None:
    assert parse_one_address(value) == Address(email, name)


@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"a", b"a@", b"@b", b"a@b, c@d", b"a@b c@d", b"a@b@c", b"<a@b> <c@d>",
        b"a@b <c@d>", b"x@y <c@d>", b"g: a@b;", b"a@b;", b"a@b (c)", b"(c) a@b", b"<a@b", b"a@b>",
        b"<<a@b>>", b'"a"@b', b'"a b"@c', b"a..b@c", b".a@b", b"a.@b", b"a@b.", b"a@.b", b"a@b..c",
        b"a@-b", b"a@b-", b"a@[192.0.2.1]", b"<@r:a@b>", b"a @b", b"a@ b", b"a\0@b", b"a@b\0",
        b"a\r@b", b"a\nb@c", b"\xff@b", "a@b。c", "ａ@b", "a@ｂ", "a@b\u200b", "a\u202e@b",
        "a@\ufb01.de", b"=?utf-8?q?a?=@b", b"=?utf-8?q?x=40y?=@b", b"a,b@c", b'"x" y" <a@b>',
        b"a" * 65 + b"@b", b"a@" + b"b" * 64, b"a@" + b"b." * 200 + b"c", b"a@b" * 1000,
        b'"\\\n" <a@b>', "a@b\u2028", b"Jo <a@b>, ", b'"' + b"x" * 3_000 + b'" <a@b>',
    ],
)  # fmt: skip
def test_whatever_could_be_read_in_two_ways_is_refused(value: bytes | str) -> None:
    with pytest.raises(AddressSyntax):
        parse_one_address(value)


@given(st.text(alphabet='ab@.<>" \\,;:()[]=?ö\u200b', max_size=30))
def test_an_accepted_address_is_the_only_one_anyone_reads(value: str) -> None:
    try:
        address = parse_one_address(value)
    except AddressSyntax:
        return
    assert [one.email for one in parse_addresses(value)] == [address.email]
    assert address.email.count("@") == 1


def _isemail(corpus: Path) -> list[tuple[str, str]]:
    root = ET.parse(corpus / "addresses" / "isemail-tests.xml").getroot()
    rows = []
    for test in root.iter("test"):
        text = test.findtext("address") or ""
        plain = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in text)
        rows.append((plain, test.findtext("category") or ""))
    return rows


def test_what_isemail_calls_wrong_is_refused(corpus: Path) -> None:
    accepted, refused = [], []
    for text, category in _isemail(corpus):
        try:
            accepted.append((text, category, parse_one_address(text)))
        except AddressSyntax:
            refused.append((text, category))
    assert accepted
    for text, category, address in accepted:
        assert address.email == text.strip()
        assert category not in ("ISEMAIL_ERR", "ISEMAIL_DEPREC"), text
    # A quoted local part and an address literal are valid there, and open to two readings here.
    for text, category in refused:
        if category in ("ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"):
            assert '"' in text or "[" in text or " " in text, text


def test_isemails_addresses_never_break_the_tolerant_reader(corpus: Path) -> None:
    for text, _ in _isemail(corpus):
        parse_addresses(text)
