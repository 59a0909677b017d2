"""The job that seals the audit log: each line, soon after its commit (R31)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agentpost.limits import AuditLimits
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.auditchain import AuditChain


class SealWork:
    """See the module's text."""

    kind = "seal"
    standing = True
    concurrency = 1
    deadline_s = 300.0

    def __init__(self, chain: AuditChain, limits: AuditLimits | None = None) -> None:
        self._chain = chain
        self._limits = limits or AuditLimits()
        self._actor = system_actor("seal")

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """One round: a bounded number of lines of a bounded number of organizations."""
        limits = self._limits
        found = await self._chain.unsealed(self._actor, limits.organizations)
        more = len(found) == limits.organizations
        for organization in found:
            sealed = await self._chain.seal(self._actor, organization, limits.rows)
            more = more or sealed == limits.rows
        return Again(0.0 if more else limits.seal_every_s)
