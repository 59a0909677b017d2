"""Letting held messages go: at their time, once, whoever comes between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from agentpost.errors import UnderWay
from agentpost.ids import MessageId
from agentpost.jobs.release import ReleaseWork
from agentpost.jobs.runner import Runner
from agentpost.limits import HoldLimits
from agentpost.mail.policy import make_policy
from agentpost.mail.releasing import Releasing
from agentpost.mail.submission import Outgoing, Submission, SubmissionSettings
from agentpost.model.actor import Actor, system_actor
from agentpost.model.envelope import Envelope, ForwardPath, FutureRelease, Notify
from agentpost.model.job import Again, Done, GivenUp, Job
from agentpost.model.relay import Doubts, Routing
from agentpost.store.approvals import Approvals
from agentpost.store.consistency import Consistency
from agentpost.store.consistency_rules import PARTS
from agentpost.store.jobs import Jobs
from agentpost.store.relays import Relays
from tests.http.resources.holding import release, row
from tests.imap.harness import Place, open_place

ROUTING = Routing("simulator", (), Doubts())

ADA = "ada@elsewhere.example"


@dataclass
class Office:
    """An inbox, and what lets its messages go."""

    place: Place
    submission: Submission
    work: ReleaseWork
    relays: Relays

    @property
    def address(self) -> str:
        assert self.place.actor.address is not None
        return self.place.actor.address

    async def send(self, number: int = 0, release: FutureRelease | None = None) -> MessageId:
        octets = (
            f"From: {self.address}\r\nTo: {ADA}\r\nMessage-ID: <{number}@shared.test>\r\n\r\nHi.\r\n"
        ).encode()
        paths = (ForwardPath(ADA, frozenset({Notify.SUCCESS})),)
        envelope = Envelope(self.address, paths, envid="e1", release=release)
        receipt = await self.submission.send(
            self.place.actor, self.place.where, self.address, envelope, octets, Outgoing()
        )
        return receipt.message_id

    async def hurry(self) -> None:
        async def late(connection: object) -> None:
            await connection.execute("UPDATE holds SET due_at = now()")  # type: ignore[attr-defined]
            await connection.execute("UPDATE jobs SET run_at = now()")  # type: ignore[attr-defined]

        await self.place.store.database.run("*", late)

    async def jobs(self) -> tuple[Job, ...]:
        jobs = Jobs(self.place.store.door)
        return await jobs.claim(system_actor(), [("release", 100)], 60)


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_place(database_url, tmp_path) as place:
        store = place.store
        policy = make_policy(store, frozenset({"shared.test"}))
        settings = SubmissionSettings({})
        submission = Submission(
            store.messages, store.directory, place.desk.logins, policy, store.approvals, settings
        )
        work = ReleaseWork(Releasing(store.holds, policy), store.holds, lambda: None)
        relays = Relays(store.door, store.blobs, lambda _: None, lambda: None, lambda _: None)
        yield Office(place, submission, work, relays)


def later(seconds: int = 3600) -> FutureRelease:
    return FutureRelease(f"for;{seconds}", seconds=seconds)


async def test_what_is_not_due_waits_on(office: Office) -> None:
    message = await office.send(release=later())
    job = Job(1, "release", {"message_id": message}, 1, None, None)  # type: ignore[arg-type]
    verdict = await office.work.run(job)
    assert isinstance(verdict, Again)
    assert 3500 < verdict.delay_s <= 3600
    nameless = Job(1, "release", {}, 1, None, None)  # type: ignore[arg-type]
    assert isinstance(await office.work.run(nameless), GivenUp)


async def test_several_workers_release_a_message_once(office: Office) -> None:
    message = await office.send(release=later())
    await office.hurry()
    [job] = await office.jobs()
    verdicts: list[object] = []

    async def work() -> None:
        verdicts.append(await office.work.run(job))

    async with trio.open_nursery() as workers:
        for _ in range(5):
            workers.start_soon(work)
    assert verdicts == [Done()] * 5
    store = office.place.store
    assert await row(store, "SELECT count(*) FROM relays") == 1
    assert await row(store, "SELECT count(*) FROM events WHERE type = 'message.queued'") == 1
    assert await row(store, "SELECT count(*) FROM jobs WHERE kind = 'release'") == 0
    outgoing = (await office.relays.begin(system_actor(), [message], ROUTING))[message]
    assert outgoing.envid == "e1"
    assert outgoing.release == "for;3600"
    assert outgoing.recipients[0].notify == {Notify.SUCCESS}


async def test_a_release_that_is_interrupted_is_made_up_for(office: Office) -> None:
    """The worker dies between two statements of nobody: all is there, or nothing is."""
    message = await office.send(release=later())
    await office.hurry()
    [job] = await office.jobs()
    store = office.place.store
    break_ = (
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'x'; END $$"
    )
    trigger = "CREATE TRIGGER broken BEFORE INSERT ON relays EXECUTE FUNCTION broken()"
    for sql in (break_, trigger):
        await store.database.run("*", lambda c, sql=sql: c.execute(sql))  # type: ignore[misc]
    with pytest.raises(Exception, match="x"):
        await office.work.run(job)
    assert await row(store, "SELECT count(*) FROM holds") == 1
    assert await row(store, "SELECT state FROM messages WHERE id = $1", message) == "scheduled"
    await store.database.run("*", lambda c: c.execute("DROP TRIGGER broken ON relays"))
    assert await office.work.run(job) == Done()
    assert await row(store, "SELECT count(*) FROM relays") == 1


async def test_cancelling_and_relaying_exclude_each_other(office: Office) -> None:
    """Whoever comes first wins, and the other one knows."""
    store = office.place.store
    outcomes: set[tuple[bool, bool]] = set()
    for number in range(24):
        message = await office.send(number)
        sent: list[bool] = []
        cancelled: list[bool] = []

        async def relay(message: MessageId = message, sent: list[bool] = sent) -> None:
            begun = await office.relays.begin(system_actor(), [message], ROUTING)
            sent.append(any(one.recipients for one in begun.values()))

        async def cancel(message: MessageId = message, cancelled: list[bool] = cancelled) -> None:
            try:
                await store.approvals.cancel(office.place.actor, message)
            except UnderWay:
                cancelled.append(False)
            else:
                cancelled.append(True)

        async with trio.open_nursery() as both:
            for task in (relay, cancel) if number % 2 else (cancel, relay):
                both.start_soon(task)
        assert sent[0] is not cancelled[0]
        state = await row(store, "SELECT state FROM deliveries WHERE message_id = $1", message)
        assert state == ("sending" if sent[0] else "canceled")
        outcomes.add((sent[0], cancelled[0]))
    assert outcomes <= {(True, False), (False, True)}


async def test_cancelling_and_releasing_exclude_each_other(office: Office) -> None:
    store = office.place.store
    for number in range(12):
        message = await office.send(number, later())
        await office.hurry()
        [job] = await office.jobs()

        async def cancel(message: MessageId = message) -> None:
            await store.approvals.cancel(office.place.actor, message)

        async def let_go(job: Job = job) -> None:
            await office.work.run(job)

        async with trio.open_nursery() as both:
            for task in (let_go, cancel) if number % 2 else (cancel, let_go):
                both.start_soon(task)
        # Either way it was cancelled: while it waited, or while it was queued.
        found = await row(store, "SELECT state FROM messages WHERE id = $1", message)
        assert found == "canceled"
    assert await row(store, "SELECT count(*) FROM relays") == 0
    assert await row(store, "SELECT count(*) FROM holds") == 0


async def test_what_waits_is_consistent(office: Office) -> None:
    """`agentpost check` finds nothing wrong, whatever state messages are in."""
    store = office.place.store
    await office.send(1, later())
    canceled = await office.send(2, later())
    await store.approvals.cancel(office.place.actor, canceled)
    await store.approvals.cancel(office.place.actor, await office.send(3))
    await office.send(4, later())
    assert len(await release(store, hurry=True)) == 2
    walk = Consistency(store.door, store.blobs)
    faults = [(await walk.batch(system_actor(), name, None)).faults for name in PARTS]
    assert [fault for found in faults for fault in found] == []


async def test_the_runner_is_woken_in_time(office: Office) -> None:
    store = office.place.store
    await office.send(release=later(1))
    woken = trio.Event()
    work = ReleaseWork(
        Releasing(store.holds, make_policy(store, frozenset())),
        store.holds,
        woken.set,
        HoldLimits(look_s=0.05),
    )
    with trio.fail_after(5):
        async with trio.open_nursery() as beside:
            for task in work.beside():
                beside.start_soon(task)
            await woken.wait()
            beside.cancel_scope.cancel()
    # What is due now, or nearly.
    assert await store.holds.next_due_s(system_actor(), "release", 1.0) is not None


async def test_a_runner_releases_what_is_due(office: Office) -> None:
    store = office.place.store
    message = await office.send(release=later(1))
    runner_wake: list[Runner] = []
    work = ReleaseWork(
        Releasing(store.holds, make_policy(store, frozenset())),
        store.holds,
        lambda: runner_wake[0].wake(),  # noqa: PLW0108 - it is made below
        HoldLimits(look_s=0.05),
    )
    runner = Runner(Jobs(store.door), [work])
    runner_wake.append(runner)
    stopping = trio.Event()
    queued = "SELECT count(*) FROM messages WHERE id = $1 AND state = 'queued'"
    with trio.fail_after(8):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: runner.run(stopping=stopping))
            while not await row(store, queued, message):
                await trio.lowlevel.checkpoint()
            stopping.set()


async def test_approvals_may_be_made_over_a_door_alone(office: Office) -> None:
    approvals = Approvals(office.place.store.door)
    actor: Actor = office.place.actor
    assert await approvals.waiting(actor, office.place.where) == 0
