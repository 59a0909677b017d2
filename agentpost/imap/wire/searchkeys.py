"""What SEARCH asks for (RFC 9051 section 6.4.4, RFC 3501 section 6.4.4, RFC 7162 section 3.1.5,
RFC 5032, RFC 8474, RFC 8514).

Knows the search programme as a tree of frozen values, not how it is read or answered.  The depth of
the tree is bounded, so that whoever walks it may recurse.  A new search key is a value class here
and a row in ``searchprogram``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from agentpost.imap.wire.sequence import SequenceSet
from agentpost.model.mailbox import Flag


class AddressField(Enum):
    """The address lists of ENVELOPE that SEARCH looks into."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"


class When(Enum):
    """How a message's day compares with the day named."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


class Clock(Enum):
    """Which day of a message is meant."""

    INTERNAL = "internal"
    SENT = "sent"
    SAVED = "saved"


@dataclass(frozen=True, slots=True)
class All:
    """ALL"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages by sequence number, or the saved result ``$``."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class Uids:
    """UID"""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class HasFlag:
    """SEEN, UNSEEN, … : one system flag is set or is not."""

    flag: Flag
    present: bool


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """KEYWORD and UNKEYWORD; ASCII case does not matter."""

    keyword: str
    present: bool


@dataclass(frozen=True, slots=True)
class IsRecent:
    """RECENT, and OLD when ``recent`` is false."""

    recent: bool


@dataclass(frozen=True, slots=True)
class InAddresses:
    """FROM, TO, CC, BCC"""

    field: AddressField
    text: str


@dataclass(frozen=True, slots=True)
class InSubject:
    """SUBJECT"""

    text: str


@dataclass(frozen=True, slots=True)
class InHeader:
    """HEADER; an empty ``text`` asks whether the field is there at all."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class InBody:
    """BODY"""

    text: str


@dataclass(frozen=True, slots=True)
class InText:
    """TEXT: header or body"""

    text: str


@dataclass(frozen=True, slots=True)
class Dated:
    """BEFORE, ON, SINCE and their SENT and SAVED forms; day against day, zones disregarded."""

    clock: Clock
    when: When
    day: date


@dataclass(frozen=True, slots=True)
class SaveDateSupported:
    """SAVEDATESUPPORTED (RFC 8514)"""


@dataclass(frozen=True, slots=True)
class Within:
    """OLDER and YOUNGER: internal date more or at most ``seconds`` ago (RFC 5032)."""

    seconds: int
    younger: bool


@dataclass(frozen=True, slots=True)
class Larger:
    """LARGER: strictly more octets"""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """SMALLER: strictly fewer octets"""

    octets: int


@dataclass(frozen=True, slots=True)
class ModSeqAtLeast:
    """MODSEQ; the entry name of one flag may be given and is answered by the message's own."""

    modseq: int


@dataclass(frozen=True, slots=True)
class EmailIdIs:
    """EMAILID (RFC 8474)"""

    value: str


@dataclass(frozen=True, slots=True)
class ThreadIdIs:
    """THREADID (RFC 8474)"""

    value: str


@dataclass(frozen=True, slots=True)
class Not:
    """NOT"""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class Or:
    """OR; a chain ``OR a OR b c`` is one value with three keys."""

    keys: tuple[SearchKey, ...]


@dataclass(frozen=True, slots=True)
class And:
    """Keys in a row or in parentheses; never empty."""

    keys: tuple[SearchKey, ...]


SearchKey = (
    All
    | Numbers
    | Uids
    | HasFlag
    | HasKeyword
    | IsRecent
    | InAddresses
    | InSubject
    | InHeader
    | InBody
    | InText
    | Dated
    | SaveDateSupported
    | Within
    | Larger
    | Smaller
    | ModSeqAtLeast
    | EmailIdIs
    | ThreadIdIs
    | Not
    | Or
    | And
)


@dataclass(frozen=True, slots=True)
class Returns:
    """RETURN options; with none of them named, ``all`` (RFC 4731 section 3.1, RFC 5182)."""

    minimum: bool = False
    maximum: bool = False
    all: bool = False
    count: bool = False
    save: bool = False

    @property
    def only_save(self) -> bool:
        """Whether no ESEARCH response is wanted."""
        return self.save and not (self.minimum or self.maximum or self.all or self.count)


@dataclass(frozen=True, slots=True)
class SearchProgram:
    """One SEARCH command's arguments.

    ``returns`` is None when RETURN is absent.  ``by_number`` says that message sequence numbers
    occur among the keys, so that no EXPUNGE may be told; ``by_modseq`` that MODSEQ does, so that
    the answer names the highest mod-sequence.
    """

    returns: Returns | None
    key: SearchKey
    by_number: bool
    by_modseq: bool
