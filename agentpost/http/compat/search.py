"""AgentMail's searches: of an inbox's messages, and of threads.

There a query is words without a language: each must stand somewhere in the sender, the recipients, the
subject or the text.  The latest comes first here; spam, trash and blocked mail are never found.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from agentpost.errors import NotFound
from agentpost.http.compat import letters
from agentpost.http.compat.mount import (
    DEFAULT_PAGE,
    MAX_PAGE,
    Anything,
    addresses,
    asked,
    at,
    inbox_of,
    mounted,
    within,
)
from agentpost.http.compat.threads import shape
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Query, Request, Response
from agentpost.http.paging import Moment
from agentpost.http.querying import written
from agentpost.http.resources import search
from agentpost.mime.fragments import Fragment, marked
from agentpost.mime.matching import words_of
from agentpost.model.query import All, Words
from agentpost.store import checks

routes = mounted("Search")

_THREADS: Final = (
    "/threads/search",
    "/pods/{pod}/threads/search",
    "/inboxes/{inbox}/threads/search",
)
_NAMES: Final = {"to": "recipients"}
_MARK: Final = "**"


class SearchQuery(Query, frozen=True, forbid_unknown_fields=True):
    """What is searched for."""

    q: str
    limit: Annotated[int, Meta(ge=1)] | None = None
    page_token: str | None = None
    before: Moment | None = None
    after: Moment | None = None


@at(
    routes,
    "GET",
    "/inboxes/{inbox}/messages/search",
    scope="messages:read",
    query=SearchQuery,
    answer=Anything,
    summary="Search messages",
)
async def search_messages(request: Request[None, SearchQuery]) -> Response:
    """Messages of an inbox that have all words of the query."""
    desk, actor = desk_of(request), request.actor
    local = await inbox_of(request, "messages:read")
    ours = _ours(request.query, local.inbox)
    page: Any = (await search.search_messages(asked(request, ours))).body
    messages = await desk.store.messages.some(actor, [row.id for row in page.data])
    rows = []
    for row in page.data:
        if row.id not in messages:
            continue
        try:
            item = await letters.listed_item(desk, actor, messages[row.id], local.address)
        except NotFound:  # Destroyed since the page was read.
            continue
        rows.append({**item, **_highlights(row.highlights)})
    return _listed("messages", rows, page, ours)


@at(
    routes,
    "GET",
    *_THREADS,
    scope="threads:read",
    query=SearchQuery,
    answer=Anything,
    summary="Search threads",
)
async def search_threads(request: Request[None, SearchQuery]) -> Response:
    """Threads with a message that has all words of the query."""
    request = await within(request)
    desk, actor = desk_of(request), request.actor
    inbox = (await inbox_of(request, "threads:read")).inbox if "inbox" in request.params else None
    ours = _ours(request.query, inbox)
    page: Any = (await search.search_threads(asked(request, ours))).body
    names = [row.id for row in page.data]
    threads = await desk.store.threads.some(actor, names)
    tails = await desk.store.threads.tails(actor, names)
    known = await addresses(desk, (thread.inbox for thread in threads.values()))
    rows = [
        {
            **shape(threads[row.id], tails[row.id], known[threads[row.id].inbox]),
            **_highlights(row.highlights),
        }
        for row in page.data
        if row.id in threads and row.id in tails
    ]
    return _listed("threads", rows, page, ours)


def _ours(query: SearchQuery, inbox: str | None) -> search.SearchQuery:
    """The same in our language.  Raises: UnknownField."""
    words = [Words(word) for word in query.q.split() if words_of(word)]
    if not words:
        raise checks.refuse("q", "must not be empty")
    return search.SearchQuery(
        q=written(All(tuple(words))),
        inbox=inbox,
        after=query.after,
        before=query.before,
        limit=min(query.limit or DEFAULT_PAGE, MAX_PAGE),
        cursor=query.page_token,
    )


def _listed(name: str, rows: list[Anything], page: Any, ours: search.SearchQuery) -> Response:
    body: Anything = {"count": len(rows), "limit": ours.limit, name: rows}
    if page.next_cursor is not None:
        body["next_page_token"] = page.next_cursor
    return Response(body)


def _highlights(why: list[search.HighlightBody]) -> Anything:
    """Fragments by field, with two asterisks round what was looked for; nothing where none is."""
    found: dict[str, list[str]] = {}
    for one in why:
        spans = tuple((span.start, span.end) for span in one.spans)
        text = marked(Fragment(one.fragment, spans), _MARK)
        found.setdefault(_NAMES.get(one.field, one.field), []).append(text)
    return {"highlights": found} if found else {}
