"""All that arrival needs to know of a message."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.scan import scan, unpack
from agentpost.mime.structure import body, bodystructure, envelope
from agentpost.mime.summary import summarise
from agentpost.model.message import Address
from tests.mailgen import HOSTILE, REALISTIC, hostile, realistic

MAIL = (
    b"Date: Mon, 1 Jan 2024 09:00:00 +0000\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"From: Jo <jo@x.y>\r\nSender: s@x.y\r\nReply-To: r@x.y\r\nTo: Team: a@b, c@d;\r\nCc: e@f\r\n"
    b"Bcc: g@h\r\nMessage-ID:\r\n <m@x>\r\nIn-Reply-To: <p@x>\r\nReferences: <o@x>\r\n\t<p@x>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n  Sch\xf6n,\r\n\r\n dich zu sehen.\r\n"
    b"--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--\r\n"
)


def test_a_summary() -> None:
    summary = summarise(MAIL)
    part = scan(MAIL)
    assert summary.size == len(MAIL)
    assert unpack(summary.parts) == part
    assert summary.envelope == envelope(MAIL, part)
    assert summary.body == body(MAIL, part)
    assert summary.bodystructure == bodystructure(MAIL, part)
    assert summary.subject == "Grüße"
    assert summary.from_ == (Address("jo@x.y", "Jo"),)
    assert summary.sender == (Address("s@x.y"),)
    assert summary.reply_to == (Address("r@x.y"),)
    assert summary.to == (Address("a@b"), Address("c@d"))
    assert (summary.cc, summary.bcc) == ((Address("e@f"),), (Address("g@h"),))
    assert (summary.message_id, summary.in_reply_to) == ("m@x", "p@x")
    assert summary.references == ("o@x", "p@x")
    assert summary.date == datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert summary.preview == "Schön, dich zu sehen."
    assert (summary.attachment_count, summary.has_attachments) == (1, True)
    assert not summary.automated
    assert not summary.header_truncated


def test_the_summary_of_nothing() -> None:
    summary = summarise(b"")
    assert (summary.size, summary.subject, summary.preview, summary.from_) == (0, "", "", ())
    assert (summary.message_id, summary.in_reply_to, summary.date) == (None, None, None)
    assert summary.references == ()


@pytest.mark.parametrize(
    ("header", "automated"),
    [
        (b"Auto-Submitted: auto-replied", True),
        (b"Auto-Submitted: auto-generated; x=y", True),
        (b"Auto-Submitted: No", False),
        (b"Precedence: Bulk", True),
        (b"Precedence: first-class", False),
        (b"List-Id: <x.y>", True),
        (b"List-Unsubscribe: <mailto:x@y>", True),
        (b"Return-Path: <>", True),
        (b"Return-Path: <a@b>", False),
        (b"Content-Type: multipart/report; boundary=b", True),
        (b"X-Mailer: x", False),
    ],
)
def test_what_machines_sent(header: bytes, automated: bool) -> None:
    assert summarise(header + b"\r\n\r\n").automated is automated


def test_the_preview_is_short_and_on_one_line() -> None:
    assert len(summarise(b"\r\n" + b"word \r\n" * 100_000).preview) == 200
    assert summarise(b"\r\n" + b" " * 3_000 + b"x").preview == "x"
    html = b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>a</p><p>b</p>"
    assert summarise(html).preview == "a b"
    assert summarise(b"Content-Type: image/png\r\n\r\nx").preview == ""
    half = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "é".encode() * 5_000
    assert set(summarise(half).preview) == {"é"}


def storable(text: str) -> None:
    text.encode()
    assert "\0" not in text


def check(octets: bytes) -> None:
    summary = summarise(octets)
    for text in (summary.subject, summary.preview, summary.message_id, summary.in_reply_to,
                 *summary.references):  # fmt: skip
        storable(text or "")
    for people in (summary.from_, summary.sender, summary.reply_to, summary.to, summary.cc,
                   summary.bcc):  # fmt: skip
        for one in people:
            storable(one.email)
            storable(one.name or "")
    assert b"\0" not in summary.envelope + summary.bodystructure + summary.body
    if summary.date is not None:
        summary.date.astimezone(UTC)


@given(st.lists(st.sampled_from(
    [b"Subject: ", b"From: ", b"To: ", b"Date: ", b"Message-ID: ", b"References: ", b"\r\n", b"\0",
     b"=?utf-16?b?2AA=?=", b"=?utf-7?q?+2AA-?=", b"=?utf-8?q?=00?=", b"\xff", b"<", b">", b"@", b"a",
     b"Content-Type: text/html\r\n", b"Content-Type: text/plain; charset=utf-16\r\n", b"<p>",
     b"&#0;", b"&#xD800;", b"Content-Transfer-Encoding: base64\r\n", b"AAAA", b"1 Jan 2024"]
), max_size=40).map(b"".join))  # fmt: skip
def test_text_can_always_be_stored(octets: bytes) -> None:
    check(octets)


@given(st.binary(max_size=300))
def test_any_octets_have_a_summary(octets: bytes) -> None:
    check(octets)


@pytest.mark.parametrize("kind", sorted(REALISTIC))
def test_realistic_mail(kind: str) -> None:
    for seed in range(3):
        octets = realistic(seed, kind=kind)
        check(octets)
        summary = summarise(octets)
        assert summary.from_
        assert summary.date is not None
        assert summary.preview


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_mail(kind: str) -> None:
    for seed in range(4):
        octets = hostile(seed, kind=kind)
        begun = time.process_time()
        check(octets)
        assert time.process_time() - begun < 1.5
