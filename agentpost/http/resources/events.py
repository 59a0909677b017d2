"""The event log, read by page or as it grows (API.md, Webhooks, events, streaming)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.errors import (
    EventsForgotten,
    Forbidden,
    InvalidCursor,
    NotFound,
    UnknownField,
)
from agentpost.http.api import bearer_secret
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.feed import Credential, Feed, Wanted, begin, unknown_types
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp, page_of
from agentpost.http.stream import LAST_EVENT_ID, MEDIA, frames, last_seq
from agentpost.model.actor import Actor
from agentpost.model.event import DEFAULT_TYPES, Event, EventFilter
from agentpost.model.page import Page
from agentpost.store import checks

routes = Routes("Events")

MAX_PAGE_OCTETS: Final = 4 * 1024 * 1024
"""A page ends after the event that reaches it; one event may have a megabyte of text."""

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Names = Annotated[list[str], Meta(max_length=100)]
Payload = Annotated[
    Literal["full", "thin"],
    Meta(
        description="thin: ids, sender and subject; full: texts too, for a key that may read them"
    ),
]


class EventBody(msgspec.Struct, frozen=True):
    """What happened; `data` depends on `type`.  The same on every channel."""

    id: str
    type: str
    schema_version: str
    timestamp: Timestamp
    org_id: str
    env_id: str
    inbox_id: str | None
    seq: Annotated[int, Meta(description="Grows in the order of commits; resume after it")]
    modseq: Annotated[int | None, Meta(description="Of the inbox after the change")]
    data: dict[str, Any]


class EventQuery(Query, frozen=True, forbid_unknown_fields=True):
    """How much an event tells."""

    payload: Payload = "full"


class EventsQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """Which events; empty means all that the key may hear of."""

    type: Annotated[Names, Meta(description="One of these types")] = msgspec.field(
        default_factory=list
    )
    inbox_id: Annotated[str | None, Meta(description="Of this inbox: its id or address")] = None
    after_seq: Annotated[Seq | None, Meta(description="Later than this seq")] = None
    payload: Payload = "full"


class HistoryQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """Which events of an inbox; empty means all that the key may hear of."""

    type: Annotated[Names, Meta(description="One of these types")] = msgspec.field(
        default_factory=list
    )
    after_seq: Annotated[Seq | None, Meta(description="Later than this seq")] = None
    payload: Payload = "thin"


class StreamQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Which events, as a subscription of the WebSocket says it."""

    event_types: Annotated[
        Names | None, Meta(description="The usual seven when left out; * is all")
    ] = None
    inbox_id: Annotated[str | None, Meta(description="Id or address of an inbox")] = None
    inbox_ids: Names = msgspec.field(default_factory=list)
    environment_ids: Names = msgspec.field(default_factory=list)
    labels: Annotated[Names, Meta(description="The message has all of them")] = msgspec.field(
        default_factory=list
    )
    from_seq: Annotated[
        Seq | None, Meta(description="Resume after this seq; Last-Event-ID goes before it")
    ] = None
    payload: Payload = "full"


EXAMPLE: Final[dict[str, Any]] = {
    "id": "evt_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "type": "message.delivered",
    "schema_version": "1",
    "timestamp": EXAMPLE_TIME,
    "org_id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "env_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "seq": 48211,
    "modseq": 9017,
    "data": {
        "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "recipients": ["ada@example.org"],
    },
}


@routes.get(
    "/events",
    scope="events:read",
    query=EventsQuery,
    answer=ListBody[EventBody],
    summary="List events",
    raises=(Forbidden, InvalidCursor, NotFound, UnknownField),
    examples=page_of(EXAMPLE),
)
async def list_events(request: Request[None, EventsQuery]) -> Response:
    """The log of what happened where the key reaches, kept for 30 days, newest first.

    With `order=asc` and the `next_cursor` or `after_seq` of what you have, nothing is missed and
    nothing comes twice, however many write meanwhile.  A page whose events are large is shorter
    than `limit`.
    """
    query = request.query
    inboxes = () if query.inbox_id is None else (query.inbox_id,)
    return await _page(request, inboxes, "events")


@routes.get(
    "/inboxes/{inbox}/events",
    scope="events:read",
    query=HistoryQuery,
    answer=ListBody[EventBody],
    summary="List what happened in an inbox",
    raises=(Forbidden, InvalidCursor, UnknownField),
    examples=page_of(EXAMPLE),
)
async def list_inbox_events(request: Request[None, HistoryQuery]) -> Response:
    """What came, was sent and moved, was marked and labelled in one inbox, and by whom, newest first.

    It is a part of the log, and read as that is: with `order=asc` nothing is missed.  Of a deleted
    inbox the log is told too.
    """
    return await _page(request, (request.params["inbox"],), "inbox events")


