"""ENVELOPE, BODY and BODYSTRUCTURE."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import MimeLimits
from agentpost.mime.scan import scan
from agentpost.mime.structure import body, bodystructure, envelope, nstring
from tests.mailgen import HOSTILE, hostile

Value = bytes | int | None | list["Value"]


def read(octets: bytes) -> Value:
    """What a client reads in a response: lists, strings, numbers, NIL; all of it."""
    stack: list[list[Value]] = [[]]
    at = 0
    token = re.compile(rb'\(|\)|"((?:[^"\\\r\n\x80-\xff\0]|\\["\\])*)"|\{(\d+)\}\r\n|NIL|\d+')
    while at < len(octets):
        if octets[at : at + 1] == b" ":
            at += 1
            continue
        found = token.match(octets, at)
        assert found is not None, octets[at : at + 60]
        at = found.end()
        if found[0] == b"(":
            stack.append([])
        elif found[0] == b")":
            done = stack.pop()
            stack[-1].append(done)
        elif found[1] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found[1]))
        elif found[2] is not None:
            content = octets[at : at + int(found[2])]
            assert len(content) == int(found[2])
            assert b"\0" not in content
            stack[-1].append(content)
            at += len(content)
        else:
            stack[-1].append(None if found[0] == b"NIL" else int(found[0]))
    assert len(stack) == 1
    return stack[0]


def env(octets: bytes) -> Value:
    found = read(envelope(octets, scan(octets)))
    assert isinstance(found, list)
    return found[0]


def structure(octets: bytes) -> bytes:
    return bodystructure(octets, scan(octets))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, b"NIL"),
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"a\tb\x7f", b'"a\tb\x7f"'),
        (b"a\0b", b'"ab"'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"\xc3\xa9", b"{2}\r\n\xc3\xa9"),
        (b"\xff\0", b"{1}\r\n\xff"),
        (b"x" * 1_001, b"{1001}\r\n" + b"x" * 1_001),
    ],
)
def test_nstring(value: bytes | None, written: bytes) -> None:
    assert nstring(value) == written


@given(st.binary(max_size=50))
def test_every_string_is_read_as_it_is(value: bytes) -> None:
    assert read(nstring(value)) == [value.replace(b"\0", b"")]


def test_envelope() -> None:
    octets = (
        b"Date: Mon, 1 Jan 2024 09:00:00 +0000 (x)\r\nSubject: a\r\n b\r\n"
        b"From: Jo <jo@x.y>\r\nTo: Team: a@b, <c@d>;\r\nMessage-ID:\r\n <m@x>\r\n"
        b"In-Reply-To: <r@x> (Jo's mail)\r\n\r\n"
    )
    jo: Value = [[b"Jo", None, b"jo", b"x.y"]]
    assert env(octets) == [
        b"Mon, 1 Jan 2024 09:00:00 +0000 (x)", b"a b", jo, jo, jo,
        [[None, None, b"Team", None], [None, None, b"a", b"b"], [None, None, b"c", b"d"],
         [None, None, None, None]],
        None, None, b"<r@x> (Jo's mail)", b" <m@x>",
    ]  # fmt: skip


def test_an_empty_header_gives_an_envelope_of_nil() -> None:
    assert envelope(b"\r\n", scan(b"\r\n")) == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_empty_fields_are_empty_strings_and_empty_lists_are_nil() -> None:
    octets = b"Date:\r\nSubject: \r\nFrom:\r\nTo: ,\r\nCc: ()\r\nMessage-ID:\r\n\r\n"
    assert env(octets) == [b"", b"", None, None, None, None, None, None, None, b""]


def test_an_empty_sender_is_the_from() -> None:
    octets = b"From: a@b\r\nSender:\r\nReply-To: ()\r\n\r\n"
    found = env(octets)
    assert isinstance(found, list)
    assert found[2] == found[3] == found[4] == [[None, None, b"a", b"b"]]


def test_encoded_words_and_raw_octets_stay() -> None:
    octets = b'Subject: =?utf-8?q?x?= \xc3\xa9\r\nFrom: "\xff" <a@b>\r\n\r\n'
    found = env(octets)
    assert isinstance(found, list)
    assert found[1] == b"=?utf-8?q?x?= \xc3\xa9"
    assert found[2] == [[b"\xff", None, b"a", b"b"]]


def test_of_repeated_fields_the_last_counts() -> None:
    found = env(b"Subject: a\r\nSubject: b\r\nFrom: a@b\r\nFrom: c@d\r\n\r\n")
    assert isinstance(found, list)
    assert (found[1], found[2]) == (b"b", [[None, None, b"c", b"d"]])


def test_an_address_without_a_domain_has_an_empty_one() -> None:
    found = env(b"From: lonely\r\n\r\n")
    assert isinstance(found, list)
    assert found[2] == [[None, None, b"lonely", b""]]


PLAIN = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" %d %d NIL NIL NIL NIL)'


@pytest.mark.parametrize(
    ("octets", "written"),
    [
        (b"", PLAIN % (0, 0)),
        (b"\r\nx", PLAIN % (1, 0)),
        (b"\r\nx\r\n", PLAIN % (3, 1)),
        (b"Content-Type: nonsense\r\n\r\nx", PLAIN % (1, 0)),
        (b"Content-Type: Text/HTML; CharSet=UTF-8\r\n\r\n",
         b'("Text" "HTML" ("CharSet" "UTF-8") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'),
        (b"Content-Type: text/plain; format=flowed\r\n\r\n",
         (b'("text" "plain" ("format" "flowed" "charset" "us-ascii") NIL NIL "7bit" 0 0'
         b" NIL NIL NIL NIL)")),
        (b"Content-Type: text/plain; charset*0=utf; charset*1=-8\r\n\r\n",
         b'("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'),
        (b"Content-Disposition: ; filename=x\r\n\r\n",
         (b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0'
          b' NIL ("" ("filename" "x")) NIL NIL)')),
        (b"Content-Type: image/png\r\nContent-Transfer-Encoding: BASE64\r\n\r\nx",
         b'("image" "png" NIL NIL NIL "BASE64" 1 NIL NIL NIL NIL)'),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64; x\r\n\r\n",
         PLAIN % (0, 0)),
        ((b"Content-Type: a/b; n*0=x; n*1=y; z*=utf-8''%20\r\nContent-ID: <i>\r\n"
         b"Content-Description: \xc3\xa9\r\nContent-MD5: md\r\n"
         b'Content-Disposition: attachment; filename="a\\"b"\r\n'
         b"Content-Language: en, de\r\nContent-Location: loc\r\n\r\n"),
         (b'("a" "b" ("n" "xy" "z*" "utf-8\'\'%20") "<i>" {2}\r\n\xc3\xa9 "7bit" 0 "md"'
         b' ("attachment" ("filename" "a\\"b")) ("en" "de") "loc")')),
        (b"Content-Type: multipart/mixed\r\n\r\nx",
         b"(" + PLAIN % (0, 0) + b' "mixed" NIL NIL NIL NIL)'),
        ((b"Content-Type: multipart/x; boundary=b\r\nContent-Disposition: inline\r\n\r\n--b\r\n\r\n"
         b"a\r\n--b\r\n\r\nbc\r\n\r\n--b--"),
         b"(" + PLAIN % (1, 0) + PLAIN % (4, 1)
         + b' "x" ("boundary" "b") ("inline" NIL) NIL NIL)'),
        (b"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nx\r\n",
         b'("message" "rfc822" NIL NIL NIL "7bit" 17 '
         b'(NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ' + PLAIN % (3, 1) + b" 3 NIL NIL NIL NIL)"),
    ],
)  # fmt: skip
def test_bodystructures(octets: bytes, written: bytes) -> None:
    assert structure(octets) == written


def test_body_has_no_extension_data() -> None:
    octets = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: inline\r\n\r\n"
        b"a\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\n\r\n--b--"
    )
    text = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" %d 0)'
    assert body(octets, scan(octets)) == (
        b"(" + text % 1 + b'("message" "rfc822" NIL NIL NIL "7bit" 14'
        b' (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ' + text % 0 + b' 2) "mixed")'
    )


def test_what_lies_beyond_a_limit_claims_no_structure() -> None:
    octets = b"Content-Type: message/rfc822\r\n\r\n" * 3
    part = scan(octets, MimeLimits(max_depth=1))
    assert b'("application" "octet-stream" NIL NIL NIL "7bit" 32 NIL' in bodystructure(octets, part)


def check_single(value: Value) -> None:
    assert isinstance(value, list)
    main, sub, parameters, identifier, description, encoding, size, *rest = value
    assert isinstance(main, bytes)
    assert isinstance(sub, bytes)
    assert parameters is None or (isinstance(parameters, list) and len(parameters) % 2 == 0)
    for text in (identifier, description):
        assert text is None or isinstance(text, bytes)
    assert isinstance(encoding, bytes)
    assert isinstance(size, int)
    if main.lower() == b"text":
        assert isinstance(rest.pop(0), int)
    elif (main.lower(), sub.lower()) in ((b"message", b"rfc822"), (b"message", b"global")):
        enclosed, inner, count, *rest = rest
        assert isinstance(enclosed, list)
        assert len(enclosed) == 10
        assert isinstance(count, int)
        check_body(inner)
    assert len(rest) in (0, 4)


def check_body(value: Value) -> None:
    """``value`` is a body of RFC 9051's grammar."""
    assert isinstance(value, list)
    if isinstance(value[0], list):
        parts = [one for one in value if isinstance(one, list)]
        count = next(n for n, one in enumerate(value) if not isinstance(one, list))
        for one in parts[:count]:
            check_body(one)
        assert isinstance(value[count], bytes)
        assert len(value) - count in (1, 5)
    else:
        check_single(value)


@given(st.lists(st.sampled_from(
    [b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n",
     b'Content-Type: text/html; charset="\xff"; x*0=1\r\n', b"\r\n", b"--b\r\n", b"--b--\r\n",
     b'Content-Disposition: a; b="\\"\0"\r\n', b"From: a@b (c), x:;\r\n", b"Subject: \0\xff\r\n",
     b"Content-Language: en, x\r\n", b"Content-ID: \r\n", b"Content-Transfer-Encoding: \xff\r\n"]
), max_size=30).map(b"".join))  # fmt: skip
def test_every_structure_is_grammatical(octets: bytes) -> None:
    part = scan(octets)
    for written in (bodystructure(octets, part), body(octets, part)):
        value = read(written)
        assert isinstance(value, list)
        assert len(value) == 1
        check_body(value[0])
    env(octets)


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_mail_is_rendered_quickly(kind: str) -> None:
    octets = hostile(2, kind=kind)
    begun = time.process_time()
    part = scan(octets)
    written = bodystructure(octets, part)
    enveloped = envelope(octets, part)
    assert time.process_time() - begun < 1.0
    read(enveloped)
    assert b"\0" not in written
