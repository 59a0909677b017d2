"""Sweeping: what is old goes, what is young or needed stays, a step is bounded."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentpost.ids import new_id
from agentpost.jobs.sweep import SweepWork
from agentpost.limits import SweepLimits
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job
from agentpost.store.store import Door
from agentpost.store.sweeps import Sweeps
from tests.jobs.world import World

JOB = Job(1, "sweep", {}, 1, None, datetime(2026, 3, 8, tzinfo=UTC))


def sweeps(world: World) -> Sweeps:
    return Sweeps(Door(world.database, world.woken.append), world.blobs)


async def test_old_rows_go_and_young_ones_stay(world: World) -> None:
    for days in (1, 8, 31, 91):
        await world.execute(
            "INSERT INTO idempotency (environment_id, key, organization_id, inbox_id,"
            " request_hash, status, body, created_at)"
            " VALUES ($1, $2::text, $3, 'inb_1', '', 200, '', now() - $4::interval)",
            world.where.environment,
            str(days),
            world.where.organization,
            timedelta(days=days),
        )
        await world.execute(
            "INSERT INTO events (environment_id, id, organization_id, type, data, created_at)"
            " VALUES ($1, $2, $3, 'x', '{}', now() - $4::interval)",
            world.where.environment,
            new_id("evt"),
            world.where.organization,
            timedelta(days=days),
        )
        await world.execute(
            "INSERT INTO jobs (kind, state, created_at) VALUES ('x', 'failed', now() - $1::interval)",
            timedelta(days=days),
        )
        await world.execute(
            "INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id, message_id, modseq,"
            " gone_at) VALUES (1, $1::bigint, $2, $3, 'm', $1::bigint, now() - $4::interval)",
            days,
            world.where.organization,
            world.inbox,
            timedelta(days=days),
        )
    assert await SweepWork(sweeps(world)).run(JOB) == Again(900.0)
    counts = {"idempotency": 1, "events": 2, "jobs": 2, "expunged": 3}
    for table, left in counts.items():
        assert await world.value(f"SELECT count(*) FROM {table}") == left, table
    # Whoever asks for changes since an earlier modseq cannot be told everything.
    assert await world.value("SELECT forgotten_modseq FROM inboxes") == 91


async def test_a_sweep_is_bounded(world: World) -> None:
    for _ in range(7):
        await world.execute(
            "INSERT INTO jobs (kind, state, created_at) VALUES ('x', 'failed', '2020-01-01')"
        )
    work = SweepWork(sweeps(world), SweepLimits(rows=2, rounds=2))
    await work.run(JOB)
    assert await world.value("SELECT count(*) FROM jobs") == 3
    await work.run(JOB)
    assert await world.value("SELECT count(*) FROM jobs") == 0


async def test_files_without_a_row_go_and_others_stay(world: World, tmp_path: Path) -> None:
    await world.receive(b"Subject: x\r\n\r\n" + b"x" * 300_000)
    (row,) = await world.rows("SELECT location FROM blobs")
    orphan = await world.blobs.put(new_id("blob"), b"orphan")
    young = await world.blobs.put(new_id("blob"), b"young")
    root = tmp_path / "blobs"
    for location in (row["location"], orphan):
        os.utime(root / location, (time.time() - 90_000,) * 2)
    await SweepWork(sweeps(world)).run(JOB)
    assert (root / row["location"]).exists()
    assert (root / young).exists()
    assert not (root / orphan).exists()


async def test_rows_of_octets_that_nothing_uses_go(world: World) -> None:
    await world.receive(b"Subject: x\r\n\r\n")
    await world.execute(
        "INSERT INTO blobs (id, organization_id, sha256, size, octets, uses)"
        " VALUES ('blob_1', $1, '', 0, '', 0)",
        world.where.organization,
    )
    await SweepWork(sweeps(world)).run(JOB)
    assert await world.value("SELECT count(*) FROM blobs") == 1


async def test_one_fault_does_not_stop_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.execute(
        "INSERT INTO jobs (kind, state, created_at) VALUES ('x', 'failed', '2020-01-01')"
    )
    one = sweeps(world)
    real = one.forget

    async def forget(actor: object, kind: str, *rest: object) -> int:
        if kind == "events":
            raise RuntimeError("no")
        return await real(system_actor(), kind, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(one, "forget", forget)
    assert await SweepWork(one).run(JOB) == Again(900.0, "events: no")
    assert await world.value("SELECT count(*) FROM jobs") == 0
