"""Answers and forwards: whom to, what about, what is quoted, and what must never come along."""

from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message

import pytest

from agentpost.limits import CompositionLimits
from agentpost.mime.answer import Original, Words, forward, reply, reply_all
from agentpost.mime.compose import Attachment, compose
from agentpost.mime.encoded import decode_header
from agentpost.mime.reply import extracted_html, extracted_text
from agentpost.mime.subject import forward_subject, reply_subject
from agentpost.model.message import Address

ME = Address("support@inbox.example", "Support")
ALICE = Address("alice@example.com", "Alice")
BOB = Address("bob@example.com", "Bob")
TEAM = Address("team@example.com")
ORIGINAL = Original(
    message_id="m@example.com",
    references=("r@example.com",),
    from_=(ALICE,),
    to=(ME, BOB),
    cc=(TEAM, Address("ALICE@example.com")),
    subject="Order 7",
    date=datetime(2026, 3, 8, 14, 30, tzinfo=UTC),
    text="Where is it?\n\n> older\n",
    html="<p>Where is <b>it</b>?</p>",
)
WORDS = Words(text="On its way.")


def people(addresses: tuple[Address, ...]) -> list[str]:
    return [address.email for address in addresses]


def test_a_reply_goes_to_the_author() -> None:
    answer = reply(ORIGINAL, WORDS, from_=ME)
    assert people(answer.to) == ["alice@example.com"]
    assert answer.cc == ()
    assert answer.subject == "Re: Order 7"
    assert answer.in_reply_to == ("m@example.com",)
    assert answer.references == ("r@example.com", "m@example.com")


def test_reply_to_wins_over_from_and_mail_reply_to_over_both() -> None:
    asked = replace(ORIGINAL, reply_to=(BOB,))
    assert people(reply(asked, WORDS, from_=ME).to) == ["bob@example.com"]
    asked = replace(asked, mail_reply_to=(TEAM,))
    assert people(reply(asked, WORDS, from_=ME).to) == ["team@example.com"]


def test_an_unusable_reply_to_is_passed_over() -> None:
    asked = replace(ORIGINAL, reply_to=(Address("undisclosed recipients"),))
    assert people(reply(asked, WORDS, from_=ME).to) == ["alice@example.com"]


def test_answering_ones_own_message_writes_to_its_recipients() -> None:
    mine = replace(ORIGINAL, from_=(ME,), to=(BOB,), cc=())
    assert people(reply(mine, WORDS, from_=ME).to) == ["bob@example.com"]
    assert people(reply_all(mine, WORDS, from_=ME).to) == ["bob@example.com"]


def test_a_reply_to_all_reaches_everyone_once_and_not_oneself() -> None:
    answer = reply_all(ORIGINAL, WORDS, from_=ME)
    assert people(answer.to) == ["alice@example.com", "bob@example.com"]
    assert people(answer.cc) == ["team@example.com"]


def test_own_addresses_and_their_subaddresses_are_left_out() -> None:
    tagged = replace(ORIGINAL, to=(Address("Support+t7@inbox.example"), BOB), cc=(TEAM,))
    answer = reply_all(tagged, WORDS, from_=ME, own=frozenset(("team@example.com",)))
    assert people((*answer.to, *answer.cc)) == ["alice@example.com", "bob@example.com"]


def test_mail_followup_to_names_all_recipients() -> None:
    listed = replace(ORIGINAL, mail_followup_to=(TEAM, ME))
    answer = reply_all(listed, WORDS, from_=ME)
    assert people((*answer.to, *answer.cc)) == ["team@example.com"]


def test_a_message_to_oneself_can_be_answered() -> None:
    alone = replace(ORIGINAL, from_=(ME,), to=(ME,), cc=())
    assert people(reply(alone, WORDS, from_=ME).to) == [ME.email]
    assert people(reply_all(alone, WORDS, from_=ME).to) == [ME.email]


