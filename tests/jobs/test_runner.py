"""The runner: nothing is lost, nothing ends it, it ends when told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio

from agentpost.errors import Conflict, Overloaded
from agentpost.jobs.gathering import Gathering
from agentpost.jobs.relay import RelayWork
from agentpost.jobs.report import ReportWork
from agentpost.jobs.runner import Runner
from agentpost.limits import JobLimits
from agentpost.mail.delivery import Delivery
from agentpost.mail.relay import Ways
from agentpost.mail.transports.simulator import Simulator
from agentpost.metrics import REGISTRY
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Done, GivenUp, Job, Verdict
from agentpost.store.directory import Directory
from agentpost.store.pool import Database
from tests.jobs.world import World, make_world, policy_over

FAST = JobLimits(poll_s=30, gather_s=0.0, first_retry_s=0.01, drain_s=0.2)


class Counting:
    """Work that runs a function and remembers its jobs."""

    standing = False
    deadline_s = 10.0

    def __init__(
        self,
        does: Callable[[Job], Awaitable[Verdict]] | None = None,
        kind: str = "counting",
        concurrency: int = 4,
    ) -> None:
        self.kind = kind
        self.concurrency = concurrency
        self.does = does
        self.ran: list[Job] = []
        self.at_once = 0
        self.most_at_once = 0

    async def run(self, job: Job) -> Verdict:
        self.ran.append(job)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.lowlevel.checkpoint()
            return Done() if self.does is None else await self.does(job)
        finally:
            self.at_once -= 1

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    with trio.fail_after(5):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await trio.sleep(0.003)


class Running:
    """A runner in the background of a test."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.stopping = trio.Event()

    async def __aenter__(self) -> Runner:
        self._manager = trio.open_nursery()
        nursery = await self._manager.__aenter__()

        async def run() -> None:
            await self.runner.run(stopping=self.stopping)

        nursery.start_soon(run)
        return self.runner

    async def __aexit__(self, *error: object) -> None:
        self.stopping.set()
        await self._manager.__aexit__(None, None, None)


def runner(world: World, *works: Counting, limits: JobLimits = FAST) -> Running:
    return Running(Runner(world.jobs, works, limits, spread=lambda: 0.5))


async def none_left(world: World) -> bool:
    return bool(await world.value("SELECT count(*) = 0 FROM jobs"))


async def test_a_wake_up_runs_a_job_at_once(world: World) -> None:
    work = Counting()
    async with runner(world, work) as running:
        await trio.sleep(0.05)
        await world.jobs.add(system_actor(), "counting", {"n": 1})
        running.wake("counting")
        await until(lambda: none_left(world))
    assert [job.payload for job in work.ran] == [{"n": 1}]


async def test_a_failing_job_is_retried_and_then_kept_as_failed(world: World) -> None:
    async def fail(_: Job) -> Verdict:
        raise ValueError("no\0 good")

    work = Counting(fail)
    await world.jobs.add(system_actor(), "counting", {})
    limits = JobLimits(gather_s=0, first_retry_s=0.005, max_attempts=3)
    async with runner(world, work, limits=limits):
        await until(lambda: world.value("SELECT count(*) = 1 FROM jobs WHERE state = 'failed'"))
    assert [job.attempts for job in work.ran] == [1, 2, 3]
    assert await world.value("SELECT last_error FROM jobs") == "ValueError (the log says more)"
    # An operator may try again.
    (job_id,) = (row["id"] for row in await world.rows("SELECT id FROM jobs"))
    state = await world.jobs.retry(system_actor(), job_id)
    with pytest.raises(Conflict):
        await world.jobs.retry(system_actor(), job_id)
    assert (state.state, state.attempts) == ("ready", 0)


async def test_no_job_is_given_up_for_an_outage(world: World) -> None:
    async def wait_for_the_store(job: Job) -> Verdict:
        if job.attempts < 6:
            raise Overloaded("Large messages cannot be kept now.")
        return Done()

    work = Counting(wait_for_the_store)
    await world.jobs.add(system_actor(), "counting", {})
    limits = JobLimits(gather_s=0, first_retry_s=0.001, max_retry_s=0.005, max_attempts=3)
    async with runner(world, work, limits=limits):
        await until(lambda: none_left(world))
    assert [job.attempts for job in work.ran] == [1, 2, 3, 4, 5, 6]


async def test_one_bad_job_does_not_touch_the_others(world: World) -> None:
    async def odd_ones_fail(job: Job) -> Verdict:
        if job.payload["n"] % 2:
            raise BaseExceptionGroup("x", [ValueError(), RuntimeError()])
        return Done()

    work = Counting(odd_ones_fail)
    for n in range(20):
        await world.jobs.add(system_actor(), "counting", {"n": n})
    async with runner(world, work, limits=JobLimits(gather_s=0, first_retry_s=100)):
        await until(
            lambda: world.value(
                "SELECT count(*) = 10 AND bool_and(attempts = 1 AND leased_until IS NULL) FROM jobs"
            )
        )
    assert work.most_at_once <= 4


