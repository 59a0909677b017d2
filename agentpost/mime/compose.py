"""A message written from values: the only way that mail of ours comes into being.

Sources: RFC 5322 (header), RFC 2045 and 2046 (body parts), RFC 2183 (dispositions), RFC 2387
(related), RFC 2392 (content ids).  A :class:`Composition` is text and octets; it is checked as a
whole, every fault is named with the path of its field, and only then is it serialised: CRLF
only, lines within 78 octets where they can be folded, 7-bit unless asked otherwise.

Nothing here takes a header from a received message: what is carried over goes through text,
so that no encoded CR LF can become a field of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from agentpost import clock
from agentpost.errors import AddressSyntax, FieldError, UnknownField
from agentpost.limits import CompositionLimits
from agentpost.mime import fields, transfer
from agentpost.mime.date import format_date
from agentpost.mime.html import text_from_html
from agentpost.model.message import Address

RandomSource = Callable[[int], bytes]
"""Gives so many random octets: ``os.urandom``, or ``random.Random(7).randbytes`` in a test."""

_LIMITS = CompositionLimits()

_MEDIA_TYPE = re.compile(
    r"([a-z0-9][a-z0-9!#$&^_.+\-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+\-]{0,126})"
    r'((?:[ ]*;[ ]*[a-z0-9!#$&^_.+\-]{1,40}=(?:[a-z0-9!#$&^_.+\-]{1,70}|"[a-z0-9 !#-\[\]-~]{0,70}"))*)',
    re.ASCII | re.IGNORECASE,
)
_PARAMETER = re.compile(r'([^ ;="]+)=(?:"([^"]*)"|([^ ;"]+))')
_CONTENT_ID = re.compile(r"[!#-'*+\-./0-9:=?@A-Z^_`a-z{|}~]{1,200}", re.ASCII)
_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")

_OWN_FIELD = {
    "from": "The server writes From from the inbox.",
    "sender": "The server decides about Sender.",
    "to": "Use the field to.",
    "cc": "Use the field cc.",
    "bcc": "Use the field bcc.",
    "reply-to": "Use the field reply_to.",
    "subject": "Use the field subject.",
    "date": "The server writes Date.",
    "message-id": "The server writes Message-ID.",
    "in-reply-to": "Reply to the message instead; the server writes In-Reply-To.",
    "references": "Reply to the message instead; the server writes References.",
    "mime-version": "The server writes MIME-Version.",
    "return-path": "Return-Path is written at final delivery.",
    "delivered-to": "Delivered-To is written at final delivery.",
    "x-original-to": "X-Original-To is written at final delivery.",
    "apparently-to": "Use the field to.",
    "envelope-to": "Envelope-To is written at final delivery.",
    "authentication-results": "Authentication-Results is written by the receiver.",
    "dkim-signature": "The message is signed when it is sent.",
    "domainkey-signature": "The message is signed when it is sent.",
}
_OWN_PREFIX = {
    "content-": "The server writes the Content- fields from the bodies and attachments.",
    "received": "Trace fields are written in transport.",
    "resent-": "Forward the message instead.",
    "arc-": "ARC fields are written in transport.",
    "x-agentpost-": "X-AgentPost- fields steer this server; use the request's own fields.",
    "x-ses-": "X-SES- fields steer the relay and are not for messages.",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message.

    ``content_id`` (without brackets) makes it part of the HTML, which shows it by ``cid:``;
    ``inline`` asks mail programs to show it rather than offer it.
    """

    filename: str | None
    media_type: str
    content: bytes
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything an outgoing message says.

    Identifiers stand without brackets.  ``headers`` are the caller's own fields, in order.
    ``message_id`` and ``date`` are made by :func:`completed` when they are None.
    """

    from_: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    message_id: str | None = None
    date: datetime | None = None


def compose(
    composition: Composition,
    *,
    with_bcc: bool = False,
    eight_bit: bool = False,
    random: RandomSource = os.urandom,
    limits: CompositionLimits = _LIMITS,
) -> bytes:
    """The message's octets.

    ``with_bcc`` writes the Bcc field, for drafts; what is sent never has one.  ``eight_bit``
    lets an attached message keep its 8-bit lines (the relay then needs 8BITMIME).  The same
    composition, complete, and the same random source give the same octets.

    Raises: AddressSyntax when only addresses are wrong, UnknownField otherwise; both name the
    path of every bad field (``to[0].email``, ``headers.X-Foo``).
    """
    check(composition, limits)
    whole = completed(composition, random=random)
    body = _body(whole, _Marks(random), eight_bit)
    return b"".join(
        (*_header(whole, with_bcc), b"MIME-Version: 1.0\r\n", body.header, b"\r\n", *body.content)
    )


def completed(
    composition: Composition, *, now: datetime | None = None, random: RandomSource = os.urandom
) -> Composition:
    """``composition`` with the Message-ID and Date it lacks."""
    date = composition.date or now or clock.now()
    message_id = composition.message_id
    if message_id is None:
        message_id = new_message_id(composition.from_.email.rpartition("@")[2], date, random)
    return replace(composition, message_id=message_id, date=date)


def new_message_id(
    domain: str, now: datetime | None = None, random: RandomSource = os.urandom
) -> str:
    """A new identifier, without brackets: milliseconds, 80 random bits, "@", the domain.

    Identifiers sort by their time.  Source: RFC 5322 section 3.6.4 wants a domain of ours.
    """
    milliseconds = int((now or clock.now()).timestamp() * 1000)
    return f"{milliseconds:012x}.{random(10).hex()}@{fields.ascii_domain(domain)}"


def needs_smtputf8(composition: Composition) -> bool:
    """Whether an address of the header can only be written in UTF-8 (RFC 6531 section 3.2)."""
    return any(not fields.wire_email(person.email).isascii() for _, person in _people(composition))


# What may be composed


def check(composition: Composition, limits: CompositionLimits = _LIMITS) -> None:
    """Raises AddressSyntax or UnknownField, naming every fault, when there is one."""
    bad_addresses = tuple(_address_faults(composition))
    errors = (
        *bad_addresses,
        *_text_faults(composition, limits),
        *_file_faults(composition, limits),
    )
    if not errors:
        return
    first = f"{errors[0].path}: {errors[0].message}"
    if len(bad_addresses) == len(errors):
        raise AddressSyntax(first, errors=errors)
    raise UnknownField(first, errors=errors)


def _people(composition: Composition) -> Iterator[tuple[str, Address]]:
    """Every address of the header with its path."""
    yield "from", composition.from_
    for name in ("to", "cc", "bcc", "reply_to"):
        for index, person in enumerate(getattr(composition, name)):
            yield f"{name}[{index}]", person


def _address_faults(composition: Composition) -> Iterator[FieldError]:
    for path, person in _people(composition):
        if fault := fields.fault_of_email(person.email):
            yield FieldError(f"{path}.email", fault)
        if fault := fields.fault_of_text(person.name or ""):
            yield FieldError(f"{path}.name", fault)


def _text_faults(composition: Composition, limits: CompositionLimits) -> Iterator[FieldError]:
    if fault := fields.fault_of_text(composition.subject):
        yield FieldError("subject", fault)
    if len(composition.subject) > limits.max_subject_characters:
        yield FieldError("subject", f"At most {limits.max_subject_characters} characters.")
    for path, body in (("text_body", composition.text), ("html_body", composition.html)):
        if found := _NUL_OR_SURROGATE.search(body or ""):
            yield FieldError(path, f"Character U+{ord(found[0]):04X} is not allowed in text.")
    own = (composition.message_id,) if composition.message_id is not None else ()
    for path, ids in (
        ("message_id", own),
        ("in_reply_to", composition.in_reply_to),
        ("references", composition.references),
    ):
        if not all(map(fields.is_message_id, ids)):
            yield FieldError(path, "Not a message identifier: left@right, without brackets.")
    yield from _header_faults(composition, limits)


def _header_faults(composition: Composition, limits: CompositionLimits) -> Iterator[FieldError]:
    if len(composition.headers) > limits.max_custom_headers:
        yield FieldError("headers", f"At most {limits.max_custom_headers} fields.")
    for name, value in composition.headers:
        if fault := header_fault(name, value, limits):
            yield FieldError(f"headers.{fields.cleaned(name, 80)}", fault)


def header_fault(name: str, value: str, limits: CompositionLimits = _LIMITS) -> str | None:
    """Why a caller may not set this field, or None when it may."""
    if not fields.is_field_name(name):
        return "A field name is 1 to 76 printable ASCII characters without space and colon."
    lower = name.lower()
    if reason := _OWN_FIELD.get(lower):
        return f"This field cannot be set. {reason}"
    for prefix, reason in _OWN_PREFIX.items():
        if lower.startswith(prefix):
            return f"This field cannot be set. {reason}"
    if fault := fields.fault_of_text(value, tab=True):
        return fault
    if len(value.encode()) > limits.max_header_value_octets:
        return f"At most {limits.max_header_value_octets} octets."
    if (
        value.isascii()
        and max(map(len, value.split()), default=0) > fields.MAX_LINE - len(name) - 4
    ):
        return "A word is too long for a line; put spaces where the field may be folded."
    return None


def _file_faults(composition: Composition, limits: CompositionLimits) -> Iterator[FieldError]:
    if len(composition.attachments) > limits.max_attachments:
        yield FieldError("attachments", f"At most {limits.max_attachments} attachments.")
    for index, file in enumerate(composition.attachments):
        path = f"attachments[{index}]"
        if fault := fields.fault_of_text(file.filename or ""):
            yield FieldError(f"{path}.filename", fault)
        if len((file.filename or "").encode("utf-8", "replace")) > 255:
            yield FieldError(f"{path}.filename", "At most 255 octets.")
        lower = file.media_type.lower()
        if _MEDIA_TYPE.fullmatch(file.media_type) is None or lower.startswith("multipart/"):
            yield FieldError(f"{path}.mime_type", "Not a media type such as application/pdf.")
        elif lower.startswith("message/") and not _may_attach(lower, file.content):
            yield FieldError(f"{path}.mime_type", "This message/ type needs 7-bit content.")
        if file.content_id is not None and _CONTENT_ID.fullmatch(file.content_id) is None:
            yield FieldError(f"{path}.content_id", "Letters, digits and any of @.-_+ only.")


def attachable(file: Attachment) -> Attachment:
    """A received file with its name, type and content id made such that it may be written."""
    name = fields.cleaned(file.filename or "", 200) or None
    while name and len(name.encode()) > 255:
        name = name[1:]
    lower = file.media_type.lower()
    typed = _MEDIA_TYPE.fullmatch(file.media_type) and not lower.startswith("multipart/")
    if not typed or (lower.startswith("message/") and not _may_attach(lower, file.content)):
        file = replace(file, media_type="application/octet-stream")
    if file.content_id is not None and _CONTENT_ID.fullmatch(file.content_id) is None:
        file = replace(file, content_id=None)
    return replace(file, filename=name)


def _may_attach(media_type: str, content: bytes) -> bool:
    """Whether a message/ type can be written: they take no base64 (RFC 2045 section 6.4)."""
    return media_type == "message/rfc822" or transfer.is_seven_bit(content)


# Header


def _header(whole: Composition, with_bcc: bool) -> Iterator[bytes]:
    """The header's fields before MIME-Version; ``whole`` is complete and checked."""
    if whole.date is not None:
        yield fields.folded("Date", [format_date(whole.date)])
    yield fields.addresses("From", (whole.from_,))
    lists = [("Reply-To", whole.reply_to), ("To", whole.to), ("Cc", whole.cc)]
    if with_bcc:
        lists.append(("Bcc", whole.bcc))
    for name, people in lists:
        if people:
            yield fields.addresses(name, people)
    yield fields.unstructured("Subject", whole.subject)
    if whole.message_id is not None:
        yield fields.identifiers("Message-ID", (whole.message_id,))
    if whole.in_reply_to:
        yield fields.identifiers("In-Reply-To", whole.in_reply_to)
    if whole.references:
        yield fields.identifiers("References", whole.references)
    for name, value in whole.headers:
        yield fields.unstructured(name, value)


