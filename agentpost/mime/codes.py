"""One-time codes in mail, in many languages and in linear time.

A message is searched for short runs of digits or of capitals and digits.  What cannot be a code is
taken away first: addresses, times, dates, sums, telephone numbers.  What is left is weighed: the
words beside it (:mod:`agentpost.mime.codewords`), whether it stands alone on a line, its shape,
whether the subject has it too.  Nothing counts as a code without words that say so: a missed code
costs a look at the message, a wrong one is typed in somewhere.
"""

# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentpost.mime import codewords

MAX_CHARACTERS: Final = 20_000
"""Of the text that are searched; codes stand at the top of short messages."""
MAX_CODES: Final = 5
_MAX_CANDIDATES: Final = 500
_BEFORE: Final = 90
_AFTER: Final = 60
"""How far from a number, in characters, words say what it is."""
_NEAR_OTHER: Final = 24
_ENOUGH: Final = 4.0

_BLANKED: Final = re.compile(
    # Links, addresses, numbered things
    r"https?://[^\s<>\"]{1,4096}|www\.[^\s<>\"]{1,4096}|[\w.+%-]{1,64}@[\w.-]{1,255}"
    # Dates and times
    r"|\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b"
    r"|\b\d{1,2}:\d{2}(?::\d{2})?\b|\d{4}年\d{1,2}月(?:\d{1,2}日)?|\d{4}년 ?\d{1,2}월"
    r"|\b\d{1,2}\.? [^\W\d_]{3,12}\.? \d{4}\b|\b[^\W\d_]{3,12}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}\b"
    # Sums and shares
    r"|[$€£¥₹₽₩₺] ?\d[\d.,' ]{0,15}|\d[\d.,']{0,15} ?(?:[$€£¥₹₽₩₺%]|(?:eur|usd|gbp|chf|kr|zł|kč|руб)\b)"
    r"|\b\d{1,3}(?:[.,']\d{3}){1,4}(?:[.,]\d{1,2})?\b|\b\d{1,9}[.,]\d{1,2}\b"
    # Telephone numbers, cards, IP addresses
    r"|\+\d[\d ().\-/]{6,20}|\(\d{2,5}\) ?\d[\d \-/]{4,14}|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:\d{4}[ -]){2,4}\d{1,7}\b|(?:[*•]{3,20}|[xX]{2,20}) ?\d{2,4}\b"
    r"|#[0-9a-f]{3,8}\b|©.{0,3}\d{4}",
    re.IGNORECASE,
)
_LETTERS: Final = "A-Za-z0-9À-ɏͰ-ԯ"
"""Of scripts that part their words; others write a number into the middle of a sentence."""
_CANDIDATE: Final = re.compile(
    rf"(?<![{_LETTERS}_#/\\.,@=&?+-])(?:"
    r"(?P<prefixed>[A-Za-z]{1,3}-\d{4,8})"
    r"|(?P<split>\d{3}[ \-\u00a0\u2009]\d{3}|\d{4}[ \-]\d{4}|\d{2} \d{2} \d{2}|\d(?: \d){3,7})"
    r"|(?P<digits>\d{4,8})"
    r"|(?P<mixed>(?=[A-Z0-9-]{0,11}\d)[A-Z0-9]{3,6}-[A-Z0-9]{3,6}|(?=[A-Z]{0,9}\d)[A-Z0-9]{5,10})"
    r"|(?P<lower>(?=[a-z]{0,9}\d)(?=\d{0,9}[a-z])[a-z0-9]{6,10})"
    rf")(?![{_LETTERS}_@%°]|[.,:]\d|[/\\-][{_LETTERS}]|[ \u00a0]\d)"
)
_ANNOUNCED: Final = re.compile(
    r"(?:[:=：]|\b(?:is|are|lautet|ist|est|es|é|è|er|är|jest|adalah|là)|は|为|為|是|입니다|هو|यह)"
    r"[\s*`\"'„«(\[|]{0,12}$"
)
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_SPACE_IN_LINE: Final = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u3000]+")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the text: where it is, and without what is around its words."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that is searched, its capitals kept and without them, of the same length."""

    written: str
    folded: str
    strong: tuple[int, ...]
    weak: tuple[int, ...]
    other: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> _Text:
        written = _SPACE_IN_LINE.sub(" ", _normal(text[:MAX_CHARACTERS]))
        written = _BLANKED.sub(lambda match: "·" * len(match[0]), written)
        folded = _folded(written)
        return cls(
            written,
            folded,
            _places(codewords.STRONG, folded),
            _places(codewords.WEAK, folded),
            _places(codewords.OTHER, folded),
        )


def one_time_codes(text: str | None, subject: str = "") -> tuple[str, ...]:
    """The codes that a message brings, the likeliest first, as they have to be typed.

    ``text`` is what a reader sees.  Spaces and hyphens between groups of digits are left out,
    digits of other scripts become ASCII.  Linear in the length of the text.
    """
    head, body = _Text.of(subject.replace("\n", " ")), _Text.of(text or "")
    # A subject says what the whole message is about.
    about = bool(head.strong or head.weak or body.strong) or any(
        found.search(part.folded)
        for part in (head, body)
        for found in (codewords.VERIFY, codewords.SIGN_IN, codewords.RESET)
    )
    scores: dict[str, float] = {}
    for part in (head, body):
        for code, score in _weighed(part, about=about, subject=part is head):
            known = scores.get(code)
            scores[code] = score if known is None else max(known, score) + 1.0
    likely = [code for code, score in scores.items() if score >= _ENOUGH]
    likely.sort(key=lambda code: -scores[code])
    if likely:
        # Beside one that is certain, what merely might be one is not.
        best = scores[likely[0]]
        likely = [code for code in likely if scores[code] >= best - 2.5]
    return tuple(likely[:MAX_CODES])


def _weighed(text: _Text, *, about: bool, subject: bool) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for number, match in enumerate(_CANDIDATE.finditer(text.written)):
        if number >= _MAX_CANDIDATES:
            break
        score = _score(text, match, about=about, subject=subject)
        if score is not None:
            found.append((_typed(match), score))
    return found


def _score(text: _Text, match: re.Match[str], *, about: bool, subject: bool) -> float | None:
    """How likely it is that this is a code; None when nothing speaks for it."""
    start, end = match.span()
    line = _line_around(text.written, start, end)
    alone = not text.written[line.start : start].strip(" *_|>\"'") and not text.written[
        end : line.end
    ].strip(" *_|.\"'")
    strong = _near(text.strong, start, end)
    weak = _near(text.weak, start, end)
    if not (strong or weak or (alone and about)):
        return None
    score = 4.0 if strong else 2.0 if weak else 0.0
    score += 2.5 if alone else 0.0
    score += 1.0 if about else 0.0
    score += 1.0 if subject and (strong or weak) else 0.0
    if _ANNOUNCED.search(text.folded, max(line.start, start - 24), start):
        score += 1.5
    score += _by_shape(match, alone=alone)
    if _beside(text.other, start, end, line):
        score -= 4.0
    return score


def _by_shape(match: re.Match[str], *, alone: bool) -> float:
    digits = match["digits"]
    if match["lower"] is not None:
        return 0.0 if alone else -2.0
    if digits is None:
        # A word in capitals with a digit is more often a model or a flight.
        return 0.0 if match["mixed"] is not None else 0.5
    if len(digits) == 4 and _YEAR.fullmatch(digits) and not alone:
        return -3.0
    return 1.0 if len(digits) == 6 else 0.0


def _near(places: Sequence[int], start: int, end: int) -> bool:
    """Whether one of the words stands near by, rather before than after."""
    at = bisect_left(places, start - _BEFORE)
    return at < len(places) and places[at] <= end + _AFTER


def _beside(places: Sequence[int], start: int, end: int, line: _Line) -> bool:
    """Whether one of the words stands in the same line and close."""
    at = bisect_left(places, max(line.start, start - _NEAR_OTHER))
    return at < len(places) and places[at] < start


def _line_around(text: str, start: int, end: int) -> _Line:
    last = text.find("\n", end, end + 500)
    first = text.rfind("\n", max(0, start - 500), start)
    return _Line(max(first + 1, start - 500), last if last >= 0 else min(len(text), end + 500))


def _typed(match: re.Match[str]) -> str:
    if match["split"] is not None:
        return re.sub(r"\D", "", match["split"])
    return match[0]


def _places(words: re.Pattern[str], text: str) -> tuple[int, ...]:
    return tuple(match.start() for match in words.finditer(text))


def _normal(text: str) -> str:
    """Compatibility forms and the digits of other scripts as ASCII has them."""
    if text.isascii():
        return text
    # A full-width comma parts; an ASCII one within digits would join them.
    text = unicodedata.normalize("NFKC", text.replace("，", "， "))
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in text
    )


def _folded(text: str) -> str:
    """``text`` without case, of the same length."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(
        one if len(one := character.casefold()) == 1 else character for character in text
    )
