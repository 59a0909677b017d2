"""Lists of ``tag=value`` as DKIM, ARC and DMARC write them (RFC 6376 section 3.2)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*+", re.ASCII)
_SPACE: Final = b" \t\r\n"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_TAGS: Final = 100
"""Tags of one list; eleven are defined for signatures, the longest list."""


class TagSyntax(Exception):
    """The list, or the value of one tag, is not what it must be."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A value without the space around it, and where it stands in the list with that space."""

    value: bytes
    start: int
    end: int


Tags = dict[bytes, Tag]


def parse(octets: bytes) -> Tags:
    """The tags of a list, in its order.

    Raises: TagSyntax, also for a name that stands twice (section 3.2).
    """
    if octets.count(b";") > _MAX_TAGS:
        raise TagSyntax("there are too many tags")
    if _CONTROL.search(octets):
        raise TagSyntax("there are control characters")
    tags: Tags = {}
    place = 0
    for part in octets.split(b";"):
        start, place = place, place + len(part) + 1
        if place > len(octets) and not part.strip(_SPACE):
            continue
        name, equals, value = part.partition(b"=")
        name = name.strip(_SPACE)
        if not equals or not _NAME.fullmatch(name):
            raise TagSyntax(f"{_shown(part)} is not a tag")
        if name in tags:
            raise TagSyntax(f"tag {name.decode()} stands twice")
        begins = start + part.index(b"=") + 1
        tags[name] = Tag(value.strip(_SPACE), begins, start + len(part))
    return tags


def words(octets: bytes) -> tuple[bytes, ...]:
    """The parts of a list with colons between them, without the space around each."""
    return tuple(each.strip(_SPACE) for each in octets.split(b":"))


def decoded(octets: bytes) -> bytes:
    """What base64 stands for; white space in it means nothing.  Raises: TagSyntax."""
    try:
        return base64.b64decode(b"".join(octets.split()), validate=True)
    except (binascii.Error, ValueError):
        raise TagSyntax("the base64 is broken") from None


def _shown(part: bytes) -> str:
    text = part.strip(_SPACE)[:40].decode("ascii", "backslashreplace")
    return f'"{text}"'
