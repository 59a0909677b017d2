"""All that arrival needs to know of a message, in one pass.

Knows what lists, searches, FETCH and threading ask of a message later, so that they never look at
its octets again.  Text is storable: no NUL, no lone surrogates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agentpost.limits import MimeLimits
from agentpost.mime.address import Mailbox, as_addresses
from agentpost.mime.body import (
    count_attachments,
    declared_charset,
    decode_body,
    html_to_text,
    text_parts,
)
from agentpost.mime.bounce import may_be_report
from agentpost.mime.charset import decode
from agentpost.mime.date import parse_date
from agentpost.mime.encoded import decode_header, decode_raw
from agentpost.mime.header import Header
from agentpost.mime.scan import Part, pack, scan_with_header
from agentpost.mime.structure import mailbox_fields, render_envelope, structures
from agentpost.mime.threading import message_ids
from agentpost.mime.unseen import without_unseen
from agentpost.model.message import Address

_DEFAULT = MimeLimits()
_AUTOMATIC_PRECEDENCE = frozenset((b"bulk", b"list", b"junk", b"auto_reply", b"auto-reply"))
_MARKS_OF_MACHINES = frozenset(
    (
        b"list-id",
        b"list-unsubscribe",
        b"list-post",
        b"x-autoreply",
        b"x-autorespond",
        b"x-auto-response-suppress",
        b"feedback-id",
    )
)
_HTML_FACTOR = 4
"""HTML spends most of its first kilobytes on its head and styles."""


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """What is stored of a message besides its octets.

    ``size`` is in octets.  ``parts`` is the packed part tree (``scan.unpack``); ``envelope``,
    ``body`` and ``bodystructure`` are as IMAP sends them.  ``subject`` is decoded, empty when
    missing.  Identifiers have no angle brackets; ``in_reply_to`` is the first of its field;
    ``references`` is bounded, oldest first.  ``date`` is the Date field in its own zone.
    ``automated`` says that a machine sent it (RFC 3834, mailing lists, bounces).
    ``header_truncated`` says that the header section is longer than what was read.
    ``may_report`` says that it may be a bounce or another report on sent mail, so that it is
    worth a look.
    """

    size: int
    parts: bytes
    envelope: bytes
    body: bytes
    bodystructure: bytes
    subject: str
    from_: tuple[Address, ...]
    sender: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    date: datetime | None
    preview: str
    attachment_count: int
    automated: bool
    header_truncated: bool
    may_report: bool

    @property
    def has_attachments(self) -> bool:
        return self.attachment_count > 0


def summarise(octets: bytes, limits: MimeLimits = _DEFAULT) -> MessageSummary:
    """What is to be stored of ``octets``.

    Never raises, whatever the octets are; linear in their number.
    """
    part, header = scan_with_header(octets, limits)
    mailboxes = mailbox_fields(header, limits)
    short, long = structures(octets, part, limits)
    date = header.last(b"date")
    replied = _ids(header, b"in-reply-to")
    own = _ids(header, b"message-id")

    def people(name: bytes) -> tuple[Address, ...]:
        found: tuple[Mailbox, ...] | None = mailboxes.get(name)
        return as_addresses(found) if found else ()

    return MessageSummary(
        len(octets),
        pack(part),
        render_envelope(header, mailboxes),
        short,
        long,
        subject_of(header),
        people(b"from"),
        people(b"sender"),
        people(b"reply-to"),
        people(b"to"),
        people(b"cc"),
        people(b"bcc"),
        own[0] if own else None,
        replied[0] if replied else None,
        _ids(header, b"references"),
        None if date is None else parse_date(date),
        preview_of(part, octets, limits),
        count_attachments(part, limits),
        is_automated(header, part),
        header.truncated,
        may_be_report(header, part),
    )


def subject_of(header: Header) -> str:
    """The decoded Subject; empty when there is none."""
    value = header.last(b"subject")
    return "" if value is None else decode_header(value)


def _ids(header: Header, name: bytes) -> tuple[str, ...]:
    value = header.last(name)
    return message_ids(decode_raw(value)) if value else ()


def is_automated(header: Header, part: Part) -> bool:
    """Whether a machine sent the message: answering it by a machine could loop.

    Source: RFC 3834 section 5 (Auto-Submitted), RFC 2919 (List-Id), RFC 2369, RFC 3464; the
    Precedence field is no standard and what older software writes; an empty Return-Path is the
    null reverse-path of notifications (RFC 5321 section 4.5.5).
    """
    submitted = header.last(b"auto-submitted")
    if submitted is not None:
        word = submitted.partition(b";")[0].strip(b" \t").lower()
        if word and word != b"no":
            return True
    precedence = header.last(b"precedence")
    if precedence is not None and precedence.strip(b" \t").lower() in _AUTOMATIC_PRECEDENCE:
        return True
    if part.type == b"multipart/report" or header.last(b"return-path") == b"<>":
        return True
    return not header.has_none_of(_MARKS_OF_MACHINES)


def preview_of(part: Part, octets: bytes, limits: MimeLimits = _DEFAULT) -> str:
    """The beginning of the message's text on one line, at most ``limits.preview_characters``.

    Decodes only the beginning of the first text parts.
    """
    preview = _beginning(text_parts(part, b"text/plain"), octets, limits)
    return preview or _beginning(text_parts(part, b"text/html"), octets, limits)


def _beginning(parts: list[Part], octets: bytes, limits: MimeLimits) -> str:
    for one in parts[:3]:
        is_html = one.type == b"text/html"
        most = limits.preview_octets * (_HTML_FACTOR if is_html else 1)
        text = decode(decode_body(one, octets, most)[:most], declared_charset(one))
        if is_html:
            text = html_to_text(text)
        text = without_unseen(text)[0]
        words = _first_words(text, limits.preview_characters)
        if words:
            return words
    return ""


def _first_words(text: str, most: int) -> str:
    """The first ``most`` characters of ``text`` with its white space made single spaces."""
    words = " ".join(text[: 2 * most].split())
    if len(words) < most and len(text) > 2 * most:
        words = " ".join(text.split())
    return words[:most]
