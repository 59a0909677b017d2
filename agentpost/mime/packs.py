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
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

_WORDS = re.compile(r"\w\w+")
_ONE_WORD = re.compile(r"\w{3,}")
_WORD_OCTETS = bytes(
    octet if chr(octet).isalnum() or octet == 0x5F else 0x20 for octet in range(0x80)
).ljust(0x100)
"""What is no part of an ASCII word becomes a space."""
_FIRST_CJK = 0x2E80
_GRAM_BITS = 0xFFFF
_FEWEST_BUCKETS, _MOST_BUCKETS = 1 << 10, 1 << 16
_BUCKETS_PER_OCTET = 3
"""Mail has a trigram in four octets that no octets before had: one bit of twelve is set then."""
_FREQUENT = 16
"""Of a pack's texts, the part that has a frequent word: one of so many."""
_WORDS_AT_ONCE = 250
_ROWS_AT_ONCE = 4096
"""Work between two chances for others: less than a millisecond."""


@dataclass(frozen=True, slots=True)
class PackText:
    """The folded texts of one message in UTF-8: its header lines of any kind, and its body.

    ``fields`` are texts made of the header, such as an address without the comments inside it: what
    holds one of their strings may hold it, but none of their words is in a text for sure.
    """

    header: Sequence[bytes]
    body: bytes
    fields: Sequence[bytes] = ()


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
    in_header: dict[bytes, int] = defaultdict(int)
    in_body: dict[bytes, int] = defaultdict(int)
    in_fields: dict[bytes, int] = defaultdict(int)
    bit = 1 << width * 8
    for text in texts:
        bit >>= 1
        _note_words(in_header, text.header, bit)
        _note_words(in_body, (text.body,), bit)
        _note_words(in_fields, text.fields, bit)
        yield
    octets = sum(len(text.body) + sum(map(len, text.header)) for text in texts)
    buckets = _buckets(octets // max(1, len(texts)))
    slices = [0] * buckets
    last = buckets - 1
    few = len(texts) // _FREQUENT
    frequent: list[bytes] = []
    for at, word in enumerate(in_header.keys() | in_body.keys() | in_fields.keys()):
        having = in_header.get(word, 0) | in_body.get(word, 0)
        maybe = having | in_fields.get(word, 0)
        for gram in _grams(word):
            slices[gram & last] |= maybe
        if having.bit_count() > few and len(word) > 2:
            frequent.append(word)
        if at % _WORDS_AT_ONCE == 0:
            yield
    packed = bytearray()
    for start in range(0, buckets, _ROWS_AT_ONCE):
        packed += _rows(slices[start : start + _ROWS_AT_ONCE], width)
        yield
    return Pack(
        width,
        buckets,
        bytes(packed),
        tuple([_hash_word(word) for word in frequent]),
        _rows([in_header.get(word, 0) for word in frequent], width),
        _rows([in_body.get(word, 0) for word in frequent], width),
    )


def grams_of(folded: Iterable[str], most: int) -> list[int]:
    """The hashes of the trigrams that the folded strings have, each once; at most so many."""
    words = [word for text in folded for word in _WORDS.findall(text)]
    found = {gram: None for word in words for gram in _grams(word.encode())}
    return list(found)[:most]


def word_of(folded: str) -> int | None:
    """The hash of a string that is one whole word; None when it is not, or too short."""
    return None if _ONE_WORD.fullmatch(folded) is None else _hash_word(folded.encode())


def _note_words(having: dict[bytes, int], texts: Iterable[bytes], bit: int) -> None:
    words: set[bytes] = set()
    for text in texts:
        if text.isascii():
            words.update(text.translate(_WORD_OCTETS).split())
        else:
            words.update([word.encode() for word in set(_WORDS.findall(text.decode()))])
    for word in words:
        having[word] |= bit


def _buckets(octets: int) -> int:
    """How many hashes of trigrams to tell apart in texts that are so long: a power of two."""
    wanted = min(octets * _BUCKETS_PER_OCTET, _MOST_BUCKETS)
    return max(_FEWEST_BUCKETS, 1 << max(0, wanted - 1).bit_length())


def _grams(word: bytes) -> list[int]:
    """The hashes of a word's trigrams: the places of their characters in a number of three digits.

    In ASCII, where words have some 36 different characters, hardly any two are alike.
    """
    points = word if word.isascii() else [ord(character) for character in word.decode()]
    found = [
        (a * 1091 + b * 33 + c) & _GRAM_BITS
        for a, b, c in zip(points, points[1:], points[2:], strict=False)
    ]
    if points is word:
        return found
    found += [
        (a * 1091 + b * 33) & _GRAM_BITS
        for a, b in pairwise(points)
        if a >= _FIRST_CJK and b >= _FIRST_CJK
    ]
    return found


def _hash_word(word: bytes) -> int:
    return int.from_bytes(blake2b(word, digest_size=8).digest(), "big", signed=True)


def _rows(rows: Iterable[int], width: int) -> bytes:
    return b"".join([row.to_bytes(width, "big") for row in rows])
