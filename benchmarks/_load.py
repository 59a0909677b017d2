"""Load from clients in processes of their own, and what it cost the server."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks._meter import Used, used

Work = Callable[[], int]
"""A client's share of the work; says how many things it did."""
Client = Callable[[], Work]
"""Makes a client ready: connects, logs in, prepares what it will send."""

_READY_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate or a time, and the CPU that the server spent on each operation."""

    value: float
    server_us: float | None = None
    database_us: float | None = None

    def __str__(self) -> str:
        if self.server_us is None or self.database_us is None:
            return f"{self.value:12,.2f}"
        return f"{self.value:12,.2f}   CPU us each: {self.server_us:9,.0f} + {self.database_us:7,.0f} PostgreSQL"


def rate(clients: Sequence[Client], *roots: int) -> Figure:
    """Things done a second by clients that start together, each in a process of its own.

    ``roots`` are the first processes of the server, all others descend from them.  Raises: RuntimeError when a client fails.
    """
    context = multiprocessing.get_context("fork")
    ready, go = context.Barrier(len(clients) + 1), context.Barrier(len(clients) + 1)
    done = context.Array("q", len(clients))
    began, ended = context.Array("d", len(clients)), context.Array("d", len(clients))

    def run(number: int) -> None:
        try:
            work = clients[number]()
        except BaseException:
            ready.abort()
            raise
        ready.wait(_READY_S)
        go.wait(_READY_S)
        began[number] = time.monotonic()
        done[number] = work()
        ended[number] = time.monotonic()

    processes = [context.Process(target=run, args=(number,)) for number in range(len(clients))]
    for process in processes:
        process.start()
    ready.wait(_READY_S)
    before = used(*roots)
    go.wait(_READY_S)
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a client failed")
    return _figure(
        sum(done[:]) / (max(ended[:]) - min(began[:])), used(*roots) - before, sum(done[:])
    )


def median_ms(work: Callable[[], object], times: int, root: int) -> Figure:
    """The median time of ``work`` in milliseconds."""
    taken = []
    before = used(root)
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return _figure(statistics.median(taken), used(root) - before, times)


def _figure(value: float, spent: Used, count: int) -> Figure:
    return Figure(value, spent.server_s / count * 1e6, spent.database_s / count * 1e6)
