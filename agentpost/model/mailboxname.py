"""What a mailbox may be called, by whatever protocol it is named (RFC 9051 section 5.1).

Inside the house a name is Unicode in Normalization Form C with ``/`` between levels, the first
level INBOX in upper case.  A name is a row of a table and never a path: ``..`` means nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from agentpost.limits import GrammarLimits

SEPARATOR: Final = "/"

_INBOX: Final = re.compile(r"[Ii][Nn][Bb][Oo][Xx](?=/|\Z)")
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Controls, and the line and paragraph separators that Net-Unicode forbids (RFC 5198 section 2)."""


def canonical(name: str) -> str:
    """``name`` in Normalization Form C, its first level in upper case when it spells INBOX in
    whatever ASCII case."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    if name[:1] in ("i", "I") and _INBOX.match(name):
        return "INBOX" + name[5:]
    return name


def fault_of_name(name: str, limits: GrammarLimits) -> str | None:
    """Why no mailbox can have this canonical name, or None when one can."""
    if not name:
        return "must not be empty"
    if _FORBIDDEN.search(name):
        return "must not hold control characters"
    if len(name.encode("utf-8")) > limits.max_mailbox_octets:
        return f"must have at most {limits.max_mailbox_octets} octets"
    levels = name.split(SEPARATOR)
    if "" in levels:
        return "must not have empty levels"
    if len(levels) > limits.max_mailbox_levels:
        return f"must have at most {limits.max_mailbox_levels} levels"
    return None
