"""Between standard input and output and ``/mcp`` of a server (specification 2025-11-25, Transports).

Over stdio a message is one line of JSON.  Each goes to the server as one POST; what comes back, as
JSON or as server-sent events, is written line by line.  Beside it the stream of the session is kept
open.  Standard output carries messages only; failures are told as JSON-RPC errors.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import trio

from agentpost.client._client import make_settings
from agentpost.limits import McpLimits

_READ: Final = 64 * 1024
_STDIN, _STDOUT = 0, 1
_REFUSED: Final = -32000
_PARSE_ERROR: Final = -32700
_TAKES: Final = {"accept": "application/json, text/event-stream"}
_JSON: Final = {"content-type": "application/json", **_TAKES}
_SLACK_S: Final = 30.0
_CONNECT_S: Final = 10.0
_GOODBYE_S: Final = 3.0
_FIRST_PAUSE_S: Final = 1.0
_LAST_PAUSE_S: Final = 30.0


class Bridge:
    """One program that speaks over stdio, and its session at the server."""

    def __init__(
        self, base_url: str | None, toolset: str = "all", limits: McpLimits | None = None
    ) -> None:
        """Raises: AgentPostError when there is no key, or no URL."""
        settings = make_settings(None, base_url)
        self._limits = limits or McpLimits()
        self._url = f"{settings.base_url}/mcp?toolset={toolset}"
        self._headers = settings.headers
        self._session: dict[str, str] = {}
        self._writing = trio.Lock()
        self._places = trio.CapacityLimiter(self._limits.max_at_once)
        self._at_work: dict[str, trio.CancelScope] = {}
        self._listening = False

    async def run(self) -> None:
        """Carry messages until standard input ends."""
        timeout = httpx2.Timeout(self._limits.max_wait_s + _SLACK_S, connect=_CONNECT_S)
        async with httpx2.AsyncClient(headers=self._headers, timeout=timeout) as client:
            async with trio.open_nursery() as streaming:
                async with trio.open_nursery() as working:
                    async for line in self._lines():
                        await self._take(line, client, working, streaming)
                    working.cancel_scope.deadline = trio.current_time() + _GOODBYE_S
                streaming.cancel_scope.cancel()
            if self._session:
                with trio.move_on_after(_GOODBYE_S):
                    await self._goodbye(client)

    async def _lines(self) -> AsyncIterator[bytes]:
        """Lines of standard input without their ends; one that is too long ends the input."""
        buffer = b""
        while len(buffer) <= self._limits.max_line_octets:
            octets = await trio.to_thread.run_sync(os.read, _STDIN, _READ, abandon_on_cancel=True)
            if not octets:
                return
            *lines, buffer = (buffer + octets).split(b"\n")
            for line in lines:
                if line.strip():
                    yield line

    async def _take(
        self,
        line: bytes,
        client: httpx2.AsyncClient,
        working: trio.Nursery,
        streaming: trio.Nursery,
    ) -> None:
        """Carry one message: requests side by side, everything else in its order."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            await self._tell(_error(None, _PARSE_ERROR, "The line is not JSON."))
            return
        known: dict[str, Any] = message if isinstance(message, dict) else {}
        method, identity = known.get("method"), known.get("id")
        if method == "notifications/cancelled":
            self._cancel(known)
        if method is None or identity is None or method == "initialize":
            await self._post(client, line, identity)
            if method == "notifications/initialized" and self._session and not self._listening:
                self._listening = True
                streaming.start_soon(self._listen, client)
            return
        token = object()
        await self._places.acquire_on_behalf_of(token)
        working.start_soon(self._work, client, line, identity, token)

    async def _work(
        self, client: httpx2.AsyncClient, line: bytes, identity: Any, token: object
    ) -> None:
        name = json.dumps(identity)
        try:
            with trio.CancelScope() as scope:
                self._at_work[name] = scope
                await self._post(client, line, identity)
        finally:
            self._at_work.pop(name, None)
            self._places.release_on_behalf_of(token)

    def _cancel(self, message: dict[str, Any]) -> None:
        """Hang up on a request that nobody waits for: the server stops working on it."""
        params = message.get("params")
        if isinstance(params, dict):
            scope = self._at_work.get(json.dumps(params.get("requestId")))
            if scope is not None:
                scope.cancel()

    async def _post(self, client: httpx2.AsyncClient, line: bytes, identity: Any) -> None:
        try:
            headers = _JSON | self._session
            async with client.stream("POST", self._url, content=line, headers=headers) as response:
                if "mcp-session-id" in response.headers:
                    self._session["mcp-session-id"] = response.headers["mcp-session-id"]
                await self._carry(response, identity)
        except httpx2.HTTPError as error:
            # What httpx2 says may hold the URL, and never the key.
            await self._refuse(identity, f"The server cannot be reached: {type(error).__name__}.")

    async def _carry(self, response: httpx2.Response, identity: Any) -> None:
        """Write what an answer holds."""
        media = response.headers.get("content-type", "").partition(";")[0]
        if media == "text/event-stream":
            await self._events(response)
            return
        body = await response.aread()
        if not body:
            return
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if isinstance(told, list) or (isinstance(told, dict) and "jsonrpc" in told):
            self._note_version(told)
            if not (isinstance(told, dict) and told.get("id") is None):
                await self._tell(told)
            elif identity is not None:
                await self._tell({**told, "id": identity})
            return
        fields = told if isinstance(told, dict) else {}
        reason = fields.get("message", f"The server answered {response.status_code}.")
        kept = {name: fields[name] for name in ("code", "fix", "request_id") if name in fields}
        await self._refuse(identity, str(reason), kept or None)

    def _note_version(self, told: Any) -> None:
        """From initialize on, requests name the version that was agreed upon."""
        result = told.get("result") if isinstance(told, dict) else None
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        if isinstance(version, str):
            self._session["mcp-protocol-version"] = version

    async def _events(self, response: httpx2.Response) -> None:
        """Write the messages of a stream of server-sent events: here each is one data line."""
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                await self._write(line.removeprefix("data: ").encode("utf-8"))

    async def _listen(self, client: httpx2.AsyncClient) -> None:
        """Keep the stream of the session open; a server that does not offer one is left alone."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                headers = _TAKES | self._session
                async with client.stream("GET", self._url, headers=headers) as response:
                    if response.status_code < 500 and response.status_code != 200:
                        return
                    if response.status_code == 200:
                        pause = _FIRST_PAUSE_S
                        await self._events(response)
            except httpx2.HTTPError:
                pass  # The server restarts, or the network is gone for a while.
            await trio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_S)

    async def _goodbye(self, client: httpx2.AsyncClient) -> None:
        try:
            await client.request("DELETE", self._url, headers=self._session)
        except httpx2.HTTPError:
            pass  # It ends by itself when nobody uses it.

    async def _refuse(
        self, identity: Any, message: str, data: dict[str, Any] | None = None
    ) -> None:
        """Tell a request that it failed; nobody waits for the answer to anything else."""
        if identity is not None:
            await self._tell(_error(identity, _REFUSED, message, data))

    async def _tell(self, message: object) -> None:
        await self._write(json.dumps(message, separators=(",", ":")).encode("utf-8"))

    async def _write(self, line: bytes) -> None:
        async with self._writing:
            await trio.to_thread.run_sync(_write_all, line + b"\n")


def _error(
    identity: Any, code: int, message: str, data: dict[str, Any] | None = None
) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": error}


def _write_all(octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(_STDOUT, view) :]
