"""ETag and If-Match (RFC 9110 sections 8.8.3 and 13.1.1).

A mutable object's ETag is its version number in quotes; If-Match makes a change conditional on
it, so that two writers do not silently undo each other.
"""

from __future__ import annotations

import re
from typing import Final

from agentpost.errors import InvalidRequest, PreconditionFailed

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]{0,256})"')
_LIST: Final = re.compile(
    r'[ \t]*(?:W/)?"[\x21\x23-\x7e\x80-\xff]{0,256}"(?:[ \t]*,[ \t]*(?:W/)?"[\x21\x23-\x7e\x80-\xff]{0,256}")*[ \t]*'
)


def etag(version: int | str) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def if_match(value: str | None) -> frozenset[str] | None:
    """The versions that If-Match allows; ``None`` when it is absent or ``*``.

    A weak tag never matches: the comparison is the strong one.
    Raises: InvalidRequest when it is not a list of tags.
    """
    if value is None or value.strip(" \t") == "*":
        return None
    if _LIST.fullmatch(value) is None:
        raise InvalidRequest(
            "If-Match is not a list of entity tags.",
            fix='Send the ETag of the object as it was received, with its quotes: If-Match: "17".',
        )
    return frozenset(tag for weak, tag in _TAG.findall(value) if not weak)


def check_match(allowed: frozenset[str] | None, version: int | str) -> None:
    """Refuse a change of an object whose version is not among those of If-Match.

    Raises: PreconditionFailed.
    """
    if allowed is not None and str(version) not in allowed:
        raise PreconditionFailed


def not_modified(value: str | None, version: int | str) -> bool:
    """Whether If-None-Match (section 13.1.2, weak comparison) names the present version."""
    if value is None:
        return False
    if value.strip(" \t") == "*":
        return True
    return str(version) in {tag for _, tag in _TAG.findall(value)}
