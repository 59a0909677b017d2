"""Whether a message contains what a search asks for (RFC 9051 section 6.4.4).

Knows which text of a message is searched, and in which form: decoded from its charset and
encoding, and folded, so that case and compatible spellings of characters do not matter (Unicode
NFKC and case folding; section 6.4.4 leaves the rest to the server).  The index keeps exactly
these texts, so that a search in the index and one in the octets agree.

FROM, TO, CC, BCC and SUBJECT look into the decoded fields of that name, and into each address as
ENVELOPE shows it, without comments and white space inside; HEADER into one decoded field; BODY
into the text of every text part (HTML as the text it shows) and the header lines of attached
messages; TEXT into all of these and the header lines of the parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from agentpost.limits import IndexingLimits, MimeLimits
from agentpost.mime.address import parse_addresses
from agentpost.mime.body import decode_text, html_to_text
from agentpost.mime.charset import storable
from agentpost.mime.date import parse_date
from agentpost.mime.encoded import decode_header
from agentpost.mime.header import Header
from agentpost.mime.scan import Part, scan_with_header
from agentpost.model.search import Day, IdLeaf, Leaf, SentLeaf, TextField, TextLeaf

_LIMITS = IndexingLimits()
_ADDRESS_FIELDS = (b"from", b"to", b"cc", b"bcc")
_FIELDS = (*_ADDRESS_FIELDS, b"subject")
_SPELLED_OUT = frozenset((TextField.FROM, TextField.TO, TextField.CC, TextField.BCC))
"""What is searched here is not only what stands in the octets."""
_LINE_ENDS = re.compile(r"\r\n?")
_SOLID = re.compile(r"[!-9;-~]+", re.ASCII)
# Encoded words, transfer encodings, HTML, flowed lines that lose their space, and charsets that
# spell letters in other ASCII; NUL, which is dropped.  In lower case.
_DECODED = re.compile(
    rb"=\?|quoted-printable|base64|uue|text/html|delsp|\0"
    rb"|charset(?![ \t]*=[ \t]*\"?(?:us-ascii|utf-8|iso-8859-|windows-125))"
)
_MIME = MimeLimits()
_UNBOUNDED = IndexingLimits(max_text_characters=1 << 40)
_UNBOUNDED_MIME = MimeLimits(
    max_text_octets=1 << 40, max_header_octets=1 << 40, max_fields=1_000_000
)
"""For octets that are here already, and so bounded: what the index has cut is seen."""

Fields = tuple[str, str, str, str, str]
"""From, To, Cc, Bcc, Subject: the values, one on a line when there are several."""


def fold(text: str) -> str:
    """``text`` as it is compared: without case, in NFKC, with LF line ends, storable."""
    if "\r" in text:
        text = _LINE_ENDS.sub("\n", text)
    if text.isascii():
        return storable(text.lower())
    normal = unicodedata.normalize
    return normal("NFKC", normal("NFKC", storable(text)).casefold())


@dataclass(frozen=True, slots=True)
class Texts:
    """The folded texts of one message.

    ``headers`` begins with a line end and has a line ``name: value`` for each field of the
    message, ``parts`` likewise for the parts below.  ``whole`` is false when something was cut.
    """

    headers: str
    parts: str
    body: str
    fields: Fields
    sent_day: date | None
    whole: bool


def texts_of(octets: bytes, limits: IndexingLimits = _LIMITS, mime: MimeLimits = _MIME) -> Texts:
    """The texts of ``octets``.  Never raises, whatever the octets are; bounded and linear."""
    part, header = scan_with_header(octets, mime)
    writer = _Writer(octets, limits.max_text_characters, mime)
    headers, fields = writer.own_header(header)
    writer.walk(part)
    sent = header.last(b"date")
    moment = None if sent is None else parse_date(sent)
    return Texts(
        headers=headers,
        parts=fold("\n" + "".join(writer.parts)) if writer.parts else "",
        body=fold("\n".join(writer.body)),
        fields=fields,
        sent_day=None if moment is None else moment.date(),
        whole=not writer.cut,
    )


class _Writer:
    """Collects texts up to a bound on their characters."""

    def __init__(self, octets: bytes, room: int, mime: MimeLimits) -> None:
        self._octets = octets
        self._room = room
        self._mime = mime
        self.parts: list[str] = []
        self.body: list[str] = []
        self.cut = False

    def own_header(self, header: Header) -> tuple[str, Fields]:
        """The message's own header, and of it the fields that are kept apart."""
        kept: dict[bytes, list[str]] = {name: [] for name in _FIELDS}
        lines = ["\n"]
        for name, value in self._fields(header):
            lines.append(self._fitting(f"{name.decode('ascii', 'replace')}: {value}\n"))
            if name in kept:
                kept[name].append(value)
            if name in _ADDRESS_FIELDS:
                kept[name] += _spelled_out(value)
        first, second, third, fourth, fifth = (fold("\n".join(kept[name])) for name in _FIELDS)
        return fold("".join(lines)), (first, second, third, fourth, fifth)

    def walk(self, root: Part) -> None:
        """The parts: their header lines, and the text of those that hold text."""
        waiting: list[tuple[Part, list[str] | None]] = [(root, None)]
        while waiting:
            if self._room <= 0:
                self.cut = True
                return
            part, lines = waiting.pop()
            if lines is not None:
                header = Header(self._octets, part.header_start, part.header_end, self._mime)
                for name, value in self._fields(header):
                    lines.append(self._fitting(f"{name.decode('ascii', 'replace')}: {value}\n"))
            # The header of an attached message is text of the message it is attached to.
            below = self.body if part.is_message else self.parts
            waiting.extend([(child, below) for child in reversed(part.children)])
            self.cut = self.cut or part.opaque
            if not part.children and (part.is_text or part.type.startswith(b"message/")):
                self._text(part)

    def _fields(self, header: Header) -> Iterator[tuple[bytes, str]]:
        self.cut = self.cut or header.truncated
        for field in header.fields:
            yield field.name, decode_header(self._octets[field.value_start : field.value_end])

    def _text(self, part: Part) -> None:
        self.cut = self.cut or part.body_octets > self._mime.max_text_octets
        text = decode_text(part, self._octets, self._mime)
        if part.type == b"text/html":
            text = html_to_text(text)
        self.body.append(self._fitting(text))

    def _fitting(self, text: str) -> str:
        if len(text) > self._room:
            self.cut = True
            text = text[: max(self._room, 0)]
        self._room -= len(text)
        return text


