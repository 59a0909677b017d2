"""Reading a stored message for people and programs: the one way for REST, events and answers.

Attachments have no table: their ids are a hash of the message's id and the part number, and an id
is resolved by computing those of the message's parts again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import trio

from agentpost.ids import MessageId
from agentpost.mime.body import (
    attachments,
    best_html,
    best_text,
    decode_body,
    text_parts,
    walk,
)
from agentpost.mime.codes import one_time_codes
from agentpost.mime.encoded import decode_header
from agentpost.mime.header import Header
from agentpost.mime.html import text_from_html
from agentpost.mime.links import links, list_unsubscribe
from agentpost.mime.reply import extracted_html, extracted_text
from agentpost.mime.scan import Part, unpack
from agentpost.mime.unseen import without_unseen
from agentpost.mime.viewing import visible
from agentpost.model.message import MessageContent
from agentpost.model.reading import Extracts, File, NewText, Reading

T = TypeVar("T")

INLINE_OCTETS: Final = 64 * 1024
"""Larger messages are read in a thread, so that other connections do not wait for them."""

_MAX_HEADERS: Final = 200
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def attachment_id(message: MessageId, section: str) -> str:
    """The id of the attachment in ``section`` of a message: 128 bits of a SHA-256."""
    digest = hashlib.sha256(f"{message}\0{section}".encode()).digest()
    value = int.from_bytes(digest[:16])
    letters = [_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5)]
    return "att_" + "".join(letters)


async def beside(octets: int, work: Callable[[], T]) -> T:
    """``work`` on so many octets, in a thread when they are many."""
    if octets <= INLINE_OCTETS:
        return work()
    return await trio.to_thread.run_sync(work)


async def read(content: MessageContent, *, headers: bool = False) -> Reading:
    """Everything that a reader is shown of a message."""
    return await beside(len(content.octets), lambda: _reading(content, headers))


async def new_text(content: MessageContent) -> NewText:
    """The text of a message without quoted history and signatures; empty without text."""
    return await beside(len(content.octets), lambda: _new_text(content))


def plain_text(content: MessageContent) -> str:
    """The text of a message as far as people see it; empty without text.  Works in this thread."""
    return without_unseen(best_text(unpack(content.parts), content.octets) or "")[0]


async def extracts(content: MessageContent) -> Extracts:
    """The codes and links of a message as far as people see them, and its new text."""
    return await beside(len(content.octets), lambda: _extracts(content))


async def files(content: MessageContent) -> tuple[File, ...]:
    """The attachments of a message, in order."""
    return await beside(len(content.octets), lambda: _files(content, unpack(content.parts)))


async def file_octets(content: MessageContent, attachment: str) -> tuple[File, bytes] | None:
    """An attachment by its id, and what is in it; None when the message has no such one."""
    return await beside(len(content.octets), lambda: _file_octets(content, attachment))


def _reading(content: MessageContent, headers: bool) -> Reading:
    part, octets = unpack(content.parts), content.octets
    shown = _shown(part, octets)
    new_html = None if shown.html is None else extracted_html(shown.html)
    return Reading(
        text=shown.text,
        html=best_html(part, octets),
        extracted_text=_extracted(part, shown.text, new_html),
        extracted_html=new_html,
        files=_files(content, part),
        headers=_headers(octets, part) if headers else (),
        hidden_text_removed=shown.hidden,
    )


def _new_text(content: MessageContent) -> NewText:
    part = unpack(content.parts)
    shown = _shown(part, content.octets)
    if shown.text is None or _is_plain(part):
        text = "" if shown.text is None else extracted_text(shown.text)
        return NewText(text, shown.hidden)
    new_html = None if shown.html is None else extracted_html(shown.html)
    return NewText(_extracted(part, shown.text, new_html) or "", shown.hidden)


def _extracts(content: MessageContent) -> Extracts:
    part = unpack(content.parts)
    shown = _shown(part, content.octets)
    new = _new_text(content)
    field = Header(content.octets, 0, part.header_end).first(b"list-unsubscribe")
    return Extracts(
        otp=one_time_codes(shown.text, content.message.subject),
        links=links(shown.text if _is_plain(part) else None, shown.html),
        unsubscribe=list_unsubscribe(None if field is None else field.decode("latin-1")),
        text=new.text,
        hidden_text_removed=new.hidden_text_removed,
    )


class _Shown(NamedTuple):
    """The text and the HTML of a message as far as people see them, and whether there is more."""

    text: str | None
    html: str | None
    hidden: bool


def _shown(part: Part, octets: bytes) -> _Shown:
    text, html = best_text(part, octets), best_html(part, octets)
    hidden = [False, False]
    if text is not None:
        text, hidden[0] = without_unseen(text)
    if html is not None:
        html, hidden[1] = visible(html)
    return _Shown(text, html, any(hidden))


def _extracted(part: Part, text: str | None, new_html: str | None) -> str | None:
    """The new text: of the plain text where there is some, else of the HTML, which marks more."""
    if text is None:
        return None
    if new_html is not None and not _is_plain(part):
        return without_unseen(text_from_html(new_html))[0].strip()
    return extracted_text(text)


def _is_plain(part: Part) -> bool:
    return any(one.type != b"text/html" for one in text_parts(part, b"text/plain"))


def _files(content: MessageContent, part: Part) -> tuple[File, ...]:
    return tuple(
        File(
            attachment_id(content.message.id, one.section),
            one.section,
            one.filename,
            one.mime_type,
            one.size,
            one.inline,
            one.content_id,
        )
        for one in attachments(part, content.octets)
    )


def _file_octets(content: MessageContent, attachment: str) -> tuple[File, bytes] | None:
    root = unpack(content.parts)
    for one in _files(content, root):
        if one.id == attachment:
            parts = {number: part for part, number, _ in walk(root, into_messages=False)}
            return one, decode_body(parts[one.section], content.octets)
    return None


def _headers(octets: bytes, part: Part) -> tuple[tuple[str, str], ...]:
    fields = Header(octets, 0, part.header_end).fields[:_MAX_HEADERS]
    return tuple(
        (
            field.found.decode("ascii", "replace"),
            decode_header(octets[field.value_start : field.value_end]),
        )
        for field in fields
    )