# Body


class _Marks:
    """Boundaries, each different from the others and absent from what it separates."""

    def __init__(self, random: RandomSource) -> None:
        # "=_" cannot occur in quoted-printable or base64 (RFC 2045 section 6.7).
        self._stem = "=_" + random(12).hex()
        self._count = 0

    def absent_from(self, parts: list[_Part]) -> bytes:
        """A boundary that begins no line of ``parts``."""
        while True:
            self._count += 1
            mark = f"{self._stem}.{self._count:03d}".encode()
            if not any(b"--" + mark in chunk for part in parts for chunk in part.content):
                return mark


@dataclass(frozen=True, slots=True)
class _Part:
    """A body part: its Content- fields, and its encoded content in pieces."""

    header: bytes
    content: list[bytes]
    eight_bit: bool = False


def _body(whole: Composition, marks: _Marks, eight_bit: bool) -> _Part:
    """Everything below the header: mixed(alternative(text, related(html, inline)), files)."""
    html = whole.html
    shown = [f for f in whole.attachments if f.content_id is not None and html is not None]
    files = [f for f in whole.attachments if f not in shown]
    text = whole.text
    if text is None:
        text = text_from_html(html) if html is not None else ""
    body = _text("plain", text)
    if html is not None:
        rich = _text("html", html)
        if shown:
            inline = [_file(f, eight_bit) for f in shown]
            rich = _multipart("related", [rich, *inline], marks, [("type", "text/html")])
        body = _multipart("alternative", [body, rich], marks)
    if files:
        body = _multipart("mixed", [body, *(_file(f, eight_bit) for f in files)], marks)
    return body


