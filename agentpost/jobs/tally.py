"""The job that counts: events by the hour soon after they happen, and once a day what is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date

from agentpost import clock
from agentpost.limits import MetricsLimits
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.metrics import Metrics


class TallyWork:
    """See the module's text."""

    kind = "tally"
    standing = True
    concurrency = 1
    deadline_s = 300.0

    def __init__(self, metrics: Metrics, limits: MetricsLimits | None = None) -> None:
        self._metrics = metrics
        self._limits = limits or MetricsLimits()
        self._actor = system_actor("tally")
        self._measured_on: date | None = None
        self._measured_to = ""

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """One round: a bounded number of events, and of inboxes."""
        limits = self._limits
        found = await self._metrics.due(self._actor, limits.organizations)
        more = len(found) == limits.organizations
        for organization in found:
            counted = await self._metrics.tally(self._actor, organization, limits.events)
            more = more or counted == limits.events
        more = await self._measure() or more
        return Again(0.0 if more else limits.every_s)

    async def _measure(self) -> bool:
        """Look at some inboxes, once a day at each; tells whether others wait.

        An inbox that is made after the day's round is first looked at tomorrow.
        """
        today = clock.now().date()
        if self._measured_on == today:
            return False
        limit = self._limits.inboxes
        inboxes = await self._metrics.unmeasured(self._actor, self._measured_to, limit)
        await self._metrics.measure(self._actor, inboxes)
        if len(inboxes) == limit:
            self._measured_to = inboxes[-1]
            return True
        self._measured_on, self._measured_to = today, ""
        return False
