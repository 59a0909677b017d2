"""Labels: which there are, and on how much; renamed and taken off everywhere (R44; API.md, Threads,
labels, search)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.errors import NotFound, UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery
from agentpost.http.resources.shapes import Label
from agentpost.limits import IdentityLimits
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


class ChangeLabelQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Where the label is changed."""

    inbox: Annotated[str | None, Meta(description="In this inbox only: its id or address")] = None


class RenamedLabelBody(Body, frozen=True, forbid_unknown_fields=True):
    """What the label is called from now on."""

    name: Label


class LabelChangeBody(msgspec.Struct, frozen=True):
    """What was done with a label."""

    name: Annotated[str, Meta(description="What it is called now, or was called")]
    changed_messages: Annotated[
        int, Meta(description="A message in several folders counts in each of them")
    ]
    changed_threads: int
    complete: Annotated[
        bool, Meta(description="false: there is more; the same request again goes on")
    ]


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


@routes.patch(
    "/labels/{label}",
    scope="labels:write",
    query=ChangeLabelQuery,
    body=RenamedLabelBody,
    answer=LabelChangeBody,
    summary="Rename a label",
    raises=(UnknownField, NotFound),
    examples={
        "request": {"name": "accounting"},
        "response": {
            "name": "accounting",
            "changed_messages": 12,
            "changed_threads": 3,
            "complete": True,
        },
    },
)
async def rename_label(request: Request[RenamedLabelBody, ChangeLabelQuery]) -> Response:
    """Renames the label on every message and thread within reach; mail programs see it at once.

    Where the new one is there already, they become one.
    """
    label, to = _named(request.params["label"]), _named(request.body.name)
    if to == label:
        raise checks.refuse("name", "is what the label is called already")
    return await _changed(request, label, to)


@routes.delete(
    "/labels/{label}",
    scope="labels:write",
    query=ChangeLabelQuery,
    answer=LabelChangeBody,
    summary="Delete a label",
    raises=(UnknownField, NotFound),
    examples={
        "response": {
            "name": "billing",
            "changed_messages": 12,
            "changed_threads": 3,
            "complete": True,
        }
    },
)
async def delete_label(request: Request[None, ChangeLabelQuery]) -> Response:
    """Takes the label off every message and thread within reach; these stay as they are otherwise."""
    return await _changed(request, _named(request.params["label"]), None)


def _named(name: str) -> str:
    """A label in its one spelling.  Raises: UnknownField."""
    (label,) = checks.labels((name,), IdentityLimits(), "name")
    if label.startswith("$"):
        raise checks.refuse("name", "begins with $: such labels belong to programs")
    return label


async def _changed(request: Request[Any, ChangeLabelQuery], label: str, to: str | None) -> Response:
    store, actor, limits = desk_of(request).store.relabelling, request.actor, IdentityLimits()
    inbox = request.query.inbox
    where = None if inbox is None else checks.place("inbox", inbox)
    holders = await store.holders(actor, label, where)
    if not holders:
        raise NotFound("There is no such label.")
    counts = {store.messages: 0, store.threads: 0}
    left = limits.label_batches
    for holder in holders:
        for change in counts:
            count = limits.label_batch
            while count == limits.label_batch and left > 0:
                count = await change(actor, holder, label, to, limits.label_batch)
                counts[change] += count
                left -= 1
    complete = left > 0 or not await store.holders(actor, label, where)
    messages, threads = counts.values()
    return Response(LabelChangeBody(to or label, messages, threads, complete))
