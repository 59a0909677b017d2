"""Where the WebSocket is, and what a request there is told that is no handshake.

The conversation itself is in :mod:`agentpost.http.websocket`.
"""

from __future__ import annotations

from typing import Any, Final

from agentpost.http.endpoint import API_ROOT, Request, Response, Routes
from agentpost.http.problems import UPGRADE, ProblemBody

SOCKET_PATHS: Final = ("/ws", API_ROOT + "/ws")

routes = Routes("Events", root="")

_SOCKET: Final[dict[str, Any]] = {
    "public": True,
    "status": 426,
    "answer": ProblemBody,
    "also": {101: "The WebSocket is open"},
}


@routes.get("/ws", summary="Events as they happen", **_SOCKET)
async def get_socket(request: Request[None, None]) -> Response:
    """A WebSocket that tells events; open it with a WebSocket client, and with a key."""
    # RFC 9110 section 15.5.22: the answer names the protocol that is needed.
    fields = (("upgrade", "websocket"), ("connection", "upgrade"))
    return Response(UPGRADE.body(request.request_id), fields=fields)


@routes.get(API_ROOT + "/ws", summary="Events as they happen (other path)", **_SOCKET)
async def get_socket_alias(request: Request[None, None]) -> Response:
    """The same as ``/ws``."""
    return await get_socket(request)
