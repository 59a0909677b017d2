"""Fragments show what was found, in the text as it is."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from agentpost.limits import SearchLimits
from agentpost.mime.fragments import Fragment, _Folded, fragments_of, marked
from agentpost.mime.matching import fold, words_of, words_pattern


def shown(text: str, *phrases: str, limits: SearchLimits | None = None) -> list[str]:
    """The fragments with a mark round each hit."""
    sought = words_pattern([words_of(phrase) for phrase in phrases])
    return [marked(one, "*") for one in fragments_of(text, sought, limits)]


def test_what_was_found_is_marked_as_it_is_written() -> None:
    assert shown("Where is my Parcel?", "PARCEL") == ["Where is my *Parcel*?"]
    assert shown("Where is\r\n  my parcel?", "is my") == ["Where *is my* parcel?"]
    assert shown("nothing here", "parcel") == []
    assert shown("a b a", "a", "b") == ["*a* *b* *a*"]
    assert shown("x (a+b) [c]", "(a+b)") == ["x *(a+b)* [c]"]


def test_characters_that_fold_to_others_are_marked_whole() -> None:
    assert shown("Die Größe: klein", "grösse") == ["Die *Größe*: klein"]
    assert shown("Cafe\u0301 noir", "café") == ["*Cafe\u0301* noir"]
    assert shown("ﬁne \uff21\uff22", "fine", "ab") == ["*ﬁne* *\uff21\uff22*"]
    assert shown("今日の会議です", "会議") == ["今日の*会議*です"]


def test_fragments_are_short_and_cut_between_words() -> None:
    text = "begin " + "word " * 100 + "parcel " + "word " * 100 + "parcel " + "word " * 100
    found = shown(text, "parcel")
    assert len(found) == 2
    for one in found:
        assert len(one) <= SearchLimits().fragment_characters + 2
        assert set(one.split()) == {"word", "*parcel*"}
    assert len(shown(text * 5, "parcel")) == SearchLimits().fragments
    bounded = SearchLimits(max_highlighted_characters=400)
    assert shown(text, "parcel", limits=bounded) == []


TEXTS = st.text(st.sampled_from("aAbßÄä\u0301 \n\tﬁ会ΣςİK.\u2028\x00"), max_size=40)


@given(st.one_of(TEXTS, st.text()))
def test_a_text_folds_alike_in_pieces(text: str) -> None:
    clean = text.replace("\0", "").replace("\r", "")
    assert _Folded(clean).text == fold(clean)


@given(TEXTS, TEXTS)
@example("aß", "s")
@example("ßß", "s s")
def test_what_a_text_has_is_shown_with_the_words_in_the_spans(text: str, sought: str) -> None:
    words = words_of(sought)
    if not words:
        return
    pattern = words_pattern([words])
    found = fragments_of(text, pattern, SearchLimits(fragment_characters=10))
    flat = re.sub(r"\s+", " ", fold(text)).strip()
    if pattern.search(flat) is not None:
        assert found
    for one in found:
        assert "\n" not in one.text
        assert one.spans
        for start, end in one.spans:
            assert 0 <= start < end <= len(one.text)
        ends = [at for span in one.spans for at in span]
        assert ends == sorted(ends)
        assert marked(one, "") == one.text


def test_marks_stand_round_spans() -> None:
    assert marked(Fragment("a parcel b", ((2, 8),)), "**") == "a **parcel** b"
