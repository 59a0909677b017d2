"""Whole messages answered and forwarded: from octets to octets."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.answer import Words, forward, reply, reply_all
from agentpost.mime.compose import compose
from agentpost.mime.original import read_original
from agentpost.model.message import Address
from tests.mailgen import hostile, realistic

ME = Address("me@inbox.example", "Me")
BOB = Address("bob@example.com")
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
POISONED = (
    b"From: =?utf-8?q?A=0D=0ABcc:_victim@example.com?= <a@example.com>\r\n"
    b"To: me@inbox.example, =?utf-8?q?B=0ABcc:_v@example.com?= <b@example.com>\r\n"
    b"Subject: =?utf-8?q?Hi=0D=0ABcc:_victim@example.com=0D=0A=0D=0Abody?=\r\n"
    b"Message-ID: <m@example.com>\r\nReferences: <r@example.com>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
    b" filename*=utf-8''a%0D%0ABcc:%20x.pdf\r\n\r\n%PDF\r\n--b--\r\n"
)


def assert_sane(octets: bytes) -> None:
    assert octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    names = [
        name.lower()
        for name, _ in email.message_from_bytes(octets.partition(b"\r\n\r\n")[0]).items()
    ]
    assert "bcc" not in names
    assert len(names) == len(set(names))
    assert set(names) <= {
        "date", "from", "to", "cc", "subject", "message-id", "in-reply-to", "references",
        "mime-version", "content-type", "content-transfer-encoding",
    }  # fmt: skip


def all_answers(octets: bytes) -> None:
    original = read_original(octets)
    words = Words(text="new\n", html="<p>new</p>")
    assert_sane(compose(reply(original, words, from_=ME)))
    assert_sane(compose(reply_all(original, words, from_=ME)))
    assert_sane(compose(forward(original, words, from_=ME, to=(BOB,))))
    assert_sane(compose(forward(original, words, from_=ME, to=(BOB,), as_attachment=True)))


def test_a_poisoned_header_puts_no_field_on_the_wire() -> None:
    all_answers(POISONED)
    original = read_original(POISONED)
    octets = compose(reply_all(original, Words(text="x"), from_=ME))
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message["Subject"] == "Re: Hi Bcc: victim@example.com body"
    assert [a.addr_spec for a in message["To"].addresses] == ["a@example.com", "b@example.com"]
    assert message["In-Reply-To"] == "<m@example.com>"
    assert message["References"] == "<r@example.com> <m@example.com>"


def test_a_forward_carries_the_files_octet_by_octet() -> None:
    octets = compose(forward(read_original(POISONED), Words(), from_=ME, to=(BOB,)))
    (file,) = [
        part
        for part in email.message_from_bytes(octets).walk()
        if part.get_content_type() == "application/pdf"
    ]
    assert file.get_payload(decode=True) == b"%PDF"
    assert "\n" not in (file.get_filename() or "")


@given(st.integers(0, 3000))
def test_any_realistic_message_can_be_answered(seed: int) -> None:
    all_answers(realistic(seed))


@given(st.integers(0, 3000))
def test_any_hostile_message_can_be_answered(seed: int) -> None:
    all_answers(hostile(seed))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
@pytest.mark.slow
@pytest.mark.parametrize("folder", ["general", "torture", "eai", "bounces"])
def test_every_message_of_the_corpus_can_be_answered(folder: str) -> None:
    for path in sorted((CORPUS / folder).glob("*.eml")):
        octets = path.read_bytes()
        if len(octets) < 300_000:
            original = read_original(octets)
            compose(reply_all(original, Words(text="x", html="x"), from_=ME))
            compose(forward(original, Words(text="x"), from_=ME, to=(BOB,)))
