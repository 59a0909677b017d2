"""Domain names as people write them and as DNS holds them (RFC 5890, RFC 5891, RFC 1123).

Kept and compared are A-labels in lower case; people are shown U-labels.  What RFC 5892 lets into a
U-label is taken by Unicode categories: letters, marks and digits in lower case, without the
characters that are allowed only beside certain others.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from agentpost.auth.addresses import lowered

MAX_CHARACTERS: Final = 253
_ACE: Final = "xn--"
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LOOKED_UP: Final = re.compile(r"[a-z0-9._-]{1,253}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_DOTS: Final = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
_ALLOWED: Final = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})


class NotADomain(ValueError):
    """This cannot be a domain of mail; the text says why."""


def a_labels(text: str) -> str:
    """``text`` as DNS holds it.  Raises: NotADomain."""
    if not text or len(text) > MAX_CHARACTERS:
        raise NotADomain(f"must have from 1 to {MAX_CHARACTERS} characters")
    name = ".".join(_a_label(label) for label in text.translate(_DOTS).removesuffix(".").split("."))
    labels = name.split(".")
    if len(name) > MAX_CHARACTERS:
        raise NotADomain(f"must have from 1 to {MAX_CHARACTERS} characters in ASCII")
    if len(labels) < 2:
        raise NotADomain("must be a whole domain such as example.com")
    if _NUMBER.fullmatch(labels[-1]) is not None:
        raise NotADomain("must be a name, not an address")
    return name


def u_labels(name: str) -> str:
    """``name``, which DNS holds, as people read it; a label that is none stays as it is."""
    return ".".join(_u_label(label) for label in name.split("."))


@lru_cache(maxsize=4096)
def looked_up(text: str) -> str:
    """The domain of somebody's address as ours are kept; text that is none is no domain of ours."""
    if text.isascii():
        name = lowered(text)
        return name if _LOOKED_UP.fullmatch(name) is not None else ""
    try:
        return a_labels(text)
    except NotADomain:
        return ""


def parents(name: str) -> tuple[str, ...]:
    """``name`` and every domain above it but the last label, the nearest first."""
    labels = name.split(".")
    return tuple(".".join(labels[first:]) for first in range(max(1, len(labels) - 1)))


def _a_label(label: str) -> str:
    if label.isascii():
        label = lowered(label)
        if _LABEL.fullmatch(label) is None:
            raise NotADomain("has a part that is not 1 to 63 letters, digits and inner hyphens")
        if label.startswith(_ACE):
            if _u_label(label) == label:
                raise NotADomain("has a part that begins with xn-- and is not a valid A-label")
        elif label[2:4] == "--":
            raise NotADomain("has a part with two hyphens in the third and fourth place")
        return label
    written = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", label).lower())
    _check_u_label(written)
    made = _ACE + written.encode("punycode").decode("ascii")
    if _LABEL.fullmatch(made) is None or _u_label(made) != written:
        raise NotADomain("has a part that is too long, or cannot be written in DNS")
    return made


def _u_label(label: str) -> str:
    if not label.startswith(_ACE):
        return label
    try:
        written = label[len(_ACE) :].encode("ascii").decode("punycode")
        _check_u_label(written)
        again = _ACE + written.encode("punycode").decode("ascii")
    except (UnicodeError, ValueError, OverflowError):
        return label
    return written if again == label else label


def _check_u_label(label: str) -> None:
    """Raises: NotADomain."""
    if label.isascii() or label != unicodedata.normalize("NFKC", label).lower():
        raise NotADomain("has a part that is not in lower case, or not in its plain form")
    if label[0] == "-" or label[-1] == "-" or label[2:4] == "--":
        raise NotADomain("has a part with a hyphen where none may be")
    if unicodedata.category(label[0]).startswith("M"):
        raise NotADomain("has a part that begins with an accent")
    for character in label:
        if character != "-" and unicodedata.category(character) not in _ALLOWED:
            raise NotADomain("has a character that no domain name may have")
