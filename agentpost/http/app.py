"""Puts the edge together: REST behind the front, WebSocket in Quart-Trio behind the gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from quart import Response, websocket
from quart_trio import QuartTrio

from agentpost.errors import Problem
from agentpost.http.api import Api
from agentpost.http.compat.socket import FACADE_PATH, FacadeSocket
from agentpost.http.endpoint import Endpoint, Routes
from agentpost.http.feed import Credential, EventSource, Revoked
from agentpost.http.problems import problem_answer
from agentpost.http.proxies import Proxies
from agentpost.http.ratelimit import Governor
from agentpost.http.resources import meta
from agentpost.http.resources.socket import SOCKET_PATHS
from agentpost.http.services import Services
from agentpost.http.websocket import Socket, Waiter, converse
from agentpost.ids import ulid
from agentpost.limits import HttpLimits
from agentpost.net import Peer

_PROTOCOL: Final = "agentpost.v1"
_BEARER: Final = "bearer."

Spelling = Callable[[Socket], Socket]
Handshake = Callable[[], Awaitable[Response | None]]


def make_api(
    resources: Sequence[Routes],
    services: Services,
    governor: Governor,
    limits: HttpLimits,
    proxies: Proxies | None = None,
    beside: Sequence[Routes] = (),
) -> Api:
    """The REST API of the given resources, with the pages that describe it.

    ``beside`` is served too, and described elsewhere.
    """
    endpoints: list[Endpoint] = list(meta.routes.endpoints)
    for routes in resources:
        endpoints += routes.endpoints
    endpoints += meta.documentation(endpoints, services.version).endpoints
    for routes in beside:
        endpoints += routes.endpoints
    api = Api(endpoints, services, governor, limits, proxies)
    api.give_away_sockets(*SOCKET_PATHS, FACADE_PATH)
    return api


def make_asgi(
    services: Services,
    source: EventSource,
    waiter: Waiter,
    governor: Governor,
    limits: HttpLimits,
    facade: EventSource | None = None,
) -> QuartTrio:
    """The ASGI application: the WebSocket; the console is mounted on it.

    ``facade`` tells events in AgentMail's spelling, for the WebSocket that has it.
    """
    app = QuartTrio("agentpost", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = limits.max_body_octets

    def serve(events: EventSource, key: str, spelled: Spelling) -> Handshake:
        async def serve_socket() -> Response | None:
            secret, subprotocol = socket_secret(
                websocket.headers.get("authorization"),
                websocket.requested_subprotocols,
                websocket.args.get(key),
            )
            peer = _peer()
            credential = Credential(services.authenticator, secret or "", peer.address)
            try:
                await _count(credential, governor, peer)
            except Problem as problem:
                return _refusal(problem)
            await websocket.accept(subprotocol=subprotocol)
            socket, stopping = spelled(_QuartSocket()), services.stopping
            await converse(socket, credential, events, waiter, governor.take, stopping, limits)
            return None

        return serve_socket

    ours = serve(source, "token", lambda socket: socket)
    for number, path in enumerate(SOCKET_PATHS):
        app.add_websocket(path, f"socket_{number}", ours)
    if facade is not None:
        app.add_websocket(FACADE_PATH, "socket_facade", serve(facade, "api_key", FacadeSocket))
    return app


def socket_secret(
    authorization: str | None, subprotocols: Sequence[str], token: str | None
) -> tuple[str | None, str | None]:
    """The key of a WebSocket handshake and the subprotocol to answer.

    The header is preferred; browsers, which cannot set it, offer the key as a subprotocol
    (``agentpost.v1, bearer.<key>``) or, last, in the query.
    """
    chosen = _PROTOCOL if _PROTOCOL in subprotocols else None
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip(" "):
        return secret.strip(" "), chosen
    for offered in subprotocols:
        if offered.startswith(_BEARER):
            return offered.removeprefix(_BEARER), chosen
    return token or None, chosen


async def _count(credential: Credential, governor: Governor, peer: Peer) -> None:
    """Count the opening of a socket as a request, or as one that came without a valid key.

    Raises: RateLimited, Overloaded.
    """
    try:
        actor = await credential.actor()
    except Revoked:
        governor.take_stranger(peer.network)
    else:
        governor.take(actor)


def _refusal(problem: Problem) -> Response:
    """The answer to a handshake that is not accepted."""
    answer = problem_answer(problem, "req_" + ulid())
    return Response(answer.body, answer.status, dict(answer.fields))


def _peer() -> Peer:
    client = websocket.scope["client"]
    assert client is not None
    return Peer(str(client[0]), int(client[1]))


class _QuartSocket:
    """The accepted WebSocket of the running Quart handler."""

    async def receive(self) -> str | bytes | None:
        # Quart gives an empty binary message as None, whatever its annotation says.
        return await websocket.receive()

    async def send(self, frame: bytes) -> None:
        await websocket.send(frame.decode("utf-8"))

    async def close(self, code: int, reason: str) -> None:
        await websocket.close(code, reason)
