"""Delivery status notifications as octets: what became of a message, for people and programs.

Sources: RFC 6522 (multipart/report), RFC 3464 (message/delivery-status), RFC 3461 section 6 (what
a notification says and returns), RFC 3834 section 3 (fields of what a machine answers), RFC 6533
(addresses beyond ASCII).

A notification quotes three strangers: the server that refused, the sender's parameters and the
message itself.  Their words go through :func:`~agentpost.mime.fields.cleaned`, so none of them can
end a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agentpost.mime import fields, transfer
from agentpost.mime.date import format_date
from agentpost.mime.header import header_end
from agentpost.model.message import Address
from agentpost.model.relay import Action, RecipientStatus

_SUBJECT: Final[dict[Action, str]] = {
    "failed": "Undeliverable",
    "delayed": "Delayed",
    "delivered": "Delivered",
    "relayed": "Relayed",
}
_SENTENCE: Final[dict[Action, str]] = {
    "failed": "Your message could not be delivered to:",
    "delayed": "Your message has not been delivered yet, and will be tried again, to:",
    "delivered": "Your message was delivered to:",
    "relayed": "Your message was handed to a server that does not report delivery, for:",
}
_AUTOMATIC: Final = b"Return-Path: <>\r\nAuto-Submitted: auto-replied\r\n"
_MOST_SAID: Final = 900
"""Characters of another server's words that are passed on."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What a notification says; identifiers stand without brackets."""

    host: str
    """The name of this server: who reports, and in whose name."""
    to: str
    subject: str
    """Of the message that it speaks of."""
    recipients: Sequence[RecipientStatus]
    message_id: str
    date: datetime
    arrived_at: datetime
    """When the message was accepted here."""
    retry_until: datetime | None = None
    envid: str | None = None
    release: str | None = None
    """How the sender asked for a later time (RFC 4865 section 5.1.2)."""
    references: tuple[str, ...] = ()
    """The message that it speaks of."""
    returned: bytes | None = None
    """The message's octets; None when they are gone."""
    whole: bool = False
    """Return all of them, not only the header."""


def notification(report: Notification) -> bytes:
    """The octets of a notification; the same for the same values."""
    wide = not all(one.address.isascii() for one in report.recipients)
    parts = [_words(report), _status(report, wide)]
    if report.returned is not None:
        parts.append(_whole(report.returned) if report.whole else _header_of(report.returned))
    mark = _mark(report.message_id, parts)
    body = b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts)
    header = _header(report, mark)
    if not body.isascii():
        header += b"Content-Transfer-Encoding: 8bit\r\n"
    return header + b"\r\n" + body + b"--" + mark + b"--\r\n"


def _header(report: Notification, mark: bytes) -> bytes:
    subject = fields.cleaned(f"{_SUBJECT[_worst(report)]}: {report.subject}".rstrip(": "), 500)
    written = [
        _AUTOMATIC,
        fields.folded("Date", [format_date(report.date)]),
        fields.addresses("From", [Address(f"mailer-daemon@{report.host}", "Mail Delivery System")]),
        fields.addresses("To", [Address(report.to)]),
        fields.unstructured("Subject", subject),
        fields.identifiers("Message-ID", [report.message_id]),
    ]
    if report.references:
        written.append(fields.identifiers("In-Reply-To", report.references))
        written.append(fields.identifiers("References", report.references))
    words = [("report-type", "delivery-status"), ("boundary", mark.decode())]
    written.append(b"MIME-Version: 1.0\r\n")
    written.append(fields.parametrised("Content-Type", "multipart/report", words))
    return b"".join(written)


def _worst(report: Notification) -> Action:
    actions = {one.action for one in report.recipients}
    return next(action for action in _SUBJECT if action in actions)


