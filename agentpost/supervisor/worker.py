"""The beginning of a worker process: ``python -m agentpost worker --control <descriptor>``."""

from __future__ import annotations

import gc
import os
import socket

from agentpost import config, log
from agentpost.control.frames import LineBroken
from agentpost.control.line import Line


def main(arguments: list[str]) -> int:
    """Import, wait for the order, serve; returns the exit status."""
    if arguments[:1] != ["--control"] or len(arguments) != 2:
        raise SystemExit("a worker is started by 'agentpost serve'")
    line = Line(socket.socket(fileno=int(arguments[1])))
    # The slow part of the start; the supervisor prepares the database meanwhile.
    from agentpost import serve

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
    gc.collect()
    gc.freeze()
    serve.run_worker(settings, sockets, line)
    return 0