async def test_verdicts(world: World) -> None:
    async def does(job: Job) -> Verdict:
        match job.payload["n"]:
            case 0:
                return Again(1000)
            case 1:
                return GivenUp("never")
            case _:
                return Done()

    for n in range(3):
        await world.jobs.add(system_actor(), "counting", {"n": n})
    async with runner(world, Counting(does)):
        await until(
            lambda: world.value("SELECT count(*) = 2 AND bool_and(leased_until IS NULL) FROM jobs")
        )
    rows = await world.rows("SELECT state, attempts, last_error FROM jobs ORDER BY id")
    assert [tuple(row) for row in rows] == [("ready", 0, None), ("failed", 1, "never")]


async def test_a_job_that_hangs_is_cut_off(world: World) -> None:
    async def hang(_: Job) -> Verdict:
        await trio.sleep_forever()
        raise AssertionError

    work = Counting(hang)
    work.deadline_s = 0.02
    await world.jobs.add(system_actor(), "counting", {})
    async with runner(world, work, limits=JobLimits(first_retry_s=1000)):
        await until(lambda: world.value("SELECT last_error IS NOT NULL FROM jobs"))
    assert "did not end" in await world.value("SELECT last_error FROM jobs")


async def test_stopping_waits_for_jobs_and_gives_back_what_is_cut_short(world: World) -> None:
    async def does(job: Job) -> Verdict:
        if job.payload["n"]:
            await trio.sleep_forever()
        await trio.sleep(0.05)
        return Done()

    work = Counting(does)
    for n in range(2):
        await world.jobs.add(system_actor(), "counting", {"n": n})
    async with runner(world, work):
        await until(lambda: work.at_once == 2)
    (row,) = await world.rows("SELECT * FROM jobs")
    assert row["leased_until"] is None
    assert row["attempts"] == 0
    assert await world.jobs.claim(system_actor(), [("counting", 1)], 60)


async def test_a_dead_workers_job_runs_again_when_its_lease_ends(world: World) -> None:
    await world.jobs.add(system_actor(), "counting", {})
    (dead,) = await world.jobs.claim(system_actor(), [("counting", 1)], 0.05)
    assert await world.jobs.claim(system_actor(), [("counting", 1)], 60) == ()
    await trio.sleep(0.06)
    (alive,) = await world.jobs.claim(system_actor(), [("counting", 1)], 60)
    assert alive.attempts == 2
    # What the dead one still does has no effect.
    await world.jobs.finish(system_actor(), [dead])
    await world.jobs.again(system_actor(), dead, 0, "x")
    await world.jobs.give_up(system_actor(), dead, "x")
    await world.jobs.release(system_actor(), [dead])
    assert await world.jobs.renew(system_actor(), [dead], 60) == frozenset()
    assert await world.jobs.renew(system_actor(), [alive], 60) == {alive.id}
    await world.jobs.finish(system_actor(), [alive])
    assert await none_left(world)


async def test_leases_are_renewed_while_jobs_run(world: World) -> None:
    async def slow(_: Job) -> Verdict:
        await trio.sleep(0.8)
        return Done()

    work = Counting(slow)
    await world.jobs.add(system_actor(), "counting", {})
    async with runner(world, work, limits=JobLimits(lease_s=0.6, poll_s=0.05, gather_s=0)):
        await until(lambda: none_left(world))
    assert len(work.ran) == 1


async def test_a_lost_job_is_cancelled(world: World) -> None:
    async def hang(_: Job) -> Verdict:
        await trio.sleep_forever()
        raise AssertionError

    work = Counting(hang)
    await world.jobs.add(system_actor(), "counting", {})
    async with runner(world, work, limits=JobLimits(lease_s=0.1, gather_s=0)):
        await until(lambda: work.at_once == 1)
        # Another worker's claim, as it stands in the row.
        await world.execute(
            "UPDATE jobs SET attempts = 7, run_at = now() + interval '1 hour',"
            " leased_until = now() + interval '1 hour'"
        )
        await until(lambda: work.at_once == 0)
    assert await world.value("SELECT attempts FROM jobs") == 7


async def test_two_workers_never_run_the_same_job(world: World) -> None:
    first, second = Counting(concurrency=3), Counting(concurrency=3)
    for n in range(60):
        await world.jobs.add(system_actor(), "counting", {"n": n})
    async with runner(world, first), runner(world, second):
        await until(lambda: none_left(world))
    assert sorted(job.payload["n"] for job in first.ran + second.ran) == list(range(60))
    assert max(first.most_at_once, second.most_at_once) <= 3


