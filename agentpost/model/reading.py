"""What a reader is shown of a message's octets: its texts, its files, its header fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class File:
    """An attachment as it is listed.

    ``id`` is derived from the message's id and ``section``, its IMAP part number; ``size`` counts
    decoded octets; ``content_id`` has no angle brackets.
    """

    id: str
    section: str
    filename: str | None
    mime_type: str
    size: int
    inline: bool
    content_id: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The texts of a message, with and without what it quotes, and its files.

    None where the message has no text, or no HTML.  ``html`` is as the sender wrote it and not
    safe to show; ``extracted_html`` is.  But for ``html`` all hold only what a reader sees;
    ``hidden_text_removed`` says that the message holds text which he does not.
    """

    text: str | None
    html: str | None
    extracted_text: str | None
    extracted_html: str | None
    files: tuple[File, ...]
    headers: tuple[tuple[str, str], ...] = ()
    hidden_text_removed: bool = False


@dataclass(frozen=True, slots=True)
class NewText:
    """What is new in a message, as far as a reader sees it, and whether there was more."""

    text: str
    hidden_text_removed: bool


Purpose = Literal["verification", "magic_link", "password_reset", "unsubscribe", "other"]


@dataclass(frozen=True, slots=True)
class Link:
    """One address of the web in a message, with what is written on it, and what it is for."""

    url: str
    text: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Extracts:
    """What a program looks for in a message, the likeliest first; strangers wrote all of it.

    ``unsubscribe`` are the ways that the header offers (RFC 2369).
    """

    otp: tuple[str, ...]
    links: tuple[Link, ...]
    unsubscribe: tuple[str, ...]
    text: str
    hidden_text_removed: bool = False
