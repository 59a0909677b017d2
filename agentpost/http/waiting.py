"""Waiting for one message: what ``wait`` frames and the long poll have in common.

Every change of the inbox wakes the waiter, which then asks what was created after the modseq it
has seen; so nothing that is committed while it waits can be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import trio

from agentpost.clock import rfc3339
from agentpost.errors import NotFound
from agentpost.events.bus import Bus
from agentpost.http.websocket import Wait
from agentpost.model.actor import Actor
from agentpost.model.message import Message
from agentpost.store.opening import Store

_LOOK_S = 15.0
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Awaited:
    """Which message is waited for; every given condition must hold."""

    from_: str | None = None
    subject_contains: str | None = None
    thread: str | None = None
    in_reply_to: str | None = None
    labels: tuple[str, ...] = ()

    def matches(self, message: Message) -> bool:
        """Whether this received message is the one; texts compare without case."""
        if message.direction != "inbound":
            return False
        senders = [f"{who.name or ''} <{who.email}>" for who in message.correspondents.from_]
        labels = {keyword.lower() for keyword in message.keywords}
        return (
            (self.from_ is None or any(_within(self.from_, one) for one in senders))
            and (self.subject_contains is None or _within(self.subject_contains, message.subject))
            and self.thread in (None, message.thread)
            and (
                self.in_reply_to is None
                or self.in_reply_to.strip("<>") in (message.in_reply_to, *message.references)
            )
            and labels.issuperset(label.lower() for label in self.labels)
        )


class MailWaiter:
    """The :class:`~agentpost.http.websocket.Waiter` over the store."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus

    async def wait_for(self, actor: Actor, wait: Wait) -> Any | None:
        """What is told of the message that matches, or ``None`` when ``timeout_s`` is over.

        Raises: NotFound, Forbidden.
        """
        awaited = Awaited(
            wait.from_, wait.subject_contains, wait.thread_id, wait.in_reply_to, tuple(wait.labels)
        )
        found = await self.next(actor, wait.inbox_id, awaited, wait.timeout_s)
        return None if found is None else told(found)

    async def next(
        self,
        actor: Actor,
        inbox: str,
        awaited: Awaited,
        timeout_s: float,
        since: int | None = None,
    ) -> Message | None:
        """The first message after ``since`` (a modseq; now when None) that matches.

        Returns: None when ``timeout_s`` is over.  Raises: NotFound, Forbidden.
        """
        place = await self._store.directory.reach(actor, "messages:read", inbox)
        watch = self._bus.watch(place.inbox)
        try:
            seen = since
            if seen is None:
                seen = await self._store.messages.modseq(actor, place.scope)
            with trio.move_on_after(timeout_s):
                while True:
                    found, seen = await self._look(actor, place.inbox, awaited, seen)
                    if found is not None:
                        return found
                    await watch.wait(_LOOK_S)
            return None
        finally:
            watch.close()

    async def _look(
        self, actor: Actor, inbox: str, awaited: Awaited, seen: int
    ) -> tuple[Message | None, int]:
        while True:
            changes = await self._store.messages.changes(actor, inbox, seen, _BATCH)
            for identity in changes.created:
                try:
                    message = await self._store.messages.get(actor, identity)
                except NotFound:
                    continue  # It was deleted just now.
                if awaited.matches(message):
                    return message, changes.modseq
            seen = changes.modseq
            if not changes.has_more:
                return None, seen


def told(message: Message) -> dict[str, Any]:
    """What the one who waited is answered."""
    sender = message.correspondents.from_[:1]
    return {
        "message_id": message.id,
        "thread_id": message.thread,
        "inbox_id": message.inbox,
        "from_address": {"email": sender[0].email, "name": sender[0].name} if sender else None,
        "subject": message.subject,
        "preview": message.preview,
        "received_at": rfc3339(message.created_at),
    }


def _within(part: str, whole: str) -> bool:
    return part.casefold() in whole.casefold()
