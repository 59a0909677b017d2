"""Labels: which there are, and on how much (R44; API.md, Threads, labels, search)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery
from agentpost.model.label import LabelCount
from agentpost.store import checks

routes = Routes("Labels")


class LabelsQuery(ListQuery, frozen=True, forbid_unknown_fields=True):
    """Labels are listed by name."""

    order: Annotated[Literal["desc", "asc"], Meta(description="asc: by name")] = "asc"
    inbox: Annotated[str | None, Meta(description="Of this inbox only: its id or address")] = None


class LabelBody(msgspec.Struct, frozen=True):
    """A label and what has it; messages and threads have theirs independently."""

    name: str
    message_count: int
    thread_count: int


_EXAMPLE: Final[dict[str, Any]] = {"name": "billing", "message_count": 12, "thread_count": 3}


def label_body(label: LabelCount) -> LabelBody:
    """A label as the API shows it."""
    return LabelBody(label.name, label.messages, label.threads)


@routes.get(
    "/labels",
    scope="labels:write",
    query=LabelsQuery,
    answer=ListBody[LabelBody],
    summary="List labels",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None, "has_more": False}},
)
async def list_labels(request: Request[None, LabelsQuery]) -> Response:
    """The labels in use where the key reaches, by name; Trash, Junk and Drafts do not count."""
    desk, query = desk_of(request), request.query
    where = None if query.inbox is None else checks.place("inbox", query.inbox)
    place = (request.actor.organization, "labels")
    page = await desk.store.labels.page(request.actor, desk.cursors.page(query, *place), where)
    return Response(desk.cursors.body(page, label_body, query, *place))
