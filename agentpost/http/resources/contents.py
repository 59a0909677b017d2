"""What is in a message: its octets, its files, its delivery (API.md, Messages)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.clock import rfc3339
from agentpost.errors import NotFound, RangeNotSatisfiable
from agentpost.http.answer import JSON
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp
from agentpost.http.resources.shown import (
    AttachmentBody,
    RecipientStateBody,
    delivery_body,
    file_body,
)
from agentpost.http.serving import PARTS, RAW, media_of, name_of, served
from agentpost.mail.reading import file_octets, files
from agentpost.model.message import MessageContent
from agentpost.store import checks
from agentpost.store.messages import StoredOctets

routes = Routes("Messages")

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


class DownloadQuery(Query, frozen=True, forbid_unknown_fields=True):
    """The octets, or a URL that gives them."""

    presigned: Annotated[
        bool,
        Meta(description="Answer with a URL that works without a key for a quarter of an hour"),
    ] = False


class LinkBody(msgspec.Struct, frozen=True):
    """A URL that gives a file to whoever has it."""

    url: str
    expires_at: Timestamp
    filename: str
    mime_type: str
    size: Annotated[int, Meta(description="Octets")]


_LINK: Final = {
    "url": "https://mail.acme.example/files/AbCd...",
    "expires_at": EXAMPLE_TIME,
    "filename": "invoice.pdf",
    "mime_type": "application/pdf",
    "size": 48211,
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
    query=DownloadQuery,
    answer=bytes,
    produces=(RAW, JSON),
    json_answer=LinkBody,
    summary="Get the raw message",
    raises=(RangeNotSatisfiable,),
    also=PARTS,
    examples={"response": _LINK},
)
async def get_raw(request: Request[None, DownloadQuery]) -> Response:
    """The message exactly as it was received or sent, octet for octet (RFC 5322).

    The ETag is the SHA-256 of the octets.  Range, If-Range and If-None-Match are understood.
    With ``presigned=true`` the answer is JSON with a URL that gives them for a quarter of an hour, without a
    key: from the bucket where large messages lie in one, else from this server.
    """
    desk, actor, message = desk_of(request), request.actor, _message(request)
    stored = await desk.store.messages.octets(actor, message)
    name = f"{message}.eml"
    if not request.query.presigned:
        return served(request, desk.store.blobs, stored, stored.sha256.hex(), RAW, name)
    ends = desk.links.ends()
    url = None
    if stored.location is not None:
        url = await desk.store.blobs.download_url(stored.location, name, RAW, ends)
    if url is None:
        found = await desk.store.messages.get(actor, message)
        url = desk.links.download(actor, found, "raw", ends)
    return _link(url, ends, name, RAW, stored.size)


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
    query=DownloadQuery,
    answer=bytes,
    produces=("*/*", JSON),
    json_answer=LinkBody,
    summary="Get an attachment",
    raises=(RangeNotSatisfiable,),
    also=PARTS,
    examples={"response": _LINK},
)
async def get_attachment_content(request: Request[None, DownloadQuery]) -> Response:
    """The file itself, decoded.  Range, If-Range and If-None-Match are understood.

    It comes from a stranger and is always offered as a download, never to be shown.  With
    ``presigned=true`` the answer is JSON with a URL that gives it for a quarter of an hour, without a key.
    """
    desk = desk_of(request)
    content = await _content(request)
    found = await file_octets(content, request.params["attachment"])
    if found is None:
        raise NotFound("There is no such attachment.")
    file, octets = found
    media, name = media_of(file), name_of(file)
    if request.query.presigned:
        ends = desk.links.ends()
        url = desk.links.download(request.actor, content.message, "attachment", ends, file.id)
        return _link(url, ends, name, media, len(octets))
    stored = StoredOctets(content.sha256, len(octets), octets, None)
    return served(request, desk.store.blobs, stored, file.id, media, name)


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


def _link(url: str, ends: datetime, name: str, media: str, size: int) -> Response:
    return Response(LinkBody(url, rfc3339(ends), name, media, size))
