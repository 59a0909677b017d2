"""The few changes that a message needs on its way out, made on its octets.

Sources: RFC 6409 section 8 (what a submission server may add and remove), RFC 5322 section 3.6.3
(Bcc), RFC 5321 section 2.3.8 (line ends).  The body is never touched but for line ends that SMTP
cannot carry, and a message that is fit already comes back as the same object.
"""

from __future__ import annotations

import re
from datetime import datetime

from agentpost.mime import fields
from agentpost.mime.date import format_date
from agentpost.mime.fields import folded, identifiers
from agentpost.mime.header import header_end

_FOLDED = rb"[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)"
_SECRET = re.compile(
    rb"^(?:(?:resent-)?bcc|x-(?:agentpost|ses)-[!-9;-~]*|return-path)" + _FOLDED,
    re.MULTILINE | re.IGNORECASE,
)
_MBOX_LINE = re.compile(rb">?From (?![ \t]*:)[^\n]*\n")
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:", re.MULTILINE | re.IGNORECASE)
_DATE = re.compile(rb"^date[ \t]*:", re.MULTILINE | re.IGNORECASE)
_DATE_FIELD = re.compile(rb"^date" + _FOLDED, re.MULTILINE | re.IGNORECASE)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LONE_CR = re.compile(rb"\r(?!\n)")


def _split(octets: bytes) -> int:
    """Where the body begins; at the end when there is no empty line."""
    end = header_end(octets, 0, len(octets))
    return len(octets) if end is None else end


def line_ends(octets: bytes) -> bytes:
    """``octets`` with CRLF line ends.

    A lone CR in the header becomes a space, never a line end: whoever judged the header before
    did not see a new field behind it.
    """
    if _BARE.search(octets) is None:
        return octets
    at = _split(octets)
    header = _BARE.sub(b"\r\n", _LONE_CR.sub(b" ", octets[:at]))
    return header + _BARE.sub(b"\r\n", octets[at:])


def strip_bcc(octets: bytes) -> bytes:
    """``octets`` without Bcc, Resent-Bcc, Return-Path, X-AgentPost- and X-SES- fields.

    The last two steer this server and the relay; a sender could act as somebody else with them.
    Without the line, too, that mailbox files put above a header.
    """
    at = _split(octets)
    header = octets[:at]
    if line := _MBOX_LINE.match(header):
        header = header[line.end() :]
    stripped = _SECRET.sub(b"", header)
    return octets if len(stripped) == at else stripped + octets[at:]


def add_missing(octets: bytes, *, message_id: str, date: datetime) -> bytes:
    """``octets`` with the Message-ID (without brackets) and Date it lacks (RFC 6409 8.2, 8.3).

    Raises: ValueError when ``message_id`` cannot be written.
    """
    at = _split(octets)
    header = octets[:at]
    missing = b""
    if _DATE.search(header) is None:
        missing = date_field(date)
    if _MESSAGE_ID.search(header) is None:
        if not fields.is_message_id(message_id):
            raise ValueError("not a message identifier")
        missing += identifiers("Message-ID", (message_id,))
    return add_trace(octets, missing) if missing else octets


def redated(octets: bytes, *, date: datetime) -> bytes:
    """``octets`` with ``date`` as their only Date field: a draft is dated when it is sent.

    Source: RFC 5322 section 3.6.1, which wants the moment at which the author was done.
    """
    at = _split(octets)
    return date_field(date) + _DATE_FIELD.sub(b"", octets[:at]) + octets[at:]


def date_field(date: datetime) -> bytes:
    """The Date field, its line end included."""
    return folded("Date", [format_date(date)])


def add_trace(octets: bytes, header: bytes) -> bytes:
    """``octets`` with ``header``, whole fields with their line ends, above all others.

    Raises: ValueError when ``header`` is not whole fields: it would change what follows it.
    """
    if not header.endswith(b"\r\n") or b"\r\n\r\n" in header or header[:1] in (b" ", b"\t", b"\r"):
        raise ValueError("not whole header fields")
    return header + octets


def outgoing(octets: bytes, *, message_id: str, date: datetime, trace: bytes = b"") -> bytes:
    """The octets handed to a relay: CRLF only, nothing secret, with Message-ID, Date and trace."""
    ready = add_missing(strip_bcc(line_ends(octets)), message_id=message_id, date=date)
    return add_trace(ready, trace) if trace else ready
