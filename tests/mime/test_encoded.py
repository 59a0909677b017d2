"""Encoded-words and parameters."""

from __future__ import annotations

import re
import time
from email.header import decode_header as python_decode
from email.header import make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.encoded import (
    decode_header,
    decode_parameter,
    encode_header,
    encode_parameter,
    lenient_base64,
)
from agentpost.mime.media import parse_disposition


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"  folded\r\n\ttext ", "folded text"),
        (b"=?utf-8?Q?J=C3=B6rg?=", "Jörg"),
        (b"=?UTF-8?b?SsO2cmc=?= rest", "Jörg rest"),
        (b"a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"),
        (b"=?utf-8?q?b?=\r\n =?iso-8859-1?q?=E9?=", "bé"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=B6?=", "ö"),  # a character split over two words
        (b"=?utf-8?b?w7Y?= =?utf-8?b?w7Y=?=", "öö"),  # padding left out
        (b"=?utf-8?q?a_b=20c?=", "a b c"),
        (b"=?utf-8*de?q?x?=", "x"),
        (b"=?utf-8?q?two words?=", "two words"),
        (b"x=?utf-8?q?y?=z", "xyz"),
        (b"=?x-none?q?=E9?=", "é"),
        (b"=?rot13?q?abc?=", "abc"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?abc", "=?utf-8?q?abc"),
        (b"=?utf-8?q??=", ""),
        ("grün".encode(), "grün"),
        (b"gr\xfcn", "grün"),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        (b"=?utf-8?b?AA==?=", ""),
        (b"a\0b", "a b"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?utf-7?q?+2AA-?=", "\ufffd"),
    ],
)
def test_header_text(value: bytes, text: str) -> None:
    assert decode_header(value) == text


@given(st.text(max_size=200))
def test_what_is_written_is_read_again(text: str) -> None:
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    field = encode_header("Subject", clean)
    assert field.isascii()
    for line in field.split(b"\r\n"):
        assert len(line) <= 78
    for word in re.findall(rb"=\?[^ ]*\?=", field):
        assert len(word) <= 75
        word.decode("ascii")
    value = field.removesuffix(b"\r\n").partition(b":")[2]
    if "=?" not in clean:
        assert decode_header(value) == clean


@given(st.text("aé日 ", min_size=1, max_size=60).map(str.strip))
def test_python_reads_our_words_alike(text: str) -> None:
    field = encode_header("Subject", text).decode("ascii").partition(": ")[2]
    assert str(make_header(python_decode(field))).strip() == " ".join(text.split(" ")).strip()


@given(st.lists(st.sampled_from([b"=?", b"?=", b"?", b"utf-8", b"q", b"b", b"=C3", b"_", b" ",
                                 b"\r\n ", b"\xff", b"w7Y=", b"\0", b"x"])))  # fmt: skip
def test_any_value_becomes_storable_text(pieces: list[bytes]) -> None:
    text = decode_header(b"".join(pieces))
    text.encode()
    assert not set(text) & set("\0\r\n\x85\u2028")


@pytest.mark.parametrize("piece", [b"=?", b"=?a?q?", b"=?utf-8?q?a?=", b"=?utf-8?q?a?= ", b"?=",
                                   b"=?a", b"=?utf-8?b?=?= ", b"\r\n "])  # fmt: skip
def test_hostile_words_cost_milliseconds(piece: bytes) -> None:
    value = piece * (120_000 // len(piece))
    begun = time.process_time()
    decode_header(value)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (((b"filename", b"a.txt"),), "a.txt"),
        (((b"FileName", b"=?utf-8?q?=C3=B6?="),), "ö"),
        (((b"filename*", b"utf-8'de'%C3%B6.txt"),), "ö.txt"),
        (((b"filename", b"plain"), (b"filename*", b"utf-8''ext")), "ext"),
        (((b"filename*0*", b"utf-8''%C3"), (b"filename*1*", b"%B6"), (b"filename*2", b"%.t")),
         "ö%.t"),
        (((b"filename*0", b"a"), (b"filename*1", b"b")), "ab"),
        (((b"filename*", b"%C3%B6"),), "ö"),
        (((b"filename*", b"x-none''%E9"),), "é"),
        (((b"filename", b"\xc3\xb6"),), "ö"),
        (((b"filename*", b"utf-8''a%00%0d%0ab"),), "a b"),
        (((b"name", b"x"),), None),
        ((), None),
    ],
)  # fmt: skip
def test_parameters(parameters: tuple[tuple[bytes, bytes], ...], text: str | None) -> None:
    assert decode_parameter(parameters, b"filename") == text


@given(st.text(max_size=300))
def test_a_written_parameter_is_read_again(text: str) -> None:
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    written = b"attachment" + encode_parameter("filename", clean)
    assert written.isascii()
    assert all(len(line) <= 78 for line in written.split(b"\r\n"))
    parsed = parse_disposition(written.replace(b"\r\n", b""))
    assert parsed is not None
    if "=?" not in clean:
        assert decode_parameter(parsed[1], b"filename") == clean


@pytest.mark.parametrize(
    ("content", "octets"),
    [(b"YWJj", b"abc"), (b"YWI=", b"ab"), (b"YWI", b"ab"), (b"YW\r\nI=", b"ab"), (b"Y", b""),
     (b"YQ==YWI=", b"aab"), (b"Y!W@I=", b"ab"), (b"", b""), (b"====", b"")],
)  # fmt: skip
def test_lenient_base64(content: bytes, octets: bytes) -> None:
    assert lenient_base64(content) == octets
