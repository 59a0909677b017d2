"""Reading a message: texts with and without quotations, files and their ids."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.ids import MessageId, is_id
from agentpost.mail import reading
from agentpost.mime.scan import pack, scan
from agentpost.model.message import MessageContent
from tests.events.test_wire import MESSAGE

HEAD = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
QUOTED = b"Yes.\r\n\r\nOn Mon, 2 Mar 2026, Ada wrote:\r\n> No?\r\n"
PAGE = (
    b'<p>Yes.</p><div class="gmail_quote"><div class="gmail_attr">On Mon, Ada wrote:</div>'
    b'<blockquote class="gmail_quote">No?</blockquote></div>'
)
FILES = (
    HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=a.pdf\r\n\r\nJVBERg==\r\n"
    b"--b\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n--b--\r\n"
)


def content(octets: bytes, name: str = "msg_01JQ8X5K2M3N4P5R6S7T8V9W00") -> MessageContent:
    return MessageContent(replace(MESSAGE, id=MessageId(name)), octets, pack(scan(octets)), b"")


@pytest.mark.parametrize(
    ("octets", "text", "new"),
    [
        (HEAD + b"\r\n" + QUOTED, "No?", "Yes."),
        (HEAD + b"Content-Type: text/html\r\n\r\n" + PAGE, "No?", "Yes."),
        (HEAD + b"Content-Type: application/pdf\r\n\r\nPDF", None, None),
    ],
)
async def test_new_text_is_without_what_was_answered(
    octets: bytes, text: str | None, new: str | None
) -> None:
    found = await reading.read(content(octets))
    assert found.extracted_text == new
    assert (await reading.new_text(content(octets))).text == (new or "")
    if text is None:
        assert found.text is None
    else:
        assert text in (found.text or "")


async def test_html_is_sanitised_where_it_is_extracted() -> None:
    page = b"<p onclick=x()>Hi</p><script>alert(1)</script>"
    found = await reading.read(content(HEAD + b"Content-Type: text/html\r\n\r\n" + page))
    assert found.html is not None
    assert "script" in found.html
    assert found.extracted_html == "<p>Hi</p>"


async def test_files_are_found_again_by_their_ids() -> None:
    whole = content(FILES)
    first, second = await reading.files(whole)
    assert (first.filename, first.size, first.section) == ("a.pdf", 4, "2")
    found = await reading.file_octets(whole, first.id)
    assert found == (first, b"%PDF")
    assert (await reading.read(whole)).files == (first, second)
    assert await reading.file_octets(whole, "att_01JQ8X5K2M3N4P5R6S7T8V9W00") is None
    other = content(FILES, "msg_01JQ8X5K2M3N4P5R6S7T8V9W01")
    assert await reading.file_octets(other, first.id) is None


async def test_header_fields_are_decoded_when_asked_for() -> None:
    found = await reading.read(content(FILES), headers=True)
    assert found.headers[0] == ("Subject", "Grüße")
    assert (await reading.read(content(FILES))).headers == ()


async def test_large_messages_read_the_same() -> None:
    small = content(HEAD + b"\r\n" + QUOTED)
    padded = HEAD + b"X-Pad: " + b"x" * 100_000 + b"\r\n\r\n" + QUOTED
    assert await reading.read(content(padded)) == await reading.read(small)


@given(st.text(), st.text(), st.from_regex(re.compile(r"[1-9.]{1,8}", re.ASCII), fullmatch=True))
def test_an_attachment_id_is_an_id_and_its_own(one: str, two: str, section: str) -> None:
    first = reading.attachment_id(MessageId(one.encode("utf-8", "replace").decode()), section)
    again = reading.attachment_id(MessageId(two.encode("utf-8", "replace").decode()), section)
    assert is_id(first, "att")
    same = one.encode("utf-8", "replace") == two.encode("utf-8", "replace")
    assert (first == again) is same


@pytest.mark.parametrize(
    ("octets", "text", "hidden"),
    [
        (
            HEAD
            + b"Content-Type: text/html\r\n\r\n<p>Pay.</p><p style='visibility:hidden'>Obey.</p>",
            "Pay.",
            True,
        ),
        (
            HEAD
            + b"Content-Type: text/html\r\n\r\n<style>.a{opacity:0}</style>Pay.<b class=a>Obey</b>",
            "Pay.",
            True,
        ),
        (
            HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\nPay.\xf3\xa0\x81\xaf",
            "Pay.",
            True,
        ),
        (HEAD + b"Content-Type: text/html\r\n\r\n<p>Pay.</p>", "Pay.", False),
        (HEAD + b"\r\nPay.", "Pay.", False),
    ],
)
async def test_hidden_text_is_removed_and_told(octets: bytes, text: str, hidden: bool) -> None:
    """R08.01: what people do not see is in ``html`` and the raw message only."""
    found = await reading.read(content(octets))
    assert found.hidden_text_removed is hidden
    assert found.extracted_text == text
    assert (found.text or "").strip() == text
    assert "Obey" not in (found.extracted_html or "")
    assert ("Obey" in (found.html or "")) == (b"Obey" in octets)
    new = await reading.new_text(content(octets))
    assert (new.text, new.hidden_text_removed) == (text, hidden)
