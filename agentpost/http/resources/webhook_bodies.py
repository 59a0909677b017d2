"""Bodies of webhooks and their deliveries, and how they are shown (API.md, Webhooks)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.http.endpoint import Body
from agentpost.http.paging import Moment, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    ClientId,
    Line,
    Timestamp,
    when,
)
from agentpost.limits import WebhookLimits
from agentpost.model.webhook import (
    DeliveryState,
    Ordering,
    Payload,
    Webhook,
    WebhookDelivery,
)

LIMITS: Final = WebhookLimits()

Url = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=LIMITS.max_url_characters,
        description="http or https; never inside a private network, unless the server allows it",
    ),
]
Types = Annotated[
    list[str],
    Meta(
        min_length=1,
        max_length=LIMITS.max_places,
        description='Types of events; ["*"] is all that the key may see',
    ),
]
Names = Annotated[list[str], Meta(min_length=1, max_length=LIMITS.max_places)]
Inboxes = Annotated[Names, Meta(description="Ids or addresses; every inbox when left out")]
Environments = Annotated[
    Names, Meta(description="The environment of the request when they are left out")
]
Fields = Annotated[
    dict[str, str],
    Meta(
        max_length=LIMITS.max_headers,
        description="Header fields to add, such as Authorization; never shown again",
    ),
]
Timeout = Annotated[int, Meta(ge=LIMITS.min_timeout_s, le=LIMITS.max_timeout_s)]
Note = Annotated[Line, Meta(min_length=1, max_length=500)]
_PAYLOAD: Final = Meta(
    description="full: with texts; thin: ids and what a program decides by; agentmail: as AgentMail"
)
_ORDERING: Final = Meta(
    description="inbox: what happens in one inbox is told in order, each after the one before"
)


class NewWebhookBody(Body, frozen=True, forbid_unknown_fields=True):
    """A webhook to make."""

    url: Url
    event_types: (
        Annotated[Types, Meta(description="The seven of the first release when left out")] | None
    ) = None
    inbox_ids: Inboxes | None = None
    environment_ids: Environments | None = None
    payload: Annotated[Payload, _PAYLOAD] = "full"
    ordering: Annotated[Ordering, _ORDERING] = "none"
    timeout_s: Timeout = 30
    headers: Fields | None = None
    description: Note | None = None
    client_id: ClientId | None = None


class ChangedWebhookBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes."""

    url: Url | UnsetType = UNSET
    event_types: Types | UnsetType = UNSET
    inbox_ids: Inboxes | UnsetType | None = UNSET
    environment_ids: Environments | UnsetType = UNSET
    payload: Annotated[Payload | UnsetType, _PAYLOAD] = UNSET
    ordering: Annotated[Ordering | UnsetType, _ORDERING] = UNSET
    timeout_s: Timeout | UnsetType = UNSET
    headers: Annotated[Fields | UnsetType, Meta(description="All of them anew")] = UNSET
    description: Note | UnsetType | None = UNSET
    enabled: Annotated[bool | UnsetType, Meta(description="false pauses it")] = UNSET


class WebhookBody(msgspec.Struct, frozen=True):
    """A webhook."""

    id: str
    environment_id: str
    url: str
    event_types: list[str]
    environment_ids: list[str]
    inbox_ids: Annotated[list[str] | None, Meta(description="null: every inbox")]
    payload: Payload
    ordering: Ordering
    timeout_s: int
    header_names: Annotated[list[str], Meta(description="Of the added fields; values are secret")]
    description: str | None
    client_id: str | None
    enabled: bool
    disabled_at: Timestamp | None
    disabled_reason: Annotated[
        str | None,
        Meta(description="paused; gone: it answered 410; failures: it failed for too long"),
    ]
    consecutive_failures: int
    failing_since: Timestamp | None
    secret_rotation_ends_at: Annotated[
        Timestamp | None, Meta(description="Until then the secret before signs too")
    ]
    created_at: Timestamp
    updated_at: Timestamp
    secret: Annotated[
        str | None, Meta(description="whsec_...; told when it is made, null afterwards")
    ] = None


class AttemptBody(msgspec.Struct, frozen=True):
    """One attempt."""

    at: Timestamp
    status: int | None
    error: str | None
    took_ms: int | None


class WebhookDeliveryBody(msgspec.Struct, frozen=True):
    """One event on its way to one webhook; details are those of the last attempt."""

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    inbox_id: str | None
    state: DeliveryState
    attempts: int
    next_attempt_at: Timestamp | None
    status: Annotated[int | None, Meta(description="Null when nothing was answered")]
    error: Annotated[
        str | None,
        Meta(
            description="status: it answered something else than 2xx; timeout, connect_failed,"
            " lookup_failed, tls_failed, no_answer, address_refused: it did not answer;"
            " event_gone: the event is no longer kept; internal: our fault"
        ),
    ]
    took_ms: int | None
    request_headers: dict[str, str]
    response_headers: dict[str, str]
    response_body: Annotated[str | None, Meta(description="Its beginning")]
    history: list[AttemptBody]
    created_at: Timestamp
    updated_at: Timestamp


class DeliveriesQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """Which deliveries to list."""

    state: DeliveryState | None = None
    event_type: Annotated[str, Meta(max_length=100)] | None = None


class ReplayBody(Body, frozen=True, forbid_unknown_fields=True):
    """A window of the event log."""

    after: Moment
    before: Annotated[Moment | None, Meta(description="Now when it is left out")] = None
    event_types: Annotated[
        Types | None, Meta(description="Those of the webhook when they are left out")
    ] = None


class ReplayingBody(msgspec.Struct, frozen=True):
    """A window that is being queued again."""

    webhook_id: str
    job_id: Annotated[str, Meta(description="Gone from GET /jobs when everything is queued")]
    after: Timestamp
    before: Timestamp


class RedeliveredBody(msgspec.Struct, frozen=True):
    """Deliveries of an event that are queued now."""

    event_id: str
    deliveries: list[WebhookDeliveryBody]


WEBHOOK_ID: Final = "whk_01JQ8X5K2M3N4P5R6S7T8V9W00"
EVENT_ID: Final = "evt_01JQ8X5K2M3N4P5R6S7T8V9W00"
WEBHOOK_EXAMPLE: Final[dict[str, Any]] = {
    "id": WEBHOOK_ID,
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "url": "https://agent.example.com/hooks",
    "event_types": ["message.received"],
    "environment_ids": ["env_01JQ8X5K2M3N4P5R6S7T8V9W00"],
    "inbox_ids": None,
    "payload": "full",
    "ordering": "none",
    "timeout_s": 30,
    "header_names": [],
    "description": None,
    "client_id": None,
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "consecutive_failures": 0,
    "failing_since": None,
    "secret_rotation_ends_at": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "secret": None,
}
SECRET_EXAMPLE: Final = {
    **WEBHOOK_EXAMPLE,
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
}
DELIVERY_EXAMPLE: Final[dict[str, Any]] = {
    "id": "dlv_01JQ8X5K2M3F4A5B6C7D8E9F00",
    "webhook_id": WEBHOOK_ID,
    "event_id": EVENT_ID,
    "event_type": "message.received",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "state": "pending",
    "attempts": 1,
    "next_attempt_at": EXAMPLE_TIME,
    "status": 503,
    "error": "status",
    "took_ms": 41,
    "request_headers": {"webhook-id": EVENT_ID},
    "response_headers": {"retry-after": "5"},
    "response_body": "busy",
    "history": [{"at": EXAMPLE_TIME, "status": 503, "error": "status", "took_ms": 41}],
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}


def webhook_body(webhook: Webhook, *, secret: bool = False) -> WebhookBody:
    """A webhook as the API shows it."""
    return WebhookBody(
        id=webhook.id,
        environment_id=webhook.environment,
        url=webhook.url,
        event_types=list(webhook.event_types),
        environment_ids=list(webhook.environments),
        inbox_ids=None if webhook.inboxes is None else list(webhook.inboxes),
        payload=webhook.payload,
        ordering=webhook.ordering,
        timeout_s=webhook.timeout_s,
        header_names=list(webhook.header_names),
        description=webhook.description,
        client_id=webhook.client_id,
        enabled=webhook.enabled,
        disabled_at=when(webhook.disabled_at),
        disabled_reason=webhook.disabled_reason,
        consecutive_failures=webhook.failures,
        failing_since=when(webhook.failing_since),
        secret_rotation_ends_at=when(webhook.old_secret_until),
        created_at=rfc3339(webhook.created_at),
        updated_at=rfc3339(webhook.updated_at),
        secret=webhook.secret if secret else None,
    )


def delivery_body(delivery: WebhookDelivery) -> WebhookDeliveryBody:
    """A delivery as the API shows it."""
    return WebhookDeliveryBody(
        id=delivery.id,
        webhook_id=delivery.webhook,
        event_id=delivery.event,
        event_type=delivery.event_type,
        inbox_id=delivery.inbox,
        state=delivery.state,
        attempts=delivery.attempts,
        next_attempt_at=when(delivery.run_at),
        status=delivery.status,
        error=delivery.error,
        took_ms=delivery.took_ms,
        request_headers=delivery.request_headers,
        response_headers=delivery.response_headers,
        response_body=delivery.response_body,
        history=[
            AttemptBody(
                rfc3339(datetime.fromisoformat(one.at).astimezone(UTC)),
                one.status,
                one.error,
                one.took_ms,
            )
            for one in delivery.history
        ],
        created_at=rfc3339(delivery.created_at),
        updated_at=rfc3339(delivery.updated_at),
    )
