"""Consumers of polling webhooks: nothing is lost, nothing comes in another order, and what was
committed never comes again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agentpost.errors import AuthenticationFailed, ConsumerBusy, UnknownField
from agentpost.ids import new_id
from agentpost.limits import PollingLimits
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.event import HEARING
from agentpost.model.organization import NewApiKey
from agentpost.model.polling import Look, Reader
from agentpost.store.consuming import Consuming
from agentpost.store.inboxes import InboxRequest
from agentpost.store.keys import KeyRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.polling import PollingRequest
from tests.http.resources.conftest import SETTINGS

TYPES = ("message.received", "message.received.spam")


@dataclass
class Scene:
    """An organization with one polling webhook and whoever reads it."""

    store: Store
    where: Scope
    owner: Actor
    reader: Actor
    webhook: str
    token_hash: bytes

    def consumer(self, name: str) -> Reader:
        return Reader(self.webhook, self.token_hash, name)

    async def run(self, sql: str, *arguments: object) -> Any:
        return await self.store.database.run("*", lambda c: c.rows(sql, *arguments))

    async def happen(self, kind: str) -> str:
        """Write an event; its id."""
        event = new_id("evt")
        await self.run(
            "INSERT INTO events (environment_id, id, organization_id, type, data)"
            " VALUES ($1, $2, $3, $4, '{}')",
            self.where.environment,
            event,
            self.where.organization,
            kind,
        )
        return event

    async def receive(
        self, name: str, limit: int, actor: Actor | None = None
    ) -> list[tuple[int, str]]:
        """What a consumer is given: numbers and ids."""
        consuming, reader = self.store.consuming, self.consumer(name)
        actor = actor or self.reader
        look = await consuming.look(actor, reader, limit, latest=False)
        if not look.events:
            await consuming.advance(actor, reader, look)
            return []
        first = await consuming.lease(actor, reader, look, len(look.events), 60)
        return [(first + n, event.id) for n, event in enumerate(look.events)]

    async def lapse(self) -> None:
        await self.run("UPDATE polling_consumers SET leased_until = now() - interval '1 second'")


@asynccontextmanager
async def open_scene(url: str, directory: Path) -> AsyncIterator[Scene]:
    async with open_store(url, directory / "blobs", SETTINGS, alone=True) as store:
        organization, environment = await store.organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        setup = Actor(organization.id, "key_setup", widen(SCOPES), environment=environment.id)
        key, _ = await store.keys.create(setup, KeyRequest("all", tuple(sorted(SCOPES))))
        assert isinstance(key, NewApiKey)
        owner = await store.authentication.by_key(key.secret, peer=None)
        where = Scope(organization.id, environment.id)
        request = PollingRequest("agent", TYPES)
        made, token, _ = await store.polling.create(owner, Scope(organization.id), request)
        reader = await store.authentication.by_polling_token(token.text, peer=None)
        yield Scene(store, where, owner, reader, made.id, token.hash)


@pytest.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(database_url, tmp_path) as made:
        yield made


async def test_a_token_is_for_hearing_alone(scene: Scene) -> None:
    assert scene.reader.credential == scene.owner.credential
    assert scene.reader.scopes == HEARING | {"events:read"}
    with pytest.raises(AuthenticationFailed):
        await scene.store.authentication.by_key("ap_poll_" + "x" * 32, peer=None)
    with pytest.raises(AuthenticationFailed):
        await scene.store.authentication.by_polling_token("ap_sk_" + "x" * 32, peer=None)
    with pytest.raises(AuthenticationFailed):
        await scene.store.authentication.by_polling_token("ap_poll_" + "x" * 32, peer=None)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("happen", "happen", "spam", "other", "receive", "commit", "lapse", "narrow", "stale")
        ),
        st.integers(0, 1),
        st.integers(1, 4),
    ),
    max_size=40,
)


NARROWED = [
    ("spam", 0, 1),
    ("happen", 0, 2),
    ("receive", 0, 3),
    ("lapse", 0, 1),
    ("narrow", 0, 1),
    ("receive", 0, 3),
    ("stale", 0, 2),
    ("lapse", 0, 1),
    ("receive", 0, 3),
]
"""What was given second has other numbers than what was given first, which may not be skipped."""
SHORTENED = [
    ("happen", 0, 4),
    ("receive", 0, 4),
    ("lapse", 0, 1),
    ("receive", 0, 1),
    ("stale", 0, 3),
    ("receive", 0, 4),
]
"""Whoever was given more before may commit it."""


@hypothesis_settings(max_examples=15, deadline=None)
@given(steps=STEPS)
@example(steps=NARROWED)
@example(steps=SHORTENED)
async def test_each_event_is_given_until_it_is_committed(
    databases: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    name = databases.create()
    url = databases.server.url_of(name)
    async with open_scene(url, tmp_path_factory.mktemp("blobs")) as scene:
        await _Model(scene).run(steps)
    databases.drop(name)


class _Model:
    """Two consumers of one webhook, whose key may or may not hear of spam."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._log: list[tuple[str, str]] = []
        self._actor = scene.reader
        self._done: dict[str, int] = {"0": 0, "1": 0}
        """Events of the log that a consumer is done with, or has passed by."""
        self._given: dict[str, list[tuple[int, str]]] = {"0": [], "1": []}
        self._before: dict[str, list[tuple[int, str]]] = {"0": [], "1": []}
        self._leased: dict[str, bool] = {"0": False, "1": False}

    async def run(self, steps: list[tuple[str, int, int]]) -> None:
        for step, number, count in steps:
            await getattr(self, f"_{step}")(str(number), count)

    async def _happen(self, _: str, count: int, kind: str = TYPES[0]) -> None:
        for _each in range(count):
            self._log.append((await self._scene.happen(kind), kind))

    async def _spam(self, name: str, count: int) -> None:
        await self._happen(name, count, TYPES[1])

    async def _other(self, name: str, count: int) -> None:
        await self._happen(name, count, "message.sent")

    async def _lapse(self, *_: object) -> None:
        await self._scene.lapse()
        self._leased = dict.fromkeys(self._leased, False)

    async def _narrow(self, *_: object) -> None:
        scopes = self._actor.scopes ^ {"spam:read"}
        self._actor = replace(self._actor, scopes=scopes)

    def _waiting(self, name: str) -> list[str]:
        hears = TYPES if self._actor.may("spam:read") else TYPES[:1]
        return [one for one, kind in self._log[self._done[name] :] if kind in hears]

    async def _receive(self, name: str, count: int) -> None:
        if self._leased[name]:
            with pytest.raises(ConsumerBusy):
                await self._scene.receive(name, count, self._actor)
            return
        given = await self._scene.receive(name, count, self._actor)
        assert [event for _, event in given] == self._waiting(name)[:count]
        numbers = [number for number, _ in given]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        # A number never means two events.
        for older in (self._given[name], self._before[name]):
            meant = dict(older)
            assert all(meant.get(number, event) == event for number, event in given)
        if given:
            self._before[name] = self._given[name]
            self._given[name], self._leased[name] = given, True
        else:
            self._given[name], self._done[name] = [], len(self._log)

    async def _commit(self, name: str, count: int) -> None:
        if not self._given[name]:
            return
        number, event = self._given[name][min(count, len(self._given[name])) - 1]
        await self._scene.store.consuming.commit(
            self._scene.reader, self._scene.consumer(name), number
        )
        self._settle(name, event)

    async def _stale(self, name: str, count: int) -> None:
        """Somebody commits what he was given before another was given it, or something else."""
        if not self._before[name]:
            return
        number, event = self._before[name][min(count, len(self._before[name])) - 1]
        meant = dict(self._given[name])
        try:
            await self._scene.store.consuming.commit(
                self._scene.reader, self._scene.consumer(name), number
            )
        except UnknownField:
            return
        # It counts if the number still means that event, and otherwise changes nothing.
        if meant.get(number) == event or await self._moved_to(name, event):
            self._settle(name, event)

    async def _moved_to(self, name: str, event: str) -> bool:
        rows = await self._scene.run(
            "SELECT 1 FROM polling_consumers c JOIN events e ON e.seq = c.position"
            " WHERE c.name = $1 AND e.id = $2",
            name,
            event,
        )
        return bool(rows)

    def _settle(self, name: str, event: str) -> None:
        place = [one for one, _ in self._log].index(event) + 1
        if place <= self._done[name]:
            return
        self._done[name], self._leased[name] = place, False
        for kept in (self._given, self._before):
            events = [one for _, one in kept[name]]
            if event in events:
                kept[name] = kept[name][events.index(event) + 1 :]


