"""Readers that follow the store while it is written to, and may neither miss nor see twice.

They use a connection to the database of their own, as another worker or a REST client would,
and go on after it was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from agentpost.errors import Overloaded
from agentpost.model.actor import Actor
from agentpost.store import embedded
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection, PoolLimits, Row
from agentpost.store.programs import account_for_server
from agentpost.store.settings import StoreSettings
from tests.durability.ledger import Box, Contents, Stored, token_of
from tests.server import Server

T = TypeVar("T")

SETTINGS = StoreSettings(shared_domain="shared.agentpost.localhost", master_key=bytes(32))
_PATIENT = PoolLimits(connections=3, operation_s=30.0, connect_s=5.0)
_LOOK_S = 0.01
_AGAIN_S = 0.05


def address_of(server: Server) -> str:
    """The URL of the database that a running server has made for itself."""
    cluster = server.directory / "data" / "postgres"
    directory = embedded._socket_dir(cluster, account_for_server())
    return embedded.Embedded(None, directory, None, embedded.USER).url  # type: ignore[arg-type]


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` returns, asked again for as long as the database is away."""
    with trio.fail_after(60):
        while True:
            try:
                return await ask()
            except Overloaded:
                await trio.sleep(_AGAIN_S)


@dataclass
class Follower:
    """What a reader of changes has seen of one inbox."""

    inbox: str
    since: int = 0
    created: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def look(self, store: Store, actor: Actor, limit: int = 200) -> bool:
        """Ask once for what is new; whether there was anything."""
        new = await store.messages.changes(actor, self.inbox, self.since, limit)
        if new.modseq < self.since:
            self.complaints.append(f"modseq of {self.inbox} fell: {self.since}, {new.modseq}")
        self.since = max(self.since, new.modseq)
        self.created += new.created
        return bool(new.created or new.updated or new.destroyed or new.has_more)


@dataclass
class Readers:
    """Follows inboxes and the event log in a thread of its own until told to stop."""

    url: str
    blobs: Path
    key: str
    inboxes: list[str]
    events: list[tuple[int, str, str, str]] = field(default_factory=list)
    """seq, id, type and message of every event, as they came."""
    followers: list[Follower] = field(default_factory=list)
    failure: BaseException | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to read."""
        self.followers = [Follower(inbox) for inbox in self.inboxes]
        self._thread = threading.Thread(target=self._run, name="readers")
        self._thread.start()

    def stop(self) -> None:
        """Read what is left, then end.  Raises: what ended a reader before its time."""
        self._stopping.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            trio.run(self._read)
        except BaseException as error:
            self.failure = error

    async def _read(self) -> None:
        async with open_store(self.url, self.blobs, SETTINGS, alone=False, pool=_PATIENT) as store:
            actor = await patiently(lambda: store.authentication.by_key(self.key, peer=None))
            async with trio.open_nursery() as nursery:
                for follower in self.followers:
                    nursery.start_soon(self._follow, store, actor, follower)
                nursery.start_soon(self._follow_events, store, actor)

    async def _follow(self, store: Store, actor: Actor, follower: Follower) -> None:
        while True:
            last = self._stopping.is_set()
            busy = await patiently(lambda: follower.look(store, actor))
            if last and not busy:
                return
            await trio.sleep(0 if busy else _LOOK_S)

    async def _follow_events(self, store: Store, actor: Actor) -> None:
        while True:
            last = self._stopping.is_set()
            after = self.events[-1][0] if self.events else 0
            new = await patiently(partial(store.events.since, actor, after, 500))
            self.events += [(e.seq, e.id, e.type, str(e.data.get("message_id"))) for e in new]
            if last and not new:
                return
            await trio.sleep(0 if new else _LOOK_S)


@dataclass(frozen=True)
class Everything:
    """The whole store at the end, read past every cache."""

    contents: dict[Box, Contents]
    messages: dict[str, tuple[str, str]]
    """Inbox and token of each message, by its id."""
    events: list[tuple[int, str, str, str]]


async def everything(store: Store) -> Everything:
    """Read the tables themselves."""

    async def placements(connection: Connection) -> list[Row]:
        return await connection.rows(
            "SELECT i.id AS inbox, i.address, b.name, b.uidvalidity, p.uid, p.modseq, p.flags,"
            " m.id, o.octets, o.location FROM mailboxes b JOIN inboxes i ON i.id = b.inbox_id"
            " JOIN placements p ON p.mailbox_id = b.id JOIN messages m ON m.id = p.message_id"
            " JOIN blobs o ON o.id = m.blob_id ORDER BY b.id, p.uid"
        )

    async def log(connection: Connection) -> list[tuple[int, str, str, str]]:
        rows = await connection.rows(
            "SELECT seq, id, type, data ->> 'message_id' AS message FROM events ORDER BY seq"
        )
        return [(row["seq"], row["id"], row["type"], str(row["message"])) for row in rows]

    contents: dict[Box, tuple[int, list[Stored]]] = {}
    messages: dict[str, tuple[str, str]] = {}
    for row in await store.database.run("*", placements):
        octets = row["octets"]
        if octets is None:
            octets = await store.blobs.get(row["location"])
        stored = Stored(row["uid"], row["modseq"], frozenset(), octets)
        box = (row["address"], row["name"])
        contents.setdefault(box, (row["uidvalidity"], []))[1].append(stored)
        messages[row["id"]] = (row["inbox"], token_of(octets))
    return Everything(
        {box: Contents(validity, stored) for box, (validity, stored) in contents.items()},
        messages,
        await store.database.run("*", log),
    )
