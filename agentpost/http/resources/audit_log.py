"""The audit log over REST (R31; API.md, Identity): who did what, as JSON, NDJSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.errors import UnknownField
from agentpost.http.answer import JSON
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp, page_of
from agentpost.limits import AuditLimits
from agentpost.model.actor import Actor
from agentpost.model.audit import AuditEntry, AuditFilter, told_with_hashes
from agentpost.model.page import PageRequest
from agentpost.store import checks

routes = Routes("Audit log")

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
COLUMNS: Final = (
    "id",
    "sequence",
    "created_at",
    "organization_id",
    "environment_id",
    "actor",
    "action",
    "resource",
    "detail",
    "previous_hash",
    "hash",
)
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


class AuditQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """What the log is narrowed to; every given condition must hold."""

    actor: Annotated[str | None, Meta(description="The credential that did it, by its id")] = None
    action: Annotated[str | None, Meta(description="Such as api_key.created")] = None
    resource: Annotated[str | None, Meta(description="The id of what it was done to")] = None


class AuditEntryBody(msgspec.Struct, frozen=True):
    """One line of the audit log."""

    id: str
    sequence: Annotated[
        int | None,
        Meta(description="Its place in the organization's chain; null until it is sealed"),
    ]
    created_at: Timestamp
    organization_id: str
    environment_id: str | None
    actor: Annotated[str, Meta(description="A key, a mail credential, or a part of the server")]
    action: str
    resource: str | None
    detail: dict[str, Any]
    previous_hash: Annotated[str | None, Meta(description="Of the line before it")]
    hash: Annotated[
        str | None,
        Meta(
            description="SHA-256 over the line before and what this one says; docs/audit.md tells"
            " how to check it"
        ),
    ]


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "aud_0000000000000000000000004A",
    "sequence": 1042,
    "created_at": EXAMPLE_TIME,
    "organization_id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "environment_id": None,
    "actor": "key_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "action": "api_key.revoked",
    "resource": "key_01JQ8X5K2M3N4P5R6S7T8V9W01",
    "detail": {},
    "previous_hash": "5f" * 32,
    "hash": "a4" * 32,
}


@routes.get(
    "/audit-log",
    scope="audit:read",
    query=AuditQuery,
    answer=ListBody[AuditEntryBody],
    produces=(JSON, CSV, NDJSON),
    summary="List the audit log",
    raises=(UnknownField,),
    examples=page_of(_EXAMPLE),
)
async def list_audit_log(request: Request[None, AuditQuery]) -> Response:
    """Who did what to which resource, newest first unless asked otherwise.

    As JSON one page.  With ``Accept: text/csv`` or ``application/x-ndjson`` all that fits the
    filter, from the place of ``cursor`` on and whatever ``limit`` says.  A key that is bound to
    environments or inboxes sees what happened in them.
    """
    desk, actor, query = desk_of(request), request.actor, request.query
    wanted = AuditFilter(
        _searchable("actor", query.actor),
        _searchable("action", query.action),
        _searchable("resource", query.resource),
        query.after,
        query.before,
    )
    place = (actor.organization, "audit-log")
    page = desk.cursors.page(query, *place)
    media = _media(request.header("accept"))
    if media == JSON:
        found = await desk.store.audit.page(actor, wanted, page)
        return Response(desk.cursors.body(found, audit_body, query, *place))
    asked = PageRequest(AuditLimits().page, page.descending, page.position)
    # What is refused is refused before the answer begins.
    first = await desk.store.audit.page(actor, wanted, asked)
    lines = _csv if media == CSV else _ndjson
    suffix = "csv" if media == CSV else "ndjson"
    fields = (("content-disposition", f'attachment; filename="audit-log.{suffix}"'),)
    kind = f"{CSV}; charset=utf-8; header=present" if media == CSV else NDJSON

    async def pieces() -> AsyncIterator[bytes]:
        if media == CSV:
            yield _row(COLUMNS)
        async for rows in _pages(desk, actor, wanted, asked, first.rows, first.next_position):
            yield b"".join(lines(row) for row in rows)

    return Response(pieces(), fields=fields, media=kind)


def _searchable(name: str, text: str | None) -> str | None:
    return None if text is None else checks.searchable(name, text)


def audit_body(entry: AuditEntry) -> AuditEntryBody:
    """A line as the API shows it."""
    return AuditEntryBody(**told_with_hashes(entry))


async def _pages(
    desk: Desk,
    actor: Actor,
    wanted: AuditFilter,
    asked: PageRequest,
    rows: tuple[AuditEntry, ...],
    position: tuple[str, ...] | None,
) -> AsyncIterator[tuple[AuditEntry, ...]]:
    """The page that was read already, and all behind it."""
    while True:
        yield rows
        if position is None:
            return
        request = PageRequest(asked.limit, asked.descending, position)
        page = await desk.store.audit.page(actor, wanted, request)
        rows, position = page.rows, page.next_position


def _media(accept: str | None) -> str:
    """The kind that is asked for by name, in the order of Accept; JSON for whatever else."""
    for part in (accept or "").split(","):
        name = part.partition(";")[0].strip(" \t").lower()
        if name in (JSON, CSV, NDJSON):
            return name
        if name == "text/*":
            return CSV
    return JSON


def _ndjson(entry: AuditEntry) -> bytes:
    return (json.dumps(told_with_hashes(entry), ensure_ascii=False) + "\n").encode()


def _csv(entry: AuditEntry) -> bytes:
    told = told_with_hashes(entry)
    detail = json.dumps(told["detail"], ensure_ascii=False, sort_keys=True)
    return _row(tuple({**told, "detail": detail}[name] for name in COLUMNS))


def _row(values: tuple[Any, ...]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([_cell(value) for value in values])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """A value that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(_FORMULAS) else text
