"""The changes to a message on its way out, and that there are no others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.outgoing import add_missing, add_trace, line_ends, outgoing, strip_bcc
from tests.mailgen import realistic

WHEN = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
PLAIN = b"From: a@b.example\r\nSubject: x\r\n\r\nBcc: stays in the body\r\n"


def test_a_message_without_secrets_is_the_same_object() -> None:
    assert strip_bcc(PLAIN) is PLAIN
    assert line_ends(PLAIN) is PLAIN


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: z@b.example\r\n",
        b"BCC:z@b.example\r\n",
        b"bcc \t: z@b.example,\r\n y@b.example,\r\n\tx@b.example\r\n",
        b"Bcc:\r\n z@b.example\r\n",
        b"Resent-Bcc: z@b.example\r\n",
        b"X-AgentPost-Labels: a, b\r\n",
        b"x-agentpost-idempotency-key : k\r\n",
        b"X-SES-SOURCE-ARN: arn:aws:ses:x\r\n",
        b"Return-Path: <z@b.example>\r\n",
        b"Bcc: z\r\nBcc: y\r\n",
    ],
)
@pytest.mark.parametrize("place", [0, 20, 32])
def test_secret_fields_go_and_nothing_else(field: bytes, place: int) -> None:
    place = PLAIN.rfind(b"\n", 0, place) + 1
    assert strip_bcc(PLAIN[:place] + field + PLAIN[place:]) == PLAIN


def test_a_secret_field_at_the_very_end_goes() -> None:
    assert strip_bcc(b"A: b\r\nBcc: z") == b"A: b\r\n"


def test_similar_names_stay() -> None:
    octets = b"X-Bcc: a\r\nBcc-Not: b\r\nSubject: Bcc: c\r\n\td Bcc: e\r\n\r\n"
    assert strip_bcc(octets) is octets


def test_secrets_beyond_any_limit_go() -> None:
    octets = b"X: y\r\n" * 50_000 + b"Bcc: z\r\n\r\nbody"
    assert b"Bcc" not in strip_bcc(octets)


def test_the_line_of_mailbox_files_goes_and_the_from_field_stays() -> None:
    assert strip_bcc(b"From a@b Mon Jan  1 00:00:00 2024\r\n" + PLAIN) == PLAIN
    spaced = b"From : a@b.example\r\n\r\n"
    assert strip_bcc(spaced) is spaced


def test_a_lone_cr_in_the_header_never_becomes_a_field() -> None:
    octets = b"Subject: x\rBcc: z@b.example\r\nFrom: a@b.example\r\n\r\none\rtwo\nthree\r\n"
    assert line_ends(octets) == (
        b"Subject: x Bcc: z@b.example\r\nFrom: a@b.example\r\n\r\none\r\ntwo\r\nthree\r\n"
    )


def test_missing_identity_is_added_and_present_identity_kept() -> None:
    ready = add_missing(PLAIN, message_id="1@b.example", date=WHEN)
    assert ready == (
        b"Date: Sun, 08 Mar 2026 14:30:00 +0000\r\nMessage-ID: <1@b.example>\r\n" + PLAIN
    )
    assert add_missing(ready, message_id="2@b.example", date=WHEN) is ready
    with pytest.raises(ValueError, match="identifier"):
        add_missing(PLAIN, message_id="a>\r\nBcc: b", date=WHEN)


@pytest.mark.parametrize("header", [b"", b"X: y", b"X: y\r\n\r\n", b" X: y\r\n", b"\r\nX: y\r\n"])
def test_trace_must_be_whole_fields(header: bytes) -> None:
    with pytest.raises(ValueError, match="fields"):
        add_trace(PLAIN, header)


def test_everything_together() -> None:
    octets = b"Subject: x\nBcc: z\n\nbody\n"
    ready = outgoing(octets, message_id="1@b.example", date=WHEN, trace=b"Received: by us\r\n")
    assert ready == (
        b"Received: by us\r\nDate: Sun, 08 Mar 2026 14:30:00 +0000\r\n"
        b"Message-ID: <1@b.example>\r\nSubject: x\r\n\r\nbody\r\n"
    )


@given(st.integers(0, 500))
def test_the_body_of_a_fit_message_is_never_touched(seed: int) -> None:
    octets = realistic(seed, wire=True)
    body = octets[octets.index(b"\r\n\r\n") :]
    ready = outgoing(octets, message_id="1@b.example", date=WHEN)
    assert ready.endswith(body)
    assert outgoing(ready, message_id="2@b.example", date=WHEN) == ready


@given(
    st.lists(st.sampled_from([b"Bcc", b":", b" ", b"\r", b"\n", b"\r\n", b"x", b"\t"]), max_size=30)
)
def test_no_bcc_field_survives_any_line_ends(pieces: list[bytes]) -> None:
    ready = outgoing(b"".join(pieces), message_id="1@b.example", date=WHEN)
    header = ready.partition(b"\r\n\r\n")[0]
    assert not any(
        line.partition(b":")[0].rstrip(b" \t").lower() == b"bcc"
        for line in header.split(b"\r\n")
        if b":" in line
    )
