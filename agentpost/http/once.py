"""Requests that are executed once, however often they come (API.md, Side effects).

The key's row is written in the transaction of the effect, so there is no moment at which the one
exists without the other.  A repetition finds the row before it does anything.  One that comes
while the first is at work in this worker is told so; one beside it in another worker is refused
by the row itself, and then finds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from agentpost.errors import IdempotencyInFlight, IdempotencyKeyReuse
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Request, Response
from agentpost.model.message import IdempotentRequest
from agentpost.store.deposits import ReplayedRequest
from agentpost.store.idempotency import StoredAnswer


async def once(
    request: Request[Any, Any],
    execute: Callable[[IdempotentRequest | None], Awaitable[Response]],
    status: int = 202,
    kind: type[msgspec.Struct] | None = None,
) -> Response:
    """Execute a request, or give the answer that it was given before.

    ``execute`` gets the row to write with its effect; ``status`` is that of its answer, and
    ``kind`` what the row keeps of it when that is not a message.
    Raises: IdempotencyInFlight, IdempotencyKeyReuse.
    """
    asked = request.idempotency
    if asked is None:
        return await execute(None)
    desk, actor = desk_of(request), request.actor
    known = desk.store.idempotency
    with _alone(desk, (actor.credential, actor.environment or "", asked.key)):
        answer = await known.repeated(actor, asked.key, asked.fingerprint)
        if answer is not None:
            return _replayed(answer, kind)
        try:
            return await execute(IdempotentRequest(asked.key, asked.fingerprint, status))
        except ReplayedRequest:
            answer = await known.repeated(actor, asked.key, asked.fingerprint)
            if answer is None:
                raise IdempotencyKeyReuse from None
            return _replayed(answer, kind)


@contextmanager
def _alone(desk: Desk, claim: tuple[str, str, str]) -> Iterator[None]:
    """Hold a key while its request is executed.  Raises: IdempotencyInFlight."""
    if claim in desk.in_flight:
        raise IdempotencyInFlight(retry_after=1.0)
    desk.in_flight.add(claim)
    try:
        yield
    finally:
        desk.in_flight.discard(claim)


class _Told(msgspec.Struct, omit_defaults=True):
    """What is kept of an answer, in the order in which it was first told."""

    id: str
    thread_id: str
    status: str
    suppressed: list[str] | msgspec.UnsetType = msgspec.UNSET


def _replayed(answer: StoredAnswer, kind: type[msgspec.Struct] | None) -> Response:
    fields = (("idempotent-replayed", "true"),)
    if kind is not None:
        body = msgspec.json.decode(answer.body, type=kind)
        return Response(body, answer.status, fields=fields)
    told = msgspec.json.decode(answer.body, type=_Told)
    if told.status == "draft":
        # The row names the message that a draft is; a new draft is named after it.
        told.id = "drf_" + told.id[4:]
    return Response(told, answer.status, fields=fields)
