"""The job that tells search what messages say, after their arrival was acknowledged.

A worker indexes at once what was committed through it (``note``); the standing job finds what
others left behind.  Until then search looks into the octets, so its answers do not wait for this.
Indexing gives way: after each batch it rests as long as the batch took, and many times as long
while mail keeps arriving.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import trio

from agentpost.ids import InboxId, MessageId
from agentpost.limits import IndexingLimits
from agentpost.mime.grams import terms_of
from agentpost.mime.matching import Texts, texts_of
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.search import body_salt, header_salt
from agentpost.store.texts import Indexed, MessageTexts, Unindexed

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
        self._untidy = 0

    @property
    def deadline_s(self) -> float:
        return self._limits.run_s * 2

    def note(self, inbox: InboxId) -> None:
        """Something was committed in ``inbox``: there may be new messages."""
        self._noted.add(inbox)
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
            batch = await self._texts.unindexed(
                self._actor, after, limits.batch_messages, limits.batch_octets, inboxes
            )
            if not batch:
                await self._tidy()
                return False
            await self._texts.write(
                self._actor, [await self._indexed(message) for message in batch]
            )
            self._untidy += len(batch)
            after = (batch[-1].inbox, batch[-1].message)
            if trio.current_time() >= until:
                return True
            rest = limits.busy_rest if self._something_noted.is_set() else limits.rest
            await trio.sleep((trio.current_time() - began) * rest)

    async def _tidy(self) -> None:
        """Tidy the indexes when that is worth its cost."""
        if self._untidy >= self._limits.untidy_messages:
            self._untidy = 0
            await self._texts.tidy(self._actor)

    async def _indexed(self, message: Unindexed) -> Indexed:
        octets = message.octets
        if octets is None:
            # Nothing can be found in what is lost.
            return self._with_terms(message, _NOTHING)
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
        return self._with_terms(message, texts)

    def _with_terms(self, message: Unindexed, texts: Texts) -> Indexed:
        most = self._limits.max_grams
        return Indexed(
            message.message,
            texts,
            terms_of((texts.headers, texts.parts), header_salt(message.inbox), most),
            terms_of((texts.body,), body_salt(message.inbox), most),
        )


_NOTHING = Texts("\n", "", "", ("", "", "", "", ""), None, False)
"""What is known of a message that cannot be read: search looks at its octets."""
