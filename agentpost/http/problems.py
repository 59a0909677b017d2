"""Failures as the API tells them: one flat body, made from the table in ``errors``.

``{"name", "code", "message", "fix", "docs", "request_id", "errors": [{"path", "message"}]}``:
clients branch on ``code``; ``fix`` says what the caller can do and is never empty for a 4xx.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from agentpost.errors import (
    MethodNotAllowed,
    Overloaded,
    Problem,
    TooLarge,
)
from agentpost.http.answer import JSON, Answer
from agentpost.http.wire import MalformedRequest

DOCS: Final = "/docs/errors"


class FieldProblem(msgspec.Struct, frozen=True):
    """One wrong field of a request."""

    path: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True):
    """The body of every answer with a status of 400 or more."""

    name: str
    code: str
    message: str
    fix: str
    docs: str
    request_id: str
    errors: list[FieldProblem] = []


_encode = msgspec.json.Encoder().encode


class EdgeError(msgspec.Struct, frozen=True):
    """An error that only HTTP knows, outside the table."""

    name: str
    code: str
    status: int
    message: str
    fix: str

    def body(self, request_id: str, message: str | None = None) -> ProblemBody:
        """The error body, with its own message or the one of the case."""
        docs = f"{DOCS}#{self.code}"
        return ProblemBody(
            self.name, self.code, message or self.message, self.fix, docs, request_id
        )


_CLIENT: Final = (
    "Use a client that speaks HTTP/1.1 as RFC 9112 has it, or look at the proxy between."
)
_INTERNAL: Final = EdgeError(
    "InternalError",
    "internal_error",
    500,
    "The server failed; the request id leads to the reason in its log.",
    "Repeat the request with the same Idempotency-Key; if it fails again, report the request id.",
)
_MALFORMED: Final = {
    400: EdgeError(
        "MalformedRequest", "malformed_request", 400, "This is no HTTP request.", _CLIENT
    ),
    431: EdgeError(
        "HeadTooLarge",
        "head_too_large",
        431,
        "The request head is too large.",
        "Send fewer and shorter header fields, and long parameters in a body.",
    ),
    505: EdgeError(
        "HttpVersionNotSupported",
        "http_version_not_supported",
        505,
        "This server speaks HTTP/1.1.",
        "Use HTTP/1.1; a proxy in front may speak HTTP/2.",
    ),
}
UPGRADE: Final = EdgeError(
    "UpgradeRequired",
    "upgrade_required",
    426,
    "This path is a WebSocket.",
    "Open it with a WebSocket client: wss:// instead of https://.",
)
EDGE_ERRORS: Final = (*_MALFORMED.values(), UPGRADE, _INTERNAL)
"""The errors outside the table, for the documentation."""


def problem_answer(problem: Problem, request_id: str) -> Answer:
    """The answer to a failure the table knows.

    Retry-After (RFC 9110 section 10.2.3) is whole seconds, rounded up, and stands on every 429
    and 503.
    """
    column = problem.column
    answer = _answer(column.http, problem_body(problem, request_id))
    if column.http in (429, 503) or problem.retry_after is not None:
        answer.fields.append(("retry-after", str(max(1, math.ceil(problem.retry_after or 1)))))
    if column.http == 401:
        answer.fields.append(("www-authenticate", 'Bearer realm="agentpost"'))
    return answer


def problem_body(problem: Problem, request_id: str) -> ProblemBody:
    """A failure the table knows as the body that tells it."""
    column = problem.column
    return ProblemBody(
        type(problem).__name__,
        column.code,
        problem.message,
        problem.fix,
        f"{DOCS}#{column.code}",
        request_id,
        [FieldProblem(error.path, error.message) for error in problem.errors],
    )


def method_answer(allowed: tuple[str, ...], request_id: str) -> Answer:
    """405 with the methods the path does have (RFC 9110 section 15.5.6)."""
    answer = problem_answer(MethodNotAllowed(), request_id)
    answer.fields.append(("allow", ", ".join(allowed)))
    return answer


def malformed_answer(error: MalformedRequest, request_id: str) -> Answer:
    """The answer to octets that are no request; the connection ends with it."""
    answer = _answer(error.status, _MALFORMED[error.status].body(request_id, error.reason))
    answer.close = True
    return answer


def too_large_answer(limit: int, request_id: str) -> Answer:
    """413 with the bound in octets."""
    return problem_answer(TooLarge(f"The body is larger than {limit} octets."), request_id)


def overload_answer(request_id: str) -> Answer:
    """503: this worker has all it can do."""
    return problem_answer(Overloaded(retry_after=1.0), request_id)


def internal_answer(request_id: str) -> Answer:
    """500; what happened is in the log under the request id, never in the answer."""
    return _answer(500, _INTERNAL.body(request_id))


def _answer(status: int, body: ProblemBody) -> Answer:
    fields = [("content-type", JSON), ("cache-control", "no-store")]
    return Answer(status, fields, _encode(body))
