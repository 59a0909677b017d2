"""The job that tells search what messages say, after their arrival was acknowledged.

A worker indexes at once what was committed through it (``note``); the standing job finds what
others left behind.  Until then search looks into the octets, so its answers do not wait for this.
When an inbox has many texts that search looks at one by one, a pack is made of them.
Indexing gives way: after each batch it rests, and many times as long when something was committed
while it was at it.
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

    def __init__(self, texts: MessageTexts, limits: IndexingLimits | None = None) -> None:
        self._texts = texts
        self._limits = limits or IndexingLimits()
        self._actor = system_actor("indexing")
        self._noted: set[InboxId] = set()
        self._something_noted = trio.Event()
        self._one_at_a_time = trio.Lock()
        self._disturbed = False

    @property
    def deadline_s(self) -> float:
        return self._limits.run_s * 2

    def note(self, inbox: InboxId) -> None:
        """Something was committed in ``inbox``: there may be new messages."""
        self._noted.add(inbox)
        self._disturbed = True
        self._something_noted.set()

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (self._follow,)

    async def run(self, job: Job) -> Verdict:
        """Index what was left behind, for a while; more of it is left to the next run."""
        until = trio.current_time() + self._limits.run_s
        left = await self._index(None, until)
        return Again(0.0 if left else self._limits.every_s)

    async def _follow(self) -> None:
        """Index what is committed through this worker, while it runs."""
        while True:
            await self._something_noted.wait()
            await trio.sleep(self._limits.gather_s)
            self._something_noted = trio.Event()
            inboxes = sorted(self._noted)
            self._noted.clear()
            await self._index(inboxes, float("inf"))

    async def _index(self, inboxes: Sequence[InboxId] | None, until: float) -> bool:
        """Index until nothing is left or the time has come; whether something is left."""
        async with self._one_at_a_time:
            return await self._index_alone(inboxes, until)

    async def _index_alone(self, inboxes: Sequence[InboxId] | None, until: float) -> bool:
        limits = self._limits
        after: tuple[InboxId, MessageId] | None = None
        while True:
            began = trio.current_time()
            self._disturbed = False
            batch = await self._texts.unindexed(
                self._actor, after, limits.batch_messages, limits.batch_octets, inboxes
            )
            if not batch:
                return False
            await self._texts.write(
                self._actor, [await self._indexed(message) for message in batch]
            )
            await self._pack(sorted({message.inbox for message in batch}))
            after = (batch[-1].inbox, batch[-1].message)
            if trio.current_time() >= until:
                return True
            rest = limits.busy_rest if self._disturbed else limits.rest
            await trio.sleep((trio.current_time() - began) * rest)

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
        octets = message.octets
        if octets is None:
            # Nothing can be found in what is lost.
            return Indexed(message.message, _NOTHING)
        if len(octets) > self._limits.thread_octets:
            return await trio.to_thread.run_sync(self._read, message, octets)
        await trio.lowlevel.checkpoint()
        return self._read(message, octets)

    def _read(self, message: Unindexed, octets: bytes) -> Indexed:
        try:
            texts = texts_of(octets, self._limits)
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
