"""Tools about what happened."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.tool import Arguments, Number, Text, Tools
from agentpost.http.resources import events

tools = Tools()


class ListEvents(Arguments, frozen=True):
    """What events are narrowed to."""

    type: Annotated[Text, Meta(description="e.g. message.bounced")] = UNSET
    inbox: Text = UNSET
    after_seq: Number = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


@tools.add(
    "What happened: mail received, delivered, bounced and so on; after_seq: oldest first from there.",
    ListEvents,
    "events:read",
    hints="RIO",
)
async def list_events(call: Calling, arguments: ListEvents) -> Any:
    """Events in their thin form: ids, and what one decides by."""
    query: dict[str, Any] = {"payload": "thin"}
    query |= arguments.given("type", "after_seq", "limit", "cursor")
    if isinstance(arguments.inbox, str):
        query["inbox_id"] = arguments.inbox
    if isinstance(arguments.after_seq, int):
        query["order"] = "asc"
    return await call(events.list_events, query=query)
