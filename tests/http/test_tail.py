"""The tail of the log tells every listener everything that concerns it, in order, once.

Transactions take unequal time, so that events are committed in another order than their numbers;
listeners sit in two instances over one database.  A tail that believed everything it sees would
miss some: that is planted too.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio

from agentpost.errors import Forbidden
from agentpost.events.bus import Bus
from agentpost.http.envelopes import Envelopes
from agentpost.http.feed import Wanted
from agentpost.http.source import StoredEvents
from agentpost.http.tail import Tail
from agentpost.ids import InboxId, new_id
from agentpost.limits import EventLimits
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from tests.http.resources.conftest import SETTINGS

LIMITS = EventLimits()
ALL = Wanted(("*",))
_WRITE = """
INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
VALUES ($1, $2, $3, $4, $5, '{}')
"""


@dataclass
class Instance:
    """One worker: a store, its wake-ups, its tail."""

    store: Store
    bus: Bus
    tail: Tail
    source: StoredEvents
    stopping: trio.Event


@dataclass
class House:
    """Instances over one database, and an organization with inboxes."""

    instances: list[Instance]
    actor: Actor
    inboxes: list[InboxId] = field(default_factory=list)

    async def write(
        self, kind: str = "message.sent", inbox: InboxId | None = None, lingers_s: float = 0
    ) -> str:
        """An event, in a transaction that lasts a while after it has its number."""
        event = new_id("evt")
        writer = self.instances[0]

        async def operation(connection: Connection) -> None:
            values = (self.actor.environment, event, self.actor.organization, inbox, kind)
            await connection.execute(_WRITE, *values)
            await connection.value("SELECT pg_sleep($1)", lingers_s)

        await writer.store.database.run("*", operation, atomic=True)
        for instance in self.instances:
            instance.bus.committed_alone(inbox or self.inboxes[0])
        return event


@asynccontextmanager
async def house(
    url: str, directory: Path, instances: int = 1, limits: EventLimits = LIMITS
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        made: list[Instance] = []
        for _ in range(instances):
            store = await stack.enter_async_context(
                open_store(url, directory, SETTINGS, alone=False)
            )
            bus = Bus()
            tail = Tail(store.events, bus, limits)
            stopping = trio.Event()
            nursery.start_soon(tail.run, stopping)
            source = StoredEvents(store, tail, Envelopes(limits))
            made.append(Instance(store, bus, tail, source, stopping))
        store = made[0].store
        organization, environment = await store.organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        actor = Actor(organization.id, "key_x", widen(SCOPES), environment=environment.id)
        built = House(made, actor)
        for name in ("one", "two"):
            inbox, _ = await store.inboxes.create(actor, InboxRequest(name))
            built.inboxes.append(inbox.inbox.id)
        yield built
        nursery.cancel_scope.cancel()


async def listen(
    instance: Instance, actor: Actor, wanted: Wanted, start: int, heard: list[str], count: int
) -> None:
    """Hear ``count`` events; their numbers must only grow."""
    ear, seq = instance.source.watch(actor, wanted), start
    try:
        while len(heard) < count:
            batch = await instance.source.after(actor, seq, wanted, 7)
            for event in batch.events:
                assert event.seq > seq
                seq = event.seq
                heard.append(event.id)
            seq = max(seq, batch.position)
            if not batch.events:
                await ear.wait(5)
    finally:
        ear.close()


async def _race(built: House, *, patience_s: float) -> tuple[set[str], list[list[str]]]:
    """Many write at once while listeners of every instance listen."""
    head = (await built.instances[0].source.span(built.actor)).head
    draw = random.Random(7)
    total, written = 60, set[str]()
    heard: list[list[str]] = [[] for _ in built.instances for _ in range(3)]

    async def write() -> None:
        inbox = draw.choice([*built.inboxes, None])
        written.add(await built.write(inbox=inbox, lingers_s=draw.random() * 0.03))

    with trio.move_on_after(patience_s):
        async with trio.open_nursery() as nursery:
            for number, each in enumerate(heard):
                instance = built.instances[number % len(built.instances)]
                nursery.start_soon(listen, instance, built.actor, ALL, head, each, total)
            for _ in range(total // 10):
                async with trio.open_nursery() as writing:
                    for _ in range(10):
                        writing.start_soon(write)
    return written, heard


@pytest.mark.proves("R117", "R22")
async def test_no_listener_misses_or_doubles_what_many_commit(
    database_url: str, tmp_path: Path
) -> None:
    async with house(database_url, tmp_path, instances=2) as built:
        written, heard = await _race(built, patience_s=20)
    assert len(written) == 60
    for each in heard:
        assert len(each) == 60
        assert set(each) == written
        assert each == heard[0]


async def test_a_tail_that_believes_all_it_sees_is_found_out(
    database_url: str, tmp_path: Path
) -> None:
    async with house(database_url, tmp_path) as built:

        async def plant(connection: Connection) -> None:
            await connection.execute(
                "CREATE OR REPLACE FUNCTION settled_seq() RETURNS bigint LANGUAGE sql STABLE"
                " RETURN (pg_snapshot_xmax(pg_current_snapshot())::text::bigint << 20)"
            )

        await built.instances[0].store.database.run("*", plant)
        written, heard = await _race(built, patience_s=2)
    assert any(set(each) != written for each in heard)


async def test_an_event_behind_a_running_transaction_comes_when_that_ends(
    database_url: str, tmp_path: Path
) -> None:
    slow = replace(LIMITS, tail_look_s=60)
    async with house(database_url, tmp_path, limits=slow) as built:
        instance = built.instances[0]
        head = (await instance.source.span(built.actor)).head
        heard: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, instance, built.actor, ALL, head, heard, 2)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.start_soon(lambda: built.write(lingers_s=0.3))
            await trio.sleep(0.1)
            await built.write()
            await trio.sleep(0.05)
            assert heard == []
            with trio.fail_after(2):
                while len(heard) < 2:
                    await trio.sleep(0.005)


async def test_an_ear_rings_for_what_it_wants_only(database_url: str, tmp_path: Path) -> None:
    async with house(database_url, tmp_path) as built:
        instance, (one, two) = built.instances[0], built.inboxes
        ear = instance.source.watch(built.actor, Wanted(("message.sent",), (one,)))
        assert await ear.wait(5)  # The first look.
        await built.write(inbox=two)
        await built.write(kind="message.bounced", inbox=one)
        await built.write()
        assert not await ear.wait(0.3)
        await built.write(inbox=one)
        assert await ear.wait(5)
        ear.close()


async def test_the_memory_says_what_the_log_says(database_url: str, tmp_path: Path) -> None:
    few = replace(LIMITS, tail_events=5)
    async with house(database_url, tmp_path, limits=few) as built:
        instance, (one, two) = built.instances[0], built.inboxes
        events, tail = instance.store.events, instance.tail
        ear = instance.source.watch(built.actor, ALL)
        await ear.wait(5)
        first = (await events.span(built.actor)).head
        kinds = ("message.sent", "api_key.created", "message.received.spam", "credential.revoked")
        for number in range(12):
            await built.write(kinds[number % 4], (one, two, None)[number % 3])
        last = (await events.after(built.actor, first, 100)).events[-1].seq
        with trio.fail_after(5):
            while (tail.after(built.actor, last - 1, ALL, 9) or ear).events[-1:] == ():  # type: ignore[union-attr]
                await trio.sleep(0.01)
        assert tail.after(built.actor, first, ALL, 100) is None
        actors = [
            built.actor,
            replace(built.actor, inboxes=frozenset({one})),
            replace(built.actor, environments=frozenset()),
            replace(built.actor, scopes=frozenset({"events:read"})),
            replace(built.actor, scopes=frozenset({"events:read", "spam:read"})),
        ]
        wants = [ALL, Wanted(("message.sent",)), Wanted(("*",), (two,)), Wanted(("*",), (), ("x",))]
        known = (await events.after(built.actor, first, 100)).events[-5:]
        for actor in actors:
            for wanted in wants:
                for seq in (known[0].seq, known[2].seq, last):
                    for limit in (1, 3, 100):
                        remembered = tail.after(actor, seq, wanted, limit)
                        assert remembered is not None
                        logged = await events.after(
                            actor,
                            seq,
                            limit,
                            types=None if "*" in wanted.types else wanted.types,
                            inboxes=wanted.inboxes,
                            environments=wanted.environments,
                        )
                        assert remembered.events == logged.events
        with pytest.raises(Forbidden):
            tail.after(replace(built.actor, scopes=frozenset()), last, ALL, 9)
        ear.close()


async def test_nobody_listening_costs_nothing(database_url: str, tmp_path: Path) -> None:
    async with house(database_url, tmp_path) as built:
        instance = built.instances[0]
        asked: list[object] = []
        real = instance.store.events.tape

        async def counted(*arguments: object) -> object:
            asked.append(arguments)
            return await real(*arguments)  # type: ignore[arg-type]

        instance.store.events.tape = counted  # type: ignore[assignment, method-assign]
        await built.write()
        ear = instance.source.watch(built.actor, ALL)
        await ear.wait(5)
        assert len(asked) == 1
        ear.close()
        await built.write()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(asked) == 1


async def test_every_ear_rings_when_the_server_stops(database_url: str, tmp_path: Path) -> None:
    async with house(database_url, tmp_path) as built:
        ear = built.instances[0].source.watch(built.actor, ALL)
        await ear.wait(5)
        built.instances[0].stopping.set()
        assert await ear.wait(5)
        ear.close()
