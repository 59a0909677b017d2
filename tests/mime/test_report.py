"""Notifications as octets, for every message and every word of a stranger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.report import Notification, notification
from agentpost.mime.scan import scan
from agentpost.mime.summary import summarise
from agentpost.model.relay import RecipientStatus

NOW = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
FAILED = RecipientStatus("ada@example.com", "failed", "5.1.1", "smtp; 550 no such user")
REPORT = Notification(
    host="mail.shared.test",
    to="agent@shared.test",
    subject="Hello",
    recipients=(FAILED,),
    message_id="report.1@mail.shared.test",
    date=NOW,
    arrived_at=NOW,
    references=("m1@shared.test",),
    returned=b"Subject: Hello\r\nTo: ada@example.com\r\n\r\nThe body.\r\n",
)


def parts(octets: bytes) -> list[EmailMessage]:
    whole = message_from_bytes(octets, policy=policy.default)
    return cast("list[EmailMessage]", whole.get_payload())


def test_it_reads_as_written() -> None:
    assert notification(REPORT) == (
        b"Return-Path: <>\r\n"
        b"Auto-Submitted: auto-replied\r\n"
        b"Date: Sun, 08 Mar 2026 14:30:00 +0000\r\n"
        b"From: Mail Delivery System <mailer-daemon@mail.shared.test>\r\n"
        b"To: agent@shared.test\r\n"
        b"Subject: Undeliverable: Hello\r\n"
        b"Message-ID: <report.1@mail.shared.test>\r\n"
        b"In-Reply-To: <m1@shared.test>\r\n"
        b"References: <m1@shared.test>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status;\r\n"
        b' boundary="=_report1mailsharedtest.0"\r\n'
        b"\r\n"
        b"--=_report1mailsharedtest.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"\r\n"
        b"Your message could not be delivered to:\r\n"
        b"  ada@example.com\r\n"
        b"    550 no such user (5.1.1)\r\n"
        b"\r\n"
        b"Nothing more will be tried for recipients that failed.\r\n"
        b"\r\n"
        b"--=_report1mailsharedtest.0\r\n"
        b"Content-Type: message/delivery-status\r\n"
        b"\r\n"
        b"Reporting-MTA: dns; mail.shared.test\r\n"
        b"Arrival-Date: Sun, 08 Mar 2026 14:30:00 +0000\r\n"
        b"\r\n"
        b"Final-Recipient: rfc822; ada@example.com\r\n"
        b"Action: failed\r\n"
        b"Status: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 no such user\r\n"
        b"Last-Attempt-Date: Sun, 08 Mar 2026 14:30:00 +0000\r\n"
        b"\r\n"
        b"--=_report1mailsharedtest.0\r\n"
        b"Content-Type: text/rfc822-headers\r\n"
        b"\r\n"
        b"Subject: Hello\r\n"
        b"To: ada@example.com\r\n"
        b"\r\n"
        b"--=_report1mailsharedtest.0--\r\n"
    )


def test_the_worst_names_it_and_all_are_told() -> None:
    others = (
        RecipientStatus("d@x.example", "delivered", "2.1.5"),
        RecipientStatus("r@x.example", "relayed", "2.0.0"),
    )
    octets = notification(replace(REPORT, recipients=others))
    assert b"Subject: Delivered: Hello\r\n" in octets
    octets = notification(replace(REPORT, recipients=(*others, FAILED)))
    assert b"Subject: Undeliverable: Hello\r\n" in octets
    assert octets.count(b"\r\nFinal-Recipient: ") == 3


def test_our_own_words_are_no_diagnostic_code_of_a_server() -> None:
    own = replace(FAILED, diagnostic="The smart host lacks SMTPUTF8.")
    octets = notification(replace(REPORT, recipients=(own,)))
    assert b"The smart host lacks SMTPUTF8." in octets
    assert b"Diagnostic-Code" not in octets


@pytest.mark.parametrize(
    ("returned", "kind", "encoding"),
    [
        (b"Subject: a\r\n\r\nb\r\n", "message/rfc822", None),
        (b"Subject: a\r\n\r\nb\xff\r\n", "message/rfc822", "8bit"),
        (b"Subject: \xc3\xa4\r\n\r\nb\r\n", "message/rfc822", "8bit"),
    ],
)
def test_a_whole_message_returns_as_it_is(returned: bytes, kind: str, encoding: str | None) -> None:
    octets = notification(replace(REPORT, returned=returned, whole=True))
    assert returned in octets
    part = parts(octets)[2]
    assert (part.get_content_type(), part["Content-Transfer-Encoding"]) == (kind, encoding)
    head = octets.partition(b"\r\n\r\n")[0]
    assert (b"Content-Transfer-Encoding: 8bit" in head) is (encoding == "8bit")


def test_a_header_beyond_ascii_is_encoded() -> None:
    octets = notification(replace(REPORT, returned="Subject: Grüße\r\n\r\nb\r\n".encode()))
    assert octets.isascii()
    assert parts(octets)[2].get_content().rstrip() == "Subject: Grüße"


def test_addresses_beyond_ascii_are_told_as_such() -> None:
    wide = replace(FAILED, address="ädä@example.com")
    octets = notification(replace(REPORT, recipients=(wide,)))
    assert b"Content-Type: message/global-delivery-status\r\n" in octets
    assert "Final-Recipient: utf-8; ädä@example.com\r\n".encode() in octets


_TEXT = st.text(max_size=60) | st.sampled_from(
    ["\r\nBcc: evil@x.test", "\r\n\r\n--=_", "\u2028Action: delivered", "\0", "\ud800", "x" * 5_000]
)


@given(said=_TEXT, envid=_TEXT, original=_TEXT, subject=_TEXT, returned=st.binary(max_size=400))
def test_no_stranger_s_words_break_out(
    said: str, envid: str, original: str, subject: str, returned: bytes
) -> None:
    one = replace(FAILED, diagnostic="smtp; " + said, original="rfc822;" + original)
    report = replace(REPORT, recipients=(one,), envid=envid, subject=subject, returned=returned)
    octets = notification(report)
    header = octets.partition(b"\r\n\r\n")[0]
    assert b"\n" not in header.replace(b"\r\n", b"")
    names = [line.partition(b":")[0] for line in header.split(b"\r\n") if line[:1] not in b" \t"]
    assert len(names) == len(set(names)) == 11
    root = scan(octets)
    assert len(root.children) == 3
    status = octets[root.children[1].header_end : root.children[1].body_end]
    assert status.count(b"\r\nAction: ") == 1
    assert status.count(b"\r\n\r\n") == 1
    assert all(len(line) <= 998 for line in status.split(b"\r\n"))
    assert summarise(octets).automated


@given(st.binary(max_size=300))
def test_a_returned_message_cannot_end_its_part(tail: bytes) -> None:
    mark = b"--=_report1mailsharedtest.0"
    returned = b"Subject: x\r\n\r\n" + mark + b"--\r\n" + tail + b"\r\n" + mark
    root = scan(notification(replace(REPORT, returned=returned, whole=True)))
    assert len(root.children) == 3


def test_a_later_time_is_repeated_as_it_was_asked_for() -> None:
    # RFC 4865 section 5.1.2: beside Arrival-Date.
    octets = notification(replace(REPORT, release="for;3600"))
    assert b"\r\nArrival-Date: " in octets
    assert b"\r\nFuture-Release-Request: for;3600\r\n" in octets
    assert b"Future-Release-Request" not in notification(REPORT)
