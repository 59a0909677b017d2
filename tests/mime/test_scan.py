"""The octet scanner."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import MimeLimits
from agentpost.mime.body import walk
from agentpost.mime.scan import Part, pack, scan, unpack
from tests.mailgen import HOSTILE, REALISTIC, hostile, realistic

HEAD = b"From: a@example.com\r\nMIME-Version: 1.0\r\n"


def lines(*text: bytes) -> bytes:
    return b"\r\n".join(text) + b"\r\n"


def bodies(part: Part, octets: bytes) -> list[bytes]:
    """The bodies of all parts that have no parts."""
    return [one.body(octets) for one, _, _ in walk(part) if not one.children]


def check(part: Part, octets: bytes) -> None:
    """Offsets lie in the parent's body, in order, and storage gives the same tree back."""
    assert unpack(pack(part)) == part
    waiting = [(part, 0, len(octets))]
    while waiting:
        one, low, high = waiting.pop()
        assert low <= one.header_start <= one.header_end <= one.body_end <= high
        assert one.header(octets) + one.body(octets) == octets[one.header_start : one.body_end]
        at = one.header_end
        for child in one.children:
            assert child.header_start >= at
            at = child.body_end
            waiting.append((child, one.header_end, one.body_end))
        if one.is_text or one.is_message:
            assert one.lines == one.body(octets).count(b"\n")


def test_a_plain_message_is_one_part() -> None:
    octets = lines(b"Subject: x", b"", b"one", b"two")
    part = scan(octets)
    assert part.header(octets) == b"Subject: x\r\n\r\n"
    assert part.body(octets) == b"one\r\ntwo\r\n"
    assert (part.type, part.parameters, part.lines, part.defaulted) == (b"text/plain", (), 2, True)


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"\n", b""),
        (b"\r\nbody", b"body"),
        (b"\nbody", b"body"),
        (b"Subject: x", b""),
        (b"Subject: x\r\n", b""),
        (b"Subject: x\n\nbody", b"body"),
        (b"Subject: x\r\n\nbody", b"body"),
        (b"Subject: x\n\r\nbody", b"body"),
        (b"Subject: x\r\n \r\n\r\nbody", b"body"),
        (b"From me Mon Jan  1 00:00:00 2024\nSubject: x\n\nbody", b"body"),
        (b"Subject: x\r\r\n\r\nbody", b"body"),
        (b"no header at all\r\n", b""),
    ],
)
def test_the_body_begins_after_the_first_empty_line(octets: bytes, body: bytes) -> None:
    part = scan(octets)
    assert part.body(octets) == body
    check(part, octets)


def test_the_line_end_before_a_boundary_belongs_to_it() -> None:
    octets = lines(
        b"Content-Type: multipart/mixed; boundary=b", b"", b"preamble",
        b"--b", b"", b"one", b"--b", b"Content-Type: text/html", b"", b"", b"--b--", b"epilogue",
    )  # fmt: skip
    part = scan(octets)
    assert bodies(part, octets) == [b"one", b""]
    assert [child.lines for child in part.children] == [0, 0]
    assert part.body(octets).endswith(b"epilogue\r\n")


def test_a_part_without_a_body_keeps_its_empty_line() -> None:
    octets = lines(b"Content-Type: multipart/mixed; boundary=b", b"", b"--b",
                   b"Content-Type: text/html", b"", b"--b--")  # fmt: skip
    child = scan(octets).children[0]
    assert child.header(octets) == b"Content-Type: text/html\r\n\r\n"
    assert child.body(octets) == b""


def test_a_boundary_ends_a_header_section() -> None:
    octets = lines(b"Content-Type: multipart/mixed; boundary=b", b"", b"--b",
                   b"Content-Type: text/html", b"--b", b"--b--")  # fmt: skip
    first, second = scan(octets).children
    assert first.header(octets) == b"Content-Type: text/html"
    assert (first.type, first.body_octets) == (b"text/html", 0)
    assert (second.header(octets), second.body(octets)) == (b"", b"")


