"""Octets into text, whatever charset they claim (RFC 2045 section 5.1, RFC 2046 section 4.1.2).

Knows the names that mail uses for charsets.  Only codecs of this list are ever reached: Python
has others that unpack, rot or evaluate (``zip``, ``rot13``, ``unicode_escape``) and some whose
cost is not linear (``punycode``, ``idna``).  Decoding never fails; what cannot be read becomes
U+FFFD.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases

from agentpost.limits import MimeLimits

_DEFAULT = MimeLimits()

_CODECS = frozenset(
    [
        "ascii",
        "big5hkscs",
        "cp037",
        "cp437",
        "cp500",
        "cp720",
        "cp737",
        "cp775",
        "cp850",
        "cp852",
        "cp855",
        "cp856",
        "cp857",
        "cp858",
        "cp860",
        "cp861",
        "cp862",
        "cp863",
        "cp864",
        "cp865",
        "cp866",
        "cp869",
        "cp874",
        "cp875",
        "cp932",
        "cp949",
        "cp950",
        "cp1006",
        "cp1125",
        "cp1140",
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
        "euc_jis_2004",
        "euc_jisx0213",
        "euc_jp",
        "euc_kr",
        "gb18030",
        "hz",
        "iso2022_jp",
        "iso2022_jp_1",
        "iso2022_jp_2",
        "iso2022_jp_2004",
        "iso2022_jp_3",
        "iso2022_jp_ext",
        "iso2022_kr",
        "iso8859_2",
        "iso8859_3",
        "iso8859_4",
        "iso8859_5",
        "iso8859_6",
        "iso8859_7",
        "iso8859_8",
        "iso8859_9",
        "iso8859_10",
        "iso8859_11",
        "iso8859_13",
        "iso8859_14",
        "iso8859_15",
        "iso8859_16",
        "johab",
        "koi8_r",
        "koi8_t",
        "koi8_u",
        "kz1048",
        "mac_cyrillic",
        "mac_greek",
        "mac_iceland",
        "mac_latin2",
        "mac_roman",
        "mac_turkish",
        "ptcp154",
        "shift_jis_2004",
        "shift_jisx0213",
        "tis_620",
        "utf_16",
        "utf_16_be",
        "utf_16_le",
        "utf_32",
        "utf_32_be",
        "utf_32_le",
        "utf_7",
        "utf_8",
    ]
)
"""Python's codecs that may be used, by their names without aliases."""

