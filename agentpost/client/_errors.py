"""What can go wrong when a program talks to AgentPost.

Branch on ``code``: every code is documented at ``/docs/errors`` of the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


class AgentPostError(Exception):
    """Whatever this package raises by itself."""


class ConnectionFailed(AgentPostError):
    """The server could not be reached, or the connection broke before its answer was complete."""


class TimedOut(ConnectionFailed):
    """The server did not answer in time."""


class SignatureInvalid(AgentPostError):
    """A webhook is not from this server, or is too old."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that is not as it must be."""

    path: str
    message: str


class ApiError(AgentPostError):
    """The server refused.

    ``status`` is the HTTP status, ``code`` what to branch on, ``fix`` how to mend the request,
    ``request_id`` what the server's log calls it, ``retry_after_s`` when to come again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fix: str | None = None,
        docs: str | None = None,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fix = fix
        self.docs = docs
        self.request_id = request_id
        self.errors = errors
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        fields = "".join(f"\n  {each.path}: {each.message}" for each in self.errors)
        fix = f" {self.fix}" if self.fix else ""
        return f"{self.message}{fix} ({self.status} {self.code}){fields}"


class InvalidRequest(ApiError):
    """400, 413, 415, 422: the request itself must change."""


class AuthenticationFailed(ApiError):
    """401: the key is missing, wrong, revoked or expired."""


class QuotaExceeded(ApiError):
    """402: the organization has used up what its tier allows for now."""


class Forbidden(ApiError):
    """403: the key may not do this."""


class NotFound(ApiError):
    """404, 410: there is nothing of that name for this key."""


class Conflict(ApiError):
    """409: it contradicts what is there."""


class PreconditionFailed(ApiError):
    """412: the object has changed since it was read."""


class RateLimited(ApiError):
    """429: too many requests; ``retry_after_s`` says when to come again."""


class ServerFault(ApiError):
    """5xx: the server failed or is busy."""


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    402: QuotaExceeded,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: PreconditionFailed,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
}


def api_error(status: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """The error that an answer of 400 and more says."""
    kind = _BY_STATUS.get(status, ServerFault if status >= 500 else ApiError)
    body = _problem(content)
    return kind(
        status,
        _text(body.get("code")) or f"http_{status}",
        _text(body.get("message")) or f"The server answered {status}.",
        fix=_text(body.get("fix")),
        docs=_text(body.get("docs")),
        request_id=_text(body.get("request_id")) or headers.get("x-request-id"),
        errors=_fields(body.get("errors")),
        retry_after_s=retry_after_s(headers),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for; None when it asks for nothing in seconds."""
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


def _problem(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        # A proxy in between answers in its own words.
        return {}
    return body if isinstance(body, dict) else {}


def _fields(found: object) -> tuple[FieldError, ...]:
    if not isinstance(found, list):
        return ()
    return tuple(
        FieldError(str(each.get("path", "")), str(each.get("message", "")))
        for each in found
        if isinstance(each, dict)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
