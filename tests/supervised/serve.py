"""A worker that echoes; ``die`` ends it, ``pid`` asks who it is."""

import os
import socket
from collections.abc import Mapping
from functools import partial

import trio

from agentpost import net
from agentpost.config import Config
from agentpost.control.line import Line


def run_worker(settings: Config, sockets: Mapping[str, socket.socket], line: Line) -> None:
    if (settings.data_dir / "no-workers").exists():
        raise SystemExit("told not to start")
    trio.run(_main, settings, sockets, line)


async def _main(settings: Config, sockets: Mapping[str, socket.socket], line: Line) -> None:
    assert settings.tls_cert is not None
    assert settings.tls_key is not None
    stopping, limits = trio.Event(), net.NetLimits()
    tally, tls = net.Tally(limits), net.ServerTls(settings.tls_cert, settings.tls_key)

    async def obey() -> None:
        await line.run(
            stopping,
            expose=lambda: b"# TYPE open gauge\nopen %d\n" % tally.open,
            reload=tls.reload,
            orphaned=lambda: os._exit(1),
        )

    async with trio.open_nursery() as background:
        background.start_soon(obey)
        async with trio.open_nursery() as serving:
            for name, sock in sockets.items():
                serving.start_soon(
                    partial(
                        net.serve_listener,
                        sock,
                        _echo,
                        stopping=stopping,
                        tally=tally,
                        limits=limits,
                        tls=tls if name in {"smtps", "imaps"} else None,
                    )
                )
            await line.ready()
            await stopping.wait()
            serving.cancel_scope.deadline = trio.current_time() + settings.drain_deadline_s
        background.cancel_scope.cancel()


async def _echo(stream: net.Stream) -> None:
    while octets := await stream.receive_some():
        if octets == b"die":
            os._exit(3)
        await stream.send_all(b"%d" % os.getpid() if octets == b"pid" else octets)
