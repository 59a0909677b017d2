"""What happened in an inbox after a modseq (API.md: GET /inboxes/:inbox/changes)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agentpost.errors import FieldError, InvalidRequest
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes

routes = Routes("Changes")

_MAX_MODSEQ: Final = 2**63 - 1


class ChangesQuery(Query, frozen=True, forbid_unknown_fields=True):
    """From where on, and how much at once."""

    since: Annotated[
        int,
        Meta(ge=0, le=_MAX_MODSEQ, description="modseq of the last answer; 0 for everything"),
    ]
    limit: Annotated[
        int,
        Meta(ge=1, le=1000, description="Messages of one answer; what changed at once stays whole"),
    ] = 100


class ChangesBody(msgspec.Struct, frozen=True):
    """Ids of messages, each once; ask again with ``since=modseq``, at once when there is more."""

    created: list[str]
    updated: Annotated[list[str], Meta(description="Flags, labels or folder changed")]
    destroyed: list[str]
    modseq: Annotated[int, Meta(description="What IMAP calls HIGHESTMODSEQ")]
    has_more: bool


@routes.get(
    "/inboxes/{inbox}/changes",
    scope="messages:read",
    query=ChangesQuery,
    answer=ChangesBody,
    summary="What changed since",
    raises=(InvalidRequest,),
    examples={
        "response": {
            "created": ["msg_01JQ8X5K2M3N4P5R6S7T8V9W00"],
            "updated": [],
            "destroyed": [],
            "modseq": 9017,
            "has_more": False,
        }
    },
)
async def list_changes(request: Request[None, ChangesQuery]) -> Response:
    """What happened to the messages of an inbox after ``since``, by whatever protocol.

    A message is named once: what was made and changed meanwhile is created, what was made and
    destroyed is destroyed.  Nothing that was committed is left out, however many write at once.
    """
    desk, query = desk_of(request), request.query
    local = await desk.store.directory.reach(
        request.actor, "messages:read", request.params["inbox"]
    )
    found = await desk.store.messages.changes(request.actor, local.inbox, query.since, query.limit)
    if found.modseq < query.since:
        raise InvalidRequest(
            f"The inbox has come to {found.modseq}; since lies beyond.",
            fix="Use the modseq of an answer about this inbox, or 0 to begin anew.",
            errors=(FieldError("since", "lies beyond what has happened"),),
        )
    return Response(
        ChangesBody(
            created=list(found.created),
            updated=list(found.updated),
            destroyed=list(found.destroyed),
            modseq=found.modseq,
            has_more=found.has_more,
        )
    )
