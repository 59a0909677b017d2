"""The language of searches: what is written in ``q``, as an expression and back.

    query  = all *( "OR" all )
    all    = 1*( ["AND"] one )
    one    = [ "-" / "NOT" ] ( "(" query ")" / [ operator ":" ] text )
    text   = 1*( any character but white space, quotation marks, parentheses )
           / quotation mark *( any / backslash any ) quotation mark

Operators are from, to, cc, subject, label, in, has, is, after and before.  What is none is refused
rather than looked for, because a mistake that finds nothing looks like an answer.  Every refusal says
at which character it is about and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from agentpost.clock import rfc3339
from agentpost.errors import UnknownField
from agentpost.limits import SearchLimits
from agentpost.mime.matching import words_of
from agentpost.model.mailbox import ROLE_NAMES
from agentpost.model.mailboxname import canonical
from agentpost.model.query import (
    All,
    Any,
    HasAttachment,
    InFolder,
    Is,
    Labelled,
    Not,
    Part,
    Query,
    Since,
    State,
    Term,
    Until,
    Words,
)
from agentpost.store import checks

_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_SPACE: Final = re.compile(r"\s*")
_BARE: Final = re.compile(r'[^\s"()]+')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_OPERATOR: Final = re.compile(r"([A-Za-z_]+):(?!//)")
"""Two slashes behind the colon are a link."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_JOINING: Final = ("OR", "AND", "NOT")
_SPECIAL: Final = {name.lower(): name for name in ROLE_NAMES.values()} | {"spam": "Junk"}
"""Special folders in whatever case, and by the name that people have for them."""
_STATES: Final = {state.value: state for state in State} | {
    "unseen": State.UNREAD,
    "seen": State.READ,
    "starred": State.FLAGGED,
    "inbound": State.RECEIVED,
    "outbound": State.SENT,
}
_QUOTE: Final = 'To look for the text itself, put it into quotation marks: "{}".'


def parse(text: str, limits: SearchLimits | None = None) -> Query:
    """What ``text`` asks for.  Raises: UnknownField with the position of what is wrong."""
    return _Parser(text, limits or SearchLimits()).whole()


def written(query: Query) -> str:
    """A text that means ``query``."""
    match query:
        case Not(of):
            inner = written(of)
            return f"-({inner})" if isinstance(of, All | Any | Not) else f"-{inner}"
        case All(of):
            return " ".join(
                f"({written(one)})" if isinstance(one, Any) else written(one) for one in of
            )
        case Any(of):
            return " OR ".join(map(written, of))
        case _:
            return _written(query)


def _written(term: Term) -> str:
    match term:
        case Words(text, Part.ANYWHERE):
            return _text(text)
        case Words(text, part):
            return f"{part.value}:{_text(text)}"
        case Labelled(label):
            return f"label:{_text(label)}"
        case InFolder(folder):
            return f"in:{_text(folder)}"
        case HasAttachment():
            return "has:attachment"
        case Is(state):
            return f"is:{state.value}"
        case Since(moment):
            return f"after:{_moment(moment)}"
        case Until(moment):
            return f"before:{_moment(moment)}"


def _moment(moment: datetime) -> str:
    return rfc3339(moment) if moment.microsecond % 1000 == 0 else moment.isoformat()


