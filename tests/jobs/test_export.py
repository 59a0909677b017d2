"""The export's job among the others; what it makes is in tests/http/resources/test_exports.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import trio

from agentpost.errors import Overloaded
from agentpost.http.exported import exported_line
from agentpost.jobs.export import ExportWork
from agentpost.jobs.runner import Runner
from agentpost.jobs.sweep import SweepWork
from agentpost.limits import ExportLimits, JobLimits
from agentpost.mail.exporting import Exporting
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.export import NewExport
from agentpost.store.audit import Audit
from agentpost.store.blobs import location_of
from agentpost.store.blobs_disk import DiskBlobs
from agentpost.store.exports import Exports
from agentpost.store.store import Door
from agentpost.store.sweeps import Sweeps
from tests.jobs.test_sweep import JOB
from tests.jobs.world import World

SYSTEM: Final = system_actor()
QUICK: Final = JobLimits(poll_s=0.05, first_retry_s=0.01)


class Slow(DiskBlobs):
    """A store that stops in the middle of the first file, until its writer is killed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reached = trio.Event()

    async def write(self, blob_id: str, pieces: AsyncIterator[bytes]) -> str:
        if self.reached.is_set():
            return await super().write(blob_id, pieces)

        async def stopping() -> AsyncIterator[bytes]:
            async for piece in pieces:
                yield piece
                self.reached.set()
                await trio.sleep_forever()

        return await super().write(blob_id, stopping())


def maker(world: World) -> Actor:
    return Actor(world.where.organization, "key_1", widen(SCOPES))


def parts(world: World, blobs: DiskBlobs) -> tuple[Exports, ExportWork]:
    door = Door(world.database, world.woken.append)
    limits = ExportLimits(page=2)
    exports = Exports(door, limits)
    made = Exporting(exports, Audit(door), blobs, exported_line, SYSTEM, limits)
    return exports, ExportWork(exports, made, limits)


async def test_a_worker_that_dies_in_the_middle_is_followed_by_another(
    world: World, tmp_path: Path
) -> None:
    letters = [b"Subject: %d\r\n\r\nFrom me\r\n" % n for n in range(5)]
    for each in letters:
        await world.receive(each)
    blobs = Slow(tmp_path / "slow")
    exports, work = parts(world, blobs)
    wanted = NewExport("mbox", inbox=world.inbox)
    export, _ = await exports.create(maker(world), wanted)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            runner = Runner(world.jobs, [work], QUICK)
            nursery.start_soon(lambda: runner.run(stopping=trio.Event()))
            await blobs.reached.wait()
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            runner = Runner(world.jobs, [work], QUICK)
            nursery.start_soon(lambda: runner.run(stopping=trio.Event()))
            while (await exports.get(maker(world), export.id)).state != "done":
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    made = await exports.get(maker(world), export.id)
    assert made.file is not None
    assert (made.done, made.total) == (5, 5)
    file = await blobs.get(location_of(made.file))
    assert file.count(b"\nSubject: ") == 5
    assert file.count(b"\r\n>From me\r\n\n") == 5
    # One file is there, and nothing of the first attempt.
    assert [path for path in (tmp_path / "slow").rglob("*") if path.is_file()] == [
        tmp_path / "slow" / location_of(made.file)
    ]


async def test_an_outage_is_not_the_end_of_an_export(world: World) -> None:
    class Away(DiskBlobs):
        async def write(self, blob_id: str, pieces: AsyncIterator[bytes]) -> str:
            raise Overloaded("away")

    exports, work = parts(world, Away(Path("nowhere")))
    export, _ = await exports.create(maker(world), NewExport("mbox"))
    (job,) = await world.jobs.claim(SYSTEM, [("export", 1)], 60.0)
    with pytest.raises(Overloaded):
        await work.run(job)
    assert (await exports.get(maker(world), export.id)).state == "running"


async def test_ended_exports_go_with_their_files_and_others_stay(world: World) -> None:
    exports, work = parts(world, world.blobs)
    files, names = [], []
    for _ in range(2):
        export, _ = await exports.create(maker(world), NewExport("mbox"))
        (job,) = await world.jobs.claim(SYSTEM, [("export", 1)], 60.0)
        await work.run(job)
        made = await exports.get(maker(world), export.id)
        assert made.file is not None
        files.append(location_of(made.file))
        names.append(made.id)
    await world.execute(
        "UPDATE exports SET expires_at = now() - $2::interval WHERE id = $1",
        names[1],
        timedelta(hours=2),
    )
    # However old a file is, it is no orphan while its row is there.
    sweeps = Sweeps(Door(world.database, world.woken.append), world.blobs)
    await sweeps.remove_orphans(SYSTEM, timedelta(seconds=-5), 10)
    assert await world.blobs.size(files[1]) == 0
    await SweepWork(sweeps).run(JOB)
    with pytest.raises(FileNotFoundError):
        await world.blobs.size(files[1])
    assert await world.blobs.size(files[0]) == 0
    assert await world.value("SELECT count(*) FROM exports") == 1
