"""One-time codes are found in many languages, other numbers are not taken for them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.body import best_text
from agentpost.mime.codes import MAX_CHARACTERS, MAX_CODES, one_time_codes
from agentpost.mime.encoded import decode_header
from agentpost.mime.header import Header
from agentpost.mime.scan import scan
from tests.mime.code_examples import WITH_CODE, WITHOUT_CODE


@pytest.mark.parametrize(("subject", "text", "code"), WITH_CODE, ids=lambda value: value[:24])
def test_a_code_is_found_first(subject: str, text: str, code: str) -> None:
    assert one_time_codes(text, subject)[:1] == (code,)


@pytest.mark.parametrize(("subject", "text"), WITHOUT_CODE, ids=lambda value: value[:24])
def test_other_numbers_are_no_codes(subject: str, text: str) -> None:
    assert one_time_codes(text, subject) == ()


def test_codes_are_ranked_and_bounded() -> None:
    text = "".join(f"Your verification code is {100_000 + number}.\n" for number in range(50))
    assert len(one_time_codes(text)) == MAX_CODES
    assert one_time_codes("Code: 1234\n\nYour verification code is 482913", "482913")[0] == "482913"


def test_a_code_that_stands_in_subject_and_text_counts_once() -> None:
    assert one_time_codes("Your code:\n482 913\n", "Your code is 482913") == ("482913",)


@given(st.text(max_size=300), st.text(max_size=60))
def test_whatever_mail_says_codes_are_short_and_typed(text: str, subject: str) -> None:
    for code in one_time_codes(text, subject):
        assert 4 <= len(code) <= 13
        assert code.isascii()


@given(st.sampled_from(WITH_CODE), st.text(alphabet="abc \n.,:!-", max_size=200))
def test_talk_around_it_does_not_hide_a_code(example: tuple[str, str, str], talk: str) -> None:
    subject, text, code = example
    if code in text.replace(" ", ""):
        assert code in one_time_codes(f"{talk}\n\n{text}\n\n{talk}", subject)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "code 123456 ",
        "1 ",
        "12-",
        "A1",
        "1.",
        "a@",
        "http://",
        "+1 ",
        "(1",
        "code ",
        "\n1",
        "ı",
        "1234 ",
        "*",
        "0,0 ",
        "May 1, ",
        "İ1",
        "код",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.perf_counter()
    one_time_codes(text, text[:10_000])
    spent = time.perf_counter() - began
    assert len(text) > MAX_CHARACTERS
    assert spent < 2.0


def test_of_collected_mail_hardly_any_has_a_code(corpus: Path) -> None:
    """None of the letters, lists and orders collected brings one, as far as a reader can tell."""
    paths = sorted(path for path in (corpus / "general").glob("*.eml"))
    wrong = []
    for path in paths:
        octets = path.read_bytes()
        part = scan(octets)
        subject = Header(octets, 0, part.header_end).first(b"subject")
        codes = one_time_codes(best_text(part, octets), decode_header(subject or b""))
        if codes:
            wrong.append((path.name, codes))
    assert len(wrong) <= len(paths) // 100, wrong
