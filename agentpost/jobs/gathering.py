"""Calls that are made together are executed together: group commit for jobs.

Whoever finds nobody at work takes everything that waits and executes it as one batch; the others
wait for their results.  Nothing waits when little happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    ended: trio.Event = field(default_factory=trio.Event)
    results: list[R] = field(default_factory=list)
    error: Exception | None = None


class Gathering(Generic[T, R]):
    """One operation on many items at once, offered as an operation on one.

    ``operate`` gives one result for each item, in order.  When it raises for several, each is
    tried alone, so that a bad one fails alone: it must be safe to repeat after a failure.
    """

    def __init__(self, operate: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int) -> None:
        self._operate = operate
        self._most = most
        self._waiting: list[_Waiting[T, R]] = []
        self._at_work = False

    async def __call__(self, item: T) -> R:
        """The result for ``item``; raises what the operation raises.

        Once begun it is not cut short by cancellation: the operation has its own deadline.
        """
        entry: _Waiting[T, R] = _Waiting(item)
        self._waiting.append(entry)
        with trio.CancelScope(shield=True):
            while not entry.ended.is_set():
                if self._at_work:
                    await entry.ended.wait()
                else:
                    await self._work()
        if entry.error is not None:
            raise entry.error
        return entry.results[0]

    async def _work(self) -> None:
        self._at_work = True
        try:
            while self._waiting:
                batch = self._waiting[: self._most]
                del self._waiting[: self._most]
                await self._execute(batch)
        finally:
            self._at_work = False

    async def _execute(self, batch: list[_Waiting[T, R]]) -> None:
        try:
            results = await self._operate([entry.item for entry in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                batch[0].ended.set()
            else:
                for entry in batch:
                    await self._execute([entry])
            return
        for entry, result in zip(batch, results, strict=True):
            entry.results.append(result)
            entry.ended.set()
