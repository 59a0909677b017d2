"""The job that queues a window of the event log again for one webhook, and what tells webhooks.

Telling is no job of the queue: deliveries have a queue of their own, see ``posting``, which runs
beside the jobs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from agentpost.ids import WebhookId
from agentpost.jobs.posting import Posting
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Verdict
from agentpost.model.webhook import Window
from agentpost.store.webhook_queue import WebhookQueue


class _Replay(msgspec.Struct, frozen=True):
    webhook_id: str
    window: Window


class WebhookWork:
    """See the module's text."""

    kind = "webhook"
    standing = False
    concurrency = 2
    deadline_s = 1800.0

    def __init__(self, queue: WebhookQueue, posting: Posting) -> None:
        self._queue = queue
        self._posting = posting
        self._actor = system_actor("webhooks")

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return self._posting.tasks()

    async def run(self, job: Job) -> Verdict:
        """Queue the window, part by part; begun anew it changes nothing that is queued."""
        try:
            replay = msgspec.convert(job.payload, _Replay, strict=False)
        except msgspec.ValidationError:
            return GivenUp("the job names no webhook and window")
        position: int | None = 0
        while position is not None:
            position = await self._queue.replay(
                self._actor, WebhookId(replay.webhook_id), replay.window, position
            )
            self._posting.wake()
        return Done()
