"""Tools that search."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.tool import Arguments, Number, Text, Tools
from agentpost.http.resources import search

tools = Tools()

_GIVEN: Final = ("inbox", "mode", "after", "before", "limit", "cursor")


class Search(Arguments, frozen=True):
    """What is searched for."""

    query: Annotated[
        str,
        Meta(description='words "phrase" -not OR from: to: subject: label: in: is: has:attachment'),
    ]
    inbox: Text = UNSET
    mode: Text = UNSET
    after: Text = UNSET
    before: Text = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


@tools.add("Search messages, newest first.", Search, "messages:read", hints="RIO", essential=True)
async def search_messages(call: Calling, arguments: Search) -> Any:
    """Messages of one inbox or of all, with where they were found."""
    return await call(search.search_messages, query=_asked(arguments))


@tools.add("Search conversations.", Search, "threads:read", "messages:read", hints="RIO")
async def search_threads(call: Calling, arguments: Search) -> Any:
    """The threads of what is found."""
    return await call(search.search_threads, query=_asked(arguments))


def _asked(arguments: Search) -> dict[str, Any]:
    return {"q": arguments.query, **arguments.given(*_GIVEN)}
