"""What a message says."""

from __future__ import annotations

import base64
import binascii
import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import MimeLimits
from agentpost.mime.body import (
    Attachment,
    attachments,
    best_html,
    best_text,
    count_attachments,
    decode_body,
    decode_quoted_printable,
    decode_text,
    html_to_text,
    is_decodable,
    safe_filename,
    unflow,
    walk,
)
from agentpost.mime.scan import scan
from agentpost.mime.sections import find_part


def encoded(encoding: bytes, body: bytes, media: bytes = b"text/plain; charset=utf-8") -> bytes:
    return (
        b"Content-Type: " + media + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
        + body
    )  # fmt: skip


def decoded(octets: bytes) -> bytes:
    return decode_body(scan(octets), octets)


def text(octets: bytes) -> str | None:
    return best_text(scan(octets), octets)


def multipart(subtype: bytes, *parts: bytes, mark: bytes = b"m") -> bytes:
    return (
        b"Content-Type: multipart/" + subtype + b"; boundary=" + mark + b"\r\n\r\n--" + mark
        + b"\r\n" + (b"\r\n--" + mark + b"\r\n").join(parts) + b"\r\n--" + mark + b"--\r\n"
    )  # fmt: skip


PLAIN = b"Content-Type: text/plain\r\n\r\nplain"
HTML = b"Content-Type: text/html\r\n\r\n<p>html</p>"
PDF = b'Content-Type: application/pdf; name="a.pdf"\r\n\r\npdf'
PICTURE = b"Content-Type: image/png\r\nContent-ID: <p@x>\r\n\r\npng"


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        (b"7bit", b"a=20", b"a=20"),
        (b"BINARY", b"a\0\xff", b"a\0\xff"),
        (b"x-unknown", b"a=20", b"a=20"),
        (b"Base64", b"YWJj\r\n", b"abc"),
        (b"base64; x", b"YWJj", b"abc"),
        (b"base64", b"Y W\r\nJ!j", b"abc"),
        (b"base64", b"YWI", b"ab"),
        (b"base64", b"YQ==\r\nYg==\r\n", b"ab"),
        (b"base64", b"", b""),
        (b"Quoted-Printable", b"a=3Db=\r\nc =\r\nd\r\n", b"a=bc d\r\n"),
        (b"quoted-printable", b"a  \t\r\nb \n c ", b"a\r\nb\n c"),
        (b"quoted-printable", b"=XX=4=\n=e9=", b"=XX=4\xe9"),
        (b"x-uuencode", b"text\r\nbegin 644 f\r\n#86)C\r\n`\r\nend\r\nmore", b"abc"),
        (b"x-uuencode", b"begin 644 f\n#86)C\n!\n\x80\nend", b"abc\0"),
        (b"x-uuencode", b"no file", b"no file"),
    ],
)
def test_transfer_encodings(encoding: bytes, body: bytes, expected: bytes) -> None:
    assert decoded(encoded(encoding, body)) == expected


