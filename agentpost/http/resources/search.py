"""Searching messages and threads (R44; API.md, Threads, labels, search).

``http/querying.py`` is the language of ``q``.  GET and POST ask the same; a query of a thousand
characters fits either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.errors import Forbidden, UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.paging import ListBody, Moment, filter_digest
from agentpost.http.querying import parse
from agentpost.http.resources import threads as thread_shapes
from agentpost.http.resources.shown import EXAMPLE, MessageBody, summary_body
from agentpost.http.resources.threads import ThreadBody
from agentpost.ids import MessageId
from agentpost.limits import SearchLimits
from agentpost.mail.highlights import Highlight, Highlighter
from agentpost.mail.searching import Found
from agentpost.model import query as expression
from agentpost.model.actor import Scope
from agentpost.model.facet import FacetCount
from agentpost.model.message import Message, MessageContent
from agentpost.store import checks
from agentpost.store.search_messages import Asked

T = TypeVar("T")

routes = Routes("Search")

Text = Annotated[
    str,
    Meta(
        description='What to look for: words, "phrases", -not, OR, parentheses, from: to: cc:'
        " subject: label: in: has: is: after: before:",
        examples=["from:ada@example.org invoice -paid"],
        # Refused where it is read, with what is wrong; said here for those who read the description.
        extra_json_schema={"minLength": 1, "maxLength": SearchLimits().max_query_characters},
    ),
]
Include = Annotated[
    list[Literal["spam", "trash", "blocked"]],
    Meta(
        description="Also what lies only in Junk or Trash, or came from a blocked sender;"
        " needs spam:read, trash:read, blocked:read"
    ),
]


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is searched for."""

    aliases: ClassVar[dict[str, str]] = {"query": "q", "page_token": "cursor"}

    q: Text
    inbox: Annotated[
        str | None, Meta(description="In this inbox only: its id or address; else in all")
    ] = None
    mode: Annotated[str, Meta(description="text; other modes do not exist")] = "text"
    after: Annotated[Moment | None, Meta(description="Made at this moment or later")] = None
    before: Annotated[Moment | None, Meta(description="Made earlier than this")] = None
    include: Include = msgspec.field(default_factory=list)
    highlights: Annotated[bool, Meta(description="Show where it was found")] = True
    facets: Annotated[bool, Meta(description="Count labels, folders, senders and inboxes")] = False
    limit: Annotated[int, Meta(ge=1, le=100, description="Rows of one page")] = 20
    cursor: Annotated[str | None, Meta(description="next_cursor of the page before")] = None