def _spelled_out(value: str) -> list[str]:
    """The addresses in ``value`` that do not stand there as they are."""
    return [one.email for one in parse_addresses(value) if one.email not in value]


class Content:
    """One message's octets, asked for several things at once."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._texts: Texts | None = None
        self._plain: bytes | None = None

    def matches(self, leaf: Leaf) -> bool:
        """Whether the message is what ``leaf`` asks for.

        Raises: ValueError for an IdLeaf, which octets do not know.
        """
        if isinstance(leaf, IdLeaf):
            raise ValueError("octets have no id")
        if isinstance(leaf, TextLeaf) and self._surely_lacks(leaf):
            return False
        if self._texts is None:
            self._texts = texts_of(self._octets, _UNBOUNDED, _UNBOUNDED_MIME)
        if isinstance(leaf, SentLeaf):
            return sent_fits(self._texts.sent_day, leaf)
        return _contains(self._texts, leaf)

    def _surely_lacks(self, leaf: TextLeaf) -> bool:
        """Whether a look at the octets as they are rules out that any text is what ``leaf`` asks for.

        In ASCII without encodings nothing is decoded into anything else; lines may be joined
        where they were folded, and a colon be moved to its field name: a needle with white space or
        a colon proves nothing.
        """
        if self._texts is not None or leaf.field in _SPELLED_OUT:
            return False
        needle = fold(leaf.text)
        if _SOLID.fullmatch(needle) is None:
            return False
        if self._plain is None:
            octets = self._octets
            lower = octets.lower() if octets.isascii() else b"=?"
            self._plain = lower if _DECODED.search(lower) is None else b""
        return bool(self._plain) and needle.encode("ascii") not in self._plain


def sent_fits(day: date | None, leaf: SentLeaf) -> bool:
    """Whether a message with this day in its Date field is what ``leaf`` asks for."""
    if day is None:
        return False
    match leaf.when:
        case Day.BEFORE:
            return day < leaf.day
        case Day.ON:
            return day == leaf.day
        case Day.SINCE:
            return day >= leaf.day


def header_prefix(name: str) -> str:
    """How a line of ``Texts.headers`` with this field begins, the line end before it included."""
    return f"\n{fold(name)}: "


def _contains(texts: Texts, leaf: TextLeaf) -> bool:
    needle = fold(leaf.text)
    match leaf.field:
        case TextField.BODY:
            return needle in texts.body
        case TextField.TEXT:
            return needle in texts.body or needle in texts.headers or needle in texts.parts
        case TextField.HEADER:
            return _has_line(texts.headers, header_prefix(leaf.name), needle)
        case _:
            return needle in texts.fields[FIELD_ORDER.index(leaf.field)]


FIELD_ORDER = (TextField.FROM, TextField.TO, TextField.CC, TextField.BCC, TextField.SUBJECT)
"""The order of ``Texts.fields``."""


def _has_line(headers: str, prefix: str, needle: str) -> bool:
    at = headers.find(prefix)
    while at >= 0:
        start = at + len(prefix)
        end = headers.find("\n", start)
        if needle in headers[start : len(headers) if end < 0 else end]:
            return True
        at = headers.find(prefix, start - 1)
    return False
