"""Events as they happen, without a gap: the stream is resumed where it broke.

The server numbers the events of an organization (``seq``); a stream that breaks is opened again
behind the last number that was seen, so nothing is missed and nothing comes twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx2

from agentpost.client._calls import growing_s
from agentpost.client._errors import ConnectionFailed, api_error
from agentpost.client._models import Event
from agentpost.client._settings import Settings
from agentpost.client._values import decoded
from agentpost.client._waiting import sleep

PATH: Final = "/api/v1/stream"
SILENCE_S: Final = 60.0
"""The server says something every 25 s; a stream that is silent for longer is dead."""
MAX_FAILURES: Final = 20
"""Attempts in a row without an event before a stream is given up: some eight minutes."""


@dataclass(slots=True)
class _Place:
    """Which events are wanted, and how far the stream has come."""

    parameters: list[tuple[str, str]]
    seq: int | None
    failures: int = 0

    def headers(self) -> dict[str, str]:
        headers = {"Accept": "text/event-stream"}
        if self.seq is not None:
            headers["Last-Event-ID"] = str(self.seq)
        return headers

    def seen(self, event: httpx2.ServerSentEvent) -> Event | None:
        """The event in a frame of the stream; None when it holds none."""
        self.failures = 0
        if not event.data:
            # A sign of life says how far the stream has come, also where nothing was wanted.
            if event.id:
                self.seq = int(event.id)
            return None
        found = decoded(Event, json.loads(event.data))
        self.seq = found.seq
        return found

    def pause_s(self) -> float | None:
        """How long to wait before the stream is opened again; None when it is given up."""
        self.failures += 1
        if self.failures > MAX_FAILURES:
            return None
        return growing_s(self.failures)


def _place(
    events: Sequence[str] | None,
    inbox_id: str | None,
    environment_ids: Sequence[str],
    labels: Sequence[str],
    from_seq: int | None,
    payload: str,
) -> _Place:
    parameters = [("payload", payload)]
    parameters += [("event_types", each) for each in events or ()]
    parameters += [("environment_ids", each) for each in environment_ids]
    parameters += [("labels", each) for each in labels]
    if inbox_id is not None:
        parameters.append(("inbox_id", inbox_id))
    return _Place(parameters, from_seq)


_TIMEOUT: Final = httpx2.Timeout(30.0, read=SILENCE_S)
_ENDED: Final = "The stream of events ended again and again."


def _request(
    http: httpx2.Client | httpx2.AsyncClient, settings: Settings, place: _Place
) -> httpx2.Request:
    return http.build_request(
        "GET",
        settings.base_url + PATH,
        params=tuple(place.parameters),
        headers={**settings.headers, **place.headers()},
        timeout=_TIMEOUT,
    )


class Realtime:
    """``client.realtime``."""

    def __init__(self, http: httpx2.Client, settings: Settings) -> None:
        self._http = http
        self._settings = settings

    def stream(
        self,
        events: Sequence[str] | None = None,
        *,
        inbox_id: str | None = None,
        environment_ids: Sequence[str] = (),
        labels: Sequence[str] = (),
        from_seq: int | None = None,
        payload: str = "full",
    ) -> Iterator[Event]:
        """Events from now on, or behind ``from_seq``; ends only by an error or by ``break``.

        ``events`` are types, the seven usual ones when left out, ``["*"]`` for all.
        Raises: ApiError when the server refuses; ConnectionFailed when it stays away.
        """
        place = _place(events, inbox_id, environment_ids, labels, from_seq, payload)
        while True:
            failure: httpx2.TransportError | None = None
            try:
                yield from self._once(place)
            except httpx2.TransportError as error:
                failure = error
            pause = place.pause_s()
            if pause is None:
                raise ConnectionFailed(_ENDED) from failure
            time.sleep(pause)

    def _once(self, place: _Place) -> Iterator[Event]:
        response = self._http.send(_request(self._http, self._settings, place), stream=True)
        try:
            if response.status_code >= 400:
                raise api_error(response.status_code, response.headers, response.read())
            for frame in httpx2.EventSource(response):
                event = place.seen(frame)
                if event is not None:
                    yield event
        finally:
            response.close()


class AsyncEvents:
    """A stream of events: ``async with client.realtime.stream() as events``, then ``async for``.

    It holds a connection until it is closed.
    """

    def __init__(self, http: httpx2.AsyncClient, settings: Settings, place: _Place) -> None:
        self._http = http
        self._settings = settings
        self._place = place
        self._response: httpx2.Response | None = None
        self._frames: AsyncIterator[httpx2.ServerSentEvent] | None = None

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Event:
        while True:
            failure: httpx2.TransportError | None = None
            try:
                frames = self._frames or await self._open()
                async for frame in frames:
                    event = self._place.seen(frame)
                    if event is not None:
                        return event
            except httpx2.TransportError as error:
                failure = error
            await self.aclose()
            pause = self._place.pause_s()
            if pause is None:
                raise ConnectionFailed(_ENDED) from failure
            await sleep(pause)

    async def aclose(self) -> None:
        """Give the connection back."""
        frames, self._frames = self._frames, None
        response, self._response = self._response, None
        if isinstance(frames, AsyncGenerator):
            await frames.aclose()
        if response is not None:
            await response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _open(self) -> AsyncIterator[httpx2.ServerSentEvent]:
        request = _request(self._http, self._settings, self._place)
        response = await self._http.send(request, stream=True)
        if response.status_code >= 400:
            try:
                content = await response.aread()
            finally:
                await response.aclose()
            raise api_error(response.status_code, response.headers, content)
        self._response = response
        self._frames = aiter(httpx2.EventSource(response))
        return self._frames


class AsyncRealtime:
    """``client.realtime``."""

    def __init__(self, http: httpx2.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._settings = settings

    def stream(
        self,
        events: Sequence[str] | None = None,
        *,
        inbox_id: str | None = None,
        environment_ids: Sequence[str] = (),
        labels: Sequence[str] = (),
        from_seq: int | None = None,
        payload: str = "full",
    ) -> AsyncEvents:
        """As :meth:`Realtime.stream`; close it, or use it in ``async with``."""
        place = _place(events, inbox_id, environment_ids, labels, from_seq, payload)
        return AsyncEvents(self._http, self._settings, place)
