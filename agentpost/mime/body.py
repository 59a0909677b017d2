"""What a message says: its parts decoded, its text, its attachments.

Sources: RFC 2045 section 6 (transfer encodings), RFC 2046 section 5.1 (which alternative counts),
RFC 2183 (attachments), RFC 3676 (flowed text).  Everything is tolerant and bounded: broken
encodings give what can be read, text beyond ``limits.max_text_octets`` is cut.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from agentpost.limits import MimeLimits
from agentpost.mime.charset import codec_of, decode, decode_guessing
from agentpost.mime.encoded import decode_parameter, decode_raw, lenient_base64
from agentpost.mime.html import text_from_html
from agentpost.mime.scan import Part

_DEFAULT = MimeLimits()
_IDENTITY = frozenset((b"", b"7bit", b"8bit", b"binary"))
_UUENCODED = frozenset((b"x-uuencode", b"uuencode", b"x-uue", b"uue"))
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ?[^\r\n]*\r?\n", re.MULTILINE)
_UU_LINE = re.compile(rb"[^\r\n]++")
_KNOWN = _IDENTITY | _UUENCODED | {b"base64", b"quoted-printable"}
_READABLE = frozenset((b"text/plain", b"text/html"))
_REPORTS = frozenset(
    (
        b"message/delivery-status",
        b"message/global-delivery-status",
        b"message/disposition-notification",
        b"message/feedback-report",
    )
)
_MAX_JOINED = 50
# The look-behind keeps a run of spaces from being read once for each of them.
_QP_SPACE = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that a reader is shown as a file.

    ``section`` is its IMAP part number (``2.1``); ``filename`` is decoded and free of paths and
    control characters, None when the sender gave none; ``mime_type`` is in lower case; ``size``
    counts decoded octets; ``inline`` parts are shown where the text refers to them;
    ``content_id`` has no angle brackets.
    """

    section: str
    filename: str | None
    mime_type: str
    size: int
    inline: bool
    content_id: str | None


def decode_body(part: Part, octets: bytes, most: int | None = None) -> bytes:
    """The body of ``part`` without its transfer encoding.

    With ``most`` only about that much is decoded: no less, but for quoted-printable whose lines
    are shorter than anyone's.  An unknown encoding leaves the octets as they are.  Never raises.
    """
    encoding = part.transfer
    start, end = part.header_end, part.body_end
    if most is not None and end - start > 3 * most + 64:
        end = start + 3 * most + 64
    body = octets[start:end]
    if encoding in _IDENTITY:
        return body if most is None else body[:most]
    if encoding == b"base64":
        return lenient_base64(body)
    if encoding == b"quoted-printable":
        return decode_quoted_printable(body)
    if encoding in _UUENCODED:
        return decode_uuencoded(body)
    return body if most is None else body[:most]


def is_decodable(part: Part) -> bool:
    """Whether the transfer encoding of ``part`` is known (BINARY's UNKNOWN-CTE, RFC 9051)."""
    return part.transfer in _KNOWN


def decode_quoted_printable(body: bytes) -> bytes:
    """``body`` decoded; white space at line ends goes, broken escapes stay (RFC 2045 section 6.7)."""
    return binascii.a2b_qp(_QP_SPACE.sub(b"", body) if b" \r" in body or b" \n" in body else body)


