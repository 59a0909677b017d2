"""Numbers over time: events, usage, and how mail fares (API.md, Metrics)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost import clock
from agentpost.clock import rfc3339
from agentpost.errors import UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.paging import Moment
from agentpost.http.resources.shapes import Timestamp
from agentpost.limits import MetricsLimits
from agentpost.model.metrics import Bucket, MetricsPlace, OutcomeDay, Window
from agentpost.store import checks

routes = Routes("Metrics")

_HOURLY_UP_TO: Final = timedelta(days=2)
_USUAL: Final[dict[Bucket, timedelta]] = {"hour": timedelta(days=1), "day": timedelta(days=30)}
_RECEIVED: Final = "message.received"
_SENT: Final = "message.sent"
_HOUR: Final = "2026-03-08T14:00:00.000Z"
_DAY: Final = "2026-03-08T00:00:00.000Z"


class PlaceQuery(Query, frozen=True, forbid_unknown_fields=True):
    """What is asked about, and over which time."""

    inbox_id: Annotated[str | None, Meta(description="One inbox, by its id or address")] = None
    environment_id: Annotated[str | None, Meta(description="One environment")] = None
    after: Annotated[
        Moment | None, Meta(description="From the day of this on; 30 days back if left out")
    ] = None
    before: Annotated[Moment | None, Meta(description="Up to this; now if left out")] = None


class EventsQuery(Query, frozen=True, forbid_unknown_fields=True):
    """What is counted, where, and over which time."""

    inbox_id: Annotated[str | None, Meta(description="One inbox, by its id or address")] = None
    environment_id: Annotated[str | None, Meta(description="One environment")] = None
    event_types: Annotated[list[str], Meta(max_length=50, description="Only these")] = (
        msgspec.field(default_factory=list)
    )
    bucket: Annotated[
        Bucket | None, Meta(description="hour for up to two days, else day, if left out")
    ] = None
    after: Annotated[
        Moment | None, Meta(description="From the bucket of this on; a day or 30 back if left out")
    ] = None
    before: Annotated[Moment | None, Meta(description="Up to this; now if left out")] = None


class EventsBucketBody(msgspec.Struct, frozen=True):
    """The events of one bucket."""

    start: Timestamp
    counts: Annotated[
        dict[str, int], Meta(description="By type; types that did not occur are left out")
    ]


class EventMetricsBody(msgspec.Struct, frozen=True):
    """Events over time."""

    bucket: Bucket
    after: Annotated[Timestamp, Meta(description="When the first bucket begins")]
    before: Annotated[Timestamp, Meta(description="When the last one ends")]
    total: Annotated[dict[str, int], Meta(description="All buckets together")]
    data: list[EventsBucketBody]


class UsageDayBody(msgspec.Struct, frozen=True):
    """What was used on one day."""

    start: Timestamp
    sent: Annotated[int, Meta(description="Messages that were sent")]
    received: Annotated[
        int, Meta(description="Messages that came in, spam included if it may be seen")
    ]
    messages: Annotated[int | None, Meta(description="Stored when the day's look came by")]
    storage_octets: Annotated[int | None, Meta(description="Likewise; null: nobody looked")]


class UsageMetricsBody(msgspec.Struct, frozen=True):
    """Usage over time."""

    bucket: Bucket
    after: Timestamp
    before: Timestamp
    sent: int
    received: int
    data: list[UsageDayBody]


class RatesBody(msgspec.Struct, frozen=True):
    """Shares of recipients; null when there were none."""

    sent: Annotated[int, Meta(description="Recipients on other servers")]
    bounced: Annotated[int, Meta(description="Those who refused it for ever")]
    complained: Annotated[int, Meta(description="Those who called it spam")]
    delivery_rate: Annotated[float | None, Meta(description="Not refused")]
    bounce_rate: float | None
    complaint_rate: float | None


class RatesDayBody(RatesBody, frozen=True):
    """How the mail of one day fared."""

    start: Timestamp


class RateMetricsBody(msgspec.Struct, frozen=True):
    """How mail fares over time."""

    bucket: Bucket
    after: Timestamp
    before: Timestamp
    total: RatesBody
    data: list[RatesDayBody]


_RATES: Final[dict[str, Any]] = {
    "sent": 400,
    "bounced": 6,
    "complained": 0,
    "delivery_rate": 0.985,
    "bounce_rate": 0.015,
    "complaint_rate": 0.0,
}
_DAYS: Final[dict[str, Any]] = {
    "bucket": "day",
    "after": _DAY,
    "before": "2026-03-09T00:00:00.000Z",
}


@routes.get(
    "/metrics/events",
    scope="metrics:read",
    query=EventsQuery,
    answer=EventMetricsBody,
    summary="Count events",
    raises=(UnknownField,),
    examples={
        "response": {
            "bucket": "hour",
            "after": _HOUR,
            "before": "2026-03-08T15:00:00.000Z",
            "total": {"message.received": 12},
            "data": [{"start": _HOUR, "counts": {"message.received": 12}}],
        }
    },
)
async def get_event_metrics(request: Request[None, EventsQuery]) -> Response:
    """How many events of each type happened, by the hour or day (UTC), every bucket in its order.

    Counted every few seconds and kept for 90 days.  At most 1,000 buckets are told at once.
    """
    query = request.query
    window = _window(query.after, query.before, query.bucket)
    types = [checks.searchable("event_types", one) for one in query.event_types]
    place = MetricsPlace(query.inbox_id, query.environment_id)
    found = await desk_of(request).store.metrics.events(request.actor, place, window, types)
    counts: dict[datetime, dict[str, int]] = {start: {} for start in window.starts()}
    total: dict[str, int] = {}
    for each in found:
        counts[each.start][each.type] = each.events
        total[each.type] = total.get(each.type, 0) + each.events
    data = [EventsBucketBody(rfc3339(start), counted) for start, counted in counts.items()]
    return Response(EventMetricsBody(window.bucket, *_ends(window), total, data))


@routes.get(
    "/metrics/usage",
    scope="metrics:read",
    query=PlaceQuery,
    answer=UsageMetricsBody,
    summary="Usage over time",
    raises=(UnknownField,),
    examples={
        "response": {
            **_DAYS,
            "sent": 120,
            "received": 340,
            "data": [
                {
                    "start": _DAY,
                    "sent": 120,
                    "received": 340,
                    "messages": 5210,
                    "storage_octets": 73400320,
                }
            ],
        }
    },
)
async def get_usage_metrics(request: Request[None, PlaceQuery]) -> Response:
    """Messages sent and received, and what is stored, day by day (UTC), for up to 90 days.

    What is stored is looked at once a day.  ``GET /org/usage`` tells it of this moment, beside the
    limits of the tier.
    """
    query, metrics = request.query, desk_of(request).store.metrics
    window = _window(query.after, query.before, "day")
    place = MetricsPlace(query.inbox_id, query.environment_id)
    sent: dict[datetime, int] = {}
    received: dict[datetime, int] = {}
    for each in await metrics.events(request.actor, place, window):
        if each.type == _SENT:
            sent[each.start] = each.events
        elif each.type == _RECEIVED or each.type.startswith(_RECEIVED + "."):
            received[each.start] = received.get(each.start, 0) + each.events
    stored = {one.day: one for one in await metrics.storage(request.actor, place, window)}
    data = []
    for start in window.starts():
        day = stored.get(start.date())
        data.append(
            UsageDayBody(
                rfc3339(start),
                sent.get(start, 0),
                received.get(start, 0),
                None if day is None else day.messages,
                None if day is None else day.octets,
            )
        )
    sums = (sum(sent.values()), sum(received.values()))
    return Response(UsageMetricsBody(window.bucket, *_ends(window), *sums, data))


@routes.get(
    "/metrics/rates",
    scope="metrics:read",
    query=PlaceQuery,
    answer=RateMetricsBody,
    summary="How mail fares over time",
    raises=(UnknownField,),
    examples={"response": {**_DAYS, "total": _RATES, "data": [{**_RATES, "start": _DAY}]}},
)
async def get_rate_metrics(request: Request[None, PlaceQuery]) -> Response:
    """Bounces, complaints and deliveries as shares of recipients, day by day (UTC), for up to 90
    days.  A bounce counts on the day on which it was told.
    """
    query = request.query
    window = _window(query.after, query.before, "day")
    place = MetricsPlace(query.inbox_id, query.environment_id)
    found = await desk_of(request).store.metrics.outcomes(request.actor, place, window)
    days = {one.day: one for one in found}
    data = []
    for start in window.starts():
        day = days.get(start.date()) or OutcomeDay(start.date(), 0, 0, 0)
        data.append(RatesDayBody(*_rates(day.sent, day.bounced, day.complained), rfc3339(start)))
    total = RatesBody(
        *_rates(
            sum(one.sent for one in found),
            sum(one.bounced for one in found),
            sum(one.complained for one in found),
        )
    )
    return Response(RateMetricsBody(window.bucket, *_ends(window), total, data))


def _rates(
    sent: int, bounced: int, complained: int
) -> tuple[int, int, int, float | None, float | None, float | None]:
    if sent == 0:
        return sent, bounced, complained, None, None, None
    shares = (max(0, sent - bounced) / sent, bounced / sent, complained / sent)
    delivered, refused, disliked = (round(share, 6) for share in shares)
    return sent, bounced, complained, delivered, refused, disliked


def _ends(window: Window) -> tuple[str, str]:
    return rfc3339(window.start), rfc3339(window.end)


def _window(after: datetime | None, before: datetime | None, bucket: Bucket | None) -> Window:
    """The buckets that are asked for.  Raises: UnknownField."""
    end = before or clock.now()
    if bucket is None:
        bucket = "hour" if after is not None and end - after <= _HOURLY_UP_TO else "day"
    try:
        start = after or end - _USUAL[bucket]
        window = Window.around(start, end, bucket)
    except OverflowError:
        raise checks.refuse("after", "is no time that anything happened at") from None
    if start >= end:
        raise checks.refuse("after", "must be earlier than before")
    most = MetricsLimits().buckets
    if window.buckets > most:
        raise checks.refuse(
            "after",
            f"makes {window.buckets} buckets, and {most} are told at once",
            fix="Ask for a shorter time, or for days.",
        )
    return window
