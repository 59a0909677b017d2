"""The HTTP server of one worker: its listeners and the drain.

Shutdown: no connection is accepted any more, idle ones end at once, requests at work finish and
close, WebSockets and event streams watch ``stopping`` and say goodbye; what is left after
``drain_s`` is cut, whether its client reads or not.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from agentpost.http.connection import AsgiGate
from agentpost.http.front import Application, Connection, Floor
from agentpost.limits import HttpLimits
from agentpost.net import NetLimits, ServerTls, Stream, Tally, serve_listener


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound and listening, non-blocking socket; with ``tls`` it is HTTPS."""

    socket: socket.socket
    tls: ServerTls | None = None


class HttpServer:
    """Serves an application, and an ASGI one behind it, until ``stopping`` is set."""

    def __init__(
        self,
        application: Application,
        gate: AsgiGate | None,
        limits: HttpLimits,
        stopping: trio.Event,
        beside: Sequence[Callable[[trio.Event], Awaitable[None]]] = (),
    ) -> None:
        """``beside`` are tasks that run as long as the server does; they are told of its end."""
        self._gate = gate
        self._limits = limits
        self._stopping = stopping
        self._beside = beside
        self.floor = Floor(application, gate.exchange if gate else None, limits)

    async def handle(self, stream: Stream) -> None:
        """Serve one connection; whoever accepted it closes it."""
        await Connection(self.floor, stream).serve()

    async def serve(
        self,
        listeners: Sequence[Listener],
        limits: NetLimits,
        tally: Tally,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept and serve.  Returns when ``stopping`` was set and every connection is over."""
        async with trio.open_nursery() as sweeping:
            sweeping.start_soon(self.floor.sweep)
            for task in self._beside:
                sweeping.start_soon(task, self._stopping)
            async with trio.open_nursery() as serving:
                for listener in listeners:
                    serving.start_soon(
                        partial(
                            serve_listener,
                            listener.socket,
                            self.handle,
                            stopping=self._stopping,
                            tally=tally,
                            limits=limits,
                            tls=listener.tls,
                        )
                    )
                task_status.started()
                await self._stopping.wait()
                if self._gate is not None:
                    await self._gate.stop()
                self.floor.stop()
                serving.cancel_scope.deadline = trio.current_time() + self._limits.drain_s
            sweeping.cancel_scope.cancel()
