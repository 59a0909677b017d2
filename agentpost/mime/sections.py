"""Sections of a message: BODY[2.1.HEADER] and its like, as slices (RFC 9051 section 6.4.5.1).

Numbers: the parts of a multipart count from 1; a message that is no multipart has a part 1, its
body; numbers after an embedded message count the parts of that message.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from agentpost.mime.header import select_fields
from agentpost.mime.scan import Part

Kind = Literal["", "HEADER", "TEXT", "MIME", "HEADER.FIELDS", "HEADER.FIELDS.NOT"]


def find_part(root: Part, path: Sequence[int]) -> Part | None:
    """The part that ``path`` names, counted from the message ``root``; None when there is none.

    The empty path is the message itself.
    """
    part = root
    descends = True
    for number in path:
        if part.is_message and not descends:
            part = part.children[0]
            descends = True
        if part.is_multipart and not part.opaque:
            if 1 <= number <= len(part.children):
                part = part.children[number - 1]
            elif number == 1:
                # BODYSTRUCTURE shows an empty part where a multipart has none.
                end = part.body_end
                part = Part(end, end, end, 0, b"text/plain", b"text/plain", defaulted=True)
            else:
                return None
            descends = False
        elif number == 1 and descends:
            descends = False
        else:
            return None
    return part


def section(
    octets: bytes,
    root: Part,
    path: Sequence[int],
    kind: Kind = "",
    names: Collection[bytes] = (),
) -> bytes | None:
    """The octets of a section of the message ``root``, or None when it does not exist.

    ``names`` are field names in any case, for the two kinds that take them.
    """
    part = find_part(root, path)
    if part is None:
        return None
    if kind == "MIME":
        return part.header(octets) if path else None
    if not path:
        message: Part | None = root
        if kind == "":
            return octets[part.header_start : part.body_end]
    elif kind == "":
        return part.body(octets)
    else:
        message = part.children[0] if part.is_message else None
    if message is None:
        return None
    if kind == "TEXT":
        return message.body(octets)
    if kind == "HEADER":
        return message.header(octets)
    wanted = frozenset(name.lower() for name in names)
    return select_fields(
        octets,
        message.header_start,
        message.header_end,
        wanted,
        exclude=kind == "HEADER.FIELDS.NOT",
    )
