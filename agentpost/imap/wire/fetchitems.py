"""What FETCH asks for (RFC 9051 section 6.4.5, RFC 3501 section 6.4.5, RFC 3516, RFC 7162,
RFC 8474, RFC 8514, RFC 8970).

Knows data items and sections as frozen values, not how they are answered.  A new item without
arguments is a member of :class:`Plain`; one with arguments is a value class and a row in ``_ITEMS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.response import astring


class Plain(Enum):
    """Data items that take no arguments, by their names on the wire."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    MODSEQ = b"MODSEQ"
    EMAILID = b"EMAILID"
    THREADID = b"THREADID"
    SAVEDATE = b"SAVEDATE"


class SectionText(Enum):
    """What of a part is wanted; ``WHOLE`` has no word on the wire."""

    WHOLE = b""
    HEADER = b"HEADER"
    FIELDS = b"HEADER.FIELDS"
    FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """``section-spec``: a part by its numbers, and what of it.

    ``part`` is empty for the message itself; ``names`` are the field names as the client spelled
    them.
    """

    part: tuple[int, ...] = ()
    text: SectionText = SectionText.WHOLE
    names: tuple[bytes, ...] = ()

    @property
    def label(self) -> bytes:
        """The section between its brackets, as the response repeats it."""
        words = [b"%d" % number for number in self.part]
        if self.text is not SectionText.WHOLE:
            words.append(self.text.value)
        label = b".".join(words)
        if self.text in (SectionText.FIELDS, SectionText.FIELDS_NOT):
            label += b" (" + b" ".join(astring(name) for name in self.names) + b")"
        return label


@dataclass(frozen=True, slots=True)
class Partial:
    """``<offset.octets>``: at most ``octets`` from ``offset``, which may lie beyond the end.

    ``octets`` is None for all there is.
    """

    offset: int
    octets: int | None


@dataclass(frozen=True, slots=True)
class BodySection:
    """BODY[…], BODY.PEEK[…], and RFC822, RFC822.HEADER, RFC822.TEXT under their own names.

    ``label`` is the item's name in the response, the origin octet included.
    """

    section: Section
    partial: Partial | None
    peek: bool
    label: bytes


@dataclass(frozen=True, slots=True)
class BinarySection:
    """BINARY[…] and BINARY.PEEK[…]: a part with its transfer encoding taken off.

    LENIENT_BINARY: sections with a text and ranges without a length are beyond RFC 3516, but
    answered by other servers and asked for by their test suites.
    """

    section: Section
    partial: Partial | None
    peek: bool
    label: bytes


@dataclass(frozen=True, slots=True)
class BinarySize:
    """BINARY.SIZE[…]"""

    section: Section
    label: bytes


@dataclass(frozen=True, slots=True)
class Preview:
    """PREVIEW; ``lazy`` allows to answer NIL rather than to compute (RFC 8970)."""

    lazy: bool


FetchItem = Plain | BodySection | BinarySection | BinarySize | Preview


@dataclass(frozen=True, slots=True)
class FetchItems:
    """The items of one FETCH, each once, in the order asked for."""

    items: tuple[FetchItem, ...]

    @property
    def marks_seen(self) -> bool:
        """Whether the command sets ``\\Seen`` (RFC 9051 section 6.4.5)."""
        return any(
            isinstance(item, BodySection | BinarySection) and not item.peek for item in self.items
        )

    @property
    def plain_only(self) -> bool:
        """Whether no item needs a section of the message."""
        return all(isinstance(item, Plain) for item in self.items)


_FAST = (Plain.FLAGS, Plain.INTERNALDATE, Plain.SIZE)
_MACROS: dict[bytes, tuple[FetchItem, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Plain.ENVELOPE),
    b"FULL": (*_FAST, Plain.ENVELOPE, Plain.BODY),
}
_PLAIN = {item.value: item for item in Plain}
_OBSOLETE = {
    b"RFC822": BodySection(Section(), None, False, b"RFC822"),
    b"RFC822.HEADER": BodySection(Section(text=SectionText.HEADER), None, True, b"RFC822.HEADER"),
    b"RFC822.TEXT": BodySection(Section(text=SectionText.TEXT), None, False, b"RFC822.TEXT"),
}


