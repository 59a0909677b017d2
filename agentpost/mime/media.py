"""Values of the Content- fields: a token, then parameters (RFC 2045 section 5.1, RFC 2183).

Parameters come out as octets, with names as found and quoting removed; what RFC 2231 and
RFC 2047 put into them is decoded in :mod:`agentpost.mime.encoded`.  Broken values give as much as
can be read without guessing what the sender meant.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agentpost.limits import MimeLimits

Parameters = tuple[tuple[bytes, bytes], ...]

_DEFAULT = MimeLimits()
_TOKEN = rb"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]++"
_SPACE = rb"[ \t\r\n]*+"
_MEDIA = re.compile(_SPACE + b"(" + _TOKEN + b")" + _SPACE + b"/" + _SPACE + b"(" + _TOKEN + b")")
_LEADING = re.compile(_SPACE + b"(" + _TOKEN + b")")
_WHOLE = re.compile(_SPACE + b"(" + _TOKEN + b")" + _SPACE + rb"\Z")
_PARAMETER = re.compile(
    b";"
    + _SPACE
    + b"("
    + _TOKEN
    + b")"
    + _SPACE
    + b"="
    + _SPACE
    # LENIENT_UNQUOTED: values with specials and without quotes are common in real mail.
    + rb'(?:"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)|([^;"\r\n\t ][^;\r\n\t ]*+)|)',
    re.DOTALL,
)
_REST = re.compile(rb"[^;]*+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_COMMENTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(?<![^\s;/=)])\(|[^"(]++|\(', re.DOTALL)
_IN_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)
_LANGUAGE = re.compile(_SPACE + rb"([^\x00-\x20\x7f()<>@,;:\\\".\[\]]++)" + _SPACE)
_FILE_NAMES = frozenset((b"name", b"filename"))
_SHORT = 256


def parse_media(value: bytes, limits: MimeLimits = _DEFAULT) -> tuple[bytes, Parameters] | None:
    """A Content-Type value: ``type/subtype`` as found, and its parameters.

    ``value`` is unfolded.  None when there is no type and subtype: such a part is text/plain
    (RFC 2045 section 5.2).
    """
    if limits is _DEFAULT and len(value) <= _SHORT:
        return _remembered_media(value)
    return _media(value, limits)


def _media(value: bytes, limits: MimeLimits) -> tuple[bytes, Parameters] | None:
    value = _without_comments(value[: limits.max_value_octets])
    found = _MEDIA.match(value)
    if found is None:
        return None
    return found[1] + b"/" + found[2], _parameters(value, found.end(), limits)


@lru_cache(maxsize=2048)
def _remembered_media(value: bytes) -> tuple[bytes, Parameters] | None:
    return _media(value, _DEFAULT)


def parse_disposition(
    value: bytes, limits: MimeLimits = _DEFAULT
) -> tuple[bytes, Parameters] | None:
    """A Content-Disposition value: its token as found, and its parameters; None without one."""
    value = _without_comments(value[: limits.max_value_octets])
    found = _LEADING.match(value)
    return None if found is None else (found[1], _parameters(value, found.end(), limits))


def parse_token(value: bytes) -> bytes:
    """The one token that ``value`` is, as found; empty when it is anything else.

    Source: RFC 2045 section 6.1 (Content-Transfer-Encoding); trailing text makes it invalid.
    """
    found = _WHOLE.match(value)
    if found is None and b"(" in value:
        found = _WHOLE.match(_without_comments(value))
    return b"" if found is None else found[1]


def parse_leading_token(value: bytes) -> bytes:
    """The token that ``value`` begins with, in lower case; empty when there is none."""
    found = _LEADING.match(_without_comments(value))
    return b"" if found is None else found[1].lower()


def parse_languages(value: bytes, limits: MimeLimits = _DEFAULT) -> tuple[bytes, ...]:
    """The tags of a Content-Language value (RFC 3282 section 2), up to the first that is none."""
    value = _without_comments(value[: limits.max_value_octets])
    tags: list[bytes] = []
    at = 0
    while len(tags) < limits.max_parameters and (found := _LANGUAGE.match(value, at)):
        tags.append(found[1])
        at = found.end()
        if value[at : at + 1] != b",":
            break
        at += 1
    return tuple(tags)


def parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """The value of the first parameter called ``name`` (lower case), None without one."""
    for found, value in parameters:
        if found == name or found.lower() == name:
            return value
    return None


def _parameters(value: bytes, start: int, limits: MimeLimits) -> Parameters:
    if start == len(value):
        return ()
    found: list[tuple[bytes, bytes]] = []
    for one in _PARAMETER.finditer(value, start):
        name, quoted, bare = one.groups()
        if quoted is not None:
            content = _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        elif bare is not None:
            content = bare
            if name.lower() in _FILE_NAMES:
                # LENIENT_SPACES: unquoted file names with spaces in them.
                rest = _REST.match(value, one.end())
                content += b"" if rest is None else rest[0].rstrip(b" \t\r\n")
        else:
            content = b""
        found.append((name, content))
        if len(found) == limits.max_parameters:
            break
    return tuple(found)


def _without_comments(value: bytes) -> bytes:
    """``value`` with each comment outside quotes turned into one space (RFC 822 section 3.4.3)."""
    if b"(" not in value:
        return value
    pieces: list[bytes] = []
    at = 0
    while at < len(value):
        found = _COMMENTED.match(value, at)
        if found is None:
            break
        at = found.end()
        if found[0] != b"(" or (at > 1 and value[at - 2] not in b" \t\r\n;/=)"):
            pieces.append(found[0])
            continue
        at = comment_end(value, at)
        pieces.append(b" ")
    return b"".join(pieces)


def comment_end(value: bytes, at: int) -> int:
    """Where the comment ends whose "(" stands before ``at``; the end of ``value`` when open."""
    depth = 1
    for mark in _IN_COMMENT.finditer(value, at):
        if mark[0] == b"(":
            depth += 1
        elif mark[0] == b")":
            depth -= 1
            if depth == 0:
                return mark.end()
    return len(value)
