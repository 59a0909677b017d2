"""Waiting for a message with one request (API.md: GET /inboxes/:inbox/wait)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.errors import Forbidden, InvalidCursor, UnknownField
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.extracting import FoundBody, Kind, told
from agentpost.http.paging import filter_digest
from agentpost.http.resources.shapes import EXAMPLE_TIME
from agentpost.http.waiting import Awaited, Position, mark_of
from agentpost.model.inbox import LocalAddress

routes = Routes("Inboxes")

MAX_WAIT_S: Final = 300.0
RESUME: Final = "agentpost-resume"
"""The field of an answer without a message that tells where to go on."""


class WaitQuery(
    Query, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}, kw_only=True
):
    """Which message is waited for; every given condition must hold."""

    from_: Annotated[
        Annotated[str, Meta(max_length=320)] | None,
        Meta(description="Part of the sender's name or address"),
    ] = None
    subject_contains: Annotated[str, Meta(max_length=1000)] | None = None
    thread_id: str | None = None
    in_reply_to: Annotated[
        Annotated[str, Meta(max_length=998)] | None,
        Meta(description="Message-ID that it answers or refers to"),
    ] = None
    labels: Annotated[list[str], Meta(max_length=50, description="It has all of them")] = (
        msgspec.field(default_factory=list)
    )
    since: Annotated[
        Annotated[int, Meta(ge=0, le=2**63 - 1)] | None,
        Meta(description="Also what came after this modseq; now when left out"),
    ] = None
    resume: Annotated[
        str | None, Meta(description="What an earlier wait answered; goes before since")
    ] = None
    extract: Annotated[list[Kind], Meta(description="What to look for in the message")] = (
        msgspec.field(default_factory=list)
    )
    mark: Annotated[
        Annotated[str, Meta(max_length=120)] | None,
        Meta(
            description="seen or label:<label>: only a message without the mark, which gets it;"
            " of several that wait, one is given it. Needs labels:write",
        ),
    ] = None
    include: Annotated[
        list[Literal["spam", "trash", "blocked"]],
        Meta(description="Also what lands in Junk or Trash; needs spam:read, trash:read"),
    ] = msgspec.field(default_factory=list)
    timeout_s: Annotated[float, Meta(ge=0, le=MAX_WAIT_S)] = 60.0


EXAMPLE: Final[dict[str, Any]] = {
    "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "from_address": {"email": "no-reply@example.org", "name": "Example"},
    "subject": "Your code",
    "preview": "Your verification code is 482913.",
    "labels": [],
    "received_at": EXAMPLE_TIME,
    "verified_domain": "example.org",
    "untrusted": True,
    "extract": {"otp": ["482913"], "links": []},
}


@routes.get(
    "/inboxes/{inbox}/wait",
    scope="messages:read",
    query=WaitQuery,
    answer=FoundBody,
    summary="Wait for a message",
    raises=(Forbidden, InvalidCursor, UnknownField),
    waits=True,
    deadline_s=MAX_WAIT_S + 15,
    also={204: "None came in time"},
    examples={"response": EXAMPLE},
)
async def wait_for_message(request: Request[None, WaitQuery]) -> Response:
    """The first message that comes to the inbox and fits, as soon as it is there.

    Without `since` and `resume` it must come from now on.  An answer without a message (204, after
    `timeout_s`) has the field `AgentPost-Resume`: wait on with it as `resume`, and nothing is
    missed between the two.  `extract` finds one-time codes and links.  The answer to a wait with
    `mark` can be lost with its connection, and the message is marked all the same: to work through
    every message exactly once, use claims.
    """
    desk, query, actor = desk_of(request), request.query, request.actor
    local = await desk.store.directory.reach(actor, "messages:read", request.params["inbox"])
    awaited = Awaited(
        query.from_,
        query.subject_contains,
        query.thread_id,
        query.in_reply_to,
        tuple(query.labels),
        frozenset(query.include),
        mark_of(query.mark),
    )
    since = _since(desk, local, query)
    waited = await desk.waiter.next(
        actor, local.inbox, awaited, query.timeout_s, since, desk.stopping
    )
    resume = desk.cursors.seal((str(waited.position[0]), waited.position[1]), _digest(local))
    if waited.message is None:
        return Response(status=204, fields=((RESUME, resume),))
    return Response(
        await told(desk.store, actor, waited.message, kinds=query.extract, resume=resume)
    )


def _since(desk: Desk, local: LocalAddress, query: WaitQuery) -> Position | None:
    if query.resume is not None:
        modseq, message = desk.cursors.open(query.resume, _digest(local))
        return int(modseq), message
    return None if query.since is None else (query.since, "")


_NO_FILTER: Final = WaitQuery()


def _digest(local: LocalAddress) -> bytes:
    return filter_digest(_NO_FILTER, (local.organization, local.inbox, "wait"))
