"""Waiting for one message: what ``wait`` frames and the long poll have in common.

Every change of the inbox wakes the waiter, which then asks what was created after the modseq it
has seen; so nothing that is committed while it waits can be missed.  With a mark the message is
given to one waiter only: to the one that marks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import trio

from agentpost.errors import AuthenticationFailed, FieldError, Forbidden, UnknownField
from agentpost.events.bus import Bus, Watch
from agentpost.http.extracting import told
from agentpost.http.websocket import Wait
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import InboxChanges, Mark, Message
from agentpost.store import checks
from agentpost.store.authentication import Authentication
from agentpost.store.opening import Store

_LOOK_S: Final = 15.0
_BATCH: Final = 100
_HIDDEN: Final = {"Junk": "spam", "Trash": "trash"}
_LABEL: Final = "label:"

Position = tuple[int, str]
"""A modseq and the id of a message that came with it: where a waiter has come to."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """Which message is waited for; every given condition must hold."""

    from_: str | None = None
    subject_contains: str | None = None
    thread: str | None = None
    in_reply_to: str | None = None
    labels: tuple[str, ...] = ()
    include: frozenset[str] = frozenset()
    mark: Mark | None = None

    def matches(self, message: Message) -> bool:
        """Whether this received message is the one; texts compare without case."""
        if message.direction != "inbound" or not self._shows(message):
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

    def _shows(self, message: Message) -> bool:
        hidden = _HIDDEN.get(message.folder or "")
        if hidden == "spam" and message.state == "blocked":
            hidden = "blocked"
        return hidden is None or hidden in self.include


@dataclass(frozen=True, slots=True)
class Waited:
    """What a wait came to: a message, or none in time, and where to go on."""

    message: Message | None
    position: Position


class MailWaiter:
    """The :class:`~agentpost.http.websocket.Waiter` over the store."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus

    async def wait_for(self, actor: Actor, wait: Wait) -> Any | None:
        """What is told of the message that matches, or ``None`` when ``timeout_s`` is over.

        Raises: NotFound, Forbidden, UnknownField.
        """
        awaited = Awaited(
            wait.from_,
            wait.subject_contains,
            wait.thread_id,
            wait.in_reply_to,
            tuple(wait.labels),
            mark=mark_of(wait.mark),
        )
        since = None if wait.since is None else (wait.since, "")
        waited = await self.next(actor, wait.inbox_id, awaited, wait.timeout_s, since)
        if waited.message is None:
            return None
        return await told(self._store, actor, waited.message, kinds=wait.extract)

    async def next(
        self,
        actor: Actor,
        inbox: str,
        awaited: Awaited,
        timeout_s: float,
        since: Position | None = None,
        stopping: trio.Event | None = None,
    ) -> Waited:
        """The first message behind ``since`` (now when None) that matches.

        It ends without one when ``timeout_s`` is over or the server is ``stopping``.
        Raises: NotFound, Forbidden; AuthenticationFailed when the actor's key ends meanwhile.
        """
        place = await self._store.directory.reach(actor, "messages:read", inbox)
        checks.visible(actor, awaited.include, None)
        if awaited.mark is not None and not actor.may("labels:write"):
            raise Forbidden(
                "Marking a message needs the scope labels:write.",
                fix="Use a key that holds the scope labels:write, or wait without mark.",
            )
        watch = self._bus.watch(place.inbox)
        try:
            if since is None:
                since = (await self._store.messages.modseq(actor, place.scope), "")
            search = _Search(self._store, actor, place, awaited, since)
            with trio.move_on_after(timeout_s):
                while not await search.look():
                    if stopping is not None and stopping.is_set():
                        break
                    await _woken(watch, stopping)
                    await check_still(self._store.authentication, actor)
            return Waited(search.found, search.position)
        finally:
            watch.close()


class _Search:
    """Looks through what came to an inbox, from a position on."""

    def __init__(
        self, store: Store, actor: Actor, place: LocalAddress, awaited: Awaited, since: Position
    ) -> None:
        self._store = store
        self._actor = actor
        self._place = place
        self._awaited = awaited
        self.position = since
        self.found: Message | None = None

    async def look(self) -> bool:
        """Go on to the first message that matches.  Returns: whether there is one."""
        messages = self._store.messages
        while True:
            modseq, last = self.position
            # Messages that were committed together have one modseq: behind one of them there
            # may be others.
            since = modseq - 1 if last else modseq
            changes = await messages.changes(self._actor, self._place.inbox, since, _BATCH)
            known = await messages.some(self._actor, changes.created)
            for came in _in_order(changes):
                if came <= self.position:
                    continue
                message = known.get(came[1])
                # From here on nobody is interrupted between taking a message and telling of it.
                with trio.CancelScope(shield=message is not None):
                    if message is not None and await self._is_taken(message):
                        self.position = came
                        return True
                self.position = came
            self.position = max(self.position, (changes.modseq, ""))
            if not changes.has_more:
                return False

    async def _is_taken(self, message: Message) -> bool:
        if not self._awaited.matches(message):
            return False
        if self._awaited.mark is None:
            self.found = message
        else:
            self.found = await self._store.messages.take(
                self._actor, message.id, self._awaited.mark
            )
        return self.found is not None


def _in_order(changes: InboxChanges) -> list[Position]:
    return sorted(zip(changes.created_at, changes.created, strict=True))


async def _woken(watch: Watch, stopping: trio.Event | None) -> None:
    """Wait until there may be something new, or the server ends."""
    async with trio.open_nursery() as nursery:
        if stopping is not None:
            nursery.start_soon(_end_when, stopping, nursery.cancel_scope)
        await watch.wait(_LOOK_S)
        nursery.cancel_scope.cancel()


async def check_still(authentication: Authentication, actor: Actor) -> None:
    """Tell nothing to who has waited, if his key was revoked or has expired meanwhile.

    Raises: AuthenticationFailed.
    """
    if not await authentication.still_valid(actor):
        raise AuthenticationFailed


async def _end_when(stopping: trio.Event, scope: trio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()


def mark_of(text: str | None) -> Mark | None:
    """What ``mark`` says: ``seen``, or ``label:`` with a label.  Raises: UnknownField."""
    if text is None:
        return None
    if text == "seen":
        return Mark(seen=True)
    if text.startswith(_LABEL):
        (label,) = checks.labels((text.removeprefix(_LABEL),), IdentityLimits(), "mark")
        return Mark(label=label)
    error = FieldError("mark", "must be seen or label:<label>")
    raise UnknownField("mark: must be seen or label:<label>.", errors=(error,))


def _within(part: str, whole: str) -> bool:
    return part.casefold() in whole.casefold()
