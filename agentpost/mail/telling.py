"""What an event says of its message: read when the event is told, not when it happens.

One place for WebSocket, event streams, webhooks and the event log.  Events of one look at the log
are told as a batch: their messages are read together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentpost.events import wire
from agentpost.limits import EventLimits
from agentpost.mail.reading import read
from agentpost.model.actor import Actor
from agentpost.model.event import Event, Told
from agentpost.model.message import Message, MessageContent
from agentpost.store.events import Events
from agentpost.store.messages import Messages


class Telling:
    """Makes envelopes of events."""

    def __init__(
        self, events: Events, messages: Messages, limits: EventLimits | None = None
    ) -> None:
        self._events = events
        self._messages = messages
        self._limits = limits or EventLimits()

    def batch(self, actor: Actor, events: Sequence[Event], *, full: bool) -> Batch:
        """Events to be told one by one, in their order; ``full`` with the texts of messages, when
        the actor may read them."""
        full = full and actor.may("messages:read")
        return Batch(self._events, self._messages, self._limits, actor, events, full=full)

    async def envelope(self, actor: Actor, event: Event, *, full: bool) -> bytes:
        """As ``Batch.envelope``, of a single event."""
        return await self.batch(actor, (event,), full=full).envelope(event)

    async def told(self, actor: Actor, event: Event, *, full: bool) -> Told | None:
        """As ``Batch.told``, of a single event."""
        return await self.batch(actor, (event,), full=full).told(event)


class Batch:
    """Events with what their messages say, read when the first of them is told."""

    def __init__(
        self,
        events: Events,
        messages: Messages,
        limits: EventLimits,
        actor: Actor,
        batch: Sequence[Event],
        *,
        full: bool,
    ) -> None:
        self._events = events
        self._messages = messages
        self._limits = limits
        self._actor = actor
        self._batch = batch
        self._full = full
        self._told: dict[str, Told] | None = None
        self._texts: dict[str, MessageContent] = {}

    async def envelope(self, event: Event) -> bytes:
        """The event as JSON.

        Of a message that is gone meanwhile, what the event itself knows is told.
        """
        return wire.envelope(event, await self.told(event), full=self._full)

    async def told(self, event: Event) -> Told | None:
        """The message of an event of the batch; None when it has none, or it is gone."""
        if self._told is None:
            self._told = await self._events.messages(self._actor, self._batch)
        told = self._told.get(str(event.data.get("message_id")))
        if told is None or not (self._full and event.type in wire.WITH_TEXT):
            return told
        message = told.message
        if message.id not in self._texts:
            self._texts = await self._read(event, self._told)
        content = self._texts.pop(message.id, None)
        return None if content is None else replace(told, reading=await read(content))

    async def _read(self, event: Event, told: dict[str, Told]) -> dict[str, MessageContent]:
        """The octets of the message of ``event``, and of those after it that will be told next."""
        ahead: dict[str, Message] = {}
        octets = 0
        for one in self._batch[self._batch.index(event) :]:
            about = told.get(str(one.data.get("message_id")))
            if about is None or one.type not in wire.WITH_TEXT:
                continue
            octets += about.message.size
            if ahead and octets > self._limits.told_ahead_octets:
                break
            ahead[about.message.id] = about.message
        found = await self._messages.contents(self._actor, tuple(ahead.values()), "events:read")
        return {content.message.id: content for content in found}
