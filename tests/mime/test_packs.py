"""Packs: no text that holds a string is missed, and none is told for sure that does not."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.matching import fold
from agentpost.mime.packs import Pack, PackText, grams_of, pack_of, word_of

T = TypeVar("T")


def finished(work: Generator[None, None, T]) -> T:
    """What ``work`` comes to, without a stop."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def packed_text(header: str, body: str) -> PackText:
    """A text as the store has it."""
    return PackText((fold(header).encode(), b""), fold(body).encode())


def row(rows: bytes, number: int, pack: Pack) -> list[int]:
    """Which texts have their bit set in a row."""
    octets = rows[number * pack.width : (number + 1) * pack.width]
    bits = "".join(f"{octet:08b}" for octet in octets)
    return [at for at, bit in enumerate(bits) if bit == "1"]


def candidates(pack: Pack, texts: int, needle: str) -> set[int]:
    """The texts that have a bit in the rows of all trigrams of ``needle``."""
    found = set(range(texts))
    for gram in grams_of((needle,), 16):
        found &= set(row(pack.slices, gram % pack.buckets, pack))
    return found


def sure(pack: Pack, needle: str) -> set[int]:
    """The texts that have ``needle`` as a frequent word."""
    word = word_of(needle)
    if word not in pack.words:
        return set()
    at = pack.words.index(word)
    return {*row(pack.in_header, at, pack), *row(pack.in_body, at, pack)}


TEXTS = st.lists(st.text("abc_ \n1é会議", max_size=12), min_size=1, max_size=20)


@given(TEXTS, st.text("abc_ \n1é会議", max_size=6))
def test_what_holds_a_string_is_a_candidate_and_what_is_sure_holds_it(
    bodies: list[str], needle: str
) -> None:
    texts = [packed_text(body[:3], body[3:]) for body in bodies]
    pack = finished(pack_of(texts))
    folded = fold(needle)
    sought = folded.encode()
    holding = {
        at for at, text in enumerate(texts) if sought in text.body or sought in text.header[0]
    }
    assert holding <= candidates(pack, len(texts), folded)
    assert sure(pack, folded) <= holding


def test_header_and_body_are_told_apart() -> None:
    texts = [packed_text("subject: apple", "pear"), packed_text("plum", "apple pear")]
    pack = finished(pack_of(texts))
    places = {
        word: (row(pack.in_header, at, pack), row(pack.in_body, at, pack))
        for word in ("subject", "apple", "pear", "plum")
        for at in [pack.words.index(word_of(word))]
    }
    assert places == {
        "subject": ([0], []),
        "apple": ([0], [1]),
        "pear": ([], [0, 1]),
        "plum": ([1], []),
    }


def test_only_words_that_many_texts_have_are_kept() -> None:
    texts = [packed_text("", f"everywhere unique{n}") for n in range(64)]
    pack = finished(pack_of(texts))
    assert pack.words == (word_of("everywhere"),)
    assert row(pack.in_body, 0, pack) == list(range(64))


def test_longer_texts_get_more_buckets_within_bounds() -> None:
    counts = [
        finished(pack_of([packed_text("", "word " * words)])).buckets for words in (0, 800, 10**5)
    ]
    assert counts == [1 << 10, 1 << 14, 1 << 16]


def test_rows_have_room_for_every_text() -> None:
    for count in (1, 8, 9, 256):
        pack = finished(pack_of([packed_text("", "word")] * count))
        assert pack.width == (count + 7) // 8
        assert len(pack.slices) == pack.buckets * pack.width
        assert candidates(pack, count, "word") == set(range(count))


def test_words_shorter_than_a_trigram_choose_nothing() -> None:
    assert grams_of(("a b cd",), 16) == []
    assert len(grams_of(("会議",), 16)) == 1
    assert word_of("ab") is None
    assert word_of("two words") is None


def test_others_have_a_chance_meanwhile() -> None:
    texts = [packed_text("", " ".join(f"w{n}x{m}" for m in range(100))) for n in range(50)]
    stops = sum(1 for _ in pack_of(texts))
    assert stops >= 50 + 50 * 100 // 250


def test_what_is_made_of_a_header_may_be_found_and_is_in_no_text_for_sure() -> None:
    texts = [PackText((b"\nto: ad(a)a @ x\n", b""), b"", (b"ada@x",)), packed_text("ada", "")]
    pack = finished(pack_of(texts))
    assert candidates(pack, 2, "ada") == {0, 1}
    assert sure(pack, "ada") == {1}
