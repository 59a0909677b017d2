"""Where WebSocket and event streams take their events from: the event log, woken by the bus."""

from __future__ import annotations

from agentpost.events.bus import Bus, Watch
from agentpost.http.feed import Wanted
from agentpost.ids import InboxId, is_id
from agentpost.mail.telling import Telling
from agentpost.model.actor import Actor
from agentpost.model.event import Event, EventBatch
from agentpost.store.opening import Store


class StoredEvents:
    """The :class:`~agentpost.http.feed.EventSource` over the store."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._telling = Telling(store.events, store.messages)

    async def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch:
        """At most ``limit`` events later than ``seq`` in their order, and where to go on."""
        return await self._store.events.after(
            actor,
            seq,
            limit,
            types=None if "*" in wanted.types else wanted.types,
            inboxes=[await self._inbox(name) for name in wanted.inboxes],
            environments=wanted.environments,
            labels=[label.lower() for label in wanted.labels],
        )

    async def check(self, actor: Actor, wanted: Wanted) -> None:
        """Refuse inboxes and environments that are not there for the actor.

        Raises: NotFound.
        """
        for name in wanted.inboxes:
            await self._store.directory.reach(actor, None, name, deleted=True)
        for environment in wanted.environments:
            await self._store.environments.get(actor, environment, scope=None)

    async def head(self, actor: Actor) -> int:
        """The ``seq`` of the newest event that can be read now."""
        return await self._store.events.head(actor)

    async def envelope(self, actor: Actor, event: Event, wanted: Wanted) -> bytes:
        """The event as JSON, the same on every channel."""
        return await self._telling.envelope(actor, event, full=wanted.payload == "full")

    def watch(self, wanted: Wanted) -> Watch:
        """An ear for what may bring wanted events; the caller closes it."""
        only = wanted.inboxes[0] if len(wanted.inboxes) == 1 else None
        # An address is looked up when events are read; waking for all inboxes serves it too.
        return self._bus.watch(InboxId(only) if only is not None and is_id(only, "inb") else None)

    async def _inbox(self, name: str) -> str:
        """The id of an inbox that was named by its address; what is unknown matches nothing."""
        found = await self._store.directory.by_address(name) if "@" in name else None
        return name if found is None else found.inbox