def parse_fetch_items(cursor: Cursor) -> FetchItems:
    """Macro, item or parenthesised items.

    Raises: SyntaxFault; among others when a macro stands in parentheses or the bounds on items,
    part numbers or header names are exceeded.
    """
    if cursor.at(b"("):
        most = cursor.limits.max_fetch_items
        found = cursor.parenthesised(lambda: _item(cursor), "the list of data items", most)
        return FetchItems(tuple(dict.fromkeys(found)))
    name = cursor.word()
    return FetchItems(_MACROS.get(name) or (_named(cursor, name),))


def parse_section(cursor: Cursor) -> Section:
    """``section`` with its brackets."""
    cursor.expect(b"[", "[")
    part = _part(cursor)
    if cursor.skip(b"]"):
        return Section(part)
    for text in (SectionText.FIELDS_NOT, SectionText.FIELDS):
        if cursor.skip_word(text.value):
            cursor.space()
            most = cursor.limits.max_header_names
            names = cursor.parenthesised(cursor.astring, "the list of field names", most)
            cursor.expect(b"]", "]")
            return Section(part, text, tuple(names))
    word = cursor.word()
    if word == b"HEADER":
        text = SectionText.HEADER
    elif word == b"TEXT":
        text = SectionText.TEXT
    elif word == b"MIME" and part:
        text = SectionText.MIME
    else:
        raise cursor.fault("there is no such section")
    cursor.expect(b"]", "]")
    return Section(part, text)


def _part(cursor: Cursor) -> tuple[int, ...]:
    """``section-part`` and the point behind it, if a part is named at all."""
    numbers: list[int] = []
    while cursor.at_digit():
        if len(numbers) >= cursor.limits.max_part_depth:
            raise cursor.fault("the part is nested too deeply")
        numbers.append(cursor.nz_number())
        if not cursor.skip(b"."):
            if not cursor.at(b"]"):
                raise cursor.fault("expected . or ]")
            return tuple(numbers)
    if numbers and cursor.at(b"]"):
        raise cursor.fault("expected a part number or section")
    return tuple(numbers)


def _partial(cursor: Cursor, *, open_ended: bool = False) -> Partial | None:
    if not cursor.skip(b"<"):
        return None
    offset = cursor.number64()
    if open_ended and cursor.skip(b">"):
        return Partial(offset, None)
    cursor.expect(b".", ".")
    octets = cursor.nz_number64()
    cursor.expect(b">", ">")
    return Partial(offset, octets)


def _label(name: bytes, inside: bytes, partial: Partial | None) -> bytes:
    label = name + b"[" + inside + b"]"
    return label if partial is None else label + b"<%d>" % partial.offset


def _body(cursor: Cursor, *, peek: bool) -> FetchItem:
    if not cursor.at(b"["):
        if peek:
            raise cursor.fault("expected [")
        return Plain.BODY
    section = parse_section(cursor)
    partial = _partial(cursor)
    return BodySection(section, partial, peek, _label(b"BODY", section.label, partial))


def _binary(cursor: Cursor, *, peek: bool) -> FetchItem:
    section = parse_section(cursor)
    partial = _partial(cursor, open_ended=True)
    return BinarySection(section, partial, peek, _label(b"BINARY", section.label, partial))


def _binary_size(cursor: Cursor) -> FetchItem:
    section = parse_section(cursor)
    return BinarySize(section, _label(b"BINARY.SIZE", section.label, None))


def _preview(cursor: Cursor) -> FetchItem:
    if not cursor.skip(b" ("):
        return Preview(lazy=False)
    if not cursor.skip_word(b"LAZY"):
        raise cursor.fault("expected LAZY")
    cursor.expect(b")", ")")
    return Preview(lazy=True)


_ITEMS: dict[bytes, Callable[[Cursor], FetchItem]] = {
    b"BODY": lambda cursor: _body(cursor, peek=False),
    b"BODY.PEEK": lambda cursor: _body(cursor, peek=True),
    b"BINARY": lambda cursor: _binary(cursor, peek=False),
    b"BINARY.PEEK": lambda cursor: _binary(cursor, peek=True),
    b"BINARY.SIZE": _binary_size,
    b"PREVIEW": _preview,
}


def _item(cursor: Cursor) -> FetchItem:
    return _named(cursor, cursor.word())


def _named(cursor: Cursor, name: bytes) -> FetchItem:
    read = _ITEMS.get(name)
    if read is not None:
        return read(cursor)
    item = _PLAIN.get(name) or _OBSOLETE.get(name)
    if item is None:
        raise cursor.fault("there is no such data item")
    return item