async def test_transactions_that_end_late_lose_nothing(scene: Scene) -> None:
    """HOUSE data model: a lower seq may be committed after a higher one."""
    given: list[str] = []
    written: set[str] = set()
    async with trio.open_nursery() as nursery:

        async def write(number: int) -> None:
            event = new_id("evt")

            async def late(connection: Any) -> None:
                await connection.execute(
                    "INSERT INTO events (environment_id, id, organization_id, type, data)"
                    " VALUES ($1, $2, $3, $4, '{}')",
                    scene.where.environment,
                    event,
                    scene.where.organization,
                    TYPES[0],
                )
                await connection.execute("SELECT pg_sleep($1)", number % 4 / 50)

            await scene.store.database.run("*", late, atomic=True)
            written.add(event)

        async def read() -> None:
            while len(given) < 40:
                found = await scene.receive("a", 3)
                if found:
                    given.extend(event for _, event in found)
                    consumer = scene.consumer("a")
                    await scene.store.consuming.commit(scene.reader, consumer, found[-1][0])

        for number in range(40):
            nursery.start_soon(write, number)
        with trio.fail_after(20):
            await read()
    assert len(given) == len(set(given)) == 40
    assert set(given) == written
    order = [row["id"] for row in await scene.run("SELECT id FROM events ORDER BY seq")]
    assert given == [one for one in order if one in written]


