"""The beginning of a process of the supervisor's.

``python -m agentpost worker --control <descriptor>`` serves, ``indexer`` in its place indexes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from agentpost import config, log
from agentpost.control.frames import LineBroken
from agentpost.control.line import Line
from agentpost.supervisor.garbage import Collector


def main(arguments: list[str]) -> int:
    """Import, wait for the order, serve or index; returns the exit status."""
    role, *arguments = arguments
    if arguments[:1] != ["--control"] or len(arguments) != 2:
        raise SystemExit("a worker is started by 'agentpost serve'")
    line = Line(socket.socket(fileno=int(arguments[1])))
    # The slow part of the start; the supervisor prepares the database meanwhile.
    run = _imported(role)
    try:
        order = line.await_order()
    except LineBroken:
        return 0
    settings = config.restore(order.settings)
    log.configure(settings.log_level, settings.log_format, worker=str(order.worker))
    os.umask(0o077)
    sockets = {name: socket.socket(fileno=number) for name, number in order.sockets.items()}
    for sock in sockets.values():
        sock.setblocking(False)
        sock.set_inheritable(False)
    # What was imported lives for ever: the collector need not look at it again.
    Collector().start()
    run(settings, sockets, line)
    return 0


def _imported(role: str) -> Callable[[config.Config, dict[str, socket.socket], Line], None]:
    """What a process of this role does, imported only by those who do it."""
    if role == "indexer":
        from agentpost.indexer import run_indexer

        return lambda settings, _, line: run_indexer(settings, line)
    from agentpost.serve import run_worker

    return run_worker