def test_an_outer_boundary_ends_what_is_open_inside() -> None:
    octets = lines(
        b"Content-Type: multipart/mixed; boundary=outer", b"", b"--outer",
        b"Content-Type: multipart/alternative; boundary=inner", b"", b"--inner", b"", b"one",
        b"--outer", b"", b"two", b"--inner", b"", b"not inner", b"--outer--",
    )  # fmt: skip
    part = scan(octets)
    assert bodies(part, octets) == [b"one", b"two\r\n--inner\r\n\r\nnot inner"]
    check(part, octets)


def test_a_closing_boundary_keeps_its_line_end() -> None:
    inner = lines(b"--inner", b"", b"one", b"--inner--")
    head = b"Content-Type: multipart/alternative; boundary=inner\r\n\r\n"
    octets = lines(
        b"Content-Type: multipart/mixed; boundary=outer", b"", b"--outer\r\n" + head + inner
        + b"--outer", b"Content-Type: message/rfc822", b"", head + inner + b"--outer\r\n" + head
        + inner, b"--outer\r\n" + head + inner + b"epilogue", b"--outer--",
    )  # fmt: skip
    part = scan(octets)
    check(part, octets)
    direct, embedded, spaced, more = part.children
    assert direct.body(octets) == inner
    assert embedded.body(octets) == head + inner
    assert embedded.lines == 6
    assert embedded.children[0].body(octets) == inner
    assert spaced.body(octets) == inner
    assert more.body(octets) == inner + b"epilogue"


@pytest.mark.parametrize(("outer", "inner"), [(b"x", b"xy"), (b"xy", b"x"), (b"x", b"x-y")])
def test_boundaries_that_begin_alike_are_told_apart(outer: bytes, inner: bytes) -> None:
    octets = lines(
        b"Content-Type: multipart/mixed; boundary=" + outer, b"", b"--" + outer,
        b"Content-Type: multipart/alternative; boundary=" + inner, b"", b"--" + inner, b"", b"one",
        b"--" + inner, b"", b"two", b"--" + inner + b"--", b"--" + outer, b"", b"three",
        b"--" + outer + b"--",
    )  # fmt: skip
    part = scan(octets)
    assert bodies(part, octets) == [b"one", b"two", b"three"]


def test_a_multipart_may_have_the_boundary_of_the_one_around_it() -> None:
    inner = lines(b"--b", b"", b"one", b"--b", b"", b"two", b"--b--")
    head = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    octets = lines(
        b"Content-Type: multipart/mixed; boundary=b", b"", b"--b\r\n" + head + inner,
        b"--b", b"", b"three", b"--b\r\n" + head + b"--b\r\n" + head + inner + b"--b--",
        b"--b--", b"--b", b"", b"no more",
    )  # fmt: skip
    part = scan(octets)
    check(part, octets)
    assert bodies(part, octets) == [b"one", b"two", b"three", b"one", b"two"]
    assert [len(child.children) for child in part.children] == [2, 0, 1]
    assert part.children[0].body(octets) == inner


def test_a_multipart_with_the_boundary_around_it_may_stay_open() -> None:
    head = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    octets = head + b"--b\r\n" + head + b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b"
    part = scan(octets)
    check(part, octets)
    assert bodies(part, octets) == [b"one", b"two"]
    assert len(part.children) == 1


@pytest.mark.parametrize("padding", [b" ", b"\t \t", b""])
def test_white_space_may_follow_a_boundary(padding: bytes) -> None:
    octets = lines(b"Content-Type: multipart/mixed; boundary=b", b"", b"--b" + padding, b"",
                   b"one", b"--b--" + padding)  # fmt: skip
    assert bodies(scan(octets), octets) == [b"one"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--b\r\n\r\none", [b"one"]),  # never closed
        (b"--b\r\n\r\none\r\n", [b"one\r\n"]),
        (b"--b\r\n", [b""]),
        (b"--b\r\n\r\none\r\n--b", [b"one"]),
        (b"text\r\n--b\n\none\n--b--", [b"one"]),
        (b"x--b\r\n\r\none", [b"x--b\r\n\r\none"]),  # no boundary: a multipart without parts
        (b"--bc\r\n\r\none", [b"--bc\r\n\r\none"]),
        (b"--b--\r\n--b\r\n\r\none", [b"--b--\r\n--b\r\n\r\none"]),
        (b"--b\r\n\r\none\r\n--b-- and more\r\n--b\r\n\r\ntwo", [b"one"]),
        (b"", [b""]),
    ],
)
def test_broken_multiparts(body: bytes, expected: list[bytes]) -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body
    part = scan(octets)
    assert bodies(part, octets) == expected
    check(part, octets)


