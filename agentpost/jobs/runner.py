"""Runs the jobs of the queue in one worker.

It claims what is due, as many of each kind as may run at once, and runs every job as a task of
its own.  It looks again when told (``wake``), when one of its own jobs is due again, when a place
becomes free, and by itself every few seconds.  A job's failure is written down and retried with
growing pauses; it never ends the runner.  Leases are renewed while jobs run; a job whose lease
was lost all the same is cancelled, because another worker has it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from agentpost.errors import Overloaded, Problem
from agentpost.jobs.gathering import Gathering
from agentpost.limits import JobLimits
from agentpost.metrics import JOBS, QUEUED
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Done, GivenUp, Job, Settled, Verdict
from agentpost.store.jobs import Jobs

log = logging.getLogger(__name__)

_TROUBLE_PAUSE_S = 1.0
"""After the database could not be asked."""
_RELEASE_S = 5.0
"""For giving a job back when it is cut short; failing that, its lease ends by itself."""
_FINISHED_TOGETHER = 256
_STATES = ("ready", "running", "failed")


class Work(Protocol):
    """What one kind of job does.  One module of this package each."""

    @property
    def kind(self) -> str:
        """The name that rows of the queue carry."""
        ...

    @property
    def concurrency(self) -> int:
        """Jobs of this kind that one worker runs at once."""
        ...

    @property
    def deadline_s(self) -> float:
        """For one run; then it is cancelled and counts as failed."""
        ...

    @property
    def standing(self) -> bool:
        """Whether there is always exactly one such job, which comes back after each run."""
        ...

    async def run(self, job: Job) -> Verdict:
        """Do it.  Whatever it raises is written down, and the job is tried again later."""
        ...

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """Tasks that run while the runner does, and are cancelled when it ends."""
        ...


@dataclass(slots=True)
class _Running:
    job: Job
    scope: trio.CancelScope
    lost: bool = False


class Runner:
    """See the module's text."""

    def __init__(
        self,
        jobs: Jobs,
        works: Sequence[Work],
        limits: JobLimits | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """``spread`` gives numbers from 0 to 1 that vary the pauses before repetitions."""
        self._jobs = jobs
        self._works = {work.kind: work for work in works}
        self._limits = limits or JobLimits()
        self._spread = spread
        self._actor = system_actor("jobs")
        self._running: dict[int, _Running] = {}
        self._wake = trio.Event()
        self._due: list[float] = []
        self._finish = Gathering(self._finish_all, _FINISHED_TOGETHER)

    def wake(self, kind: str | None = None) -> None:
        """Look for due jobs now; of ``kind`` when that is known.  May be called at any time."""
        if kind is None or kind in self._works:
            self._wake.set()

    async def run(self, *, stopping: trio.Event) -> None:
        """Run jobs until ``stopping`` is set; then let those at work finish within the deadline."""
        async with trio.open_nursery() as beside:
            for work in self._works.values():
                for task in work.beside():
                    beside.start_soon(_guarded, work.kind, task)
            beside.start_soon(_guarded, "leases", self._renew_leases)
            beside.start_soon(_guarded, "depth", self._measure)
            with trio.CancelScope() as drain:
                async with trio.open_nursery() as tasks:
                    tasks.start_soon(self._watch, stopping, drain)
                    await self._claim_until(stopping, tasks)
            beside.cancel_scope.cancel()

    async def _watch(self, stopping: trio.Event, drain: trio.CancelScope) -> None:
        await stopping.wait()
        drain.deadline = trio.current_time() + self._limits.drain_s
        self._wake.set()

    async def _claim_until(self, stopping: trio.Event, tasks: trio.Nursery) -> None:
        standing = [work.kind for work in self._works.values() if work.standing]
        prepared = False
        while not stopping.is_set():
            self._wake = trio.Event()
            self._forget_past()
            try:
                if not prepared:
                    await self._jobs.ensure_standing(self._actor, standing)
                    prepared = True
                await self._claim(tasks)
            except Exception as error:
                _note_trouble(error)
                await self._sleep(_TROUBLE_PAUSE_S, stopping)
                continue
            await self._wait()

    async def _claim(self, tasks: trio.Nursery) -> None:
        """Start due jobs in the free places."""
        busy: dict[str, int] = {}
        for running in self._running.values():
            busy[running.job.kind] = busy.get(running.job.kind, 0) + 1
        free = {
            kind: work.concurrency - busy.get(kind, 0)
            for kind, work in self._works.items()
            if busy.get(kind, 0) < work.concurrency
        }
        if not free:
            return
        # What was claimed must not get lost between the commit and its task.
        with trio.CancelScope(shield=True):
            claimed = await self._jobs.claim(self._actor, list(free.items()), self._limits.lease_s)
            for job in claimed:
                running = _Running(job, trio.CancelScope())
                self._running[job.id] = running
                tasks.start_soon(self._one, self._works[job.kind], running)

    async def _wait(self) -> None:
        """Until there may be something to claim."""
        until = trio.current_time() + self._limits.poll_s
        if self._due:
            until = min(until, self._due[0])
        with trio.move_on_at(until):
            await self._wake.wait()
            await trio.sleep(self._limits.gather_s)

    def _forget_past(self) -> None:
        now = trio.current_time()
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)

    async def _sleep(self, seconds: float, stopping: trio.Event) -> None:
        with trio.move_on_after(seconds):
            await stopping.wait()

    async def _one(self, work: Work, running: _Running) -> None:
        job = running.job
        try:
            verdict = await self._verdict(work, running)
            if not running.lost:
                await self._end(job, verdict)
        except Exception as error:
            # Its lease will end, and it runs again.
            log.error("the end of job %d (%s) was not written: %s", job.id, job.kind, error)
        finally:
            self._running.pop(job.id, None)
            # A place is free now.
            self._wake.set()

    async def _verdict(self, work: Work, running: _Running) -> Verdict:
        job = running.job
        try:
            with running.scope:
                running.scope.deadline = trio.current_time() + work.deadline_s
                verdict = await work.run(job)
                JOBS.labels(job.kind, _outcome(verdict)).inc()
                return verdict
        except Exception as error:
            JOBS.labels(job.kind, "error").inc()
            if isinstance(error, Overloaded):
                log.warning("job %d (%s): %s", job.id, job.kind, error)
            else:
                log.exception("job %d (%s) failed", job.id, job.kind)
            return self._after_failure(work, job, _reason(error), isinstance(error, Overloaded))
        except BaseException:
            with trio.move_on_after(_RELEASE_S, shield=True):
                await self._release(job)
            raise
        if running.lost:
            log.warning("job %d (%s) was lost to another worker", job.id, job.kind)
            return Settled()
        JOBS.labels(job.kind, "timeout").inc()
        log.error("job %d (%s) did not end in time", job.id, job.kind)
        return self._after_failure(work, job, f"it did not end within {work.deadline_s:g} s")

    def _after_failure(self, work: Work, job: Job, reason: str, outage: bool = False) -> Verdict:
        """What becomes of a job that failed; a job is not given up for an outage of the store."""
        limits = self._limits
        if job.attempts >= limits.max_attempts and not work.standing and not outage:
            return GivenUp(reason)
        delay = min(limits.first_retry_s * 2.0 ** min(job.attempts - 1, 30), limits.max_retry_s)
        return Again(delay * (1 + limits.jitter * (2 * self._spread() - 1)), reason)

    async def _end(self, job: Job, verdict: Verdict) -> None:
        match verdict:
            case Done():
                await self._finish(job)
            case Again(delay_s, error):
                await self._jobs.again(self._actor, job, delay_s, self._cut(error))
                # Only now: the database counts the pause from its own, earlier moment.
                self.due_in(delay_s)
            case GivenUp(error):
                log.error("job %d (%s) is given up: %s", job.id, job.kind, error)
                await self._jobs.give_up(self._actor, job, self._cut(error) or "")
            case Settled(delay_s):
                if delay_s is not None:
                    self.due_in(delay_s)

    def due_in(self, seconds: float) -> None:
        """Some job is due so much later: look then, without waiting for the next poll."""
        if seconds < self._limits.poll_s:
            heapq.heappush(self._due, trio.current_time() + seconds)
            self._wake.set()

    def _cut(self, error: str | None) -> str | None:
        if error is None:
            return None
        return error.replace("\0", "")[: self._limits.max_error_characters]

    async def _release(self, job: Job) -> None:
        try:
            await self._jobs.release(self._actor, [job])
        except Exception as error:
            log.warning("job %d (%s) could not be given back: %s", job.id, job.kind, error)

    async def _finish_all(self, jobs: Sequence[Job]) -> Sequence[None]:
        await self._jobs.finish(self._actor, jobs)
        return [None] * len(jobs)

    async def _measure(self) -> None:
        """Tell Prometheus how many jobs wait, run and have failed."""
        while True:
            depth = await self._jobs.depth(self._actor)
            kinds = {*self._works, *(kind for kind, _ in depth)}
            for kind, state in itertools.product(kinds, _STATES):
                QUEUED.labels(kind, state).set(depth.get((kind, state), 0))
            await trio.sleep(self._limits.depth_s)

    async def _renew_leases(self) -> None:
        while True:
            await trio.sleep(self._limits.lease_s / 3)
            held = list(self._running.values())
            if not held:
                continue
            try:
                kept = await self._jobs.renew(
                    self._actor, [running.job for running in held], self._limits.lease_s
                )
            except Exception as error:
                _note_trouble(error)
                continue
            for running in held:
                # One that has ended meanwhile has no row, and nothing left to cancel.
                if running.job.id not in kept and running.job.id in self._running:
                    running.lost = True
                    running.scope.cancel()


async def _guarded(place: str, task: Callable[[], Awaitable[None]]) -> None:
    """Run ``task``, and again after a failure: what runs beside the jobs must not end them."""
    while True:
        try:
            await task()
        except Exception:
            log.exception("a task beside the jobs failed: %s", place)
            await trio.sleep(_TROUBLE_PAUSE_S)
        else:
            return


def _note_trouble(error: Exception) -> None:
    if isinstance(error, Overloaded):
        log.warning("the queue cannot be asked: %s", error)
    else:
        log.error("the queue cannot be asked", exc_info=error)


def _reason(error: Exception) -> str:
    """What the row says: customers read it, and only our own words hold nothing of anyone's mail."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, Problem) else f"{name} (the log says more)"


def _outcome(verdict: Verdict) -> str:
    match verdict:
        case Done() | Settled():
            return "done"
        case Again(_, error):
            return "again" if error is None else "error"
        case GivenUp():
            return "given_up"
