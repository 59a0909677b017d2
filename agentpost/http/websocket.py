"""The frames of ``/ws`` (API.md, WebSocket): a pure conversation and its shell.

:class:`Conversation` knows what the client has asked for and turns each frame into steps for the
shell; it does no I/O.  :func:`converse` runs those steps over any :class:`Socket`.

Acknowledgements are flow control: to a client that has sent one, no more than ``MAX_UNACKED``
events are sent beyond the last.  A client that never sends one is bounded by its socket alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
import trio
from msgspec import Meta

from agentpost.errors import FieldError, Problem, UnknownField
from agentpost.http.decode import field_error
from agentpost.http.feed import Credential, EventSource, Feed, Revoked, Wanted, begin, unknown_types
from agentpost.limits import HttpLimits
from agentpost.model.actor import Actor
from agentpost.model.event import DEFAULT_TYPES, TYPES

log = logging.getLogger("agentpost.http")

GOING_AWAY: Final = (1001, "shutting_down")
INTERNAL: Final = (1011, "internal_error")
UNAUTHENTICATED: Final = (4001, "unauthenticated")
FORBIDDEN: Final = (4003, "forbidden")
SLOW_CONSUMER: Final = (4009, "slow_consumer")
KEY_REVOKED: Final = (4010, "key_revoked")

MAX_UNACKED: Final = 1000
ACK_PATIENCE_S: Final = 60.0
"""How long a client that acknowledges may leave ``MAX_UNACKED`` events unacknowledged."""
MAX_FILTER: Final = 200

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Names = Annotated[list[Name], Meta(max_length=MAX_FILTER)]


class Subscribe(
    msgspec.Struct, frozen=True, tag_field="type", tag="subscribe", forbid_unknown_fields=True
):
    """Ask for events; a second one with the same id replaces the first."""

    id: Name = "default"
    event_types: Names | None = None
    inbox_id: Name | None = None
    inbox_ids: Names = []
    environment_ids: Names = []
    labels: Names = []
    from_seq: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    payload: Literal["full", "thin"] = "full"

    def wanted(self) -> Wanted:
        """The filter that the frame describes."""
        inboxes = list(self.inbox_ids)
        if self.inbox_id is not None and self.inbox_id not in inboxes:
            inboxes.append(self.inbox_id)
        types = DEFAULT_TYPES if self.event_types is None else tuple(self.event_types)
        return Wanted(
            types,
            tuple(inboxes),
            tuple(self.environment_ids),
            tuple(self.labels),
            self.payload,
        )


class Unsubscribe(
    msgspec.Struct, frozen=True, tag_field="type", tag="unsubscribe", forbid_unknown_fields=True
):
    """End a subscription."""

    id: Name = "default"


class Ack(msgspec.Struct, frozen=True, tag_field="type", tag="ack", forbid_unknown_fields=True):
    """Everything up to ``seq`` has been dealt with."""

    seq: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class PingFrame(
    msgspec.Struct, frozen=True, tag_field="type", tag="ping", forbid_unknown_fields=True
):
    """Ask for a pong."""


class Wait(msgspec.Struct, frozen=True, tag_field="type", tag="wait", forbid_unknown_fields=True):
    """Wait for one message, as ``GET /inboxes/{inbox}/wait`` does."""

    id: Name
    inbox_id: Name
    from_: Annotated[str, Meta(max_length=320)] | None = msgspec.field(name="from", default=None)
    subject_contains: Annotated[str, Meta(max_length=1000)] | None = None
    thread_id: Name | None = None
    in_reply_to: Annotated[str, Meta(max_length=998)] | None = None
    labels: Names = []
    since: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    extract: Annotated[
        list[Literal["otp", "links", "unsubscribe", "text"]], Meta(max_length=4)
    ] = []
    mark: Annotated[str, Meta(max_length=120)] | None = None
    timeout_s: Annotated[float, Meta(ge=0, le=300)] = 120.0


Frame = Subscribe | Unsubscribe | Ack | PingFrame | Wait
_decoder: Final = msgspec.json.Decoder(Frame)
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this frame."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """Start a feed for this subscription; its filter has been checked."""

    id: str
    wanted: Wanted
    from_seq: int | None


@dataclass(frozen=True, slots=True)
class End:
    """Stop the feed or the wait of this id."""

    id: str


@dataclass(frozen=True, slots=True)
class Await:
    """Start waiting for a message."""

    wait: Wait


@dataclass(frozen=True, slots=True)
class Resume:
    """The client has acknowledged: feeds that were held back may go on."""


Step = Reply | Open | End | Await | Resume


def subscribed_frame(name: str, resumed_from: int | None, head: int) -> bytes:
    """``subscribed``: where the feed begins and what is the newest now."""
    return _encode(
        {"type": "subscribed", "id": name, "resumed_from": resumed_from, "head_seq": head}
    )


def event_frame(name: str, envelope: bytes) -> bytes:
    """``event``; the envelope is JSON already."""
    return b'{"type":"event","sub":%b,"data":%b}' % (_encode(name), envelope)


def lagged_frame(name: str, from_seq: int, to_seq: int) -> bytes:
    """``lagged``: the client is behind; the events between are read from the log, none is lost."""
    return _encode({"type": "lagged", "sub": name, "from_seq": from_seq, "to_seq": to_seq})


def wait_frame(name: str, data: Any | None) -> bytes:
    """``wait_result``: the message, or that none came in time."""
    status = "timeout" if data is None else "matched"
    return _encode({"type": "wait_result", "id": name, "status": status, "data": data})


def error_frame(problem: Problem, name: str | None = None) -> bytes:
    """``error``, in the words of the REST errors."""
    frame: dict[str, Any] = {
        "type": "error",
        "name": type(problem).__name__,
        "code": problem.code,
        "message": problem.message,
        "fix": problem.fix,
    }
    if name is not None:
        frame["id"] = name
    if problem.retry_after is not None:
        frame["retry_after"] = math.ceil(problem.retry_after)
    if problem.errors:
        frame["errors"] = [{"path": e.path, "message": e.message} for e in problem.errors]
    return _encode(frame)


PONG: Final = b'{"type":"pong"}'


class Conversation:
    """What one client has asked for.  Pure: frames in, steps out."""

    def __init__(self, limits: HttpLimits) -> None:
        self._max = limits.max_subscriptions
        self._open: set[str] = set()
        self._acknowledges = False
        self._unacked: list[int] = []

    @property
    def held_back(self) -> bool:
        """Whether the client must acknowledge before it is sent more events."""
        return self._acknowledges and len(self._unacked) >= MAX_UNACKED

    def receive(self, message: str | bytes | None) -> list[Step]:
        """The steps that a client's message leads to; a bad one leads to an error frame."""
        if not isinstance(message, str):
            problem = UnknownField(
                "Frames are JSON in text messages.", fix="Send text messages, not binary ones."
            )
            return [Reply(error_frame(problem))]
        try:
            frame = _decoder.decode(message)
        except msgspec.ValidationError as error:
            return [Reply(error_frame(UnknownField(errors=(field_error(error),))))]
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [Reply(error_frame(UnknownField("The frame is not JSON.")))]
        return self._take(frame)

    def _take(self, frame: Frame) -> list[Step]:
        match frame:
            case Subscribe():
                wanted = frame.wanted()
                unknown = unknown_types(wanted.types)
                if unknown:
                    problem = UnknownField(fix=f"Types: {', '.join(TYPES)}; or *.", errors=unknown)
                    return [Reply(error_frame(problem, frame.id))]
                return self._begin(frame.id, Open(frame.id, wanted, frame.from_seq))
            case Wait():
                return self._begin(frame.id, Await(frame))
            case Unsubscribe():
                if frame.id not in self._open:
                    error = FieldError("id", "there is no such subscription")
                    return [Reply(error_frame(UnknownField(errors=(error,)), frame.id))]
                self._open.discard(frame.id)
                return [End(frame.id)]
            case Ack():
                self._acknowledges = True
                self._unacked = [seq for seq in self._unacked if seq > frame.seq]
                return [Resume()]
            case PingFrame():
                return [Reply(PONG)]

    def _begin(self, name: str, step: Open | Await) -> list[Step]:
        if name in self._open:
            return [End(name), step]
        if len(self._open) >= self._max:
            error = FieldError("id", f"there are {self._max} subscriptions and waits already")
            return [Reply(error_frame(UnknownField(errors=(error,)), name))]
        self._open.add(name)
        return [step]

    def ended(self, name: str) -> None:
        """A feed or wait is over by itself."""
        self._open.discard(name)

    def sent(self, seqs: Sequence[int]) -> None:
        """Events were sent; they count until they are acknowledged."""
        if self._acknowledges:
            self._unacked.extend(seqs)
        else:
            # As many as matter, should the client begin to acknowledge.
            self._unacked = (self._unacked + list(seqs))[-MAX_UNACKED:]


