"""Suppressions: addresses that an environment does not write to any longer (API.md, Filters)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.auth.addresses import canonical
from agentpost.clock import rfc3339
from agentpost.errors import UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, Moment, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    Line,
    Timestamp,
    coming,
    page_of,
    when,
)
from agentpost.mail.rules import written
from agentpost.mime.fields import fault_of_email
from agentpost.model.suppression import Suppression, SuppressionSource
from agentpost.store import checks
from agentpost.store.suppressions import SuppressionRequest

routes = Routes("Suppressions")


class NewSuppressionBody(Body, frozen=True, forbid_unknown_fields=True):
    """An address that is not to be written to."""

    address: Annotated[str, Meta(min_length=3, max_length=320)]
    reason: Annotated[Line, Meta(min_length=1, max_length=500)] | None = None
    expires_at: Annotated[Moment | None, Meta(description="null: it stays")] = None


class SuppressionBody(msgspec.Struct, frozen=True):
    """An address on the list."""

    id: str
    address: str
    environment_id: str
    source: Annotated[SuppressionSource, Meta(description="What put it here")]
    reason: str | None
    message_id: Annotated[str | None, Meta(description="The message that bounced")]
    expires_at: Timestamp | None
    created_at: Timestamp


class SuppressionsQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """What the list is narrowed to."""

    source: SuppressionSource | None = None
    address: str | None = None


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "sup_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "address": "gone@example.org",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "source": "manual",
    "reason": "Asked by telephone",
    "message_id": None,
    "expires_at": None,
    "created_at": EXAMPLE_TIME,
}


def suppression_body(found: Suppression) -> SuppressionBody:
    """A suppression as the API shows it."""
    return SuppressionBody(
        id=found.id,
        address=found.address,
        environment_id=found.environment,
        source=found.source,
        reason=found.reason,
        message_id=found.message,
        expires_at=when(found.expires_at),
        created_at=rfc3339(found.created_at),
    )


@routes.post(
    "/suppressions",
    scope="filters:write",
    body=NewSuppressionBody,
    answer=SuppressionBody,
    status=201,
    summary="Suppress an address",
    also={200: "It was suppressed before"},
    raises=(UnknownField,),
    examples={
        "request": {"address": "gone@example.org", "reason": "Asked by telephone"},
        "response": _EXAMPLE,
    },
)
async def add_suppression(request: Request[NewSuppressionBody, None]) -> Response:
    """Puts an address on the environment's list: no inbox of it writes there any longer."""
    body = request.body
    fault = fault_of_email(body.address)
    if fault is not None:
        raise checks.refuse("address", fault.rstrip("."))
    expires_at = coming("expires_at", body.expires_at)
    wanted = SuppressionRequest(written(body.address), body.reason, expires_at)
    added, created = await desk_of(request).store.suppressions.add(request.actor, wanted)
    return Response(suppression_body(added), status=201 if created else 200)


@routes.get(
    "/suppressions",
    scope="filters:read",
    query=SuppressionsQuery,
    answer=ListBody[SuppressionBody],
    raises=(UnknownField,),
    summary="List suppressed addresses",
    examples=page_of(_EXAMPLE),
)
async def list_suppressions(request: Request[None, SuppressionsQuery]) -> Response:
    """The addresses that are suppressed where the key reaches, newest first."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "suppressions")
    page = await desk.store.suppressions.page(
        request.actor,
        desk.cursors.page(query, *place),
        source=query.source,
        address=None if query.address is None else written(query.address),
    )
    return Response(desk.cursors.body(page, suppression_body, query, *place))


@routes.delete(
    "/suppressions/{address}",
    scope="filters:write",
    status=204,
    summary="Write to an address again",
    raises=(UnknownField,),
)
async def remove_suppression(request: Request[None, None]) -> Response:
    """Takes an address off the environment's list."""
    address = checks.searchable("address", request.params["address"])
    await desk_of(request).store.suppressions.remove(
        request.actor, (canonical(address), written(address))
    )
    return Response()