async def _page(
    request: Request[None, EventsQuery] | Request[None, HistoryQuery],
    inboxes: tuple[str, ...],
    name: str,
) -> Response:
    """A page of the log, of these inboxes or of all.  Raises: NotFound, Forbidden, UnknownField."""
    desk, query, actor = desk_of(request), request.query, request.actor
    _check_types(query.type, "type")
    wanted = await desk.events.checked(
        actor, Wanted(tuple(query.type) or ("*",), inboxes, payload=query.payload)
    )
    place = (actor.organization, name, actor.environment or "", *wanted.inboxes)
    asked = desk.cursors.page(query, *place)
    chosen = EventFilter(tuple(query.type), wanted.inboxes, query.after_seq)
    page = await desk.store.events.page(actor, chosen, asked)
    shown, told = await _told(desk, actor, page, wanted)
    return Response(desk.cursors.body(shown, lambda event: told[event.id], query, *place))


@routes.get(
    "/events/{event}",
    scope="events:read",
    query=EventQuery,
    answer=EventBody,
    summary="Get an event",
    examples={"response": EXAMPLE},
)
async def get_event(request: Request[None, EventQuery]) -> Response:
    """One event, with what its message says now."""
    desk, actor = desk_of(request), request.actor
    event = await desk.store.events.get(actor, checks.identifier(request.params["event"]))
    if event is None:
        raise NotFound("There is no such event.")
    teller = desk.events.teller(actor, (event,), Wanted(payload=request.query.payload))
    return Response(msgspec.Raw(await teller.envelope(event)))


@routes.get(
    "/stream",
    scope="events:read",
    query=StreamQuery,
    answer=bytes,
    produces=(MEDIA,),
    summary="Events as they happen (server-sent events)",
    raises=(EventsForgotten, Forbidden, NotFound, UnknownField),
)
async def stream_events(request: Request[None, StreamQuery]) -> Response:
    """The same events as over the WebSocket, as server-sent events: `id` is the `seq`, `event`
    the type, `data` the envelope.

    The stream begins now, or behind `Last-Event-ID` (or `from_seq`).  A comment every 25 seconds
    shows that it lives.  It ends when the server stops: open it again with the last id, as
    browsers and the client libraries do by themselves.
    """
    desk, query, actor = desk_of(request), request.query, request.actor
    _check_types(query.event_types or (), "event_types")
    wanted = await desk.events.checked(actor, _wanted(actor, query))
    last = last_seq(request.header(LAST_EVENT_ID))
    start, _ = await begin(desk.events, actor, query.from_seq if last is None else last)
    secret = bearer_secret(request.head)
    assert secret is not None
    credential = Credential(desk.authenticator, secret, request.peer.address)
    feed = Feed(desk.events, credential, wanted, start)
    return Response(
        frames(feed, desk.events, actor, desk.stopping, desk.limits),
        media=MEDIA,
        # Some proxies would keep a part of the answer back to send more at once.
        fields=(("x-accel-buffering", "no"),),
    )


def _wanted(actor: Actor, query: StreamQuery) -> Wanted:
    inboxes = [*query.inbox_ids, *([] if query.inbox_id is None else [query.inbox_id])]
    environments = list(query.environment_ids)
    if not environments and actor.environments is not None:
        # The stream asks for its key again and again; what a header narrowed must stay narrow.
        environments = sorted(actor.environments)
    return Wanted(
        DEFAULT_TYPES if query.event_types is None else tuple(query.event_types),
        tuple(inboxes),
        tuple(environments),
        tuple(query.labels),
        query.payload,
    )


def _check_types(types: Any, path: str) -> None:
    unknown = unknown_types(types, path)
    if unknown:
        raise UnknownField(fix="docs/events.md lists the types.", errors=unknown)


async def _told(
    desk: Desk, actor: Actor, page: Page[Event], wanted: Wanted
) -> tuple[Page[Event], dict[str, msgspec.Raw]]:
    """The page with its envelopes, cut where they become too large."""
    told: dict[str, msgspec.Raw] = {}
    octets = 0
    teller = desk.events.teller(actor, page.rows, wanted)
    for count, event in enumerate(page.rows, 1):
        envelope = await teller.envelope(event)
        told[event.id] = msgspec.Raw(envelope)
        octets += len(envelope)
        if octets >= MAX_PAGE_OCTETS and count < len(page.rows):
            cut = replace(page, rows=page.rows[:count], next_position=(str(event.seq),))
            return cut, told
    return page, told
