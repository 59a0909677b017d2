"""Where WebSocket and event streams take their events from: the event log, and its tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentpost.errors import Forbidden
from agentpost.http.envelopes import Envelopes
from agentpost.http.feed import Wanted
from agentpost.http.tail import Ear, Tail
from agentpost.mail.telling import Batch, Telling
from agentpost.model.actor import Actor
from agentpost.model.event import SCOPE_OF, Event, EventBatch, LogSpan
from agentpost.store.opening import Store


class StoredEvents:
    """The :class:`~agentpost.http.feed.EventSource` over the store."""

    def __init__(self, store: Store, tail: Tail, envelopes: Envelopes) -> None:
        self._store = store
        self._tail = tail
        self._envelopes = envelopes
        self._telling = Telling(store.events, store.messages)

    async def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch:
        """At most ``limit`` events later than ``seq`` in their order, and where to go on."""
        batch = self._tail.after(actor, seq, wanted, limit)
        if batch is not None:
            return batch
        return await self._store.events.after(
            actor,
            seq,
            limit,
            types=None if "*" in wanted.types else wanted.types,
            inboxes=wanted.inboxes,
            environments=wanted.environments,
            labels=[label.lower() for label in wanted.labels],
        )

    async def checked(self, actor: Actor, wanted: Wanted) -> Wanted:
        """The filter with ids in the place of addresses, if all it names is there for the actor.

        Raises: NotFound; Forbidden for a type that this key may not hear of.
        """
        for kind in wanted.types:
            scope = SCOPE_OF.get(kind)
            if scope is not None and not actor.may(scope):
                raise Forbidden(
                    f"Hearing of {kind} needs the scope {scope}.",
                    fix=f"Use a key that holds the scope {scope}, or leave the type out.",
                )
        inboxes = [
            (await self._store.directory.reach(actor, None, name, deleted=True)).inbox
            for name in wanted.inboxes
        ]
        for environment in wanted.environments:
            await self._store.environments.get(actor, environment, scope=None)
        return replace(wanted, inboxes=tuple(dict.fromkeys(inboxes)))

    async def span(self, actor: Actor) -> LogSpan:
        """From where to where the log reaches now."""
        return await self._store.events.span(actor)

    def teller(self, actor: Actor, events: Sequence[Event], wanted: Wanted) -> StoredTeller:
        """Tells events of one look, which are asked for in their order."""
        full = wanted.payload == "full" and actor.may("messages:read")
        batch = self._telling.batch(actor, events, full=full)
        return StoredTeller(self._envelopes, batch, full=full)

    def watch(self, actor: Actor, wanted: Wanted) -> Ear:
        """An ear for what brings wanted events (a checked filter); the caller closes it."""
        return self._tail.listen(actor, wanted)


class StoredTeller:
    """What every listener who may hear an event is told, made once for all of them."""

    def __init__(self, envelopes: Envelopes, batch: Batch, *, full: bool) -> None:
        self._envelopes = envelopes
        self._batch = batch
        self._full = full

    async def envelope(self, event: Event) -> bytes:
        """The event as JSON, the same on every channel."""
        return await self._envelopes.get(
            (event.id, self._full), lambda: self._batch.envelope(event)
        )
