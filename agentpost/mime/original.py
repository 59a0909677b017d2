"""A stored message read as the :class:`Original` that an answer or a forward is about.

Sources: those of :mod:`agentpost.mime.body` and :mod:`agentpost.mime.threading`; Mail-Followup-To
and Mail-Reply-To are conventions of mailing lists.  Everything is decoded to text or octets here;
no header of the message goes further than this.
"""

from __future__ import annotations

from agentpost.limits import MimeLimits
from agentpost.mime.address import parse_addresses
from agentpost.mime.answer import Original
from agentpost.mime.body import (
    attachments,
    best_html,
    best_text,
    decode_body,
    is_attachment,
    walk,
)
from agentpost.mime.compose import Attachment
from agentpost.mime.date import parse_date
from agentpost.mime.encoded import decode_header, decode_raw
from agentpost.mime.header import Header
from agentpost.mime.scan import Part, scan_with_header
from agentpost.mime.threading import message_ids
from agentpost.model.message import Address

_DEFAULT = MimeLimits()


def read_original(
    octets: bytes, limits: MimeLimits = _DEFAULT, *, with_files: bool = True
) -> Original:
    """What an answer needs to know of ``octets``; linear in their number, never raises.

    Without ``with_files`` no attachment is decoded, for answers that quote text only.
    """
    part, header = scan_with_header(octets, limits)
    date = header.last(b"date")
    subject = header.last(b"subject")
    own = _ids(header, b"message-id")
    return Original(
        message_id=own[0] if own else None,
        in_reply_to=_ids(header, b"in-reply-to"),
        references=_ids(header, b"references"),
        from_=_people(header, b"from", limits),
        reply_to=_people(header, b"reply-to", limits),
        mail_reply_to=_people(header, b"mail-reply-to", limits),
        mail_followup_to=_people(header, b"mail-followup-to", limits),
        to=_people(header, b"to", limits),
        cc=_people(header, b"cc", limits),
        subject="" if subject is None else decode_header(subject),
        date=None if date is None else parse_date(date),
        text=best_text(part, octets, limits),
        html=best_html(part, octets, limits),
        attachments=_files(part, octets, limits) if with_files else (),
        octets=octets,
    )


def _people(header: Header, name: bytes, limits: MimeLimits) -> tuple[Address, ...]:
    value = header.last(name)
    return parse_addresses(value, limits) if value else ()


def _ids(header: Header, name: bytes) -> tuple[str, ...]:
    value = header.last(name)
    return message_ids(decode_raw(value)) if value else ()


def _files(part: Part, octets: bytes, limits: MimeLimits) -> tuple[Attachment, ...]:
    """The files with their decoded octets."""
    parts = {
        number: one for one, number, _ in walk(part, into_messages=False) if is_attachment(one)
    }
    return tuple(
        Attachment(
            file.filename,
            file.mime_type,
            decode_body(parts[file.section], octets),
            file.content_id,
            file.inline,
        )
        for file in attachments(part, octets, limits)
    )
