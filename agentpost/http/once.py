"""Requests that are executed once, however often they come (API.md, Side effects).

The key's row is written in the transaction of the effect, so there is no moment at which the one
exists without the other.  A repetition finds the row before it does anything; one that runs beside
the first is refused by the row itself, and then finds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from agentpost.errors import IdempotencyKeyReuse
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response
from agentpost.model.message import IdempotentRequest
from agentpost.store.deposits import ReplayedRequest
from agentpost.store.idempotency import StoredAnswer


async def once(
    request: Request[Any, Any],
    execute: Callable[[IdempotentRequest | None], Awaitable[Response]],
    status: int = 202,
) -> Response:
    """Execute a request, or give the answer that it was given before.

    ``execute`` gets the row to write with its effect; ``status`` is that of its answer.
    Raises: IdempotencyKeyReuse.
    """
    asked = request.idempotency
    if asked is None:
        return await execute(None)
    known = desk_of(request).store.idempotency
    answer = await known.repeated(request.actor, asked.key, asked.fingerprint)
    if answer is not None:
        return _replayed(answer)
    try:
        return await execute(IdempotentRequest(asked.key, asked.fingerprint, status))
    except ReplayedRequest:
        answer = await known.repeated(request.actor, asked.key, asked.fingerprint)
        if answer is None:
            raise IdempotencyKeyReuse from None
        return _replayed(answer)


def _replayed(answer: StoredAnswer) -> Response:
    told: dict[str, str] = msgspec.json.decode(answer.body)
    if told["status"] == "draft":
        # The row names the message that a draft is; a new draft is named after it.
        told["id"] = "drf_" + told["id"][4:]
    return Response(told, answer.status, fields=(("idempotent-replayed", "true"),))
