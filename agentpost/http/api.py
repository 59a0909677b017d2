"""The way of a request through the API: from a head to an answer.

Route, credential, rate, scope and headers are looked at before the body is read, so that a
stranger cannot make the server hold megabytes; then the body is decoded and the handler called.
Failures of every kind end here as answers: a :class:`~agentpost.errors.Problem` in the table's
words, anything else as 500 with its traceback in the log only.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import trio

from agentpost.errors import (
    AuthenticationFailed,
    Forbidden,
    InvalidRequest,
    NotAcceptable,
    NotFound,
    Overloaded,
    Problem,
    RateLimited,
)
from agentpost.http import problems
from agentpost.http.answer import Answer
from agentpost.http.conditional import etag
from agentpost.http.connection import wants_websocket
from agentpost.http.decode import BodyDecoder, QueryDecoder
from agentpost.http.endpoint import Endpoint, Idempotency, Request, Response
from agentpost.http.narrowing import narrowed
from agentpost.http.proxies import Proxies
from agentpost.http.ratelimit import Allowance, Governor
from agentpost.http.router import Router
from agentpost.http.services import Services
from agentpost.http.wire import Head, MalformedRequest
from agentpost.ids import OrganizationId, is_id, ulid
from agentpost.limits import HttpLimits
from agentpost.log import actor_id, request_id
from agentpost.metrics import FAULTS, REQUEST_SECONDS, REQUESTS
from agentpost.model.actor import Actor
from agentpost.net import Peer

log = logging.getLogger("agentpost.http")

_KEY: Final = re.compile(r"[A-Za-z0-9._~-]{1,256}")
_SECRET: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]{1,512})")
_ANONYMOUS: Final = Actor(OrganizationId(""), "", frozenset())
_ALWAYS: Final = [("x-content-type-options", "nosniff")]
_encode = msgspec.json.Encoder(decimal_format="string").encode


def bearer_secret(head: Head) -> str | None:
    """The key in ``Authorization: Bearer`` (RFC 6750 section 2.1), or ``None``."""
    value = head.field(b"authorization")
    match = _BEARER.fullmatch(value) if value is not None else None
    return None if match is None else match[1]


def secret_of(head: Head, *, key_field: bool) -> str | None:
    """The key that a request came with, or ``None``; ``key_field`` looks into x-api-key too."""
    secret = bearer_secret(head)
    if secret is None and key_field:
        value = head.field(b"x-api-key")
        match = _SECRET.fullmatch(value) if value is not None else None
        return None if match is None else match[0]
    return secret


def check_scope(actor: Actor, endpoint: Endpoint) -> None:
    """Refuse early what the store would refuse.  Raises: Forbidden."""
    if endpoint.scope is not None and not actor.may(endpoint.scope):
        raise Forbidden(
            f"This needs the scope {endpoint.scope}.",
            fix=f"Use a key that holds the scope {endpoint.scope}.",
        )


class _Prepared:
    """An endpoint with what is worked out once: decoders and accepted media."""

    __slots__ = ("body", "endpoint", "max_body_octets", "query")

    def __init__(self, endpoint: Endpoint, limits: HttpLimits) -> None:
        self.endpoint = endpoint
        self.body = BodyDecoder(endpoint)
        self.query = QueryDecoder(endpoint.query)
        bound = endpoint.max_body_octets
        usual = limits.max_mail_body_octets if endpoint.carries_mail else limits.max_body_octets
        self.max_body_octets = usual if bound is None else bound


class Api:
    """All endpoints of a worker behind the front or behind ASGI."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        services: Services,
        governor: Governor,
        limits: HttpLimits,
        proxies: Proxies | None = None,
    ) -> None:
        self.proxies = proxies or Proxies()
        self.router = Router(endpoints)
        self.services = services
        self.governor = governor
        self.limits = limits
        self._prepared = {
            id(endpoint): _Prepared(endpoint, limits) for endpoint in self.router.endpoints
        }
        self.secret_roots = tuple(
            {e.path.partition("{")[0] for e in self.router.endpoints if e.secret_path}
        )
        """Beginnings of paths whose rest opens something."""
        self._foreign: list[str] = []
        self._sockets: frozenset[str] = frozenset()

    def give_away(self, *prefixes: str) -> None:
        """Paths that the ASGI application answers, with all that is below them."""
        self._foreign += prefixes

    def give_away_sockets(self, *paths: str) -> None:
        """Paths whose WebSocket handshakes, and no other requests, the ASGI application answers."""
        self._sockets |= set(paths)

    def owns(self, head: Head) -> bool:
        """Whether a request is answered here; unknown paths are, with 404."""
        path = head.path
        if path in self._sockets and wants_websocket(head):
            return False
        return not any(
            path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self._foreign
        )

    def refusal(self, error: MalformedRequest, peer: Peer) -> Answer:
        """The answer to octets that are no request."""
        identity = _new_request_id()
        log.info("malformed request", extra={"reason": error.reason, "status": error.status})
        return self._unread(problems.malformed_answer(error, identity), identity, peer)

    def overload(self, peer: Peer) -> Answer:
        """The answer when this worker has all it can do."""
        identity = _new_request_id()
        return self._unread(problems.overload_answer(identity), identity, peer)

    def _unread(self, answer: Answer, identity: str, peer: Peer) -> Answer:
        """Add what every answer carries to one whose request nobody has looked at."""
        allowance = self.governor.peek_stranger(peer.network)
        answer.fields += [("x-request-id", identity), *_ALWAYS, *allowance.fields()]
        return answer

    async def admit(self, head: Head, peer: Peer) -> Admitted | Answer:
        """Everything that is decided before the body: route, key, rate, scope, header fields."""
        exchange = _Exchange(self, head, self.proxies.client(head, peer))
        try:
            return await exchange.admit()
        except Problem as problem:
            return exchange.failed(problem)
        except Exception as error:
            return exchange.broken(error)

    def prepared(self, endpoint: Endpoint) -> _Prepared:
        """What was worked out for an endpoint."""
        return self._prepared[id(endpoint)]


