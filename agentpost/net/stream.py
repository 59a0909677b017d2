"""The byte stream that protocol servers speak to, and its plain form over TCP."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Final, Protocol

import trio
from trio.lowlevel import checkpoint, checkpoint_if_cancelled, wait_readable, wait_writable

from agentpost.net.limits import NetLimits
from agentpost.net.networks import network_of

READ_OCTETS: Final = 65_536
_EAGER_TURNS: Final = 8
"""Reads or writes that succeed at once before other tasks get a turn."""
_SEND_TURN_OCTETS: Final = 262_144
_LINGER_OCTETS: Final = 262_144


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end's address as text, and its port."""

    address: str
    port: int

    @property
    def network(self) -> str:
        """What counts as one host (see ``network_of``)."""
        return network_of(self.address)

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else (f"{self.address}:{self.port}")
        )


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What was negotiated: for example ``TLSv1.3`` and ``TLS_AES_128_GCM_SHA256``."""

    version: str
    cipher: str


class Stream(Protocol):
    """A connection, from a protocol server's point of view."""

    @property
    def peer(self) -> Peer:
        """The other end."""
        ...

    @property
    def tls(self) -> TlsInfo | None:
        """What TLS negotiated; None when the octets travel in clear."""
        ...

    async def receive_some(self, max_octets: int = READ_OCTETS) -> bytes:
        """At least one octet, at most ``max_octets``; empty when the peer has ended.

        Raises: BrokenResourceError, ClosedResourceError, BusyResourceError.
        """
        ...

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        """Send everything. A cancelled or failed send leaves the stream unusable for more.

        Raises: BrokenResourceError also when the peer reads too slowly; the other two as above.
        """
        ...

    def send_at_once(self, octets: bytes | bytearray) -> int:
        """Send what the network takes without waiting; returns how many octets that were.

        Nothing is sent while another task sends, or after a failure.  What is left must be what
        ``send_all`` is given next: TLS may have begun to send it.
        """
        ...

    async def aclose(self) -> None:
        """Say goodbye within a short deadline, and close; at once when cancelled."""
        ...

    def abort(self) -> None:
        """Close without a word (the peer sees a reset); for those who do not deserve better."""
        ...


class SendClock:
    """How long one send may still wait: bounds a stall and the rate as a whole."""

    __slots__ = ("_began", "_limits", "_sent")

    def __init__(self, limits: NetLimits) -> None:
        self._limits = limits
        self._began = trio.current_time()

    def deadline(self, sent: int) -> float:
        """When to give up, ``sent`` octets having gone out so far."""
        limits = self._limits
        by_rate = self._began + limits.send_grace_s + sent / limits.send_octets_per_s
        return min(trio.current_time() + limits.send_stall_s, by_rate)


async def wait_to_send(sock: socket.socket, clock: SendClock, sent: int) -> None:
    """Wait until ``sock`` takes octets. Raises: BrokenResourceError when the peer is too slow."""
    with trio.move_on_at(clock.deadline(sent)):
        await wait_writable(sock)
        return
    raise trio.BrokenResourceError("the peer does not read")


class PlainStream:
    """Octets in clear over TCP: HTTP behind a proxy, and submission before STARTTLS."""

    __slots__ = ("_at_end", "_eager", "_limits", "_sending", "_sock", "_torn", "_turns", "peer")

    tls: TlsInfo | None = None

    def __init__(self, sock: socket.socket, peer: Peer, limits: NetLimits) -> None:
        self._sock = sock
        self._limits = limits
        self.peer = peer
        self._eager = False
        self._turns = 0
        self._sending = False
        self._torn = False
        self._at_end = False

    async def receive_some(self, max_octets: int = READ_OCTETS) -> bytes:
        sock = self._sock
        # After a full buffer there is more, most likely; otherwise waiting first saves a
        # system call that would only say "nothing yet".
        if self._eager:
            self._turns += 1
            if self._turns % _EAGER_TURNS:
                await checkpoint_if_cancelled()
            else:
                await checkpoint()
        else:
            await _readable(sock)
        while True:
            try:
                octets = sock.recv(max_octets)
            except BlockingIOError:
                await _readable(sock)
                continue
            except OSError as error:
                raise _failure(sock, error) from error
            self._eager = len(octets) == max_octets
            self._at_end = not octets
            return octets

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        if self._torn:
            raise trio.BrokenResourceError("an earlier send was not completed")
        await checkpoint_if_cancelled()
        self._sending = self._torn = True
        try:
            await self._send(memoryview(octets))
            self._torn = False
        finally:
            self._sending = False

    def send_at_once(self, octets: bytes | bytearray) -> int:
        if self._sending or self._torn or self._sock.fileno() < 0:
            return 0
        try:
            return self._sock.send(octets)
        except OSError:  # Who waits for the peer to say something finds out why.
            return 0

    async def _send(self, view: memoryview) -> None:
        sock = self._sock
        clock: SendClock | None = None
        sent = turn = 0
        while sent < len(view):
            try:
                count = sock.send(view[sent : sent + _SEND_TURN_OCTETS])
            except BlockingIOError:
                clock = clock or SendClock(self._limits)
                await wait_to_send(sock, clock, sent)
                continue
            except OSError as error:
                raise _failure(sock, error) from error
            sent += count
            turn += count
            if turn >= _SEND_TURN_OCTETS:
                turn = 0
                await checkpoint()

    async def aclose(self) -> None:
        try:
            await end(self._sock, self._limits.close_s, linger=not (self._torn or self._at_end))
        finally:
            close(self._sock)

    def abort(self) -> None:
        abort(self._sock)

    def detach(self) -> socket.socket:
        """Give the socket up, for TLS to begin on it."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        if self._torn:
            raise trio.BrokenResourceError("an earlier send was not completed")
        return self._sock


async def _readable(sock: socket.socket) -> None:
    if sock.fileno() < 0:
        raise trio.ClosedResourceError("the stream is closed")
    await wait_readable(sock)


def _failure(sock: socket.socket, error: OSError) -> Exception:
    if sock.fileno() < 0:
        return trio.ClosedResourceError("the stream is closed")
    return trio.BrokenResourceError(str(error))


async def end(sock: socket.socket, deadline_s: float, *, linger: bool) -> None:
    """Half-close, then wait for the peer's end within the deadline.

    Closing a socket that still holds unread octets makes the kernel send a reset, which may
    overtake and destroy the reply that explained why we close.
    """
    if sock.fileno() < 0:
        await checkpoint()
        return
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
    if not linger:
        await checkpoint()
        return
    left = _LINGER_OCTETS
    with trio.move_on_after(deadline_s), contextlib.suppress(OSError, trio.BusyResourceError):
        while left > 0:
            await wait_readable(sock)
            octets = sock.recv(READ_OCTETS)
            if not octets:
                break
            left -= len(octets)


def close(sock: socket.socket) -> None:
    """Close ``sock`` and wake who waits for it (they get ClosedResourceError)."""
    if sock.fileno() >= 0:
        trio.lowlevel.notify_closing(sock)
        sock.close()


def abort(sock: socket.socket) -> None:
    """Close ``sock`` with a reset."""
    if sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        close(sock)
