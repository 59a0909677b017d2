"""Sections of a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.scan import scan
from agentpost.mime.sections import Kind, find_part, section


def lines(*text: bytes) -> bytes:
    return b"\r\n".join(text) + b"\r\n"


PLAIN = lines(b"Subject: s", b"To: t", b"", b"text")

# The example of RFC 9051 section 6.4.5.1, part by part.
COMPLEX = lines(
    b"Subject: top", b"Content-Type: multipart/mixed; boundary=a", b"", b"--a",
    b"Content-Type: text/plain", b"", b"1", b"--a", b"Content-Type: application/octet-stream", b"",
    b"2", b"--a", b"Content-Type: message/rfc822", b"", b"Subject: three",
    b"Content-Type: multipart/mixed; boundary=b", b"", b"--b", b"Content-Type: text/plain", b"",
    b"3.1", b"--b", b"Content-Type: application/octet-stream", b"", b"3.2", b"--b--", b"--a",
    b"Content-Type: multipart/mixed; boundary=c", b"", b"--c", b"Content-Type: image/gif", b"",
    b"4.1", b"--c", b"Content-Type: message/rfc822", b"", b"Subject: four", b"X: y",
    b"Content-Type: multipart/mixed; boundary=d", b"", b"--d", b"Content-Type: text/plain", b"",
    b"4.2.1", b"--d", b"Content-Type: multipart/alternative; boundary=e", b"", b"--e", b"",
    b"4.2.2.1", b"--e", b"Content-Type: text/richtext", b"", b"4.2.2.2", b"--e--", b"--d--",
    b"--c--", b"--a--",
)  # fmt: skip


def get(octets: bytes, path: str, kind: Kind = "", names: tuple[bytes, ...] = ()) -> bytes | None:
    numbers = tuple(int(number) for number in path.split(".")) if path else ()
    return section(octets, scan(octets), numbers, kind, names)


@pytest.mark.parametrize("path", ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"])
def test_part_numbers(path: str) -> None:
    assert get(COMPLEX, path) == path.encode()


@pytest.mark.parametrize("path", ["0", "5", "1.1", "2.1", "3.3", "4.3", "4.1.1", "4.2.3", "4.2.2.3",
                                  "4.2.2.1.1", "3.1.1", "99999999999"])  # fmt: skip
def test_parts_that_do_not_exist(path: str) -> None:
    assert get(COMPLEX, path) is None
    assert get(COMPLEX, path, "MIME") is None


def test_whole_messages_and_their_pieces() -> None:
    assert get(COMPLEX, "") == COMPLEX
    header, text = get(COMPLEX, "", "HEADER"), get(COMPLEX, "", "TEXT")
    assert header == b"Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    assert text is not None
    assert header + text == COMPLEX


def test_pieces_of_an_embedded_message() -> None:
    header, text = get(COMPLEX, "3", "HEADER"), get(COMPLEX, "3", "TEXT")
    assert header == b"Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert text is not None
    assert text.startswith(b"--b\r\n")
    assert header + text == get(COMPLEX, "3")
    assert get(COMPLEX, "4.2", "HEADER.FIELDS", (b"SUBJECT", b"none")) == b"Subject: four\r\n\r\n"
    assert get(COMPLEX, "4.2", "HEADER.FIELDS.NOT", (b"Content-Type", b"x")) == (
        b"Subject: four\r\n\r\n"
    )


def test_mime_headers() -> None:
    assert get(COMPLEX, "4.1", "MIME") == b"Content-Type: image/gif\r\n\r\n"
    assert get(COMPLEX, "4.2.2.1", "MIME") == b"\r\n"
    assert get(COMPLEX, "3", "MIME") == b"Content-Type: message/rfc822\r\n\r\n"
    assert get(COMPLEX, "", "MIME") is None


@pytest.mark.parametrize("kind", ["HEADER", "TEXT", "HEADER.FIELDS"])
def test_only_messages_have_headers_and_text(kind: Kind) -> None:
    assert get(COMPLEX, "1", kind) is None
    assert get(COMPLEX, "4", kind) is None


def test_a_message_that_is_no_multipart_has_part_1() -> None:
    assert get(PLAIN, "1") == b"text\r\n"
    assert get(PLAIN, "", "TEXT") == b"text\r\n"
    assert get(PLAIN, "1", "MIME") == get(PLAIN, "", "HEADER")
    assert get(PLAIN, "2") is None
    assert get(PLAIN, "1.1") is None
    assert get(PLAIN, "", "HEADER.FIELDS", (b"to",)) == b"To: t\r\n\r\n"


def test_a_lone_embedded_message_is_part_1() -> None:
    octets = b"Content-Type: message/rfc822\r\n\r\n" + PLAIN
    assert get(octets, "1") == PLAIN
    assert get(octets, "1", "HEADER") == b"Subject: s\r\nTo: t\r\n\r\n"
    assert get(octets, "1.1") == b"text\r\n"
    assert get(octets, "1", "MIME") == b"Content-Type: message/rfc822\r\n\r\n"
    assert get(octets, "2") is None
    assert get(octets, "1.2") is None
    inner = b"Content-Type: message/rfc822\r\n\r\n" + COMPLEX
    assert get(inner, "1.4.2.2.2") == b"4.2.2.2"


def test_the_part_shown_for_a_multipart_without_parts_is_empty() -> None:
    octets = b"Content-Type: multipart/mixed\r\n\r\ntext"
    assert get(octets, "1") == b""
    assert get(octets, "2") is None
    assert get(octets, "", "TEXT") == b"text"


@given(st.lists(st.integers(0, 5), max_size=6))
def test_a_section_lies_in_its_message(path: list[int]) -> None:
    root = scan(COMPLEX)
    part = find_part(root, path)
    for kind in ("", "HEADER", "TEXT", "MIME", "HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        found = section(COMPLEX, root, path, kind, (b"subject",))
        assert part is not None or found is None
        assert found is None or "FIELDS" in kind or found in COMPLEX
