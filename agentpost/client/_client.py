"""The clients: one that blocks, one for asyncio and Trio.  They share everything but the waiting."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar

import httpx2

from agentpost.client import resources
from agentpost.client._calls import Call, in_flight, pause_s
from agentpost.client._errors import (
    AgentPostError,
    ApiError,
    ConnectionFailed,
    TimedOut,
    retry_after_s,
)
from agentpost.client._realtime import AsyncRealtime, Realtime
from agentpost.client._settings import Settings
from agentpost.client._waiting import sleep

T = TypeVar("T")

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8080"
_SLACK_S: Final = 15.0
"""What an answer may take beyond the time that a waiting call asks the server to wait."""


def make_settings(
    api_key: str | None,
    base_url: str | None,
    environment: str | None = None,
    timeout_s: float = 30.0,
    max_retries: int = 3,
) -> Settings:
    """Where the server is and how it is asked; the environment fills in what is left out.

    Raises: AgentPostError when there is no key, or no URL.
    """
    key = api_key or os.environ.get("AGENTPOST_API_KEY")
    if not key:
        raise AgentPostError(
            "There is no API key: set AGENTPOST_API_KEY in the environment, or give api_key=..."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AgentPostError("The API key holds characters that no key has.")
    url = (base_url or os.environ.get("AGENTPOST_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise AgentPostError(f"The base URL must begin with http:// or https://, not {url!r}.")
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, */*;q=0.5"}
    if environment is not None:
        headers["AgentPost-Environment"] = environment
    # The paths of the operations bring /api/v1 with them.
    return Settings(url.removesuffix("/api/v1"), headers, timeout_s, max_retries)


class _Attempts:
    """The attempts at one call: how often it was tried, and how long to wait for the next."""

    def __init__(self, call: Call[Any], max_retries: int) -> None:
        self._call = call
        self._left = max_retries
        self._attempt = 0

    def after_answer(self, response: httpx2.Response) -> float | None:
        """Seconds until the next attempt; None when the answer stands."""
        if response.status_code < 400:
            return None
        status = response.status_code
        asked = retry_after_s(response.headers)
        if status == 409 and in_flight(_error(self._call, response)):
            return self._pause(503, asked)
        return self._pause(status, asked)

    def after_failure(self, error: httpx2.TransportError) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        return self._pause(0 if unsent else None, None)

    def _pause(self, failure: int | None, asked: float | None) -> float | None:
        self._attempt += 1
        if self._attempt > self._left:
            return None
        return pause_s(self._call, self._attempt, failure, asked)


def _error(call: Call[Any], response: httpx2.Response) -> ApiError:
    try:
        call.answered(response.status_code, response.headers, response.content)
    except ApiError as error:
        return error
    raise AssertionError("an answer below 400 is no error")


def _failed(error: httpx2.TransportError) -> NoReturn:
    kind = TimedOut if isinstance(error, httpx2.TimeoutException) else ConnectionFailed
    # What httpx2 says may hold the URL, and never the key.
    raise kind(f"{type(error).__name__}: {error}") from error


def _request(
    client: httpx2.Client | httpx2.AsyncClient, settings: Settings, call: Call[Any]
) -> httpx2.Request:
    octets = call.octets()
    headers = {**settings.headers, **call.headers}
    if octets is not None:
        headers["Content-Type"] = call.media
    timeout = httpx2.Timeout(settings.timeout_s)
    waits = call.query.get("timeout_s")
    if isinstance(waits, int | float):
        timeout = httpx2.Timeout(settings.timeout_s, read=float(waits) + _SLACK_S)
    return client.build_request(
        call.method,
        settings.base_url + call.path,
        params=call.parameters(),
        content=octets,
        headers=headers,
        timeout=timeout,
    )


class AgentPost(resources.Resources):
    """A client that blocks.  Safe to share between threads; close it, or use it in ``with``.

    ``api_key`` and ``base_url`` come from ``AGENTPOST_API_KEY`` and ``AGENTPOST_BASE_URL`` when
    they are left out.  ``environment`` (``env_...``) chooses one for a key that covers several.
    What fails for the moment is tried again up to ``max_retries`` times, with the same
    Idempotency-Key, so that nothing happens twice.

    Raises: AgentPostError when there is no key.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        environment: str | None = None,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        http_client: httpx2.Client | None = None,
    ) -> None:
        settings = make_settings(api_key, base_url, environment, timeout_s, max_retries)
        self._start(settings, http_client or httpx2.Client())

    def _start(self, settings: Settings, http: httpx2.Client) -> None:
        self._settings = settings
        self._http = http
        self.realtime = Realtime(http, settings)
        super().__init__(self._call)

    def _call(self, call: Call[T]) -> T:
        call = call.ready()
        attempts = _Attempts(call, self._settings.max_retries)
        while True:
            try:
                response = self._http.send(_request(self._http, self._settings, call))
            except httpx2.TransportError as error:
                pause = attempts.after_failure(error)
                if pause is None:
                    _failed(error)
            else:
                pause = attempts.after_answer(response)
                if pause is None:
                    return call.answered(response.status_code, response.headers, response.content)
            time.sleep(pause)

    def with_environment(self, environment: str) -> AgentPost:
        """A client for another environment of the same key, with connections of its own."""
        new = object.__new__(AgentPost)
        headers = {**self._settings.headers, "AgentPost-Environment": environment}
        new._start(replace(self._settings, headers=headers), httpx2.Client())
        return new

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AgentPost(base_url={self._settings.base_url!r})"


class AsyncAgentPost(resources.AsyncResources):
    """A client for asyncio and Trio.  Close it with ``aclose``, or use it in ``async with``.

    The arguments are those of :class:`AgentPost`.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        environment: str | None = None,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        settings = make_settings(api_key, base_url, environment, timeout_s, max_retries)
        self._start(settings, http_client or httpx2.AsyncClient())

    def _start(self, settings: Settings, http: httpx2.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self.realtime = AsyncRealtime(http, settings)
        super().__init__(self._call)

    async def _call(self, call: Call[T]) -> T:
        call = call.ready()
        attempts = _Attempts(call, self._settings.max_retries)
        while True:
            try:
                response = await self._http.send(_request(self._http, self._settings, call))
            except httpx2.TransportError as error:
                pause = attempts.after_failure(error)
                if pause is None:
                    _failed(error)
            else:
                pause = attempts.after_answer(response)
                if pause is None:
                    return call.answered(response.status_code, response.headers, response.content)
            await sleep(pause)

    def with_environment(self, environment: str) -> AsyncAgentPost:
        """A client for another environment of the same key, with connections of its own."""
        new = object.__new__(AsyncAgentPost)
        headers = {**self._settings.headers, "AgentPost-Environment": environment}
        new._start(replace(self._settings, headers=headers), httpx2.AsyncClient())
        return new

    async def aclose(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncAgentPost(base_url={self._settings.base_url!r})"
