"""Tools that wait for mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import trio
from msgspec import UNSET, Meta

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.tool import Arguments, Progress, Text, Tools
from agentpost.http.resources import messages
from agentpost.http.waiting import Awaited

tools = Tools()


class Wait(Arguments, frozen=True, rename={"from_": "from"}):
    """Which message is waited for."""

    inbox: Annotated[str, Meta(description="Id or address")]
    from_: Annotated[Text, Meta(description="Part of the sender")] = UNSET
    subject_contains: Text = UNSET
    thread_id: Text = UNSET
    in_reply_to: Text = UNSET
    timeout_s: Annotated[int, Meta(ge=1, le=300)] = 60


@tools.add(
    "Wait until the next message arrives that matches; matched is false when none came.",
    Wait,
    "messages:read",
    hints="RO",
    essential=True,
    waits=True,
)
async def wait_for_message(call: Calling, arguments: Wait) -> AsyncIterator[Any]:
    """What arrives after the call began; telling in between how long it has waited."""
    given = arguments.given("from", "subject_contains", "thread_id", "in_reply_to")
    awaited = Awaited(
        from_=given.get("from"),
        subject_contains=given.get("subject_contains"),
        thread=given.get("thread_id"),
        in_reply_to=given.get("in_reply_to"),
    )
    place = await call.desk.store.directory.reach(call.actor, "messages:read", arguments.inbox)
    since = await call.desk.store.messages.modseq(call.actor, place.scope)
    total = float(min(arguments.timeout_s, call.limits.max_wait_s))
    began = trio.current_time()
    yield Progress(0.0, total)  # Whatever arrives from now on is found.
    found = None
    while found is None:
        left = total - (trio.current_time() - began)
        if left <= 0:
            break
        step = min(left, call.limits.progress_s)
        found = await call.waiter.next(call.actor, arguments.inbox, awaited, step, since)
        if found is None:
            yield Progress(round(min(total, trio.current_time() - began), 1), total)
    if found is None:
        yield {"matched": False}
        return
    message = await call(messages.get_message, {"message": found.id}, query={"view": "llm"})
    yield {"matched": True, "message": message}
