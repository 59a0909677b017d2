"""Text in header fields: encoded-words (RFC 2047) and parameters (RFC 2231), read and written.

Reading is tolerant: characters split over words are joined again, words in unknown charsets and
with broken contents give what can be read, raw 8-bit octets are taken as UTF-8 or windows-1252.
Control characters that hide inside encoded-words become spaces, so that no decoded text can be
mistaken for a line of a header section.
"""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote_to_bytes

from agentpost.mime.charset import decode, decode_undeclared, storable
from agentpost.mime.fields import unstructured
from agentpost.mime.header import unfold
from agentpost.mime.media import Parameters, merged_parameters, percent_encoded

_WORD = re.compile(rb"=\?([^?\s*]++)(?:\*[^?\s]*+)?\?([bBqQ])\?([^?]*+)\?=")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]++")
_MAX_RUNS = 10_000
"""Base64 blocks glued together that are read; honest mail has a handful."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def decode_header(value: bytes) -> str:
    """``value``, an unstructured field's value, as text (RFC 2047 section 6.2).

    White space between adjacent encoded-words goes; white space at both ends goes.  The text has
    no control characters and no lone surrogates.
    """
    if b"=?" in value:
        text = _decode_words(unfold(value))
    elif value.isascii():
        text = value.decode("ascii")
        if text.isprintable():
            return text.strip(" ")
        text = unfold(value).decode("ascii")
    else:
        text = decode_raw(unfold(value))
    return clean(text).strip()


def decode_phrase(value: bytes) -> str:
    """``value``, a display name without its quoting, as text.

    LENIENT_QUOTED_WORDS: encoded-words inside quotes are not allowed and common.
    """
    return decode_header(value)


def decode_raw(value: bytes) -> str:
    """Octets of a header section that are no encoded-word: ASCII, UTF-8 or windows-1252."""
    return storable(decode_undeclared(value))


def clean(text: str) -> str:
    """``text`` with each run of control characters turned into one space."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(" ", text)


def _decode_words(value: bytes) -> str:
    pieces: list[str] = []
    charset = ""
    joined: list[bytes] = []
    at = 0
    for word in _WORD.finditer(value):
        between = value[at : word.start()]
        at = word.end()
        if between and not (joined and between.isspace()):
            if joined:
                pieces.append(decode(b"".join(joined), charset))
                joined = []
            pieces.append(decode_raw(between))
        name = word[1].decode("ascii", "replace").lower()
        if joined and name != charset:
            pieces.append(decode(b"".join(joined), charset))
            joined = []
        charset = name
        joined.append(_word_octets(word[2], word[3]))
    if joined:
        pieces.append(decode(b"".join(joined), charset))
    if at < len(value):
        pieces.append(decode_raw(value[at:]))
    return "".join(pieces)


def _word_octets(form: bytes, content: bytes) -> bytes:
    if form in b"qQ":
        return binascii.a2b_qp(content, header=True)
    return lenient_base64(content)


def lenient_base64(content: bytes) -> bytes:
    """The octets of base64 ``content``; foreign octets are passed over (RFC 2045 section 6.8)."""
    padding = content.find(b"=")
    if padding < 0 or not content[padding:].strip(b"= \t\r\n"):
        try:
            return binascii.a2b_base64(content)
        except binascii.Error:
            pass  # too few digits at the end
    # Padding inside (blocks glued together) ends a run; the last digits may be too few.
    pieces: list[bytes] = []
    for run in content.split(b"=", _MAX_RUNS)[:_MAX_RUNS]:
        digits = _NOT_BASE64.sub(b"", run)
        usable = len(digits) - (len(digits) % 4 == 1)
        pieces.append(binascii.a2b_base64(digits[:usable] + b"=" * (-usable % 4)))
    return b"".join(pieces)


def decode_parameter(parameters: Parameters, name: bytes) -> str | None:
    """The parameter ``name`` (lower case) as text, None without one.

    The extended form wins over the plain one (RFC 6266 section 4.3 says so for HTTP; mail
    programs that write both expect it).  LENIENT_WORDS: encoded-words in plain values, which
    RFC 2047 section 5 forbids and mail programs write.
    """
    if not parameters:
        return None
    merged = merged_parameters(parameters)
    plain: bytes | None = None
    for found, value in merged:
        lower = found.lower()
        if lower == name + b"*":
            return clean(_decode_extended(value)).strip()
        if lower == name and plain is None:
            plain = value
    return None if plain is None else decode_header(plain)


def _decode_extended(value: bytes) -> str:
    """``charset'language'percent-encoded`` as text (RFC 2231 section 4)."""
    charset, mark, rest = value.partition(b"'")
    _, second, content = rest.partition(b"'")
    if not mark or not second:
        charset, content = b"", value
    return decode(unquote_to_bytes(content), charset.decode("ascii", "replace"))


def encode_header(name: str, text: str) -> bytes:
    """The whole field ``name`` with ``text`` as its unstructured value, folded, CRLF included.

    ASCII stays as it is, anything else becomes encoded-words of whole characters in UTF-8, each
    at most 75 octets long on lines of at most 76.

    Source: RFC 2047 section 2; RFC 5322 section 2.2.3.
    """
    return unstructured(name, clean(storable(text)))


def encode_parameter(name: str, text: str) -> bytes:
    """``; name=value`` with ``text`` quoted, or in the extended form when it is not plain ASCII.

    Pieces of a long value are separate parameters, each on a line of its own.

    Source: RFC 2231 sections 3 and 4; RFC 2045 section 5.1.
    """
    text = clean(storable(text))
    if text.isascii() and len(text) <= _PLAIN_LENGTH:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'; {name}="{quoted}"'.encode("ascii")
    pieces = [b"utf-8''"]
    for character in text:
        escaped = percent_encoded(character.encode())
        if len(pieces[-1]) + len(escaped) > _PIECE_LENGTH:
            pieces.append(b"")
        pieces[-1] += escaped
    if len(pieces) == 1:
        return b"; %b*=%b" % (name.encode("ascii"), pieces[0])
    return b"".join(
        b";\r\n %b*%d*=%b" % (name.encode("ascii"), number, piece)
        for number, piece in enumerate(pieces)
    )


_PLAIN_LENGTH = 60
_PIECE_LENGTH = 54

__all__ = [
    "clean",
    "decode_header",
    "decode_parameter",
    "decode_phrase",
    "decode_raw",
    "encode_header",
    "encode_parameter",
    "lenient_base64",
]