# What mail says and what its senders mean: the larger charset that their systems really use.
_MEANT = {
    "latin_1": "cp1252",
    "big5": "big5hkscs",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso2022_jp": "iso2022_jp_ext",
}
_EXTRA = {
    "": "",
    "8bit": "ascii",
    "ansix341968": "ascii",
    "ascii7bit": "ascii",
    "chinesebig5": "big5hkscs",
    "cp10000": "mac_roman",
    "cp10007": "mac_cyrillic",
    "cp20127": "ascii",
    "cp28591": "cp1252",
    "cp28605": "iso8859_15",
    "cp50220": "iso2022_jp_ext",
    "cp51932": "euc_jp",
    "cp54936": "gb18030",
    "cp65000": "utf_7",
    "cp65001": "utf_8",
    "cseuckr": "cp949",
    "csiso2022jp": "iso2022_jp_ext",
    "default": "",
    "dos850": "cp850",
    "gb23121980": "gb18030",
    "iso10646ucs2": "utf_16",
    "iso88598e": "iso8859_8",
    "iso88598i": "iso8859_8",
    "iso88591windows1252": "cp1252",
    "iso885911": "iso8859_11",
    "koi8": "koi8_r",
    "koi8ru": "koi8_u",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "macintosh": "mac_roman",
    "shiftjis": "cp932",
    "ucs2": "utf_16",
    "unicode": "utf_16",
    "unicode11utf7": "utf_7",
    "unicode11utf8": "utf_8",
    "unicode20utf8": "utf_8",
    "unknown": "",
    "unknown8bit": "",
    "usascii": "ascii",
    "utf": "utf_8",
    "utf8mb4": "utf_8",
    "viscii": "cp1258",
    "win1250": "cp1250",
    "win1251": "cp1251",
    "win1252": "cp1252",
    "windows31j": "cp932",
    "windows874": "cp874",
    "xbig5": "big5hkscs",
    "xeucjp": "euc_jp",
    "xeuckr": "cp949",
    "xgbk": "gb18030",
    "xmaccyrillic": "mac_cyrillic",
    "xmacroman": "mac_roman",
    "xmssjis": "cp932",
    "xsjis": "cp932",
    "xunknown": "",
    "xwindows949": "cp949",
}
_NOT_PLAIN = re.compile(r"[^a-z0-9]")
_UPPER_CONTROLS = re.compile(b"[\x80-\x9f]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("", name)


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for alias, codec in aliases.items():
        if codec in _CODECS or codec in _MEANT:
            table[_plain(alias)] = codec
    for codec in (*_CODECS, *_MEANT):
        table[_plain(codec)] = codec
        for prefix in ("cp", "windows", "ibm", "xcp", "windowscp"):
            if codec.startswith("cp"):
                table[prefix + codec[2:]] = codec
    table.update(_EXTRA)
    return {alias: _MEANT.get(codec, codec) for alias, codec in table.items()}


_TABLE = _table()
_MAX_NAME = 64


def codec_of(charset: str | None) -> str:
    """The Python codec for the charset that mail calls ``charset``; empty when there is none.

    Spelling does not matter beyond letters and digits.  ISO-8859-1 gives windows-1252, as its
    senders mean (the WHATWG Encoding standard says the same), and likewise for other charsets
    whose larger sibling is what systems really send.
    """
    if not charset or len(charset) > _MAX_NAME or not charset.isascii():
        return ""
    return _TABLE.get(_plain(charset.lower()), "")


def decode(octets: bytes, charset: str | None = None) -> str:
    """``octets`` as text of ``charset``; U+FFFD for what is not.

    Without a charset, or with one that does not fit at all, UTF-8 when it is valid UTF-8, else
    windows-1252.  Text has no NUL and no lone surrogates, so that a database can hold it.
    """
    codec = codec_of(charset)
    if codec in ("", "ascii"):
        text = decode_undeclared(octets)
    elif codec == "utf_8":
        text = octets.decode("utf-8", "replace")
    elif codec == "cp1252":
        text = octets.decode("latin-1" if not _UPPER_CONTROLS.search(octets) else codec, "replace")
    else:
        try:
            text = octets.decode(codec, "replace")
        except (UnicodeError, LookupError, ValueError):
            text = decode_undeclared(octets)
    return storable(text)


def decode_undeclared(octets: bytes) -> str:
    """``octets`` as ASCII or UTF-8 when they are, as windows-1252 otherwise."""
    if octets.isascii():
        return octets.decode("ascii")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def decode_guessing(octets: bytes, limits: MimeLimits = _DEFAULT) -> str:
    """``octets`` as text when nothing says their charset: UTF-8, else what they look like.

    The guess looks at the first ``limits.max_sample_octets`` octets of lines that are not ASCII;
    it takes milliseconds, so it is for reading a message and not for its arrival.
    """
    if octets.isascii():
        return storable(octets.decode("ascii"))
    try:
        return storable(octets.decode("utf-8"))
    except UnicodeDecodeError:
        pass
    sample = bytearray()
    for line in octets[: 16 * limits.max_sample_octets].split(b"\n"):
        if not line.isascii():
            sample += line + b"\n"
            if len(sample) >= limits.max_sample_octets:
                break
    codec = _guess(bytes(sample[: limits.max_sample_octets]))
    return storable(octets.decode(codec or "cp1252", "replace"))


def _guess(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, steps=3, chunk_size=512).best()
    return "" if best is None else codec_of(best.encoding)


def storable(text: str) -> str:
    """``text`` without NUL and with U+FFFD for lone surrogates."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return _UNSTORABLE.sub(_replacement, text) if _UNSTORABLE.search(text) else text


def _replacement(found: re.Match[str]) -> str:
    return "" if found[0] == "\0" else "\ufffd"
