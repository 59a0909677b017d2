"""What simulated recipients write back.

Source: RFC 3834 (automatic responses): sections 2 (when to stay silent), 3.1 (the fields of an
answer) and 4 (the null reverse-path, shown as ``Return-Path: <>``).
"""

from __future__ import annotations

from dataclasses import replace

from agentpost.mime.answer import Original, Words, reply
from agentpost.mime.body import best_text
from agentpost.mime.compose import Composition, compose
from agentpost.mime.fields import fault_of_email
from agentpost.mime.outgoing import add_trace
from agentpost.mime.scan import unpack
from agentpost.mime.summary import MessageSummary, summarise
from agentpost.model.message import Address
from agentpost.model.relay import Outgoing

_AUTOMATIC = b"Return-Path: <>\r\nAuto-Submitted: auto-replied\r\n"
_ABSENCE = "I am out of the office and will read your message when I am back.\n"


def may_be_answered(outgoing: Outgoing) -> bool:
    """Whether a machine may answer: not what a machine sent, not the null reverse-path."""
    return bool(outgoing.reverse_path) and not summarise(outgoing.octets).automated


def automatic_reply(outgoing: Outgoing, recipient: str) -> bytes:
    """An out-of-office answer from ``recipient``."""
    summary = summarise(outgoing.octets)
    answer = _answer(outgoing, summary, recipient, _ABSENCE)
    subject = f"Automatic reply: {summary.subject}".rstrip(": ")
    return _written(answer, subject)


def echo(outgoing: Outgoing, recipient: str) -> bytes:
    """An answer from ``recipient`` that says what it was sent."""
    summary = summarise(outgoing.octets)
    text = best_text(unpack(summary.parts), outgoing.octets) or "\n"
    answer = _answer(outgoing, summary, recipient, text)
    return _written(answer, answer.subject)


def _answer(outgoing: Outgoing, summary: MessageSummary, recipient: str, text: str) -> Composition:
    original = Original(
        message_id=summary.message_id,
        in_reply_to=() if summary.in_reply_to is None else (summary.in_reply_to,),
        references=summary.references,
        # An automatic answer goes to the reverse-path (RFC 3834 section 4).
        from_=(Address(outgoing.reverse_path),),
        subject=summary.subject,
        date=summary.date,
    )
    sender = recipient if fault_of_email(recipient) is None else "simulator@simulator.invalid"
    return reply(original, Words(text=text), from_=Address(sender), quote=False)


def _written(answer: Composition, subject: str) -> bytes:
    return add_trace(compose(replace(answer, subject=subject[:500])), _AUTOMATIC)
