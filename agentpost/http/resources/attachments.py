"""Files handed in before the messages that carry them, and links that open files (API.md,
Attachments; R6, R8).
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.clock import rfc3339
from agentpost.errors import (
    Limit,
    LinkExpired,
    LinkInvalid,
    NotFound,
    RangeNotSatisfiable,
    UnknownField,
)
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.forms import FORM, FormPart, read_form
from agentpost.http.links import ROOT, bearer
from agentpost.http.resources.letters import UNKNOWN_TYPE
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp
from agentpost.http.services import Services
from agentpost.http.serving import PARTS, RAW, media_of, name_of, served, stored_export
from agentpost.mail.reading import file_octets
from agentpost.model.upload import NewUpload, Upload
from agentpost.store import checks
from agentpost.store.messages import StoredOctets

routes = Routes("Attachments")
public = Routes("Attachments", root="")

_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_PRIVATE: Final = ("cache-control", "private, no-store")
_QUIET: Final = ("referrer-policy", "no-referrer")
_FIELDS: Final = frozenset({"filename", "mime_type", "sha256"})

Sha256 = Annotated[
    str,
    Meta(pattern="^[0-9A-Fa-f]{64}$", description="Of the octets; another file is refused"),
]


class NewUploadBody(Body, frozen=True, forbid_unknown_fields=True):
    """A file that will be uploaded."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    size: Annotated[int, Meta(ge=0, description="Octets, exactly")]
    mime_type: (
        Annotated[str, Meta(max_length=200, description="By the name's extension when left out")]
        | None
    ) = None
    sha256: Sha256 | None = None


class UploadUrlBody(msgspec.Struct, frozen=True):
    """Where to put the file, and how messages name it then."""

    key: Annotated[str, Meta(description="For attachments[].key of a message, within 24 hours")]
    upload_url: Annotated[str, Meta(description="PUT the octets there, without a key")]
    headers: Annotated[dict[str, str], Meta(description="Header fields to send with the PUT")]
    expires_at: Annotated[Timestamp, Meta(description="When upload_url ends")]


class UploadBody(msgspec.Struct, frozen=True):
    """A file that was uploaded."""

    key: Annotated[str, Meta(description="For attachments[].key of a message")]
    filename: str | None
    mime_type: str
    size: Annotated[int, Meta(description="Octets")]
    expires_at: Annotated[Timestamp, Meta(description="Until when messages may name it")]


_KEY: Final = "upl_01JQ8X5K2M3N4P5R6S7T8V9W00"
_UPLOAD: Final[dict[str, Any]] = {
    "key": _KEY,
    "filename": "invoice.pdf",
    "mime_type": "application/pdf",
    "size": 48211,
    "expires_at": EXAMPLE_TIME,
}


@routes.post(
    "/attachments/upload-url",
    scope="messages:write",
    body=NewUploadBody,
    answer=UploadUrlBody,
    status=201,
    summary="Announce a file to upload",
    raises=(UnknownField, NotFound, Limit),
    examples={
        "request": {"filename": "invoice.pdf", "mime_type": "application/pdf", "size": 48211},
        "response": {
            "key": _KEY,
            "upload_url": "https://mail.acme.example/files/AbCd...",
            "headers": {"Content-Type": "application/pdf"},
            "expires_at": EXAMPLE_TIME,
        },
    },
)
async def create_upload_url(request: Request[NewUploadBody, None]) -> Response:
    """The first of two steps: gives the file a key, and a URL that takes its octets by PUT.

    The URL is that of the bucket where one is configured, else of this server.  The key belongs to
    the environment; it may be attached to messages for 24 hours, then the file is removed.
    """
    desk, actor, body = desk_of(request), request.actor, request.body
    media = _media(body.mime_type, body.filename)
    sha256 = None if body.sha256 is None else bytes.fromhex(body.sha256)
    file = NewUpload(body.filename, media, body.size, sha256)
    ends = desk.links.ends()
    upload, ticket = await desk.attaching.announce(actor, file)
    if ticket is None:
        url, headers = desk.links.upload(actor, upload, ends), {"Content-Type": upload.mime_type}
    else:
        url, headers = ticket.url, dict(ticket.headers)
    return Response(UploadUrlBody(upload.key, url, headers, rfc3339(ends)))


