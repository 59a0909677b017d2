"""A desk without a store, a memory without a worker, and a client that calls the session directly.

Neither fake ever waits, so a session can be driven without an event loop.
"""

from __future__ import annotations

import base64
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agentpost.errors import (
    AuthenticationFailed,
    Forbidden,
    MessageUnacceptable,
    Overloaded,
    RateLimited,
    RecipientUnknown,
    SenderNotAllowed,
    TooManyConnections,
    TooManyHeld,
)
from agentpost.ids import OrganizationId
from agentpost.limits import MessageLimits, SubmissionLimits
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope
from agentpost.smtp.desk import Terms
from agentpost.smtp.session import Session

T = TypeVar("T")

ADDRESS = "inbox-a@shared.test"
PASSWORD = "ap_mail_correct-horse"
TERMS = Terms("mail.shared.test")


def small_terms(
    *,
    message: MessageLimits | None = None,
    limits: SubmissionLimits | None = None,
    null_reverse_path: bool = False,
) -> Terms:
    """Terms with some limits of their own."""
    return Terms(
        "mail.shared.test",
        limits or SubmissionLimits(),
        message or MessageLimits(),
        null_reverse_path=null_reverse_path,
    )


@dataclass(frozen=True, slots=True)
class FakeReceipt:
    message_id: str
    thread_id: str
    duplicate: bool


@dataclass
class FakeDesk:
    """One inbox; everybody else exists, but ``nobody@`` and ``crash@``."""

    submitted: list[tuple[Envelope, bytes]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    full: bool = False
    """Whether no more messages can be held."""

    async def authenticate(self, username: str, password: str, peer: str) -> Actor:
        self.peers.append(peer)
        match password:
            case "no-scope":
                raise Forbidden("This needs the scope messages:send.")
            case "too-often":
                raise RateLimited
            case "too-many":
                raise TooManyConnections
            case "crash":
                raise RuntimeError("planted")
        if (username, password) != (ADDRESS, PASSWORD):
            raise AuthenticationFailed
        return Actor(OrganizationId("org_1"), "mc_1", frozenset({"messages:send"}), source="smtp")

    async def reverse_path(self, actor: Actor, address: str) -> None:
        assert actor.credential == "mc_1"
        if address not in (ADDRESS, ""):
            raise SenderNotAllowed

    async def forward_path(self, actor: Actor, address: str) -> None:
        if address.startswith("nobody@"):
            raise RecipientUnknown
        if address.startswith("crash@"):
            raise RuntimeError("planted")

    async def hold(self, actor: Actor) -> None:
        if self.full:
            raise TooManyHeld

    async def submit(self, actor: Actor, envelope: Envelope, octets: bytes) -> FakeReceipt:
        if b"rejected by policy" in octets:
            raise MessageUnacceptable
        if b"come later" in octets:
            raise Overloaded
        if b"crash" in octets:
            raise RuntimeError("planted")
        duplicate = (envelope, octets) in self.submitted
        if not duplicate:
            self.submitted.append((envelope, octets))
        return FakeReceipt("msg_1", "thr_1", duplicate)


@dataclass
class FakeMemory:
    """Grants while it has some, refuses otherwise."""

    free: int = 1 << 30
    taken: int = 0
    most: int = 0

    async def reserve(self, octets: int) -> bool:
        if octets > self.free:
            return False
        self.free -= octets
        self.taken += octets
        self.most = max(self.most, self.taken)
        return True

    def release(self, octets: int) -> None:
        self.free += octets
        self.taken -= octets
        assert self.taken >= 0


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("a session waited for something that fakes do not do")


class Client:
    """Speaks to a session: octets in, the writes it answers with out."""

    def __init__(
        self,
        *,
        tls: bool = True,
        terms: Terms = TERMS,
        desk: FakeDesk | None = None,
        memory: FakeMemory | None = None,
    ) -> None:
        self.desk = desk or FakeDesk()
        self.memory = memory or FakeMemory()
        self.session = Session(terms, self.desk, self.memory, tls=tls, peer="192.0.2.1")
        self.pauses: list[float] = []

    def writes(self, octets: bytes) -> list[bytes]:
        """Every write that ``octets`` lead to."""
        session = self.session
        assert not session.closing, "the connection is closed"
        session.receive(octets)
        found: list[bytes] = []
        while not self._idle():
            replies = run(session.advance())
            if session.pause_s:
                self.pauses.append(session.pause_s)
            if replies:
                found.append(replies)
        return found

    def _idle(self) -> bool:
        return self.session.closing or self.session.starved

    def send(self, octets: bytes) -> bytes:
        """All replies together."""
        return b"".join(self.writes(octets))

    def say(self, text: str) -> str:
        """One line out, its reply without the last CRLF back."""
        return self.send(text.encode() + b"\r\n").decode().removesuffix("\r\n")

    def login(self) -> None:
        assert self.say("EHLO client.test").startswith("250-")
        assert self.say(f"AUTH PLAIN {plain()}").startswith("235 ")

    def begin(self, recipients: int = 1, parameters: str = "") -> None:
        """A transaction up to its recipients."""
        assert self.say(f"MAIL FROM:<{ADDRESS}>{parameters}").startswith("250 ")
        for number in range(recipients):
            assert self.say(f"RCPT TO:<r{number}@ext.test>").startswith("250 ")


def plain(username: str = ADDRESS, password: str = PASSWORD, authorization: str = "") -> str:
    """The response of AUTH PLAIN."""
    return b64(f"{authorization}\0{username}\0{password}")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def client(**options: Any) -> Client:
    """A client that has logged in."""
    made = Client(**options)
    made.login()
    return made
