"""Mailbox names on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire.utf7 import (
    decode,
    decode_keyword,
    decode_name,
    encode,
    encode_keyword,
    encode_name,
)


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"&U,BTF2XlZyyKng-", "台北日本語"),
        (b"&Jjo-!", "☺!"),
        (b"&-", "&"),
        (b"A&-B", "A&B"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"&2D3cqQ-", "💩"),
        (b"&AA0ACg-", "\r\n"),
        (b"", ""),
        (b"INBOX", "INBOX"),
    ],
)
def test_canonical_names_go_both_ways(octets: bytes, name: str) -> None:
    assert decode(octets) == name
    assert encode(name) == octets


@pytest.mark.parametrize(
    "octets",
    [
        b"&", b"a&", b"&&-", b"&2D3", b"&2D0-", b"&AGE-", b"&AC8-", b"&AEkATgBCAE8AWA-", b"&Jjo!",
        b"&U,BTFw-&ZeVnLIqe-", b"&ACY-", b"&AGE", b"&3Kk-", b"&AOl-", b"&AOkA-", b"&A-", b"&AO/p-",
        b"&AOk=-", b"\xc3\xa9", b"\xff\xfe", b"INBOX\x00", b"a\r", b"a\x7f",
    ],
)  # fmt: skip
def test_what_is_not_canonical_is_no_name(octets: bytes) -> None:
    assert decode(octets) is None


@given(st.text())
def test_every_name_survives_modified_utf7(name: str) -> None:
    octets = encode(name)
    assert octets.isascii()
    assert decode(octets) == name


@given(st.binary(max_size=30) | st.text("&-,/+AOkaU2D3cqQ", max_size=20).map(str.encode))
def test_no_two_spellings_mean_one_name(octets: bytes) -> None:
    name = decode(octets)
    assert name is None or encode(name) == octets


@given(st.text(max_size=12) | st.text("&-AOk a", max_size=9))
def test_every_label_survives_as_a_keyword(label: str) -> None:
    atom = encode_keyword(label)
    assert not set(atom) & set('(){ %*"\\]\r\n')
    assert decode_keyword(atom) == label


@given(st.text("&-AOk,+x", min_size=1, max_size=12))
def test_every_keyword_keeps_its_spelling(atom: str) -> None:
    assert encode_keyword(decode_keyword(atom)) == atom


def test_ordinary_keywords_are_labels_as_they_are() -> None:
    for word in ("$Forwarded", "NonJunk", "work", "a&b"):
        assert encode_keyword(word) == word
        assert decode_keyword(word) == word
    assert encode_keyword("needs reply") == "needs&ACA-reply"
    assert decode_keyword("&AOk-t&AOk-") == "été"


def test_names_are_composed() -> None:
    assert decode_name("Cafe\u0301".encode(), utf8=True) == "Café"
    assert decode_name(encode("Cafe\u0301"), utf8=False) == "Café"


def test_the_mode_decides_the_encoding() -> None:
    assert decode_name(b"a&-b", utf8=True) == "a&-b"
    assert decode_name("é".encode(), utf8=False) is None
    assert decode_name(b"\xff", utf8=True) is None
    assert encode_name("é&", utf8=True) == "é&".encode()
    assert encode_name("é&", utf8=False) == b"&AOk-&-"
