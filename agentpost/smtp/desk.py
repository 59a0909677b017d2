"""What a submission session needs of the rest of the server, and the terms it offers.

The desk is the policy and the store behind the sessions, the memory is the worker's budget for
message data; both are protocols, so that sessions are tested without either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agentpost import clock
from agentpost.limits import HoldLimits, MessageLimits, SubmissionLimits
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope, FutureRelease
from agentpost.smtp.wire import replies
from agentpost.smtp.wire.replies import Reply


class Receipt(Protocol):
    """What became of an accepted message; ``duplicate`` when it had been accepted before."""

    @property
    def message_id(self) -> str: ...
    @property
    def thread_id(self) -> str: ...
    @property
    def duplicate(self) -> bool: ...


class SubmissionDesk(Protocol):
    """Who stands behind the sessions: credentials, policy and the store.

    Every method may raise any :class:`agentpost.errors.Problem`; the client is told its SMTP
    column.
    """

    async def authenticate(self, username: str, password: str, peer: str) -> Actor:
        """Who this is.  Raises: AuthenticationFailed, Forbidden, RateLimited and others."""
        ...

    async def reverse_path(self, actor: Actor, address: str) -> None:
        """Whether ``actor`` may send as ``address``.  Raises: SenderNotAllowed and others."""
        ...

    async def forward_path(self, actor: Actor, address: str) -> None:
        """Whether ``actor`` may send to ``address``.  Raises: RecipientUnknown and others."""
        ...

    async def hold(self, actor: Actor) -> None:
        """Whether ``actor`` may send a message later.  Raises: TooManyHeld and others."""
        ...

    async def submit(self, actor: Actor, envelope: Envelope, octets: bytes) -> Receipt:
        """Take the message; when this returns, it is stored for good."""
        ...


class Budget(Protocol):
    """How many octets of message data one worker holds at once, over all its connections."""

    def try_acquire(self, octets: int) -> bool:
        """Take ``octets`` if that is possible without waiting and without overtaking others."""
        ...

    async def acquire(self, octets: int) -> None:
        """Take ``octets``, waiting until they are free; nothing is taken when cancelled."""
        ...

    def release(self, octets: int) -> None:
        """Give ``octets`` back."""
        ...


class Memory(Protocol):
    """The budget as one session sees it: it is waited for no longer than a client can bear."""

    async def reserve(self, octets: int) -> bool:
        """Take ``octets``; ``False`` when they were not free in time."""
        ...

    def release(self, octets: int) -> None:
        """Give ``octets`` back."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What the server says and bounds, the same for every session.

    ``null_reverse_path``: whether ``MAIL FROM:<>`` may be submitted; only programs that report
    on mail need it, and an inbox has none.
    """

    hostname: str
    limits: SubmissionLimits = SubmissionLimits()
    message: MessageLimits = MessageLimits()
    null_reverse_path: bool = False
    holds: HoldLimits = HoldLimits()
    now: Callable[[], datetime] = clock.now

    def hello(self, *, protected: bool) -> Reply:
        """What EHLO is answered now, under TLS or before it."""
        last = self.now() + timedelta(seconds=self.holds.max_ahead_s)
        extensions = (
            f"SIZE {self.message.max_octets}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "DSN",
            # RFC 4865 section 3: for how long, and until when, a message is held.
            f"FUTURERELEASE {self.holds.max_ahead_s} {last.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "AUTH PLAIN LOGIN" if protected else "STARTTLS",
        )
        return replies.hello(self.hostname, extensions)

    def holds_until(self, release: FutureRelease) -> bool:
        """Whether a message may be held as it is asked for (RFC 4865 section 4.2)."""
        now = self.now()
        return now < release.at(now) <= now + timedelta(seconds=self.holds.max_ahead_s)
