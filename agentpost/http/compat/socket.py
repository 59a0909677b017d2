"""AgentMail's WebSocket: the same conversation as at ``/ws``, its frames spelt anew.

The client sends ``subscribe`` with ``event_types`` and ``inbox_ids`` or ``pod_ids``; it is told
``subscribed``, then events in the form of AgentMail's webhooks, and ``error``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from agentpost.errors import FieldError, UnknownField
from agentpost.events import agentmail
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.feed import EventSource, Wanted, Watch
from agentpost.http.problems import ProblemBody
from agentpost.http.resources.socket import get_socket
from agentpost.http.websocket import Socket, error_frame
from agentpost.mail.telling import Batch, Telling
from agentpost.model.actor import Actor
from agentpost.model.event import Event, EventBatch, LogSpan
from agentpost.store.directory import Directory
from agentpost.store.opening import Store

FACADE_PATH: Final = "/v0"

routes = Routes("Events", root="")

_encode: Final = msgspec.json.Encoder().encode


@routes.get(
    FACADE_PATH, public=True, status=426, answer=ProblemBody, summary="AgentMail's WebSocket"
)
async def get_facade(request: Request[None, None]) -> Response:
    """A WebSocket; open it with a WebSocket client, and with a key."""
    return await get_socket(request)


class FacadeEvents:
    """The events of another source, each in AgentMail's spelling."""

    def __init__(self, source: EventSource, store: Store) -> None:
        self._source = source
        self._telling = Telling(store.events, store.messages)
        self._directory = store.directory

    async def after(self, actor: Actor, seq: int, wanted: Wanted, limit: int) -> EventBatch:
        """As the other source."""
        return await self._source.after(actor, seq, wanted, limit)

    async def checked(self, actor: Actor, wanted: Wanted) -> Wanted:
        """As the other source.  Raises: NotFound, Forbidden."""
        return await self._source.checked(actor, wanted)

    async def span(self, actor: Actor) -> LogSpan:
        """As the other source."""
        return await self._source.span(actor)

    def watch(self, actor: Actor, wanted: Wanted) -> Watch:
        """As the other source."""
        return self._source.watch(actor, wanted)

    def teller(self, actor: Actor, events: Sequence[Event], wanted: Wanted) -> FacadeTeller:
        """Tells events as AgentMail does; texts for whoever may read messages."""
        return FacadeTeller(self._telling.batch(actor, events, full=True), self._directory)


class FacadeTeller:
    """Tells events of one look in AgentMail's spelling."""

    def __init__(self, batch: Batch, directory: Directory) -> None:
        self._batch = batch
        self._directory = directory

    async def envelope(self, event: Event) -> bytes:
        """The event as JSON."""
        told = await self._batch.told(event)
        local = None if event.inbox is None else await self._directory.by_id(event.inbox)
        return agentmail.envelope(event, told, None if local is None else local.address)


class _Told(msgspec.Struct):
    """A frame of ours, as far as it is looked into."""

    type: str
    id: str | None = None
    data: Raw = Raw()


_told: Final = msgspec.json.Decoder(_Told)


class FacadeSocket:
    """A WebSocket whose client speaks AgentMail's frames, for a conversation in ours.

    Each ``subscribe`` adds to those before.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._asked: dict[str, dict[str, Any]] = {}
        self._count = 0

    async def receive(self) -> str | bytes | None:
        """The next frame of the client as ours."""
        while True:
            message = await self._socket.receive()
            if not isinstance(message, str):
                return message
            try:
                frame: Any = msgspec.json.decode(message)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return message  # Refused in the conversation's own words.
            if not isinstance(frame, dict) or frame.get("type") != "subscribe":
                return message
            asked = {name: value for name, value in frame.items() if value is not None}
            if asked.get("inbox_ids") and asked.get("pod_ids"):
                error = FieldError("pod_ids", "goes not together with inbox_ids")
                fix = "Subscribe twice, once to inboxes and once to pods."
                await self._socket.send(error_frame(UnknownField(fix=fix, errors=(error,))))
                continue
            return self._ours(asked)

    def _ours(self, asked: dict[str, Any]) -> str:
        self._count += 1
        name = f"s{self._count}"
        del asked["type"]
        self._asked[name] = dict(asked)
        if "pod_ids" in asked:
            asked["environment_ids"] = asked.pop("pod_ids")
        if asked.get("event_types") == []:
            del asked["event_types"]
        return _encode({**asked, "type": "subscribe", "id": name}).decode()

    async def send(self, frame: bytes) -> None:
        """Send a frame of ours in AgentMail's spelling; what it has no word for is not sent."""
        told = _told.decode(frame)
        if told.type == "lagged":
            return
        if told.type == "event":
            frame = bytes(told.data)
        elif told.type == "subscribed":
            frame = _encode({"type": "subscribed", **self._asked.pop(told.id or "", {})})
        await self._socket.send(frame)

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket."""
        await self._socket.close(code, reason)
