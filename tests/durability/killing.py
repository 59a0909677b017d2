"""kill -9, by kind of process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

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
    postmaster = [pid for pid, words in server.children().items() if "postgres" in words]
    standing = embedded._processes_in(server.directory / "data" / "postgres")
    _kill(postmaster + [pid for pid in standing if pid not in postmaster])


def kill_cluster(data_dir: Path, postmaster: subprocess.Popen[bytes]) -> None:
    """The same for a PostgreSQL that the test has started itself; returns when all is gone."""
    cluster = data_dir / "postgres"
    standing = embedded._processes_in(cluster)
    _kill([postmaster.pid, *(pid for pid in standing if pid != postmaster.pid)])
    postmaster.wait()
    until = time.monotonic() + 10
    while embedded._processes_in(cluster):
        assert time.monotonic() < until
        time.sleep(0.005)


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
