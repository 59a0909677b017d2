"""A message as signatures see it: fields, body, and their canonical forms (RFC 6376 section 3.4).

Everything takes time linear in the octets, whatever they are, and a body of 10 MB a few hundredths
of a second: it goes through whole-string operations, not through patterns, and what is cut from an
end is found from that end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from agentpost.limits import AuthenticationLimits

Form = Literal["simple", "relaxed"]
FORMS: Final[frozenset[str]] = frozenset({"simple", "relaxed"})

_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")
_TABS_TO_SPACES: Final = bytes.maketrans(b"\t", b" ")
_LINE_ENDS_BACKWARDS: Final = re.compile(rb"(?:\n\r)*+")
_BLANK: Final = b" \t"


@dataclass(frozen=True, slots=True)
class Field:
    """One header field; ``octets`` is all of it with its CRLF, ``name`` in lower case."""

    name: bytes
    octets: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, folding and all."""
        return self.octets.partition(b":")[2]


@dataclass(frozen=True, slots=True)
class Message:
    """Fields from the top down, and the body."""

    fields: tuple[Field, ...]
    body: bytes

    def named(self, name: bytes) -> tuple[Field, ...]:
        """The fields of this lower-case name, from the top down."""
        return tuple(each for each in self.fields if each.name == name)


class HeaderTooLarge(Exception):
    """The header section is beyond what anybody reads."""


def read(octets: bytes, limits: AuthenticationLimits) -> Message:
    """The message in ``octets``, whatever they are.

    Raises: HeaderTooLarge.

    LENIENT_LONE_LF: a line feed alone ends a line here as it does for everybody who reads the
    message, so that what is verified is what is shown.  Lines before the body that are no fields
    belong to no name and so to no signature.
    """
    if octets.count(b"\n") != octets.count(b"\r\n"):
        octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if octets.startswith(b"\r\n"):
        return Message((), octets[2:])
    header, end, body = octets.partition(b"\r\n\r\n")
    if len(header) > limits.max_header_octets:
        raise HeaderTooLarge
    fields: list[Field] = []
    place = 0
    for found in _FIELD_END.finditer(header):
        if len(fields) >= limits.max_header_fields:
            raise HeaderTooLarge
        fields.append(_field(header[place : found.start()]))
        place = found.end()
    rest = header[place:].removesuffix(b"\r\n") if not end else header[place:]
    if rest:
        fields.append(_field(rest))
    return Message(tuple(fields), body)


def _field(octets: bytes) -> Field:
    name, colon, _ = octets.partition(b":")
    return Field(name.rstrip(_BLANK).lower() if colon else b"", octets + b"\r\n")


def canonical_field(octets: bytes, form: Form) -> bytes:
    """One whole field (sections 3.4.1 and 3.4.2), CRLF included."""
    if form == "simple":
        return octets
    name, _, value = octets.partition(b":")
    value = _single_spaced(value.replace(b"\r\n", b"")).strip(_BLANK)
    return name.rstrip(_BLANK).lower() + b":" + value + b"\r\n"


def canonical_body(body: bytes, form: Form) -> bytes:
    """The body (sections 3.4.3 and 3.4.4)."""
    if form == "relaxed":
        body = _single_spaced(body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    kept = _without_last_line_ends(body)
    if form == "relaxed" and not kept:
        return b""
    return kept + b"\r\n"


def _single_spaced(octets: bytes) -> bytes:
    """Every run of spaces and tabs as one space.

    Each round halves all runs, so 24 of them do for any message.  A pattern would take twenty times
    as long, and nobody else could run meanwhile.
    """
    octets = octets.translate(_TABS_TO_SPACES)
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def _without_last_line_ends(body: bytes) -> bytes:
    tail = body[len(body.rstrip(b"\r\n")) :]
    ends = _LINE_ENDS_BACKWARDS.match(tail[::-1])
    assert ends is not None
    return body[: len(body) - ends.end()] if ends.end() else body
