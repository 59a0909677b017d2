"""Requests that their client no longer wants (specification 2025-11-25, Cancellation).

The notification may come to another worker than the one that works on the request, so it is noted in
the session, which wakes who watches it there.  What takes no time is not interrupted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import trio

from agentpost.errors import NotFound, Problem
from agentpost.events.bus import Watch
from agentpost.http.mcp import wire
from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.wire import Id, Params
from agentpost.ids import InboxId
from agentpost.model.mcp import McpSession

METHOD: Final = "notifications/cancelled"


class Canceled(Exception):
    """Nobody waits for the answer any longer, so there is none."""


async def cancel(call: Calling, session: McpSession, params: Params) -> None:
    """What the notification asks for; one that names no request asks for nothing."""
    named = params.get("requestId")
    if wire.is_id(named):
        await call.desk.store.mcp.cancel(call.actor, session.id, _name(named))


async def unless_canceled(
    call: Calling, session: McpSession, identity: Id, steps: AsyncIterator[Any]
) -> AsyncIterator[Any]:
    """The same steps, until the client cancels the request or ends the session.

    Raises: Canceled; what the steps raise.
    """
    place = InboxId(session.id)
    watch = call.desk.bus.watch(place)
    running = _Running(call, session, _name(identity), watch)
    try:
        while (step := await running.next(steps)) is not _END:
            yield step
    finally:
        watch.close()


_END: Final = object()


@dataclass(frozen=True, slots=True)
class _Running:
    """A request at work, and an ear for its session."""

    call: Calling
    session: McpSession
    name: str
    watch: Watch

    async def next(self, steps: AsyncIterator[Any]) -> Any:
        """The next step, or ``_END``.  Raises: Canceled; what the steps raise."""
        step, failure = None, None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery.cancel_scope)
            try:
                step = await anext(steps, _END)
            except Problem as problem:
                failure = problem
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if step is None:
            raise Canceled
        return step

    async def _listen(self, scope: trio.CancelScope) -> None:
        """End the scope when the request is cancelled."""
        while not await self._is_canceled():
            await self.watch.wait(self.call.limits.ping_s)
        scope.cancel()

    async def _is_canceled(self) -> bool:
        try:
            session = await self.call.desk.store.mcp.get(self.call.actor, self.session.id)
        except NotFound:
            return True
        except Problem:
            return False  # What is at work will hear of it too.
        return session.has_canceled(self.name, self.session.read_at)


def _name(identity: Any) -> str:
    return wire.encode(identity).decode("utf-8")