@pytest.mark.parametrize(
    ("subject", "answer", "onward"),
    [
        ("hi", "Re: hi", "Fwd: hi"),
        ("Re: hi", "Re: hi", "Fwd: Re: hi"),
        ("RE: AW: Re[2]: hi", "Re: hi", "Fwd: RE: AW: Re[2]: hi"),
        ("Fwd: hi", "Re: Fwd: hi", "Fwd: hi"),
        ("WG: TR: hi", "Re: WG: TR: hi", "Fwd: hi"),
        ("\u56de\u590d\uff1ahi", "Re: hi", "Fwd: \u56de\u590d\uff1ahi"),
        ("R\u00e9f : hi", "Re: hi", "Fwd: R\u00e9f : hi"),
        ("Report: hi", "Re: Report: hi", "Fwd: Report: hi"),
        ("", "Re:", "Fwd:"),
        ("a\r\nBcc: x", "Re: a Bcc: x", "Fwd: a Bcc: x"),
        ("x" * 2000, "Re: " + "x" * 900, "Fwd: " + "x" * 900),
    ],
)
def test_subjects_are_marked_once(subject: str, answer: str, onward: str) -> None:
    assert reply_subject(subject) == answer
    assert forward_subject(subject) == onward


@pytest.mark.parametrize(
    "subject",
    [
        b"=?utf-8?q?Hi=0D=0ABcc:_victim@example.com?=",
        b"=?utf-8?b?SGkNCkJjYzogdmljdGltQGV4YW1wbGUuY29t?=",
        b"Hi\r\n =?us-ascii?q?=0ABcc:_victim@example.com?=",
    ],
)
def test_an_encoded_line_end_in_a_received_field_puts_no_field_on_the_wire(subject: bytes) -> None:
    decoded = "Hi\r\nBcc: victim@example.com"
    for text in (decoded, decode_header(subject)):
        poisoned = replace(
            ORIGINAL,
            subject=text,
            from_=(Address("a@example.com", text),),
            to=(Address("b@example.com\r\nBcc: victim@example.com", text),),
            cc=(Address("c@example.com", text),),
            message_id="m@x>\r\nBcc: victim@example.com",
            references=("r@x\r\nBcc: y", "ok@x"),
            attachments=(Attachment(text, text, b"x", text),),
            octets=b"Subject: " + subject + b"\r\n\r\nhi\r\n",
        )
        composed = [
            reply(poisoned, WORDS, from_=ME),
            reply_all(poisoned, WORDS, from_=ME),
            forward(poisoned, WORDS, from_=ME, to=(BOB,)),
            forward(poisoned, WORDS, from_=ME, to=(BOB,), as_attachment=True),
        ]
        for one in composed:
            octets = compose(one)
            names = [name for name, _ in email.message_from_bytes(octets).items()]
            assert "Bcc" not in names
            assert names.count("Subject") == 1
            assert b"\nBcc" not in octets.partition(b"\r\n\r\n")[0]


def test_an_answer_quotes_below_and_our_own_extraction_takes_it_off_again() -> None:
    answer = reply(ORIGINAL, Words(text="On its way.", html="<p>On its way.</p>"), from_=ME)
    assert answer.text == (
        "On its way.\n\n"
        "On Sun, 8 Mar 2026 at 14:30 +0000, Alice <alice@example.com> wrote:\n"
        "> Where is it?\n>\n>> older\n"
    )
    assert answer.html is not None
    assert '<blockquote class="gmail_quote" type="cite"' in answer.html
    assert "Where is <b>it</b>?" in answer.html
    assert extracted_text(answer.text or "") == "On its way."
    assert "Where" not in extracted_html(answer.html)


def test_quoting_can_be_left_out() -> None:
    assert reply(ORIGINAL, WORDS, from_=ME, quote=False).text == "On its way."


def test_quoted_html_is_harmless() -> None:
    evil = replace(ORIGINAL, html='<script>x()</script><img src=x onerror=y><p onclick="z">ok</p>')
    html = reply(evil, Words(html="<p>hi"), from_=ME).html or ""
    assert "script" not in html
    assert "onerror" not in html
    assert "onclick" not in html
    assert "ok" in html


