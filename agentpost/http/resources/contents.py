"""What is in a message: its octets, its files, its delivery (API.md, Messages)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.errors import NotFound, RangeNotSatisfiable
from agentpost.http.conditional import not_modified
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.problems import problem_body
from agentpost.http.ranges import Span, wanted_span
from agentpost.http.resources.shapes import EXAMPLE_TIME
from agentpost.http.resources.shown import (
    AttachmentBody,
    RecipientStateBody,
    delivery_body,
    file_body,
)
from agentpost.mail.reading import file_octets, files
from agentpost.mime.media import percent_encoded
from agentpost.model.message import MessageContent
from agentpost.model.reading import File
from agentpost.store import checks
from agentpost.store.messages import StoredOctets

routes = Routes("Messages")

PIECE_OCTETS: Final = 256 * 1024
"""What is held of a large message while it is sent, however slowly its reader reads."""

_MEDIA: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_UNKNOWN: Final = "application/octet-stream"
_CACHED: Final = ("cache-control", "private, max-age=31536000, immutable")
_HARMLESS: Final = ("content-security-policy", "sandbox; default-src 'none'")
_PARTS: Final = {206: "The range that was asked for", 304: "The client has it already"}
_RANGES: Final = ("accept-ranges", "bytes")


_FILE: Final = {
    "id": "att_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "filename": "invoice.pdf",
    "mime_type": "application/pdf",
    "size": 48211,
    "inline": False,
    "content_id": None,
}
_DELIVERY: Final = {
    "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "status": "delivered",
    "recipients": [
        {
            "email": "ada@example.org",
            "state": "delivered",
            "local": False,
            "attempts": 1,
            "status": "2.0.0",
            "diagnostic": "smtp; 250 2.0.0 accepted",
            "history": [],
            "updated_at": EXAMPLE_TIME,
        }
    ],
}


class AttachmentsBody(msgspec.Struct, frozen=True):
    """The files of a message."""

    data: list[AttachmentBody]


class MessageDeliveryBody(msgspec.Struct, frozen=True):
    """How far a message has come."""

    message_id: str
    status: Annotated[str, Meta(description="All recipients together")]
    recipients: list[RecipientStateBody]


@routes.get(
    "/messages/{message}/raw",
    scope="messages:read",
    answer=bytes,
    produces=("message/rfc822",),
    summary="Get the raw message",
    raises=(RangeNotSatisfiable,),
    also=_PARTS,
)
async def get_raw(request: Request[None, None]) -> Response:
    """The message exactly as it was received or sent, octet for octet (RFC 5322).

    The ETag is the SHA-256 of the octets.  Range, If-Range and If-None-Match are understood.
    """
    desk = desk_of(request)
    stored = await desk.store.messages.octets(request.actor, _message(request))
    name = f"{request.params['message']}.eml"
    fields = (_disposition(name), _CACHED, _HARMLESS, _RANGES)
    tag = stored.sha256.hex()
    return _served(request, desk, stored, tag, "message/rfc822", fields)


@routes.get(
    "/messages/{message}/attachments",
    scope="messages:read",
    answer=AttachmentsBody,
    summary="List attachments",
    examples={"response": {"data": [_FILE]}},
)
async def list_attachments(request: Request[None, None]) -> Response:
    """The files of a message in their order; an attached message is one file."""
    content = await _content(request)
    return Response(AttachmentsBody([file_body(file) for file in await files(content)]))


@routes.get(
    "/messages/{message}/attachments/{attachment}",
    scope="messages:read",
    answer=AttachmentBody,
    summary="Get an attachment's description",
    examples={"response": _FILE},
)
async def get_attachment(request: Request[None, None]) -> Response:
    """Name, type and size of one file."""
    content = await _content(request)
    for file in await files(content):
        if file.id == request.params["attachment"]:
            return Response(file_body(file))
    raise NotFound("There is no such attachment.")


@routes.get(
    "/messages/{message}/attachments/{attachment}/content",
    scope="messages:read",
    answer=bytes,
    produces=("*/*",),
    summary="Get an attachment",
    raises=(RangeNotSatisfiable,),
    also=_PARTS,
)
async def get_attachment_content(request: Request[None, None]) -> Response:
    """The file itself, decoded.  Range, If-Range and If-None-Match are understood.

    It comes from a stranger and is always offered as a download, never to be shown.
    """
    content = await _content(request)
    found = await file_octets(content, request.params["attachment"])
    if found is None:
        raise NotFound("There is no such attachment.")
    file, octets = found
    media = file.mime_type if _MEDIA.fullmatch(file.mime_type) else _UNKNOWN
    fields = (_disposition(_name_of(file)), _CACHED, _HARMLESS, _RANGES)
    stored = StoredOctets(content.sha256, len(octets), octets, None)
    return _served(request, desk_of(request), stored, file.id, media, fields)


@routes.get(
    "/messages/{message}/delivery",
    scope="messages:read",
    answer=MessageDeliveryBody,
    summary="Get the delivery",
    examples={"response": _DELIVERY},
)
async def get_delivery(request: Request[None, None]) -> Response:
    """What became of a sent message, recipient by recipient, with its history."""
    messages = desk_of(request).store.messages
    name = _message(request)
    message = await messages.get(request.actor, name)
    deliveries = await messages.deliveries(request.actor, name)
    recipients = delivery_body(deliveries).recipients
    return Response(MessageDeliveryBody(message.id, message.state, recipients))


def _message(request: Request[Any, Any]) -> str:
    return checks.identifier(request.params["message"])


async def _content(request: Request[Any, Any]) -> MessageContent:
    return await desk_of(request).store.messages.content(request.actor, _message(request))


def _served(
    request: Request[Any, Any],
    desk: Desk,
    stored: StoredOctets,
    tag: str,
    media: str,
    fields: tuple[tuple[str, str], ...],
) -> Response:
    """Octets, or the part of them that is asked for."""
    if not_modified(request.header("if-none-match"), tag):
        return Response(None, status=304, version=tag, fields=(_CACHED,))
    try:
        span = wanted_span(request.header("range"), request.header("if-range"), tag, stored.size)
    except RangeNotSatisfiable as problem:
        size = ("content-range", f"bytes */{stored.size}")
        body = problem_body(problem, request.request_id)
        return Response(body, status=416, fields=(size,))
    status = 200
    if span is None:
        span = Span(0, stored.size, stored.size)
    else:
        status = 206
        fields = (*fields, ("content-range", span.content_range))
    if stored.octets is not None:
        octets = stored.octets[span.start : span.end]
        return Response(octets, status, tag, fields, media)
    assert stored.location is not None
    pieces = _pieces(desk, stored.location, span)
    return Response(pieces, status, tag, fields, media, span.end - span.start)


async def _pieces(desk: Desk, location: str, span: Span) -> AsyncIterator[bytes]:
    at = span.start
    while at < span.end:
        piece = await desk.store.blobs.piece(location, at, min(PIECE_OCTETS, span.end - at))
        if not piece:
            return
        at += len(piece)
        yield piece


def _name_of(file: File) -> str:
    return file.filename or f"{file.id}.bin"


def _disposition(name: str) -> tuple[str, str]:
    """Content-Disposition with the name in both forms (RFC 6266 section 4.3, RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    value = f'attachment; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{percent_encoded(name.encode()).decode()}"
    return "content-disposition", value
