"""Sections of messages as FETCH answers them (RFC 9051 section 6.4.5.1, RFC 3516).

Knows which part of a message a data item names and how its octets are written.  The stored octets
are the message: what is sent is a slice of them, or, for BINARY, such a slice decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agentpost.errors import MessageUnacceptable
from agentpost.imap.wire import response
from agentpost.imap.wire.fetchitems import (
    BinarySection,
    BinarySize,
    BodySection,
    Partial,
    Section,
    SectionText,
)
from agentpost.mime.body import decode_body
from agentpost.mime.header import header_end, select_fields
from agentpost.mime.scan import Part
from agentpost.mime.sections import Kind, find_part, section

_NIL = b"NIL"
_KINDS: dict[SectionText, Kind] = {
    SectionText.WHOLE: "",
    SectionText.HEADER: "HEADER",
    SectionText.FIELDS: "HEADER.FIELDS",
    SectionText.FIELDS_NOT: "HEADER.FIELDS.NOT",
    SectionText.TEXT: "TEXT",
    SectionText.MIME: "MIME",
}
_BEYOND = 1024**3
"""No message is longer: the most that max_message_octets can be set to."""
_HEADERS = (SectionText.HEADER, SectionText.FIELDS, SectionText.FIELDS_NOT)
_KNOWN_ENCODINGS = frozenset(
    (
        b"", b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable",
        b"x-uuencode", b"uuencode", b"x-uue", b"uue",
    )
)  # fmt: skip

Read = Callable[[bytes, Part | None], bytes | None]
"""From a message's octets and its parts, where they are needed, to a section; None without one."""


class UnknownEncoding(MessageUnacceptable):
    """A part's transfer encoding is not one we can take off (RFC 3516 section 4.3)."""

    column = replace(MessageUnacceptable.column, imap="UNKNOWN-CTE")


def is_whole(item: BodySection) -> bool:
    """Whether the item is the message itself, entirely."""
    section = item.section
    return not section.part and section.text is SectionText.WHOLE and item.partial is None


def span_of(item: BodySection) -> tuple[int, int] | None:
    """Where the item begins and how long it is, if it is a range of the message itself.

    Numbers beyond every message are taken for the end of it, whatever the client wrote.
    """
    section, partial = item.section, item.partial
    if section.part or section.text is not SectionText.WHOLE or partial is None:
        return None
    if partial.octets is None:
        return None
    return min(partial.offset, _BEYOND), min(partial.octets, _BEYOND)


def is_head(item: BodySection) -> bool:
    """Whether the message's own header section, or fields of it, answers the item."""
    return not item.section.part and item.section.text in _HEADERS


def needs_parts(item: BodySection) -> bool:
    """Whether the structure of the message has to be known."""
    return bool(item.section.part)


def head_is_complete(head: bytes, size: int) -> bool:
    """Whether ``head``, the beginning of a message of ``size`` octets, holds its header section."""
    return len(head) >= size or header_end(head, 0, len(head)) is not None


def reader(item: BodySection) -> Read:
    """What finds the octets of ``item``, its partial range applied."""
    wanted = item.section
    part, text = wanted.part, wanted.text
    names = frozenset(name.lower() for name in wanted.names)
    kind = _KINDS[text]

    def nested(octets: bytes, root: Part | None) -> bytes | None:
        assert root is not None
        return section(octets, root, part, kind, names)

    def own(octets: bytes, _: Part | None) -> bytes:
        if text is SectionText.WHOLE:
            return octets
        end = header_end(octets, 0, len(octets))
        if end is None:
            end = len(octets)
        if text is SectionText.TEXT:
            return octets[end:]
        if text is SectionText.HEADER:
            return octets[:end]
        exclude = text is SectionText.FIELDS_NOT
        return select_fields(octets, 0, end, names, exclude=exclude)

    read: Read = nested if needs_parts(item) else own
    return read if item.partial is None else _cut(read, item.partial)


def _cut(read: Read, partial: Partial) -> Read:
    """``read`` with only what ``partial`` names; empty when that lies beyond the end."""
    span = _span(partial)

    def cut(octets: bytes, root: Part | None) -> bytes | None:
        found = read(octets, root)
        return None if found is None else found[span]

    return cut


def _span(partial: Partial) -> slice:
    octets = partial.octets
    return slice(partial.offset, None if octets is None else partial.offset + octets)


def written(found: bytes | None) -> bytes:
    """A section as a literal, NIL when the message has none such."""
    return _NIL if found is None else response.literal(found)


def decoded(item: BinarySection, octets: bytes, root: Part) -> bytes:
    """BINARY: the part without its transfer encoding, as NIL, literal or literal8.

    Raises: UnknownEncoding.
    """
    found = _decoded(item.section, octets, root)
    if found is None:
        return _NIL
    if item.partial is not None:
        found = found[_span(item.partial)]
    return response.literal8(found) if b"\0" in found else response.literal(found)


def decoded_size(item: BinarySize, octets: bytes, root: Part) -> bytes:
    """BINARY.SIZE: how many octets BINARY gives; 0 when there is no such part.

    Raises: UnknownEncoding.
    """
    found = _decoded(item.section, octets, root)
    return b"0" if found is None else b"%d" % len(found)


def _decoded(wanted: Section, octets: bytes, root: Part) -> bytes | None:
    if not wanted.part or wanted.text is not SectionText.WHOLE:
        return section(octets, root, wanted.part, _KINDS[wanted.text], wanted.names)
    part = find_part(root, wanted.part)
    if part is None:
        return None
    if part.is_multipart or part.is_message:
        # They have no encoding of their own (RFC 2045 section 6.4).
        return part.body(octets)
    if part.transfer not in _KNOWN_ENCODINGS:
        raise UnknownEncoding
    return decode_body(part, octets)
