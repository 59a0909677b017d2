"""Webhooks over REST: who is told what, what came of it, and telling again (API.md, Webhooks)."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET, UnsetType

from agentpost.clock import now, rfc3339
from agentpost.errors import (
    AlreadyExists,
    Conflict,
    Limit,
    NotFound,
    PreconditionFailed,
    UnknownField,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import allowed_versions, page_of
from agentpost.http.resources.webhook_bodies import (
    DELIVERY_EXAMPLE,
    EVENT_ID,
    LIMITS,
    SECRET_EXAMPLE,
    WEBHOOK_EXAMPLE,
    WEBHOOK_ID,
    ChangedWebhookBody,
    DeliveriesQuery,
    NewWebhookBody,
    RedeliveredBody,
    ReplayBody,
    ReplayingBody,
    WebhookBody,
    WebhookDeliveryBody,
    delivery_body,
    webhook_body,
)
from agentpost.model.event import DEFAULT_TYPES, TYPES
from agentpost.model.webhook import (
    ALL_TYPES,
    Webhook,
    Window,
)
from agentpost.net.egress import EgressRefused, target_of
from agentpost.store import checks
from agentpost.store.webhooks import WebhookChange, WebhookRequest

routes = Routes("Webhooks")

_TIME: Final = WEBHOOK_EXAMPLE["created_at"]
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_FIELD_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?", re.ASCII)
_OURS: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("content-type", "content-length", "content-encoding", "expect", "user-agent"),
        *("proxy-connection", "proxy-authorization"),
    }
)
_PREFIXES: Final = ("webhook-", "svix-", "x-agentpost-")


def _shown(webhook: Webhook, status: int | None = None, *, secret: bool = False) -> Response:
    return Response(webhook_body(webhook, secret=secret), status=status, version=webhook.version)


def _url(request: Request[Any, Any], url: str) -> str:
    """A URL that a webhook may have.  Raises: UnknownField."""
    try:
        target_of(url, desk_of(request).terms.webhook_allow)
    except EgressRefused as error:
        raise checks.refuse("url", str(error)) from None
    return url


def event_types(types: list[str]) -> tuple[str, ...]:
    """Types that a webhook may name, each once.  Raises: UnknownField."""
    for number, each in enumerate(types):
        if each not in TYPES and each != ALL_TYPES:
            raise checks.refuse(f"event_types[{number}]", "is no type of event")
    return tuple(dict.fromkeys(types))


def _headers(fields: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Header fields to add.  Raises: UnknownField."""
    if sum(len(name) + len(value) for name, value in fields.items()) > LIMITS.max_header_octets:
        raise checks.refuse("headers", f"must have at most {LIMITS.max_header_octets} octets")
    lowered = [name.lower() for name in fields]
    for name, value in fields.items():
        path = f"headers.{name[:100]}"
        if _FIELD_NAME.fullmatch(name) is None or lowered.count(name.lower()) > 1:
            raise checks.refuse("headers", "must have names of header fields, each once")
        if name.lower() in _OURS or name.lower().startswith(_PREFIXES):
            raise checks.refuse(path, "is a header field that the server itself writes")
        if _FIELD_VALUE.fullmatch(value) is None:
            raise checks.refuse(path, "must be printable ASCII without space around it")
    return tuple(fields.items())


@routes.post(
    "/webhooks",
    scope="webhooks:write",
    body=NewWebhookBody,
    answer=WebhookBody,
    status=201,
    summary="Make a webhook",
    also={200: "It was made before with the same client_id"},
    raises=(UnknownField, NotFound, AlreadyExists, Limit),
    examples={
        "request": {
            "url": "https://agent.example.com/hooks",
            "event_types": ["message.received"],
        },
        "response": SECRET_EXAMPLE,
    },
)
async def create_webhook(request: Request[NewWebhookBody, None]) -> Response:
    """Has a URL told what happens from now on.

    The answer holds the secret that deliveries are signed with, this once.  A payload with the
    texts of messages needs a key with messages:read.
    """
    body = request.body
    wanted = WebhookRequest(
        url=_url(request, body.url),
        event_types=DEFAULT_TYPES if body.event_types is None else event_types(body.event_types),
        environments=None if body.environment_ids is None else _unique(body.environment_ids),
        inboxes=None if body.inbox_ids is None else tuple(body.inbox_ids),
        payload=body.payload,
        ordering=body.ordering,
        timeout_s=body.timeout_s,
        headers=_headers(body.headers or {}),
        description=_note(body.description),
        client_id=body.client_id,
    )
    webhook, created = await desk_of(request).store.webhooks.create(request.actor, wanted)
    return _shown(webhook, 201 if created else 200, secret=created)


