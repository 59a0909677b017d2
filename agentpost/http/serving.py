"""Octets as downloads: whole or a range, from a row or piece by piece from the store of blobs.

What is served came from strangers.  It is always offered as a file to keep, under a type that no
browser runs and in a sandbox should one show it all the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

from agentpost.errors import NotFound, RangeNotSatisfiable
from agentpost.http.conditional import not_modified
from agentpost.http.endpoint import Request, Response
from agentpost.http.problems import problem_body
from agentpost.http.ranges import Span, wanted_span
from agentpost.mime.media import as_download
from agentpost.model.export import Export
from agentpost.model.reading import File
from agentpost.store.blobs import Blobs, location_of
from agentpost.store.messages import StoredOctets

PIECE_OCTETS: Final = 256 * 1024
"""What is held of a large message while it is sent, however slowly its reader reads."""

RAW: Final = "message/rfc822"
PARTS: Final = {206: "The range that was asked for", 304: "The client has it already"}

_MEDIA: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_UNKNOWN: Final = "application/octet-stream"
_CACHED: Final = ("cache-control", "private, max-age=31536000, immutable")
_HARMLESS: Final = (
    ("content-security-policy", "sandbox; default-src 'none'"),
    ("cross-origin-resource-policy", "same-site"),
    ("accept-ranges", "bytes"),
)


def served(
    request: Request[Any, Any],
    blobs: Blobs,
    stored: StoredOctets,
    tag: str,
    media: str,
    name: str,
    cache: tuple[str, str] = _CACHED,
) -> Response:
    """Octets as the file ``name``, or the part of them that is asked for; ``tag`` is their ETag."""
    if not_modified(request.header("if-none-match"), tag):
        return Response(None, status=304, version=tag, fields=(cache,))
    try:
        span = wanted_span(request.header("range"), request.header("if-range"), tag, stored.size)
    except RangeNotSatisfiable as problem:
        size = ("content-range", f"bytes */{stored.size}")
        body = problem_body(problem, request.request_id)
        return Response(body, status=416, fields=(size,))
    status = 200
    fields: tuple[tuple[str, str], ...]
    fields = (("content-disposition", as_download(name)), cache, *_HARMLESS)
    if span is None:
        span = Span(0, stored.size, stored.size)
    else:
        status = 206
        fields = (*fields, ("content-range", span.content_range))
    if stored.octets is not None:
        octets = stored.octets[span.start : span.end]
        return Response(octets, status, tag, fields, media)
    assert stored.location is not None
    pieces = _pieces(blobs, stored.location, span)
    return Response(pieces, status, tag, fields, media, span.end - span.start)


async def _pieces(blobs: Blobs, location: str, span: Span) -> AsyncIterator[bytes]:
    at = span.start
    while at < span.end:
        piece = await blobs.piece(location, at, min(PIECE_OCTETS, span.end - at))
        if not piece:
            return
        at += len(piece)
        yield piece


def stored_export(export: Export) -> StoredOctets:
    """Where the file of an export is.  Raises: NotFound while there is none."""
    if export.state != "done" or export.file is None:
        raise NotFound("There is no such file.")
    assert export.size is not None
    assert export.sha256 is not None
    return StoredOctets(export.sha256, export.size, None, location_of(export.file))


def media_of(file: File) -> str:
    """The type of a file, where it is one at all."""
    return file.mime_type if _MEDIA.fullmatch(file.mime_type) else _UNKNOWN


def name_of(file: File) -> str:
    """What a file is called when it is kept."""
    return file.filename or f"{file.id}.bin"
