"""What a text index knows of a text: hashes of its words, and of their trigrams.

A word is a run of letters, digits and underscores.  Whatever contains a string contains the words
of the string, whole or as parts of its own, and so all their trigrams: a text that lacks one does
not contain the string.  The reverse is not true; who finds candidates looks at their text.  But a
text that has the string as a whole word contains it for sure: words are hashed to 64 bits by a
cryptographic hash, so that this needs no look.

Chinese, Japanese and Korean words are often two characters long: pairs count there as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

_WORDS = re.compile(r"\w\w+")
_ONE_WORD = re.compile(r"\w{3,}")
_FIRST_CJK = "\u2e80"
_OFFSET = 1 << 31
_MANY = b"\xff many"


@dataclass(frozen=True, slots=True)
class Terms:
    """The hashes of a text's trigrams (signed 32 bits) and words (signed 64 bits), each once."""

    grams: tuple[int, ...]
    words: tuple[int, ...]


def terms_of(folded: Iterable[str], salt: str, most: int) -> Terms:
    """The terms of the folded texts.

    ``salt`` keeps hashes of different owners apart.  A text with more than ``most`` trigrams has
    the one that ``many`` tells, and no words: it is a candidate for every search.
    """
    words: set[str] = set()
    for text in folded:
        words.update(_WORDS.findall(text))
    grams: set[int] = set()
    hashes: list[int] = []
    for word in words:
        of_word, hashed = _of_word(word) if len(word) <= _REMEMBERED else _terms(word)
        grams.update(of_word)
        hashes.append(hashed)
        if len(grams) > most:
            return Terms((many(salt),), ())
    key, long_key = _keys(salt)
    return Terms(
        tuple([(one ^ key) - _OFFSET for one in grams]), tuple([one ^ long_key for one in hashes])
    )


def word_of(folded: str, salt: str) -> int | None:
    """The hash of a string that is one whole word; None when it is not, or too short."""
    if _ONE_WORD.fullmatch(folded) is None:
        return None
    return _terms(folded)[1] ^ _keys(salt)[1]


def many(salt: str) -> int:
    """The mark of a text that has too many trigrams."""
    return (crc32(_MANY) ^ _keys(salt)[0]) - _OFFSET


_REMEMBERED = 24
"""Longer words are hardly ever met twice."""


def _terms(word: str) -> tuple[tuple[int, ...], int]:
    octets = word.encode("utf-8", "replace")
    hashed = int.from_bytes(blake2b(octets, digest_size=8).digest(), "big", signed=True)
    if len(octets) == len(word):
        return tuple({crc32(octets[at : at + 3]) for at in range(len(octets) - 2)}), hashed
    found = {crc32(word[at : at + 3].encode("utf-8", "replace")) for at in range(len(word) - 2)}
    for at in range(len(word) - 1):
        if word[at] >= _FIRST_CJK and word[at + 1] >= _FIRST_CJK:
            found.add(crc32(word[at : at + 2].encode("utf-8", "replace")))
    return tuple(found), hashed


_of_word = lru_cache(maxsize=32_768)(_terms)


@lru_cache(maxsize=1_024)
def _keys(salt: str) -> tuple[int, int]:
    octets = salt.encode("utf-8")
    long_key = int.from_bytes(blake2b(octets, digest_size=8).digest(), "big", signed=True)
    return crc32(octets), long_key
