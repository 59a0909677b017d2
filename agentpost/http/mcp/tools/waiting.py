"""Tools that wait for mail, and find in it what it was waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
import trio
from msgspec import UNSET, Meta, UnsetType

from agentpost.http.extracting import Kind, extracted
from agentpost.http.mcp.calling import Calling, plain
from agentpost.http.mcp.tool import Arguments, Progress, Text, Tools, Truth
from agentpost.http.mcp.tools.identity import the_inbox
from agentpost.http.resources import wait
from agentpost.http.waiting import check_still
from agentpost.model.message import Mark
from agentpost.store import checks

tools = Tools()

_CODES: Final[tuple[Kind, ...]] = ("otp", "links")

Kinds = list[Kind] | UnsetType


class Wait(Arguments, frozen=True, rename={"from_": "from"}):
    """Which message is waited for."""

    inbox: Annotated[Text, Meta(description="Id or address; not needed if you have one")] = UNSET
    from_: Annotated[Text, Meta(description="Part of the sender")] = UNSET
    subject_contains: Text = UNSET
    thread_id: Text = UNSET
    in_reply_to: Text = UNSET
    extract: Kinds = UNSET
    timeout_s: Annotated[int, Meta(ge=1, le=300)] = 60


class Codes(Arguments, frozen=True):
    """What is looked for in a message."""

    message_id: str
    kinds: Kinds = UNSET
    consume: Annotated[
        Truth, Meta(description="Mark it seen; consumed: whether nobody did before")
    ] = UNSET


@tools.add(
    "Wait until the next message arrives that matches; matched is false when none came."
    " extract finds codes and links in it.",
    Wait,
    "messages:read",
    hints="RO",
    essential=True,
    waits=True,
)
async def wait_for_message(call: Calling, arguments: Wait) -> AsyncIterator[Any]:
    """What arrives after the first progress; telling in between how long it has waited."""
    place = {"inbox": await the_inbox(call, arguments.inbox)}
    query = arguments.given("from", "subject_contains", "thread_id", "in_reply_to", "extract")
    total = float(min(arguments.timeout_s, call.limits.max_wait_s))
    began, waited, step = trio.current_time(), 0.0, 0.0
    while True:
        response = await call.response(
            wait.wait_for_message, place, query=query | {"timeout_s": step}
        )
        if response.status != 204:
            yield {"matched": True, "message": plain(response)}
            return
        query["resume"] = dict(response.fields)[wait.RESUME]
        waited = min(total, trio.current_time() - began)
        yield Progress(round(waited, 1), total)
        if waited >= total or call.desk.stopping.is_set():
            yield {"matched": False}
            return
        # Each step is a wait of its own, which tells at once what came before it.
        await check_still(call.desk.store.authentication, call.actor)
        step = min(total - waited, call.limits.progress_s)


@tools.add(
    "One-time codes and links of a message.",
    Codes,
    "messages:read",
    hints="O",
    essential=True,
)
async def extract_codes(call: Calling, arguments: Codes) -> Any:
    """Those of its visible text."""
    message = checks.identifier(arguments.message_id)
    kinds = _CODES if isinstance(arguments.kinds, UnsetType) else arguments.kinds
    found = await extracted(call.desk.store, call.actor, message, kinds)
    told: dict[str, Any] = msgspec.to_builtins(found)
    if arguments.consume is True:
        taken = await call.desk.store.messages.take(call.actor, message, Mark(seen=True))
        told["consumed"] = taken is not None
    return told