def _new_request_id() -> str:
    return "req_" + ulid()


class _Exchange:
    """One request on its way."""

    __slots__ = ("allowance", "api", "began", "endpoint", "head", "identity", "peer")

    def __init__(self, api: Api, head: Head, peer: Peer) -> None:
        self.api = api
        self.head = head
        self.peer = peer
        self.identity = _new_request_id()
        self.allowance: Allowance | None = None
        self.endpoint: Endpoint | None = None
        self.began = time.perf_counter()
        request_id.set(self.identity)
        actor_id.set(None)

    async def admit(self) -> Admitted | Answer:
        head = self.head
        match = self.api.router.match(head.path)
        if match is None:
            fix = "Compare the path with /openapi.json of this server."
            if head.path.endswith("/"):
                fix = "Leave out the slash at the end of the path."
            raise NotFound("There is no such path.", fix=fix)
        if head.method == "OPTIONS":
            return self.dress(Answer(204, [("allow", ", ".join(match.methods))]))
        endpoint = self.endpoint = match.endpoint(head.method)
        if endpoint is None:
            return self.dress(problems.method_answer(match.methods, self.identity))
        actor = _ANONYMOUS if endpoint.public else await self._actor()
        check_scope(actor, endpoint)
        _check_accept(head, endpoint)
        prepared = self.api.prepared(endpoint)
        prepared.body.check_media(head)
        query = prepared.query.decode(head.query)
        params = match.params(head.method)
        bound = prepared.max_body_octets
        if endpoint.gate is not None:
            bound = min(bound, endpoint.gate(self.api.services, params))
        return Admitted(self, prepared, actor, params, query, bound)

    async def _actor(self) -> Actor:
        assert self.endpoint is not None
        secret = secret_of(self.head, key_field=self.endpoint.key_field)
        governor = self.api.governor
        try:
            if secret is None:
                raise AuthenticationFailed
            authenticator, peer = self.api.services.authenticator, self.peer.address
            if self.endpoint.polling:
                actor = await authenticator.by_polling_token(secret, peer=peer)
            else:
                actor = await authenticator.by_key(secret, peer=peer)
        except Problem as problem:
            if problem.column.http in (401, 403):
                self.allowance = governor.take_stranger(self.peer.network)
            raise
        actor_id.set(actor.credential)
        try:
            self.allowance = governor.take(actor)
        except RateLimited:
            self.allowance = governor.peek(actor)
            raise
        return await self._environment(actor)

    async def _environment(self, actor: Actor) -> Actor:
        """Narrow the actor to the environment that AgentPost-Environment names."""
        named = self.head.field(b"agentpost-environment")
        if named is None:
            return actor
        if not is_id(named, "env"):
            raise InvalidRequest(
                "AgentPost-Environment is not the id of an environment.",
                fix="Send an id such as env_01JQ8X5K2M3N4P5R6S7T8V9W00, or leave the header out.",
            )
        return await narrowed(self.api.services.authenticator, actor, named)

    def failed(self, problem: Problem) -> Answer:
        """The answer to a failure that the table knows."""
        if problem.column.http >= 500:
            log.warning("request refused", extra={"code": problem.code})
        return self.dress(problems.problem_answer(problem, self.identity))

    def broken(self, error: Exception) -> Answer:
        """The answer to a bug: the log gets the traceback, the client a request id."""
        where = {"method": self.head.method, "path": self._shown_path()}
        FAULTS.labels("http").inc()
        log.error("request failed", exc_info=error, extra=where)
        return self.dress(problems.internal_answer(self.identity))

    def dress(self, answer: Answer) -> Answer:
        """Add what every answer carries, and log the request."""
        allowance = self.allowance or self.api.governor.peek_stranger(self.peer.network)
        answer.fields += [("x-request-id", self.identity), *_ALWAYS, *allowance.fields()]
        elapsed_s = time.perf_counter() - self.began
        endpoint = self.endpoint
        # Labels are the table's words, never a client's.
        route, method = ("-", "-") if endpoint is None else (endpoint.path, endpoint.method)
        REQUESTS.labels(route, method, str(answer.status)).inc()
        REQUEST_SECONDS.labels(route).observe(elapsed_s)
        if log.isEnabledFor(logging.INFO):
            # The path without its query: keys may stand there.
            log.info(
                "request",
                extra={
                    "method": self.head.method,
                    "path": self._shown_path(),
                    "status": answer.status,
                    "client": self.peer.address,
                    "elapsed_ms": round(elapsed_s * 1000, 2),
                },
            )
        return answer

    def _shown_path(self) -> str:
        """The path for the log, whatever the method and whether it leads anywhere."""
        path = self.head.path
        for root in self.api.secret_roots:
            if path.startswith(root):
                return root + "..."
        return path


