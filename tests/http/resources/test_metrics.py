"""Numbers over time: each event once, where it belongs, within bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentpost import clock
from agentpost.ids import new_id
from agentpost.jobs.tally import TallyWork
from agentpost.model.inbox import Inbox
from agentpost.model.job import Again, Job
from agentpost.model.metrics import Window, floor
from tests.http.resources.conftest import Tenant, deliver

JOB = Job(1, "tally", {}, 1, None, datetime(2026, 3, 8, tzinfo=UTC))
HOUR = timedelta(hours=1)


async def happen(tenant: Tenant, inbox: Inbox | None, kind: str, ago: timedelta) -> None:
    await tenant.store.database.run(
        "*",
        lambda c: c.execute(
            "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data,"
            " created_at) VALUES ($1, $2, $3, $4, $5, '{}', now() - $6::interval)",
            tenant.environment.id if inbox is None else inbox.environment,
            new_id("evt"),
            tenant.actor.organization,
            None if inbox is None else inbox.id,
            kind,
            ago,
        ),
    )


async def tally(tenant: Tenant) -> None:
    work = TallyWork(tenant.store.metrics)
    while await work.run(JOB) != Again(10.0):
        pass


async def get(tenant: Tenant, path: str) -> Any:
    answer = await tenant.call("GET", f"/metrics/{path}")
    assert answer.status == 200, answer.octets
    return answer.json


async def test_events_are_counted_once_by_place_and_bucket(acme: Tenant, globex: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    for box, ago in ((inbox, 0), (inbox, 0), (other, 0), (inbox, 3)):
        await happen(acme, box, "x.done", ago * HOUR)
    await happen(acme, None, "x.told", 0 * HOUR)
    await happen(globex, None, "x.done", 0 * HOUR)
    await tally(acme)
    await tally(acme)
    after = (clock.now() - 12 * HOUR).isoformat().replace("+00:00", "Z")
    query = f"events?after={after}&event_types=x.done,x.told"
    shown = await get(acme, query)
    assert (shown["bucket"], shown["total"]) == ("hour", {"x.done": 4, "x.told": 1})
    counted = [bucket["counts"].get("x.done", 0) for bucket in shown["data"]]
    assert (len(counted), counted[-1], counted[-4], sum(counted)) == (13, 3, 1, 4)
    assert (await get(acme, f"{query}&inbox_id={inbox.id}"))["total"] == {"x.done": 3}
    assert (await get(acme, f"{query}&inbox_id={other.address}"))["total"] == {"x.done": 1}
    where = f"environment_id={acme.environment.id}"
    assert (await get(acme, f"{query}&{where}"))["total"] == {"x.done": 4, "x.told": 1}
    assert (await get(globex, query))["total"] == {"x.done": 1}
    await happen(acme, inbox, "x.done", 0 * HOUR)
    await tally(acme)
    assert (await get(acme, query))["total"]["x.done"] == 5


async def test_days_hold_their_hours(acme: Tenant) -> None:
    inbox = await acme.inbox()
    for hours in (0, 30, 31):
        await happen(acme, inbox, "x.done", hours * HOUR)
    await tally(acme)
    shown = await get(acme, "events?event_types=x.done")
    assert shown["bucket"] == "day"
    days = {bucket["start"][:10]: bucket["counts"] for bucket in shown["data"]}
    expected: dict[str, int] = {}
    for hours in (0, 30, 31):
        day = str((clock.now() - hours * HOUR).date())
        expected[day] = expected.get(day, 0) + 1
    assert {day: each["x.done"] for day, each in days.items() if each} == expected


async def test_a_bound_key_counts_what_it_is_bound_to(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    second, _ = await acme.store.environments.create(acme.actor, "Second")
    for box in (inbox, other, other):
        await happen(acme, box, "x.done", 0 * HOUR)
    await tally(acme)
    path = "/metrics/events?event_types=x.done"
    for bounds, total in (
        ({"inboxes": (inbox.id,)}, {"x.done": 1}),
        ({"inboxes": (inbox.id, other.id)}, {"x.done": 3}),
        ({"environments": (acme.environment.id,)}, {"x.done": 3}),
        ({"environments": (second.id,)}, {}),
    ):
        bound = await acme.caller("metrics:read", **bounds)
        assert (await bound("GET", path)).json["total"] == total, bounds
        for more in ("usage", "rates"):
            assert (await bound("GET", f"/metrics/{more}")).status == 200
    bound = await acme.caller("metrics:read", inboxes=(inbox.id,))
    assert (await bound("GET", f"{path}&inbox_id={other.id}")).status == 404
    where = f"environment_id={acme.environment.id}"
    assert (await bound("GET", f"{path}&{where}")).status == 403


async def test_who_may_not_see_spam_does_not_count_it(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await happen(acme, inbox, "message.received.spam", 0 * HOUR)
    await happen(acme, inbox, "message.received", 0 * HOUR)
    await tally(acme)
    limited = await acme.caller("metrics:read")
    assert (await limited("GET", "/metrics/events")).json["total"].keys() >= {"message.received"}
    assert "message.received.spam" not in (await limited("GET", "/metrics/events")).json["total"]
    assert (await limited("GET", "/metrics/usage")).json["received"] == 1
    assert (await get(acme, "usage"))["received"] == 2


async def test_usage_tells_what_is_stored_once_a_day(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    placed = [await deliver(acme.store, inbox) for _ in range(2)]
    await deliver(acme.store, other)
    await tally(acme)
    await TallyWork(acme.store.metrics).run(JOB)  # Another worker looks on the same day.
    today = (await get(acme, "usage"))["data"][-1]
    own = (await get(acme, f"usage?inbox_id={inbox.id}"))["data"][-1]
    assert (today["messages"], own["messages"]) == (3, 2)
    size = (await acme.store.messages.get(acme.actor, placed[0].message)).size
    assert own["storage_octets"] == 2 * size
    where = f"environment_id={acme.environment.id}"
    assert (await get(acme, f"usage?{where}"))["data"][-1] == today
    assert (await get(acme, "usage"))["data"][0]["messages"] is None


async def test_rates_are_shares_of_recipients(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    rows = [
        (box.id, days, acme.actor.organization, 100, bounced, complained)
        for box, bounced, complained in ((inbox, 4, 1), (other, 0, 0))
        for days in (0, 1)
    ]
    await acme.store.database.run(
        "*",
        lambda c: c.many(
            "INSERT INTO reputation (inbox_id, day, organization_id, sent, bounced, complained)"
            " VALUES ($1, current_date - $2::integer, $3, $4, $5, $6)",
            rows,
        ),
    )
    shown = await get(acme, f"rates?inbox_id={inbox.id}")
    assert shown["total"] == {
        "sent": 200,
        "bounced": 8,
        "complained": 2,
        "delivery_rate": 0.96,
        "bounce_rate": 0.04,
        "complaint_rate": 0.01,
    }
    assert shown["data"][0]["bounce_rate"] is None
    assert shown["data"][-1]["sent"] == 100
    for query in ("", f"?environment_id={acme.environment.id}"):
        assert (await get(acme, f"rates{query}"))["total"]["bounce_rate"] == 0.02


async def test_what_is_asked_has_bounds(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    for query, status in (
        ("after=2020-01-01T00:00:00Z&bucket=hour", 400),
        ("after=2020-01-01T00:00:00Z", 400),
        ("after=2026-03-08T00:00:00Z&before=2026-03-07T00:00:00Z", 400),
        ("after=0001-01-02T00:00:00Z&before=0001-01-02T00:00:01Z", 200),
        ("after=0001-01-01T00:00:00Z&before=0001-01-02T00:00:01Z", 400),
        ("before=0001-01-01T00:00:01Z", 400),
        ("before=9999-12-31T23:59:59Z&after=9999-12-31T23:00:00Z", 400),
        ("bucket=week", 400),
        ("inbox_id=inb_01JQ8X5K2M3N4P5R6S7T8V9W00", 404),
        ("environment_id=nowhere", 404),
    ):
        answer = await acme.call("GET", f"/metrics/events?{query}")
        assert answer.status in (status, 422 if status == 400 else status), (query, answer.octets)
    for path in ("events", "usage", "rates"):
        assert (await globex.call("GET", f"/metrics/{path}?inbox_id={inbox.id}")).status == 404


@pytest.mark.parametrize(
    ("after", "before", "buckets"),
    [("14:00", "15:00", 1), ("14:30", "15:00", 1), ("14:30", "15:01", 2), ("14:59", "17:00", 3)],
)
def test_a_window_is_made_of_whole_buckets(after: str, before: str, buckets: int) -> None:
    first, last = (datetime.fromisoformat(f"2026-03-08T{time}Z") for time in (after, before))
    window = Window.around(first, last, "hour")
    assert window.buckets == len(window.starts()) == buckets
    assert window.start <= first
    assert window.end >= last
    assert floor(last, "day") == datetime(2026, 3, 8, tzinfo=UTC)
