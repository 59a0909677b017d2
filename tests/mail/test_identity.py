"""Who a message may claim to be from, and how large its header may be."""

from __future__ import annotations

import pytest

from agentpost.errors import (
    BareLineEnding,
    FromNotAllowed,
    MessageUnacceptable,
    Problem,
    RoutingLoop,
)
from agentpost.limits import MessageLimits
from agentpost.mail.identity import check_submission

OWN = "inbox-a@shared.test"
FROM = b"From: inbox-a@shared.test\r\n"


def refusal(octets: bytes) -> type[Problem] | None:
    """What kind of refusal the message meets, if any."""
    try:
        check_submission(octets, frozenset({OWN}), MessageLimits())
    except Problem as problem:
        return type(problem)
    return None


@pytest.mark.parametrize(
    "header",
    [
        FROM,
        b"from: INBOX-A@shared.test\r\n",
        b"From: Agent <inbox-a@shared.test>\r\n",
        b'From: "ceo@bank.test" <inbox-a@shared.test>\r\n',
        # S05.05: what counts is the address, never the display name.
        b"From: =?utf-8?q?ceo=40bank=2Etest?= <inbox-a@shared.test>\r\n",
        b"From: inbox-a@shared.test,\r\n Agent <inbox-a@shared.test>\r\n",
        FROM + b"Sender: inbox-a@shared.test\r\n",
        FROM + b"Resent-From: inbox-a@shared.test\r\n",
        FROM + b"X-From: ceo@other.test\r\nReply-To: ceo@other.test\r\n",
    ],
)
def test_the_owner_may_write(header: bytes) -> None:
    assert refusal(header + b"\r\nx\r\n") is None


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Subject: nobody\r\n",
        # S05.03: one From, and no second reading of it.
        FROM + b"From: ceo@other.test\r\n",
        FROM + FROM,
        b"From : inbox-a@shared.test\r\n",
        FROM + b"From\t: ceo@other.test\r\n",
        b" From: inbox-a@shared.test\r\n",
        b"From\r\n : ceo@other.test\r\n" + FROM,
        FROM + b"Sender: inbox-a@shared.test\r\nSender: inbox-a@shared.test\r\n",
        b"From: \r\n",
        b"From: inbox-a@shared.test (ceo@other.test)\r\n",
        b"From: <@other.test:inbox-a@shared.test>\r\n",
        b"From: group: inbox-a@shared.test;\r\n",
        b"From: inbox-a@shared.test <ceo@other.test\r\n",
        b'From: "inbox-a@shared.test" <"ceo"@other.test>\r\n',
        b"From: inbox-a@shared.test;ceo@other.test\r\n",
        b"no field at all\r\n" + FROM,
        b"Fr\xc3\xb6m: ceo@other.test\r\n" + FROM,
    ],
)
def test_whatever_two_readers_could_understand_differently_is_refused(header: bytes) -> None:
    assert refusal(header + b"\r\nx\r\n") is MessageUnacceptable


@pytest.mark.parametrize(
    "header",
    [
        b"From: ceo@other.test\r\n",
        # S05.04: every mailbox of From belongs to the inbox.
        b"From: inbox-a@shared.test, ceo@other.test\r\n",
        b"From: Agent <ceo@other.test>\r\n",
        b"From: inbox-a@shared.test.other.test\r\n",
        b"From: xinbox-a@shared.test\r\n",
        # Letters that only look like the inbox's own (dotless i, fullwidth a).
        "From: \u0131nbox-a@shared.test\r\n".encode(),
        "From: inbox-\uff41@shared.test\r\n".encode(),
        FROM + b"Sender: ceo@other.test\r\n",
        FROM + b"Resent-From: ceo@other.test\r\n",
        FROM + b"Resent-Sender: ceo@other.test\r\n",
        FROM + b"resent-from: inbox-a@shared.test,\r\n\tceo@other.test\r\n",
    ],
)
def test_another_s_address_is_refused(header: bytes) -> None:
    assert refusal(header + b"\r\nx\r\n") is FromNotAllowed


@pytest.mark.parametrize(
    "octets",
    [
        b"\0From: ceo@other.test\r\n" + FROM + b"\r\n",
        FROM + b"X:\0\r\n\r\n",
        FROM + b"\r\na\0b\r\n",
        FROM + b"X: a\rFrom: ceo@other.test\r\n\r\n",
        FROM + b"\r\na\nb\r\n",
    ],
)
def test_octets_that_lines_cannot_hold_are_refused(octets: bytes) -> None:
    assert refusal(octets) is BareLineEnding


def test_what_stands_in_the_body_claims_nothing() -> None:
    assert refusal(FROM + b"\r\nFrom: ceo@other.test\r\n") is None


def test_a_header_section_is_bounded() -> None:
    """S07.04: 1,000 fields, and 256 KiB."""
    fields = b"X: y\r\n" * 999
    assert refusal(FROM + fields + b"\r\nx\r\n") is None
    assert refusal(FROM + fields + b"X: y\r\n\r\nx\r\n") is MessageUnacceptable
    assert refusal(FROM + b"X: y\r\n" * 200_000 + b"\r\n") is MessageUnacceptable
    long = b"X: " + b"y" * 900 + b"\r\n"
    assert refusal(FROM + long * 289 + b"\r\n") is None
    assert refusal(FROM + long * 290 + b"\r\n") is MessageUnacceptable


def test_a_message_that_travels_in_circles_is_refused() -> None:
    """S07.05: more than 50 Received fields."""
    received = b"Received: from a by b; Tue, 20 Oct 2026 10:00:00 +0000\r\n"
    assert refusal(received * 50 + FROM + b"\r\nx\r\n") is None
    assert refusal(received * 51 + FROM + b"\r\nx\r\n") is RoutingLoop
