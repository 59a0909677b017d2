"""What waits for a person.  There is no tool that approves: who writes a message never decides it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.tool import Arguments, Number, Text, Tools
from agentpost.http.resources import approvals

tools = Tools()


class ListApprovals(Arguments, frozen=True):
    """What approvals are narrowed to."""

    status: Literal["pending", "approved", "rejected", "expired", "canceled"] | UnsetType = UNSET
    inbox: Text = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


@tools.add(
    "Messages that wait for a person's approval, and what was decided.",
    ListApprovals,
    "approvals:read",
    hints="RI",
)
async def list_approvals(call: Calling, arguments: ListApprovals) -> Any:
    """Approvals of one inbox or of all; an answer's subject is its correspondent's."""
    query = arguments.given("status", "limit", "cursor")
    if isinstance(arguments.inbox, str):
        query["inbox_id"] = arguments.inbox
    return await call(approvals.list_approvals, query=query)
