"""Tools for several agents that work through one inbox."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import Arguments, Number, Text, Tools
from agentpost.http.mcp.tools.identity import the_inbox
from agentpost.http.resources import claims

tools = Tools()


class Claims(Arguments, frozen=True):
    """Messages to take."""

    inbox: Text = UNSET
    max: Number = UNSET
    lease_s: Number = UNSET


class Finish(Arguments, frozen=True):
    """How the work on a message ended."""

    claim_id: str
    outcome: Annotated[Literal["done", "retry"], Meta(description="retry: somebody takes it again")]


@tools.add(
    "Take messages to work on, oldest first; nobody else gets them while the lease lasts.",
    Claims,
    "messages:read",
    "labels:write",
    hints="",
)
async def claim_messages(call: Calling, arguments: Claims) -> Any:
    """What nobody works on yet."""
    body = arguments.given("max", "lease_s")
    place = {"inbox": await the_inbox(call, arguments.inbox)}
    return await call(claims.claim_messages, place, body=body)


@tools.add(
    "End a claim.",
    Finish,
    "labels:write",
    hints="",
    returns=of_fields("id", "state"),
)
async def finish_claim(call: Calling, arguments: Finish) -> Any:
    """Done, or given back."""
    done = arguments.outcome == "done"
    handler = claims.acknowledge_claim if done else claims.give_claim_back
    shown = await call(handler, {"claim": arguments.claim_id}, body={})
    return {name: shown[name] for name in ("id", "message_id", "state", "attempts")}
