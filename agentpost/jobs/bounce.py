"""The job that reads a received mail which may report on one that its inbox has sent.

It was queued in the commit of the arrival.  What the report says and that it was said are one
transaction, so a job that runs again finds it done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agentpost.errors import NotFound
from agentpost.ids import MessageId
from agentpost.limits import BounceLimits
from agentpost.mail.bounces import Reports
from agentpost.metrics import REPORTS
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Done, GivenUp, Job, Verdict
from agentpost.store.messages import Messages


class BounceWork:
    """See the module's text."""

    kind = "bounce"
    standing = False
    concurrency = 4
    deadline_s = 60.0

    def __init__(
        self, messages: Messages, reports: Reports, limits: BounceLimits | None = None
    ) -> None:
        self._messages = messages
        self._reports = reports
        self._limits = limits or BounceLimits()
        self._actor = system_actor("bounce")

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """Read one mail, unless it was deleted meanwhile."""
        message = job.payload.get("message_id")
        if not isinstance(message, str):
            return GivenUp("the job names no message")
        try:
            content = await self._messages.content(self._actor, MessageId(message))
        except NotFound:
            return Done()
        waits = job.attempts <= self._limits.in_flight_looks
        outcome = await self._reports.take(self._actor, content, waits=waits)
        if outcome == "in_flight":
            return Again(self._limits.in_flight_s, "the message it reports on is being sent")
        REPORTS.labels(outcome or "none").inc()
        return Done()
