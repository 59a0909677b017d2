"""Composed messages, read back with the standard library and held against the RFCs' bounds."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import quopri
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage, Message
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import AddressSyntax, UnknownField
from agentpost.limits import CompositionLimits
from agentpost.mime import fields, transfer
from agentpost.mime.compose import (
    Attachment,
    Composition,
    compose,
    header_fault,
    needs_smtputf8,
    new_message_id,
)
from agentpost.model.message import Address

WHEN = datetime(2026, 3, 8, 14, 30, tzinfo=timezone(timedelta(hours=1)))
BASE = Composition(
    Address("me@inbox.example", "Me"),
    to=(Address("you@example.com"),),
    subject="Hello",
    text="Hi\n",
    message_id="1@inbox.example",
    date=WHEN,
)


def seeded(seed: int = 1) -> Callable[[int], bytes]:
    return Random(seed).randbytes


def read(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=email.policy.default)


def raw(octets: bytes) -> Message:
    return email.message_from_bytes(octets)


def kinds(octets: bytes) -> list[str]:
    return [part.get_content_type() for part in raw(octets).walk()]


def assert_fit_for_smtp(octets: bytes) -> None:
    assert octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
    assert octets.isascii()
    assert b"\0" not in octets
    assert max(map(len, octets.split(b"\r\n"))) <= 998


def header(octets: bytes) -> bytes:
    return octets.partition(b"\r\n\r\n")[0]


def test_the_simplest_message_reads_like_an_example_of_rfc_5322() -> None:
    assert compose(BASE) == (
        b"Date: Sun, 08 Mar 2026 14:30:00 +0100\r\n"
        b"From: Me <me@inbox.example>\r\n"
        b"To: you@example.com\r\n"
        b"Subject: Hello\r\n"
        b"Message-ID: <1@inbox.example>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hi\r\n"
    )


def test_a_full_message_has_the_structure_that_mail_programs_expect() -> None:
    octets = compose(
        replace(
            BASE,
            html='<p>H\u00e4llo</p><img src="cid:logo">',
            attachments=(
                Attachment("q.pdf", "application/pdf", b"%PDF"),
                Attachment("logo.png", "image/png", b"PNG", content_id="logo"),
                Attachment("old.eml", "message/rfc822", b"Subject: x\n\nbody\n"),
            ),
        )
    )
    assert kinds(octets) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
        "message/rfc822",
        "text/plain",
    ]
    parts = {part.get_filename(): part for part in raw(octets).walk() if part.get_filename()}
    assert parts["logo.png"]["Content-ID"] == "<logo>"
    assert parts["q.pdf"].get_payload(decode=True) == b"%PDF"
    assert_fit_for_smtp(octets)


def test_html_alone_gets_a_text_of_its_own() -> None:
    octets = compose(
        replace(BASE, text=None, html='<h1>Hi</h1><p>See <a href="https://x.example/">it</a>')
    )
    text = read(octets).get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "Hi\n\nSee it <https://x.example/>\n"


def test_without_bodies_the_text_is_empty() -> None:
    assert compose(replace(BASE, text=None)).endswith(b"7bit\r\n\r\n")


def test_bcc_is_written_for_drafts_only() -> None:
    secret = replace(BASE, bcc=(Address("secret@example.com"),))
    assert b"secret" not in compose(secret)
    assert b"\r\nBcc: secret@example.com\r\n" in compose(secret, with_bcc=True)


def test_the_same_random_source_gives_the_same_octets() -> None:
    rich = replace(BASE, html="<p>x")
    assert compose(rich, random=seeded()) == compose(rich, random=seeded())
    assert compose(rich, random=seeded(1)) != compose(rich, random=seeded(2))


def test_a_boundary_is_never_found_in_the_content() -> None:
    stem = "=_" + seeded()(12).hex()
    text = "\n".join(f"--{stem}.{n:03d}" for n in range(1, 5))
    octets = compose(replace(BASE, text=text, html="<p>x"), random=seeded())
    body = read(octets).get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == text.split()


def test_boundaries_of_one_message_differ_and_none_begins_another() -> None:
    octets = compose(
        replace(
            BASE,
            html='<img src="cid:a">',
            attachments=(
                Attachment("a", "image/png", b"", content_id="a"),
                Attachment("b", "image/png", b""),
            ),
        )
    )
    marks = [m.get_boundary() or "" for m in raw(octets).walk() if m.is_multipart()]
    assert len(marks) == 3
    assert not any(a != b and a.startswith(b) for a in marks for b in marks)
    assert len(set(marks)) == 3


def test_missing_date_and_identifier_are_made() -> None:
    message = read(compose(replace(BASE, date=None, message_id=None)))
    assert message["Date"]
    assert message["Message-ID"].endswith("@inbox.example>")


def test_new_identifiers_sort_by_time_and_differ() -> None:
    early = new_message_id("b\u00fccher.example", datetime(2026, 1, 1, tzinfo=UTC))
    late = new_message_id("b\u00fccher.example", datetime(2026, 1, 2, tzinfo=UTC))
    assert early < late
    assert early.endswith("@xn--bcher-kva.example")
    assert fields.is_message_id(early)
    assert new_message_id("x.example", WHEN) != new_message_id("x.example", WHEN)


# What must never reach the wire


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"subject": "a\r\nBcc: x@example.com"}, "subject"),
        ({"subject": "a\u2028b"}, "subject"),
        ({"subject": "\ud800"}, "subject"),
        ({"subject": "x" * 2001}, "subject"),
        ({"text": "a\x00b"}, "text_body"),
        ({"html": "\udfff"}, "html_body"),
        ({"headers": (("X-Foo", "a\nb"),)}, "headers.X-Foo"),
        ({"headers": (("X Foo", "a"),)}, "headers.X Foo"),
        ({"headers": (("X-Foo\r\nBcc", "a"),)}, "headers.X-Foo Bcc"),
        ({"headers": (("", "a"),)}, "headers."),
        ({"headers": (("X-\u00e9", "a"),)}, "headers.X-\u00e9"),
        ({"headers": (("X-Long", "y" * 1000),)}, "headers.X-Long"),
        ({"headers": (("X-Long", "y " * 5000),)}, "headers.X-Long"),
        ({"headers": tuple((f"X-{n}", "") for n in range(101))}, "headers"),
        ({"in_reply_to": ("a> <b",)}, "in_reply_to"),
        ({"references": ("a b",)}, "references"),
        ({"message_id": "x\r\nBcc: y"}, "message_id"),
        ({"attachments": (Attachment("a\r\nb", "a/b", b""),)}, "attachments[0].filename"),
        ({"attachments": (Attachment("a", "a/b\r\nX: y", b""),)}, "attachments[0].mime_type"),
        ({"attachments": (Attachment("a", "multipart/mixed", b""),)}, "attachments[0].mime_type"),
        (
            {"attachments": (Attachment("a", "message/partial", b"\xff"),)},
            "attachments[0].mime_type",
        ),
        ({"attachments": (Attachment("a", "a/b", b"", "x>\r\n"),)}, "attachments[0].content_id"),
        ({"to": (Address("a@b.example", "x\ry"),)}, "to[0].name"),
    ],
)
def test_a_fault_is_named_by_its_path(change: dict[str, object], path: str) -> None:
    with pytest.raises((UnknownField, AddressSyntax)) as caught:
        compose(replace(BASE, **change))  # type: ignore[arg-type]
    assert [error.path for error in caught.value.errors] == [path]


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(UnknownField) as caught:
        compose(replace(BASE, subject="\n", headers=(("Bcc", "x"),), to=(Address("nobody"),)))
    assert {error.path for error in caught.value.errors} == {
        "subject",
        "headers.Bcc",
        "to[0].email",
    }


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "SENDER",
        "to",
        "Cc",
        "Bcc",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "MIME-Version",
        "Content-Type",
        "Content-Foo",
        "Received",
        "Received-SPF",
        "DKIM-Signature",
        "Return-Path",
        "ARC-Seal",
        "Authentication-Results",
        "Resent-Bcc",
        "Delivered-To",
        "X-AgentPost-Labels",
        "X-SES-SOURCE-ARN",
    ],
)
def test_fields_of_ours_cannot_be_set(name: str) -> None:
    assert "cannot be set" in (header_fault(name, "x") or "")


@pytest.mark.parametrize(
    "name", ["X-Foo", "List-Unsubscribe", "Auto-Submitted", "Precedence", "Importance", "X!#$%&'*+"]
)
def test_other_fields_can(name: str) -> None:
    assert header_fault(name, "v\u00e4lue") is None


@pytest.mark.parametrize(
    "address",
    [
        "plain", "a@", "@b.example", "a b@c.example", "a@b..example", ".a@b.example", "a.@b.example",
        "a@b.example\n", "a@b.example>", "<a@b.example", "a,b@c.example", "a@-b.example",
        "a" * 65 + "@b.example", "a@" + "b." * 130 + "example", "a@b@c.example", "a\u200b@b.example",
        "a@b.example, c@d.example", "a;b@c.example", '"a\r\n"@b.example', "a@[1.2.3.4", "\ud800@b.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(AddressSyntax) as caught:
        compose(replace(BASE, to=(Address("ok@example.com"), Address(address))))
    assert caught.value.errors[0].path == "to[1].email"


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example",
        "a.b+c@d",
        '"odd one"@b.example',
        "a@[192.0.2.1]",
        "o'neil@b.example",
        "a@b_c.example",
    ],
)
def test_what_is_an_address_passes(address: str) -> None:
    assert address.encode() in compose(replace(BASE, to=(Address(address),)))


def test_only_letters_beyond_ascii_before_the_at_need_smtputf8() -> None:
    wide = replace(BASE, to=(Address("info@b\u00fccher.example", "J\u00fcrgen"),))
    assert not needs_smtputf8(wide)
    assert b"info@xn--bcher-kva.example" in compose(wide)
    wider = replace(BASE, cc=(Address("j\u00fcrgen@b\u00fccher.example"),))
    assert needs_smtputf8(wider)
    assert "j\u00fcrgen@b\u00fccher.example".encode() in compose(wider)


# Round trips

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=120)


@given(TEXT)
def test_a_subject_is_read_back_as_it_was_given(subject: str) -> None:
    octets = compose(replace(BASE, subject=subject))
    assert_fit_for_smtp(octets)
    lines = header(octets).split(b"\r\n")
    assert all(len(line) <= 78 for line in lines if b" " in line.strip())
    value = raw(octets)["Subject"]
    decoded = email.header.make_header(email.header.decode_header(value))
    expected = subject.strip(" \t")
    assert str(decoded).replace("\r\n", "").replace("\n", "") == expected or not expected


@given(TEXT.map(str.strip).filter(bool))
def test_a_display_name_never_becomes_an_address(name: str) -> None:
    octets = compose(replace(BASE, to=(Address("you@example.com", name),)))
    assert_fit_for_smtp(octets)
    (only,) = read(octets)["To"].addresses
    assert only.addr_spec == "you@example.com"


@given(TEXT.map(lambda name: name.strip()[:80]).filter(bool))
def test_a_file_name_is_read_back_as_it_was_given(name: str) -> None:
    octets = compose(replace(BASE, attachments=(Attachment(name, "application/pdf", b"x"),)))
    assert_fit_for_smtp(octets)
    (part,) = [p for p in raw(octets).walk() if p.get_content_type() == "application/pdf"]
    found = part.get_param("filename", header="Content-Disposition")
    assert email.utils.collapse_rfc2231_value(found) == name  # type: ignore[arg-type]


BODY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=400)


@given(st.one_of(BODY, st.text("From .=\r\n \tx\u00e9", max_size=400)))
def test_a_body_is_read_back_as_it_was_given(text: str) -> None:
    octets = compose(replace(BASE, text=text))
    assert_fit_for_smtp(octets)
    body = octets.partition(b"\r\n\r\n")[2]
    assert not any(line.startswith(b"From ") for line in body.split(b"\r\n"))
    assert all(len(line) <= 78 for line in body.split(b"\r\n"))
    found = raw(octets).get_payload(decode=True)
    expected = transfer.canonical(text)
    assert found in (expected, expected + b"\r\n")


def test_no_line_begins_as_mailboxes_begin_messages() -> None:
    for text in ("From here on\nplain\n", "a\nFrom " + "x" * 200 + "\n>From\n"):
        octets = compose(replace(BASE, text=text))
        assert b"\nFrom " not in octets
        assert raw(octets).get_payload(decode=True) == transfer.canonical(text)


@pytest.mark.parametrize(
    "name",
    ['Dr. "X"', "back\\slash.", "a,b", "<x@y.example>", "J. (Jim) Z", "a@b.example", "x;y:z"],
)
def test_a_display_name_is_read_back_as_it_was_given(name: str) -> None:
    octets = compose(replace(BASE, to=(Address("you@example.com", name), Address("b@x.example"))))
    first, second = read(octets)["To"].addresses
    assert (first.display_name, first.addr_spec) == (name, "you@example.com")
    assert second.addr_spec == "b@x.example"


@given(st.binary(max_size=3000))
def test_a_file_arrives_octet_by_octet(content: bytes) -> None:
    octets = compose(replace(BASE, attachments=(Attachment(None, "image/png", content),)))
    assert_fit_for_smtp(octets)
    (part,) = [p for p in raw(octets).walk() if p.get_content_type() == "image/png"]
    assert part.get_payload(decode=True) == content


@given(st.text("From =.\n\txy\u20ac", max_size=500))
def test_quoted_printable_decodes_to_its_input(text: str) -> None:
    octets = transfer.canonical(text)
    encoded = transfer.quoted_printable(octets)
    assert quopri.decodestring(encoded.replace(b"\r\n", b"\n")) == octets.replace(b"\r\n", b"\n")
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))


@given(
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_nothing_given_ever_adds_a_field(subject: str, name: str, key: str, value: str) -> None:
    whole = replace(
        BASE, subject=subject, to=(Address("a@b.example", name),), headers=((key, value),)
    )
    try:
        octets = compose(whole)
    except (UnknownField, AddressSyntax):
        return
    names = [line.partition(b":")[0] for line in header(octets).split(b"\r\n") if line[:1] != b" "]
    assert names == [
        b"Date", b"From", b"To", b"Subject", b"Message-ID", key.encode(), b"MIME-Version",
        b"Content-Type", b"Content-Transfer-Encoding",
    ]  # fmt: skip


def test_an_attached_message_stays_a_message_only_when_it_needs_no_encoding() -> None:
    def attached(content: bytes, *, eight_bit: bool = False) -> tuple[str, str]:
        files = (Attachment("m.eml", "message/rfc822", content),)
        octets = compose(replace(BASE, attachments=files), eight_bit=eight_bit)
        part = raw(octets).get_payload(1)
        assert isinstance(part, Message)
        return part.get_content_type(), str(part["Content-Transfer-Encoding"])

    assert attached(b"Subject: x\n\nhi\n") == ("message/rfc822", "7bit")
    assert attached("Subject: \u00e9\r\n\r\n".encode()) == ("application/octet-stream", "base64")
    assert attached("Subject: \u00e9\r\n\r\n".encode(), eight_bit=True) == (
        "message/rfc822",
        "8bit",
    )
    assert attached(b"Subject: x\r\n\r\n" + b"y" * 1000) == ("application/octet-stream", "base64")
    assert attached(b"\0") == ("application/octet-stream", "base64")


def test_media_type_parameters_are_kept_and_quoted() -> None:
    file = Attachment("a.csv", 'text/csv; charset=utf-8; header="present"; name="old"', b"a,b")
    octets = compose(replace(BASE, attachments=(file,)))
    part = raw(octets).get_payload(1)
    assert isinstance(part, Message)
    assert part["Content-Type"] == "text/csv; charset=utf-8; header=present; name=a.csv"


def test_text_that_looks_like_an_encoded_word_stays_text() -> None:
    trick = "=?utf-8?q?=0D=0ABcc:_x@example.com?="
    octets = compose(replace(BASE, subject=trick, to=(Address("a@b.example", trick),)))
    assert trick.encode() not in octets
    assert (
        str(email.header.make_header(email.header.decode_header(raw(octets)["Subject"]))) == trick
    )


def test_many_recipients_are_folded() -> None:
    people = tuple(Address(f"user{n}@example.com", f"User Number {n}") for n in range(1000))
    octets = compose(replace(BASE, to=people))
    assert all(len(line) <= 78 for line in header(octets).split(b"\r\n"))
    assert len(read(octets)["To"].addresses) == 1000


def test_limits_are_handed_down() -> None:
    with pytest.raises(UnknownField):
        compose(replace(BASE, subject="long"), limits=CompositionLimits(max_subject_characters=3))
