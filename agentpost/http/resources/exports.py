"""Exports over REST: files of mail or of the audit log (R7; API.md, Identity)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.clock import rfc3339
from agentpost.errors import AlreadyExists, Forbidden, Limit, NotFound, UnknownField
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, Moment, TimedListQuery
from agentpost.http.resources.contents import LinkBody
from agentpost.http.resources.marks import Folder, folder_in
from agentpost.http.resources.shapes import EXAMPLE_TIME, ClientId, Timestamp, page_of, when
from agentpost.model.actor import Actor
from agentpost.model.export import Export, ExportKind, ExportState, NewExport
from agentpost.store.blobs import location_of

routes = Routes("Exports")


class NewExportBody(Body, frozen=True, forbid_unknown_fields=True):
    """What is to be in a file."""

    kind: Annotated[
        ExportKind,
        Meta(
            description="mbox: one file (mboxrd). maildir: a tar archive with folders and flags."
            " jsonl: one message a line, with raw in base64. audit: the audit log, one entry a line"
        ),
    ]
    inbox_id: Annotated[
        str | None,
        Meta(description="By id or address; all inboxes that the key covers if left out"),
    ] = None
    folder: Folder | None = None
    after: Annotated[Moment | None, Meta(description="Made later than this")] = None
    before: Annotated[Moment | None, Meta(description="Made earlier than this")] = None
    client_id: ClientId | None = None


class ExportBody(msgspec.Struct, frozen=True):
    """A file of mail or of the audit log, and how far it is."""

    id: str
    kind: ExportKind
    inbox_id: str | None
    folder: str | None
    after: Timestamp | None
    before: Timestamp | None
    status: ExportState
    done: Annotated[int, Meta(description="Messages or entries that are in it")]
    total: Annotated[int | None, Meta(description="That will be; null until they are counted")]
    size: Annotated[int | None, Meta(description="Octets")]
    sha256: Annotated[str | None, Meta(description="Of the file, in hexadecimal")]
    error: Annotated[str | None, Meta(description="Why it failed")]
    download: Annotated[
        LinkBody | None,
        Meta(
            description="A link that works without a key for a quarter of an hour; each answer has a new one."
            " null until the file is done, and for a key that may not see what is in it"
        ),
    ]
    created_at: Timestamp
    finished_at: Timestamp | None
    expires_at: Annotated[Timestamp, Meta(description="Then the file is removed")]


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "exp_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "kind": "mbox",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "folder": None,
    "after": None,
    "before": None,
    "status": "done",
    "done": 1204,
    "total": 1204,
    "size": 73400320,
    "sha256": "a4" * 32,
    "error": None,
    "download": {
        "url": "https://mail.acme.example/files/AbCd...",
        "expires_at": EXAMPLE_TIME,
        "filename": "exp_01JQ8X5K2M3N4P5R6S7T8V9W00.mbox",
        "mime_type": "application/mbox",
        "size": 73400320,
    },
    "created_at": EXAMPLE_TIME,
    "finished_at": EXAMPLE_TIME,
    "expires_at": "2026-03-15T14:30:00.000Z",
}
_WAITING: Final = {
    **_EXAMPLE,
    "status": "pending",
    "done": 0,
    "total": None,
    "size": None,
    "sha256": None,
    "download": None,
    "finished_at": None,
}


@routes.post(
    "/exports",
    scope="exports:write",
    body=NewExportBody,
    answer=ExportBody,
    status=202,
    summary="Ask for an export",
    also={200: "It was asked for before with this client_id"},
    raises=(UnknownField, NotFound, Forbidden, Limit, AlreadyExists),
    examples={"request": {"kind": "mbox"}, "response": _WAITING},
)
async def create_export(request: Request[NewExportBody, None]) -> Response:
    """Begins to write a file of messages, exactly as they were received or sent, or of the audit
    log.  Ask for the export until it is done, then fetch ``download.url``.

    It needs ``messages:read``, or ``audit:read``.  The file holds what the key covers and may see:
    Trash, Junk and what was blocked only with ``trash:read``, ``spam:read``, ``blocked:read``.
    """
    desk, body = desk_of(request), request.body
    folder = None if body.folder is None else folder_in(body.folder)
    wanted = NewExport(body.kind, body.inbox_id, body.after, body.before, folder, body.client_id)
    export, created = await desk.store.exports.create(request.actor, wanted)
    if created:
        desk.store.committed.tell_queued()
    shown = await export_body(desk, request.actor, export)
    return Response(shown, status=202 if created else 200)


@routes.get(
    "/exports",
    scope="exports:write",
    query=TimedListQuery,
    answer=ListBody[ExportBody],
    summary="List exports",
    examples=page_of(_EXAMPLE),
)
async def list_exports(request: Request[None, TimedListQuery]) -> Response:
    """The exports of what the key covers, newest first.  They are kept for seven days."""
    desk, actor, query = desk_of(request), request.actor, request.query
    place = (actor.organization, "exports")
    page = await desk.store.exports.page(actor, desk.cursors.page(query, *place))
    shown = {export.id: await export_body(desk, actor, export) for export in page.rows}
    return Response(desk.cursors.body(page, lambda export: shown[export.id], query, *place))


@routes.get(
    "/exports/{export}",
    scope="exports:write",
    answer=ExportBody,
    summary="Get an export",
    raises=(NotFound,),
    examples={"response": _EXAMPLE},
)
async def get_export(request: Request[None, None]) -> Response:
    """How far an export is, and when it is done a link to its file: of the bucket where there is
    one, else of this server."""
    desk = desk_of(request)
    export = await desk.store.exports.get(request.actor, request.params["export"])
    return Response(await export_body(desk, request.actor, export))


async def export_body(desk: Desk, actor: Actor, export: Export) -> ExportBody:
    """An export as the API shows it to this actor."""
    return ExportBody(
        id=export.id,
        kind=export.kind,
        inbox_id=export.inbox,
        folder=export.folder,
        after=when(export.after),
        before=when(export.before),
        status=export.state,
        done=export.done,
        total=export.total,
        size=export.size,
        sha256=None if export.sha256 is None else export.sha256.hex(),
        error=export.error,
        download=await _download(desk, actor, export),
        created_at=rfc3339(export.created_at),
        finished_at=when(export.finished_at),
        expires_at=rfc3339(export.expires_at),
    )


async def _download(desk: Desk, actor: Actor, export: Export) -> LinkBody | None:
    if export.state != "done" or export.file is None or export.size is None:
        return None
    if not all(actor.may(scope) for scope in export.scopes):
        return None
    ends = min(desk.links.ends(), export.expires_at)
    location, name = location_of(export.file), export.filename
    url = await desk.store.blobs.download_url(location, name, export.media, ends)
    if url is None:
        url = desk.links.export(actor, export, ends)
    return LinkBody(url, rfc3339(ends), name, export.media, export.size)