def test_an_unclosed_original_cannot_swallow_the_answer() -> None:
    evil = replace(ORIGINAL, html="</blockquote></div><table><td>out <!-- ")
    html = reply(evil, Words(html="<p>hi</p>"), from_=ME).html or ""
    assert html.startswith("<p>hi</p><br>")
    assert html.endswith("</blockquote></div>")


def test_long_originals_are_cut() -> None:
    long = replace(ORIGINAL, text="x " * 5000, html="<p>" + "y " * 5000)
    limits = CompositionLimits(max_quoted_characters=100)
    answer = reply(long, Words(text="a", html="b"), from_=ME, limits=limits)
    assert len(answer.text or "") < 300
    assert len(answer.html or "") < 900


def test_inline_pictures_that_the_quotation_shows_come_along() -> None:
    shown = Attachment("a.png", "image/png", b"a", content_id="a@x", inline=True)
    file = Attachment("b.pdf", "application/pdf", b"b")
    rich = replace(ORIGINAL, html='<img src="cid:a@x">', attachments=(shown, file))
    assert reply(rich, Words(html="hi"), from_=ME).attachments == (shown,)
    assert reply(rich, Words(text="hi"), from_=ME).attachments == ()


def test_a_forward_shows_the_header_and_carries_the_files() -> None:
    file = Attachment("b.pdf", "application/pdf", b"b", content_id="unused@x")
    sent = forward(replace(ORIGINAL, attachments=(file,)), Words(text="FYI"), from_=ME, to=(BOB,))
    assert sent.subject == "Fwd: Order 7"
    assert (sent.text or "").startswith(
        "FYI\n\n---------- Forwarded message ---------\nFrom: Alice <alice@example.com>\n"
        "Date: Sun, 8 Mar 2026 at 14:30 +0000\nSubject: Order 7\n"
        "To: Support <support@inbox.example>, Bob <bob@example.com>\n"
        "Cc: team@example.com, ALICE@example.com\n\nWhere is it?"
    )
    assert "Where is <b>it</b>?" in (sent.html or "")
    assert sent.attachments == (replace(file, content_id=None),)
    assert sent.in_reply_to == ()
    assert sent.references == ("r@example.com", "m@example.com")
    assert extracted_text(sent.text or "").startswith("FYI\n\n----------")


def test_a_forward_as_attachment_holds_the_octets() -> None:
    octets = b"Subject: x\r\n\r\nhi\r\n"
    sent = forward(replace(ORIGINAL, octets=octets), WORDS, from_=ME, to=(BOB,), as_attachment=True)
    part = email.message_from_bytes(compose(sent)).get_payload(1)
    assert isinstance(part, Message)
    assert part.get_content_type() == "message/rfc822"
    assert part.get_filename() == "Order 7.eml"
    assert octets in compose(sent)
    with pytest.raises(ValueError, match="octets"):
        forward(ORIGINAL, WORDS, from_=ME, to=(BOB,), as_attachment=True)


def test_references_of_a_long_conversation_stay_bounded() -> None:
    long = replace(ORIGINAL, references=tuple(f"{n:0>200}@example.com" for n in range(500)))
    answer = reply(long, WORDS, from_=ME)
    assert answer.references[0].endswith("000@example.com")
    assert answer.references[-1] == "m@example.com"
    assert sum(map(len, answer.references)) < 8192


def test_an_original_with_nothing_known_can_be_answered() -> None:
    empty = Original(from_=(ALICE,))
    answer = reply(empty, WORDS, from_=ME)
    assert answer.in_reply_to == ()
    assert answer.references == ()
    assert answer.text == "On its way."
    compose(answer)


def test_a_forward_of_too_many_files_is_attached_whole() -> None:
    files = tuple(Attachment(f"{n}.txt", "text/plain", b"") for n in range(5))
    many = replace(ORIGINAL, attachments=files, octets=b"Subject: x\r\n\r\nhi\r\n")
    limits = CompositionLimits(max_attachments=4)
    (only,) = forward(many, WORDS, from_=ME, to=(BOB,), limits=limits).attachments
    assert only.media_type == "message/rfc822"
