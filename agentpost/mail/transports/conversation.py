"""One connection to a smart host, from the greeting to QUIT.

Every wait has the deadline that RFC 5321 section 4.5.3.2 gives it.  A conversation that is lost
(by the network, a deadline, or a reply that is none) is never used again.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import trio

from agentpost.limits import SmartHostLimits
from agentpost.mail.transports import wire
from agentpost.mail.transports.wire import Offers, Reply, ReplyFault, ReplyReader

_READ_OCTETS = 16_384


@dataclass(frozen=True, slots=True)
class Host:
    """Where the smart host is, how it is spoken to, and as whom."""

    name: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: Path | None = None
    """Certificates to trust instead of the system's."""


class Trouble(Exception):
    """The host cannot be used now; ``status`` is the enhanced code for what was to be sent."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Conversation:
    """See the module's text.  Made by ``open``."""

    def __init__(self, stream: trio.abc.Stream, hello: str, limits: SmartHostLimits) -> None:
        self._stream = stream
        self._hello = hello
        self._limits = limits
        self._reader = ReplyReader(limits)
        self.offers: Offers = {}
        self.messages = 0
        """Transactions begun."""
        self.lost = False
        """Whether it can be used no more."""
        self.idle_since = 0.0

    @classmethod
    async def open(cls, host: Host, hello: str, limits: SmartHostLimits) -> Conversation:
        """Connect, secure the connection, introduce ourselves as ``hello``, and log in.

        Raises: Trouble.
        """
        try:
            with trio.fail_after(limits.connect_s):
                stream: trio.abc.Stream = await trio.open_tcp_stream(host.name, host.port)
        except (OSError, trio.TooSlowError) as error:
            reason = str(error) or "no answer in time"
            raise Trouble("4.4.1", f"cannot connect to {host.name}:{host.port}: {reason}") from None
        one = cls(stream, hello, limits)
        try:
            await one._begin(host)
        except BaseException:
            await one.abort()
            raise
        return one

    async def _begin(self, host: Host) -> None:
        if host.tls == "implicit":
            await self._secure(host)
        greeting = await self._reply(self._limits.greeting_s)
        if greeting.severity != 2:
            raise Trouble("4.3.2", f"the smart host greets with: {greeting}")
        await self._introduce()
        if host.tls == "starttls":
            if b"STARTTLS" not in self.offers:
                raise Trouble("4.7.4", "the smart host does not offer STARTTLS")
            reply = await self.command(b"STARTTLS\r\n")
            if reply.code != 220:
                raise Trouble("4.7.4", f"the smart host refuses STARTTLS: {reply}")
            if not self._reader.empty:
                # Octets in clear after the reply are not the host's (CVE-2011-0411).
                raise Trouble("4.7.5", "there was text in clear after STARTTLS")
            await self._secure(host)
            await self._introduce()
        if host.user is not None:
            await self._log_in(host.user, host.password or "")

    async def _secure(self, host: Host) -> None:
        try:
            context = ssl.create_default_context(cafile=host.authorities)
        except OSError as error:
            raise Trouble("4.7.5", f"cannot read {host.authorities}: {error}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        secured = trio.SSLStream(
            self._stream, context, server_hostname=host.name, https_compatible=True
        )
        try:
            with trio.fail_after(self._limits.handshake_s):
                await secured.do_handshake()
        except trio.TooSlowError:
            raise Trouble("4.4.2", "the TLS handshake took too long") from None
        except trio.BrokenResourceError as error:
            reason = getattr(error.__cause__, "verify_message", None) or error.__cause__ or error
            raise Trouble("4.7.5", f"TLS with {host.name} failed: {reason}") from None
        self._stream = secured

    async def _introduce(self) -> None:
        name = self._hello.encode("idna") if not self._hello.isascii() else self._hello.encode()
        reply = await self.command(b"EHLO %b\r\n" % name)
        if reply.severity == 2:
            self.offers = wire.offers_of(reply)
            return
        self.offers = {}
        if reply.severity == 5 and reply.code != 550:
            # RFC 5321 section 3.2: a server without extensions.
            reply = await self.command(b"HELO %b\r\n" % name)
        if reply.severity != 2:
            raise Trouble("4.3.2", f"the smart host does not want to know us: {reply}")

    async def _log_in(self, user: str, password: str) -> None:
        mechanisms = self.offers.get(b"AUTH", b"").upper().split()
        if b"PLAIN" in mechanisms:
            response = wire.plain_response(user, password)
            reply = await self.command(b"AUTH PLAIN %b\r\n" % response)
        elif b"LOGIN" in mechanisms:
            reply = await self.command(b"AUTH LOGIN\r\n")
            for text in (user, password):
                if reply.code != 334:
                    break
                reply = await self.command(wire.encoded64(text) + b"\r\n")
        else:
            raise Trouble("4.7.0", "the smart host offers neither AUTH PLAIN nor AUTH LOGIN")
        if reply.code != 235:
            raise Trouble("4.7.8", f"the smart host refuses our credentials: {reply}")

    async def command(self, octets: bytes, deadline_s: float | None = None) -> Reply:
        """Send one command and wait for its reply.  Raises: Trouble."""
        return (await self.commands([octets], deadline_s))[0]

    async def commands(
        self, commands: Sequence[bytes], deadline_s: float | None = None
    ) -> list[Reply]:
        """Send commands and wait for their replies, together when the server takes that.

        Source: RFC 2920.  Raises: Trouble.
        """
        seconds = self._limits.command_s if deadline_s is None else deadline_s
        if b"PIPELINING" in self.offers:
            await self._send(b"".join(commands), seconds)
            return [await self._reply(seconds) for _ in commands]
        replies: list[Reply] = []
        for octets in commands:
            await self._send(octets, seconds)
            replies.append(await self._reply(seconds))
        return replies

    async def data(self, octets: bytes) -> Reply:
        """Send message octets, dots doubled and ended, and wait for the verdict on them.

        Raises: Trouble; then nobody knows whether the message was taken.
        """
        view = memoryview(octets)
        for start in range(0, len(octets), self._limits.block_octets):
            block = bytes(view[start : start + self._limits.block_octets])
            await self._send(block, self._limits.block_s)
        return await self._reply(self._limits.final_s)

    async def reset(self) -> None:
        """Make sure that the host is there and waits for a new transaction.  Raises: Trouble."""
        reply = await self.command(b"RSET\r\n")
        if reply.severity != 2:
            self.lost = True
            raise Trouble("4.3.0", f"the smart host refuses RSET: {reply}")

    async def quit(self) -> None:
        """Say goodbye and close; neither takes long nor fails."""
        if not self.lost:
            with contextlib.suppress(Trouble):
                await self.command(b"QUIT\r\n", self._limits.quit_s)
        await self.abort()

    async def abort(self) -> None:
        """Close without a word."""
        self.lost = True
        await trio.aclose_forcefully(self._stream)

    async def _send(self, octets: bytes, seconds: float) -> None:
        try:
            with trio.fail_after(seconds):
                await self._stream.send_all(octets)
        except trio.TooSlowError:
            self.lost = True
            raise Trouble("4.4.2", "the smart host does not read") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.lost = True
            raise Trouble("4.4.2", "the smart host closed the connection") from None
        except BaseException:
            self.lost = True
            raise

    async def _reply(self, seconds: float) -> Reply:
        try:
            with trio.fail_after(seconds):
                while True:
                    reply = self._reader.next()
                    if reply is not None:
                        break
                    octets = await self._stream.receive_some(_READ_OCTETS)
                    if not octets:
                        raise trio.BrokenResourceError
                    self._reader.feed(bytes(octets))
        except trio.TooSlowError:
            self.lost = True
            raise Trouble("4.4.2", "the smart host did not answer in time") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.lost = True
            raise Trouble("4.4.2", "the smart host closed the connection") from None
        except ReplyFault as error:
            self.lost = True
            raise Trouble("4.5.0", f"the smart host breaks the protocol: {error}") from None
        except BaseException:
            self.lost = True
            raise
        if reply.code == 421:
            # RFC 5321 section 3.8: it is about to close.
            self.lost = True
        return reply
