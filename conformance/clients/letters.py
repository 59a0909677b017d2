"""The mail that the journeys carry: small, but with what clients trip over."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and the subject by which it is found again."""

    subject: str
    octets: bytes

    @property
    def message_id(self) -> str:
        """Its Message-ID with the angle brackets."""
        start = self.octets.index(b"Message-ID: ") + 12
        return self.octets[start : self.octets.index(b"\r\n", start)].decode("ascii")


def plain(
    sender: str, recipient: str, subject: str, text: str = "The parcel is on its way."
) -> Letter:
    """One short text in 7-bit."""
    return Letter(subject, _head(sender, recipient, subject) + b"\r\n" + text.encode() + b"\r\n")


def rich(sender: str, recipient: str, subject: str) -> Letter:
    """Text in two forms, 8-bit; an attachment in base64; a forwarded message with parts."""
    body = (
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="outer"\r\n'
        "\r\n"
        "A preamble that nobody shows.\r\n"
        "--outer\r\n"
        'Content-Type: multipart/alternative; boundary="inner"\r\n'
        "\r\n"
        "--inner\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n"
        "\r\n"
        "Grüße aus Köln\r\n"
        ".\r\n"
        "..two dots, and a line that begins with From\r\n"
        "From here on it is quiet.\r\n"
        "--inner\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n"
        "\r\n"
        "<p>Gr=C3=BC=C3=9Fe aus K=C3=B6ln</p>\r\n"
        "--inner--\r\n"
        "--outer\r\n"
        'Content-Type: application/octet-stream; name="a b.bin"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.bin\r\n"
        "\r\n"
        "AAECAwQFBgcICQoLDA0ODw==\r\n"
        "--outer\r\n"
        "Content-Type: message/rfc822\r\n"
        "\r\n"
        "From: someone@elsewhere.example\r\n"
        "Subject: inside\r\n"
        "Content-Type: text/plain\r\n"
        "\r\n"
        "A message in a message.\r\n"
        "--outer--\r\n"
    )
    return Letter(subject, _head(sender, recipient, subject) + body.encode())


def _head(sender: str, recipient: str, subject: str) -> bytes:
    number = next(_numbers)
    return (
        f"From: A Friend <{sender}>\r\n"
        f"To: {recipient}\r\n"
        f"Subject: {subject}\r\n"
        f"Date: Sun, 08 Mar 2026 14:30:{number % 60:02d} +0100\r\n"
        f"Message-ID: <journey-{number}@clients.example>\r\n"
    ).encode("ascii")
