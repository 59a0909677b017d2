"""AgentMail's metrics, of the organization, of a pod and of an inbox.

Numbers are counted by the hour and the day (UTC); AgentMail's periods are seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, field

from agentpost.errors import NotSupported
from agentpost.http.compat.mount import Anything, asked, at, inbox_of, mounted, several, within
from agentpost.http.endpoint import Query, Request, Response
from agentpost.http.paging import Moment
from agentpost.http.resources import metrics
from agentpost.model.metrics import Bucket

routes = mounted("Metrics")

_PLACES: Final = ("", "/pods/{pod}", "/inboxes/{inbox}")
_BUCKETS: Final[dict[int | None, Bucket | None]] = {None: None, 3600: "hour", 86400: "day"}
_USAGE: Final = {"storage_bytes": "storage_octets", "message_count": "messages"}
_RATES: Final = {"bounce": "bounce_rate", "complaint": "complaint_rate"}


class TimesQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Over which time, and how many points of it."""

    start: Moment | None = None
    end: Moment | None = None
    period: int | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    descending: bool = False


class EventsQuery(TimesQuery, frozen=True, forbid_unknown_fields=True):
    """Which events are counted."""

    event_types: list[str] = field(default_factory=list)


class UsageQuery(TimesQuery, frozen=True, forbid_unknown_fields=True):
    """What is measured."""

    usage_types: list[str] = field(default_factory=list)


class RatesQuery(TimesQuery, frozen=True, forbid_unknown_fields=True):
    """Which rates."""

    rate_types: list[str] = field(default_factory=list)
    window: int | None = None


@at(
    routes,
    "GET",
    *(place + "/metrics/events" for place in _PLACES),
    scope="metrics:read",
    query=EventsQuery,
    answer=Anything,
    summary="Count events",
)
async def query_events(request: Request[None, EventsQuery]) -> Response:
    """Events by type and hour or day; buckets in which none happened are left out."""
    query = request.query
    bucket = _bucket(query.period, (3600, 86400))
    ours = metrics.EventsQuery(
        **await _placed(request),
        event_types=several("event_types", query.event_types),
        bucket=bucket,
    )
    body: Any = (await metrics.get_event_metrics(asked(request, ours))).body
    series: dict[str, list[Anything]] = {}
    for one in body.data:
        for kind, count in one.counts.items():
            series.setdefault(kind, []).append({"timestamp": one.start, "count": count})
    return _told(series, query)


@at(
    routes,
    "GET",
    *(place + "/metrics/usage" for place in _PLACES),
    scope="metrics:read",
    query=UsageQuery,
    answer=Anything,
    summary="Usage over time",
)
async def query_usage(request: Request[None, UsageQuery]) -> Response:
    """Octets and messages stored, by the day; other kinds of usage are not kept over time."""
    query = request.query
    _bucket(query.period, (86400,))
    ours = metrics.PlaceQuery(**await _placed(request))
    body: Any = (await metrics.get_usage_metrics(asked(request, ours))).body
    wanted = several("usage_types", query.usage_types) or list(_USAGE)
    series: dict[str, list[Anything]] = {}
    for kind in wanted:
        name = _USAGE.get(kind)
        if name is not None:
            points = ((one.start, getattr(one, name)) for one in body.data)
            series[kind] = [
                {"timestamp": start, "value": value} for start, value in points if value is not None
            ]
    return _told(series, query)


@at(
    routes,
    "GET",
    *(place + "/metrics/rates" for place in _PLACES),
    scope="metrics:read",
    query=RatesQuery,
    answer=Anything,
    summary="How mail fares over time",
)
async def query_rates(request: Request[None, RatesQuery]) -> Response:
    """Bounces and complaints as shares of recipients, by the day."""
    query = request.query
    _bucket(query.period, (86400,))
    if query.window is not None:
        raise NotSupported("Rates are of one day each.", fix="Leave out window.")
    ours = metrics.PlaceQuery(**await _placed(request))
    body: Any = (await metrics.get_rate_metrics(asked(request, ours))).body
    wanted = several("rate_types", query.rate_types) or list(_RATES)
    series = {
        kind: [
            {"timestamp": one.start, "rate": getattr(one, _RATES[kind]), "sent": one.sent}
            for one in body.data
        ]
        for kind in wanted
        if kind in _RATES
    }
    return _told(series, query)


async def _placed(request: Request[None, Any]) -> dict[str, Any]:
    """Place and time that the request names, as fields of ours.  Raises: NotFound, Forbidden."""
    query = (await within(request)).query
    place: dict[str, Any] = {"after": query.start, "before": query.end}
    if "inbox" in request.params:
        place["inbox_id"] = (await inbox_of(request, "metrics:read")).inbox
    if "pod" in request.params:
        place["environment_id"] = request.params["pod"]
    return place


def _bucket(period: int | None, known: tuple[int, ...]) -> Bucket | None:
    """How long a bucket is.  Raises: NotSupported."""
    if period is not None and period not in known:
        lengths = " or ".join(map(str, known))
        raise NotSupported(
            f"There are no periods of {period} seconds.", fix=f"Ask for {lengths}, or leave it out."
        )
    return _BUCKETS[period]


def _told(series: dict[str, list[Anything]], query: TimesQuery) -> Response:
    """The latest points of each series, in the order that is asked for."""
    body = {}
    for kind, points in series.items():
        latest = points if query.limit is None else points[-query.limit :]
        body[kind] = latest[::-1] if query.descending else latest
    return Response(body)