async def test_of_readers_of_one_name_one_is_given_something(scene: Scene) -> None:
    await scene.happen(TYPES[0])
    outcomes: list[str] = []

    async def read() -> None:
        try:
            outcomes.append(str(len(await scene.receive("a", 5))))
        except ConsumerBusy:
            outcomes.append("busy")

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(read)
    assert sorted(outcomes) == ["1", *["busy"] * 5]


async def test_a_look_that_was_overtaken_gives_nothing(scene: Scene) -> None:
    consuming, consumer = scene.store.consuming, scene.consumer("a")
    await scene.happen(TYPES[0])
    old: Look = await consuming.look(scene.reader, consumer, 5, latest=False)
    ((number, _),) = await scene.receive("a", 5)
    await consuming.commit(scene.reader, consumer, number)
    with pytest.raises(ConsumerBusy):
        await consuming.lease(scene.reader, consumer, old, 1, 60)
    with pytest.raises(ConsumerBusy):
        await consuming.advance(scene.reader, consumer, old)


async def test_consumers_nobody_asks_for_are_forgotten(scene: Scene) -> None:
    consuming = Consuming(scene.store.door, PollingLimits(max_consumers=3))
    for number in range(5):
        consumer = scene.consumer(str(number))
        look = await consuming.look(scene.reader, consumer, 5, latest=False)
        await consuming.advance(scene.reader, consumer, look)
    rows = await scene.run("SELECT name FROM polling_consumers ORDER BY name")
    assert [row["name"] for row in rows] == ["2", "3", "4"]


async def test_numbers_fit_into_32_bits(scene: Scene) -> None:
    await scene.happen(TYPES[0])
    await scene.receive("a", 5)
    last = PollingLimits().max_offset - 1
    await scene.run("UPDATE polling_consumers SET next_offset = $1", last)
    await scene.store.consuming.commit(scene.reader, scene.consumer("a"), last)
    await scene.happen(TYPES[0])
    ((number, _),) = await scene.receive("a", 5)
    assert number == 1


async def test_an_inbox_that_is_purged_takes_its_own_along(scene: Scene) -> None:
    made, _ = await scene.store.inboxes.create(scene.owner, InboxRequest("gone"))
    inbox = made.inbox
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    bound = replace(
        scene.owner,
        environments=frozenset({inbox.environment}),
        inboxes=frozenset({inbox.id}),
    )
    await scene.store.polling.create(bound, where, PollingRequest("a", TYPES))
    await scene.store.inboxes.purge(scene.owner, inbox.id)
    assert len(await scene.run("SELECT 1 FROM polling_webhooks")) == 1
