"""Reports on sent mail: what each form says, that ordinary mail is none, and that nothing raises."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentpost.mime.body import walk
from agentpost.mime.bounce import may_be_report, received_report
from agentpost.mime.bounceforms import FORMS, told
from agentpost.mime.report import notification
from agentpost.mime.scan import scan, scan_with_header
from agentpost.model.bounce import ReceivedReport
from tests.corpus.samples import samples
from tests.mime.test_report import REPORT

ADDRESS = "ada@example.com"
COPY = """Received: from agent by mx.example.net; Sun, 8 Mar 2026 14:30:00 +0000
Message-ID: <letter@shared.test>
From: agent@shared.test
To: ada@example.com
Subject: hello

The body.
"""

FREE: dict[str, tuple[str, str | None]] = {
    "qmail": (
        "Hi. This is the qmail-send program at mx.example.net.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
        "<ada@example.com>:\n192.0.2.1 does not like recipient.\n"
        "Remote host said: 550 5.1.1 no such user\n\n"
        "--- Below this line is a copy of the message.\n\n" + COPY,
        "5.1.1",
    ),
    "yahoo": (
        "Sorry, we were unable to deliver your message to the following address.\n\n"
        "<ada@example.com>:\nRemote host said: 552 5.2.2 over quota [RCPT_TO]\n\n"
        "--- Below this line is a copy of the message.\n\n" + COPY,
        "5.2.2",
    ),
    "gmail": (
        "Delivery to the following recipient failed permanently:\n\n     ada@example.com\n\n"
        "Technical details of permanent failure:\nDNS Error: Domain name not found\n\n"
        "----- Original message -----\n\n" + COPY,
        "5.1.2",
    ),
    "exim": (
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        "  ada@example.com\n    SMTP error after RCPT TO:<ada@example.com>:\n"
        "    host mx.example.com [192.0.2.1]: 550 5.7.1 not you\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n" + COPY,
        "5.7.1",
    ),
    "postfix": (
        "This is the Postfix program at host mx.example.net.\n\n"
        "I'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\n"
        "<ada@example.com>: host mx.example.com[192.0.2.1] said: 550 User unknown\n" + "\n" + COPY,
        "5.1.1",
    ),
    "sendmail": (
        "The original message was received at Sun, 8 Mar 2026 14:30:00 GMT\n\n"
        "   ----- The following addresses had permanent fatal errors -----\n"
        "<ada@example.com>\n\n   ----- Transcript of session follows -----\n"
        "550 <ada@example.com>... User unknown\n\n   ----- Unsent message follows -----\n" + COPY,
        "5.1.1",
    ),
    "exchange": (
        (
            "Your message\n\n  To:      ada@example.com\n  Subject: hello\n\n"
            "did not reach the following recipient(s):\n\n"
            "ada@example.com on Sun, 8 Mar 2026 14:30:00 -0000\n"
            "    The recipient name is not recognized\n"
        ),
        "5.1.1",
    ),
    "domino": (
        (
            "Your message\n\n  Subject: hello\n\nwas not delivered to:\n\n  ada@example.com\n\nbecause:\n\n"
            "  User ada (ada@example.com) not listed in Domino Directory\n"
        ),
        "5.1.1",
    ),
    "notes": (
        "------- Failure Reasons  --------\n\nUser ada not listed in public Name & Address Book\n"
        "ada@example.com\n\n------- Returned Message --------\n\n" + COPY,
        "5.1.1",
    ),
    "opensmtpd": (
        "    Hi!\n\n    An error has occurred while attempting to deliver a message for\n"
        "    the following list of recipients:\n\nada@example.com: Domain does not exist\n\n"
        "    Below is a copy of the original message:\n\n" + COPY,
        "5.1.2",
    ),
    "dragonfly": (
        "This is the DragonFly Mail Agent v0.13 at mx.example.net.\n\n"
        "There was an error delivering your mail to <ada@example.com>.\n\n"
        "mx.example.com [192.0.2.1] did not like our RCPT TO:\n550 5.1.1 no such user\n\n"
        "Message headers follow.\n\n" + COPY,
        "5.1.1",
    ),
    "workmail": (
        "An error occurred while trying to deliver the mail to the following recipients:\n"
        "ada@example.com\n\n" + COPY,
        None,
    ),
    "imail": (
        "User mailbox exceeds allowed size: ada@example.com\n\nOriginal message follows.\n\n"
        + COPY,
        "5.2.2",
    ),
    "interscan": (
        "Sent <<< RCPT TO:<ada@example.com>\nReceived >>> 550 5.1.1 user unknown\n\n" + COPY,
        "5.1.1",
    ),
    "mfilter": (
        "ada@example.com\n\n-------server message\n550 5.1.1 no such user\n\n"
        "-------SMTP command\nRCPT\n\n-------original mail info\n" + COPY,
        "5.1.1",
    ),
    "surfcontrol": (
        "Your message could not be sent.\nA transcript of the attempts to send the message follows.\n"
        "Addressed To: ada@example.com\n550 5.1.1 no such user\n\n" + COPY,
        "5.1.1",
    ),
    "mailstore": (
        "reject reason: Mailbox full\ntarget mail address: ada@example.com\n\nbounced E-Mail:\n"
        + COPY,
        "5.2.2",
    ),
    "mimecast": (
        (
            "An email that you attempted to send to the following address could not be\ndelivered:\n"
            "-- ada@example.com\n\nThe problem appears to be :\n-- 5.4.1 Access denied\n"
        ),
        "5.4.1",
    ),
    "mailfoundry": (
        "Unable to deliver message to: <ada@example.com>\nServer failed with: 550 No such user here\n",
        "5.1.1",
    ),
    "rejected": (
        "<ada@example.com>\n\n"
        "Each of the following recipients was rejected by a remote mail server.\n\n" + COPY,
        None,
    ),
    "disabled": (
        "The user(s) account is disabled.\n\n<ada@example.com>: 550 user unknown\n\n" + COPY,
        "5.1.1",
    ),
    "gateway": (
        "Your mail sent on: Sun, 8 Mar 2026 14:30:00 +0000\n"
        "     Could not be delivered to: <ada@example.com>\n     As their mailbox is full.\n\n"
        + COPY,
        "5.2.2",
    ),
}
"""An example of every free form, in our own words where its server leaves the choice."""


def bounce(text: str, more: str = "", sender: str = "MAILER-DAEMON@mx.example.net") -> bytes:
    head = f"Return-Path: <>\nFrom: {sender}\nTo: agent@shared.test\nSubject: failure\n{more}\n"
    return (head + text).replace("\n", "\r\n").encode()


def read(octets: bytes) -> ReceivedReport | None:
    return received_report(octets, scan(octets))


def status_report(fields: str, kind: str = "delivery-status") -> bytes:
    """A multipart/report with these fields and the header that came back."""
    return (
        (
            f"From: postmaster@mx.example.net\nContent-Type: multipart/report; boundary=b;\n"
            f" report-type={kind}\n\n--b\n\nIt failed.\n--b\nContent-Type: message/{kind}\n\n{fields}\n"
            f"--b\nContent-Type: text/rfc822-headers\n\n{COPY.partition('The body')[0]}\n--b--\n"
        )
        .replace("\n", "\r\n")
        .encode()
    )


def test_every_form_has_its_example() -> None:
    assert FREE.keys() == {form.name for form in FORMS}


@pytest.mark.parametrize("name", FREE)
def test_r75_a_free_form_names_recipient_status_and_message(name: str) -> None:
    text, status = FREE[name]
    report = read(bounce(text))
    assert report is not None
    assert report.form == name
    (recipient,) = report.recipients
    assert (recipient.addresses, recipient.action) == ((ADDRESS,), "failed")
    assert recipient.status == status
    if COPY in text:
        assert report.original_ids == ("letter@shared.test",)


@pytest.mark.parametrize("name", FREE)
def test_the_same_words_from_a_person_are_no_bounce(name: str) -> None:
    octets = bounce(FREE[name][0], sender="Bea <bea@example.org>").replace(
        b"Return-Path: <>\r\n", b""
    )
    assert read(octets) is None


def test_what_this_server_writes_is_understood() -> None:
    report = read(notification(REPORT))
    assert report is not None
    assert report.form == "dsn"
    assert report.reporting_mta == "mail.shared.test"
    assert report.original_ids == ("m1@shared.test",)
    (recipient,) = report.recipients
    assert recipient.addresses == (ADDRESS,)
    assert (recipient.action, recipient.status) == ("failed", "5.1.1")
    assert recipient.diagnostic == "smtp; 550 no such user"


def test_recipients_need_no_empty_line_between_them() -> None:
    report = read(
        status_report(
            "Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: env7\n"
            "Final-Recipient: rfc822; <a@example.com>\nAction: failed (really)\nStatus: 5.0.0 (why)\n"
            "Diagnostic-Code: smtp; 550\n 5.2.1 disabled\n"
            "Final-Recipient: RFC822;b@example.com\nAction: delayed\nStatus: 4.4.1\n"
            "Original-Recipient: rfc822;c@example.com\n"
        )
    )
    assert report is not None
    assert (report.envid, report.reporting_mta) == ("env7", "mx.example.net")
    assert report.original_ids == ("letter@shared.test",)
    first, second = report.recipients
    assert (first.addresses, first.action, first.status) == (("a@example.com",), "failed", "5.2.1")
    assert first.diagnostic == "smtp; 550 5.2.1 disabled"
    assert second.addresses == ("b@example.com", "c@example.com")
    assert (second.action, second.status) == ("delayed", "4.4.1")


@pytest.mark.parametrize(
    ("action", "status", "understood"),
    [
        ("Action: Expanded\n", "2.1.5", "expanded"),
        ("Action: relayed (to mailer)\n", "2.0.0", "relayed"),
        ("Action: delivered\n", "2.0.0", "delivered"),
        ("", "4.2.2", "delayed"),
        ("", "5.2.2", "failed"),
    ],
)
def test_actions(action: str, status: str, understood: str) -> None:
    fields = f"Final-Recipient: rfc822; {ADDRESS}\n{action}Status: {status}\n"
    report = read(status_report(fields))
    assert report is not None
    assert [one.action for one in report.recipients] == [understood]


def test_addresses_beyond_ascii_are_read(  # RFC 6533 section 3
) -> None:
    fields = "Final-Recipient: utf-8; gr\\x{fc}n@example.com\nAction: failed\nStatus: 5.1.1\n"
    report = read(status_report(fields))
    assert report is not None
    assert report.recipients[0].addresses == ("grün@example.com",)


def test_an_address_of_the_network_is_no_status() -> None:
    fields = (
        f"Final-Recipient: rfc822; {ADDRESS}\nAction: failed\nDiagnostic-Code: smtp; 4.2.2.1 no\n"
    )
    report = read(status_report(fields))
    assert report is not None
    assert report.recipients[0].status is None


@pytest.mark.parametrize("kind", ["abuse", "fraud", "opt-out", "other"])
def test_a_complaint_names_who_complained(kind: str) -> None:
    fields = (
        f"Feedback-Type: {kind}\nUser-Agent: Loop/1\nVersion: 1\nOriginal-Rcpt-To: <{ADDRESS}>\n"
    )
    report = read(status_report(fields, "feedback-report"))
    assert report is not None
    assert (report.form, report.feedback_type, report.feedback_agent) == ("arf", kind, "Loop/1")
    assert [(one.addresses, one.action) for one in report.recipients] == [
        ((ADDRESS,), "complained")
    ]
    assert report.original_ids == ("letter@shared.test",)


def test_a_complaint_whose_recipient_was_taken_out_means_the_only_one() -> None:
    report = read(status_report("Feedback-Type: abuse\nVersion: 1\n", "feedback-report"))
    assert report is not None
    assert [one.addresses for one in report.recipients] == [(ADDRESS,)]


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dmarc", ""])
def test_other_feedback_is_no_complaint(kind: str) -> None:
    fields = f"Feedback-Type: {kind}\nOriginal-Rcpt-To: {ADDRESS}\n"
    assert read(status_report(fields, "feedback-report")) is None


@pytest.mark.parametrize("sender", ["MAILER-DAEMON@mx.example.net", "postmaster@example.com"])
def test_an_automatic_answer_is_no_bounce(sender: str) -> None:
    text = "I am away until Monday. For help write to help@example.com, or call 550 123.\n"
    assert read(bounce(text, "Auto-Submitted: auto-replied\n", sender)) is None


def test_a_forwarded_bounce_is_none() -> None:
    inner = notification(REPORT)
    octets = (
        b"From: bea@example.org\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\nLook.\r\n"
        b"--z\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--z--\r\n"
    )
    part, header = scan_with_header(octets)
    assert not may_be_report(header, part)
    assert read(octets) is None


def test_two_recipients_of_one_bounce_keep_their_own_reasons() -> None:
    text = (
        "A message that you sent could not be delivered to one or more of its\nrecipients:\n\n"
        "  ada@example.com\n    host mx: 550 5.1.1 unknown\n"
        "  bea@example.org\n    host mx: 552 5.2.2 full\n"
    )
    report = read(bounce(text, "X-Failed-Recipients: ada@example.com,\n bea@example.org\n"))
    assert report is not None
    assert [(one.addresses[0], one.status) for one in report.recipients] == [
        ("ada@example.com", "5.1.1"),
        ("bea@example.org", "5.2.2"),
    ]


def test_a_warning_is_a_delay() -> None:
    text = (
        "A message that you sent has not yet been delivered to one or more of its\nrecipients\n\n"
        "  ada@example.com\n    Delay reason: 451 4.7.1 greylisted\n"
    )
    report = read(bounce(text))
    assert report is not None
    assert [(one.action, one.status) for one in report.recipients] == [("delayed", "4.7.1")]


def test_a_report_cut_wrongly_into_parts_is_read_as_text() -> None:
    whole = status_report(f"Final-Recipient: rfc822; {ADDRESS}\nAction: failed\nStatus: 5.1.1\n")
    report = read(whole.replace(b"boundary=b;", b"boundary=other;"))
    assert report is not None
    assert report.form == "fields"
    assert report.original_ids == ("letter@shared.test",)
    assert report.recipients[0].status == "5.1.1"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "Final-Recipient: rfc822; a@b.c",
                "Action: failed",
                "Status: 5.1.1",
                "<a@b.c>:",
                "",
                " folded",
                "A message that you sent could not be delivered to one or",
                "Message-ID: <x@y>",
                "Message-ID:",
                "--b",
                "--b--",
                "Content-Type: message/delivery-status",
                "----- Original message -----",
                "\x00\ud7ff",
                "@" * 300,
                "a." * 900 + "@",
            ]
        ),
        max_size=40,
    ),
    st.binary(max_size=60),
)
def test_no_mixture_raises(lines: list[str], noise: bytes) -> None:
    text = "\r\n".join(lines).encode()
    for octets in (
        b"From: <>\r\n\r\n" + text + noise,
        b"From: mailer-daemon@x\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
        + noise
        + text,
    ):
        report = read(octets)
        if report is not None:
            assert all(one.addresses for one in report.recipients)
            report_text = "".join(one.diagnostic or "" for one in report.recipients)
            assert "\n" not in report_text
            assert "\x00" not in report_text


@pytest.mark.parametrize(
    "line", ["a" * 64 + "@", "<" * 2_000, "5.1.1." * 300, "Final-Recipient: ;" * 100, "-" * 2_000]
)
def test_a_hostile_bounce_takes_no_longer_than_its_length(line: str) -> None:
    octets = bounce("This is the qmail-send program\n" + f"{line}\n" * 5_000)
    begun = time.process_time()
    read(octets)
    assert time.process_time() - begun < 2.0


def test_lines_beyond_the_bound_are_left_unread() -> None:
    text = "x\n" * 3_000 + FREE["exim"][0]
    assert told(text, (), "") is None


def _bears(octets: bytes, *kinds: bytes) -> bool:
    return any(one.type in kinds for one, _, _ in walk(scan(octets), into_messages=False))


def test_most_reports_of_the_corpus_are_understood(corpus: Path) -> None:
    """R75: at least 95 of 100 that bear a delivery status or a complaint."""
    bearing = understood = free = known = 0
    for path in sorted((corpus / "bounces").glob("*.eml")):
        octets = path.read_bytes()
        report = read(octets)
        if _bears(octets, b"message/delivery-status", b"message/global-delivery-status"):
            bearing += 1
            understood += report is not None and bool(report.recipients)
        elif _bears(octets, b"message/feedback-report"):
            failure = b"auth-failure" in octets
            bearing += not failure
            understood += not failure and report is not None
            assert not failure or report is None, path.name
        elif "host-" in path.name:
            free += 1
            known += report is not None
    assert bearing >= 100
    assert understood >= 0.95 * bearing
    assert known >= 0.85 * free


_REPORTS = (
    "dsn", "ndn", "bounce", "delivery-status", "delivery_status", "multipart_report_multiple",
    "report_4", "report_5", "feedback-report", "msg_16", "msg_25", "msg_43", "00169",
    "message-rfc822-multipart2", "mimepart_without_content_type",
)  # fmt: skip
"""In the names of collected mails that are reports, each looked at."""


def test_ordinary_mail_is_no_report() -> None:
    wrong = [
        sample.name
        for sample in samples()
        if not sample.name.startswith("bounces/")
        and not any(one in sample.name for one in _REPORTS)
        and read(sample.octets) is not None
    ]
    assert wrong == []
