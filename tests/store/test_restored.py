"""A dump restored into another cluster: every reader that resumes gets what is new, once.

The clusters and the programs are real ones.
"""

from __future__ import annotations

import inspect
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.event import EventBatch
from agentpost.model.webhook import Webhook
from agentpost.store import embedded, epoch
from agentpost.store.epoch import SPARE, TRANSACTIONS_A_SECOND
from agentpost.store.migrate import migrate
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Database
from agentpost.store.programs import find_programs
from agentpost.store.webhook_queue import WebhookQueue
from agentpost.store.webhooks import WebhookRequest
from tests.durability.reading import SETTINGS

pytestmark = pytest.mark.slow

SERVER = system_actor()
_MANY = "DO $$BEGIN FOR i IN 1..6000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$"
"""More transactions than restoring takes."""


@dataclass
class House:
    """An organization with a webhook, in whatever cluster it lives."""

    store: Store
    actor: Actor

    async def execute(self, sql: str, *arguments: object) -> None:
        await self.store.database.run("*", lambda c: c.execute(sql, *arguments))

    async def value(self, sql: str, *arguments: object) -> int:
        found: int = await self.store.database.run("*", lambda c: c.value(sql, *arguments))
        return found

    async def happen(self, *names: str) -> None:
        """One event in a transaction of its own, for each name."""
        for name in names:
            await self.execute(
                "INSERT INTO events (environment_id, id, organization_id, type, data)"
                " VALUES ($1, $2, $3, 'message.sent', '{}')",
                self.actor.environment,
                "evt_" + name,
                self.actor.organization,
            )

    async def here(self) -> int:
        """The seq that an event would get now."""
        return await self.value("SELECT transaction_seq()")

    async def after(self, seq: int) -> EventBatch:
        """What a reader is told that has seen everything up to ``seq``."""
        return await self.store.events.after(self.actor, seq, 100, types=("message.sent",))

    async def head(self) -> int:
        return (await self.store.events.span(self.actor)).head

    async def told(self, hook: Webhook) -> list[str]:
        """What the webhook has been given, in order."""
        await WebhookQueue(self.store.door, SETTINGS).fan_out(SERVER)
        rows = await self.store.database.run(
            "*",
            lambda c: c.rows(
                "SELECT event_id FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY seq",
                hook.id,
            ),
        )
        return [row["event_id"].removeprefix("evt_") for row in rows]

    async def tallied(self) -> int:
        """How many events have been counted."""
        await self.value("SELECT tally_events($1, 1000)", self.actor.organization)
        return await self.value(
            "SELECT sum(events)::bigint FROM event_counts WHERE place = '' AND type = 'message.sent'"
        )


def names(batch: EventBatch) -> list[str]:
    return [event.id.removeprefix("evt_") for event in batch.events]


@contextmanager
def cluster(directory: Path) -> Iterator[embedded.Embedded]:
    """A running PostgreSQL of its own; its database is empty at first."""
    server = embedded.start(directory, durable=False)
    try:
        yield server
    finally:
        server.stop(2.0)


