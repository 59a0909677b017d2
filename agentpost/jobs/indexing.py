"""The job that tells search what messages say, after their arrival was acknowledged.

Until it has come to a message, search looks into the octets, so its answers do not wait for this.
When an inbox has many texts that search looks at one by one, a pack is made of them.  The job runs
in a process of its own (``agentpost/indexer.py``): reading a message takes a millisecond, which
nobody's command should wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

import trio

from agentpost.ids import InboxId, MessageId
from agentpost.limits import IndexingLimits
from agentpost.mime.matching import Texts, texts_of
from agentpost.mime.packs import pack_of
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.texts import Indexed, MessageTexts, Unindexed

T = TypeVar("T")
log = logging.getLogger(__name__)


class IndexingWork:
    """See the module's text."""

    kind = "indexing"
    standing = True
    concurrency = 1

    def __init__(
        self, texts: MessageTexts, stopping: trio.Event, limits: IndexingLimits | None = None
    ) -> None:
        """``stopping``: when set, a run ends after the batch at hand."""
        self._texts = texts
        self._stopping = stopping
        self._limits = limits or IndexingLimits()
        self._actor = system_actor("indexing")

    @property
    def deadline_s(self) -> float:
        return self._limits.run_s * 2

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """Index what there is and what comes, for a while; the next run goes on at once."""
        until = trio.current_time() + self._limits.run_s
        while await self.index(until) and trio.current_time() < until:
            await self._pause(self._limits.poll_s)
        return Again(0.0)

    async def _pause(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._stopping.wait()

    async def index(self, until: float = float("inf")) -> bool:
        """Index all that waits; False when something is left, for the time has come or we stop."""
        limits = self._limits
        after: tuple[InboxId, MessageId] | None = None
        while not self._stopping.is_set():
            began = trio.current_time()
            batch = await self._texts.unindexed(
                self._actor, after, limits.batch_messages, limits.batch_octets
            )
            if not batch:
                return True
            await self._texts.write(
                self._actor, [await self._indexed(message) for message in batch]
            )
            await self._pack(sorted({message.inbox for message in batch}))
            after = (batch[-1].inbox, batch[-1].message)
            if trio.current_time() >= until:
                break
            await self._pause((trio.current_time() - began) * limits.rest)
        return False

    async def _pack(self, inboxes: Sequence[InboxId]) -> None:
        """Make packs of what has been looked at one by one, where that has become much."""
        limits = self._limits
        while True:
            waiting = await self._texts.unpacked(
                self._actor, inboxes, limits.pack_messages, limits.pack_octets
            )
            if waiting is None:
                return
            pack = await _giving_way(pack_of(waiting.texts))
            if not await self._texts.pack(self._actor, waiting.messages, pack):
                return  # another worker is at it

    async def _indexed(self, message: Unindexed) -> Indexed:
        if message.octets is None:
            # Nothing can be found in what is lost.
            return Indexed(message.message, _NOTHING)
        await trio.lowlevel.checkpoint()
        try:
            texts = texts_of(message.octets, self._limits)
        except Exception:
            log.exception("the text of %s cannot be read", message.message)
            texts = _NOTHING
        return Indexed(message.message, texts)


async def _giving_way(work: Generator[None, None, T]) -> T:
    """What ``work`` returns; whenever it stops, others have a chance."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        await trio.lowlevel.checkpoint()


_NOTHING = Texts("\n", "", "", ("", "", "", "", ""), None, False)
"""What is known of a message that cannot be read: search looks at its octets."""
