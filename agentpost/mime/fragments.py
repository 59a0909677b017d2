"""The places of a text where something was found, as short fragments.

Search compares folded texts, and people read the text as it is.  So the text is folded piece by piece
and each piece knows where it came from: runs of ASCII, which keep their length, and runs of other
characters with the one they may combine with.  Where folding changes the length of a piece, as of
"Straße", a hit inside is shown as the whole piece.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentpost.limits import SearchLimits
from agentpost.mime.charset import storable
from agentpost.mime.matching import fold

_PIECE: Final = re.compile("[\0-\x7f]+(?![^\0-\x7f])|[\0-\x7f]?[^\0-\x7f]+")
_WHITE_RUN: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a text on one line; ``spans`` are the characters that were looked for."""

    text: str
    spans: tuple[tuple[int, int], ...]


def fragments_of(
    text: str, sought: re.Pattern[str], limits: SearchLimits | None = None
) -> tuple[Fragment, ...]:
    """Some fragments of ``text`` with what ``sought`` finds in it folded, from its beginning on."""
    limits = limits or SearchLimits()
    shown = _WHITE_RUN.sub(" ", storable(text[: limits.max_highlighted_characters])).strip()
    folded = _Folded(shown)
    found: list[Fragment] = []
    spans: list[tuple[int, int]] = []
    for match in sought.finditer(folded.text):
        start, end = folded.source(match.start()), folded.source_end(match.end())
        if spans and end - spans[0][0] > limits.fragment_characters * 2 // 3:
            found.append(_fragment(shown, spans, limits))
            spans = []
            if len(found) == limits.fragments:
                return tuple(found)
        if spans and start < spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    if spans:
        found.append(_fragment(shown, spans, limits))
    return tuple(found)


def _fragment(text: str, spans: Sequence[tuple[int, int]], limits: SearchLimits) -> Fragment:
    """The spans with what stands around them, cut between words where there are some."""
    first, last = spans[0][0], spans[-1][1]
    around = max(0, limits.fragment_characters - (last - first)) // 2
    start, end = max(0, first - around), min(len(text), last + around)
    gap = text.find(" ", start, first) if start else -1
    start = start if gap < 0 else gap + 1
    gap = text.rfind(" ", last, end) if end < len(text) else -1
    end = end if gap < 0 else gap
    most = start + 2 * limits.fragment_characters
    end = min(end, most)
    inside = tuple((a - start, min(b, end) - start) for a, b in spans if a < end)
    return Fragment(text[start:end], inside)


class _Folded:
    """A text folded, with where each of its characters came from."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._folded_at: list[int] = []
        self._source_at: list[int] = []
        length = 0
        for piece in _PIECE.finditer(text):
            folded = fold(piece[0])
            pieces.append(folded)
            self._folded_at.append(length)
            self._source_at.append(piece.start())
            length += len(folded)
        self.text = "".join(pieces)
        self._folded_at.append(length)
        self._source_at.append(len(text))

    def source(self, at: int) -> int:
        """Where the character begins that ``at`` came from."""
        return self._inside(at, end=False)

    def source_end(self, at: int) -> int:
        """Where the character before ``at`` ends in the source."""
        return self._inside(at - 1, end=True)

    def _inside(self, at: int, *, end: bool) -> int:
        piece = min(bisect_right(self._folded_at, at), len(self._folded_at) - 1) - 1
        begin, source = self._folded_at[piece], self._source_at[piece]
        after, source_after = self._folded_at[piece + 1], self._source_at[piece + 1]
        if after - begin == source_after - source:
            return source + at - begin + end
        return source_after if end else source


def marked(fragment: Fragment, mark: str) -> str:
    """The fragment's text with ``mark`` before and behind what was looked for."""
    pieces: list[str] = []
    at = 0
    for start, end in fragment.spans:
        pieces += [fragment.text[at:start], mark, fragment.text[start:end], mark]
        at = end
    return "".join([*pieces, fragment.text[at:]])
