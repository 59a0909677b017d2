"""The grammar of one complete command, read from left to right (RFC 9051 section 9).

Knows atoms, strings, numbers, dates, flags, sets and mailbox names.  A :class:`Cursor` stands in a
:class:`~agentpost.imap.wire.framer.Frame`; every method reads one production behind it and moves
on, or raises :class:`SyntaxFault` and leaves the command to be answered with BAD.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from agentpost.errors import InvalidRequest
from agentpost.imap.wire import sequence, utf7
from agentpost.imap.wire.framer import Frame
from agentpost.imap.wire.sequence import SequenceSet
from agentpost.limits import GrammarLimits
from agentpost.model.mailbox import FLAG_NAMES, Flag, InternalDate

LENIENT_TRAILING_SPACE = True
"""Some clients send SP before CR LF; nothing can be meant by it."""

LENIENT_SHORT_DAY = True
"""Some clients write the day of a date-time as ``"1-Jan-..."`` without the SP before it."""

LENIENT_RECENT_FLAG = True
"""Some clients copy ``\\Recent`` from FETCH into APPEND and STORE, where it means nothing."""

LENIENT_UTF8_QUOTED = True
"""UTF-8 in quoted strings is taken before ENABLE too (RFC 9051 section 4.3.1 asks it of
IMAP4rev2); mailbox names stay modified UTF-7 until then."""

_ATOM_SET = rb"!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~"
_ATOM = re.compile(rb"[" + _ATOM_SET + rb"]++")
_ASTRING = re.compile(rb"[" + _ATOM_SET + rb"\]]++")
_LIST_MAILBOX = re.compile(rb"[" + _ATOM_SET + rb"\]%*]++")
_TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_WORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9.\-=+_]*+")
_LABEL = re.compile(rb"[A-Za-z._-][A-Za-z0-9._:-]*+")
_QUOTED = re.compile(rb'"((?:[^"\\\x00\r\n]++|\\["\\])*+)"')
_ESCAPE = re.compile(rb'\\(["\\])')
_ANNOUNCED = re.compile(rb"~?\{[0-9]++\+?\}")
_NUMBER = re.compile(rb"[0-9]++")
_SET = re.compile(rb"[0-9*:,]++|\$")
_FLAG = re.compile(rb"\\?[" + _ATOM_SET + rb"]++")
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_DATE_TIME = re.compile(
    rb'"([ 0-9]?[0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) '
    rb'([+-])([0-9]{2})([0-9]{2})"'
)
_MONTHS = {
    name: number
    for number, name in enumerate(b"JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)
}
_FLAGS = {name.encode("ascii").upper(): flag for flag, name in FLAG_NAMES.items()}

MAX_NUMBER64 = 0x7FFF_FFFF_FFFF_FFFF

_USUAL_LIMITS = GrammarLimits()

Item = TypeVar("Item")


class SyntaxFault(InvalidRequest):
    """The command does not follow the grammar: tagged BAD.

    ``position`` is the octet of the command's line text at which it stops making sense.
    """

    def __init__(self, position: int, message: str) -> None:
        self.position = position
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class FlagList:
    """Flags that a client named: system flags as bits, keywords as spelled, each once."""

    flags: Flag = Flag(0)
    keywords: tuple[str, ...] = ()


class Cursor:
    """A place in one command.  ``utf8`` says that the client has enabled UTF-8 names."""

    __slots__ = ("_at", "_frame", "_text", "limits", "utf8")

    def __init__(
        self, frame: Frame, limits: GrammarLimits = _USUAL_LIMITS, *, utf8: bool = False
    ) -> None:
        self._frame = frame
        self._text = frame.text
        self._at = 0
        self.limits = limits
        self.utf8 = utf8

    # The place

    @property
    def position(self) -> int:
        """Octets of the line text read so far."""
        return self._at

    def fault(self, message: str) -> SyntaxFault:
        """The error to raise for what stands here."""
        return SyntaxFault(self._at, message)

    def at(self, octets: bytes) -> bool:
        """Whether ``octets`` stand here, exactly."""
        return self._text.startswith(octets, self._at)

    def at_end(self) -> bool:
        """Whether nothing is left, trailing spaces apart."""
        if self._at == len(self._text):
            return True
        return LENIENT_TRAILING_SPACE and not self._text[self._at :].strip(b" ")

    def skip(self, octets: bytes) -> bool:
        """Read ``octets`` if they stand here, exactly; says whether they did."""
        if self._text.startswith(octets, self._at):
            self._at += len(octets)
            return True
        return False

    def skip_word(self, word: bytes) -> bool:
        """Read an upper-case ``word`` in any ASCII case if it stands here as a whole word."""
        match = _WORD.match(self._text, self._at)
        if match is None or match[0].upper() != word:
            return False
        self._at = match.end()
        return True

    def expect(self, octets: bytes, what: str) -> None:
        """Read ``octets`` exactly.  Raises: SyntaxFault ``expected <what>``."""
        if not self.skip(octets):
            raise self.fault(f"expected {what}")

    def space(self) -> None:
        """SP"""
        if self._text[self._at : self._at + 1] != b" ":
            raise self.fault("expected a space")
        self._at += 1

    def end(self) -> None:
        """The end of the command."""
        if not self.at_end():
            raise self.fault("unexpected text behind the command's arguments")
        if self._frame.marks and self._at < self._frame.marks[-1]:
            raise self.fault("unexpected literal")
        self._at = len(self._text)

    # Words

    def tag(self) -> bytes:
        """``tag``"""
        return self._match(_TAG, "a tag")

    def atom(self) -> bytes:
        """``atom``"""
        return self._match(_ATOM, "an atom")

    def word(self) -> bytes:
        """A keyword of the protocol in upper case: a command, search key, option or mechanism."""
        return self._match(_WORD, "a word").upper()

    def label(self) -> bytes:
        """``tagged-ext-label`` in upper case (RFC 4466)."""
        return self._match(_LABEL, "an option name").upper()

    # Strings

    def astring(self) -> bytes:
        """``astring``; no NUL in it."""
        match = _ASTRING.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            return match[0]
        return self.string()

    def string(self) -> bytes:
        """``string``: quoted or a literal; no NUL in it, and valid UTF-8 when quoted."""
        text = self._text
        if text[self._at : self._at + 1] != b'"':
            octets, is_literal8 = self.literal()
            if is_literal8 or b"\x00" in octets:
                raise self.fault("a NUL octet or a literal8 is not allowed here")
            return octets
        match = _QUOTED.match(text, self._at)
        if match is None:
            raise self.fault("the quoted string does not end or holds an octet it must not hold")
        octets = match[1]
        if not octets.isascii():
            self._check_utf8(octets)
        self._at = match.end()
        if b"\\" in octets:
            return _ESCAPE.sub(rb"\1", octets)
        return octets

    def nstring(self) -> bytes | None:
        """``nstring``; None for NIL."""
        return None if self.skip_word(b"NIL") else self.string()

    def at_literal(self) -> bool:
        """Whether a literal or literal8 stands here."""
        return self._literal_here() is not None

    def literal(self) -> tuple[bytes, bool]:
        """A literal's octets, and whether it was a literal8, which alone may hold NUL.

        An ordinary literal with a NUL in it is returned as well: a message is judged by APPEND.
        """
        here = self._literal_here()
        if here is None:
            raise self.fault("expected a string")
        index, is_literal8 = here
        self._at = self._frame.marks[index]
        return self._frame.literals[index], is_literal8

    def text_string(self, codec: str) -> str:
        """An ``astring`` of SEARCH as text.

        Raises: SyntaxFault when it is not text in the charset of ``codec`` or longer than the limit.
        """
        start = self._at
        octets = self.astring()
        if len(octets) > self.limits.max_search_string_octets:
            raise SyntaxFault(start, "the search string is too long")
        try:
            return octets.decode(codec)
        except UnicodeError:
            raise SyntaxFault(start, "the string is not text in the named charset") from None

    # Numbers and sets

    def number(self) -> int:
        """``number``: 0 to 4,294,967,295."""
        return self._bounded(0, sequence.MAX_NUMBER)

    def nz_number(self) -> int:
        """``nz-number``: 1 to 4,294,967,295 without a leading zero."""
        return self._bounded(1, sequence.MAX_NUMBER)

    def number64(self) -> int:
        """``number64``: 0 to 2^63 - 1."""
        return self._bounded(0, MAX_NUMBER64)

    def nz_number64(self) -> int:
        """``nz-number64``: 1 to 2^63 - 1 without a leading zero."""
        return self._bounded(1, MAX_NUMBER64)

    def at_digit(self) -> bool:
        """Whether a digit stands here."""
        return _NUMBER.match(self._text, self._at) is not None

    def at_sequence_set(self) -> bool:
        """Whether a sequence set begins here."""
        return _SET.match(self._text, self._at) is not None

    def sequence_set(self, *, star: bool = True) -> SequenceSet:
        """``sequence-set`` with ``$``; without ``star`` neither ``*`` nor ``$`` may occur."""
        match = _SET.match(self._text, self._at)
        found = None if match is None else sequence.parse(match[0])
        if match is None or found is None:
            raise self.fault("expected a sequence set")
        if not star and (found.saved or found.has_star):
            raise self.fault("* and $ are not allowed here")
        self._at = match.end()
        return found

    # Flags

    def flag_list(self) -> FlagList:
        """``flag-list``, parenthesised and possibly empty."""
        self.expect(b"(", "a parenthesised list of flags")
        if self.skip(b")"):
            return FlagList()
        found = self._flags()
        self.expect(b")", "a space or )")
        return found

    def flags(self) -> FlagList:
        """``flag-list`` or bare flags, as STORE has them."""
        return self.flag_list() if self.at(b"(") else self._flags()

    def keyword(self) -> str:
        """``flag-keyword`` as the label it means."""
        start = self._at
        octets = self.atom()
        if len(octets) > self.limits.max_keyword_octets:
            raise SyntaxFault(start, "the keyword is too long")
        return utf7.decode_keyword(octets.decode("ascii"))

    # Dates

    def date(self) -> date:
        """``date``: ``1-Feb-1994``, quoted or not."""
        match = _DATE.match(self._text, self._at)
        if match is None:
            raise self.fault("expected a date such as 1-Feb-1994")
        year, month, day = self._day(match[4], match[3], match[2])
        self._at = match.end()
        return date(year, month, day)

    def at_date_time(self) -> bool:
        """Whether a quoted string stands here, which APPEND takes for its date-time."""
        return self.at(b'"')

    def date_time(self) -> InternalDate:
        """``date-time``: ``"17-Jul-1996 02:44:25 -0700"``; keeps its zone.

        A leap second is taken for the second before it.
        """
        match = _DATE_TIME.match(self._text, self._at)
        if match is None or (len(match[1]) < 2 and not LENIENT_SHORT_DAY):
            raise self.fault('expected a date such as "17-Jul-1996 02:44:25 -0700"')
        year, month, day = self._day(match[3], match[2], match[1])
        hour, minute, second = int(match[4]), int(match[5]), int(match[6])
        zone = int(match[8]) * 60 + int(match[9])
        if hour > 23 or minute > 59 or second > 60 or int(match[9]) > 59 or int(match[8]) > 23:
            raise self.fault("there is no such time of day or zone")
        if match[7] == b"-":
            zone = -zone
        local = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        try:
            moment = local - timedelta(minutes=zone)
        except OverflowError:
            raise self.fault("the date is out of range") from None
        self._at = match.end()
        return InternalDate(moment, zone)

    # Mailboxes

    def mailbox(self) -> str:
        """``mailbox`` in the form the house uses: INBOX in upper case, Form C, ``/``.

        Raises: SyntaxFault when it is not canonical modified UTF-7, or not UTF-8 when enabled.
        """
        start = self._at
        octets = self.astring()
        return self._name(start, octets, self.limits.max_mailbox_octets)

    def list_mailbox(self) -> str:
        """``list-mailbox``: a LIST pattern."""
        start = self._at
        match = _LIST_MAILBOX.match(self._text, self._at)
        if match is None:
            octets = self.string()
        else:
            self._at = match.end()
            octets = match[0]
        return self._name(start, octets, self.limits.max_pattern_octets)

    # Lists

    def parenthesised(self, item: Callable[[], Item], what: str, most: int) -> list[Item]:
        """``"(" item *(SP item) ")"``: one to ``most`` of what ``item()`` reads."""
        self.expect(b"(", what)
        found = [item()]
        while not self.skip(b")"):
            self.space()
            if len(found) >= most:
                raise self.fault(f"too many items in {what}")
            found.append(item())
        return found

    # Inside

    def _match(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise self.fault(f"expected {what}")
        self._at = match.end()
        return match[0]

    def _literal_here(self) -> tuple[int, bool] | None:
        if self._text[self._at : self._at + 1] not in (b"{", b"~"):
            return None
        match = _ANNOUNCED.match(self._text, self._at)
        if match is None:
            return None
        marks = self._frame.marks
        index = bisect_left(marks, match.end())
        if index == len(marks) or marks[index] != match.end():
            return None
        return index, match[0].startswith(b"~")

    def _check_utf8(self, octets: bytes) -> None:
        if not (self.utf8 or LENIENT_UTF8_QUOTED):
            raise self.fault("8-bit octets are not allowed in a quoted string")
        try:
            octets.decode("utf-8")
        except UnicodeDecodeError:
            raise self.fault("the quoted string is not UTF-8") from None

    def _bounded(self, least: int, most: int) -> int:
        match = _NUMBER.match(self._text, self._at)
        # 2^63 - 1 has nineteen digits; leading zeros say nothing beyond a few.
        if match is None or len(match[0]) > 20:
            raise self.fault("expected a number")
        value = int(match[0])
        if not least <= value <= most or (least and match[0].startswith(b"0")):
            raise self.fault("the number is out of range")
        self._at = match.end()
        return value

    def _flags(self) -> FlagList:
        bits = Flag(0)
        keywords: dict[bytes, str] = {}
        count = 0
        while True:
            start = self._at
            octets = self._match(_FLAG, "a flag")
            count += 1
            if count > self.limits.max_flags:
                raise SyntaxFault(start, "too many flags")
            if octets.startswith(b"\\"):
                bits |= self._system_flag(start, octets.upper())
            elif len(octets) > self.limits.max_keyword_octets:
                raise SyntaxFault(start, "the keyword is too long")
            else:
                # RFC 9051 section 2.3.2 leaves the case of keywords to us: it tells none apart.
                label = utf7.decode_keyword(octets.decode("ascii"))
                keywords.setdefault(label.encode("utf-8").lower(), label)
            if not self.at(b" ") or self.at_end():
                return FlagList(bits, tuple(keywords.values()))
            self._at += 1

    def _system_flag(self, start: int, name: bytes) -> Flag:
        flag = _FLAGS.get(name)
        if flag is not None:
            return flag
        if name == b"\\RECENT" and LENIENT_RECENT_FLAG:
            return Flag(0)
        raise SyntaxFault(start, "there is no such system flag")

    def _day(self, year: bytes, month: bytes, day: bytes) -> tuple[int, int, int]:
        month_number = _MONTHS.get(month.upper(), 0)
        numbers = int(year), month_number, int(day)
        if not month_number or not numbers[0] or not 0 < numbers[2] <= 31:
            raise self.fault("there is no such date")
        if numbers[2] > monthrange(numbers[0], month_number)[1]:
            raise self.fault("there is no such date")
        return numbers

    def _name(self, start: int, octets: bytes, most: int) -> str:
        if len(octets) > most:
            raise SyntaxFault(start, "the mailbox name or pattern is too long")
        name = utf7.decode_name(octets, utf8=self.utf8)
        if name is None:
            encoding = "UTF-8" if self.utf8 else "modified UTF-7"
            raise SyntaxFault(start, f"the mailbox name is not {encoding}")
        return name
