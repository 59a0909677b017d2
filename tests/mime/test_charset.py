"""Octets into text."""

from __future__ import annotations

import codecs
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime import charset
from agentpost.mime.charset import codec_of, decode, decode_guessing, storable


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("utf-8", "utf_8"), ("UTF8", "utf_8"), ("us-ascii", "ascii"), ("ANSI_X3.4-1968", "ascii"),
        ("iso-8859-1", "cp1252"), ("ISO_8859-1", "cp1252"), ("latin1", "cp1252"),
        ("windows-1252", "cp1252"), ("cp-1251", "cp1251"), ("x-cp1251", "cp1251"),
        ("ISO-8859-15", "iso8859_15"), ("iso-8859-8-i", "iso8859_8"), ("koi8-r", "koi8_r"),
        ("gb2312", "gb18030"), ("GBK", "gb18030"), ("x-gbk", "gb18030"), ("big5", "big5hkscs"),
        ("ks_c_5601-1987", "cp949"), ("euc-kr", "cp949"), ("shift_jis", "cp932"),
        ("x-sjis", "cp932"), ("windows-31j", "cp932"), ("iso-2022-jp", "iso2022_jp_ext"),
        ("utf-16le", "utf_16_le"), ("utf-7", "utf_7"), ("macintosh", "mac_roman"),
        ("windows-874", "cp874"), ("tis-620", "tis_620"), ("unicode-1-1-utf-7", "utf_7"),
    ],
)  # fmt: skip
def test_names_of_charsets(name: str, codec: str) -> None:
    assert codec_of(name) == codec


@pytest.mark.parametrize(
    "name",
    ["zip", "zlib", "bz2", "hex", "base64", "quopri", "uu", "rot13", "rot_13", "unicode_escape",
     "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "oem", "charmap", "palmos",
     "", None, "x" * 10_000, "../../etc", "ｕｔｆ-8", "os", "aliases", "unknown-8bit"],
)  # fmt: skip
def test_other_codecs_are_out_of_reach(name: str | None) -> None:
    assert codec_of(name) == ""


def test_every_codec_of_the_table_exists_and_gives_text() -> None:
    for codec in set(charset._TABLE.values()) - {""}:
        codecs.lookup(codec)
        assert isinstance(decode(bytes(range(256)), codec), str)


@pytest.mark.parametrize(
    ("octets", "name", "text"),
    [
        (b"\xe9", "iso-8859-1", "é"),
        (b"\x93x\x94", "iso-8859-1", "“x”"),
        (b"\x81", "windows-1252", "\ufffd"),
        ("é".encode(), "us-ascii", "é"),
        (b"\xe9", "us-ascii", "é"),
        (b"\xe9", None, "é"),
        ("é".encode(), "x-nonsense", "é"),
        (b"a\xffb", "utf-8", "a\ufffdb"),
        ("日本".encode("iso-2022-jp"), "ISO-2022-JP", "日本"),
        ("日本".encode("gb18030"), "gb2312", "日本"),
        ("日本".encode("euc-kr"), "ks_c_5601-1987", "日本"),
        (b"a\0b", "utf-8", "ab"),
        ("ab".encode("utf-16"), "utf-16", "ab"),
        (b"\x00\xd8", "utf-16-le", "\ufffd"),
        (b"+2AA-", "utf-7", "\ufffd"),
    ],
)
def test_decoding(octets: bytes, name: str | None, text: str) -> None:
    assert decode(octets, name) == text


@given(st.binary(max_size=200), st.sampled_from([*sorted(set(charset._TABLE.values())), None]))
def test_any_octets_become_storable_text(octets: bytes, name: str | None) -> None:
    text = decode(octets, name)
    text.encode()
    assert "\0" not in text


@given(st.text())
def test_storable_text_has_no_surrogates(text: str) -> None:
    storable(text).encode()
    assert storable("a\ud800b\0c") == "a\ufffdbc"


def test_the_guess_is_bounded_and_knows_common_letters() -> None:
    russian = "Привет, это обычное письмо на русском языке о погоде. " * 5
    assert decode_guessing(russian.encode("utf-8")) == russian
    assert "письмо" in decode_guessing(russian.encode("koi8-r"))
    begun = time.process_time()
    decode_guessing(bytes(range(128, 256)) * 20_000)
    assert time.process_time() - begun < 1.5


@pytest.mark.parametrize("codec", sorted(set(charset._TABLE.values()) - {""}))
def test_every_codec_is_linear_on_nonsense(codec: str) -> None:
    octets = b"\xff\x1b$B~{+\x80" * 12_000
    begun = time.process_time()
    decode(octets, codec)
    assert time.process_time() - begun < 0.5
