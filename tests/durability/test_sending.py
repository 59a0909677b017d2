"""kill -9 of a worker while it sends by Amazon SES: no send lost, none doubled.

The moments that matter are chosen, not met by chance: as SES has taken a message and not answered,
as a call has come and is not taken, and at any other time.  ``AGENTPOST_TEST_PROFILE=soak`` kills
two hundred times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from agentpost.ids import MessageId
from agentpost.model.actor import system_actor
from agentpost.store.pool import Database
from tests.jobs.world import World, make_world
from tests.mail.fakeses import (
    ACCEPT,
    ACCEPT_AND_DROP,
    AWS_VARIABLES,
    DROP,
    Accepted,
    Answer,
    Call,
    FakeSes,
    fake_ses,
)

# Read now: no test sees the settings from outside.
_SOAK = os.environ.get("AGENTPOST_TEST_PROFILE") == "soak"
_KILLS = 200 if _SOAK else 20
_PENDING = 12
"""Messages that wait while workers are killed."""
_CALLS_BETWEEN = 6

pytestmark = pytest.mark.slow


@dataclass
class Killer:
    """Decides for SES, and kills the worker that calls at the moments it has chosen."""

    random: random.Random
    kills: int
    pid: int = 0
    done: Counter[str] = field(default_factory=Counter)
    _calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        return sum(self.done.values()) >= self.kills

    def decide(self, _: Call) -> Answer:
        with self._lock:
            self._calls += 1
            if self._calls < _CALLS_BETWEEN or self.over or not self.pid:
                return ACCEPT
            self._calls = 0
            moment = self.random.choice(("accepted", "accepted", "called", "between"))
            self.done[moment] += 1
            pid, self.pid = self.pid, 0
        if moment == "between":
            threading.Timer(self.random.random() * 0.02, self._kill, [pid]).start()
            return ACCEPT
        self._kill(pid)
        return ACCEPT_AND_DROP if moment == "accepted" else DROP

    def _kill(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass
class Scene:
    """A world whose mail is sent by workers that are killed."""

    world: World
    fake: FakeSes
    killer: Killer
    messages: list[MessageId] = field(default_factory=list)
    events: list[Accepted] = field(default_factory=list)
    fed: int = 0

    async def feed_back(self) -> None:
        """Bring SES's Send events, a little later and each one twice at times."""
        while True:
            while self.fed < len(self.events):
                event = self.events[self.fed]
                self.fed += 1
                for _ in range(self.killer.random.choice((1, 1, 2))):
                    await self.world.relays.confirm(
                        system_actor("relay"),
                        MessageId(event.call.message),
                        event.call.attempt,
                        event.name,
                        event.call.recipients,
                    )
            await trio.sleep(0.05)

    async def keep_sending(self) -> None:
        """Let there always be work, until enough has been killed."""
        while not self.killer.over:
            waiting = await self.world.value("SELECT count(*) FROM relays")
            for _ in range(_PENDING - waiting):
                recipients = [f"r{n}@example.com" for n in range(self.killer.random.choice((1, 3)))]
                self.messages.append(await self.world.send(*recipients))
            await trio.sleep(0.05)

    async def come_to_rest(self, deadline_s: float = 60.0) -> None:
        """Wait until nothing is under way any more; sends a little, as life goes on."""
        with trio.fail_after(deadline_s):
            while await self.world.value("SELECT count(*) FROM relays"):
                # A line on which nothing comes proves nothing.
                self.messages.append(await self.world.send("life@example.com"))
                await trio.sleep(0.5)
                if await self.world.value(
                    "SELECT count(*) FROM deliveries WHERE state <> 'sent'"
                    " AND recipient <> 'life@example.com'"
                ):
                    continue
                break
            while await self.world.value("SELECT count(*) FROM relays"):
                await trio.sleep(0.2)


@asynccontextmanager
async def playing(
    database: Database, url: str, tmp_path: Path, *, once: bool, kills: int
) -> AsyncIterator[Scene]:
    world = await make_world(database, tmp_path / "blobs")
    killer = Killer(random.Random(time.time_ns() if _SOAK else 5), kills)
    events: list[Accepted] = []
    with fake_ses(FakeSes(killer.decide, events.append)) as fake:
        fake.account["SendQuota"]["MaxSendRate"] = 10_000.0
        scene = Scene(world, fake, killer, events=events)
        words = [url, str(tmp_path / "blobs"), fake.url, "once" if once else "again"]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.durability.relaying", *words],
            env={**os.environ, **AWS_VARIABLES},
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        follower = threading.Thread(target=_follow, args=(process, killer))
        follower.start()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scene.feed_back)
                yield scene
                nursery.cancel_scope.cancel()
        finally:
            process.kill()
            follower.join(10)
            if killer.pid:
                killer._kill(killer.pid)
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


def _follow(process: subprocess.Popen[bytes], killer: Killer) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        killer.pid = int(line)


async def test_no_send_is_lost_and_none_doubled_whenever_a_worker_dies(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with playing(database, database_url, tmp_path, once=True, kills=_KILLS) as scene:
        with trio.fail_after(60 + 10 * _KILLS):
            await scene.keep_sending()
        await scene.come_to_rest()
        while scene.fed < len(scene.events):
            await trio.sleep(0.05)
        states = await scene.world.rows("SELECT DISTINCT state FROM deliveries")
        told = await scene.world.events("message.sent")
        jobs = await scene.world.value("SELECT count(*) FROM jobs")
    served = Counter(
        (one.call.message, recipient)
        for one in scene.fake.accepted
        for recipient in one.call.recipients
    )
    doubled = {one: times for one, times in served.items() if times > 1}
    assert not doubled
    lost = set(scene.messages) - {message for message, _ in served}
    assert not lost
    assert [row["state"] for row in states] == ["sent"]
    assert jobs == 0
    # Customers are told once, whoever found out.
    assert Counter(data["message_id"] for _, data in told) == Counter(scene.messages)
    # It proves nothing unless every moment was met, and what was not taken was offered again.
    assert scene.killer.done.keys() == {"accepted", "called", "between"}
    assert max(Counter(call.message for call in scene.fake.calls).values()) > 1


async def test_a_transport_that_repeats_what_is_in_doubt_is_found_out(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with playing(database, database_url, tmp_path, once=False, kills=5) as scene:
        with trio.fail_after(60):
            # No events: with them it would be found out only sometimes.
            scene.fed = 1 << 30
            await scene.keep_sending()
        await scene.come_to_rest()
    assert len(scene.fake.accepted) > len({one.call.message for one in scene.fake.accepted})
