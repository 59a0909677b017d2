"""``/mcp``: the Streamable HTTP transport (specification 2025-11-25, Transports).

POST brings messages; the answer is JSON, or a stream of server-sent events where a tool waits.  GET
opens the stream of a session, DELETE ends the session.  A request that names another origin than
this server's is refused, so that no web page can speak to a server in its visitor's network.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from agentpost.clock import now
from agentpost.errors import Forbidden, InvalidRequest, NotFound, RateLimited
from agentpost.http.answer import JSON
from agentpost.http.api import secret_of
from agentpost.http.desk import Desk
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.feed import Credential
from agentpost.http.mcp import canceling, server, wire
from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.server import Visit
from agentpost.http.mcp.stream import Streaming
from agentpost.http.mcp.wire import Call, Params, RpcError
from agentpost.limits import McpLimits
from agentpost.model.mcp import McpSession

PATH: Final = "/mcp"
SESSION: Final = "mcp-session-id"
VERSION: Final = "mcp-protocol-version"
STREAM: Final = "text/event-stream"
_WAITING: Final = b": waiting\n\n"
_TAKEN: Final = Response(status=202, body=b"", media=JSON)
"""The answer to what wants none."""
_PORTS: Final = {"http": 80, "https": 443}


class McpQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Which tools are listed."""

    toolset: Literal["all", "essential"] = "all"


Asked = Request[Any, McpQuery]


@dataclass(frozen=True, slots=True)
class Mcp:
    """What the endpoint reaches."""

    desk: Desk
    limits: McpLimits = McpLimits()

    async def post(self, request: Asked) -> Response:
        """The answer to messages."""
        _check_origin(self.desk, request)
        _check_accept(request)
        try:
            _check_version(request)
            calls, batch = wire.parse(request.body, max_batch=self.limits.max_batch)
            first = next((call for call in calls if call.method == "initialize"), None)
            if first is not None:
                return await self._begin(request, first, alone=len(calls) == 1 and not batch)
            return await self._messages(request, calls, batch)
        except RpcError as error:
            return Response(wire.encode(wire.error_of(None, error)), status=error.status)

    async def get(self, request: Asked) -> Response:
        """The stream of a session."""
        _check_origin(self.desk, request)
        secret = secret_of(request.head, key_field=True)
        assert secret is not None
        session = await self._session(request)
        number = await self.desk.store.mcp.open_stream(request.actor, session.id)
        credential = Credential(self.desk.authenticator, secret, request.peer.address)
        streaming = Streaming(self._calling(request), credential, session.id, number)
        return _streamed(streaming.frames(), session)

    async def delete(self, request: Asked) -> Response:
        """The end of a session."""
        _check_origin(self.desk, request)
        await self.desk.store.mcp.end(request.actor, _named(request))
        return Response(status=204)

    async def _begin(self, request: Asked, call: Call, *, alone: bool) -> Response:
        if not alone or call.id is None:
            raise RpcError(wire.INVALID_REQUEST, "initialize comes alone, with an id.", status=400)
        try:
            protocol, result = server.initialized(call.params, self.desk.version)
        except RpcError as error:
            return Response(wire.encode(wire.error_of(call.id, error)))
        identity = "mcp_" + secrets.token_urlsafe(18)
        session = await self.desk.store.mcp.begin(request.actor, identity, protocol)
        return Response(
            wire.encode(wire.result_of(call.id, result)), fields=((SESSION, session.id),)
        )

    async def _messages(self, request: Asked, calls: list[Call], batch: bool) -> Response:
        session = await self._session(request)
        if batch and session.protocol != wire.WITH_BATCHES:
            raise RpcError(wire.INVALID_REQUEST, "This version has no batches.", status=400)
        essential = request.query.toolset == "essential"
        visit = Visit(self._calling(request), session, essential)
        self._count(request, len(calls) - 1)
        asked = [call for call in calls if call.id is not None]
        for call in calls:
            if call.id is None and call.method == canceling.METHOD:
                await canceling.cancel(visit.call, session, call.params)
        if not asked:
            return _TAKEN
        if any(server.waits(visit, call) for call in asked) and _takes(request, STREAM):
            return _streamed(_frames(visit, asked), session)
        told = [message async for message in _answers(visit, asked)]
        if not told:
            return _TAKEN
        return Response(wire.encode(told if batch else told[0]), fields=((SESSION, session.id),))

    def _count(self, request: Asked, more: int) -> None:
        """Each message of a batch is a request.  Raises: RpcError when they are too many."""
        try:
            for _ in range(more):
                self.desk.governor.take(request.actor)
        except RateLimited as problem:
            raise RpcError(wire.REFUSED, problem.message, status=429) from None

    async def _session(self, request: Asked) -> McpSession:
        sessions = self.desk.store.mcp
        session = await sessions.get(request.actor, _named(request))
        if now() - session.seen_at > timedelta(seconds=self.limits.session_touch_s):
            await sessions.touch(request.actor, session.id)
        return session

    def _calling(self, request: Asked) -> Calling:
        return Calling(request.actor, self.desk, request.request_id, request.peer, self.limits)


