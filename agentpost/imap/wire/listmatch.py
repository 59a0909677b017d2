"""LIST patterns (RFC 9051 section 6.3.9, RFC 5258).

Knows which mailbox names a pattern with ``%`` and ``*`` matches.

A pattern is matched by following the set of all places in it that the name read so far can have
reached.  The set is one integer, a bit for each place, so that every character of the name costs
a few operations on small integers, whatever the pattern; a backtracking matcher needs minutes for
``%a%a%a%a%a%a%ab``.
"""

from __future__ import annotations

from agentpost.model.mailboxname import SEPARATOR


class ListPattern:
    """One compiled pattern in the form the house uses for names; immutable."""

    __slots__ = (
        "_accept",
        "_everything",
        "_folded",
        "_literal",
        "_start",
        "_text",
        "_wild",
        "_within",
    )  # fmt: skip

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        symbols = _symbols(pattern)
        self._everything = symbols == ["*"]
        literal: dict[str, int] = {}
        wild = within = 0
        for place, symbol in enumerate(symbols):
            if symbol == "*":
                wild |= 1 << place
            elif symbol == "%":
                within |= 1 << place
            else:
                literal[symbol] = literal.get(symbol, 0) | 1 << place
        self._literal = literal
        # The letters of INBOX match in either case where the name itself is INBOX.
        self._folded = {
            upper: literal.get(upper, 0) | literal.get(lower, 0)
            for upper, lower in zip("INBOX", "inbox", strict=True)
        }
        self._wild = wild
        self._within = within
        self._accept = 1 << len(symbols)
        self._start = self._closed(1)

    def __repr__(self) -> str:
        return f"ListPattern({self._text!r})"

    @property
    def text(self) -> str:
        """The pattern as it was given."""
        return self._text

    def matches(self, name: str) -> bool:
        """Whether the whole of ``name`` matches; INBOX matches in any ASCII case."""
        if self._everything:
            return True
        literal, wild, either = self._literal, self._wild, self._wild | self._within
        places = self._start
        inbox = name == "INBOX" or name.startswith("INBOX" + SEPARATOR)
        for position, character in enumerate(name):
            if inbox and position < 5:
                step = self._folded[character]
            else:
                step = literal.get(character, 0)
            stay = wild if character == SEPARATOR else either
            places = (places & step) << 1 | places & stay
            if not places:
                return False
            places |= (places & either) << 1
        return bool(places & self._accept)

    def _closed(self, places: int) -> int:
        """``places`` and those reached by letting a wildcard match nothing."""
        return places | (places & (self._wild | self._within)) << 1


def join(reference: str, pattern: str) -> str:
    """The canonical pattern of a LIST command: the reference, then the pattern."""
    return reference + pattern


def ancestors(name: str) -> list[str]:
    """The names of the levels above ``name``, the highest first: ``a/b/c`` gives a, a/b."""
    found: list[str] = []
    at = name.find(SEPARATOR)
    while at >= 0:
        found.append(name[:at])
        at = name.find(SEPARATOR, at + 1)
    return found


def _symbols(pattern: str) -> list[str]:
    """The pattern's characters; neighbouring wildcards are one, ``*`` if any of them is."""
    symbols: list[str] = []
    for character in pattern:
        if character in "*%" and symbols and symbols[-1] in ("*", "%"):
            if character == "*":
                symbols[-1] = "*"
        else:
            symbols.append(character)
    return symbols
