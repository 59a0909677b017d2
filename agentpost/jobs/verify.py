"""The job that looks at the records of custom domains whose time has come (R10).

Domains keep their own times of the next look, with growing pauses; this one comes back often.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agentpost.limits import DomainLimits
from agentpost.mail.verification import Verification
from agentpost.model.job import Again, Job, Verdict


class VerifyWork:
    """See the module's text."""

    kind = "verify"
    standing = True
    concurrency = 1

    def __init__(self, verification: Verification, limits: DomainLimits | None = None) -> None:
        self._verification = verification
        self._limits = limits or DomainLimits()

    @property
    def deadline_s(self) -> float:
        # A look and its two transactions; what was begun and not ended is looked at again.
        return self._limits.look_s * 4

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """One round; another one at once when there may be more."""
        looked = await self._verification.due()
        return Again(0.0 if looked == self._limits.batch else self._limits.poll_s)
