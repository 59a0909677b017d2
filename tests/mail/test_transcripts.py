"""What fits a budget of tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentpost.mail.transcripts import Utterance, cost_of, cut_to, fitted, tokens_of
from tests.events.test_wire import FILE, MESSAGE


@given(st.text(max_size=400), st.integers(0, 200))
def test_what_is_cut_is_a_beginning_that_fits(text: str, tokens: int) -> None:
    kept = cut_to(text, tokens)
    assert text.startswith(kept)
    assert tokens_of(kept) <= tokens
    if tokens_of(text) <= tokens:
        assert kept == text


@given(st.text(max_size=400), st.text(max_size=400))
def test_more_text_never_costs_less(one: str, more: str) -> None:
    assert tokens_of(one) <= tokens_of(one + more) <= tokens_of(one) + tokens_of(more)


def test_words_stay_whole_where_they_can() -> None:
    assert cut_to("one two three four five six", 5) == "one two three four"
    assert cut_to("x" * 100, 5) == "x" * 20
    assert cut_to("日本語のメール", 3) == "日本語"


@given(st.text(max_size=2000), st.integers(0, 700))
def test_a_message_fits_or_is_cut_or_left_out(text: str, tokens: int) -> None:
    one = Utterance(MESSAGE, text, 0, (FILE,), False)
    found = fitted(one, tokens)
    if found is not None:
        assert cost_of(found) <= tokens
        assert len(found.text) + found.cut == len(text)
    elif tokens > 200:
        raise AssertionError("there is room enough")
