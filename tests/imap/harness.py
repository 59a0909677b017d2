"""IMAP sessions over a real store and no network: what is sent is text, what comes back is octets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from agentpost.budget import ByteBudget
from agentpost.events.bus import Bus
from agentpost.imap.desk import ImapDesk
from agentpost.imap.link import Roused
from agentpost.imap.session import Session
from agentpost.imap.states import Authenticated
from agentpost.imap.wire.framer import Frame, Framer, Line, NeedContinuation, Rejected
from agentpost.limits import FRAMING_AFTER_LOGIN, IdentityLimits, MessageLimits
from agentpost.mail.appending import Appending
from agentpost.mail.logins import Logins
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.mailbox import Flag, InternalDate
from agentpost.net import Peer
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.settings import StoreSettings

SETTINGS = StoreSettings(shared_domain="shared.test", master_key=bytes(range(32)))
PATIENT = IdentityLimits(failed_logins_per_minute=1_000_000)
"""For tests in which strangers come often."""
NO_FLAGS = Flag(0)
WHEN = InternalDate(datetime(2026, 3, 8, 14, 30, 5, tzinfo=UTC), 60)
"""INTERNALDATE of what is put into a mailbox here, unless a test says otherwise."""


@dataclass
class Wire:
    """A connection without a network: what was sent, and lines that answer ``+``."""

    pieces: list[bytes] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    woken: bool = False

    async def send(self, octets: bytes | bytearray) -> None:
        self.pieces.append(bytes(octets))

    def send_at_once(self, octets: bytes | bytearray) -> int:
        self.pieces.append(bytes(octets))
        return len(octets)

    @property
    def resting(self) -> bool:
        return not self.woken

    async def read_line(self) -> Line | Rejected | None:
        return self.lines.pop(0) if self.lines else None

    async def read_line_unless(self, timeout_s: float) -> Line | Rejected | Roused | None:
        if self.woken:
            self.woken = False
            return Roused.CHANGED
        return await self.read_line()

    def wake(self) -> None:
        self.woken = True


@dataclass
class Client:
    """One session, driven by whole commands."""

    session: Session
    wire: Wire
    framer: Framer = field(default_factory=lambda: Framer(FRAMING_AFTER_LOGIN))
    number: int = 0

    @property
    def pieces(self) -> list[bytes]:
        """What the last command was answered, write by write."""
        return self.wire.pieces

    async def command(self, command: str | bytes) -> bytes:
        """What one tagged command is answered, all of it; the tag is a1, a2, …"""
        self.number += 1
        octets = command.encode() if isinstance(command, str) else command
        return await self.send(b"a%d " % self.number + octets + b"\r\n")

    async def send(self, octets: bytes) -> bytes:
        """What these octets are answered."""
        self.pieces.clear()
        self.framer.feed(octets)
        while (event := self.framer.next_event()) is not None:
            if isinstance(event, Frame):
                await self.session.execute(event)
            elif isinstance(event, NeedContinuation):
                self.framer.grant()
            elif isinstance(event, Rejected):
                self.session.reject(event)
        await self.session.flush()
        return b"".join(self.pieces)

    async def ok(self, command: str | bytes) -> bytes:
        """What a command is answered before its OK.  Raises: AssertionError without OK."""
        answer = await self.command(command)
        tag = b"a%d " % self.number
        untagged, _, last = answer.rpartition(b"\r\n" + tag)
        if not untagged and answer.startswith(tag):
            last = answer[len(tag) :]
        else:
            untagged += b"\r\n"
        assert last.startswith(b"OK"), answer[-300:]
        return untagged if not answer.startswith(tag) else b""


@dataclass
class Place:
    """An inbox in a store of its own, and an actor that may do everything in it."""

    desk: ImapDesk
    actor: Actor
    where: Scope
    password: str

    @property
    def store(self) -> Store:
        return self.desk.store

    def client(self, *, scopes: Sequence[str] | None = None) -> Client:
        """A session that has logged in."""
        wire = Wire()
        session = Session(self.desk, wire, peer=Peer("192.0.2.1", 40_000))
        actor = self.actor
        if scopes is not None:
            actor = replace(actor, scopes=widen(frozenset(scopes)))
        session.logged_in(Authenticated(actor=actor, where=self.where))
        return Client(session, wire)

    async def selected(self, mailbox: str = "INBOX", *, rev2: bool = False) -> Client:
        """A session with a mailbox selected."""
        client = self.client()
        if rev2:
            await client.ok("ENABLE IMAP4rev2")
        await client.ok(f"SELECT {mailbox}")
        return client

    async def put(
        self,
        *messages: bytes,
        mailbox: str = "INBOX",
        flags: Flag = NO_FLAGS,
        keywords: tuple[str, ...] = (),
        date: InternalDate | None = WHEN,
    ) -> list[int]:
        """Store messages; their uids."""
        box = await self.store.mailboxes.find(self.actor, self.where, mailbox)
        return [
            (
                await self.desk.appending.append(
                    self.actor, self.where, box, octets, flags, keywords, date
                )
            ).uid
            for octets in messages
        ]


@asynccontextmanager
async def open_place(database_url: str, blobs: Path) -> AsyncIterator[Place]:
    """An inbox ``agent@shared.test`` in the empty database at ``database_url``."""
    async with open_store(database_url, blobs, SETTINGS, alone=True) as store:
        organization, environment = await store.organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        owner = Actor(organization.id, "key_test", widen(SCOPES), environment=environment.id)
        made, _ = await store.inboxes.create(owner, InboxRequest("agent"))
        assert made.credential is not None
        actor, where, _ = await store.authentication.by_login(
            made.inbox.address, made.credential.secret, protocol="imap", peer=None
        )
        bus = Bus()
        store.committed.listeners.append(bus.committed)
        appending = Appending(store.messages, store.mailboxes, MessageLimits())
        logins = Logins(store.authentication, PATIENT)
        desk = ImapDesk(store, logins, bus, appending, ByteBudget(64 * 1024 * 1024))
        yield Place(desk, actor, where, made.credential.secret)
