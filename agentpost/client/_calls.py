"""One call as a value: what is sent, whether it may be repeated, what its answer means.

Pure: nothing here waits or reads, so that both clients share all of it.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar, cast
from urllib.parse import quote

from agentpost.client._errors import ApiError, api_error
from agentpost.client._values import decoded

T = TypeVar("T")

_SAFE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_REFUSED_UNTOUCHED: Final = frozenset({429, 503})
"""The server answers these before it has done anything."""
_PERHAPS_DONE: Final = frozenset({502, 504})
"""A proxy answers these; what became of the request is not known."""
FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0
MAX_ASKED_S: Final = 60.0
"""Longest ``Retry-After`` that is waited for; a longer one is told to the program instead."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to one operation of the API, and the type of its answer.

    ``query`` and ``body`` are JSON values; ``content`` is a body of octets of the type ``media``.
    ``keyed`` says that the operation takes an Idempotency-Key.
    """

    method: str
    path: str
    answer: type[T] | None
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    keyed: bool = False

    def ready(self) -> Call[T]:
        """The call as it is sent, the same at every attempt: a key makes it repeatable."""
        if not self.keyed or "Idempotency-Key" in self.headers:
            return self
        return replace(self, headers={**self.headers, "Idempotency-Key": str(uuid.uuid4())})

    @property
    def repeatable(self) -> bool:
        """Whether a second time does no harm when the first may have been done."""
        named = self.body is not None and self.body.get("client_id") is not None
        return self.method in _SAFE or "Idempotency-Key" in self.headers or named

    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The query as pairs; lists are repeated, maps become ``name[key]``."""
        pairs: list[tuple[str, str]] = []
        for name, value in self.query.items():
            if isinstance(value, list):
                pairs += [(name, _written(each)) for each in value]
            elif isinstance(value, dict):
                pairs += [(f"{name}[{key}]", _written(each)) for key, each in value.items()]
            elif value is not None:
                pairs.append((name, _written(value)))
        return tuple(pairs)

    def octets(self) -> bytes | None:
        """The body; None when there is none."""
        if self.body is None:
            return self.content
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def answered(self, status: int, headers: Mapping[str, str], content: bytes) -> T:
        """What the answer says.  Raises: ApiError when the server refused."""
        if status >= 400:
            raise api_error(status, headers, content)
        if self.answer is None or status == 204:
            return cast(T, None)
        if self.answer is bytes:
            return cast(T, content)
        if self.answer is str:
            return cast(T, content.decode("utf-8"))
        try:
            value = json.loads(content)
        except ValueError:
            raise ApiError(
                status,
                "unexpected_answer",
                "The answer is not JSON.",
                fix="Check that the base URL is AgentPost's own.",
            ) from None
        return decoded(self.answer, value)


def path(template: str, *parts: str) -> str:
    """``template`` with each ``{}`` filled by a part, percent-encoded; none may be empty."""
    for part in parts:
        if not part:
            raise ValueError("an id must not be empty")
    return template.format(*(quote(part, safe="") for part in parts))


def chosen(fields: Mapping[str, str | None]) -> dict[str, str]:
    """The header fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def pause_s(
    call: Call[Any], attempt: int, failure: int | None, asked: float | None
) -> float | None:
    """How long to wait before the next attempt; None when there is none.

    ``attempt`` counts from 1.  ``failure`` is the status of the answer, or None when the
    connection failed after the request may have arrived; 0 when it never did.
    """
    again = (
        failure == 0
        or failure in _REFUSED_UNTOUCHED
        or (call.repeatable and (failure is None or failure in _PERHAPS_DONE or failure == 408))
    )
    if not again:
        return None
    if asked is not None:
        return asked if asked <= MAX_ASKED_S else None
    return growing_s(attempt)


def growing_s(attempt: int) -> float:
    """A pause that doubles with each attempt, which counts from 1, and varies by a quarter."""
    pause = min(FIRST_PAUSE_S * 2.0 ** (attempt - 1), MAX_PAUSE_S)
    return pause * (0.75 + random.random() / 2)  # noqa: S311


def in_flight(error: ApiError) -> bool:
    """Whether the same call, sent a moment before, is still at work."""
    return error.code == "idempotency_in_flight"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
