"""A small world in a real database: an organization, an inbox, and mail on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agentpost.ids import EnvironmentId, InboxId, MessageId, OrganizationId, new_id
from agentpost.mail.policy import Policy
from agentpost.mime.summary import summarise
from agentpost.model.actor import Scope, system_actor
from agentpost.model.mailbox import Flag
from agentpost.model.message import Arrival, NewDelivery, NewRelay
from agentpost.store.blobs_disk import DiskBlobs
from agentpost.store.conversations import Conversations
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import Committer, DepositLimits
from agentpost.store.directory import Directory
from agentpost.store.jobs import Jobs
from agentpost.store.messages import Messages
from agentpost.store.naming import make_special
from agentpost.store.pool import Connection, Database, Row
from agentpost.store.refusals import Refusals
from agentpost.store.relays import Relays
from agentpost.store.rules import Rules
from agentpost.store.store import Door
from agentpost.store.suppressions import Suppressions

LETTER = (
    b"From: agent@agentpost.localhost\r\n"
    b"To: someone@example.com\r\n"
    b"Bcc: hidden@example.net\r\n"
    b"X-AgentPost-Labels: secret\r\n"
    b"Subject: hello\r\n"
    b"Message-ID: <letter@agentpost.localhost>\r\n"
    b"Date: Sun, 8 Mar 2026 14:30:00 +0000\r\n"
    b"\r\n"
    b"The body.\r\n"
)


@dataclass(slots=True)
class World:
    """The parts of the store that jobs need, and one inbox."""

    database: Database
    where: Scope
    address: str
    jobs: Jobs
    relays: Relays
    messages: Messages
    blobs: DiskBlobs
    woken: list[InboxId]

    @property
    def inbox(self) -> InboxId:
        assert self.where.inbox is not None
        return self.where.inbox

    async def rows(self, sql: str, *arguments: object) -> list[Row]:
        return await self.database.run("*", lambda c: c.rows(sql, *arguments))

    async def value(self, sql: str, *arguments: object) -> Any:
        return await self.database.run("*", lambda c: c.value(sql, *arguments))

    async def execute(self, sql: str, *arguments: object) -> None:
        await self.database.run("*", lambda c: c.execute(sql, *arguments))

    async def send(
        self,
        *recipients: str,
        octets: bytes = LETTER,
        reverse_path: str | None = None,
        options: dict[str, Any] | None = None,
        delivery: dict[str, Any] | None = None,
    ) -> MessageId:
        """File a message in Sent and queue it for the relay, as a submission does."""
        message = MessageId(new_id("msg"))
        sender = self.address if reverse_path is None else reverse_path
        await self.messages.deposit(
            system_actor(),
            None,
            self.where,
            Deposit(
                octets,
                summarise(octets),
                (self._arrival(message, "outbound", "sent", ("relay",)),),
                tuple(NewDelivery(one, False, "queued", delivery or {}) for one in recipients),
                NewRelay(sender, options or {}),
            ),
        )
        return message

    async def receive(self, octets: bytes) -> MessageId:
        """Put a message into INBOX."""
        message = MessageId(new_id("msg"))
        arrival = self._arrival(message, "inbound", "inbox", ())
        deposit = Deposit(octets, summarise(octets), (arrival,))
        await self.messages.deposit(system_actor(), None, self.where, deposit)
        return message

    def _arrival(
        self, message: MessageId, direction: Any, role: Any, jobs: tuple[str, ...]
    ) -> Arrival:
        return Arrival(
            organization=self.where.organization,
            inbox=self.inbox,
            message=message,
            direction=direction,
            source="rest",
            state="queued" if jobs else "received",
            role=role,
            flags=Flag.SEEN if jobs else Flag(0),
            jobs=jobs,
        )

    async def states(self, message: MessageId) -> dict[str, str]:
        found = await self.rows(
            "SELECT recipient, state FROM deliveries WHERE message_id = $1", message
        )
        return {row["recipient"]: row["state"] for row in found}

    async def events(self, *types: str) -> list[tuple[str, dict[str, Any]]]:
        """What was told, but of conversations and of the inbox itself unless that is asked for."""
        found = await self.rows(
            "SELECT type, data FROM events WHERE CASE WHEN cardinality($1::text[]) = 0"
            " THEN type NOT LIKE 'thread.%' AND type NOT LIKE 'inbox.%' ELSE type = ANY ($1) END"
            " ORDER BY seq",
            list(types),
        )
        return [(row["type"], msgspec.json.decode(row["data"])) for row in found]

    async def due(self) -> None:
        """Make every waiting job due now."""
        await self.execute("UPDATE jobs SET run_at = now() WHERE state = 'ready'")


def policy_over(door: Door, directory: Directory, *domains: str) -> Policy:
    """The policy that a worker has, over one door."""
    return Policy(
        directory,
        Rules(door),
        Suppressions(door),
        Conversations(door),
        Refusals(door, directory.forget),
        frozenset(domains),
    )


async def make_world(database: Database, blob_root: Path, kind: str = "live") -> World:
    organization = OrganizationId(new_id("org"))
    environment = EnvironmentId(new_id("env"))
    inbox = InboxId(new_id("inb"))
    where = Scope(organization, environment, inbox)
    address = f"agent-{inbox[-8:].lower()}@agentpost.localhost"

    async def make(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO organizations (id, name, slug, tier) VALUES ($1, 'o', $1, 'enterprise')",
            organization,
        )
        await connection.execute(
            "INSERT INTO environments (id, organization_id, name, slug, kind, is_default)"
            " VALUES ($1, $2, 'e', 'e', $3, true)",
            environment,
            organization,
            kind,
        )
        await connection.execute(
            "INSERT INTO inboxes (id, organization_id, environment_id, address, username, domain)"
            " VALUES ($1, $2, $3, $4, 'agent', 'agentpost.localhost')",
            inbox,
            organization,
            environment,
            address,
        )
        await make_special(connection, where)

    await database.run("*", make, atomic=True)
    woken: list[InboxId] = []
    door = Door(database, woken.append)
    blobs = DiskBlobs(blob_root)
    committer = Committer(database, blobs, DepositLimits(), woken.append, lambda: None)
    return World(
        database=database,
        where=where,
        address=address,
        jobs=Jobs(door),
        relays=Relays(door, blobs, woken.append, lambda: None),
        messages=Messages(door, committer, blobs),
        blobs=blobs,
        woken=woken,
    )
