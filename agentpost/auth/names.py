"""Domain names in the one form in which they are compared and asked for (RFC 5890, RFC 8616)."""

from __future__ import annotations

import re
from typing import Final

from agentpost.auth.addresses import lowered

_CHARACTERS: Final = 253
_LABEL: Final = r"[!-\-/-~]{1,63}"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_FORBIDDEN: Final = re.compile(r"[@:;,()<>\[\]\"\\]", re.ASCII)


def ascii_name(text: str) -> str | None:
    """``text`` in lower-case ASCII without the final dot, or None when it cannot be a name."""
    text = text.removesuffix(".")
    if len(text) > _CHARACTERS or _FORBIDDEN.search(text):
        return None
    if not text.isascii():
        try:
            text = ".".join(
                each if each.isascii() else each.encode("idna").decode("ascii")
                for each in text.split(".")
            )
        except UnicodeError:
            return None
    text = lowered(text)
    if len(text) > _CHARACTERS or not _NAME.fullmatch(text):
        return None
    return text


def is_under(name: str, domain: str) -> bool:
    """Whether ``name`` is ``domain`` or lies under it; both as :func:`ascii_name` gives them."""
    return name == domain or name.endswith("." + domain)
