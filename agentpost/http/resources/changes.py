"""What happened in an inbox after a modseq (API.md: GET /inboxes/:inbox/changes).

What was destroyed is forgotten in the end, so a client that was away too long must begin anew:
it is refused rather than left with messages that are gone.  Whoever does begin anew passes that
same point on the way; the sealed cursor of a walk from 0 shows that everything which that client
holds was told to it lately.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agentpost import clock
from agentpost.errors import ChangesForgotten, FieldError, InvalidCursor, InvalidRequest
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.paging import filter_digest
from agentpost.limits import SweepLimits
from agentpost.model.inbox import LocalAddress

routes = Routes("Changes")

_MAX_MODSEQ: Final = 2**63 - 1
_KEPT: Final = timedelta(days=SweepLimits().expunged_days)
"""How long what was destroyed is known at least."""


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
    cursor: Annotated[
        str | None, Meta(description="next_cursor of the last answer, where it had one")
    ] = None


_NO_FILTER: Final = ChangesQuery(since=0)


class ChangesBody(msgspec.Struct, frozen=True):
    """Ids of messages, each once; ask again with ``since=modseq``, at once when there is more."""

    created: list[str]
    updated: Annotated[list[str], Meta(description="Flags, labels or folder changed")]
    destroyed: list[str]
    modseq: Annotated[int, Meta(description="What IMAP calls HIGHESTMODSEQ")]
    has_more: bool
    next_cursor: Annotated[
        str | None, Meta(description="While a walk from 0 goes on: send it along with since")
    ]


@routes.get(
    "/inboxes/{inbox}/changes",
    scope="messages:read",
    query=ChangesQuery,
    answer=ChangesBody,
    summary="What changed since",
    raises=(InvalidRequest, InvalidCursor, ChangesForgotten),
    examples={
        "response": {
            "created": ["msg_01JQ8X5K2M3N4P5R6S7T8V9W00"],
            "updated": [],
            "destroyed": [],
            "modseq": 9017,
            "has_more": False,
            "next_cursor": None,
        }
    },
)
async def list_changes(request: Request[None, ChangesQuery]) -> Response:
    """What happened to the messages of an inbox after ``since``, by whatever protocol.

    A message is named once: what was made and changed meanwhile is created, what was made and
    destroyed is destroyed.  Nothing that was committed is left out, however many write at once.
    Destroyed messages are known for 90 days; an older ``since`` is refused with
    ``changes_forgotten``.
    """
    desk, query = desk_of(request), request.query
    local = await desk.store.directory.reach(
        request.actor, "messages:read", request.params["inbox"]
    )
    began = _walk_began(desk, local, query)
    found = await desk.store.messages.changes(request.actor, local.inbox, query.since, query.limit)
    if found.modseq < query.since:
        raise InvalidRequest(
            f"The inbox has come to {found.modseq}; since lies beyond.",
            fix="Use the modseq of an answer about this inbox, or 0 to begin anew.",
            errors=(FieldError("since", "lies beyond what has happened"),),
        )
    if query.since < found.forgotten and (began is None or began < clock.now() - _KEPT):
        raise ChangesForgotten
    cursor = None
    if found.has_more and began is not None:
        position = (str(found.modseq), began.isoformat())
        cursor = desk.cursors.seal(position, _digest(local))
    return Response(
        ChangesBody(
            created=list(found.created),
            updated=list(found.updated),
            destroyed=list(found.destroyed),
            modseq=found.modseq,
            has_more=found.has_more,
            next_cursor=cursor,
        )
    )


def _walk_began(desk: Desk, local: LocalAddress, query: ChangesQuery) -> datetime | None:
    """When the client began with nothing; None when it says that it holds something.

    Raises: InvalidCursor when the cursor is not of the answer that led to ``since``.
    """
    if query.cursor is None:
        return clock.now() if query.since == 0 else None
    modseq, began = desk.cursors.open(query.cursor, _digest(local))
    if modseq != str(query.since):
        raise InvalidCursor
    return datetime.fromisoformat(began)


def _digest(local: LocalAddress) -> bytes:
    return filter_digest(_NO_FILTER, (local.organization, local.inbox, "changes"))
