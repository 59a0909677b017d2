"""Leases that are over end also when nobody claims."""

from __future__ import annotations

from pathlib import Path

from agentpost import clock
from agentpost.jobs.leases import LeasesWork
from agentpost.limits import ClaimLimits
from agentpost.model.job import Again, Job
from tests.store.queues import open_queue


async def test_what_has_lapsed_ends_and_is_told(database_url: str, tmp_path: Path) -> None:
    async with open_queue(database_url, tmp_path) as queue:
        await queue.fill(3)
        taken = await queue.take(2)
        await queue.lapse(*taken)
        woken: list[str] = []
        store = queue.stores[0]
        store.committed.listeners.append(woken.append)
        work = LeasesWork(store.claims)
        job = Job(1, "leases", {}, 1, None, clock.now())
        assert await work.run(job) == Again(ClaimLimits().expire_s)
        assert await queue.keywords(taken[0].message) == set()
        assert woken == [queue.inbox.id]
        events = await queue.run("SELECT data FROM events WHERE type = 'claim.expired'")
        assert len(events) == 2
        assert await work.run(job) == Again(ClaimLimits().expire_s)
        assert len(await queue.run("SELECT 1 FROM events WHERE type = 'claim.expired'")) == 2