def decode_uuencoded(body: bytes) -> bytes:
    """The first file in uuencoded ``body``; the body itself when there is no ``begin`` line.

    Never larger than what well-formed lines of that length could hold.
    """
    begin = _UU_BEGIN.search(body)
    if begin is None:
        return body
    pieces: list[bytes] = []
    room = len(body)
    for line in islice(_UU_LINE.finditer(body, begin.end()), room // 16 + 100):
        piece = _uu_line(line[0])
        room -= len(piece)
        if not piece or room < 0:
            break
        pieces.append(piece)
    return b"".join(pieces)


def _uu_line(line: bytes) -> bytes:
    """What one line holds; empty for the lines that end a file, and for what is no line of one."""
    count = (line[0] - 32) & 63
    if line == b"end":
        return b""
    try:
        return binascii.a2b_uu(line[: 1 + (count + 2) // 3 * 4])
    except binascii.Error:
        return b""


def decode_text(part: Part, octets: bytes, limits: MimeLimits = _DEFAULT) -> str:
    """The body of a text part as text with LF line ends, flowed lines joined; bounded.

    Text has no NUL and no lone surrogates.
    """
    content = decode_body(part, octets, limits.max_text_octets)[: limits.max_text_octets]
    charset = declared_charset(part)
    if charset:
        text = decode(content, charset)
    else:
        text = decode_guessing(content, limits)
    text = _unix_lines(text)
    if part.type == b"text/plain" and is_flowed(part):
        deleted = part.parameter(b"delsp")
        text = unflow(text, delete_space=deleted is not None and deleted.lower() == b"yes")
    return text


def declared_charset(part: Part) -> str:
    """The charset that ``part`` declares, when it is one we know; empty otherwise.

    US-ASCII is as good as nothing, since so many say it of anything.
    """
    value = part.parameter(b"charset")
    if value is None:
        return ""
    name = value.strip(b" \t'\"").decode("ascii", "replace")
    codec = codec_of(name)
    return "" if codec in ("", "ascii") else name


def _unix_lines(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def is_flowed(part: Part) -> bool:
    """Whether ``part`` is format=flowed text (RFC 3676 section 4)."""
    value = part.parameter(b"format")
    return value is not None and value.lower() == b"flowed"


def unflow(text: str, *, delete_space: bool = False) -> str:
    """``text`` with flowed lines joined into paragraphs; quote marks stay, stuffing goes.

    Source: RFC 3676 sections 4.1 to 4.5; a signature separator is never flowed.
    """
    out: list[str] = []
    paragraph: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if paragraph and (depth != open_depth or content == "-- "):
            out.append(_quoted(open_depth, "".join(paragraph)))
            paragraph = []
        open_depth = depth
        paragraph.append(content[:-1] if flows and delete_space else content)
        if not flows:
            out.append(_quoted(depth, "".join(paragraph)))
            paragraph = []
    if paragraph:
        out.append(_quoted(open_depth, "".join(paragraph)))
    return "\n".join(out)


def _quoted(depth: int, paragraph: str) -> str:
    return f"{'>' * depth} {paragraph}" if depth else paragraph


def html_to_text(html: str) -> str:
    """``html`` as plain text; linear in its length, whatever it is."""
    return text_from_html(html)


def best_text(part: Part, octets: bytes, limits: MimeLimits = _DEFAULT) -> str | None:
    """The text that a reader of plain text is shown; None when the message has none.

    Plain text where there is the choice, HTML as text where there is not.
    """
    chosen = text_parts(part, b"text/plain")
    texts = [_as_text(one, octets, limits) for one in chosen]
    if not any(text.strip() for text in texts):
        # An empty plain alternative says nothing; the HTML may.
        texts = [_as_text(one, octets, limits) for one in text_parts(part, b"text/html")] or texts
    return _joined(texts, limits) if texts else None


def best_html(part: Part, octets: bytes, limits: MimeLimits = _DEFAULT) -> str | None:
    """The HTML that a reader is shown, not sanitised; None when the message has none."""
    pages = [one for one in text_parts(part, b"text/html") if one.type == b"text/html"]
    return _joined([decode_text(one, octets, limits) for one in pages], limits) if pages else None


def _as_text(part: Part, octets: bytes, limits: MimeLimits) -> str:
    text = decode_text(part, octets, limits)
    return html_to_text(text[: limits.max_html_characters]) if part.type == b"text/html" else text


def _joined(texts: list[str], limits: MimeLimits) -> str:
    return "\n".join(texts)[: limits.max_text_octets]


def text_parts(part: Part, kind: bytes) -> list[Part]:
    """The parts that are the message's own text, in order, at most 50.

    Of alternatives the last that has text of ``kind``, or else the last that has text
    (RFC 2046 section 5.1.4); never attachments or what attached messages hold.  Text that is
    neither plain nor HTML only counts when there is no other.
    """
    found: list[Part] = []
    others: list[Part] = []
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if one.type == b"multipart/alternative" and one.children:
            chosen = _alternative(one, kind)
            if chosen is not None:
                waiting.append(chosen)
        elif one.is_multipart:
            waiting.extend(reversed(one.children))
        elif not is_attachment(one):
            (found if one.type in _READABLE else others).append(one)
    return (found or others)[:_MAX_JOINED]


def _alternative(part: Part, kind: bytes) -> Part | None:
    fallback: Part | None = None
    for child in reversed(part.children):
        for one, _, _ in walk(child, into_messages=False):
            if one.type == kind and not is_attachment(one):
                return child
            if fallback is None and one.type in _READABLE and not is_attachment(one):
                fallback = child
    if fallback is None:
        return part.children[-1]
    return fallback


def walk(part: Part, *, into_messages: bool = True) -> Iterator[tuple[Part, str, Part | None]]:
    """Every part below and including ``part`` in order, with its IMAP number and its parent.

    The number of the message itself is empty, unless it is no multipart: then it is 1.
    """
    waiting: list[tuple[Part, str, Part | None, bool]] = [(part, "", None, True)]
    while waiting:
        one, number, parent, is_message = waiting.pop()
        if one.is_multipart and one.children:
            yield one, number, parent
            prefix = f"{number}." if number else ""
            below = [
                (child, f"{prefix}{position}", one, False)
                for position, child in enumerate(one.children, 1)
            ]
            waiting.extend(reversed(below))
            continue
        if is_message:
            number = f"{number}.1" if number else "1"
        yield one, number, parent
        if one.is_message and into_messages:
            waiting.append((one.children[0], number, one, True))


def is_attachment(part: Part) -> bool:
    """Whether ``part`` is shown as a file.

    Text is part of the message unless it is marked or named as a file; the machine-readable
    parts of a report are neither (RFC 6522 section 3).
    """
    if part.is_multipart:
        return part.opaque
    disposition = part.disposition
    if disposition is not None and disposition.lower() == b"attachment":
        return True
    if not part.is_text:
        return part.type not in _REPORTS
    if part.type in _READABLE:
        return disposition is not None and _has_name(part)
    return _has_name(part)


def _has_name(part: Part) -> bool:
    names = (*part.disposition_parameters, *part.parameters)
    return any(name.lower().startswith((b"filename", b"name")) for name, _ in names)


def attachments(part: Part, octets: bytes, limits: MimeLimits = _DEFAULT) -> tuple[Attachment, ...]:
    """The files of the message ``part``, at most ``limits.max_attachments``, in order.

    An attached message is one file; what is attached to it is its own business.
    """
    found: list[Attachment] = []
    for one, number, parent in walk(part, into_messages=False):
        if not is_attachment(one) or len(found) == limits.max_attachments:
            continue
        related = parent is not None and parent.type == b"multipart/related"
        content_id = one.content_id
        found.append(
            Attachment(
                number,
                filename(one, limits),
                one.type.decode("ascii", "replace"),
                decoded_size(one, octets),
                _is_inline(one, related),
                None if content_id is None else _bare_id(content_id),
            )
        )
    return tuple(found)


def count_attachments(part: Part, limits: MimeLimits = _DEFAULT) -> int:
    """How many :func:`attachments` there are."""
    if not part.children:
        return int(is_attachment(part))
    count = sum(is_attachment(one) for one, _, _ in walk(part, into_messages=False))
    return min(count, limits.max_attachments)


def _is_inline(part: Part, related: bool) -> bool:
    if part.disposition is not None:
        return part.disposition.lower() == b"inline"
    return related and part.content_id is not None


def _bare_id(content_id: bytes) -> str | None:
    return decode_raw(content_id).strip().removeprefix("<").removesuffix(">") or None


def decoded_size(part: Part, octets: bytes) -> int:
    """How many octets the body of ``part`` has without its transfer encoding."""
    if part.transfer in _IDENTITY:
        return part.body_octets
    return len(decode_body(part, octets))


_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')


def filename(part: Part, limits: MimeLimits = _DEFAULT) -> str | None:
    """The name of the file in ``part`` as text that is safe as a name; None without one.

    Without directories, control and direction characters; never ``.`` or ``..``; cut to
    ``limits.max_filename_characters`` with its extension kept.

    Source: RFC 2183 section 2.3, which wants receivers to distrust the name.
    """
    name = decode_parameter(part.disposition_parameters, b"filename")
    if name is None:
        name = decode_parameter(part.parameters, b"name")
    return None if name is None else safe_filename(name, limits)


def safe_filename(name: str, limits: MimeLimits = _DEFAULT) -> str | None:
    """``name`` as :func:`filename` gives it; None when nothing of it is left."""
    name = _UNSAFE.sub("", name)
    name = name[max(name.rfind("/"), name.rfind("\\")) + 1 :]
    name = _FORBIDDEN.sub("_", name).strip(" .") if name.strip(". ") else ""
    most = limits.max_filename_characters
    if len(name) > most:
        stem, dot, extension = name.rpartition(".")
        keep = len(extension) + 1
        name = f"{stem[: most - keep]}.{extension}" if dot and keep <= 16 else name[:most]
    return name or None
