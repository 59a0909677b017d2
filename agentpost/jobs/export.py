"""The job that makes the file of an export (R7).

It begins anew whenever it runs: whatever an attempt before it has written is never looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import trio

from agentpost.errors import Overloaded
from agentpost.limits import ExportLimits, JobLimits
from agentpost.mail.exporting import Exporting, Overtaken, TooLarge
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Verdict
from agentpost.store.exports import Exports

log = logging.getLogger(__name__)

_TOO_LARGE = "The file would be too large: ask for less at once, by inbox, folder or time."
_FAILED = "The file could not be made; the server's log says why."


class _Payload(msgspec.Struct, frozen=True):
    export_id: str


class ExportWork:
    """See the module's text."""

    kind = "export"
    standing = False
    concurrency = 1

    def __init__(
        self, exports: Exports, exporting: Exporting, limits: ExportLimits | None = None
    ) -> None:
        self._exports = exports
        self._exporting = exporting
        self._limits = limits or ExportLimits()
        self._actor = system_actor("export")

    @property
    def deadline_s(self) -> float:
        # Ours comes first, and counts as an attempt.
        return self._limits.deadline_s + 60.0

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """One attempt."""
        try:
            name = msgspec.convert(job.payload, _Payload).export_id
        except msgspec.ValidationError as error:
            return GivenUp(f"the job names no export: {error}")
        if job.attempts > JobLimits().max_attempts:
            # Its workers died, one after the other.
            return await self._fail(name, _FAILED)
        export = await self._exports.begin(self._actor, name)
        if export is None:
            return Done()
        try:
            with trio.fail_after(self._limits.deadline_s):
                await self._exporting.make(export)
        except TooLarge:
            return await self._fail(name, _TOO_LARGE)
        except Overtaken:
            return Done()
        except Overloaded:
            raise
        except Exception:
            if job.attempts < self._limits.attempts:
                raise
            log.exception("export %s failed for the last time", name)
            return await self._fail(name, _FAILED)
        return Done()

    async def _fail(self, name: str, error: str) -> Verdict:
        await self._exports.fail(self._actor, name, error)
        return GivenUp(error)
