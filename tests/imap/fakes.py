"""A store of one mailbox in memory, for tests of clocks that no database may hold up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import trio

from agentpost.budget import ByteBudget
from agentpost.errors import AuthenticationFailed, Problem
from agentpost.events.bus import Bus
from agentpost.ids import EnvironmentId, InboxId, MailboxId, OrganizationId
from agentpost.imap.desk import ImapDesk
from agentpost.limits import ImapLimits
from agentpost.mail.logins import Logins
from agentpost.model.actor import SCOPES, Actor, Scope, widen
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import Mailbox, Placed, Snapshot
from tests.imap.snapshots import mailbox

ORGANIZATION = OrganizationId("org_1")
INBOX = InboxId("inb_1")
WHERE = Scope(ORGANIZATION, EnvironmentId("env_1"), INBOX)
ACTOR = Actor(ORGANIZATION, "mc_1", widen(SCOPES), inboxes=frozenset({INBOX}), at=WHERE)
PASSWORD = "right"


@dataclass
class Memory:
    """The mailbox INBOX as it is now, and what the store shall do next."""

    snapshot: Snapshot = field(default_factory=lambda: mailbox([]))
    ended_actors: frozenset[Actor] = frozenset()
    failure: Problem | None = None
    """Raised by the next look at the mailbox."""
    fault: Exception | None = None
    """Raised by every search for a mailbox."""
    appended: list[bytes] = field(default_factory=list)
    refusal: Problem | None = None
    """Raised for every message that is appended."""
    local: LocalAddress = field(default_factory=lambda: cast(LocalAddress, _Local()))

    # Authentication

    async def by_login(
        self, username: str, password: str, *, protocol: str, peer: str | None
    ) -> tuple[Actor, Scope, LocalAddress]:
        await trio.lowlevel.checkpoint()
        if password != PASSWORD:
            raise AuthenticationFailed
        return ACTOR, WHERE, self.local

    async def ended(self, actors: Iterable[Actor]) -> frozenset[Actor]:
        await trio.lowlevel.checkpoint()
        return self.ended_actors.intersection(actors)

    # Mailboxes

    async def find(self, actor: Actor, where: Scope, name: str) -> Mailbox:
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise self.fault
        return Mailbox(MailboxId(1), ORGANIZATION, INBOX, name, "inbox", 1, True, True)

    async def append(self, actor: Actor, where: Scope, box: Mailbox, octets: bytes,
                     *rest: object) -> Placed:  # fmt: skip
        await trio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise self.refusal
        self.appended.append(octets)
        return cast(Placed, _Placed())

    # The index

    async def snapshot_of(self, *args: object, ask: bool = False) -> Snapshot:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return self.snapshot

    def present(self, *args: object) -> Snapshot | None:
        return self.snapshot

    async def claim_recent(self, *args: object) -> tuple[Snapshot, range]:
        await trio.lowlevel.checkpoint()
        return self.snapshot, range(0)


@dataclass
class _Local:
    max_imap_connections: int | None = None


@dataclass
class _Placed:
    uidvalidity: int = 1
    uid: int = 1


class _Index:
    def __init__(self, memory: Memory) -> None:
        self.snapshot = memory.snapshot_of
        self.claim_recent = memory.claim_recent
        self.present = memory.present


class _Store:
    def __init__(self, memory: Memory) -> None:
        self.authentication = self.mailboxes = memory
        self.index = _Index(memory)


def desk(memory: Memory, limits: ImapLimits | None = None, budget: int = 1 << 20) -> ImapDesk:
    """What sessions need, over ``memory``."""
    store: Any = _Store(memory)
    appending: Any = memory
    logins = Logins(store.authentication)
    return ImapDesk(store, logins, Bus(), appending, ByteBudget(budget), limits or ImapLimits())
