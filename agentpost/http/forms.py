"""Forms with files: the body of ``multipart/form-data`` (RFC 7578; RFC 2046 section 5.1).

Strict: every part has a name, lines end with CR LF, nothing stands before the first boundary or
between a boundary and its line end, and a form that does not end with its closing boundary was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agentpost.errors import UnknownField
from agentpost.limits import FileLimits
from agentpost.mime.media import parameter, parse_disposition, parse_media

FORM: Final = "multipart/form-data"

_MAX_BOUNDARY: Final = 70
_MAX_PART_HEAD: Final = 4 * 1024
_PLAIN: Final = frozenset({b"binary", b"8bit", b"7bit"})
"""RFC 7578 section 4.7: forms over HTTP carry octets as they are."""
_FIX: Final = 'Send the file as the part "file", as curl -F file=@report.pdf does.'


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part: a field, or a file where it has a name or a type of its own."""

    name: str
    filename: str | None
    media: str | None
    octets: bytes


def read_form(content_type: str, body: bytes, limits: FileLimits | None = None) -> list[FormPart]:
    """The parts of a form in their order.

    Raises: UnknownField when it is none, or has more parts than allowed.
    """
    most = (limits or FileLimits()).form_parts
    media = parse_media(content_type.encode("latin-1", "replace"))
    boundary = None if media is None else parameter(media[1], b"boundary")
    if not boundary or len(boundary) > _MAX_BOUNDARY:
        raise _wrong("Content-Type does not name the boundary of the form")
    first = b"--" + boundary
    if not body.startswith(first):
        raise _wrong("the body does not begin with the boundary of the form")
    delimiter = b"\r\n" + first
    parts: list[FormPart] = []
    at = len(first)
    while body[at : at + 2] != b"--":
        if len(parts) == most:
            raise _wrong(f"the form has more than {most} parts")
        end = body.find(delimiter, at)
        if end < 0:
            raise _wrong("the form does not end with its closing boundary")
        parts.append(_part(body, at, end))
        at = end + len(delimiter)
    return parts


def _part(body: bytes, start: int, end: int) -> FormPart:
    """The part whose boundary ends at ``start``, and before whose next one ``end`` is."""
    if body[start : start + 2] != b"\r\n":
        raise _wrong("a boundary does not end its line")
    blank = body.find(b"\r\n\r\n", start, min(end, start + _MAX_PART_HEAD))
    if blank < 0:
        raise _wrong("a part has no end of its header fields")
    disposition: bytes | None = None
    media: str | None = None
    for line in body[start + 2 : blank].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise _wrong("a header field of a part has no colon")
        if name.lower() == b"content-disposition":
            disposition = value
        elif name.lower() == b"content-type":
            media = _media(value)
        elif name.lower() == b"content-transfer-encoding" and value.strip().lower() not in _PLAIN:
            raise _wrong("a part is encoded; send its octets as they are")
    found = None if disposition is None else parse_disposition(disposition)
    name_octets = None if found is None else parameter(found[1], b"name")
    if found is None or found[0].lower() != b"form-data" or not name_octets:
        raise _wrong("a part has no name")
    file = parameter(found[1], b"filename")
    return FormPart(
        _text(name_octets), None if not file else _text(file), media, body[blank + 4 : end]
    )


def _media(value: bytes) -> str | None:
    found = parse_media(value)
    return None if found is None else found[0].decode("ascii", "replace").lower()


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _wrong("a name is not UTF-8") from None


def _wrong(what: str) -> UnknownField:
    return UnknownField(f"This is no form that can be read: {what}.", fix=_FIX)
