"""The job that looks into the bucket for mail that no notification has told of.

SNS repeats a notification for an hour at most, and a server may be away for longer; the bucket
keeps what came.  The job goes through all keys, takes in the objects whose mail is not known, and
deletes those that were taken in long enough ago.  An object that cannot be taken in now does not
keep the others; it is looked at again the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import trio

from agentpost import clock
from agentpost.errors import Problem
from agentpost.limits import InboundLimits
from agentpost.mail.inbound import Inbound
from agentpost.mail.objects import ObjectSource, StoredObject
from agentpost.model.actor import system_actor
from agentpost.model.job import Again, Job, Verdict
from agentpost.store.inbound import InboundMails

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tally:
    """What one look came to."""

    taken: int = 0
    failed: int = 0
    deleted: int = 0


class InboundWork:
    """See the module's text."""

    kind = "inbound"
    standing = True
    concurrency = 1

    def __init__(
        self,
        source: ObjectSource,
        mails: InboundMails,
        inbound: Inbound,
        *,
        keep_days: int,
        notified: bool,
        limits: InboundLimits | None = None,
    ) -> None:
        """``keep_days`` after it was taken in an object is deleted, never when it is 0;
        ``notified`` when notifications are expected, which know the envelope.
        """
        self._source = source
        self._mails = mails
        self._inbound = inbound
        self._keep_days = keep_days
        self._limits = limits or InboundLimits()
        self._grace = timedelta(seconds=self._limits.grace_s if notified else 0.0)
        self._actor = system_actor("inbound")

    @property
    def deadline_s(self) -> float:
        return self._limits.run_s

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return self._source.beside()

    async def run(self, job: Job) -> Verdict:
        """One look at all objects.

        A bucket or a database that does not answer is asked again soon, however long that
        lasts: mail waits there.
        """
        tally = _Tally()
        try:
            await self._look(tally)
        except Problem as problem:
            log.warning("the bucket cannot be looked into: %s", problem.message)
            return Again(self._limits.every_s, problem.message)
        if tally.taken or tally.failed or tally.deleted:
            log.info("looked into the bucket", extra=asdict(tally))
        fault = f"{tally.failed} objects could not be taken in" if tally.failed else None
        return Again(self._limits.every_s, fault)

    async def _look(self, tally: _Tally) -> None:
        key = ""
        while page := await self._source.after(key, self._limits.page_objects):
            key = page[-1].key
            await self._take(page, tally)
            if self._keep_days:
                await self._delete(page, tally)

    async def _take(self, page: Sequence[StoredObject], tally: _Tally) -> None:
        now = clock.now()
        oldest = now - timedelta(days=self._limits.oldest_days)
        due = [one for one in page if oldest < one.put_at <= now - self._grace]
        unknown = await self._mails.unknown(self._actor, _names(due))
        places = trio.CapacityLimiter(self._limits.concurrency)
        async with trio.open_nursery() as nursery:
            for found in due:
                if found.key in unknown:
                    await places.acquire_on_behalf_of(found)
                    nursery.start_soon(self._one, found, places, tally)

    async def _one(self, found: StoredObject, places: trio.CapacityLimiter, tally: _Tally) -> None:
        try:
            await self._inbound.fetch(found)
            tally.taken += 1
        except Problem as problem:
            tally.failed += 1
            log.warning("object %s cannot be taken in now: %s", found.key, problem.message)
        except Exception:
            tally.failed += 1
            log.exception("object %s cannot be taken in", found.key)
        finally:
            places.release_on_behalf_of(found)

    async def _delete(self, page: Sequence[StoredObject], tally: _Tally) -> None:
        age = timedelta(days=self._keep_days)
        old = [one for one in page if one.put_at < clock.now() - age]
        if not old:
            return
        for key in await self._mails.done_with(self._actor, _names(old), age):
            try:
                await self._source.delete(key)
                tally.deleted += 1
            except Problem as problem:
                # Keeping it is allowed; taking it in again is prevented by what is written down.
                log.warning("object %s cannot be deleted: %s", key, problem.message)
                return


def _names(objects: Sequence[StoredObject]) -> list[tuple[str, str]]:
    return [(one.key, one.mail_id) for one in objects]
