"""Where the parts of a multipart stand, by its boundary lines (RFC 2046 section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from agentpost.limits import MimeLimits
from agentpost.mime.header import Header, header_end
from agentpost.mime.media import Parameters, merged_parameters, parameter, parse_media

Region = tuple[int, int, int]
"""Where a part begins, where the boundary line after it does, and the line end before that."""

_AFTER_BOUNDARY = b" \t\r\n"


def boundary_of(parameters: Parameters) -> bytes:
    """The boundary of a multipart, empty without one; it never ends in white space.

    LENIENT_EXTENDED_BOUNDARY: RFC 2231 forms are of no use for a boundary, and occur.
    """
    value = parameter(parameters, b"boundary")
    if value is None:
        merged = merged_parameters(parameters)
        value = parameter(merged, b"boundary")
        if value is None:
            extended = parameter(merged, b"boundary*") or b""
            value = unquote_to_bytes(extended.rpartition(b"'")[2])
    return value.rstrip(b" \t")


def regions(
    octets: bytes,
    boundary: bytes,
    start: int,
    line: int,
    end: int,
    most: int,
    limits: MimeLimits,
) -> tuple[list[Region], int]:
    """The regions of the parts of a multipart whose body stands from ``start`` to ``line``, and
    where the line after its closing boundary begins, -1 when it is never closed.

    ``end`` is where the line end before ``line`` begins.  At most ``most`` regions are returned.

    LENIENT_SAME_BOUNDARY: some mail gives a multipart the boundary of the one it is in.  Each
    boundary line is then the innermost one's, until that is closed.
    """
    found: list[Region] = []
    open_at = part_at = -1
    inside = 0
    for at, after, closes in _boundary_lines(octets, boundary, start, line):
        if part_at >= 0 and _reopens(octets, boundary, part_at, at, limits):
            inside += 1
        part_at = -1 if closes else after
        if inside:
            inside -= 1 if closes else 0
            continue
        if open_at >= 0:
            found.append((open_at, at, _before_line(octets, open_at, at)))
        if closes:
            return found, after
        if len(found) == most:
            return found, -1
        open_at = after
    if open_at >= 0:
        found.append((open_at, line, max(open_at, end)))
    return found, -1


def _boundary_lines(
    octets: bytes, boundary: bytes, start: int, line: int
) -> Iterator[tuple[int, int, bool]]:
    """Where each boundary line begins, where the line after it does (-1 without one), and whether
    it closes the multipart.

    It may have white space after the boundary, or two hyphens and anything; whatever else follows
    makes it another boundary that begins alike.
    """
    delimiter = b"--" + boundary
    needle = b"\n" + delimiter
    at = start if octets.startswith(delimiter, start, line) else -1
    if at < 0:
        at = octets.find(needle, start, line) + 1
    while at > 0:
        after = at + len(delimiter)
        closes = octets.startswith(b"--", after, line)
        if closes or after == line or octets[after] in _AFTER_BOUNDARY:
            after = octets.find(b"\n", after, line) + 1
            yield at, after or -1, closes
            if not after:
                return
        at = octets.find(needle, after - 1, line) + 1


def _reopens(octets: bytes, boundary: bytes, start: int, stop: int, limits: MimeLimits) -> bool:
    """Whether the part at ``start`` is a multipart with the ``boundary`` of the one it is in."""
    end = header_end(octets, start, stop) or stop
    if octets.find(boundary, start, end) < 0:
        return False
    value = Header(octets, start, end, limits).first(b"content-type")
    media = None if value is None else parse_media(value, limits)
    return (
        media is not None
        and media[0].lower().startswith(b"multipart/")
        and boundary_of(media[1]) == boundary
    )


def _before_line(octets: bytes, start: int, at: int) -> int:
    """Where the line end before the line at ``at`` begins, not before ``start``."""
    if at <= start:
        return at
    at -= 1
    return at - 1 if at > start and octets[at - 1] == 13 else at
