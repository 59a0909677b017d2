"""What a mailbox has become since a modseq: told alike to who looked long ago and to who looks anew.

The index puts together what it knew and what came later; a worker's own changes reach it without a
look.  Whatever happens to two mailboxes, both ways must lead to the state that is in the database.
"""

from __future__ import annotations

import random
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest

from agentpost.errors import MailboxNotFound
from agentpost.ids import MailboxId
from agentpost.model.actor import system_actor
from agentpost.model.mailbox import Flag, FlagChange, Snapshot
from agentpost.store.index import IndexLimits, MailboxIndex
from agentpost.store.mailboxes import Mailboxes, MailboxLimits
from agentpost.store.opening import Committed
from agentpost.store.pool import Connection, Database
from agentpost.store.store import Door
from tests.jobs.world import LETTER, World, make_world

_ACTOR = system_actor()
_NAMES = ("INBOX", "Archive")
_WORDS = ("urgent", "Later", "todo")
_STEPS = 30
_LIMITS = IndexLimits(expunges=8)
"""Fewer than happen, so that snapshots forget the oldest."""


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    world = await make_world(database, tmp_path / "blobs")
    # Blocks of 128 uids: changes shall fall into several, and between them.
    for _ in range(3):
        await world.receive(LETTER)
    await world.execute("UPDATE mailboxes SET uidnext = 120 WHERE role IN ('inbox', 'archive')")
    return world


class _Changes:
    """Random changes of the mailboxes, made through ``index``."""

    def __init__(self, world: World, parts: tuple[MailboxIndex, Mailboxes], seed: int) -> None:
        self.boxes: dict[str, MailboxId] = {}
        self._world = world
        self._index, self._mailboxes = parts
        self._random = random.Random(seed)

    async def find(self) -> None:
        for name in _NAMES:
            found = await self._mailboxes.find(_ACTOR, self._world.where, name)
            self.boxes[name] = found.id

    async def one(self) -> None:
        """Change something, or nothing that is there."""
        await self._random.choice(
            (self._receive, self._store, self._store, self._store, self._carry, self._expunge)
        )()

    async def _receive(self) -> None:
        for _ in range(self._random.choice((1, 5))):
            await self._world.receive(LETTER)
        self._index.stale(self._world.inbox)

    async def _some(self, name: str) -> list[int]:
        snapshot = await look(self._index, self._world, self.boxes[name])
        uids = list(snapshot.uids)
        if self._random.random() < 0.3:
            return uids
        return self._random.sample(uids, min(len(uids), self._random.choice((1, 2, 7))))

    async def _store(self) -> None:
        name = self._random.choice(_NAMES)
        change = FlagChange(
            self._random.choice(("add", "remove", "replace")),
            Flag(self._random.choice((0, 1, 4, 9))),
            tuple(self._random.sample(_WORDS, self._random.choice((0, 0, 1, 2)))),
        )
        uids = await self._some(name)
        where = self._world.where
        await self._mailboxes.store_flags(_ACTOR, where, self.boxes[name], uids, change)

    async def _carry(self) -> None:
        source, destination = self._random.choice(_NAMES), self._random.choice(_NAMES)
        uids = await self._some(source)
        await self._mailboxes.copy(
            _ACTOR,
            self._world.where,
            self.boxes[source],
            uids[:20],
            destination,
            moving=self._random.random() < 0.6,
        )

    async def _expunge(self) -> None:
        name = self._random.choice(_NAMES)
        uids = self._random.choice((None, await self._some(name)))
        await self._mailboxes.expunge(_ACTOR, self._world.where, self.boxes[name], uids)


def wired(world: World) -> tuple[MailboxIndex, Mailboxes]:
    """An index and the mailboxes whose changes it hears of, as in a worker."""
    committed = Committed()
    door = Door(world.database, committed)
    index = MailboxIndex(door, _LIMITS, ask=False)
    committed.listeners.append(index.stale)
    return index, Mailboxes(door, world.blobs, MailboxLimits(), index)


def anew(world: World) -> MailboxIndex:
    """An index that knows nothing, and hears of nothing."""
    return MailboxIndex(Door(world.database, lambda _: None), _LIMITS, ask=False)


async def look(index: MailboxIndex, world: World, box: MailboxId) -> Snapshot:
    return await index.snapshot(_ACTOR, world.where, box)


def visible(snapshot: Snapshot) -> dict[str, object]:
    """A snapshot with its keywords spelled out and without what it remembers of expunges."""
    values = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    values["keywords"] = [snapshot.keyword_sets[number] for number in snapshot.keywords]
    for name in ("keyword_sets", "expunged", "expunged_since"):
        del values[name]
    return values


@pytest.mark.parametrize("seed", range(5))
async def test_all_ways_to_learn_of_changes_lead_to_one_state(world: World, seed: int) -> None:
    index, mailboxes = wired(world)
    changes = _Changes(world, (index, mailboxes), seed)
    await changes.find()
    late: list[MailboxIndex] = []
    for _ in range(_STEPS):
        looked = anew(world)
        for box in changes.boxes.values():
            await look(looked, world, box)
        late.append(looked)
        await changes.one()
        for box in changes.boxes.values():
            truth = visible(await look(anew(world), world, box))
            assert visible(await look(index, world, box)) == truth
    for box in changes.boxes.values():
        truth = visible(await look(anew(world), world, box))
        for looked in late:
            looked.all_stale()
            assert visible(await look(looked, world, box)) == truth


