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
_NOTHING_BEFORE_PARAMETERS = re.compile(_SPACE + b"()(?=;)")
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
    + rb'(?:"((?:[^"\\]++|\\.)*+)("|\\?\Z)|([^;"\r\n\t ][^;\r\n\t ]*+)|)',
    re.DOTALL,
)
_REST = re.compile(rb"[^;]*+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_COMMENTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(?<![^\s;/=)])\(|[^"(]++|\(', re.DOTALL)
_IN_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)
_LANGUAGE = re.compile(_SPACE + rb"([^\x00-\x20\x7f()<>@,;:\\\".\[\]]++)" + _SPACE)
_FILE_NAMES = frozenset((b"name", b"filename"))
_NEEDED = frozenset((b"boundary", b"charset"))
_SHORT = 256
_CONTINUED = re.compile(rb"([^*]++)\*(?:(0|[1-9][0-9]{0,3})(\*?)|)\Z")
_MAX_CONTINUATIONS = 200
_PERCENT = re.compile(rb"[^!#$&+\-.0-9A-Z^_`a-z{|}~]")


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
    """A Content-Disposition value: its token as found, and its parameters; None when it is none.

    LENIENT_NO_DISPOSITION: an empty token before parameters, which name a file all the same.
    """
    value = _without_comments(value[: limits.max_value_octets])
    found = _LEADING.match(value) or _NOTHING_BEFORE_PARAMETERS.match(value)
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


def merged_parameters(parameters: Parameters) -> Parameters:
    """``parameters`` with the pieces of continued ones put together, as IMAP shows them.

    ``name*0``, ``name*1`` become ``name``; when a piece is in the extended form (``name*0*``)
    the result is ``name*``, still percent-encoded, and plain pieces are encoded to fit.  A
    series starts at 0; pieces that do not fit into one stay as they are.

    Source: RFC 2231 sections 3 and 4.1, RFC 9051 section 7.5.2 (body parameter list).
    """
    if not any(b"*" in name for name, _ in parameters):
        return parameters
    series: dict[tuple[bytes, int], tuple[int, bool]] = {}
    for position, (name, _) in enumerate(parameters):
        found = _CONTINUED.match(name)
        if found is not None and found[2] is not None:
            series.setdefault((found[1].lower(), int(found[2])), (position, found[3] == b"*"))
    used: set[int] = set()
    merged: dict[int, tuple[bytes, bytes]] = {}
    for (key, number), (position, _) in series.items():
        if number != 0:
            continue
        pieces: list[tuple[int, bool]] = []
        while len(pieces) < _MAX_CONTINUATIONS and (key, len(pieces)) in series:
            pieces.append(series[key, len(pieces)])
        used.update(at for at, _ in pieces)
        extended = any(is_extended for _, is_extended in pieces)
        values = [
            parameters[at][1] if is_extended or not extended else percent_encoded(parameters[at][1])
            for at, is_extended in pieces
        ]
        if extended and not pieces[0][1]:
            values.insert(0, b"''")
        name = parameters[position][0].partition(b"*")[0]
        merged[position] = (name + b"*" if extended else name, b"".join(values))
    return tuple(
        merged.get(position, one)
        for position, one in enumerate(parameters)
        if position in merged or position not in used
    )


def percent_encoded(value: bytes) -> bytes:
    """``value`` with everything but RFC 2231's attribute characters percent-encoded."""
    return _PERCENT.sub(lambda found: b"%%%02X" % found[0][0], value)


def _parameters(value: bytes, start: int, limits: MimeLimits) -> Parameters:
    if start == len(value):
        return ()
    found: list[tuple[bytes, bytes]] = []
    for one in _PARAMETER.finditer(value, start):
        name, quoted, closing, bare = one.groups()
        if quoted is not None:
            if closing != b'"' and name.lower() not in _NEEDED:
                # A quoted string that never ends is no value, nor is what it swallowed.
                break
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


def as_download(name: str) -> str:
    """Content-Disposition of an HTTP answer that is to be kept as ``name``.

    The name stands there in both forms (RFC 6266 section 4.3, RFC 8187), the first without what
    readers of headers disagree about.
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    value = f'attachment; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{percent_encoded(name.encode()).decode()}"
    return value