@routes.post(
    "/attachments",
    scope="messages:write",
    body=bytes,
    accepts=(FORM,),
    answer=UploadBody,
    status=201,
    summary="Upload a file",
    raises=(UnknownField, NotFound, Limit),
    carries_mail=True,
    examples={"response": _UPLOAD},
)
async def upload_attachment(request: Request[bytes, None]) -> Response:
    """Both steps in one, for small files: a form (multipart/form-data) whose part ``file`` is the
    file.  Fields ``filename``, ``mime_type`` and ``sha256`` may stand beside it.
    """
    desk = desk_of(request)
    parts = read_form(request.header("content-type") or "", request.body)
    file, octets = _file_of(parts)
    return _shown(await desk.attaching.take(request.actor, file, octets))


def _admitted(services: Services, params: dict[str, str]) -> int:
    """Octets that an upload link takes.  Raises: LinkInvalid, LinkExpired."""
    assert isinstance(services, Desk)
    return services.links.open(params["token"], "PUT").octets


@public.put(
    ROOT + "/{token}",
    public=True,
    body=bytes,
    accepts=("*/*",),
    answer=UploadBody,
    summary="Upload by link",
    raises=(LinkInvalid, LinkExpired, NotFound, UnknownField),
    carries_mail=True,
    gate=_admitted,
    secret_path=True,
    examples={"response": _UPLOAD},
)
async def put_file(request: Request[bytes, None]) -> Response:
    """Takes the octets of an announced file; the URL is an ``upload_url`` of this server."""
    desk = desk_of(request)
    link = desk.links.open(request.params["token"], "PUT")
    return _shown(await desk.attaching.receive(bearer(link), link.subject, request.body))


@public.get(
    ROOT + "/{token}",
    public=True,
    answer=bytes,
    produces=("*/*",),
    summary="Download by link",
    raises=(LinkInvalid, LinkExpired, NotFound, RangeNotSatisfiable),
    also=PARTS,
    secret_path=True,
)
async def get_file(request: Request[None, None]) -> Response:
    """Gives the message, attachment or export that the link was made for, always as a download.

    Range, If-Range and If-None-Match are understood.
    """
    desk = desk_of(request)
    link = desk.links.open(request.params["token"], "GET")
    messages, actor = desk.store.messages, bearer(link)
    if link.kind == "raw":
        stored = await messages.octets(actor, link.subject)
        tag, media, name = stored.sha256.hex(), RAW, f"{link.subject}.eml"
    elif link.kind == "export":
        export = await desk.store.exports.get(actor, link.subject)
        stored = stored_export(export)
        tag, media, name = stored.sha256.hex(), export.media, export.filename
    else:
        content = await messages.content(actor, link.subject)
        found = await file_octets(content, link.part)
        if found is None:
            raise NotFound("There is no such attachment.")
        file, octets = found
        stored = StoredOctets(content.sha256, len(octets), octets, None)
        tag, media, name = file.id, media_of(file), name_of(file)
    answer = served(request, desk.store.blobs, stored, tag, media, name, _PRIVATE)
    return replace(answer, fields=(*answer.fields, _QUIET))


def _file_of(parts: list[FormPart]) -> tuple[NewUpload, bytes]:
    """The one file of a form, and what stands beside it.  Raises: UnknownField."""
    fields: dict[str, str] = {}
    found: FormPart | None = None
    for part in parts:
        if part.name == "file" and found is None:
            found = part
        elif part.name in _FIELDS and part.name not in fields:
            fields[part.name] = _field(part)
        else:
            raise checks.refuse(part.name[:100], "is not expected here, or stands twice")
    if found is None:
        raise checks.refuse("file", "is missing", fix="Send the file as the part named file.")
    filename = fields.get("filename") or found.filename
    sha256 = fields.get("sha256")
    if sha256 is not None and _SHA256.fullmatch(sha256) is None:
        raise checks.refuse("sha256", "must be 64 hexadecimal digits")
    media = _media(fields.get("mime_type") or found.media, filename)
    digest = None if sha256 is None else bytes.fromhex(sha256)
    return NewUpload(filename, media, len(found.octets), digest), found.octets


def _field(part: FormPart) -> str:
    try:
        return part.octets.decode()
    except UnicodeDecodeError:
        raise checks.refuse(part.name, "is not UTF-8") from None


def _media(given: str | None, filename: str | None) -> str:
    if given:
        return given
    return mimetypes.guess_type(filename or "", strict=False)[0] or UNKNOWN_TYPE


def _shown(upload: Upload) -> Response:
    ends = rfc3339(upload.expires_at)
    return Response(UploadBody(upload.key, upload.filename, upload.mime_type, upload.size, ends))