@pytest.mark.parametrize("seed", range(2))
async def test_snapshots_remember_every_expunge_that_they_claim_to(world: World, seed: int) -> None:
    index, mailboxes = wired(world)
    changes = _Changes(world, (index, mailboxes), seed)
    await changes.find()
    for _ in range(_STEPS):
        await changes.one()
        for box in changes.boxes.values():
            snapshot = await look(index, world, box)
            rows = await world.rows(
                "SELECT modseq, uid FROM expunged WHERE mailbox_id = $1 AND modseq > $2"
                " ORDER BY modseq, uid",
                box,
                snapshot.expunged_since,
            )
            assert list(snapshot.expunged) == [tuple(row) for row in rows]


async def test_an_answer_that_comes_late_takes_nothing_back(world: World) -> None:
    index, mailboxes = wired(world)
    box = (await mailboxes.find(_ACTOR, world.where, "INBOX")).id
    store = partial(mailboxes.store_flags, _ACTOR, world.where, box)
    uid = (await look(index, world, box)).uids[0]

    async def overtaken(since: int | None) -> object:
        row = await world.rows(
            "SELECT * FROM store_flags($1, $2, $3, 'add', 4::smallint, '{}', NULL, $4)",
            world.inbox,
            box,
            [uid],
            since,
        )
        await store([uid], FlagChange("add", Flag.SEEN))
        return row[0]

    await index.changed(world.where, box, overtaken)  # type: ignore[arg-type]
    assert (await look(index, world, box)).flags[0] == Flag.SEEN | Flag.FLAGGED


async def test_an_expunge_that_is_told_twice_is_remembered_once(world: World) -> None:
    index, mailboxes = wired(world)
    box = (await mailboxes.find(_ACTOR, world.where, "INBOX")).id
    uids = (await look(index, world, box)).uids

    async def overtaking(since: int | None) -> object:
        """A change that knows of nothing since, and comes after an expunge that is known."""
        where = world.where
        await mailboxes.expunge(_ACTOR, where, box, [uids[0]], only_deleted=False)
        rows = await world.rows(
            "SELECT * FROM expunge($1, $2, $3, false, $4)", world.inbox, box, [uids[1]], since
        )
        return rows[0]

    await index.changed(world.where, box, overtaking)  # type: ignore[arg-type]
    snapshot = await look(index, world, box)
    assert [uid for _, uid in snapshot.expunged] == [uids[0], uids[1]]
    assert snapshot.uids == uids[2:]


async def test_a_change_in_a_mailbox_that_is_gone_is_refused(world: World) -> None:
    index, mailboxes = wired(world)
    made = await mailboxes.create(_ACTOR, world.where, "Work")
    await look(index, world, made.id)
    await mailboxes.delete(_ACTOR, world.where, "Work")
    with pytest.raises(MailboxNotFound):
        await mailboxes.find(_ACTOR, world.where, "Work")
    with pytest.raises(MailboxNotFound):
        await mailboxes.store_flags(_ACTOR, world.where, made.id, [1], FlagChange("add", Flag.SEEN))


async def test_a_change_of_flags_writes_no_index(world: World) -> None:
    indexed = await world.rows(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " AND a.attnum = ANY (i.indkey) WHERE i.indrelid IN"
        " ('placements'::regclass, 'mailboxes'::regclass, 'changed_blocks'::regclass)"
    )
    names = {row["attname"] for row in indexed}
    assert not names & {"flags", "keywords", "modseq", "uidnext", "recent_from"}


_ONE_UID = {
    "store_flags": "store_flags($1, $2, '{700}', 'add', 8::smallint, '{}', NULL, $3)",
    "expunge": "expunge($1, $2, '{700}', false, $3)",
    "copy": "copy_placements($1, $2, '{700}', $2, false, $3)",
    "move": "copy_placements($1, $2, '{700}', $2, true, $3)",
    "look": "load_mailbox($2, $3) WHERE $1 <> ''",
}


@pytest.mark.parametrize("change", _ONE_UID)
async def test_a_change_of_one_message_reads_a_block_at_most(world: World, change: str) -> None:
    _, mailboxes = wired(world)
    box = (await mailboxes.find(_ACTOR, world.where, "INBOX")).id
    for _ in range(9):
        everyone = await world.value(
            "SELECT array_agg(uid) FROM placements WHERE mailbox_id = $1", box
        )
        await mailboxes.copy(_ACTOR, world.where, box, everyone, "INBOX")

    async def rows_read(connection: Connection) -> int:
        count: int = await connection.value(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relname = 'placements'"
        )
        return count

    async def measured(connection: Connection) -> int:
        since = await connection.value("SELECT modseq FROM mailboxes WHERE id = $1", box)
        before = await rows_read(connection)
        await connection.rows(f"SELECT * FROM {_ONE_UID[change]}", world.inbox, box, since)
        return await rows_read(connection) - before

    assert 0 < await world.database.run("*", measured, atomic=True) < 200
