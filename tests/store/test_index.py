"""The mailbox index beside commits: nobody is shown less than what was committed before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from agentpost.model.actor import system_actor
from agentpost.model.mailbox import Snapshot
from agentpost.store.index import IndexLimits, MailboxIndex
from agentpost.store.mailboxes import Mailboxes, MailboxLimits
from agentpost.store.pool import Database
from agentpost.store.store import Door
from tests.jobs.world import LETTER, World, make_world

Look = Callable[[], Awaitable[Snapshot]]


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    return await make_world(database, tmp_path / "blobs")


@pytest.fixture
def index(world: World) -> MailboxIndex:
    return MailboxIndex(Door(world.database, lambda _: None), IndexLimits(), ask=False)


@pytest.fixture
async def look(world: World, index: MailboxIndex) -> Look:
    """Ask the index for the state of INBOX."""
    door = Door(world.database, lambda _: None)
    mailboxes = Mailboxes(door, world.blobs, MailboxLimits(), index)
    inbox = await mailboxes.find(system_actor(), world.where, "INBOX")
    return partial(index.snapshot, system_actor(), world.where, inbox.id)


async def test_who_asks_while_another_refreshes_gets_what_was_committed(
    world: World, index: MailboxIndex, look: Look
) -> None:
    await look()
    await world.receive(LETTER)
    index.stale(world.inbox)
    seen: list[Snapshot] = []

    async def ask() -> None:
        seen.append(await look())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask)
    assert [len(snapshot.uids) for snapshot in seen] == [1, 1]


async def test_a_wake_up_during_a_refresh_is_not_forgotten(
    world: World, index: MailboxIndex, look: Look
) -> None:
    await world.receive(LETTER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await trio.testing.wait_all_tasks_blocked()
        index.stale(world.inbox)
    await world.receive(LETTER)
    assert len((await look()).uids) == 2
