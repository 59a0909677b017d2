"""Counting by rounds; what is told of it is in tests/http/resources/test_metrics.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import trio

from agentpost.ids import new_id
from agentpost.jobs.sweep import SweepWork
from agentpost.jobs.tally import TallyWork
from agentpost.limits import MetricsLimits
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job
from agentpost.store.metrics import Metrics
from agentpost.store.store import Door
from agentpost.store.sweeps import Sweeps
from tests.jobs.world import World

JOB = Job(1, "tally", {}, 1, None, datetime(2026, 3, 8, tzinfo=UTC))


async def happen(world: World, count: int) -> None:
    for _ in range(count):
        await world.execute(
            "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)"
            " VALUES ($1, $2, $3, $4, 'x', '{}')",
            world.where.environment,
            new_id("evt"),
            world.where.organization,
            world.inbox,
        )


async def test_rounds_go_on_until_each_event_is_counted_once(world: World) -> None:
    await happen(world, 7)
    metrics = Metrics(Door(world.database, world.woken.append))
    work = TallyWork(metrics, MetricsLimits(events=3))
    rounds = 1
    while await work.run(JOB) == Again(0.0):
        rounds += 1
    assert rounds >= 3
    found = await world.rows("SELECT place, events FROM event_counts ORDER BY place")
    assert [tuple(row) for row in found] == [
        ("", 7),
        (world.where.environment, 7),
        (world.inbox, 7),
    ]


async def test_two_workers_count_no_event_twice(world: World) -> None:
    await happen(world, 20)
    metrics = Metrics(Door(world.database, world.woken.append))
    organization = world.where.organization

    async def count() -> None:
        while await metrics.tally(system_actor(), organization, 3):
            pass

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(count)
    assert await world.value("SELECT max(events) FROM event_counts WHERE place = ''") == 20


async def test_inboxes_are_measured_once_a_day_in_steps(world: World) -> None:
    await world.receive(b"Subject: x\r\n\r\n")
    metrics = Metrics(Door(world.database, world.woken.append))
    work = TallyWork(metrics, MetricsLimits(inboxes=1))
    assert await work.run(JOB) == Again(0.0)  # One was looked at; there may be more.
    assert await work.run(JOB) == Again(10.0)
    await world.receive(b"Subject: y\r\n\r\n")
    await TallyWork(metrics).run(JOB)
    found = await world.rows("SELECT messages FROM storage_days")
    assert [row["messages"] for row in found] == [1, 1, 1]


async def test_old_numbers_are_swept(world: World) -> None:
    for days in (1, 89, 92):
        await world.execute(
            "INSERT INTO event_counts (organization_id, place, hour, type, events)"
            " VALUES ('o', '', now() - $1::interval, 'x', 1)",
            timedelta(days=days),
        )
        await world.execute(
            "INSERT INTO storage_days (organization_id, place, day, messages, octets)"
            " VALUES ('o', '', current_date - $1::integer, 1, 1)",
            days,
        )
    await SweepWork(Sweeps(Door(world.database, world.woken.append), world.blobs)).run(JOB)
    for table in ("event_counts", "storage_days"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 2
