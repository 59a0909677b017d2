"""What a submission session needs of the rest of the server, and the terms it offers.

The desk is the policy and the store behind the sessions, the memory is the worker's budget for
message data; both are protocols, so that sessions are tested without either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agentpost.limits import MessageLimits, SubmissionLimits
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope
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
    hello: Reply = field(init=False)
    hello_unprotected: Reply = field(init=False)

    def __post_init__(self) -> None:
        common = (
            f"SIZE {self.message.max_octets}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "DSN",
        )
        protected = replies.hello(self.hostname, (*common, "AUTH PLAIN LOGIN"))
        object.__setattr__(self, "hello", protected)
        unprotected = replies.hello(self.hostname, (*common, "STARTTLS"))
        object.__setattr__(self, "hello_unprotected", unprotected)
