"""The job that ends leases on messages which are over: mail programs then see them free again.

Whoever claims ends those of his inbox by himself, so that nothing waits for this job but the
keyword that shows, the event that tells, and who is waiting for a message to come free.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agentpost.limits import ClaimLimits
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.claims import Claims


class LeasesWork:
    """See the module's text."""

    kind = "leases"
    standing = True
    concurrency = 1
    deadline_s = 60.0

    def __init__(self, claims: Claims, limits: ClaimLimits | None = None) -> None:
        self._claims = claims
        self._limits = limits or ClaimLimits()
        self._actor = system_actor("leases")

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """One round, an inbox after the other; another one at once when there may be more."""
        inboxes = await self._claims.overdue(self._actor, self._limits.batch_inboxes)
        for inbox in inboxes:
            await self._claims.expire(self._actor, inbox)
        more = len(inboxes) == self._limits.batch_inboxes
        return Again(0.0 if more else self._limits.expire_s)
