"""The stream that a session opens to be told what it did not ask for: resources that changed.

Woken by the bus, like IDLE; what has changed is found by comparing versions, so nothing that was
committed while no stream was open is missed.  The row of the session is asked each time: it says
what is watched, and whether a newer stream has taken over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import trio

from agentpost.clock import now
from agentpost.errors import Forbidden, NotFound
from agentpost.events.bus import Bus
from agentpost.http.feed import Credential, Revoked
from agentpost.http.mcp import resources, wire
from agentpost.http.mcp.calling import Calling
from agentpost.ids import InboxId
from agentpost.model.actor import Actor
from agentpost.model.mcp import McpSession

_PING: Final = b": still here\n\n"


class Ear:
    """Hears wake-ups of several inboxes and of its session."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._places: set[InboxId] = set()
        self._event = trio.Event()

    def wake(self) -> None:
        """Something changed."""
        self._event.set()

    def listen(self, places: Iterable[InboxId]) -> bool:
        """Hear of these places, and no others.  Returns: whether one of them is new."""
        wanted = set(places)
        new = wanted - self._places
        for place in self._places - wanted:
            self._bus.remove(self, place)
        for place in new:
            self._bus.add(self, place)
        self._places = wanted
        return bool(new)

    def close(self) -> None:
        """Hear nothing any more."""
        self.listen(())

    async def wait(self, stopping: trio.Event, timeout_s: float) -> bool:
        """Wait for a wake-up or for the server's end; False when the time is over."""
        with trio.move_on_after(timeout_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until, stopping, nursery.cancel_scope)
                await self._event.wait()
                nursery.cancel_scope.cancel()
        heard = self._event.is_set()
        self._event = trio.Event()
        return heard


async def _until(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


@dataclass(frozen=True, slots=True)
class Streaming:
    """One stream: whose it is, and what it hears with."""

    call: Calling
    credential: Credential
    session: str
    number: int

    async def frames(self) -> AsyncIterator[bytes]:
        """Server-sent events, until the session, the key, the server or the client ends."""
        yield _PING  # The head leaves with the first octets.
        ear = Ear(self.call.desk.bus)
        stopping = self.call.desk.stopping
        try:
            while not stopping.is_set():
                for uri in await self._changed(ear):
                    message = wire.notification("notifications/resources/updated", {"uri": uri})
                    yield wire.frame(message)
                if not await ear.wait(stopping, self.call.limits.ping_s):
                    yield _PING
        except (Revoked, _Over):
            return
        finally:
            ear.close()

    async def _changed(self, ear: Ear) -> list[str]:
        """The resources that are at another version than the client knows; it knows them then.

        Raises: Revoked, _Over; Problem when the store cannot answer.
        """
        while True:
            call = replace(self.call, actor=await self._actor())
            session = await self._session(call.actor)
            states = {uri: await _state(call, uri) for uri in session.watched}
            places = [place for place, _ in states.values() if place is not None]
            if not ear.listen([InboxId(session.id), *places]):
                break
            # Whatever changed before the ear was there is found by looking once more.
        new = {uri: seen for uri, (_, seen) in states.items() if seen != session.watched[uri]}
        if new:
            await call.desk.store.mcp.told(call.actor, session.id, new)
        return list(new)

    async def _actor(self) -> Actor:
        """The key as of now, within the environment that the request named."""
        now, before = await self.credential.actor(), self.call.actor
        return replace(now, environment=before.environment, environments=before.environments)

    async def _session(self, actor: Actor) -> McpSession:
        sessions = self.call.desk.store.mcp
        try:
            session = await sessions.get(actor, self.session)
        except NotFound:
            raise _Over from None
        if session.stream != self.number:
            raise _Over
        if now() - session.seen_at > timedelta(seconds=self.call.limits.session_touch_s):
            await sessions.touch(actor, session.id)
        return session


async def _state(call: Calling, uri: str) -> tuple[InboxId | None, str]:
    """Where a resource changes, and its version; one that was deleted is at its last version."""
    try:
        return await resources.state(call, uri)
    except (NotFound, Forbidden):
        return None, "gone"


class _Over(Exception):
    """The session has ended, or has another stream."""
