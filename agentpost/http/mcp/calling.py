"""Tools call the REST API's handlers in the process: the same checks, the same answers, no HTTP.

A call is made into the request that a client would have sent, down to its query string and JSON
body, decoded by the endpoint's own decoders; the store then decides about it as about any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from agentpost.http.api import check_scope, idempotency_of
from agentpost.http.decode import BodyDecoder, QueryDecoder
from agentpost.http.desk import Desk
from agentpost.http.endpoint import Endpoint, Handler, Request, Response
from agentpost.http.resources import RESOURCES
from agentpost.http.wire import Framing, Head
from agentpost.limits import McpLimits
from agentpost.model.actor import Actor
from agentpost.net import Peer

_ENDPOINTS: Final[dict[Handler, Endpoint]] = {
    endpoint.handler: endpoint for routes in RESOURCES for endpoint in routes.endpoints
}


@cache
def _decoders(handler: Handler) -> tuple[QueryDecoder, BodyDecoder]:
    endpoint = _ENDPOINTS[handler]
    return QueryDecoder(endpoint.query), BodyDecoder(endpoint)


@dataclass(frozen=True, slots=True)
class Calling:
    """Who calls, and what the call reaches."""

    actor: Actor
    desk: Desk
    request_id: str
    peer: Peer
    limits: McpLimits = McpLimits()

    async def __call__(
        self,
        handler: Handler,
        params: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Any:
        """The body of the answer that an endpoint gives, as plain values; ``None`` for none.

        ``key`` is an Idempotency-Key.  Raises: Problem, as the endpoint does.
        """
        return plain(await self.response(handler, params, query=query, body=body, key=key))

    async def response(
        self,
        handler: Handler,
        params: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Response:
        """The whole answer that an endpoint gives.  Raises: Problem, as it does."""
        endpoint = _ENDPOINTS[handler]
        check_scope(self.actor, endpoint)
        queries, bodies = _decoders(handler)
        octets = b"" if body is None else msgspec.json.encode(body)
        head = _head(endpoint, params or {}, query or {}, octets, key)
        request: Request[Any, Any] = Request(
            self.actor,
            dict(params or {}),
            queries.decode(head.query),
            bodies.decode(octets),
            self.request_id,
            self.desk,
            head,
            self.peer,
            idempotency_of(head, octets) if endpoint.idempotent else None,
        )
        return await handler(request)


def _head(
    endpoint: Endpoint,
    params: Mapping[str, str],
    query: Mapping[str, Any],
    body: bytes,
    key: str | None,
) -> Head:
    path = endpoint.path.format(**{name: quote(value, "") for name, value in params.items()})
    asked = urlencode([(name, _spelt(value)) for name, value in query.items()])
    fields = {} if key is None else {b"idempotency-key": key.encode("utf-8", "replace")}
    target = f"{path}?{asked}" if asked else path
    framing: Framing = "length" if body else "none"
    return Head(
        endpoint.method, target, path, asked, 1, fields, framing, len(body), True, False, False
    )


def _spelt(value: Any) -> str:
    """A value as it stands in a query string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def plain(response: Response) -> Any:
    """The body of an answer as plain values."""
    if isinstance(response.body, bytes):
        return msgspec.json.decode(response.body)
    return msgspec.json.decode(msgspec.json.encode(response.body))
