"""What an event says of its message: read when the event is told, not when it happens.

One place for WebSocket, event streams, webhooks and the event log.
"""

from __future__ import annotations

from dataclasses import replace

from agentpost.errors import NotFound
from agentpost.events import wire
from agentpost.mail.reading import read
from agentpost.model.actor import Actor
from agentpost.model.event import Event, Told
from agentpost.store.events import Events
from agentpost.store.messages import Messages


class Telling:
    """Makes envelopes of events."""

    def __init__(self, events: Events, messages: Messages) -> None:
        self._events = events
        self._messages = messages

    async def envelope(self, actor: Actor, event: Event, *, full: bool) -> bytes:
        """The event as JSON; ``full`` with the texts of its message, when the actor may read them.

        Of a message that is gone meanwhile, what the event itself knows is told.
        """
        full = full and actor.may("messages:read")
        return wire.envelope(event, await self.told(actor, event, full=full), full=full)

    async def told(self, actor: Actor, event: Event, *, full: bool) -> Told | None:
        """The message of an event, ``full`` with its texts; None when it is gone."""
        told = await self._events.message(actor, event)
        if told is not None and full and event.type in wire.WITH_TEXT:
            told = await self._with_texts(actor, event, told)
        return told

    async def _with_texts(self, actor: Actor, event: Event, told: Told) -> Told | None:
        try:
            content = await self._messages.content(actor, told.message.id, "events:read")
        except NotFound:
            return None
        return replace(told, reading=await read(content))
