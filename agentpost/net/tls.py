"""TLS for servers, directly on the socket.

OpenSSL reads from and writes to the non-blocking socket itself; when it cannot go on it says
what it waits for, and the task waits for that.  Either direction may want either: a key update
makes a read want to write.

Which parameters (HOUSE of the deployment: Mozilla's "intermediate" profile, 5.7): TLS 1.2 and
1.3, ECDHE with AES-GCM or ChaCha20, the client's preference, no renegotiation, session tickets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Final

import trio
from trio.lowlevel import checkpoint, checkpoint_if_cancelled, wait_readable, wait_writable

from agentpost.net.limits import NetLimits
from agentpost.net.stream import (
    READ_OCTETS,
    Peer,
    PlainStream,
    SendClock,
    TlsInfo,
    abort,
    close,
    end,
    wait_to_send,
)

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_GROUPS: Final = "X25519:P-256:P-384"
_RECORD_OCTETS: Final = 16_384
"""Largest plaintext of one TLS record (RFC 8446 section 5.1)."""
_MORE_FOLLOWS_OCTETS: Final = 4_096
"""A record at least this long is part of bulk data: look for the next one at once."""
_EAGER_TURNS: Final = 8
_SEND_TURN_OCTETS: Final = 262_144
_BUSY_NAP_S: Final = 0.01


class HandshakeFailed(Exception):
    """The peer and we did not come to terms; the text is OpenSSL's reason."""


class PlaintextAfterStartTls(Exception):
    """Octets in clear followed STARTTLS before TLS began (RFC 3207 section 4.2, CVE-2011-0411)."""


class ServerTls:
    """Certificate and parameters of our TLS servers; may be read again while running."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises: OSError or ssl.SSLError when the files are not a matching pair."""
        self._chain, self._key = chain, key
        self.context = server_context(chain, key)
        self.turnstile = trio.Lock()
        """Held for one step of a handshake, so that a storm of them leaves other tasks turns."""

    def reload(self) -> None:
        """Read the files again; connections that exist keep what they have.

        Raises: OSError or ssl.SSLError, and then the old certificate stays in use.
        """
        self.context = server_context(self._chain, self._key)