@routes.get(
    "/webhooks",
    scope="webhooks:read",
    query=TimedListQuery,
    answer=ListBody[WebhookBody],
    summary="List webhooks",
    examples=page_of(WEBHOOK_EXAMPLE),
)
async def list_webhooks(request: Request[None, TimedListQuery]) -> Response:
    """The webhooks that are told of nothing outside the key's reach, newest first."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "webhooks")
    page = await desk.store.webhooks.page(request.actor, desk.cursors.page(query, *place))
    return Response(desk.cursors.body(page, webhook_body, query, *place))


@routes.get(
    "/webhooks/{webhook}",
    scope="webhooks:read",
    answer=WebhookBody,
    summary="Get a webhook",
    examples={"response": WEBHOOK_EXAMPLE},
)
async def get_webhook(request: Request[None, None]) -> Response:
    """One webhook, without its secret."""
    webhooks = desk_of(request).store.webhooks
    return _shown(await webhooks.get(request.actor, request.params["webhook"]))


@routes.patch(
    "/webhooks/{webhook}",
    scope="webhooks:write",
    body=ChangedWebhookBody,
    answer=WebhookBody,
    summary="Change a webhook",
    raises=(UnknownField, NotFound, PreconditionFailed),
    conditional=True,
    examples={"request": {"timeout_s": 10}, "response": {**WEBHOOK_EXAMPLE, "timeout_s": 10}},
)
async def update_webhook(request: Request[ChangedWebhookBody, None]) -> Response:
    """Changes what is named; what is queued is sent as the webhook is then."""
    body = request.body
    change = WebhookChange(
        url=body.url if isinstance(body.url, UnsetType) else _url(request, body.url),
        event_types=UNSET
        if isinstance(body.event_types, UnsetType)
        else event_types(body.event_types),
        environments=UNSET
        if isinstance(body.environment_ids, UnsetType)
        else _unique(body.environment_ids),
        inboxes=tuple(body.inbox_ids) if isinstance(body.inbox_ids, list) else body.inbox_ids,
        payload=body.payload,
        ordering=body.ordering,
        timeout_s=body.timeout_s,
        headers=UNSET if isinstance(body.headers, UnsetType) else _headers(body.headers),
        description=UNSET if isinstance(body.description, UnsetType) else _note(body.description),
        enabled=body.enabled,
    )
    webhook = await desk_of(request).store.webhooks.update(
        request.actor, request.params["webhook"], change, allowed_versions(request)
    )
    return _shown(webhook)


@routes.delete(
    "/webhooks/{webhook}",
    scope="webhooks:write",
    status=204,
    summary="Delete a webhook",
    raises=(PreconditionFailed,),
    conditional=True,
)
async def delete_webhook(request: Request[None, None]) -> Response:
    """Ends a webhook, with what is queued for it and its delivery log."""
    await desk_of(request).store.webhooks.delete(
        request.actor, request.params["webhook"], allowed_versions(request)
    )
    return Response()


@routes.post(
    "/webhooks/{webhook}/test",
    scope="webhooks:write",
    answer=WebhookDeliveryBody,
    status=202,
    summary="Test a webhook",
    raises=(NotFound, Conflict),
    examples={"response": {**DELIVERY_EXAMPLE, "event_type": "webhook.test"}},
)
async def test_webhook(request: Request[None, None]) -> Response:
    """Tells this webhook alone an event ``webhook.test``, whatever types it wants."""
    log = desk_of(request).store.webhook_log
    return Response(delivery_body(await log.test(request.actor, request.params["webhook"])))


@routes.post(
    "/webhooks/{webhook}/enable",
    scope="webhooks:write",
    answer=WebhookBody,
    summary="Enable a webhook",
    raises=(NotFound,),
    examples={"response": WEBHOOK_EXAMPLE},
)
async def enable_webhook(request: Request[None, None]) -> Response:
    """Has a webhook told again that was disabled, and counts its failures anew.

    What was queued for it is tried again; what happened while it was disabled is queued by a
    replay.
    """
    webhooks = desk_of(request).store.webhooks
    return _shown(await webhooks.enable(request.actor, request.params["webhook"]))


@routes.post(
    "/webhooks/{webhook}/rotate-secret",
    scope="webhooks:write",
    answer=WebhookBody,
    summary="Replace a webhook's secret",
    raises=(NotFound,),
    examples={"response": SECRET_EXAMPLE},
)
async def rotate_webhook_secret(request: Request[None, None]) -> Response:
    """Gives a webhook a new secret, told this once; for a day the one before signs as well."""
    webhooks = desk_of(request).store.webhooks
    return _shown(await webhooks.rotate(request.actor, request.params["webhook"]), secret=True)


@routes.post(
    "/webhooks/{webhook}/replay",
    scope="webhooks:write",
    body=ReplayBody,
    answer=ReplayingBody,
    status=202,
    summary="Replay a window of events",
    raises=(UnknownField, NotFound, Conflict),
    examples={
        "request": {"after": _TIME},
        "response": {
            "webhook_id": WEBHOOK_ID,
            "job_id": "job_00000000000000000000000471",
            "after": _TIME,
            "before": _TIME,
        },
    },
)
async def replay_webhook(request: Request[ReplayBody, None]) -> Response:
    """Tells a webhook again what happened between two moments, as far as it is kept.

    Events keep their ids, so a receiver that heard of one knows it again.
    """
    body = request.body
    before = body.before or now()
    if before <= body.after:
        raise checks.refuse("before", "must be later than after")
    types = None if body.event_types is None else event_types(body.event_types)
    window = Window(body.after, before, None if types and ALL_TYPES in types else types)
    webhook = request.params["webhook"]
    job = await desk_of(request).store.webhook_log.replay(request.actor, webhook, window)
    return Response(ReplayingBody(webhook, job, rfc3339(body.after), rfc3339(before)))


@routes.get(
    "/webhooks/{webhook}/deliveries",
    scope="webhooks:read",
    query=DeliveriesQuery,
    answer=ListBody[WebhookDeliveryBody],
    summary="List a webhook's deliveries",
    examples=page_of(DELIVERY_EXAMPLE),
)
async def list_webhook_deliveries(request: Request[None, DeliveriesQuery]) -> Response:
    """What a webhook was told or is to be told, with how the last attempt went; newest first."""
    desk, query, webhook = desk_of(request), request.query, request.params["webhook"]
    place = (request.actor.organization, "webhook deliveries", webhook)
    page = await desk.store.webhook_log.page(
        request.actor,
        webhook,
        desk.cursors.page(query, *place),
        state=query.state,
        event_type=query.event_type,
    )
    return Response(desk.cursors.body(page, delivery_body, query, *place))


@routes.get(
    "/deliveries/{delivery}",
    scope="webhooks:read",
    answer=WebhookDeliveryBody,
    summary="Get a delivery to a webhook",
    examples={"response": DELIVERY_EXAMPLE},
)
async def get_webhook_delivery(request: Request[None, None]) -> Response:
    """One delivery to a webhook."""
    log = desk_of(request).store.webhook_log
    return Response(delivery_body(await log.get(request.actor, request.params["delivery"])))


@routes.post(
    "/deliveries/{delivery}/retry",
    scope="webhooks:write",
    answer=WebhookDeliveryBody,
    status=202,
    summary="Retry a delivery to a webhook",
    raises=(NotFound, Conflict),
    examples={"response": DELIVERY_EXAMPLE},
)
async def retry_webhook_delivery(request: Request[None, None]) -> Response:
    """Tries a delivery now; one that has ended begins anew."""
    log = desk_of(request).store.webhook_log
    return Response(delivery_body(await log.retry(request.actor, request.params["delivery"])))


@routes.post(
    "/events/{event}/redeliver",
    scope="events:read",
    answer=RedeliveredBody,
    status=202,
    summary="Tell webhooks an event again",
    raises=(NotFound,),
    examples={"response": {"event_id": EVENT_ID, "deliveries": [DELIVERY_EXAMPLE]}},
)
async def redeliver_event(request: Request[None, None]) -> Response:
    """Tells an event again to the webhooks that want it and that the key sees.

    A delivery that is queued stays as it is, so that repeating the request changes nothing.
    """
    event = request.params["event"]
    queued = await desk_of(request).store.webhook_log.redeliver(request.actor, event)
    return Response(RedeliveredBody(event, [delivery_body(one) for one in queued]))


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checks.identifier(each) for each in names))


def _note(text: str | None) -> str | None:
    return None if text is None else checks.line("description", text, 500)
