"""Indexing after the acknowledgement: nothing is left out, nothing is in its way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import trio

from agentpost.jobs import indexing as module
from agentpost.jobs.indexing import IndexingWork
from agentpost.limits import IndexingLimits
from agentpost.mime import matching
from agentpost.model.job import Again, Job
from agentpost.store.store import Door
from agentpost.store.texts import MessageTexts
from tests.jobs.world import World

JOB = Job(1, "indexing", {}, 1, None, datetime(2026, 3, 8, tzinfo=UTC))


def work(world: World, **limits: Any) -> IndexingWork:
    texts = MessageTexts(Door(world.database, world.woken.append), world.blobs)
    return IndexingWork(texts, trio.Event(), IndexingLimits(poll_s=0.001, rest=0, **limits))


async def unindexed(world: World) -> int:
    count: int = await world.value("SELECT count(*) FROM unindexed")
    return count


async def test_what_was_left_behind_is_indexed(world: World) -> None:
    for n in range(7):
        await world.receive(b"Subject: %d\r\n\r\nbody\r\n" % n)
    assert await work(world, batch_messages=3).index()
    assert await unindexed(world) == 0
    assert await world.value("SELECT count(*) FROM message_texts") == 7


async def test_a_run_ends_in_time_and_goes_on_at_once(world: World) -> None:
    for n in range(4):
        await world.receive(b"Subject: %d\r\n\r\nbody\r\n" % n)
    one = work(world, batch_messages=2, run_s=0)
    assert await one.run(JOB) == Again(0.0)
    assert await unindexed(world) == 2
    assert await one.run(JOB) == Again(0.0)
    assert await unindexed(world) == 0


async def test_a_run_follows_what_comes_until_it_is_told_to_stop(world: World) -> None:
    stopping = trio.Event()
    texts = MessageTexts(Door(world.database, world.woken.append), world.blobs)
    one = IndexingWork(texts, stopping, IndexingLimits(poll_s=0.001))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run, JOB)
        for _ in range(2):
            await world.receive(b"Subject: x\r\n\r\nbody\r\n")
            with trio.fail_after(3):
                while await unindexed(world):
                    await trio.sleep(0.003)
        stopping.set()


async def test_a_run_that_is_told_to_stop_leaves_the_rest(world: World) -> None:
    for n in range(3):
        await world.receive(b"Subject: %d\r\n\r\nbody\r\n" % n)
    one = work(world)
    one._stopping.set()
    assert await one.run(JOB) == Again(0.0)
    assert await unindexed(world) == 3


async def test_batches_are_bounded_in_octets(world: World) -> None:
    for _ in range(3):
        await world.receive(b"Subject: x\r\n\r\n" + b"words " * 1000)
    one = work(world, batch_octets=6000)
    batch = await one._texts.unindexed(one._actor, None, 10, 6000)
    assert len(batch) == 1
    assert await one.index()
    assert await unindexed(world) == 0


async def test_texts_that_have_become_many_become_packs(world: World) -> None:
    for n in range(7):
        await world.receive(b"Subject: %d\r\n\r\nbody\r\n" % n)
    await work(world, batch_messages=4, pack_messages=3).index()
    packs = await world.rows("SELECT cardinality(messages) AS size FROM message_packs")
    assert [row["size"] for row in packs] == [3, 3]
    assert await world.value("SELECT count(*) FROM message_fields WHERE pack IS NULL") == 1


async def test_large_messages_come_from_files(world: World) -> None:
    await world.receive(b"Subject: x\r\n\r\n" + b"needle in a large message\r\n" * 12_000)
    assert await work(world).index()
    assert await world.value("SELECT position('needle'::bytea IN body) > 0 FROM message_texts")


async def test_lost_and_unreadable_messages_do_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.receive(b"Subject: lost\r\n\r\n" + b"x" * 300_000)
    await world.receive(b"Subject: odd\r\n\r\nbody\r\n")
    await world.receive(b"Subject: good\r\n\r\nbody\r\n")
    for row in await world.rows("SELECT location FROM blobs WHERE location IS NOT NULL"):
        await world.blobs.remove(row["location"])

    def texts_of(octets: bytes, limits: IndexingLimits) -> Any:
        if b"odd" in octets:
            raise RuntimeError("a fault of ours")
        return matching.texts_of(octets, limits)

    monkeypatch.setattr(module, "texts_of", texts_of)
    assert await work(world).index()
    rows = await world.rows("SELECT whole FROM message_texts ORDER BY message_id")
    assert [row["whole"] for row in rows] == [False, False, True]
