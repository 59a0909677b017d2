"""How SEARCH is read (RFC 9051 section 6.4.4 and 9, RFC 4731, RFC 5182).

Knows the grammar of search programmes.  What is open around a key is kept in a list, not on the
interpreter's stack, and its depth is bounded: a hundred thousand parentheses are refused at the
twenty-first.  A new search key is a value class in ``searchkeys`` and a row in ``_KEYS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agentpost.errors import BadCharset
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.searchkeys import (
    AddressField,
    All,
    And,
    Clock,
    Dated,
    EmailIdIs,
    HasFlag,
    HasKeyword,
    InAddresses,
    InBody,
    InHeader,
    InSubject,
    InText,
    IsRecent,
    Larger,
    ModSeqAtLeast,
    Not,
    Numbers,
    Or,
    Returns,
    SaveDateSupported,
    SearchKey,
    SearchProgram,
    Smaller,
    ThreadIdIs,
    Uids,
    When,
    Within,
)
from agentpost.mime.charset import codec_of
from agentpost.model.mailbox import Flag


@dataclass(slots=True)
class _Open:
    """A NOT, OR or parenthesis whose keys are being read."""

    kind: type[Not | Or | And]
    keys: list[SearchKey] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    """What a search key may need besides its place in the command."""

    cursor: Cursor
    charset: str
    by_number: bool = False
    by_modseq: bool = False

    def text(self) -> str:
        self.cursor.space()
        return self.cursor.text_string(self.charset)


def parse_search(cursor: Cursor) -> SearchProgram:
    """The arguments of SEARCH, from the space behind the command name to its end.

    Raises: SyntaxFault; BadCharset for a charset that mail has no use for either.
    """
    cursor.space()
    returns = None
    if cursor.skip_word(b"RETURN"):
        cursor.space()
        returns = _returns(cursor)
        cursor.space()
    program = parse_program(cursor, returns)
    cursor.end()
    return program


def parse_program(cursor: Cursor, returns: Returns | None = None) -> SearchProgram:
    """``search-program``: an optional charset and the keys, to the end of the command."""
    charset = "utf-8"
    if cursor.skip_word(b"CHARSET"):
        cursor.space()
        charset = _charset(cursor.astring())
        cursor.space()
    reader = _Reader(cursor, charset)
    keys: list[SearchKey] = []
    budget = cursor.limits.max_search_keys
    while True:
        key, budget = _key(reader, budget)
        keys.append(key)
        if cursor.at_end():
            break
        cursor.space()
    whole = keys[0] if len(keys) == 1 else And(tuple(keys))
    return SearchProgram(returns, whole, reader.by_number, reader.by_modseq)


def _returns(cursor: Cursor) -> Returns:
    cursor.expect(b"(", "a parenthesised list of RETURN options")
    named: set[bytes] = set()
    while not cursor.skip(b")"):
        if named:
            cursor.space()
        option = cursor.word()
        if option not in (b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE"):
            raise cursor.fault("there is no such RETURN option")
        named.add(option)
    return Returns(
        minimum=b"MIN" in named,
        maximum=b"MAX" in named,
        all=b"ALL" in named or not named,
        count=b"COUNT" in named,
        save=b"SAVE" in named,
    )


def _charset(name: bytes) -> str:
    """The codec of a charset: UTF-8 and US-ASCII, and whatever else messages are read in."""
    codec = codec_of(name.decode("ascii", "replace"))
    if not codec:
        raise BadCharset
    return codec


def _key(reader: _Reader, budget: int) -> tuple[SearchKey, int]:
    """One search key with everything inside it, and how many more the command may have."""
    cursor = reader.cursor
    opened: list[_Open] = []
    depth = 0
    while True:
        budget -= 1
        if budget < 0:
            raise cursor.fault("too many search keys")
        if depth > cursor.limits.max_search_depth:
            raise cursor.fault("search keys are nested too deeply")
        if cursor.skip(b"("):
            opened.append(_Open(And))
            depth += 1
            continue
        if cursor.skip_word(b"NOT"):
            cursor.space()
            opened.append(_Open(Not))
            depth += 1
            continue
        if cursor.skip_word(b"OR"):
            cursor.space()
            # The second key of an OR that is itself an OR goes on with the same chain.
            if not (opened and opened[-1].kind is Or and opened[-1].keys):
                depth += 1
            opened.append(_Open(Or))
            continue
        key: SearchKey | None = _leaf(reader)
        while opened and key is not None:
            key, closed = _fold(cursor, opened, key)
            depth -= closed
        if key is not None:
            return key, budget


def _fold(cursor: Cursor, opened: list[_Open], key: SearchKey) -> tuple[SearchKey | None, int]:
    """Put a finished key into what is open around it.

    Returns: the key that this finishes, or None when another one follows; and how many levels of
    depth were left.
    """
    inner = opened[-1]
    inner.keys.append(key)
    if inner.kind is Not:
        opened.pop()
        return Not(key), 1
    if inner.kind is Or:
        if len(inner.keys) < 2:
            cursor.space()
            return None, 0
        opened.pop()
        chained = bool(opened) and opened[-1].kind is Or and bool(opened[-1].keys)
        first, second = inner.keys
        rest = second.keys if isinstance(second, Or) else (second,)
        return Or((first, *rest)), 0 if chained else 1
    if cursor.skip(b")"):
        opened.pop()
        return (key if len(inner.keys) == 1 else And(tuple(inner.keys))), 1
    cursor.space()
    return None, 0


def _leaf(reader: _Reader) -> SearchKey:
    cursor = reader.cursor
    if cursor.at_sequence_set():
        numbers = cursor.sequence_set()
        reader.by_number = reader.by_number or not numbers.saved
        return Numbers(numbers)
    position = cursor.position
    word = cursor.word()
    plain = _PLAIN.get(word)
    if plain is not None:
        return plain
    read = _KEYS.get(word)
    if read is None:
        fault = cursor.fault("there is no such search key")
        fault.position = position
        raise fault
    return read(reader)


_PLAIN: dict[bytes, SearchKey] = {
    b"ALL": All(),
    b"ANSWERED": HasFlag(Flag.ANSWERED, True),
    b"DELETED": HasFlag(Flag.DELETED, True),
    b"DRAFT": HasFlag(Flag.DRAFT, True),
    b"FLAGGED": HasFlag(Flag.FLAGGED, True),
    b"SEEN": HasFlag(Flag.SEEN, True),
    b"UNANSWERED": HasFlag(Flag.ANSWERED, False),
    b"UNDELETED": HasFlag(Flag.DELETED, False),
    b"UNDRAFT": HasFlag(Flag.DRAFT, False),
    b"UNFLAGGED": HasFlag(Flag.FLAGGED, False),
    b"UNSEEN": HasFlag(Flag.SEEN, False),
    b"RECENT": IsRecent(True),
    b"OLD": IsRecent(False),
    b"NEW": And((IsRecent(True), HasFlag(Flag.SEEN, False))),
    b"SAVEDATESUPPORTED": SaveDateSupported(),
}


def _uids(reader: _Reader) -> SearchKey:
    reader.cursor.space()
    return Uids(reader.cursor.sequence_set())


def _keyword(present: bool) -> Callable[[_Reader], SearchKey]:
    def read(reader: _Reader) -> SearchKey:
        reader.cursor.space()
        return HasKeyword(reader.cursor.keyword(), present)

    return read


def _addresses(which: AddressField) -> Callable[[_Reader], SearchKey]:
    return lambda reader: InAddresses(which, reader.text())


def _dated(clock: Clock, when: When) -> Callable[[_Reader], SearchKey]:
    def read(reader: _Reader) -> SearchKey:
        reader.cursor.space()
        return Dated(clock, when, reader.cursor.date())

    return read


def _within(younger: bool) -> Callable[[_Reader], SearchKey]:
    def read(reader: _Reader) -> SearchKey:
        reader.cursor.space()
        return Within(reader.cursor.nz_number(), younger)

    return read


def _header(reader: _Reader) -> SearchKey:
    cursor = reader.cursor
    cursor.space()
    name = cursor.astring()
    if not name.isascii() or len(name) > cursor.limits.max_search_string_octets:
        raise cursor.fault("a header field name is ASCII")
    return InHeader(name.decode("ascii"), reader.text())


def _larger(reader: _Reader) -> SearchKey:
    reader.cursor.space()
    return Larger(reader.cursor.number64())


def _smaller(reader: _Reader) -> SearchKey:
    reader.cursor.space()
    return Smaller(reader.cursor.number64())


def _modseq(reader: _Reader) -> SearchKey:
    cursor = reader.cursor
    cursor.space()
    if cursor.at(b'"'):
        if not cursor.string().startswith(b"/flags/"):
            raise cursor.fault("expected the entry name of a flag")
        cursor.space()
        if cursor.word() not in (b"PRIV", b"SHARED", b"ALL"):
            raise cursor.fault("expected priv, shared or all")
        cursor.space()
    reader.by_modseq = True
    return ModSeqAtLeast(cursor.number64())


def _object_id(reader: _Reader) -> str:
    reader.cursor.space()
    return reader.cursor.atom().decode("ascii")


_KEYS: dict[bytes, Callable[[_Reader], SearchKey]] = {
    b"UID": _uids,
    b"KEYWORD": _keyword(True),
    b"UNKEYWORD": _keyword(False),
    b"FROM": _addresses(AddressField.FROM),
    b"TO": _addresses(AddressField.TO),
    b"CC": _addresses(AddressField.CC),
    b"BCC": _addresses(AddressField.BCC),
    b"SUBJECT": lambda reader: InSubject(reader.text()),
    b"BODY": lambda reader: InBody(reader.text()),
    b"TEXT": lambda reader: InText(reader.text()),
    b"HEADER": _header,
    b"BEFORE": _dated(Clock.INTERNAL, When.BEFORE),
    b"ON": _dated(Clock.INTERNAL, When.ON),
    b"SINCE": _dated(Clock.INTERNAL, When.SINCE),
    b"SENTBEFORE": _dated(Clock.SENT, When.BEFORE),
    b"SENTON": _dated(Clock.SENT, When.ON),
    b"SENTSINCE": _dated(Clock.SENT, When.SINCE),
    b"SAVEDBEFORE": _dated(Clock.SAVED, When.BEFORE),
    b"SAVEDON": _dated(Clock.SAVED, When.ON),
    b"SAVEDSINCE": _dated(Clock.SAVED, When.SINCE),
    b"OLDER": _within(False),
    b"YOUNGER": _within(True),
    b"LARGER": _larger,
    b"SMALLER": _smaller,
    b"MODSEQ": _modseq,
    b"EMAILID": lambda reader: EmailIdIs(_object_id(reader)),
    b"THREADID": lambda reader: ThreadIdIs(_object_id(reader)),
}
