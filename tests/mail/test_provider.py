"""What SES writes on top of a mail, and that nobody else can write it there."""

from __future__ import annotations

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from agentpost.mail.provider import given, header_of, opened
from agentpost.model.notification import Verdicts

OPENING = (
    b"Return-Path: <bounces+7@lists.example>\r\n"
    b"Received: from mx.lists.example (mx.lists.example [198.51.100.4])\r\n"
    b" by inbound-smtp.eu-west-1.amazonaws.com with SMTP id o3vrnil0e2ic\r\n"
    b" for agent+tag@shared.test;\r\n"
    b" Sun, 8 Mar 2026 14:30:00 +0000 (UTC)\r\n"
    b"X-SES-Spam-Verdict: FAIL\r\n"
    b"X-SES-Virus-Verdict: PASS\r\n"
    b"Received-SPF: pass (spfCheck: domain of lists.example) client-ip=198.51.100.4;\r\n"
    b"Authentication-Results: amazonses.com;\r\n"
    b" spf=pass (spfCheck: domain of lists.example) smtp.mailfrom=bounces+7@lists.example;\r\n"
    b" dkim=fail header.i=@other.example;\r\n"
    b" dkim=pass header.i=@lists.example;\r\n"
    b" dmarc=fail header.from=ada.example;\r\n"
    b"X-SES-RECEIPT: AEFBQUFB\r\n"
    b"X-SES-DKIM-SIGNATURE: a=rsa-sha256; q=dns/txt; b=abc\r\n"
)
SENDER_S = (
    b"Received: from inside by mx.lists.example; Sun, 8 Mar 2026 14:29:00 +0000\r\n"
    b"From: Ada <ada@ada.example>\r\n"
    b"To: List <list@lists.example>, agent@shared.test\r\n"
    b"Cc: =?utf-8?q?B=C3=B6b?= <bob@shared.test>\r\n"
    b"\r\n"
    b"text\r\n"
)


async def test_the_conversation_is_read_from_ses_s_own_trace() -> None:
    found = opened(await header_of(OPENING + SENDER_S))
    assert (found.ip, found.helo) == ("198.51.100.4", "mx.lists.example")
    assert found.reverse_path == "bounces+7@lists.example"
    assert found.recipients == ("agent+tag@shared.test",)
    assert found.named == ("list@lists.example", "agent@shared.test", "bob@shared.test")


async def test_verdicts_are_read_from_ses_s_own_fields() -> None:
    octets = OPENING + SENDER_S
    assert given(octets, await header_of(octets)) == Verdicts(
        spam="fail", virus="pass", spf="pass", dkim="pass", dmarc="fail"
    )


@pytest.mark.parametrize(
    "forged",
    [
        b"X-SES-Spam-Verdict: PASS\r\nX-SES-Virus-Verdict: PASS\r\n",
        b"Authentication-Results: amazonses.com; dmarc=pass; spf=pass; dkim=pass\r\n",
    ],
)
async def test_a_sender_s_own_verdicts_count_for_nothing(forged: bytes) -> None:
    octets = OPENING + forged + SENDER_S
    assert given(octets, await header_of(octets)).spam == "fail"
    assert given(octets, await header_of(octets)).dmarc == "fail"
    alone = b"Received: from a by b; x\r\nSubject: x\r\n" + forged + SENDER_S
    assert given(alone, await header_of(alone)) == Verdicts()
    # Whoever else writes Authentication-Results is not SES.
    other = b"Authentication-Results: mx.evil.test; dmarc=pass; amazonses.com; spf=pass\r\n"
    assert given(other + SENDER_S, await header_of(other + SENDER_S)) == Verdicts()


async def test_the_trace_of_another_server_names_nobody() -> None:
    forged = b"Received: from x (y [192.0.2.1]) by mx.evil.test for agent@shared.test; z\r\n"
    found = opened(await header_of(forged + SENDER_S))
    assert (found.ip, found.helo, found.recipients) == (None, None, ())


async def test_a_long_mail_is_read_alike() -> None:
    octets = OPENING + SENDER_S + b"x" * 400_000
    assert given(octets, await header_of(octets)).spam == "fail"


@over(st.binary(max_size=300), st.sampled_from([b"", OPENING]))
async def test_nothing_is_a_fault(octets: bytes, before: bytes) -> None:
    header = await header_of(before + octets)
    opened(header)
    given(before + octets, header)