def _text(subtype: str, text: str) -> _Part:
    """A text part in UTF-8; its last line is ended."""
    octets = transfer.canonical(text)
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    encoding, content = transfer.encoded_text(octets)
    header = fields.parametrised("Content-Type", f"text/{subtype}", [("charset", "utf-8")])
    return _Part(header + _encoding(encoding), [content])


def _file(file: Attachment, eight_bit: bool) -> _Part:
    """An attachment with its name, disposition and id; its octets arrive as they are."""
    media_type, encoding, content = _file_content(file, eight_bit)
    base, parameters = _media_type(media_type)
    named = [("name", file.filename)] if file.filename else []
    header = fields.parametrised("Content-Type", base, [*parameters, *named])
    disposition = "inline" if file.inline or file.content_id is not None else "attachment"
    filename = [("filename", file.filename)] if file.filename else []
    header += fields.parametrised("Content-Disposition", disposition, filename)
    if file.content_id is not None:
        header += fields.identifiers("Content-ID", (file.content_id,))
    return _Part(header + _encoding(encoding), [content], encoding == "8bit")


def _file_content(file: Attachment, eight_bit: bool) -> tuple[str, str, bytes]:
    """(media type, encoding, content) as written.

    A message that cannot stand as message/rfc822, which takes no encoding (RFC 2046 section
    5.2.1), goes as octets.
    """
    lower = file.media_type.lower()
    if lower == "message/rfc822":
        content = transfer.canonical_octets(file.content)
        if transfer.is_seven_bit(content):
            return file.media_type, "7bit", content
        if eight_bit and transfer.is_eight_bit(content):
            return file.media_type, "8bit", content
        return "application/octet-stream", "base64", transfer.base64(file.content)
    if lower.startswith("message/"):
        return file.media_type, "7bit", file.content
    return file.media_type, "base64", transfer.base64(file.content)


def _media_type(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A checked media type and its parameters, without "name", which the file name gives."""
    found = _MEDIA_TYPE.fullmatch(text)
    if found is None:
        raise ValueError("the composition was not checked")
    parameters = [(p[1], p[2] or p[3] or "") for p in _PARAMETER.finditer(found[2])]
    return found[1].lower(), [(key, value) for key, value in parameters if key.lower() != "name"]


def _multipart(
    subtype: str, parts: list[_Part], marks: _Marks, parameters: list[tuple[str, str]] | None = None
) -> _Part:
    """``parts`` as one part."""
    mark = marks.absent_from(parts)
    wide = any(part.eight_bit for part in parts)
    words = [*(parameters or []), ("boundary", mark.decode())]
    header = fields.parametrised("Content-Type", f"multipart/{subtype}", words)
    if wide:
        header += _encoding("8bit")
    content: list[bytes] = []
    for part in parts:
        content += (b"--" + mark + b"\r\n", part.header, b"\r\n", *part.content, b"\r\n")
    content.append(b"--" + mark + b"--\r\n")
    return _Part(header, content, wide)


def _encoding(name: str) -> bytes:
    return f"Content-Transfer-Encoding: {name}\r\n".encode()
