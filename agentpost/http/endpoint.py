"""How an endpoint is declared: one value that routing, checks, handler and documents share.

A handler is a plain function from a :class:`Request` to a :class:`Response`; it knows neither
the front, nor Quart, nor how it was authenticated::

    routes = Routes("Inboxes")

    @routes.get("/inboxes/{inbox}", scope="inboxes:read", answer=InboxBody, summary="...")
    async def get_inbox(request: Request[None, None]) -> Response: ...

The docstring of the handler is the description in ``/openapi.json``.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from agentpost.errors import Problem
from agentpost.http.answer import JSON
from agentpost.http.services import Services
from agentpost.http.wire import Head
from agentpost.model.actor import Actor
from agentpost.net import Peer

B = TypeVar("B")
Q = TypeVar("Q")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
API_ROOT: Final = "/api/v1"


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request body.  A field nobody knows is an error that names it, so that agents learn.

    ``aliases`` are other spellings of top-level fields that are accepted.
    """


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query parameters; lists may be repeated or separated by commas, ``name[key]`` fills maps."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An Idempotency-Key and the digest of the request it was sent with."""

    key: str
    fingerprint: bytes
    """SHA-256 of method, target and body: the same key with another one is a conflict."""


@dataclass(frozen=True, slots=True)
class Request(Generic[B, Q]):
    """One checked request, as a handler sees it."""

    actor: Actor
    params: dict[str, str]
    """The variable parts of the path, percent-decoded."""
    query: Q
    body: B
    request_id: str
    services: Services
    head: Head
    peer: Peer
    idempotency: Idempotency | None = None

    def header(self, name: str) -> str | None:
        """A header field by its name in lower case."""
        return self.head.field(name.encode("ascii"))


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers.

    ``body`` is encoded as JSON unless it is octets or an asynchronous iterator of octets;
    ``status`` is the endpoint's own when ``None``; ``version`` becomes the ETag; ``length`` is
    what an iterator will give, where that is known.
    """

    body: object = None
    status: int | None = None
    version: int | str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    media: str = JSON
    length: int | None = None


Handler = Callable[[Any], Awaitable[Response]]
Gate = Callable[[Services, dict[str, str]], int]
"""Looks at the variable parts of a public path before the body is read, and tells how many octets
it may have; what it raises is answered."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path, and everything that is true of it."""

    method: Method
    path: str
    """Template with the root, such as ``/api/v1/inboxes/{inbox}``."""
    handler: Handler
    name: str
    tag: str
    summary: str
    description: str
    scope: str | None
    """The scope a key must hold; ``None`` means any key."""
    public: bool
    """No key is asked for."""
    body: Any
    """Type of the request body; ``None`` for no body, ``bytes`` for octets as they are."""
    accepts: tuple[str, ...]
    query: type[Query] | None
    answer: Any
    """Type of the success body; ``None`` for none."""
    produces: tuple[str, ...]
    status: int
    raises: tuple[type[Problem], ...]
    idempotent: bool
    """Takes an Idempotency-Key."""
    conditional: bool
    """Takes If-Match."""
    max_body_octets: int | None
    deadline_s: float | None
    waits: bool
    """May take long (long poll); the peer is watched meanwhile."""
    carries_mail: bool = False
    """The body holds a message, and may be as large as one."""
    examples: dict[str, Any] = field(default_factory=dict)
    also: dict[int, str] = field(default_factory=dict)
    """Further statuses that are no failures, and when they come."""
    json_answer: Any = None
    """Type of the body where octets are answered as JSON instead, on request."""
    gate: Gate | None = None
    secret_path: bool = False
    """The path itself opens something: the log gets its beginning only."""
    key_field: bool = False
    """Takes the key in the field x-api-key too, where other servers of its kind expect it."""
    polling: bool = False
    """The token of a polling webhook is asked for, and no key."""


class Routes:
    """The endpoints of one resource file, in order of declaration."""

    def __init__(self, tag: str, root: str = API_ROOT) -> None:
        self.tag = tag
        self.root = root
        self.endpoints: list[Endpoint] = []

    def add(
        self,
        method: Method,
        path: str,
        *,
        summary: str,
        scope: str | None = None,
        public: bool = False,
        body: Any = None,
        accepts: tuple[str, ...] = (JSON,),
        query: type[Query] | None = None,
        answer: Any = None,
        produces: tuple[str, ...] = (JSON,),
        status: int = 200,
        raises: tuple[type[Problem], ...] = (),
        idempotent: bool = False,
        conditional: bool = False,
        max_body_octets: int | None = None,
        deadline_s: float | None = None,
        waits: bool = False,
        carries_mail: bool = False,
        examples: dict[str, Any] | None = None,
        also: dict[int, str] | None = None,
        json_answer: Any = None,
        gate: Gate | None = None,
        secret_path: bool = False,
        key_field: bool = False,
        polling: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as an endpoint; it stays callable by itself."""

        def declare(handler: Handler) -> Handler:
            description = inspect.cleandoc(handler.__doc__ or "")
            assert description, f"{handler.__name__} has no docstring"
            self.endpoints.append(
                Endpoint(
                    method,
                    self.root + path,
                    handler,
                    handler.__name__,
                    self.tag,
                    summary,
                    description,
                    scope,
                    public,
                    body,
                    accepts,
                    query,
                    answer,
                    produces,
                    status,
                    raises,
                    idempotent,
                    conditional,
                    max_body_octets,
                    deadline_s,
                    waits,
                    carries_mail,
                    examples or {},
                    also or {},
                    json_answer,
                    gate,
                    secret_path,
                    key_field,
                    polling,
                )
            )
            return handler

        return declare

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a GET; the options are those of :meth:`add`."""
        return self.add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a POST; the options are those of :meth:`add`."""
        return self.add("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a PUT; the options are those of :meth:`add`."""
        return self.add("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a PATCH; the options are those of :meth:`add`."""
        return self.add("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a DELETE; the options are those of :meth:`add`."""
        return self.add("DELETE", path, **options)


Stream = AsyncIterator[bytes]