@given(st.binary(max_size=400))
def test_what_python_encodes_is_decoded(octets: bytes) -> None:
    assert decoded(encoded(b"base64", base64.encodebytes(octets))) == octets
    lines = [binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    body = b"begin 644 x\n" + b"".join(lines) + b"`\nend\n"
    assert decoded(encoded(b"x-uuencode", body)) == octets
    written = quopri.encodestring(octets.replace(b"\r", b"").replace(b"\n", b""))
    assert decode_quoted_printable(written) == octets.replace(b"\r", b"").replace(b"\n", b"")


@given(st.binary(max_size=200), st.sampled_from([b"base64", b"quoted-printable", b"x-uuencode"]))
def test_any_body_decodes(body: bytes, encoding: bytes) -> None:
    octets = encoded(encoding, body)
    part = scan(octets)
    whole = decode_body(part, octets)
    assert decode_body(part, octets, 20)[:10] == whole[:10]
    decode_text(part, octets)


@pytest.mark.parametrize(
    ("media", "body", "expected"),
    [
        (b"text/plain; charset=iso-8859-1", b"\xe9\r\nx\rz", "é\nx\nz"),
        (b"text/plain; charset=utf-8", b"\xc3\xa9\0", "é"),
        (b"text/plain; charset=us-ascii", "é".encode(), "é"),
        (b"text/plain; charset=zip", "é".encode(), "é"),
        (b"text/plain", "日本".encode(), "日本"),
        (b"text/plain; charset=\"'utf-8'\"", "é".encode(), "é"),
        (b"text/plain; format=flowed", b"a \r\nb\r\n> c \r\n> d", "a b\n> c d"),
    ],
)
def test_text_of_a_part(media: bytes, body: bytes, expected: str) -> None:
    octets = encoded(b"8bit", body, media)
    assert decode_text(scan(octets), octets) == expected


def test_known_transfer_encodings() -> None:
    assert is_decodable(scan(PLAIN))
    assert is_decodable(scan(encoded(b"Base64", b"")))
    assert not is_decodable(scan(encoded(b"x-own", b"")))


def test_text_is_bounded() -> None:
    octets = encoded(b"7bit", b"x" * 5_000)
    assert len(decode_text(scan(octets), octets, MimeLimits(max_text_octets=100))) == 100


@pytest.mark.parametrize(
    ("flowed", "delete", "text"),
    [
        ("a \nb", False, "a b"),
        ("a \nb", True, "ab"),
        ("a\nb", False, "a\nb"),
        (" >a\n From b", False, ">a\nFrom b"),
        ("> a \n> b\nc", False, "> a b\nc"),
        ("> a \n>> b", False, "> a \n>> b"),
        (">> a \n>> b\n> c", False, ">> a b\n> c"),
        ("a \n-- \nme", False, "a \n-- \nme"),
        ("> a \n> -- \n> me", False, "> a \n> -- \n> me"),
        ("a \n", False, "a "),
        ("", False, ""),
    ],
)
def test_flowed_text(flowed: str, delete: bool, text: str) -> None:
    assert unflow(flowed, delete_space=delete) == text


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (PLAIN, "plain"),
        (HTML, "html\n"),
        (PDF, None),
        (multipart(b"alternative", PLAIN, HTML), "plain"),
        (multipart(b"alternative", HTML, PLAIN), "plain"),
        (multipart(b"alternative", HTML), "html\n"),
        (multipart(b"alternative", b"\r\n \r\n", HTML), "html\n"),
        (multipart(b"mixed", PLAIN, PDF, PLAIN), "plain\nplain"),
        (multipart(b"mixed", HTML, PLAIN), "html\n\nplain"),
        (multipart(b"mixed", multipart(b"alternative", PLAIN, HTML, mark=b"a"), PDF), "plain"),
        (multipart(b"alternative", PLAIN, multipart(b"mixed", HTML, PDF, mark=b"a")), "plain"),
        (multipart(b"mixed", b"Content-Disposition: attachment\r\n\r\nfile", PLAIN), "plain"),
        (multipart(b"mixed", b"Content-Type: message/rfc822\r\n\r\n" + PLAIN), None),
        (b"Content-Type: text/enriched\r\n\r\nrich", "rich"),
        (b"Content-Type: multipart/mixed\r\n\r\nx", None),
        (b"", ""),
    ],
)
def test_the_text_a_reader_is_shown(octets: bytes, expected: str | None) -> None:
    assert text(octets) == expected


def test_the_html_a_reader_is_shown() -> None:
    octets = multipart(b"alternative", PLAIN, multipart(b"related", HTML, PICTURE, mark=b"r"))
    assert best_html(scan(octets), octets) == "<p>html</p>"
    assert best_html(scan(PLAIN), PLAIN) is None
    assert html_to_text("<b>a</b> &amp; b") == "a & b\n"


def test_attachments() -> None:
    octets = multipart(
        b"mixed",
        multipart(b"related", HTML, PICTURE, mark=b"r"),
        encoded(b"base64", b"YWJj", b'application/pdf; name="old.pdf"').replace(
            b"\r\n\r\n",
            b"\r\nContent-Disposition: attachment; filename*=utf-8''n%C3%A4m.pdf\r\n\r\n",
        ),
        b"Content-Type: message/rfc822\r\n\r\n" + multipart(b"mixed", PLAIN, PDF, mark=b"q"),
        b"Content-Type: text/plain; name=notes.txt\r\nContent-Disposition: inline\r\n\r\nn",
        b"Content-Type: message/delivery-status\r\n\r\nStatus: 5.0.0",
    )
    part = scan(octets)
    found = attachments(part, octets)
    assert found[0] == Attachment("1.2", None, "image/png", 3, True, "p@x")
    assert found[1] == Attachment("2", "näm.pdf", "application/pdf", 3, False, None)
    assert (found[2].section, found[2].mime_type) == ("3", "message/rfc822")
    assert found[3] == Attachment("4", "notes.txt", "text/plain", 1, True, None)
    assert len(found) == count_attachments(part) == 4
    for one in found:
        path = tuple(int(number) for number in one.section.split("."))
        chosen = find_part(part, path)
        assert chosen is not None
        assert len(decode_body(chosen, octets)) == one.size


