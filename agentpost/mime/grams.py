"""What a text index knows of a text: hashes of the trigrams of its words.

A word is a run of letters, digits and underscores.  Whatever contains a string contains the words
of the string, whole or as parts of its own, and so all their trigrams: a text that lacks one does
not contain the string.  The reverse is not true; who finds candidates looks at their text.

Chinese, Japanese and Korean words are often two characters long: pairs count there as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from zlib import crc32

_WORDS = re.compile(r"\w\w+")
_FIRST_CJK = "\u2e80"
_OFFSET = 1 << 31
_MANY = b"\xff many"


def grams_of(folded: Iterable[str], salt: str, most: int) -> tuple[int, ...]:
    """The hashes of all grams of the folded texts, as signed 32-bit numbers, each once.

    ``salt`` keeps hashes of different owners apart.  A text with more than ``most`` grams gives
    the one hash that ``many`` tells: it is a candidate for every search.
    """
    words: set[str] = set()
    for text in folded:
        words.update(_WORDS.findall(text))
    found: set[int] = set()
    for word in words:
        found.update(_of_word(word) if len(word) <= _REMEMBERED else _hashes(word))
        if len(found) > most:
            return (many(salt),)
    key = _key(salt)
    return tuple([(one ^ key) - _OFFSET for one in found])


def many(salt: str) -> int:
    """The mark of a text that has too many grams."""
    return (crc32(_MANY) ^ _key(salt)) - _OFFSET


_REMEMBERED = 24
"""Longer words are hardly ever met twice."""


@lru_cache(maxsize=16_384)
def _of_word(word: str) -> tuple[int, ...]:
    return tuple(_hashes(word))


def _hashes(word: str) -> set[int]:
    octets = word.encode("utf-8", "replace")
    if len(octets) == len(word):
        return {crc32(octets[at : at + 3]) for at in range(len(octets) - 2)}
    found = {crc32(word[at : at + 3].encode("utf-8", "replace")) for at in range(len(word) - 2)}
    for at in range(len(word) - 1):
        if word[at] >= _FIRST_CJK and word[at + 1] >= _FIRST_CJK:
            found.add(crc32(word[at : at + 2].encode("utf-8", "replace")))
    return found


def _key(salt: str) -> int:
    return crc32(salt.encode("utf-8"))
