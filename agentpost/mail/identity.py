"""Whose message it is and whether it may be one: what its octets must say (RFC 5322, RFC 6409).

Identity is decided on octets by strict parsing: whatever two readers could understand differently
is refused, because a mail client shows its own reading.
"""

from __future__ import annotations

import re

from agentpost.errors import (
    BareLineEnding,
    FromNotAllowed,
    MessageUnacceptable,
    RoutingLoop,
    TooLarge,
)
from agentpost.limits import MessageLimits

_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)([ \t]*):", re.ASCII)
_IDENTITY = frozenset({b"from", b"sender", b"resent-from", b"resent-sender"})


def check_submission(octets: bytes, own: frozenset[str], limits: MessageLimits) -> None:
    """Refuse a message that may not be sent by the owner of the addresses ``own``.

    ``own`` are canonical (lower-case).  Raises: TooLarge, BareLineEnding, MessageUnacceptable
    (malformed or excessive header), RoutingLoop, FromNotAllowed.
    Source: RFC 5322 section 3.6 (one From, one Sender), RFC 6409 section 6.
    """
    if len(octets) > limits.max_octets:
        raise TooLarge
    ends = octets.count(b"\r\n")
    if octets.count(b"\n") != ends or octets.count(b"\r") != ends or b"\0" in octets:
        raise BareLineEnding
    end = octets.find(b"\r\n\r\n")
    header = octets if end < 0 else octets[: end + 2]
    if octets.startswith(b"\r\n"):
        header = b""
    if len(header) > limits.max_header_octets:
        raise MessageUnacceptable(
            f"The header section is larger than {limits.max_header_octets} octets."
        )
    fields = _fields(header)
    if len(fields) > limits.max_header_fields:
        raise MessageUnacceptable(f"The header has more than {limits.max_header_fields} fields.")
    if sum(name == b"received" for name, _ in fields) > limits.max_received_fields:
        raise RoutingLoop
    _check_identity(fields, own)


def _fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """Names (lower-case) and raw values; refuses lines that are neither field nor folding."""
    fields: list[tuple[bytes, bytes]] = []
    for line in header.split(b"\r\n"):
        if not line:
            continue
        if line[0] in b" \t":
            if not fields:
                raise MessageUnacceptable("The message begins with a folded line.")
            name, value = fields[-1]
            fields[-1] = (name, value + b"\r\n" + line)
            continue
        match = _FIELD.match(line)
        if match is None:
            raise MessageUnacceptable("The header holds a line that is not a header field.")
        name = match[1].lower()
        if match[2] and name in _IDENTITY:
            raise MessageUnacceptable("There is white space between a field name and its colon.")
        fields.append((name, line[match.end() :]))
    return fields


def _check_identity(fields: list[tuple[bytes, bytes]], own: frozenset[str]) -> None:
    present = [(name, value) for name, value in fields if name in _IDENTITY]
    names = [name for name, _ in present]
    if names.count(b"from") != 1:
        raise MessageUnacceptable(
            f"A message has exactly one From field; this one has {names.count(b'from')}.",
            fix="Write one From field with the inbox's own address.",
        )
    if names.count(b"sender") > 1:
        raise MessageUnacceptable("A message has at most one Sender field.")
    for name, value in present:
        addresses = strict_addresses(value)
        if addresses is None:
            raise MessageUnacceptable(
                f"The {name.decode().title()} field cannot be read without doubt.",
                fix="Write it as: Name <local-part@domain>.",
            )
        for address in addresses:
            if address not in own:
                raise FromNotAllowed(
                    f"{name.decode().title()} names an address that does not belong to the inbox."
                )


_ATEXT = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]++"
_SPEC = _ATEXT + rb"(?:\." + _ATEXT + rb")*+@" + _ATEXT + rb"(?:\." + _ATEXT + rb")*+"
_PHRASE = rb"(?:\"(?:[^\"\\]|\\.)*+\"|[^\"<>,;:@()\\])*+"
# Possessive repetition: what was taken is never given back, so hostile input costs linear time.
_STRICT_MAILBOX = re.compile(
    rb"[ \t]*+(?:(?P<bare>" + _SPEC + rb")|" + _PHRASE + rb"<(?P<angle>" + _SPEC + rb")>)"
    rb"[ \t]*+(?:,|\Z)"
)
_MAX_IDENTITY_OCTETS = 16 * 1024
"""Longest From or Sender value that is read at all; real ones have a few hundred octets."""


def strict_addresses(value: bytes) -> tuple[str, ...] | None:
    """The addr-specs of a From or Sender value, lower-case; None when there is any doubt.

    Understands ``a@b`` and ``Name <a@b>``, comma separated.  Comments, groups, routes, quoted
    local parts and address literals are doubt: no client of ours needs them to name itself.
    """
    if len(value) > _MAX_IDENTITY_OCTETS:
        return None
    value = value.replace(b"\r\n", b"")
    found: list[str] = []
    position = 0
    while position < len(value):
        match = _STRICT_MAILBOX.match(value, position)
        if match is None or match.end() == position:
            return None
        spec = match["bare"] or match["angle"]
        try:
            found.append(spec.decode("utf-8").lower() if spec.isascii() else spec.decode("utf-8"))
        except UnicodeDecodeError:
            return None
        position = match.end()
    return tuple(found) or None