class SearchQuery(_Asked, Query, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is searched for."""


class SearchBody(_Asked, Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is searched for."""


class SpanBody(msgspec.Struct, frozen=True):
    """Characters of a fragment that were looked for: from ``start`` to before ``end``."""

    start: int
    end: int


class HighlightBody(msgspec.Struct, frozen=True):
    """A fragment of a field in which something was found, as plain text on one line."""

    field: Annotated[
        Literal["from", "to", "subject", "text"], Meta(description="to: recipients of all kinds")
    ]
    fragment: str
    spans: list[SpanBody]


class FoundMessageBody(MessageBody, frozen=True, kw_only=True):
    """A message as lists show it, with where it was found."""

    highlights: list[HighlightBody] | UnsetType = UNSET


class FoundThreadBody(ThreadBody, frozen=True, kw_only=True, omit_defaults=True):
    """A thread as lists show it, with the latest message that was found in it, and where."""

    message_id: Annotated[str, Meta(description="Its latest message that was found")]
    highlights: list[HighlightBody] | UnsetType = UNSET


class FacetBody(msgspec.Struct, frozen=True):
    """A value, and how many of the messages have it."""

    value: str
    message_count: int


class FacetsBody(msgspec.Struct, frozen=True):
    """How what was found is spread, the most frequent first."""

    labels: list[FacetBody]
    folders: list[FacetBody]
    senders: list[FacetBody]
    inboxes: list[FacetBody]
    counted: Annotated[int, Meta(description="Messages that were counted, the latest found")]
    complete: Annotated[bool, Meta(description="These are all that there are")]


class FoundBody(ListBody[T], Generic[T], frozen=True, kw_only=True):
    """One page of what was found, newest first."""

    incomplete: Annotated[
        bool,
        Meta(
            description="The page ended before it was full, because much had to be looked at;"
            " next_cursor goes on from there"
        ),
    ]
    facets: FacetsBody | UnsetType = UNSET


_HIGHLIGHT: Final[dict[str, Any]] = {
    "field": "subject",
    "fragment": "Where is my parcel?",
    "spans": [{"start": 12, "end": 18}],
}
_ENDS: Final[dict[str, Any]] = {"next_cursor": None, "has_more": False, "incomplete": False}
_FOUND: Final[dict[str, Any]] = {"data": [EXAMPLE | {"highlights": [_HIGHLIGHT]}], **_ENDS}
_FOUND_THREAD: Final[dict[str, Any]] = thread_shapes.EXAMPLE | {
    "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "highlights": [],
}
_FOUND_THREADS: Final[dict[str, Any]] = {"data": [_FOUND_THREAD], **_ENDS}
_ASKED: Final[dict[str, Any]] = {"q": "subject:parcel is:unread", "limit": 10}


@routes.get(
    "/search",
    scope="messages:read",
    query=SearchQuery,
    answer=FoundBody[FoundMessageBody],
    summary="Search messages",
    raises=(UnknownField, Forbidden),
    examples={"response": _FOUND},
)
async def search_messages(request: Request[None, SearchQuery]) -> Response:
    """Messages that fit ``q``, newest first, of one inbox or of all that the key covers.

    Nothing is passed over, whether it is indexed already or not.  Drafts, and what lies only in
    Trash or Junk, are left out unless ``q`` names the folder or ``include`` does.
    """
    return await _messages(request, request.query)


@routes.post(
    "/search",
    scope="messages:read",
    body=SearchBody,
    answer=FoundBody[FoundMessageBody],
    summary="Search messages, asked in a body",
    raises=(UnknownField, Forbidden),
    examples={"request": _ASKED, "response": _FOUND},
)
async def search_messages_by_post(request: Request[SearchBody, None]) -> Response:
    """The same as GET, for queries that are not to stand in a URL."""
    return await _messages(request, request.body)


@routes.get(
    "/search/threads",
    scope="threads:read",
    query=SearchQuery,
    answer=FoundBody[FoundThreadBody],
    summary="Search threads",
    raises=(UnknownField, Forbidden),
    examples={"response": _FOUND_THREADS},
)
async def search_threads(request: Request[None, SearchQuery]) -> Response:
    """Threads with a message that fits ``q``, the latest such message first.

    One message has to fit all of ``q``.  Needs the scope messages:read as well.
    """
    return await _threads(request, request.query)


@routes.post(
    "/search/threads",
    scope="threads:read",
    body=SearchBody,
    answer=FoundBody[FoundThreadBody],
    summary="Search threads, asked in a body",
    raises=(UnknownField, Forbidden),
    examples={"request": _ASKED, "response": _FOUND_THREADS},
)
async def search_threads_by_post(request: Request[SearchBody, None]) -> Response:
    """The same as GET, for queries that are not to stand in a URL."""
    return await _threads(request, request.body)


@dataclass(frozen=True, slots=True)
class _Place:
    """What is asked and where, checked."""

    asked: Asked
    where: Scope | None
    position: str | None
    digest: bytes


async def _messages(request: Request[Any, Any], given: _Asked) -> Response:
    desk, actor = desk_of(request), request.actor
    place = await _place(request, given, "messages")
    found = await desk.searching.messages(
        actor, place.where, place.asked, given.limit, place.position
    )
    messages = await desk.store.messages.some(actor, found.messages)
    shown = [messages[one] for one in found.messages if one in messages]
    why = await highlighted(request, place.asked, shown) if given.highlights else {}
    rows = [_message(message, why.get(message.id)) for message in shown]
    return await _page(request, given, place, found, rows)


async def _threads(request: Request[Any, Any], given: _Asked) -> Response:
    desk, actor = desk_of(request), request.actor
    place = await _place(request, given, "threads")
    found = await desk.searching.threads(
        actor, place.where, place.asked, given.limit, place.position
    )
    threads = await desk.store.threads.some(actor, found.threads)
    messages = await desk.store.messages.some(actor, found.messages)
    pairs = [
        (threads[thread], messages[message])
        for thread, message in zip(found.threads, found.messages, strict=True)
        if thread in threads and message in messages
    ]
    latest = [message for _, message in pairs]
    why = await highlighted(request, place.asked, latest) if given.highlights else {}
    rows = [
        FoundThreadBody(
            **msgspec.structs.asdict(thread_shapes.thread_body(thread)),
            message_id=message.id,
            highlights=_highlights(why.get(message.id)),
        )
        for thread, message in pairs
    ]
    return await _page(request, given, place, found, rows)


async def _page(
    request: Request[Any, Any], given: _Asked, place: _Place, found: Found, rows: list[Any]
) -> Response:
    cursor = None
    if found.position is not None:
        cursor = desk_of(request).cursors.seal((found.position,), place.digest)
    return Response(
        FoundBody(
            data=rows,
            next_cursor=cursor,
            has_more=cursor is not None,
            incomplete=found.incomplete,
            facets=await _facets(request, place) if given.facets else UNSET,
        )
    )


async def _place(request: Request[Any, Any], given: _Asked, kind: str) -> _Place:
    """Raises: UnknownField, InvalidCursor, NotFound, Forbidden."""
    if given.mode != "text":
        raise checks.refuse("mode", "there is no other mode than text", "Leave mode out.")
    desk = desk_of(request)
    where: Scope | None = None
    if given.inbox is not None:
        reached = await desk.store.directory.reach(request.actor, "messages:read", given.inbox)
        where = reached.scope
    asked = Asked(within(parse(given.q), given.after, given.before), frozenset(given.include))
    place = (request.actor.organization, "search", kind)
    digest = filter_digest(given, place)
    position = None if given.cursor is None else desk.cursors.open(given.cursor, digest)[0]
    return _Place(asked, where, position, digest)


def within(
    asked: expression.Query, after: datetime | None, before: datetime | None
) -> expression.Query:
    """What is asked, between two moments."""
    times: list[expression.Query] = []
    if after is not None:
        times.append(expression.Since(after))
    if before is not None:
        times.append(expression.Until(before))
    return expression.All((asked, *times)) if times else asked


async def highlighted(
    request: Request[Any, Any], asked: Asked, messages: list[Message]
) -> dict[MessageId, tuple[Highlight, ...]]:
    """Where the messages have what is asked for."""
    desk = desk_of(request)
    limits = desk.searching.limits
    highlighter = Highlighter(asked.query, limits)
    contents: tuple[MessageContent, ...] = ()
    if highlighter.needs_text and messages:
        names = [message.id for message in messages]
        contents = await desk.store.message_search.contents(
            request.actor, names, limits.max_highlighted_octets
        )
    shown = await highlighter.shown(messages, contents)
    return {message.id: why for message, why in zip(messages, shown, strict=True)}


async def _facets(request: Request[Any, Any], place: _Place) -> FacetsBody:
    facets, counted, complete = await desk_of(request).searching.facets(
        request.actor, place.where, place.asked
    )
    return FacetsBody(
        labels=_counts(facets.labels),
        folders=_counts(facets.folders),
        senders=_counts(facets.senders),
        inboxes=_counts(facets.inboxes),
        counted=counted,
        complete=complete,
    )


def _counts(facets: tuple[FacetCount, ...]) -> list[FacetBody]:
    return [FacetBody(one.value, one.messages) for one in facets]


def _message(message: Message, why: tuple[Highlight, ...] | None) -> FoundMessageBody:
    body = msgspec.structs.asdict(summary_body(message))
    return FoundMessageBody(**body, highlights=_highlights(why))


def _highlights(why: tuple[Highlight, ...] | None) -> list[HighlightBody] | UnsetType:
    if why is None:
        return UNSET
    return [
        HighlightBody(
            one.field, one.fragment.text, [SpanBody(*span) for span in one.fragment.spans]
        )
        for one in why
    ]
