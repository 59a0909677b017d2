"""The small pieces that generated mail is put together from."""

from __future__ import annotations

import base64
import quopri
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random

EPOCH = datetime(2024, 1, 1, 9, 0, 0, tzinfo=UTC)
ZONES = (-480, -300, 0, 60, 120, 330, 345, 540, 600)
"""Offsets from UTC in minutes that senders of generated mail live in."""

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_LONG = re.compile(rb"[^\r\n]{997}(?=[^\r\n])")


def on_the_wire(octets: bytes) -> bytes:
    """``octets`` as SMTP could carry them: CRLF only, no NUL, lines of at most 998 octets."""
    clean = _BARE.sub(b"\r\n", octets.replace(b"\0", b""))
    return _LONG.sub(lambda line: line[0] + b"\r\n ", clean)


def moment(random: Random) -> datetime:
    """A moment in the two years after ``EPOCH``, in some zone."""
    zone = timezone(timedelta(minutes=random.choice(ZONES)))
    return (EPOCH + timedelta(seconds=random.randrange(2 * 365 * 86400))).astimezone(zone)


def date(when: datetime) -> bytes:
    """An RFC 5322 date-time."""
    return format_datetime(when).encode()


def message_id(random: Random, domain: str) -> bytes:
    """An identifier in brackets, in one of the shapes that are common."""
    shape = random.randrange(4)
    number = random.getrandbits(64)
    if shape == 0:
        return (
            f"<CA{base64.b32encode(number.to_bytes(8)).decode().strip('=')}@mail.{domain}>".encode()
        )
    if shape == 1:
        return f"<{number:016x}.{random.randrange(10**6)}@{domain}>".encode()
    if shape == 2:
        return f"<{number % 10**14}.{number % 9973:05d}.JavaMail.app@{domain}>".encode()
    return f"<{number >> 32:08X}-{number % 65536:04X}-4{number % 4096:03X}@{domain}>".encode()


def boundary(random: Random) -> bytes:
    """A boundary in one of the shapes that are common."""
    number = f"{random.getrandbits(80):020x}"
    return random.choice(
        (
            f"000000000000{number[:16]}",
            f"----=_NextPart_000_{number[:4].upper()}_01DA{number[4:12].upper()}",
            f"Apple-Mail=_{number[:8].upper()}-{number[8:12].upper()}",
            f"=_{number}",
            f"--_com.example_{number[:9]}",
        )
    ).encode()


def encoded_word(text: str, charset: str, random: Random) -> bytes:
    """``text`` as RFC 2047 encoded-words of ``charset``, each of whole characters, folded."""
    words = []
    step = max(1, 30 // max(1, len(text.encode(charset)) // max(1, len(text))))
    form = random.choice("BQ")
    for at in range(0, len(text), step):
        octets = text[at : at + step].encode(charset)
        if form == "B" or charset.startswith("iso-2022"):
            words.append(f"=?{charset}?B?{base64.b64encode(octets).decode()}?=")
        else:
            inner = "".join(chr(o) if chr(o).isalnum() and o < 128 else f"={o:02X}" for o in octets)
            words.append(f"=?{charset}?Q?{inner}?=")
    return "\n ".join(words).encode()


def unstructured(text: str, charset: str, random: Random) -> bytes:
    """A header value: ``text`` as it is when ASCII, as encoded-words otherwise."""
    return text.encode() if text.isascii() else encoded_word(text, charset, random)


def base64_body(octets: bytes) -> bytes:
    """``octets`` in base64, lines of 76."""
    return base64.encodebytes(octets)


def quoted_printable(octets: bytes) -> bytes:
    """``octets`` in quoted-printable; line ends stay line ends."""
    return quopri.encodestring(octets, quotetabs=False)


def part(content_type: bytes, body: bytes, *fields: bytes) -> bytes:
    """A body part: its header, an empty line, its body."""
    return b"\n".join((b"Content-Type: " + content_type, *fields, b"", body))


def multipart(subtype: bytes, mark: bytes, parts: list[bytes], *, preamble: bytes = b"") -> bytes:
    """A multipart as a body part of its own, header included."""
    between = b"\n--" + mark + b"\n"
    body = preamble + between + between.join(parts) + b"\n--" + mark + b"--\n"
    return part(b"multipart/" + subtype + b'; boundary="' + mark + b'"', body)
