"""The job that removes what nobody needs any longer (R12).

Every kind is removed in bounded steps; what is left over is removed by the next sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import trio

from agentpost.limits import MetricsLimits, SweepLimits
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.sweeps import Aged, Sweeps

log = logging.getLogger(__name__)


class SweepWork:
    """See the module's text."""

    kind = "sweep"
    standing = True
    concurrency = 1
    deadline_s = 1800.0

    def __init__(self, sweeps: Sweeps, limits: SweepLimits | None = None) -> None:
        self._sweeps = sweeps
        self._limits = limits or SweepLimits()
        self._actor = system_actor("sweep")
        self._files_due = 0.0

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """One sweep.  A kind that fails does not keep the others from being swept."""
        limits = self._limits
        ages: dict[Aged, timedelta] = {
            "idempotency": timedelta(days=limits.idempotency_days),
            "events": timedelta(days=limits.event_days),
            "webhook_deliveries": timedelta(days=limits.event_days),
            "failed_jobs": timedelta(days=limits.failed_job_days),
            "notifications": timedelta(days=limits.notification_days),
            "inbound_mails": timedelta(days=limits.inbound_mail_days),
            "tombstones": timedelta(days=limits.expunged_days),
            "outcomes": timedelta(days=limits.outcome_days),
            "reputation": timedelta(days=limits.outcome_days),
            "event_counts": timedelta(days=MetricsLimits().keep_days),
            "storage_days": timedelta(days=MetricsLimits().keep_days),
        }
        faults: list[str] = []
        for kind, age in ages.items():
            await self._swept(kind, self._aged(kind, age), faults)
        await self._swept("blobs", self._in_rounds(self._blobs), faults)
        await self._swept("uploads", self._in_rounds(self._uploads), faults)
        await self._swept("exports", self._in_rounds(self._exports), faults)
        if trio.current_time() >= self._files_due:
            await self._swept("files", self._files, faults)
            self._files_due = trio.current_time() + limits.files_every_s
        return Again(limits.every_s, "; ".join(faults) or None)

    async def _swept(
        self, name: str, step: Callable[[], Awaitable[int]], faults: list[str]
    ) -> None:
        try:
            count = await step()
        except Exception as error:
            log.exception("the sweep of %s failed", name)
            faults.append(f"{name}: {error}")
            return
        if count:
            log.info("swept %d %s", count, name)

    def _aged(self, kind: Aged, age: timedelta) -> Callable[[], Awaitable[int]]:
        async def once() -> int:
            return await self._sweeps.forget(self._actor, kind, age, self._limits.rows)

        return self._in_rounds(once)

    def _in_rounds(self, once: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
        """Step after step while each removes as much as it may, up to the bound of a sweep."""

        async def rounds() -> int:
            removed = 0
            for _ in range(self._limits.rounds):
                count = await once()
                removed += count
                if count < self._limits.rows:
                    break
            return removed

        return rounds

    async def _blobs(self) -> int:
        return await self._sweeps.forget_blobs(self._actor, self._limits.rows)

    async def _uploads(self) -> int:
        return await self._sweeps.remove_uploads(self._actor, self._limits.rows)

    async def _exports(self) -> int:
        return await self._sweeps.remove_exports(self._actor, self._limits.rows)

    async def _files(self) -> int:
        age = timedelta(hours=self._limits.orphan_hours)
        return await self._sweeps.remove_orphans(self._actor, age, self._limits.files)
