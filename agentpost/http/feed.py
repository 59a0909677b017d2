"""Events as they happen, for WebSocket and event streams alike: pulled, never pushed.

A feed knows one number, the ``seq`` up to which it has looked.  It asks for what is later, and
when there is nothing it waits to be woken; so nothing can overflow, be lost or come twice, and a
client that reads slowly costs no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import trio

from agentpost.errors import Problem
from agentpost.http.services import Authenticator
from agentpost.model.actor import Actor
from agentpost.model.event import Event, EventBatch

BATCH: Final = 100
LOOK_S: Final = 15.0
"""A feed looks by itself this often, should a wake-up between workers be lost."""
SETTLE_S: Final = (0.02, 0.1, 0.5, 2.0)
"""After a wake-up that brought nothing: events become visible in order, so that an older
transaction still running may hold back the one that woke us."""

DEFAULT_TYPES: Final = (
    "message.received",
    "message.sent",
    "message.delivered",
    "message.bounced",
    "message.complained",
    "message.rejected",
    "domain.verified",
)
"""What a subscription without types gets (API.md, Types)."""
TYPES: Final = (
    *DEFAULT_TYPES,
    "message.received.spam",
    "message.received.unauthenticated",
    "message.deferred",
    "message.received.blocked",
    "inbox.paused",
    "inbox.resumed",
    "inbox.deliverability_changed",
    "suppression.added",
    "suppression.removed",
    "quota.approaching",
    "quota.exceeded",
)
"""Everything that can be subscribed to; ``*`` is all of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; empty means all that the key may see."""

    types: tuple[str, ...] = DEFAULT_TYPES
    inboxes: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    payload: Literal["full", "thin"] = "full"


class Watch(Protocol):
    """An ear for wake-ups."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something may have happened; False when the time is over."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class EventSource(Protocol):
    """Where events come from; implemented by the floors below."""

    async def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch:
        """At most ``limit`` events later than ``seq`` in their order, and where to go on."""
        ...

    async def check(self, actor: Actor, wanted: Wanted) -> None:
        """Refuse inboxes and environments that are not there for the actor.

        Raises: NotFound.
        """
        ...

    async def head(self, actor: Actor) -> int:
        """The ``seq`` of the newest event that can be read now."""
        ...

    async def envelope(self, actor: Actor, event: Event, wanted: Wanted) -> bytes:
        """The event as JSON, the same on every channel."""
        ...

    def watch(self, wanted: Wanted) -> Watch:
        """An ear for what may bring wanted events; the caller closes it."""
        ...


class Revoked(Exception):
    """The key is no longer valid: what it opened must end."""


class Credential:
    """The key a lasting connection was opened with, asked after again and again."""

    def __init__(self, authenticator: Authenticator, secret: str, peer: str | None) -> None:
        self._authenticator = authenticator
        self._secret = secret
        self._peer = peer

    async def actor(self) -> Actor:
        """The actor as of now.

        Raises: Revoked when the key was revoked or has expired meanwhile.
        """
        try:
            return await self._authenticator.by_key(self._secret, peer=self._peer)
        except Problem as problem:
            if problem.column.http in (401, 403):
                raise Revoked from None
            raise


class Feed:
    """The events that one subscription wants, from a ``seq`` on."""

    def __init__(
        self, source: EventSource, credential: Credential, wanted: Wanted, seq: int
    ) -> None:
        self._source = source
        self._credential = credential
        self.wanted = wanted
        self.seq = seq
        self.behind = False
        """Whether the last look filled its batch, so that more is waiting."""

    async def look(self) -> list[tuple[int, bytes]]:
        """What is new: ``seq`` and envelope of each event, perhaps nothing.

        Raises: Revoked.
        """
        actor = await self._credential.actor()
        batch = await self._source.after(actor, self.seq, self.wanted, BATCH)
        told = [
            (event.seq, await self._source.envelope(actor, event, self.wanted))
            for event in batch.events
        ]
        self.seq = batch.position
        self.behind = len(told) >= BATCH
        return told

    async def next(self, watch: Watch) -> list[tuple[int, bytes]]:
        """What is new, waiting for it up to ``LOOK_S``; then perhaps nothing.

        Raises: Revoked.
        """
        found = await self.look()
        if found:
            return found
        if not await watch.wait(LOOK_S):
            return await self.look()
        for pause in (0.0, *SETTLE_S):
            if pause:
                await trio.sleep(pause)
            found = await self.look()
            if found:
                break
        return found