def run(program: str, *words: str | Path) -> None:
    """A client program of PostgreSQL."""
    found = subprocess.run(
        [find_programs(None).bin / program, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr


def administered(server: embedded.Embedded, database: str = embedded.USER) -> str:
    """The URL of a database for the role that may dump and restore."""
    url = server.url_of(database)
    return url.replace(f"{embedded.USER}@", f"{embedded.ADMINISTRATOR}@", 1)


def dump(server: embedded.Embedded, file: Path) -> Path:
    run("pg_dump", "-Fc", "-f", file, "-d", administered(server))
    return file


def restore(server: embedded.Embedded, file: Path) -> None:
    words = ("--exit-on-error", "--clean", "--create")
    run("pg_restore", *words, "-d", administered(server, "postgres"), file)


async def _migrate(url: str, *, restored: bool = False) -> None:
    database = await Database.open(url)
    try:
        await migrate(database, restored=restored)
    finally:
        await database.aclose()


@asynccontextmanager
async def inhabit(url: str, tmp_path: Path, actor: Actor | None = None) -> AsyncIterator[House]:
    """The store of a cluster; without an actor its organization is made."""
    async with open_store(url, tmp_path / "blobs", SETTINGS, alone=True) as store:
        if actor is None:
            organization, environment = await store.organizations.create(
                SERVER, "Acme", "acme", "enterprise"
            )
            actor = Actor(organization.id, "key_x", widen(SCOPES), environment=environment.id)
        yield House(store, actor)


@pytest.mark.proves("R113")
@pytest.mark.parametrize("hidden", [False, True])
async def test_readers_go_on_in_another_cluster(tmp_path: Path, hidden: bool) -> None:
    """``hidden``: a provider of PostgreSQL does not let us ask which cluster this is.

    Then it shows only when what is stored lies ahead of it.
    """
    with cluster(tmp_path / "one") as one:
        await _migrate(one.url)
        async with inhabit(one.url, tmp_path) as house:
            actor = house.actor
            hook, _ = await house.store.webhooks.create(
                actor, WebhookRequest("https://receiver.test/", event_types=("message.sent",))
            )
            if hidden:
                await house.execute(_MANY)
            await house.happen("a1", "a2")
            assert await house.told(hook) == ["a1", "a2"]
            assert await house.tallied() == 2
            positions = [(await house.after(0)).position]
            file = dump(one, tmp_path / "one.dump")
            # What happens now is told, and then lost.
            await house.happen("x1", "x2")
            await house.execute(_MANY)
            positions += [(await house.after(positions[0])).position, await house.head()]
    with cluster(tmp_path / "two") as two:
        restore(two, file)
        if hidden:
            words = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
            run("psql", "-d", administered(two), "-c", words)
        async with inhabit(two.url, tmp_path, actor) as house:
            # This is what would be missed.
            assert await house.here() < max(positions)
        await _migrate(two.url)
        async with inhabit(two.url, tmp_path, actor) as house:
            await house.happen("b1", "b2")
            for position in positions:
                batch = await house.after(position)
                assert names(batch) == ["b1", "b2"]
                assert names(await house.after(batch.position)) == []
            assert names(await house.after(0)) == ["a1", "a2", "b1", "b2"]
            assert await house.told(hook) == ["a1", "a2", "b1", "b2"]
            assert await house.tallied() == 4
            here = await house.here()
            assert max(positions) < here < 1 << 53
        await _migrate(two.url)
        async with inhabit(two.url, tmp_path, actor) as house:
            # A start that follows changes nothing.
            assert here < await house.here() < here + (100 << 20)
            position = await house.head()
        file = dump(two, tmp_path / "two.dump")
    with cluster(tmp_path / "three") as three:
        restore(three, file)
        await _migrate(three.url)
        async with inhabit(three.url, tmp_path, actor) as house:
            await house.happen("c1")
            assert names(await house.after(position)) == ["c1"]
            assert await house.told(hook) == ["a1", "a2", "b1", "b2", "c1"]


async def test_a_copy_that_was_put_back_is_told_by_the_operator(
    database_url: str, tmp_path: Path
) -> None:
    """The cluster is the same, and so are its transaction ids: nothing in it tells of the loss."""
    async with inhabit(database_url, tmp_path) as house:
        await house.happen("a1")
        before = await house.here()
    await _migrate(database_url)
    async with inhabit(database_url, tmp_path, house.actor) as house:
        assert await house.here() < before + (100 << 20)
    await _migrate(database_url, restored=True)
    async with inhabit(database_url, tmp_path, house.actor) as house:
        assert await house.here() > before + (SPARE << 20)
        await house.happen("a2")
        assert names(await house.after(before)) == ["a2"]


@pytest.mark.parametrize(
    ("age", "seconds"), [("10 days", 864_000), ("-10 days", 0), ("1000 years", 366 * 86_400)]
)
async def test_the_leap_is_as_long_as_the_time_since(
    database_url: str, tmp_path: Path, age: str, seconds: int
) -> None:
    async with inhabit(database_url, tmp_path) as house:
        await house.happen("a1")
        before = await house.here()
        await house.execute(f"UPDATE events SET created_at = now() - interval '{age}'")
        await house.execute(f"UPDATE organizations SET created_at = now() - interval '{age}'")
    await _migrate(database_url, restored=True)
    async with inhabit(database_url, tmp_path, house.actor) as house:
        leap = (await house.here() - before) >> 20
        wanted = SPARE + seconds * TRANSACTIONS_A_SECOND
        assert wanted - 100 <= leap <= wanted + 100_000


def test_positions_are_made_in_one_place() -> None:
    """Whoever makes one of the transaction id himself forgets what is added to it."""
    store = Path(inspect.getfile(epoch)).parent
    made = re.compile(r"pg_current_xact_id\(\)|pg_snapshot_xm(?:in|ax)")
    found = {
        path.name
        for path in (*store.glob("*.py"), *store.glob("migrations/*.sql"))
        if made.search(path.read_text())
    }
    assert found == {"0001_foundation.sql", "epoch.py", "consistency_agents.py"}