async def test_a_standing_job_is_one_and_comes_back(world: World) -> None:
    async def does(_: Job) -> Verdict:
        return Again(0.01)

    works = [Counting(does), Counting(does)]
    for work in works:
        work.standing = True
    async with runner(world, works[0]), runner(world, works[1]):
        await until(lambda: sum(len(work.ran) for work in works) >= 5)
        assert await world.value("SELECT count(*) FROM jobs") == 1
    assert await world.value("SELECT count(*) FROM jobs") == 1


async def test_the_runner_outlives_a_database_in_trouble(world: World) -> None:
    work = Counting()
    jobs = world.jobs
    real = jobs.claim
    troubles = [OSError("gone"), RuntimeError("odd")]

    async def claim(*arguments: object) -> tuple[Job, ...]:
        if troubles:
            raise troubles.pop()
        return await real(*arguments)  # type: ignore[arg-type]

    jobs.claim = claim  # type: ignore[method-assign,assignment]
    await jobs.add(system_actor(), "counting", {})
    import agentpost.jobs.runner as module

    pause, module._TROUBLE_PAUSE_S = module._TROUBLE_PAUSE_S, 0.01
    try:
        async with runner(world, work):
            await until(lambda: none_left(world))
    finally:
        module._TROUBLE_PAUSE_S = pause
    assert len(work.ran) == 1


async def test_mail_goes_through_the_simulator(database: Database, tmp_path: Path) -> None:
    world = await make_world(database, tmp_path, "test")

    async def deliver(_: str, octets: bytes) -> None:
        await world.receive(octets)

    simulator = Simulator(deliver)
    work = RelayWork(world.relays, Ways(simulator, simulator), "agentpost.localhost")
    message = await world.send(
        "bounce@simulator.x.example", "ooo@simulator.x.example", "c@example.com"
    )
    directory = Directory(world.messages._door)
    policy = policy_over(world.messages._door, directory)
    delivery = Delivery(world.messages, directory, policy)
    telling = ReportWork(world.relays, world.messages, delivery, "agentpost.localhost")
    async with Running(Runner(world.jobs, [work, telling], FAST)):
        await until(lambda: none_left(world))
        await until(lambda: world.value("SELECT count(*) = 3 FROM messages"))
    assert await world.states(message) == {
        "bounce@simulator.x.example": "bounced",
        "ooo@simulator.x.example": "delivered",
        "c@example.com": "delivered",
    }
    threads = await world.rows("SELECT DISTINCT thread_id FROM messages")
    assert len(threads) == 1


async def test_what_is_gathered_fails_alone() -> None:
    batches: list[list[int]] = []

    async def operate(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        await trio.sleep(0)
        if 3 in items:
            raise ValueError
        return [item * 2 for item in items]

    gathering: Gathering[int, int] = Gathering(operate, 4)
    results: dict[int, int | None] = {}

    async def call(item: int) -> None:
        try:
            results[item] = await gathering(item)
        except ValueError:
            results[item] = None

    async with trio.open_nursery() as nursery:
        for item in range(6):
            nursery.start_soon(call, item)
    assert results == {0: 0, 1: 2, 2: 4, 3: None, 4: 8, 5: 10}
    assert max(map(len, batches)) <= 4


async def test_pages_of_jobs(world: World) -> None:
    from agentpost.model.page import PageRequest

    for n in range(3):
        await world.jobs.add(system_actor(), "x", {"n": n})
    first = await world.jobs.page(system_actor(), PageRequest(limit=2))
    assert [one.payload["n"] for one in first.rows] == [2, 1]
    assert first.next_position is not None
    rest = await world.jobs.page(
        system_actor(), PageRequest(limit=2, position=first.next_position), kind="x", state="ready"
    )
    assert [one.payload["n"] for one in rest.rows] == [0]
    assert rest.next_position is None
    from agentpost.errors import NotFound

    with pytest.raises(NotFound):
        await world.jobs.retry(system_actor(), 1_000_000)


async def test_the_depth_of_the_queue_is_measured(world: World) -> None:
    hold = trio.Event()

    async def wait(_: Job) -> Verdict:
        await hold.wait()
        return Done()

    for _ in range(3):
        await world.jobs.add(system_actor(), "idle", {})
    await world.execute("UPDATE jobs SET state = 'failed' WHERE id = (SELECT min(id) FROM jobs)")
    await world.jobs.claim(system_actor(), [("idle", 1)], 60)
    assert await world.jobs.depth(system_actor()) == {
        ("idle", "failed"): 1,
        ("idle", "running"): 1,
        ("idle", "ready"): 1,
    }

    async def measured() -> bool:
        await trio.lowlevel.checkpoint()
        return all(
            REGISTRY.get_sample_value("agentpost_jobs_queued", {"kind": "idle", "state": one}) == 1
            for one in ("ready", "running", "failed")
        )

    async with runner(world, Counting(wait)):
        await until(measured)
        hold.set()
