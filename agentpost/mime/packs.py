"""What search knows of a pack of texts: which of them may hold a string, and which do for sure.

Trigrams.  A word is a run of letters, digits and underscores.  Whatever contains a string contains
the words of the string, whole or as parts of its own, and so all their trigrams.  A pack has a row
of bits for each hash of a trigram, one bit a text: the texts that may hold a string are in the
rows of all its trigrams.  Hashes meet and words stand apart, so these are looked at; but a text
that is not in one of the rows cannot hold the string.

Words.  A text that has the string as a whole word holds it for sure.  For words that many texts of
the pack have, and looking would take long, a row tells which; words are hashed to 64 bits by a
cryptographic hash, so that this needs no look.

Chinese, Japanese and Korean words are often two characters long: pairs count there as trigrams.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

_WORDS = re.compile(r"\w\w+")
_ONE_WORD = re.compile(r"\w{3,}")
_FIRST_CJK = "\u2e80"
_GRAM_BITS = 0xFFFF
_FEWEST_BUCKETS, _MOST_BUCKETS = 1 << 10, 1 << 16
_BUCKETS_PER_OCTET = 3
"""Mail has a trigram in four octets that no octets before had: one bit of twelve is set then."""
_FREQUENT = 16
"""Of a pack's texts, the part that has a frequent word: one of so many."""
_WORDS_AT_ONCE = 500
"""Words worked on between two chances for others: less than a millisecond."""


@dataclass(frozen=True, slots=True)
class PackText:
    """The folded texts of one message: its header lines of any kind, and its body."""

    header: Sequence[str]
    body: str


@dataclass(frozen=True, slots=True)
class Pack:
    """What is known of some texts.

    ``width`` octets are a row of bits, the first text's bit the highest.  ``slices`` has a row for
    each of ``buckets`` hashes of trigrams; ``in_header`` and ``in_body`` have one for each of
    ``words``, the hashes of the frequent words.
    """

    width: int
    buckets: int
    slices: bytes
    words: tuple[int, ...]
    in_header: bytes
    in_body: bytes


def pack_of(texts: Sequence[PackText]) -> Generator[None, None, Pack]:
    """Work out the pack of ``texts``; stops every now and then, for others to have a chance."""
    width = (len(texts) + 7) // 8
    in_header: dict[str, int] = {}
    in_body: dict[str, int] = {}
    bit = 1 << width * 8
    for text in texts:
        bit >>= 1
        _note_words(in_header, text.header, bit)
        _note_words(in_body, (text.body,), bit)
        yield
    octets = sum(len(text.body) + sum(map(len, text.header)) for text in texts)
    slices = [0] * _buckets(octets // max(1, len(texts)))
    last = len(slices) - 1
    words = [*in_body, *(word for word in in_header if word not in in_body)]
    for at in range(0, len(words), _WORDS_AT_ONCE):
        for word in words[at : at + _WORDS_AT_ONCE]:
            having = in_body.get(word, 0) | in_header.get(word, 0)
            for gram in _grams(word):
                slices[gram & last] |= having
        yield
    frequent = _frequent(words, in_header, in_body, len(texts) // _FREQUENT)
    return Pack(
        width,
        len(slices),
        _rows(slices, width),
        tuple([_hashed(word) for word in frequent]),
        _rows([in_header.get(word, 0) for word in frequent], width),
        _rows([in_body.get(word, 0) for word in frequent], width),
    )


def grams_of(folded: Iterable[str], most: int) -> list[int]:
    """The hashes of the trigrams that the folded strings have, each once; at most so many."""
    found = {
        gram: None for text in folded for word in _WORDS.findall(text) for gram in _grams(word)
    }
    return list(found)[:most]


def word_of(folded: str) -> int | None:
    """The hash of a string that is one whole word; None when it is not, or too short."""
    return None if _ONE_WORD.fullmatch(folded) is None else _hashed(folded)


def _note_words(having: dict[str, int], texts: Iterable[str], bit: int) -> None:
    words: set[str] = set()
    for text in texts:
        words.update(_WORDS.findall(text))
    for word in words:
        having[word] = having.get(word, 0) | bit


def _buckets(octets: int) -> int:
    """How many hashes of trigrams to tell apart in texts that are so long: a power of two."""
    wanted = min(octets * _BUCKETS_PER_OCTET, _MOST_BUCKETS)
    return max(_FEWEST_BUCKETS, 1 << max(0, wanted - 1).bit_length())


def _frequent(
    words: Iterable[str], in_header: Mapping[str, int], in_body: Mapping[str, int], texts: int
) -> list[str]:
    return [
        word
        for word in words
        if (in_body.get(word, 0) | in_header.get(word, 0)).bit_count() > texts and len(word) > 2
    ]


def _grams(word: str) -> list[int]:
    octets = word.encode("utf-8", "replace")
    if len(octets) == len(word):
        return [crc32(octets[at : at + 3]) & _GRAM_BITS for at in range(len(octets) - 2)]
    found = [word[at : at + 3] for at in range(len(word) - 2)]
    pairs = (word[at : at + 2] for at in range(len(word) - 1))
    found += [pair for pair in pairs if pair[0] >= _FIRST_CJK and pair[1] >= _FIRST_CJK]
    return [crc32(gram.encode("utf-8", "replace")) & _GRAM_BITS for gram in found]


def _hashed(word: str) -> int:
    octets = word.encode("utf-8", "replace")
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "big", signed=True)


def _rows(rows: Iterable[int], width: int) -> bytes:
    return b"".join([row.to_bytes(width, "big") for row in rows])
