"""Sealing the audit log by rounds; the chain itself is in tests/store/test_auditchain.py (R31)."""

from __future__ import annotations

from datetime import UTC, datetime

from agentpost.jobs.seal import SealWork
from agentpost.limits import AuditLimits
from agentpost.model.job import Again, Job
from agentpost.store.auditchain import AuditChain
from agentpost.store.store import Door
from tests.jobs.world import World

JOB = Job(1, "seal", {}, 1, None, datetime(2026, 3, 8, tzinfo=UTC))


async def test_rounds_go_on_until_all_is_sealed(world: World) -> None:
    for organization in ("org_a", "org_b", "org_c"):
        for _ in range(3):
            await world.execute(
                "INSERT INTO audit (organization_id, actor, action) VALUES ($1, 'x', 'y')",
                organization,
            )
    chain = AuditChain(Door(world.database, world.woken.append))
    work = SealWork(chain, AuditLimits(rows=2, organizations=2))
    rounds = 1
    while await work.run(JOB) == Again(0.0):
        rounds += 1
    assert rounds > 2
    assert await world.value("SELECT count(*) FROM audit WHERE place IS NULL") == 0
    assert await world.value("SELECT min(place) FROM audit_chains") == 3
    assert await work.run(JOB) == Again(AuditLimits().seal_every_s)