def server_context(chain: Path, key: Path) -> ssl.SSLContext:
    """Parameters for serving with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # All of these suites are good, and a phone without AES instructions knows best.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # One ticket is what a mail client can use; the second of the default is work for nothing.
    context.num_tickets = 1
    # Python 3.15 has it; before, OpenSSL's default list stands, which begins with the first two.
    set_groups = getattr(context, "set_groups", None)
    if set_groups is not None:
        set_groups(_GROUPS)
    context.load_cert_chain(chain, key)
    return context


class TlsStream:
    """Octets under TLS, on the server's side. Made by :meth:`accept`."""

    __slots__ = (
        "_at_end",
        "_eager",
        "_limits",
        "_sending",
        "_sock",
        "_torn",
        "_turns",
        "peer",
        "tls",
    )

    def __init__(self, sock: ssl.SSLSocket, peer: Peer, limits: NetLimits) -> None:
        self._sock = sock
        self._limits = limits
        self.peer = peer
        self.tls: TlsInfo | None = None
        self._eager = False
        self._turns = 0
        self._sending = False
        self._torn = False
        self._at_end = False

    @classmethod
    async def accept(
        cls, sock: socket.socket, peer: Peer, tls: ServerTls, limits: NetLimits
    ) -> TlsStream:
        """Do the handshake on ``sock``, which is closed when that fails.

        Raises: HandshakeFailed, also when the deadline passes.
        """
        try:
            wrapped = tls.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:  # It was reset before we came to it.
            close(sock)
            raise HandshakeFailed(str(error)) from error
        stream = cls(wrapped, peer, limits)
        try:
            with trio.fail_after(limits.handshake_s):
                await stream._handshake(tls.turnstile)
        except trio.TooSlowError:
            abort(wrapped)
            raise HandshakeFailed("the handshake took too long") from None
        except OSError as error:  # ssl.SSLError is one.
            close(wrapped)
            raise HandshakeFailed(_reason(error)) from error
        except BaseException:
            close(wrapped)
            raise
        return stream

    async def _handshake(self, turnstile: trio.Lock) -> None:
        sock = self._sock
        while True:
            try:
                async with turnstile:
                    sock.do_handshake()
                break
            except ssl.SSLWantReadError:
                await wait_readable(sock)
            except ssl.SSLWantWriteError:
                await wait_writable(sock)
        cipher = sock.cipher()
        self.tls = TlsInfo(sock.version() or "", cipher[0] if cipher else "")

    async def receive_some(self, max_octets: int = READ_OCTETS) -> bytes:
        sock = self._sock
        if self._eager:
            self._turns += 1
            if self._turns % _EAGER_TURNS:
                await checkpoint_if_cancelled()
            else:
                await checkpoint()
        else:
            await self._readable()
        size = min(max_octets, _RECORD_OCTETS)
        while True:
            try:
                octets = sock.recv(size)
            except ssl.SSLWantReadError:
                await self._readable()
                continue
            except ssl.SSLWantWriteError:
                await self._writable()
                continue
            except OSError as error:
                raise self._failure(error) from error
            # What OpenSSL has decrypted already does not make the socket readable again.
            self._eager = len(octets) >= _MORE_FOLLOWS_OCTETS or sock.pending() > 0
            self._at_end = not octets
            return octets

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        if self._torn:
            raise trio.BrokenResourceError("an earlier send was not completed")
        await checkpoint_if_cancelled()
        # Until all is out: who cancels us leaves half a record in OpenSSL, and nothing that
        # could be sent after it would make sense.
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
            with memoryview(octets) as view, view[:_RECORD_OCTETS] as record:
                return self._sock.send(record)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError as error:  # Who waits for the peer to say something finds out why.
            self._failure(error)
            return 0

    async def _send(self, view: memoryview) -> None:
        sock = self._sock
        clock: SendClock | None = None
        sent = turn = 0
        while sent < len(view):
            try:
                # A repeated call must offer the same octets (SSL_write(3)): the slice depends on
                # ``sent`` alone.
                count = sock.send(view[sent : sent + _RECORD_OCTETS])
            except ssl.SSLWantWriteError:
                clock = clock or SendClock(self._limits)
                await wait_to_send(sock, clock, sent)
                continue
            except ssl.SSLWantReadError:
                await self._readable()
                continue
            except OSError as error:
                raise self._failure(error) from error
            sent += count
            turn += count
            if turn >= _SEND_TURN_OCTETS:
                turn = 0
                await checkpoint()

    async def aclose(self) -> None:
        sock = self._sock
        try:
            if not self._torn:
                # Sends our close_notify, as far as the socket takes it now. The peer's is not
                # worth waiting for: many never send one.
                with contextlib.suppress(OSError, ValueError):
                    sock.unwrap()
            await end(sock, self._limits.close_s, linger=not (self._torn or self._at_end))
        finally:
            close(sock)

    def abort(self) -> None:
        abort(self._sock)

    async def _readable(self) -> None:
        if self._sock.fileno() < 0:
            raise trio.ClosedResourceError("the stream is closed")
        await wait_readable(self._sock)

    async def _writable(self) -> None:
        try:
            await wait_writable(self._sock)
        except trio.BusyResourceError:
            # The sending task waits for the same; when it can go on, so can we. This happens
            # when the peer asks for new keys while our send is blocked, so hardly ever.
            await trio.sleep(_BUSY_NAP_S)

    def _failure(self, error: OSError) -> Exception:
        if self._sock.fileno() < 0:
            return trio.ClosedResourceError("the stream is closed")
        # OpenSSL forbids any further use after an error, close_notify included.
        self._torn = True
        return trio.BrokenResourceError(_reason(error))


async def starttls(
    stream: PlainStream, tls: ServerTls, *, unread: bytes, limits: NetLimits
) -> TlsStream:
    """Begin TLS on a stream that spoke in clear, after the server's go-ahead was sent.

    ``unread`` is what the caller has received after the STARTTLS line and not yet used: it was
    sent in clear, by whoever, and must not be taken for commands of the protected session.
    Octets that the kernel still holds reach the handshake and make it fail.
    Raises: PlaintextAfterStartTls (the stream is aborted), HandshakeFailed (it is closed).
    """
    if unread:
        stream.abort()
        raise PlaintextAfterStartTls(f"{len(unread)} octets")
    return await TlsStream.accept(stream.detach(), stream.peer, tls, limits)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error) or type(error).__name__
