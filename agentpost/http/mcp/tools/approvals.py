"""What waits for a person.  There is no tool that approves: who writes a message never decides it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import Arguments, Number, Text, Tools
from agentpost.http.mcp.tools.drafts import send
from agentpost.http.mcp.tools.sending import Key
from agentpost.http.resources import approvals

tools = Tools()


class AskedDraft(Arguments, frozen=True):
    """A draft that somebody is to approve."""

    draft_id: str
    idempotency_key: Key = UNSET


class ListApprovals(Arguments, frozen=True):
    """What approvals are narrowed to."""

    status: Literal["pending", "approved", "rejected", "expired", "canceled"] | UnsetType = UNSET
    inbox: Text = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


@tools.add(
    "Ask a person to send a draft: it waits in Approvals until somebody else decides.",
    AskedDraft,
    "drafts:write",
    hints="",
    returns=of_fields("id", "status"),
)
async def request_approval(call: Calling, arguments: AskedDraft) -> Any:
    """It is no draft any longer; its writer can cancel the message that it has become."""
    return await send(call, arguments, hold_for_approval=True)


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
