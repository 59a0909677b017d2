"""What a person or an agent searches for, as an expression (``http/querying.py`` reads it).

Texts compare as search keeps them: without case, by the Unicode fold of ``agentpost.mime.matching``.
A term of several words is found where the words follow one another with nothing but white space
between them, so that a phrase is found across the line ends of a letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from agentpost.model.search import TextField


class Part(Enum):
    """Where words are looked for."""

    ANYWHERE = ""
    FROM = "from"
    TO = "to"
    CC = "cc"
    SUBJECT = "subject"


FIELDS: Final[dict[Part, tuple[TextField, ...]]] = {
    Part.ANYWHERE: (
        TextField.BODY,
        TextField.SUBJECT,
        TextField.FROM,
        TextField.TO,
        TextField.CC,
    ),
    Part.FROM: (TextField.FROM,),
    Part.TO: (TextField.TO, TextField.CC),
    Part.CC: (TextField.CC,),
    Part.SUBJECT: (TextField.SUBJECT,),
}
"""The fields of a message that a part stands for; whoever gets a copy is a recipient."""


class State(Enum):
    """What a message is."""

    UNREAD = "unread"
    READ = "read"
    FLAGGED = "flagged"
    UNFLAGGED = "unflagged"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    RECEIVED = "received"
    SENT = "sent"
    AUTOMATED = "automated"


@dataclass(frozen=True, slots=True)
class Words:
    """One word or several in a row."""

    text: str
    part: Part = Part.ANYWHERE


@dataclass(frozen=True, slots=True)
class Labelled:
    """It has this label, which is in lower case."""

    label: str


@dataclass(frozen=True, slots=True)
class InFolder:
    """It lies in this folder."""

    folder: str


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """It has a file."""


@dataclass(frozen=True, slots=True)
class Is:
    """It is in this state."""

    state: State


@dataclass(frozen=True, slots=True)
class Since:
    """It was made at this moment or later."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Until:
    """It was made before this moment."""

    moment: datetime


Term = Words | Labelled | InFolder | HasAttachment | Is | Since | Until


@dataclass(frozen=True, slots=True)
class Not:
    """What the other does not find."""

    of: Query


@dataclass(frozen=True, slots=True)
class All:
    """What each of two or more finds."""

    of: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """What one of two or more finds."""

    of: tuple[Query, ...]


Query = Term | Not | All | Any


def terms(query: Query, wanted: bool = True) -> Iterator[tuple[Term, bool]]:
    """The terms of a query from left to right, each with whether it is wanted or not."""
    match query:
        case Not(of):
            yield from terms(of, not wanted)
        case All(of) | Any(of):
            for one in of:
                yield from terms(one, wanted)
        case _:
            yield query, wanted


def folders(query: Query) -> frozenset[str]:
    """The folders that a query looks into because it names them."""
    return frozenset(
        term.folder for term, wanted in terms(query) if wanted and isinstance(term, InFolder)
    )


def holds(query: Query, of_term: Callable[[Term], bool | None]) -> bool | None:
    """Whether a message is what ``query`` finds, given that of its terms; None: not known.

    ``of_term`` is not asked for terms that do not matter any more.
    """
    match query:
        case Not(of):
            inner = holds(of, of_term)
            return None if inner is None else not inner
        case All(of):
            return _joined(of, of_term, decisive=False)
        case Any(of):
            return _joined(of, of_term, decisive=True)
        case _:
            return of_term(query)


def _joined(
    of: tuple[Query, ...], of_term: Callable[[Term], bool | None], *, decisive: bool
) -> bool | None:
    found: bool | None = not decisive
    for one in of:
        inner = holds(one, of_term)
        if inner is decisive:
            return decisive
        if inner is None:
            found = None
    return found