def _words(report: Notification) -> bytes:
    """The part for people."""
    paragraphs = []
    for action, sentence in _SENTENCE.items():
        told = [_told(one) for one in report.recipients if one.action == action]
        if told:
            paragraphs.append("\n".join([sentence, *told]))
    if report.retry_until is not None:
        paragraphs.append(f"The server goes on trying until {format_date(report.retry_until)}.")
    if any(one.action == "failed" for one in report.recipients):
        paragraphs.append("Nothing more will be tried for recipients that failed.")
    encoding, content = transfer.encoded_text(transfer.canonical("\n\n".join(paragraphs) + "\n"))
    return _part("text/plain", encoding, content, [("charset", "utf-8")])


def _told(one: RecipientStatus) -> str:
    said = fields.cleaned(one.diagnostic or "", _MOST_SAID).removeprefix("smtp; ")
    return f"  {fields.cleaned(one.address)}\n    {said or 'no reason was given'} ({one.status})"


def _status(report: Notification, wide: bool) -> bytes:
    """The part for programs: fields about the message, then a group for each recipient."""
    about: list[tuple[str, str | None]] = [
        ("Original-Envelope-Id", report.envid),
        ("Reporting-MTA", f"dns; {report.host}"),
        ("Arrival-Date", format_date(report.arrived_at)),
        ("Future-Release-Request", report.release),
    ]
    groups = [_group(about)]
    for one in report.recipients:
        until = report.retry_until if one.action == "delayed" else None
        groups.append(
            _group(
                [
                    ("Original-Recipient", _typed(one.original)),
                    ("Final-Recipient", f"{_kind(one.address)}; {one.address}"),
                    ("Action", one.action),
                    ("Status", one.status),
                    ("Diagnostic-Code", _diagnostic(one.diagnostic)),
                    ("Last-Attempt-Date", format_date(report.date)),
                    ("Will-Retry-Until", None if until is None else format_date(until)),
                ]
            )
        )
    content = b"\r\n".join(groups)
    if wide:
        return _part("message/global-delivery-status", "8bit", content)
    return _part("message/delivery-status", "7bit", content.decode().encode("ascii", "replace"))


def _group(pairs: Iterable[tuple[str, str | None]]) -> bytes:
    written = b""
    for name, value in pairs:
        words = fields.cleaned(value or "", _MOST_SAID).split()
        if words:
            written += fields.folded(name, words)
    return written


def _kind(address: str) -> str:
    return "rfc822" if address.isascii() else "utf-8"


def _typed(original: str | None) -> str | None:
    if original is None:
        return None
    kind, _, address = original.partition(";")
    return f"{kind}; {address}"


def _diagnostic(said: str | None) -> str | None:
    """A diagnostic code names its type; what is of our own making is none (section 2.3.6)."""
    return said if said is not None and said.startswith("smtp; ") else None


def _header_of(octets: bytes) -> bytes:
    end = header_end(octets, 0, len(octets))
    header = octets if end is None else octets[:end].removesuffix(b"\r\n")
    if transfer.is_seven_bit(header):
        return _part("text/rfc822-headers", "7bit", header)
    encoding, content = transfer.encoded_text(transfer.canonical_octets(header))
    return _part("text/rfc822-headers", encoding, content, [("charset", "utf-8")])


def _whole(octets: bytes) -> bytes:
    """The message as it is: message/rfc822 takes no encoding (RFC 2046 section 5.2.1)."""
    return _part("message/rfc822", "7bit" if transfer.is_seven_bit(octets) else "8bit", octets)


def _part(
    kind: str, encoding: str, content: bytes, parameters: Sequence[tuple[str, str]] = ()
) -> bytes:
    header = fields.parametrised("Content-Type", kind, parameters)
    if encoding != "7bit":
        header += f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    return header + b"\r\n" + content


def _mark(stem: str, parts: Sequence[bytes]) -> bytes:
    """A boundary that begins no line of ``parts``."""
    letters = "".join(c for c in stem if c.isascii() and c.isalnum())[:40]
    for count in range(len(parts) + 1_000):
        mark = f"=_{letters}.{count}".encode()
        if not any(b"--" + mark in part for part in parts):
            return mark
    raise ValueError("every boundary stands in the message already")
