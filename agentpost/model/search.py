"""What a search asks of the content of messages; flags, sizes and numbers are asked elsewhere.

Source: RFC 9051 section 6.4.4; RFC 8474 section 6 (EMAILID, THREADID).  Substrings compare
without case, by the Unicode fold of ``agentpost.mime.matching``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum


class TextField(Enum):
    """Where a text is looked for."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    SUBJECT = "subject"
    HEADER = "header"
    BODY = "body"
    TEXT = "text"


class Day(Enum):
    """How the day of the Date field, in its own zone, compares with the day asked for."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class TextLeaf:
    """``text`` occurs in the field; ``name`` is that of HEADER, where an empty text asks whether
    there is such a field.  Everywhere else an empty text is found in every message."""

    field: TextField
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class SentLeaf:
    """SENTBEFORE, SENTON, SENTSINCE; a message without a valid Date field is never found."""

    when: Day
    day: date


@dataclass(frozen=True, slots=True)
class IdLeaf:
    """The message, or its thread, has this id (``msg_…``, ``thr_…``)."""

    value: str
    thread: bool = False


Leaf = TextLeaf | SentLeaf | IdLeaf


@dataclass(frozen=True, slots=True)
class Matches:
    """The answer to one leaf, uids in ascending order.

    ``unsure`` are messages whose text is not indexed, or not as a whole, and where nothing was
    found so far: only their octets can tell (``agentpost.mime.matching.Content``).  Each is told by
    all its uids in the mailbox.
    """

    found: Sequence[int]
    unsure: Sequence[Sequence[int]] = ()
