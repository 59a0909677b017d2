"""kill -9, by kind of process."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from agentpost.store import embedded
from tests.server import Server

KINDS = ("worker", "supervisor", "postgresql")


def kill(server: Server, kind: str) -> None:
    """Kill that part of a running server; a killed supervisor is started again."""
    match kind:
        case "worker":
            workers = [pid for pid, words in server.children().items() if " worker " in words]
            _kill(workers)
        case "supervisor":
            server.kill()
            server.start()
        case "postgresql":
            kill_postgresql(server)
        case _:
            raise ValueError(kind)


def kill_postgresql(server: Server) -> None:
    """Kill the postmaster first, so that it notices nothing, then all that it has started."""
    cluster = server.directory / "data" / "postgres"
    postmaster = [pid for pid, words in server.children().items() if "postgres" in words]
    standing = embedded._processes_in(cluster)
    _kill(postmaster + [pid for pid in standing if pid not in postmaster])


def await_no_postgresql(server: Server) -> None:
    """Wait until the last process of a killed PostgreSQL is gone."""
    until = time.monotonic() + 10
    while embedded._processes_in(server.directory / "data" / "postgres"):
        assert time.monotonic() < until
        time.sleep(0.01)


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
