"""Values of the Content- fields."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.media import (
    merged_parameters,
    parse_disposition,
    parse_languages,
    parse_leading_token,
    parse_media,
    parse_token,
)


@pytest.mark.parametrize(
    ("value", "media", "parameters"),
    [
        (b"text/plain", b"text/plain", ()),
        (b" Text / HTML ", b"Text/HTML", ()),
        (b"text/plain; charset=UTF-8", b"text/plain", ((b"charset", b"UTF-8"),)),
        (b'text/plain;CharSet="a\\"b\\\\"', b"text/plain", ((b"CharSet", b'a"b\\'),)),
        (b"text/plain (c); (d) charset (e) = (f) us-ascii (Plain text)", b"text/plain",
         ((b"charset", b"us-ascii"),)),
        (b"a/b;;; x=1; ; y = 2 ;", b"a/b", ((b"x", b"1"), (b"y", b"2"))),
        (b"a/b; junk; x=1", b"a/b", ((b"x", b"1"),)),
        (b"a/b; x=", b"a/b", ((b"x", b""),)),
        (b"a/b; x=;y=1", b"a/b", ((b"x", b""), (b"y", b"1"))),
        (b"a/b; boundary=----=_Part/1", b"a/b", ((b"boundary", b"----=_Part/1"),)),
        (b"a/b; name==?utf-8?q?x?=; z=1", b"a/b", ((b"name", b"=?utf-8?q?x?="), (b"z", b"1"))),
        (b"a/b; name=two words.pdf ; z=1", b"a/b", ((b"name", b"two words.pdf"), (b"z", b"1"))),
        (b"a/b; name=x(1).pdf", b"a/b", ((b"name", b"x(1).pdf"),)),
        (b'a/b; name="never closed; x=1', b"a/b", ()),
        (b'a/b; boundary="never closed', b"a/b", ((b"boundary", b"never closed"),)),
        (b'a/b; x="a;b=c"; y="(no)"', b"a/b", ((b"x", b"a;b=c"), (b"y", b"(no)"))),
        (b'a/b garbage; x="1"', b"a/b", ((b"x", b"1"),)),
    ],
)  # fmt: skip
def test_media_types(
    value: bytes, media: bytes, parameters: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert parse_media(value) == (media, parameters)
    padded = value + b" " * 300 if b"closed" not in value else value
    assert parse_media(padded) == (media, parameters)


@pytest.mark.parametrize("value", [b"", b"text", b"text/", b"/x", b"(c)", b"a b/c", b'"a/b"'])
def test_no_media_type(value: bytes) -> None:
    assert parse_media(value) is None


@pytest.mark.parametrize(
    ("value", "token"),
    [(b"base64", b"base64"), (b" 7Bit ", b"7Bit"), (b"8bit (really)", b"8bit"), (b"base64;", b""),
     (b"", b""), (b"a b", b""), (b"(c) x-y", b"x-y")],
)  # fmt: skip
def test_tokens(value: bytes, token: bytes) -> None:
    assert parse_token(value) == token


def test_a_leading_token() -> None:
    assert parse_leading_token(b"Base64; x") == b"base64"
    assert parse_leading_token(b"; x") == b""


def test_dispositions() -> None:
    assert parse_disposition(b"inline") == (b"inline", ())
    assert parse_disposition(b'Attachment; filename="x y"; size=3') == (
        b"Attachment", ((b"filename", b"x y"), (b"size", b"3")),
    )  # fmt: skip
    assert parse_disposition(b" (none); filename=x") == (b"", ((b"filename", b"x"),))
    assert parse_disposition(b"") is None
    assert parse_disposition(b"=; filename=x") is None


def test_languages() -> None:
    assert parse_languages(b"en") == (b"en",)
    assert parse_languages(b"de-CH (c), fr ,it; x") == (b"de-CH", b"fr", b"it")
    assert parse_languages(b"") == ()


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ((b"a", b"1"), ((b"a", b"1"),)),
        ((b"n*1", b"b", b"n*0", b"a", b"z", b"1"), ((b"n", b"ab"), (b"z", b"1"))),
        ((b"n*0*", b"utf-8''%20", b"n*1", b"a b%"), ((b"n*", b"utf-8''%20a%20b%25"),)),
        ((b"n*0", b"a'", b"n*1*", b"%20"), ((b"n*", b"''a%27%20"),)),
        ((b"n*", b"utf-8''x"), ((b"n*", b"utf-8''x"),)),
        ((b"n*1", b"b"), ((b"n*1", b"b"),)),
        ((b"n*0", b"a", b"n*2", b"c"), ((b"n", b"a"), (b"n*2", b"c"))),
        ((b"n*0", b"a", b"N*1", b"b", b"n*0", b"c"), ((b"n", b"ab"), (b"n*0", b"c"))),
        ((b"n*01", b"a"), ((b"n*01", b"a"),)),
    ],
)
def test_continued_parameters(
    given: tuple[bytes, ...], merged: tuple[tuple[bytes, bytes], ...]
) -> None:
    parameters = tuple(zip(given[::2], given[1::2], strict=True))
    assert merged_parameters(parameters) == merged


@given(st.lists(st.sampled_from([b"a/b", b";", b"=", b'"', b"\\", b"(", b")", b" ", b"x", b"*0"])))
def test_any_value_has_an_answer(pieces: list[bytes]) -> None:
    value = b"".join(pieces)
    media = parse_media(value)
    if media is not None:
        merged_parameters(media[1])
    parse_disposition(value)
    parse_languages(value)


@pytest.mark.parametrize("piece", [b";", b"; x", b'"', b'\\"', b"(", b"()", b" ", b"=", b";a=",
                                   b';a="', b'a"(', b";a*0="])  # fmt: skip
def test_hostile_values_cost_milliseconds(piece: bytes) -> None:
    value = b"a/b;" + piece * (60_000 // len(piece))
    begun = time.process_time()
    media = parse_media(value)
    assert media is not None
    merged_parameters(media[1])
    assert time.process_time() - begun < 0.3
