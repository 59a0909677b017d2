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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from agentpost.limits import IndexingLimits, MimeLimits
from agentpost.mime.address import parse_addresses
from agentpost.mime.body import decode_text, html_to_text
from agentpost.mime.charset import storable
from agentpost.mime.date import parse_date
from agentpost.mime.encoded import decode_header
from agentpost.mime.header import Header, header_end
from agentpost.mime.scan import Part, scan_with_header
from agentpost.model.search import Day, IdLeaf, Leaf, SentLeaf, TextField, TextLeaf

_LIMITS = IndexingLimits()
_ADDRESS_FIELDS = (b"from", b"to", b"cc", b"bcc")
_FIELDS = (*_ADDRESS_FIELDS, b"subject")
_ADDRESSES = re.compile(rb"(?m)^(?:from|to|b?cc)[ \t]*:((?:.*\n[ \t])*.*)")
# Comments, quoting, and white space where an address has none.
_SPELLED_OTHERWISE = re.compile(rb'[(\\\[]|"\s*@|\s[@.]|[@.]\s|<[^>]*[\s"]')
WHITE = re.compile(r"[\t-\r ]+")
"""Between the words of a text, folded: the other white space has become this by then."""
_LINE_ENDS = re.compile(r"\r\n?")
_SOLID = re.compile(r"[!-9;-~]+", re.ASCII)
# Encoded words, transfer encodings, HTML, flowed lines that lose their space, and charsets that
# spell letters in other ASCII; NUL, which is dropped.  In lower case.
_DECODED = re.compile(
    rb"=\?|quoted-printable|base64|uue|text/html|delsp|\0"
    rb"|charset(?![ \t]*=[ \t]*\"?(?:us-ascii|utf-8|iso-8859-|windows-125))"
)
_CONTENT = (b"content-type", b"content-transfer-encoding")
_PLAIN = re.compile(
    rb"content-type: *text/plain"
    rb"(?:; *charset=\"?(?:us-ascii|utf-8|iso-8859-[0-9]+|windows-125[0-9])\"?)? *\r?"
    rb"|content-transfer-encoding: *(?:7bit|8bit|binary) *\r?"
)
_BLANKS = re.compile(rb"[\0- \x7f]+")
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


def words_of(text: str) -> tuple[str, ...]:
    """``text`` as folded words, to be found one after the other; empty when it has none."""
    return tuple(word for word in WHITE.split(fold(text)) if word)


def words_pattern(phrases: Iterable[Sequence[str]]) -> re.Pattern[str]:
    """Finds any of the phrases, each of folded words in a row, in a folded text."""
    rows = [WHITE.pattern.join(map(re.escape, words)) for words in phrases]
    return re.compile("|".join(sorted(rows, key=len, reverse=True)))


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
    return Texts(
        headers=headers,
        parts=fold("\n" + "".join(writer.parts)) if writer.parts else "",
        body=fold("\n".join(writer.body)),
        fields=fields,
        sent_day=_sent_day(header),
        whole=not writer.cut,
    )


