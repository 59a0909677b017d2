"""Several messages in one request, each with a result of its own (API.md, Messages)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agentpost.errors import NotFound, Problem
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.resources.marks import MarksBody, change_of
from agentpost.http.resources.shown import (
    DEFAULT_CHARS,
    EXAMPLE,
    MaxChars,
    MessageBody,
    View,
    changed_body,
)
from agentpost.http.resources.views import viewed
from agentpost.store import checks

routes = Routes("Messages")

Ids = Annotated[list[str], Meta(min_length=1, max_length=100)]


_IDS: Final = {"ids": [EXAMPLE["id"]]}
_FOUND: Final = {"results": [{"id": EXAMPLE["id"], "status": 200, "message": EXAMPLE}]}


class BatchGetBody(Body, frozen=True, forbid_unknown_fields=True):
    """Messages to read."""

    ids: Ids
    view: View = "summary"
    max_chars: MaxChars = DEFAULT_CHARS


class BatchMarksBody(MarksBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Messages to change, all in the same way."""

    ids: Ids


class BatchDeleteBody(Body, frozen=True, forbid_unknown_fields=True):
    """Messages to delete."""

    ids: Ids
    permanent: bool = False


class ResultErrorBody(msgspec.Struct, frozen=True):
    """Why one message of several failed."""

    code: str
    message: str
    fix: str


class ResultBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one message of several; ``status`` is what a request of its own would say."""

    id: str
    status: int
    message: MessageBody | None = None
    error: ResultErrorBody | None = None


class ResultsBody(msgspec.Struct, frozen=True):
    """One result for each id, in the order of the request."""

    results: list[ResultBody]


@routes.post(
    "/messages/batch-get",
    scope="messages:read",
    body=BatchGetBody,
    answer=ResultsBody,
    summary="Get several messages",
    examples={"request": _IDS, "response": _FOUND},
)
async def get_messages(request: Request[BatchGetBody, None]) -> Response:
    """Up to 100 messages, each with a result of its own."""
    desk, body, actor = desk_of(request), request.body, request.actor
    ids = [name for name in body.ids if _is_name(name)]
    found = await desk.store.messages.some(actor, ids)
    results = []
    for name in body.ids:
        message = found.get(name)
        if message is None:
            results.append(_refused(name, NotFound("There is no such message.")))
            continue
        try:
            shown = await viewed(desk, actor, message, body.view, body.max_chars)
        except NotFound as problem:
            results.append(_refused(name, problem))
            continue
        results.append(ResultBody(name, 200, shown))
    return Response(ResultsBody(results))


@routes.post(
    "/messages/batch-update",
    scope="labels:write",
    body=BatchMarksBody,
    answer=ResultsBody,
    summary="Change several messages",
    examples={"request": {**_IDS, "seen": True}, "response": _FOUND},
)
async def update_messages(request: Request[BatchMarksBody, None]) -> Response:
    """Changes up to 100 messages in the same way, each with a result of its own."""
    store, change = desk_of(request).store, change_of(request.body)
    results = []
    for name in request.body.ids:
        try:
            message = await store.messages.update(request.actor, checks.identifier(name), change)
        except Problem as problem:
            results.append(_refused(name, problem))
        else:
            results.append(ResultBody(name, 200, changed_body(request.actor, message)))
    return Response(ResultsBody(results))


@routes.post(
    "/messages/batch-delete",
    scope="messages:delete",
    body=BatchDeleteBody,
    answer=ResultsBody,
    summary="Delete several messages",
    examples={"request": _IDS, "response": {"results": [{"id": EXAMPLE["id"], "status": 204}]}},
)
async def delete_messages(request: Request[BatchDeleteBody, None]) -> Response:
    """Deletes up to 100 messages, each with a result of its own."""
    store, body = desk_of(request).store, request.body
    results = []
    for name in body.ids:
        try:
            await store.messages.delete(
                request.actor, checks.identifier(name), permanent=body.permanent
            )
        except Problem as problem:
            results.append(_refused(name, problem))
        else:
            results.append(ResultBody(name, 204))
    return Response(ResultsBody(results))


def _is_name(name: str) -> bool:
    try:
        checks.identifier(name)
    except NotFound:
        return False
    return True


def _refused(name: str, problem: Problem) -> ResultBody:
    error = ResultErrorBody(problem.code, problem.message, problem.fix)
    return ResultBody(name, problem.column.http, error=error)
