"""Messages of an exact size, for benchmarks and limits."""

from __future__ import annotations

from random import Random

from tests.mailgen.octets import date, message_id, moment
from tests.mailgen.words import TONGUES, sentence

_LINE = 78


def sized(
    octets: int,
    seed: int = 0,
    *,
    sender: str = "alice@example.com",
    recipient: str = "inbox@inbox.example",
    subject: str | None = None,
) -> bytes:
    """A text message of exactly ``octets`` octets with CRLF lines and an identifier of its own.

    Raises: ValueError when the header alone is larger.
    """
    random = Random(f"sized {octets} {seed}")
    title = subject or sentence(random, TONGUES[0], 5)
    header = (
        b"Date: " + date(moment(random)) + b"\r\n"
        b"From: Alice <" + sender.encode() + b">\r\n"
        b"To: <" + recipient.encode() + b">\r\n"
        b"Subject: " + title.encode() + b"\r\n"
        b"Message-ID: " + message_id(random, "example.com") + b"\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    )
    room = octets - len(header)
    if room < 0 or room == 1:
        raise ValueError(f"no message of {octets} octets: the header takes {len(header)}")
    return header + _filler(random, room)


def _filler(random: Random, room: int) -> bytes:
    """Exactly ``room`` octets of text lines, each ending in CRLF."""
    page = [
        (sentence(random, TONGUES[0], 20)[: _LINE - 2]).ljust(_LINE - 2, "x") for _ in range(50)
    ]
    block = "".join(line + "\r\n" for line in page).encode()
    text = block * (room // len(block) + 1)
    rest = room % _LINE
    whole = text[: room - rest]
    if rest == 0:
        return whole
    if rest == 1:  # too short for a line end: lengthen the last line by it
        return whole[:-2] + b"x\r\n"
    return whole + b"y" * (rest - 2) + b"\r\n"
