"""Accepting connections, and keeping one connection's failure from touching another."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from agentpost.net.limits import NetLimits
from agentpost.net.stream import Peer, PlainStream, Stream, abort
from agentpost.net.tls import HandshakeFailed, ServerTls, TlsStream

logger = logging.getLogger("agentpost.net")

Handler = Callable[[Stream], Awaitable[None]]

_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PASSING: Final = {
    # accept(2): errors of a connection that was already gone are reported by accept.
    *(errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN),
    *(errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EPERM, errno.ETIMEDOUT),
}
_EXHAUSTED_PAUSE_S: Final = 0.1
_ACCEPTS_A_TURN: Final = 16


class Tally:
    """How many connections there are, in all and from each host; shared by the listeners."""

    def __init__(self, limits: NetLimits) -> None:
        self._limits = limits
        self._by_network: Counter[str] = Counter()
        self.open = 0
        """Connections now."""
        self.accepted = 0
        """Connections ever."""
        self.refused = 0
        """Connections closed at once because of a limit."""
        self.failed_handshakes = 0
        """Connections that never got through TLS."""

    def enter(self, network: str) -> bool:
        """Count a connection from ``network``, or say that there are too many."""
        limits = self._limits
        if (
            self.open >= limits.connections
            or self._by_network[network] >= limits.connections_per_address
        ):
            self.refused += 1
            return False
        self._by_network[network] += 1
        self.open += 1
        self.accepted += 1
        return True

    def leave(self, network: str) -> None:
        """Forget a connection that was counted."""
        self.open -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


async def serve_listener(
    listener: socket.socket,
    handler: Handler,
    *,
    stopping: trio.Event,
    tally: Tally,
    limits: NetLimits,
    tls: ServerTls | None = None,
) -> None:
    """Accept on ``listener`` and run ``handler`` for each connection, until ``stopping`` is set.

    With ``tls`` the handler gets the stream after the handshake.  The stream is closed when the
    handler returns.  An exception that leaves a handler is logged and ends that connection
    only.  Once ``stopping`` is set, ``listener`` is closed and this waits for the handlers,
    which are expected to watch ``stopping`` too; cancel it to end them.
    """
    tune(listener, limits)
    handshakes = trio.CapacityLimiter(limits.handshakes)

    async def connection(sock: socket.socket, peer: Peer) -> None:
        try:
            stream = await _stream(sock, peer)
            if stream is not None:
                await _guarded(handler, stream)
        finally:
            tally.leave(peer.network)

    async def _stream(sock: socket.socket, peer: Peer) -> Stream | None:
        if tls is None:
            return PlainStream(sock, peer, limits)
        try:
            await handshakes.acquire()
        except trio.Cancelled:
            abort(sock)
            raise
        try:
            return await TlsStream.accept(sock, peer, tls, limits)
        except HandshakeFailed as error:
            tally.failed_handshakes += 1
            logger.debug("TLS handshake failed", extra={"peer": str(peer), "reason": str(error)})
            return None
        finally:
            handshakes.release()

    async def stop(accepting: trio.CancelScope) -> None:
        await stopping.wait()
        accepting.cancel()

    async with trio.open_nursery() as connections:
        with trio.CancelScope() as accepting:
            connections.start_soon(stop, accepting)
            while True:
                for sock, where in await _accept(listener):
                    peer = Peer(where[0], where[1])
                    if tally.enter(peer.network):
                        connections.start_soon(connection, sock, peer)
                    else:
                        abort(sock)
        trio.lowlevel.notify_closing(listener)
        listener.close()


async def _accept(listener: socket.socket) -> list[tuple[socket.socket, Any]]:
    """The connections that wait: at least one, at most a turn's worth."""
    accepted: list[tuple[socket.socket, Any]] = []
    while True:
        await trio.lowlevel.wait_readable(listener)
        try:
            while len(accepted) < _ACCEPTS_A_TURN:
                sock, where = listener.accept()
                sock.setblocking(False)
                if sys.platform != "linux":  # There a connection inherits the listener's options.
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                accepted.append((sock, where))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno in _EXHAUSTED:
                logger.error("cannot accept connections: %s", error.strerror)
                # The connection stays in the kernel's queue and keeps the listener readable:
                # without the pause this would spin.
                await trio.sleep(_EXHAUSTED_PAUSE_S)
            elif error.errno not in _PASSING:
                raise
        if accepted:
            return accepted


async def _guarded(handler: Handler, stream: Stream) -> None:
    """Run ``handler``; whatever it raises ends here, except cancellation."""
    try:
        await handler(stream)
    except Exception as error:
        if _is_loss(error):
            logger.debug("connection lost", extra={"peer": str(stream.peer), "reason": str(error)})
        else:
            logger.exception("a connection ended by a fault", extra={"peer": str(stream.peer)})
    finally:
        await stream.aclose()


def _is_loss(error: BaseException) -> bool:
    """Whether this says no more than that the peer went away."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_loss(each) for each in error.exceptions)
    return isinstance(error, trio.BrokenResourceError | trio.ClosedResourceError | ConnectionError)


def tune(sock: socket.socket, limits: NetLimits) -> None:
    """Options of a listening socket that its connections inherit (on Linux).

    No Nagle: a reply that waits for an acknowledgement costs 40 ms.  Keepalive and user timeout
    end connections whose peer has vanished without a word.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_NODELAY": 1,
        "TCP_KEEPIDLE": limits.keepalive_s,
        "TCP_KEEPINTVL": 30,
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": int(limits.user_timeout_s * 1000),
    }
    for name, value in options.items():
        number = getattr(socket, name, None)
        if number is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, number, value)