class Admitted:
    """A request whose head was accepted."""

    __slots__ = ("_actor", "_bound", "_exchange", "_params", "_prepared", "_query")

    def __init__(
        self,
        exchange: _Exchange,
        prepared: _Prepared,
        actor: Actor,
        params: dict[str, str],
        query: Any,
        bound: int,
    ) -> None:
        self._bound = bound
        self._exchange = exchange
        self._prepared = prepared
        self._actor = actor
        self._params = params
        self._query = query

    @property
    def max_body_octets(self) -> int:
        return self._bound

    @property
    def waits(self) -> bool:
        return self._prepared.endpoint.waits

    def too_large(self) -> Answer:
        exchange = self._exchange
        return exchange.dress(problems.too_large_answer(self.max_body_octets, exchange.identity))

    def overload(self) -> Answer:
        return self._exchange.dress(problems.overload_answer(self._exchange.identity))

    async def answer(self, body: bytes) -> Answer:
        """Decode the body, call the handler, encode what it says."""
        exchange = self._exchange
        endpoint = self._prepared.endpoint
        deadline_s = endpoint.deadline_s or exchange.api.limits.answer_s
        try:
            request = self._request(body)
            with trio.move_on_after(deadline_s) as scope:
                response = await endpoint.handler(request)
                return exchange.dress(_answer(response, endpoint))
            assert scope.cancelled_caught
            raise Overloaded("The request took too long.", retry_after=5.0)
        except Problem as problem:
            return exchange.failed(problem)
        except Exception as error:
            return exchange.broken(error)

    def _request(self, body: bytes) -> Request[Any, Any]:
        exchange = self._exchange
        endpoint = self._prepared.endpoint
        return Request(
            self._actor,
            self._params,
            self._query,
            self._prepared.body.decode(body),
            exchange.identity,
            exchange.api.services,
            exchange.head,
            exchange.peer,
            idempotency_of(exchange.head, body) if endpoint.idempotent else None,
        )


def idempotency_of(head: Head, body: bytes) -> Idempotency | None:
    """The Idempotency-Key of a request, with the digest of what it asks for.

    Raises: InvalidRequest for a key in other characters.
    """
    key = head.field(b"idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 256 characters of A-Z a-z 0-9 - . _ ~.",
            fix="Send a fresh UUID for each new request, and the same one for its repetitions.",
        )
    digest = hashlib.sha256(f"{head.method} {head.target}\n".encode("ascii"))
    digest.update(body)
    return Idempotency(key, digest.digest())


def _check_accept(head: Head, endpoint: Endpoint) -> None:
    accept = head.field(b"accept")
    if accept is None or "*/*" in accept:
        return
    wanted = {part.partition(";")[0].strip(" \t").lower() for part in accept.split(",")}
    for media in endpoint.produces:
        if media == "*/*" or media in wanted or media.partition("/")[0] + "/*" in wanted:
            return
    raise NotAcceptable(fix=f"Accept {' or '.join(endpoint.produces)}.")


def _answer(response: Response, endpoint: Endpoint) -> Answer:
    status = endpoint.status if response.status is None else response.status
    body = response.body
    fields = [("cache-control", "no-store")]
    if response.version is not None:
        fields.append(("etag", etag(response.version)))
    if response.fields:
        given = {name for name, _ in response.fields}
        fields = [pair for pair in fields if pair[0] not in given] + list(response.fields)
    if body is None and status in (204, 304):
        return Answer(status, fields)
    fields.append(("content-type", response.media))
    if isinstance(body, bytes) or hasattr(body, "__aiter__"):
        return Answer(status, fields, body, length=response.length)  # type: ignore[arg-type]
    return Answer(status, fields, _encode(body))
