"""What a query asks, as SQL: of one message, and of the packs that propose messages.

Of a message each term is true, false or, where only its octets can tell, null; SQL joins these three
as they should be.  Terms look at ``x`` (texts, fields, ``doubt``), ``m`` (the message) and ``p`` (its
placements as one).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agentpost.mime.matching import words_of
from agentpost.mime.packs import grams_of
from agentpost.model.query import (
    FIELDS,
    All,
    Any,
    HasAttachment,
    InFolder,
    Is,
    Labelled,
    Not,
    Query,
    Since,
    State,
    Term,
    Until,
    Words,
    terms,
)
from agentpost.model.search import TextField
from agentpost.store.listing import LABELLED, LIES_IN
from agentpost.store.narrowing import Narrowing

MOST_GRAMS: Final = 16
"""Trigrams of what is asked for that candidates are chosen by; more hardly narrow further."""

COLUMNS: Final = {
    TextField.FROM: "from_text",
    TextField.TO: "to_text",
    TextField.CC: "cc_text",
    TextField.BCC: "bcc_text",
    TextField.SUBJECT: "subject_text",
}
"""Where the short fields are kept."""
_FLAGS: Final = {
    State.UNREAD: "1 = 0",
    State.READ: "1 <> 0",
    State.FLAGGED: "4 <> 0",
    State.UNFLAGGED: "4 = 0",
    State.ANSWERED: "2 <> 0",
    State.UNANSWERED: "2 = 0",
}
_STATES: Final = {state: f"coalesce(p.flags, 0) & {bit}" for state, bit in _FLAGS.items()} | {
    State.RECEIVED: "m.direction = 'inbound'",
    State.SENT: "m.direction = 'outbound'",
    State.AUTOMATED: "m.automated",
}


def literal(text: str) -> str:
    """``text`` as a regular expression of PostgreSQL that finds just that."""
    return "".join(
        f"\\{one}" if one.isascii() and not one.isalnum() and one != "\n" else one for one in text
    )


class Spelled:
    """The terms of one query in one statement, each spelled once."""

    def __init__(self, query: Narrowing, asked: Query) -> None:
        self._asked = asked
        self._terms = {term: _term(query, term) for term, _ in terms(asked)}

    def whole(self) -> str:
        """What is asked of a message."""
        return self._joined(self._asked)

    def texts(self) -> str:
        """The same where nothing but texts is known yet."""
        return self._joined(self._asked, texts=True)

    def each(self) -> str:
        """The array of what each term says, in the order of :func:`order`."""
        return f"ARRAY[{', '.join(self._terms[term] for term in order(self._asked))}]"

    def _joined(self, asked: Query, *, texts: bool = False) -> str:
        match asked:
            case Not(of):
                return f"(NOT {self._joined(of, texts=texts)})"
            case All(of):
                return f"({' AND '.join([self._joined(one, texts=texts) for one in of])})"
            case Any(of):
                return f"({' OR '.join([self._joined(one, texts=texts) for one in of])})"
            case _:
                known = not texts or isinstance(asked, Words)
                return self._terms[asked] if known else "NULL::boolean"


def order(asked: Query) -> tuple[Term, ...]:
    """The terms of a query, each once."""
    return tuple(dict.fromkeys(term for term, _ in terms(asked)))


def sieve(query: Narrowing, asked: Query) -> str | None:
    """The row of bits of pack ``k`` that has all its messages which may be what is asked for.

    None when any of them may be.
    """
    return _bits(query, asked) if _narrows(asked) else None


def _narrows(asked: Query) -> bool:
    match asked:
        case Words(text):
            return bool(grams_of(words_of(text), MOST_GRAMS))
        case All(of):
            return any(map(_narrows, of))
        case Any(of):
            return all(map(_narrows, of))
        case _:
            return False


def _bits(query: Narrowing, asked: Query) -> str:
    match asked:
        case Words(text):
            return query.spelled(_HAVING, grams_of(words_of(text), MOST_GRAMS))
        case All(of):
            return f"({' & '.join([_bits(query, one) for one in of if _narrows(one)])})"
        case Any(of):
            return f"({' | '.join([_bits(query, one) for one in of])})"
        case _:
            raise AssertionError(asked)


def mark(query: Narrowing, asked: Query) -> str | None:
    """What placement ``q`` in mailbox ``b`` of a message has that is what is asked for, in any case.

    None when nothing of the kind is asked for.
    """
    parts = asked.of if isinstance(asked, All) else (asked,)
    for kind in (Labelled, InFolder, Is):  # The first are had by fewer.
        for one in parts:
            if isinstance(one, kind) and (spelled := _of_placement(query, one)) is not None:
                return spelled
    return None


def _of_placement(query: Narrowing, term: Query) -> str | None:
    match term:
        case Labelled(label):
            return query.spelled(
                "q.keywords <> '{{}}' AND folded(q.keywords) @> folded({0}::text[])", [label]
            )
        case InFolder(folder):
            return query.spelled("b.name = {0}::text", folder)
        case Is(state) if state in _FLAGS:
            return f"q.flags & {_FLAGS[state]}"
        case _:
            return None


_HAVING: Final = (
    "(SELECT bit_and(bits(k.slices, g & (k.buckets - 1), k.width))"
    " FROM unnest({0}::integer[]) AS g)"
)


def _term(query: Narrowing, term: Term) -> str:
    match term:
        case Words(text, part):
            return _words(query, words_of(text), FIELDS[part])
        case Labelled(label):
            return query.spelled(LABELLED, [label])
        case InFolder(folder):
            return query.spelled(LIES_IN, [folder])
        case HasAttachment():
            return "(m.attachments > 0)"
        case Is(state):
            return f"({_STATES[state]})"
        case Since(moment):
            return query.spelled("(m.created_at >= {0})", moment)
        case Until(moment):
            return query.spelled("(m.created_at < {0})", moment)


def _words(query: Narrowing, words: Sequence[str], fields: Sequence[TextField]) -> str:
    """Whether one of the fields has the words in a row; null where it has not and was cut."""
    octets = [query.spelled("{0}::bytea", word.encode("utf-8", "replace")) for word in words]
    columns = [f"x.{COLUMNS.get(field, 'body')}" for field in fields]
    if len(words) == 1:
        ways = [f"position({octets[0]} IN {column}) > 0" for column in columns]
    else:
        line = query.spelled("{0}::text", r"[\t\n\v\f\r ]+".join(map(literal, words)))
        ways = [_in_a_row(column, octets, line) for column in columns]
    return f"({' OR '.join(ways)} OR x.doubt)"


def _in_a_row(column: str, octets: Sequence[str], line: str) -> str:
    # Most texts lack one of the words, which is told much faster than that these are in a row.
    lacking = " OR ".join([f"position({one} IN {column}) = 0" for one in octets])
    text = f"convert_from({column}, 'UTF8')"
    return f'CASE WHEN {lacking} THEN false ELSE {text} COLLATE "C" ~ {line} END'