class Socket(Protocol):
    """An accepted WebSocket.  A lost peer cancels whoever uses it."""

    async def receive(self) -> str | bytes | None: ...

    async def send(self, frame: bytes) -> None:
        """Send a text message."""
        ...

    async def close(self, code: int, reason: str) -> None: ...


class Waiter(Protocol):
    """Waits for one message."""

    async def wait_for(self, actor: Actor, wait: Wait) -> Any | None:
        """What is told of the message that matches, or ``None`` when ``timeout_s`` is over.

        Raises: NotFound, Forbidden.
        """
        ...


Admit = Callable[[Actor], object]
"""Counts a subscription or a wait as a request.  Raises: RateLimited."""


@dataclass(slots=True)
class _Running:
    """A feed or wait that runs: cancelling the scope ends it."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class _Shell:
    """Carries out the steps of a conversation."""

    def __init__(
        self,
        socket: Socket,
        credential: Credential,
        source: EventSource,
        waiter: Waiter,
        admit: Admit,
        limits: HttpLimits,
        nursery: trio.Nursery,
    ) -> None:
        self._socket = socket
        self._credential = credential
        self._source = source
        self._waiter = waiter
        self._admit = admit
        self._nursery = nursery
        self._conversation = Conversation(limits)
        self._running: dict[str, _Running] = {}
        self._acked = trio.Event()

    async def read(self) -> None:
        """Take frames for ever."""
        while True:
            for step in self._conversation.receive(await self._socket.receive()):
                await self._carry_out(step)

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Reply():
                await self._socket.send(step.frame)
            case End():
                running = self._running.pop(step.id, None)
                if running is not None:
                    running.scope.cancel()
            case Resume():
                self._acked.set()
                self._acked = trio.Event()
            case Open():
                self._start(step.id, self._feed, step)
            case Await():
                self._start(step.wait.id, self._wait, step.wait)

    def _start(self, name: str, task: Any, argument: Any) -> None:
        running = self._running[name] = _Running()

        async def run() -> None:
            with running.scope:
                try:
                    await task(argument)
                except Problem as problem:
                    await self._socket.send(error_frame(problem, name))
            if self._running.get(name) is running:
                del self._running[name]
                self._conversation.ended(name)

        self._nursery.start_soon(run)

    async def _feed(self, step: Open) -> None:
        actor = await self._credential.actor()
        self._admit(actor)
        wanted = await self._source.checked(actor, step.wanted)
        start, head = await begin(self._source, actor, step.from_seq)
        feed = Feed(self._source, self._credential, wanted, start)
        watch = self._source.watch(actor, wanted)
        live = step.from_seq is None
        try:
            await self._socket.send(subscribed_frame(step.id, step.from_seq, head))
            while True:
                await self._hold_back()
                before = feed.seq
                events = await feed.next(watch)
                if live and feed.behind:
                    head = (await self._source.span(actor)).head
                    await self._socket.send(lagged_frame(step.id, before, max(head, feed.seq)))
                live = not feed.behind
                for event in events:
                    await self._socket.send(event_frame(step.id, await feed.envelope(event)))
                self._conversation.sent([event.seq for event in events])
        finally:
            watch.close()

    async def _hold_back(self) -> None:
        while self._conversation.held_back:
            with trio.move_on_after(ACK_PATIENCE_S) as patience:
                await self._acked.wait()
            if patience.cancelled_caught:
                raise _Slow

    async def _wait(self, wait: Wait) -> None:
        actor = await self._credential.actor()
        self._admit(actor)
        found = await self._waiter.wait_for(actor, wait)
        await self._socket.send(wait_frame(wait.id, found))


class _Slow(Exception):
    """The client does not acknowledge."""


async def converse(
    socket: Socket,
    credential: Credential,
    source: EventSource,
    waiter: Waiter,
    admit: Admit,
    stopping: trio.Event,
    limits: HttpLimits,
) -> None:
    """Serve an accepted WebSocket until it, its key or the server ends, and close it.

    Returns when the server closes; a peer that closes cancels this.
    """
    try:
        actor = await credential.actor()
    except Revoked:
        await socket.close(*UNAUTHENTICATED)
        return
    if not actor.may("events:read"):
        await socket.close(*FORBIDDEN)
        return
    code = GOING_AWAY
    try:
        async with trio.open_nursery() as nursery:
            shell = _Shell(socket, credential, source, waiter, admit, limits, nursery)
            nursery.start_soon(shell.read)
            nursery.start_soon(_ask_after, credential, limits.websocket_ping_s)
            await stopping.wait()
            nursery.cancel_scope.cancel()
    except* Revoked:
        code = KEY_REVOKED
    except* _Slow:
        code = SLOW_CONSUMER
    except* Exception:
        log.exception("a WebSocket conversation failed")
        code = INTERNAL
    await socket.close(*code)


async def _ask_after(credential: Credential, every_s: float) -> None:
    """A revoked key ends its connections also when nothing happens on them."""
    while True:
        await trio.sleep(every_s)
        try:
            await credential.actor()
        except Problem:
            log.warning("cannot ask after a key now")