def _sent_day(header: Header) -> date | None:
    sent = header.last(b"date")
    moment = None if sent is None else parse_date(sent)
    return None if moment is None else moment.date()


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
    """One message's octets, asked for several things at once.

    Reading a message in full takes a hundred times as long as a look at its octets.  So the body is
    read only for what is in no header, and neither is read when the octets as they are tell.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def matches(self, leaf: Leaf) -> bool:
        """Whether the message is what ``leaf`` asks for.

        Raises: ValueError for an IdLeaf, which octets do not know.
        """
        if isinstance(leaf, IdLeaf):
            raise ValueError("octets have no id")
        if isinstance(leaf, SentLeaf):
            return sent_fits(self._of_header.sent_day, leaf)
        needle = fold(leaf.text)
        if leaf.field not in (TextField.TEXT, TextField.BODY):
            if self._shows_addresses and self._header_lacks(needle):
                return False
            return _contains(self._of_header, leaf)
        if self._plain is not None and "\n" not in needle:
            return self._plain_holds(needle, leaf)
        return not self._surely_lacks(needle) and _contains(self._texts, leaf)

    def has_words(self, words: Sequence[str], fields: Iterable[TextField]) -> bool:
        """Whether one of ``fields`` has the folded ``words`` in a row, with white space between
        them; fields are those of ``FIELD_ORDER``, and the body."""
        in_a_row = words_pattern([words])
        return any(
            all(self.matches(TextLeaf(field, word)) for word in words)
            and (len(words) == 1 or in_a_row.search(self._text_of(field)) is not None)
            for field in fields
        )

    def _text_of(self, field: TextField) -> str:
        if field is TextField.BODY:
            return self._texts.body
        return self._of_header.fields[FIELD_ORDER.index(field)]

    @cached_property
    def _texts(self) -> Texts:
        return texts_of(self._octets, _UNBOUNDED, _UNBOUNDED_MIME)

    @cached_property
    def _header_end(self) -> int:
        found = header_end(self._octets, 0, len(self._octets))
        return len(self._octets) if found is None else found

    @cached_property
    def _of_header(self) -> Texts:
        """What the header alone says."""
        header = Header(self._octets, 0, self._header_end, _UNBOUNDED_MIME)
        writer = _Writer(self._octets, _UNBOUNDED.max_text_characters, _UNBOUNDED_MIME)
        headers, fields = writer.own_header(header)
        return Texts(headers, "", "", fields, _sent_day(header), True)

    @cached_property
    def _header(self) -> bytes | None:
        """The header in lower case; None when something is decoded in it."""
        octets = self._octets[: self._header_end]
        return None if b"=?" in octets or not octets.isascii() else octets.lower()

    @cached_property
    def _shows_addresses(self) -> bool:
        """Whether every address surely stands in the header as ENVELOPE shows it."""
        fields = _ADDRESSES.findall(self._header or b"")
        return not any(map(_SPELLED_OTHERWISE.search, fields))

    @cached_property
    def _header_in_one(self) -> bytes:
        """The same with one space for each run of what may be decoded to spaces, or to nothing."""
        return _BLANKS.sub(b" ", self._header or b"")

    @cached_property
    def _plain(self) -> bytes | None:
        """The body in lower case, when it is the body's text but for its line ends.

        So it is in ASCII without encodings, in a message that is nothing but plain text.
        """
        octets = self._octets
        if self._header is None or not octets.isascii() or b"\0" in octets:
            return None
        lines = self._header.split(b"\n")
        for line, after in zip(lines, [*lines[1:], b""], strict=True):
            if line.startswith(_CONTENT) and (
                _PLAIN.fullmatch(line) is None or after.startswith((b" ", b"\t"))
            ):
                return None
        return octets[self._header_end :].lower()

    def _header_lacks(self, needle: str) -> bool:
        """Whether a look at the header rules out that one of its decoded fields holds ``needle``.

        Lines that are no field are left out, and a colon is moved to its field name: line ends and
        colons prove nothing.
        """
        if self._header is None or ":" in needle or "\n" in needle:
            return False
        if not needle.isascii():
            return True
        sought = _BLANKS.sub(b" ", needle.encode("ascii")).strip(b" ")
        return sought not in (self._header_in_one if b" " in sought else self._header)

    def _plain_holds(self, needle: str, leaf: TextLeaf) -> bool:
        """The same as ``matches`` for the body of a plain message, or for all of it."""
        assert self._plain is not None
        if not needle.isascii():
            return False
        if needle.encode("ascii") in self._plain:
            return True
        if leaf.field is TextField.BODY or self._header_lacks(needle):
            return False
        return needle in self._of_header.headers

    def _surely_lacks(self, needle: str) -> bool:
        """Whether a look at the octets as they are rules out that any text holds ``needle``.

        In ASCII without encodings nothing is decoded into anything else; lines may be joined
        where they were folded, and a colon be moved to its field name: a needle with white space or
        a colon proves nothing.
        """
        if _SOLID.fullmatch(needle) is None:
            return False
        return bool(self._unencoded) and needle.encode("ascii") not in self._unencoded

    @cached_property
    def _unencoded(self) -> bytes:
        """The octets in lower case; empty when something may be encoded in them."""
        lower = self._octets.lower() if self._octets.isascii() else b"=?"
        return lower if _DECODED.search(lower) is None else b""


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
