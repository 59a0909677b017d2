"""The job that lets a held message go when it is due, or ends a request for approval.

Each held message has a job of its own, whose time is the message's.  What the job does is one
transaction in which the message ceases to wait, so that a job that runs again finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from agentpost.ids import MessageId
from agentpost.limits import HoldLimits
from agentpost.mail.releasing import NotYet, Releasing
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Done, GivenUp, Job, Verdict
from agentpost.store.holds import Holds


class ReleaseWork:
    """See the module's text.  ``wake`` makes the runner look for due jobs."""

    kind = "release"
    standing = False

    def __init__(
        self,
        releasing: Releasing,
        holds: Holds,
        wake: Callable[[], None],
        limits: HoldLimits | None = None,
    ) -> None:
        self._releasing = releasing
        self._holds = holds
        self._wake = wake
        self._limits = limits or HoldLimits()
        self._actor = system_actor("release")

    @property
    def concurrency(self) -> int:
        return self._limits.concurrency

    @property
    def deadline_s(self) -> float:
        return self._limits.release_s

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (self._watch,)

    async def run(self, job: Job) -> Verdict:
        """One message: released, refused, expired, or left to wait on."""
        message = job.payload.get("message_id")
        if not isinstance(message, str):
            return GivenUp("the job names no message")
        left = await self._releasing.run(MessageId(message))
        return Again(left.seconds) if isinstance(left, NotYet) else Done()

    async def _watch(self) -> None:
        """Wake the runner in time: by itself it looks too rarely for what is due at a moment."""
        while True:
            seconds = await self._holds.next_due_s(self._actor, self.kind, self._limits.look_s)
            if seconds is not None:
                await trio.sleep(seconds)
                self._wake()
            await trio.sleep(self._limits.look_s)
