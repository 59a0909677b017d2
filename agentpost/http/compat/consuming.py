"""What the ``AutoConfigConsumer`` of Svix's SDKs asks for: subscribe, receive, commit.

It comes with the token of a polling webhook, which opens nothing else.  Its paths are Svix's; the
application in them is the organization, the endpoint the webhook.

Source: version 2.9 of Svix's Python SDK, which tests it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.auth.keys import secret_hash
from agentpost.clock import rfc3339
from agentpost.errors import EventsForgotten, NotFound
from agentpost.http.api import bearer_secret
from agentpost.http.compat.mount import Anything
from agentpost.http.compat.socket import FacadeEvents
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.feed import Wanted
from agentpost.limits import PollingLimits
from agentpost.model.event import Event
from agentpost.model.polling import Look, Reader
from agentpost.store import checks

routes = Routes("Polling webhooks")

_ENDPOINT: Final = "/app/{app}/endpoint/{webhook}/auto-config"
_CONSUMER: Final = "/app/{app}/polling-endpoint/{webhook}/consumer/{consumer}"
_LIMITS: Final = PollingLimits()
_WANTED: Final = Wanted()


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """What a consumer would like to be told; names and notes of its own are of no use here."""

    event_types: list[str] | None = None
    channels: list[str] | None = None
    disabled: bool | None = None


class Sink(msgspec.Struct, frozen=True):
    """How a consumer would like to be told."""

    type: str
    config: Settings = Settings()


class SubscribeBody(Body, frozen=True, forbid_unknown_fields=False):
    """What ``subscribe`` sends."""

    sink: Sink | None = None


class ReceiveQuery(Query, frozen=True, forbid_unknown_fields=True):
    """How much to receive; more than is given is answered by what is given."""

    limit: Annotated[int, Meta(ge=1)] = _LIMITS.events
    lease_duration_ms: Annotated[int, Meta(ge=1, le=int(_LIMITS.max_lease_s * 1000))] = int(
        _LIMITS.lease_s * 1000
    )
    starting_position: Literal["earliest", "latest"] = "earliest"


class CommitBody(Body, frozen=True, forbid_unknown_fields=True):
    """The number of the last event that the consumer is done with."""

    offset: Annotated[int, Meta(ge=0, lt=2**31)]


@routes.put(
    _ENDPOINT, polling=True, body=SubscribeBody, answer=Anything, summary="Subscribe a consumer"
)
async def subscribe(request: Request[SubscribeBody, None]) -> Response:
    """Says what the polling webhook tells; that was settled when it was made."""
    reader = _reader(request)
    webhook = await desk_of(request).store.consuming.webhook(request.actor, reader)
    sink = request.body.sink
    if sink is None or sink.type != "poller":
        raise checks.refuse("sink", "must be a poller: nothing is delivered from here")
    types, given = list(webhook.event_types), sink.config
    if given.event_types and set(given.event_types) != set(types):
        fix = "Leave it out, or make a polling webhook with these types."
        raise checks.refuse("sink.config.eventTypes", "is not what the webhook was made with", fix)
    if given.channels or given.disabled:
        raise checks.refuse("sink.config", "can neither choose channels nor disable the webhook")
    return Response(
        {
            "id": webhook.id,
            "uid": webhook.client_id,
            "url": "",
            "description": "",
            "metadata": {},
            "disabled": False,
            "eventTypes": types,
            "createdAt": rfc3339(webhook.created_at),
            "updatedAt": rfc3339(webhook.updated_at),
        }
    )


@routes.get(_CONSUMER, polling=True, query=ReceiveQuery, answer=Anything, summary="Receive events")
async def receive(request: Request[None, ReceiveQuery]) -> Response:
    """Events that the consumer has not committed, in their order, its own for a while.

    What was removed from the log before the consumer came to it is told once, by
    ``events_forgotten``.
    """
    reader, query, actor = _reader(request), request.query, request.actor
    store = desk_of(request).store.consuming
    most = min(query.limit, store.limits.max_events)
    look = await store.look(actor, reader, most, latest=query.starting_position == "latest")
    if look.forgotten:
        await store.advance(actor, reader, look)
        raise EventsForgotten(
            fix="Receive again: what is still known follows.  Read the mailbox for the rest."
        )
    told = await _told(request, look)
    if not told:
        if look.worth_noting:
            await store.advance(actor, reader, look)
        return Response({"data": [], "done": True})
    first = await store.lease(actor, reader, look, len(told), query.lease_duration_ms / 1000)
    rows = [
        _row(event, first + place, body)
        for place, (event, body) in enumerate(zip(look.events, told, strict=False))
    ]
    return Response({"data": rows, "done": len(told) == len(look.events) and not look.more})


@routes.post(
    _CONSUMER + "/commit",
    polling=True,
    body=CommitBody,
    status=204,
    summary="Commit events",
)
async def commit(request: Request[CommitBody, None]) -> Response:
    """The consumer is done with its events up to this one and will not be given them again."""
    store = desk_of(request).store.consuming
    await store.commit(request.actor, _reader(request), request.body.offset)
    return Response()


def _reader(request: Request[Any, Any]) -> Reader:
    """Who asks.  Raises: NotFound when the path names another organization."""
    params = request.params
    if params["app"] != request.actor.organization:
        raise NotFound("There is no such polling webhook.")
    secret = bearer_secret(request.head)
    assert secret is not None
    return Reader(params["webhook"], secret_hash(secret), params.get("consumer", ""))


async def _told(request: Request[Any, Any], look: Look) -> Sequence[bytes]:
    """The events of a look as AgentMail tells them, as many as one answer holds."""
    desk = desk_of(request)
    teller = FacadeEvents(desk.events, desk.store).teller(request.actor, look.events, _WANTED)
    told: list[bytes] = []
    octets = 0
    for event in look.events:
        if octets >= desk.store.consuming.limits.answer_octets:
            break
        told.append(await teller.envelope(event))
        octets += len(told[-1])
    return told


def _row(event: Event, offset: int, body: bytes) -> Anything:
    return {
        "offset": offset,
        "id": event.id,
        "eventId": event.id,
        "eventType": event.type,
        "timestamp": rfc3339(event.created_at),
        "payload": msgspec.Raw(body),
    }