async def _answers(visit: Visit, calls: list[Call]) -> AsyncIterator[Params]:
    """The answers to calls, one after the other, without what is told in between."""
    for call in calls:
        async for message in server.answered(visit, call):
            if "id" in message:
                yield message


async def _frames(visit: Visit, calls: list[Call]) -> AsyncIterator[bytes]:
    yield _WAITING
    for call in calls:
        async for message in server.answered(visit, call):
            yield wire.frame(message) if message else _WAITING


def _streamed(pieces: AsyncIterator[bytes], session: McpSession) -> Response:
    # Some proxies would keep a part of the answer back to send more at once.
    fields = ((SESSION, session.id), ("x-accel-buffering", "no"))
    return Response(pieces, fields=fields, media=STREAM)


def _named(request: Asked) -> str:
    """The session that a request belongs to.  Raises: InvalidRequest, NotFound."""
    name = request.header(SESSION)
    if name is None:
        raise InvalidRequest(
            "The header Mcp-Session-Id is missing.",
            fix="Send the one that the answer to initialize came with.",
        )
    if not name.startswith("mcp_") or not name.isascii() or len(name) > 64:
        raise NotFound("There is no such session.", fix="Begin anew with initialize.")
    return name


def _check_origin(desk: Desk, request: Asked) -> None:
    """Refuse what a web page of elsewhere sends.  Raises: Forbidden."""
    origin = request.header("origin")
    if origin is not None and _place(origin) != _place(desk.terms.http_url):
        raise Forbidden(
            "The header Origin names another place.",
            fix="Connect from a program, or from a page of this server.",
        )


def _place(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port, or ``None`` for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.hostname is None:
        return None
    return parts.scheme, parts.hostname, port


def _check_version(request: Asked) -> None:
    """Raises: RpcError for a version that is not spoken; without the header any is good."""
    version = request.header(VERSION)
    if version is not None and version not in wire.VERSIONS:
        raise RpcError(
            wire.UNSUPPORTED_VERSION,
            "This version of the protocol is not spoken here.",
            data={"supported": list(wire.VERSIONS), "requested": version[:64]},
            status=400,
        )


def _takes(request: Asked, media: str) -> bool:
    accept = request.header("accept") or ""
    return media in accept.lower() or "*/*" in accept


def _check_accept(request: Asked) -> None:
    """JSON must be welcome: nearly everything is answered so.  Raises: InvalidRequest."""
    if request.header("accept") is not None and not _takes(request, JSON):
        raise InvalidRequest(
            "The header Accept leaves out application/json.",
            fix="Send Accept: application/json, text/event-stream.",
        )


def mcp_routes(mcp: Mcp) -> Routes:
    """The endpoint; it describes itself by its own protocol and stands in no other description."""
    routes = Routes("MCP", root="")

    @routes.post(
        PATH,
        summary="Messages of the Model Context Protocol",
        body=bytes,
        query=McpQuery,
        produces=(JSON, STREAM),
        carries_mail=True,
        key_field=True,
        waits=True,
        deadline_s=mcp.limits.max_wait_s + 30.0,
    )
    async def post_mcp(request: Asked) -> Response:
        """Takes JSON-RPC messages."""
        return await mcp.post(request)

    @routes.get(
        PATH,
        summary="Stream of the Model Context Protocol",
        query=McpQuery,
        produces=(STREAM,),
        key_field=True,
    )
    async def get_mcp(request: Asked) -> Response:
        """Tells a session of resources that changed."""
        return await mcp.get(request)

    @routes.delete(
        PATH,
        summary="End a session of the Model Context Protocol",
        query=McpQuery,
        status=204,
        key_field=True,
    )
    async def delete_mcp(request: Asked) -> Response:
        """Ends a session."""
        return await mcp.delete(request)

    return routes
