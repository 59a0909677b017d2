"""Deliverability: how the mail of an inbox fares (R49, R65; API.md, Inboxes)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.model.reputation import Deliverability, Rating

routes = Routes("Inboxes")

_BELOW: Final[dict[Rating, tuple[Rating, float]]] = {
    "excellent": ("good", 90.0),
    "good": ("warning", 70.0),
    "warning": ("critical", 50.0),
}


class DeliverabilityQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Over which time."""

    window_days: (
        Annotated[
            int, Meta(ge=1, le=90, description="Up to today; the configured ones if left out")
        ]
        | None
    ) = None


class ThresholdBody(msgspec.Struct, frozen=True):
    """The next worse rating."""

    rating: Rating
    below_score: float


class PausesBody(msgspec.Struct, frozen=True):
    """When sending is paused; shares of recipients, above which it is."""

    bounce_rate: float
    complaint_rate: float
    min_sample: int
    window_days: int


class DeliverabilityBody(msgspec.Struct, frozen=True):
    """How the mail of an inbox fares: 100 - 5 x bounce % - 20 x complaint %."""

    inbox_id: str
    score: float
    rating: Rating
    window_days: int
    sent: Annotated[int, Meta(description="Recipients on other servers")]
    bounced: Annotated[int, Meta(description="Those who refused it for ever")]
    complained: Annotated[int, Meta(description="Those who called it spam")]
    bounce_rate: float
    complaint_rate: float
    next_threshold: Annotated[ThresholdBody | None, Meta(description="null: it is the worst")]
    pauses: PausesBody
    reason_to_pause: Annotated[
        str | None, Meta(description="bounce_rate or complaint_rate, while above what pauses")
    ]
    send_paused: bool


_EXAMPLE: Final[dict[str, Any]] = {
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "score": 92.5,
    "rating": "excellent",
    "window_days": 30,
    "sent": 400,
    "bounced": 6,
    "complained": 0,
    "bounce_rate": 0.015,
    "complaint_rate": 0.0,
    "next_threshold": {"rating": "good", "below_score": 90.0},
    "pauses": {"bounce_rate": 0.05, "complaint_rate": 0.003, "min_sample": 100, "window_days": 30},
    "reason_to_pause": None,
    "send_paused": False,
}


def deliverability_body(found: Deliverability) -> DeliverabilityBody:
    """The numbers of an inbox as the API shows them."""
    below = _BELOW.get(found.rating)
    terms = found.terms
    return DeliverabilityBody(
        inbox_id=found.inbox,
        score=found.score,
        rating=found.rating,
        window_days=found.window_days,
        sent=found.sent,
        bounced=found.bounced,
        complained=found.complained,
        bounce_rate=round(found.bounce_percent / 100, 6),
        complaint_rate=round(found.complaint_percent / 100, 6),
        next_threshold=None if below is None else ThresholdBody(*below),
        pauses=PausesBody(
            round(terms.bounce_percent / 100, 6),
            round(terms.complaint_percent / 100, 6),
            terms.min_sample,
            terms.window_days,
        ),
        reason_to_pause=found.reason_to_pause,
        send_paused=found.send_paused,
    )


@routes.get(
    "/inboxes/{inbox}/deliverability",
    scope="metrics:read",
    query=DeliverabilityQuery,
    answer=DeliverabilityBody,
    summary="How an inbox's mail fares",
    examples={"response": _EXAMPLE},
)
async def get_deliverability(request: Request[None, DeliverabilityQuery]) -> Response:
    """Score, rating and the numbers behind them.

    An inbox above the shares in ``pauses`` is paused as soon as it has written to enough
    recipients.
    """
    found = await desk_of(request).store.reputation.deliverability(
        request.actor, request.params["inbox"], request.query.window_days
    )
    return Response(deliverability_body(found))
