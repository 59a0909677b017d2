"""Events as they happen, for WebSocket and event streams alike: pulled, never pushed.

A feed knows one number, the ``seq`` up to which it has looked.  It asks for what is later, and
when there is nothing it waits to be woken; so nothing can overflow, be lost or come twice, and a
client that reads slowly costs no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import trio

from agentpost.errors import EventsForgotten, FieldError, Overloaded, Problem, UnknownField
from agentpost.http.services import Authenticator
from agentpost.model.actor import Actor
from agentpost.model.event import DEFAULT_TYPES, TYPES, Event, EventBatch, LogSpan

BATCH: Final = 100
LOOK_S: Final = 15.0
"""A feed looks by itself this often, should a wake-up be lost."""
TROUBLE_PAUSE_S: Final = 1.0
"""Before a feed looks again when the store did not answer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; empty means all that the key may see."""

    types: tuple[str, ...] = DEFAULT_TYPES
    inboxes: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    payload: Literal["full", "thin"] = "full"


def unknown_types(types: Sequence[str], path: str = "event_types") -> tuple[FieldError, ...]:
    """What is wrong with the names of types in a filter."""
    return tuple(
        FieldError(f"{path}[{number}]", "is not a type of event")
        for number, name in enumerate(types)
        if name not in TYPES and name != "*"
    )


class Watch(Protocol):
    """An ear for wake-ups."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something may have happened; False when the time is over."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Teller(Protocol):
    """Makes JSON of events."""

    async def envelope(self, event: Event) -> bytes:
        """The event as JSON, the same on every channel."""
        ...


class EventSource(Protocol):
    """Where events come from; implemented by the floors below."""

    async def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch:
        """At most ``limit`` events later than ``seq`` in their order, and where to go on."""
        ...

    async def checked(self, actor: Actor, wanted: Wanted) -> Wanted:
        """The filter with ids in the place of addresses, if all it names is there for the actor.

        Raises: NotFound; Forbidden for a type that this key may not hear of.
        """
        ...

    async def span(self, actor: Actor) -> LogSpan:
        """From where to where the log reaches now."""
        ...

    def teller(self, actor: Actor, events: Sequence[Event], wanted: Wanted) -> Teller:
        """Tells events of one look, which are asked for in their order."""
        ...

    def watch(self, actor: Actor, wanted: Wanted) -> Watch:
        """An ear for what brings wanted events (a checked filter); the caller closes it."""
        ...


async def begin(source: EventSource, actor: Actor, asked: int | None) -> tuple[int, int]:
    """Where a feed begins that is to resume after ``asked`` (None: now), and the head of the log.

    Raises: UnknownField when nothing has happened there yet; EventsForgotten when what happened
    after it was removed meanwhile.  0 is the beginning of what is known.
    """
    span = await source.span(actor)
    if asked is None:
        return span.head, span.head
    if asked > span.head:
        error = FieldError("from_seq", f"lies beyond {span.head}, what has happened")
        raise UnknownField(fix="Resume with the seq of an event.", errors=(error,))
    if 0 < asked < span.forgotten:
        raise EventsForgotten
    return asked, span.head


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
    """The events that one subscription wants, from a ``seq`` on.  ``wanted`` is checked."""

    def __init__(
        self, source: EventSource, credential: Credential, wanted: Wanted, seq: int
    ) -> None:
        self._source = source
        self._credential = credential
        self._teller: Teller | None = None
        self.wanted = wanted
        self.seq = seq
        self.behind = False
        """Whether the last look filled its batch, so that more is waiting."""

    async def look(self) -> tuple[Event, ...]:
        """What is new, perhaps nothing.  Raises: Revoked."""
        actor = await self._credential.actor()
        batch = await self._source.after(actor, self.seq, self.wanted, BATCH)
        self._teller = self._source.teller(actor, batch.events, self.wanted)
        self.seq = batch.position
        self.behind = len(batch.events) >= BATCH
        return batch.events

    async def next(self, watch: Watch, timeout_s: float = LOOK_S) -> tuple[Event, ...]:
        """What is new, waiting for it up to ``timeout_s``; then perhaps nothing.

        A store that does not answer is asked again: the feed goes on where it was.
        Raises: Revoked.
        """
        try:
            found = await self.look()
            if not found:
                await watch.wait(timeout_s)
                found = await self.look()
        except Overloaded:
            self.behind = False
            await trio.sleep(TROUBLE_PAUSE_S)
            return ()
        return found

    async def envelope(self, event: Event) -> bytes:
        """An event of the last look as JSON; made one by one, because each may be a megabyte."""
        assert self._teller is not None
        return await self._teller.envelope(event)
