"""One form of an address, so that the same inbox is found however it is written.

Source: RFC 5321 sections 2.4 (domains compare without case; local parts are the host's own
matter, and ours are lower-case) and 4.1.2 (quoting that is not needed changes nothing).
Only ASCII letters are folded: ``str.lower`` would make U+212A (the Kelvin sign) a ``k``, and so
a stranger's address one of ours.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_REMEMBERED: Final = 4096
"""Addresses whose reading is remembered: each is asked about several times a message."""
_FOLD: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_ATOMS: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+"
_NEEDLESS_QUOTES: Final = re.compile(rf'"({_ATOMS})"(@[^@]*)', re.ASCII)
_OURS: Final = re.compile(r"[a-z0-9._-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?", re.ASCII)


def lowered(text: str) -> str:
    """``text`` with its ASCII capitals, and nothing else, in lower case."""
    return text.translate(_FOLD)


@lru_cache(maxsize=_REMEMBERED)
def canonical(address: str) -> str:
    """``address`` in lower-case ASCII, without needless quotes; its tag stays.  Never fails."""
    quoted = _NEEDLESS_QUOTES.fullmatch(address)
    if quoted is not None:
        address = quoted[1] + quoted[2]
    return lowered(address)


@lru_cache(maxsize=_REMEMBERED)
def split_tag(address: str) -> tuple[str, str | None]:
    """The canonical address without its tag, and the tag: ``user+tag@domain``.

    The first plus sign divides, since no user name of ours holds one.  The tag keeps its case.
    """
    quoted = _NEEDLESS_QUOTES.fullmatch(address)
    if quoted is not None:
        address = quoted[1] + quoted[2]
    local, at, domain = address.rpartition("@")
    user, plus, tag = local.partition("+")
    if not plus or not user:
        return canonical(address), None
    return lowered(user + at + domain), tag


def is_ours(address: str) -> bool:
    """Whether a canonical address without a tag could be an inbox's; says nothing of existence."""
    return _OURS.fullmatch(address) is not None