def test_a_multipart_without_a_boundary_has_no_parts() -> None:
    part = scan(b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\none")
    assert (part.is_multipart, part.children) == (True, ())


@pytest.mark.parametrize(
    "value",
    [
        b'multipart/mixed; boundary="b c"',
        b'multipart/mixed; boundary="b c  "',
        b'Multipart/Mixed;\r\n\tBoundary="b c"',
        b'multipart/mixed (comment); boundary (b) = "b c" (c)',
        b'multipart/mixed; boundary*0="b "; boundary*1="c"',
        b"multipart/mixed; boundary*=us-ascii''b%20c",
        b'multipart/mixed; boundary="b c',
        b'multipart/mixed;;; ; boundary="b\\ c"; x',
    ],
)
def test_boundaries_in_every_spelling(value: bytes) -> None:
    octets = b"Content-Type: " + value + b"\r\n\r\n--b c\r\n\r\none\r\n--b c--\r\n"
    assert bodies(scan(octets), octets) == [b"one"]


def test_parts_of_a_digest_are_messages() -> None:
    octets = lines(
        b"Content-Type: multipart/digest; boundary=b", b"", b"--b", b"", b"Subject: one", b"",
        b"text", b"--b", b"Content-Type: text/plain", b"", b"two", b"--b--",
    )  # fmt: skip
    first, second = scan(octets).children
    assert first.type == b"message/rfc822"
    assert first.is_message
    assert first.children[0].body(octets) == b"text"
    assert second.type == b"text/plain"


@pytest.mark.parametrize("kind", [b"message/rfc822", b"Message/Global"])
def test_an_embedded_message_is_the_child(kind: bytes) -> None:
    inner = lines(b"Subject: inner", b"", b"text")
    octets = b"Content-Type: " + kind + b"\r\n\r\n" + inner
    part = scan(octets)
    assert part.is_message
    assert part.body(octets) == inner
    assert part.lines == 3
    (child,) = part.children
    assert child.header(octets) == b"Subject: inner\r\n\r\n"
    assert child.body(octets) == b"text\r\n"


@pytest.mark.parametrize("value", [b"", b"text", b"/plain", b"text/", b"; charset=x", b"a b/c"])
def test_an_invalid_content_type_is_plain_text(value: bytes) -> None:
    part = scan(b"Content-Type: " + value + b"\r\n\r\nx")
    assert (part.type, part.parameters, part.defaulted) == (b"text/plain", (), True)


def test_content_fields() -> None:
    part = scan(
        lines(
            b"Content-Type: Image/PNG; name=a", b"Content-Transfer-Encoding: Base64 (c)",
            b'Content-Disposition: Attachment; filename="a b"', b"Content-ID: <x@y>",
            b"Content-Description: a\r\n picture", b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
            b"Content-Language: en, de-CH", b"Content-Location: http://x/", b"", b"",
        )
    )  # fmt: skip
    assert (part.media, part.type) == (b"Image/PNG", b"image/png")
    assert part.parameters == ((b"name", b"a"),)
    assert (part.encoding, part.transfer) == (b"Base64", b"base64")
    assert part.disposition == b"Attachment"
    assert part.disposition_parameters == ((b"filename", b"a b"),)
    assert part.content_id == b"<x@y>"
    assert part.description == b"a picture"
    assert part.md5 == b"Q2hlY2sgSW50ZWdyaXR5IQ=="
    assert part.languages == (b"en", b"de-CH")
    assert part.location == b"http://x/"
    assert not part.defaulted


def test_of_repeated_content_fields_the_first_counts() -> None:
    part = scan(b"Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\n")
    assert part.type == b"text/html"


def test_too_deep_is_opaque() -> None:
    octets = b"Content-Type: message/rfc822\r\n\r\n" * 2_000 + b"hi"
    part, depth = scan(octets, MimeLimits(max_depth=7)), 0
    while part.children:
        part, depth = part.children[0], depth + 1
    assert (depth, part.opaque) == (7, True)
    assert part.body_end == len(octets)


def test_too_many_parts_end_in_one_opaque_rest() -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50
    part = scan(octets, MimeLimits(max_parts=10))
    assert len(part.children) == 9
    assert [child.opaque for child in part.children] == [False] * 8 + [True]
    assert part.children[-1].body_end == len(octets)
    check(part, octets)


def test_the_search_for_boundaries_is_bounded() -> None:
    octets = nest_of_multiparts(20) + b"\r\n" + b"x" * 10_000
    part, depth = scan(octets, MimeLimits(max_passes=3, free_pass_octets=0)), 0
    check(part, octets)
    while part.children:
        part, depth = part.children[0], depth + 1
    assert (depth, part.opaque) == (3, True)


def test_lines_of_nested_messages_are_counted_once() -> None:
    octets = b"Content-Type: message/rfc822\r\n\r\n" * 90 + b"\r\n" + b"a\n" * 500_000
    begun = time.process_time()
    part = scan(octets)
    assert time.process_time() - begun < 0.3
    check(part, octets)


def nest_of_multiparts(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )


@pytest.mark.parametrize(
    "octets",
    [
        nest_of_multiparts(500) + b"\r\nhi",
        b"Content-Type: message/rfc822\r\n\r\n" * 2_000,
        b"Content-Type: text/plain" + b";" * 7_000 + b"\r\n\r\n",
        b"Content-Type: text/plain" + b";\t " * 20_000 + b"\r\n\r\n",
        b"Content-Type: text/plain" + b"(" * 60_000 + b"\r\n\r\n",
        b"Content-Type: text/plain" + b';a="' * 15_000 + b"\r\n\r\n",
        b"Content-Type: " + b"()" * 30_000 + b"\r\n\r\n",
        b"X: " + b"\r\n " * 80_000 + b"\r\n\r\n",
        b"X: " + b"\r" * 200_000 + b"x\n y\n\n",
        b"Content-Type: " + b"\r" * 200_000 + b"x\n y\n\n",
        b" " * 250_000,
        b"a" * 250_000,
        b"a " * 120_000 + b":",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 20_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b" * 100_000,
        b"Content-Type: multipart/mixed; boundary=-\r\n\r\n" + b"-" * 300_000,
        b"Content-Type: multipart/mixed; boundary=-\r\n\r\n" + b"\n--" * 100_000,
    ],
    ids=lambda octets: repr(octets[:40]),
)
def test_hostile_messages_cost_milliseconds(octets: bytes) -> None:
    begun = time.process_time()
    part = scan(octets)
    assert time.process_time() - begun < 0.5
    check(part, octets)


@given(st.binary(max_size=300))
def test_any_octets_are_a_message(octets: bytes) -> None:
    check(scan(octets), octets)


PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: multipart/digest;",
        b' boundary="bb"\n', b"Content-Type: message/rfc822\r\n", b"\r\n", b"\n", b"\r", b"--b",
        b"--bb", b"--", b"--b--\r\n", b"\r\n--b\r\n", b"\n--bb\n", b"text", b"Subject: x\r\n", b"\0",
        b"Content-Transfer-Encoding: base64\r\n", b";", b"\xff", b" ", b'"',
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map(b"".join))
def test_pieces_of_mail_in_any_order_are_a_message(octets: bytes) -> None:
    check(scan(octets), octets)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(0, 3), st.integers(1, 5))
def test_limits_hold(octets: bytes, depth: int, parts: int) -> None:
    part = scan(octets, MimeLimits(max_depth=depth, max_parts=parts))
    check(part, octets)
    waiting, count = [(part, 0)], 0
    while waiting:
        one, at = waiting.pop()
        count += 1
        assert at <= depth
        waiting.extend((child, at + 1) for child in one.children)
    assert count <= parts


@pytest.mark.parametrize("kind", sorted(REALISTIC))
def test_realistic_mail(kind: str) -> None:
    octets = realistic(1, kind=kind)
    part = scan(octets)
    check(part, octets)
    assert not any(one.opaque for one, _, _ in walk(part))


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_mail(kind: str) -> None:
    for seed in range(3):
        octets = hostile(seed, kind=kind)
        check(scan(octets), octets)


@pytest.mark.parametrize("packed", [b"", b"\xff", b"\x92\x02\x90", b"\x92\x01\x90", b"\x93\1\2\3"])
def test_what_was_not_packed_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"pack"):
        unpack(packed)
