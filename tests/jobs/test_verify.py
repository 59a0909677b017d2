"""The job that looks at domains whose time has come (R10)."""

from __future__ import annotations

from agentpost.jobs.verify import VerifyWork
from agentpost.limits import DomainLimits
from agentpost.mail.verification import Verification
from agentpost.model.actor import SCOPES, Actor, widen
from agentpost.model.job import Again, Job
from agentpost.store.domainlooks import DomainLooks
from agentpost.store.domains import DomainRequest, Domains
from tests.jobs.world import World
from tests.store.conftest import SETTINGS
from tests.zonefiles import TERMS, published
from tests.zones import ZoneResolver


async def test_published_domains_are_verified_without_being_asked_about(world: World) -> None:
    door = world.messages._door
    actor = Actor(
        world.where.organization, "key", widen(SCOPES), environment=world.where.environment
    )
    domains = Domains(door, SETTINGS)
    made = [(await domains.create(actor, DomainRequest(f"d{n}.example")))[0] for n in range(3)]
    zone = ZoneResolver({name: t for one in made[:2] for name, t in published(one).items()})
    limits = DomainLimits(batch=2)
    looks = DomainLooks(door, SETTINGS, limits=limits)
    work = VerifyWork(Verification(looks, zone, TERMS, limits), limits)
    job = Job(1, "verify", {}, 1, None, made[0].created_at)
    assert await work.run(job) == Again(limits.poll_s), "none is due yet"
    await world.execute("UPDATE domains SET check_at = now()")
    assert await work.run(job) == Again(0.0), "there are more"
    assert await work.run(job) == Again(limits.poll_s)
    states = [(await domains.get(actor, one.id)).status for one in made]
    assert states == ["verified", "verified", "pending"]
    assert len(await world.events("domain.verified")) == 2
    assert await world.value("SELECT count(*) FROM domains WHERE check_at > now()") == 3