def test_a_lone_file_is_an_attachment() -> None:
    assert [one.section for one in attachments(scan(PDF), PDF)] == ["1"]
    assert count_attachments(scan(PLAIN)) == 0


def test_attachments_are_bounded() -> None:
    octets = multipart(b"mixed", *[PDF] * 20)
    part, few = scan(octets), MimeLimits(max_attachments=3)
    assert len(attachments(part, octets, few)) == count_attachments(part, few) == 3


def test_numbers_of_parts_agree_with_sections() -> None:
    inner = multipart(b"mixed", PLAIN, b"Content-Type: message/rfc822\r\n\r\n" + PLAIN, mark=b"q")
    octets = multipart(b"mixed", PLAIN, b"Content-Type: message/rfc822\r\n\r\n" + inner)
    part = scan(octets)
    for one, number, _ in walk(part):
        if number and not one.is_multipart:
            assert find_part(part, [int(n) for n in number.split(".")]) is one


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.txt", "a.txt"), ("../../etc/passwd", "passwd"), ("C:\\x\\y.doc", "y.doc"), ("..", None),
        (".", None), ("", None), ("a/", None), (" .hidden ", "hidden"), ("a\0b\r\nc", "abc"),
        ("x\u202egnp.exe", "xgnp.exe"), ("a:b|c?.txt", "a_b_c_.txt"), ("ä 日.txt", "ä 日.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"), ("x" * 300, "x" * 200),
    ],
)  # fmt: skip
def test_file_names_are_made_safe(name: str, safe: str | None) -> None:
    assert safe_filename(name) == safe


@given(st.text(max_size=300))
def test_a_safe_name_is_one_name(name: str) -> None:
    safe = safe_filename(name)
    if safe is not None:
        assert safe not in (".", "..")
        assert not set(safe) & set("/\\\0\r\n")
        assert 0 < len(safe) <= 200
        assert safe_filename(safe) in (safe, safe.strip(" ."), None)


@pytest.mark.parametrize(
    "octets",
    [
        encoded(b"base64", b"=" * 500_000),
        encoded(b"base64", b"YQ==" * 1_000_000),
        encoded(b"quoted-printable", b"=" * 500_000),
        encoded(b"quoted-printable", b" " * 500_000 + b"x"),
        encoded(b"quoted-printable", b" \r" * 250_000),
        encoded(b"quoted-printable", b" " * 500_000 + b"x \n"),
        encoded(b"8bit", b"\xff\n" + b"a" * 500_000, b"text/plain"),
        b"Content-Disposition: attachment; filename=" + b"a" * 200_000 + b"\r\n\r\n",
        b'Content-Disposition: attachment; filename="' + b"=?" * 30_000 + b'"\r\n\r\n',
        encoded(b"x-uuencode", b"begin 644 x\n" + b"!\n" * 1_000_000),
        encoded(b"x-uuencode", b"begin 6" * 70_000),
        encoded(b"7bit", b"> " * 250_000, b"text/plain; format=flowed"),
        encoded(b"7bit", b"> \n" * 150_000, b"text/plain; format=flowed"),
        encoded(b"7bit", b"<p>" * 60_000, b"text/html"),
        encoded(b"7bit", b"<" * 500_000, b"text/html"),
        encoded(b"7bit", b"<!--" * 500_000, b"text/html"),
    ],
    ids=lambda octets: repr(octets[-60:-40]),
)
def test_hostile_bodies_cost_less_than_a_second(octets: bytes) -> None:
    begun = time.process_time()
    part = scan(octets)
    best_text(part, octets)
    attachments(part, octets)
    assert time.process_time() - begun < 1.0