def _text(text: str) -> str:
    plain = _BARE.fullmatch(text) is not None and text not in _JOINING
    if plain and not text.startswith("-") and _OPERATOR.match(text) is None:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Parser:
    """Reads a query from left to right."""

    def __init__(self, text: str, limits: SearchLimits) -> None:
        self._text = text
        self._limits = limits
        self._at = 0
        self._terms = 0

    def whole(self) -> Query:
        """All of the text.  Raises: UnknownField."""
        most = self._limits.max_query_characters
        if len(self._text) > most:
            raise checks.refuse("q", f"must have at most {most} characters")
        broken = _UNSTORABLE.search(self._text)
        if broken is not None:
            raise self._wrong("no text holds this character", at=broken.start())
        self._skip()
        if self._ended():
            raise checks.refuse("q", "must not be empty", "Name what to look for.")
        query = self._either(0)
        if not self._ended():
            raise self._wrong("this parenthesis closes nothing", "Take it away, or open it before.")
        return query

    def _ended(self) -> bool:
        return self._at >= len(self._text)

    def _wrong(self, what: str, fix: str | None = None, at: int | None = None) -> UnknownField:
        """The error about this place, or about ``at``; to be raised."""
        position = (self._at if at is None else at) + 1
        return checks.refuse("q", f"at character {position}: {what}", fix)

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()

    def _took(self, word: str) -> bool:
        """Whether ``word`` came next, as a word of its own; it is passed then."""
        found = _BARE.match(self._text, self._at)
        if found is None or found[0] != word:
            return False
        self._at = found.end()
        self._skip()
        return True

    def _either(self, depth: int) -> Query:
        begin = self._at
        found = [self._every(depth, begin)]
        while self._took("OR"):
            found.append(self._every(depth, self._at))
        return found[0] if len(found) == 1 else Any(_flat(found, Any))

    def _every(self, depth: int, begin: int) -> Query:
        found: list[Query] = []
        while not self._ended() and self._text[self._at] != ")":
            if self._next_is("OR"):
                break
            if self._next_is("AND"):
                if not found:
                    raise self._wrong(
                        "AND stands between two things to look for", _QUOTE.format("AND")
                    )
                self._took("AND")
                if self._ended() or self._text[self._at] == ")" or self._next_is("OR"):
                    raise self._wrong("something to look for is missing behind AND")
            found.append(self._one(depth))
            self._skip()
        if not found:
            raise self._wrong(
                "something to look for is missing here", at=min(begin, len(self._text))
            )
        return found[0] if len(found) == 1 else All(_flat(found, All))

    def _next_is(self, word: str) -> bool:
        found = _BARE.match(self._text, self._at)
        return found is not None and found[0] == word

    def _one(self, depth: int) -> Query:
        if depth > self._limits.max_query_depth:
            raise self._wrong(f"is nested deeper than {self._limits.max_query_depth} levels")
        if self._took("NOT"):
            return Not(self._negated(depth, "NOT"))
        if self._text[self._at] == "-":
            self._at += 1
            return Not(self._negated(depth, "-"))
        if self._text[self._at] == "(":
            return self._group(depth)
        return self._term()

    def _negated(self, depth: int, sign: str) -> Query:
        if self._ended() or self._text[self._at].isspace() or self._text[self._at] == ")":
            what = f"{sign} wants something right behind it that is not to be found"
            raise self._wrong(what, _QUOTE.format(sign))
        return self._one(depth + 1)

    def _group(self, depth: int) -> Query:
        begin = self._at
        self._at += 1
        self._skip()
        query = self._either(depth + 1)
        if self._ended():
            raise self._wrong("this parenthesis is not closed", "Close it.", at=begin)
        self._at += 1
        return query

    def _term(self) -> Term:
        begin = self._at
        self._terms += 1
        if self._terms > self._limits.max_query_terms:
            raise self._wrong(
                f"there are more than {self._limits.max_query_terms} things to look for"
            )
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            return self._words(self._value("a text"), Part.ANYWHERE, begin)
        name = operator[1].lower()
        read = _OPERATORS.get(name)
        if read is None:
            known = ", ".join(f"{one}:" for one in _OPERATORS)
            raise self._wrong(
                f"there is no operator {name[:50]}:", f"There are {known}. {_QUOTE}".format("...")
            )
        self._at = operator.end()
        return read(self, self._value(f"{name}:"), begin)

    def _value(self, whose: str) -> str:
        if not self._ended() and self._text[self._at] == '"':
            quoted = _QUOTED.match(self._text, self._at)
            if quoted is None:
                raise self._wrong("this quotation mark is not closed", "Close it.")
            self._at = quoted.end()
            return _ESCAPED.sub(r"\1", quoted[1])
        bare = _BARE.match(self._text, self._at)
        if bare is None:
            raise self._wrong(f"{whose} wants a word or a quoted text right behind it")
        self._at = bare.end()
        return bare[0]

    def _words(self, text: str, part: Part, begin: int) -> Words:
        if not words_of(text):
            raise self._wrong("there is nothing in this text to look for", at=begin)
        return Words(text, part)

    def _label(self, text: str, begin: int) -> Labelled:
        label = text.strip().lower()
        if not label:
            raise self._wrong("label: wants the name of a label", at=begin)
        return Labelled(label)

    def _folder(self, text: str, begin: int) -> InFolder:
        if not text:
            raise self._wrong(
                "in: wants the name of a folder", "Such as in:inbox or in:sent.", begin
            )
        return InFolder(_SPECIAL.get(text.lower()) or canonical(text))

    def _has(self, text: str, begin: int) -> HasAttachment:
        if text.lower() not in ("attachment", "attachments"):
            raise self._wrong("has: knows attachment alone", "Write has:attachment.", begin)
        return HasAttachment()

    def _is(self, text: str, begin: int) -> Is:
        state = _STATES.get(text.lower())
        if state is None:
            known = ", ".join(one.value for one in State)
            raise self._wrong("is: does not know this", f"It knows {known}.", begin)
        return Is(state)

    def _time(self, text: str, begin: int) -> datetime:
        try:
            if _DATE.fullmatch(text) is not None:
                return datetime.fromisoformat(text).replace(tzinfo=UTC)
            if _MOMENT.fullmatch(text) is not None:
                return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self._wrong(
            "this is no date and no moment",
            "Write a date such as 2026-03-08, or a moment with its zone such as"
            " 2026-03-08T14:30:00Z.",
            begin,
        )


_OPERATORS: Final[dict[str, Callable[[_Parser, str, int], Term]]] = {
    "from": lambda parser, text, at: parser._words(text, Part.FROM, at),
    "to": lambda parser, text, at: parser._words(text, Part.TO, at),
    "cc": lambda parser, text, at: parser._words(text, Part.CC, at),
    "subject": lambda parser, text, at: parser._words(text, Part.SUBJECT, at),
    "label": _Parser._label,
    "in": _Parser._folder,
    "has": _Parser._has,
    "is": _Parser._is,
    "after": lambda parser, text, at: Since(parser._time(text, at)),
    "before": lambda parser, text, at: Until(parser._time(text, at)),
}


def _flat(found: list[Query], kind: type[All | Any]) -> tuple[Query, ...]:
    """The same with groups of the same kind opened: how it was put in parentheses does not matter."""
    return tuple(inner for one in found for inner in (one.of if isinstance(one, kind) else (one,)))
