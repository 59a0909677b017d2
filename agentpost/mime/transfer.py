"""Content-transfer-encodings for what we compose (RFC 2045 section 6), chosen by content.

Sources: RFC 2045 sections 6.2 to 6.8; RFC 2049 section 4 (canonical line ends).
"""

from __future__ import annotations

import binascii
import re

from agentpost.mime.fields import LINE, MAX_LINE

_LINE_END = re.compile(r"\r\n|\r|\n")
_OCTET_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONG_LINE = re.compile(rb"[^\n]{%d}" % (LINE + 2))
_TOO_LONG_LINE = re.compile(rb"[^\n]{%d}" % (MAX_LINE + 2))
_NOT_PLAIN = re.compile(rb"[^\t\r\n -~]")
_FROM = re.compile(rb"^From ([^\r\n]*)", re.MULTILINE)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ESCAPED = bytes(set(range(256)) - set(range(32, 127)) - set(b"\t\r\n")) + b"="
_BASE64_LINE = 76


def canonical(text: str) -> bytes:
    """``text`` in UTF-8 with CRLF line ends, whatever ends its lines now."""
    return _LINE_END.sub("\r\n", text).encode()


def canonical_octets(octets: bytes) -> bytes:
    """``octets`` with CRLF line ends."""
    return _OCTET_LINE_END.sub(b"\r\n", octets) if _BARE.search(octets) else octets


def encoded_text(octets: bytes) -> tuple[str, bytes]:
    """Canonical text as (name of the encoding, encoded octets).

    As it is when it is ASCII with lines within 78 octets and none that an mbox would alter;
    otherwise quoted-printable or base64, whichever is shorter.
    """
    plain = _NOT_PLAIN.search(octets) is None and _LONG_LINE.search(octets) is None
    if plain and _FROM.search(octets) is None:
        return "7bit", octets
    escapes = len(octets) - len(octets.translate(None, _ESCAPED))
    if len(octets) + 2 * escapes > len(octets) * 137 // 100 + 100:
        return "base64", base64(octets)
    return "quoted-printable", quoted_printable(octets)


def quoted_printable(octets: bytes) -> bytes:
    """Canonical text in quoted-printable, lines of at most 76 octets.

    Also safe in an mbox: no line begins with "From ".
    """
    encoded = binascii.b2a_qp(octets.replace(b"\r\n", b"\n"), quotetabs=False, istext=True)
    return _FROM.sub(_hidden_from, encoded).replace(b"\n", b"\r\n")


def _hidden_from(line: re.Match[bytes]) -> bytes:
    """A line that began with "From ", with its F encoded; broken softly so that it stays short."""
    rest = line[1]
    if len(rest) <= 76 - len(b"=46rom "):
        return b"=46rom " + rest
    return b"=46rom =\n" + rest


def base64(octets: bytes) -> bytes:
    """``octets`` in base64, lines of 76 octets."""
    whole = binascii.b2a_base64(octets, newline=False)
    lines = [whole[at : at + _BASE64_LINE] for at in range(0, len(whole), _BASE64_LINE)]
    return b"\r\n".join(lines) + b"\r\n" if lines else b""


def is_seven_bit(octets: bytes) -> bool:
    """Whether ``octets`` are 7bit data (RFC 2045 section 2.7): ASCII, CRLF, short lines, no NUL."""
    return octets.isascii() and is_eight_bit(octets)


def is_eight_bit(octets: bytes) -> bool:
    """Whether ``octets`` are 8bit data (RFC 2045 section 2.8): CRLF, short lines, no NUL."""
    return (
        b"\0" not in octets
        and _BARE.search(octets) is None
        and _TOO_LONG_LINE.search(octets) is None
    )
