"""What SEARCH asks of the messages themselves (RFC 9051 section 6.4.4, RFC 8474 section 6.2).

Knows how a message answers a key about its text: header fields and bodies are compared as decoded
text, as a substring, without regard to case and to how accents are composed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import trio

from agentpost.imap import columns
from agentpost.imap.fetching import batches, content_of
from agentpost.imap.searching import fits
from agentpost.imap.states import Selected
from agentpost.imap.wire.searchkeys import (
    Dated,
    EmailIdIs,
    InAddresses,
    InBody,
    InHeader,
    InSubject,
    InText,
    SearchKey,
    ThreadIdIs,
)
from agentpost.limits import MessageLimits, MimeLimits
from agentpost.mime.body import decode_text, walk
from agentpost.mime.date import parse_date
from agentpost.mime.encoded import decode_header
from agentpost.mime.header import Header, header_end
from agentpost.mime.scan import Part, unpack
from agentpost.model.mailbox import Wanted

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_WHOLE_TEXT = MimeLimits(max_text_octets=MessageLimits().max_octets)
"""A search looks at all of a text, however long it is."""


def folded(text: str) -> str:
    """``text`` as it is compared: small letters, accents apart (as RFC 5051 wants it)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).casefold()


@dataclass(frozen=True)
class Document:
    """One message as searches read it; each reading is made once."""

    octets: bytes
    root: Part | None
    """None when only header fields are asked for."""

    @cached_property
    def header(self) -> Header:
        """The fields of the message's own header section."""
        end = header_end(self.octets, 0, len(self.octets))
        return Header(self.octets, 0, len(self.octets) if end is None else end)

    def values(self, name: bytes) -> list[str]:
        """The decoded values of all fields called ``name`` (lower case), folded for comparison."""
        return [folded(decode_header(value)) for value in self.header.all(name)]

    @cached_property
    def own_fields(self) -> str:
        """The message's own header section."""
        return _fields(self.header)

    @cached_property
    def texts(self) -> str:
        """The text parts, and the headers of embedded messages."""
        assert self.root is not None
        pieces: list[str] = []
        for part, _, _ in walk(self.root):
            if part.is_text:
                pieces.append(folded(decode_text(part, self.octets, _WHOLE_TEXT)))
            elif part.is_message:
                inner = part.children[0]
                header = Header(self.octets, inner.header_start, inner.header_end)
                pieces.append(_fields(header))
        return "\n".join(pieces)

    @cached_property
    def part_fields(self) -> str:
        """The MIME header sections of the parts."""
        assert self.root is not None
        parts = (part for part, number, _ in walk(self.root) if part is not self.root)
        return "\n".join(
            _fields(Header(self.octets, part.header_start, part.header_end)) for part in parts
        )

    @cached_property
    def day(self) -> int | None:
        """The day of the Date field in its own zone, counted from 1970; None without a date."""
        value = self.header.last(b"date")
        date = None if value is None else parse_date(value)
        return None if date is None else columns.day_number(date.date())


def _fields(header: Header) -> str:
    octets = header.octets
    return folded(
        "\n".join(
            f"{field.found.decode('ascii', 'replace')}: "
            f"{decode_header(octets[field.value_start : field.value_end])}"
            for field in header.fields
        )
    )


Test = Callable[[Document], bool]


def test_for(key: SearchKey) -> Test:
    """Whether a message answers ``key``."""
    match key:
        case InAddresses(field, text):
            return partial(_in_field, field.value.encode(), folded(text))
        case InSubject(text):
            return partial(_in_field, b"subject", folded(text))
        case InHeader(name, text):
            return partial(_in_field, name.encode().lower().rstrip(b": "), folded(text))
        case InBody(text):
            return partial(_in_body, folded(text))
        case InText(text):
            return partial(_in_text, folded(text))
        case Dated(_, when, day):
            return partial(_sent, fits(when, columns.day_number(day)))
    raise AssertionError(key)


def _in_field(name: bytes, text: str, document: Document) -> bool:
    if not text:
        return name in document.header
    return any(text in value for value in document.values(name))


def _in_body(text: str, document: Document) -> bool:
    return text in document.texts


def _in_text(text: str, document: Document) -> bool:
    return text in document.own_fields or text in document.texts or text in document.part_fields


def _sent(fit: Callable[[int], bool], document: Document) -> bool:
    return document.day is not None and fit(document.day)


async def find(
    session: Session, state: Selected, keys: Sequence[SearchKey], uids: Sequence[int]
) -> dict[SearchKey, list[int]]:
    """Which of the messages ``uids``, ascending, answer each of ``keys``: their uids, ascending.

    Messages that are gone answer nothing.
    """
    found: dict[SearchKey, list[int]] = {key: [] for key in keys}
    by_id = [key for key in keys if isinstance(key, EmailIdIs | ThreadIdIs)]
    tests = [(key, test_for(key)) for key in keys if key not in by_id]
    bodies = any(isinstance(key, InBody | InText) for key, _ in tests)
    wanted = Wanted(ids=bool(by_id), head=bool(tests) and not bodies, octets=bodies, parts=bodies)
    snapshot = state.view.snapshot
    for batch in batches(snapshot, state.view.chosen_uids(uids), wanted):
        content = await content_of(session, state, snapshot, batch, wanted)
        for key in by_id:
            found[key] += _identified(key, content.uids, content.messages, content.threads)
        octets = content.octets or content.heads
        if tests:
            answers = await trio.to_thread.run_sync(
                _tested, tests, content.uids, octets, content.parts
            )
            for one, answered in answers.items():
                found[one] += answered
    return found


def _tested(
    tests: Sequence[tuple[SearchKey, Test]],
    uids: Sequence[int],
    octets: Sequence[bytes],
    parts: Sequence[bytes],
) -> dict[SearchKey, list[int]]:
    found: dict[SearchKey, list[int]] = {key: [] for key, _ in tests}
    for at, uid in enumerate(uids):
        document = Document(octets[at], unpack(parts[at]) if parts else None)
        for key, test in tests:
            if test(document):
                found[key].append(uid)
    return found


def _identified(
    key: SearchKey, uids: Sequence[int], messages: Iterable[str], threads: Iterable[str]
) -> list[int]:
    if isinstance(key, EmailIdIs):
        wanted = key.value.encode()
        written: Iterable[bytes] = map(columns.email_id, messages)
    else:
        assert isinstance(key, ThreadIdIs)
        wanted = key.value.encode()
        written = map(columns.thread_id, threads)
    return [uid for uid, value in zip(uids, written, strict=True) if value == wanted]
