"""kill -9 of a worker, all of them, the supervisor and PostgreSQL while webhooks are told.

A receiver on this machine refuses three times in ten.  ``AGENTPOST_TEST_PROFILE=soak`` tells ten
thousand events.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio

from agentpost.auth.signatures import signed
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from tests.durability.house import furnish
from tests.durability.killing import KINDS, kill
from tests.durability.ledger import Ledger as Promises
from tests.durability.load import Load, Submitter
from tests.durability.reading import SETTINGS, address_of, patiently
from tests.durability.told import Ledger, Receiving
from tests.jobs.receiver import Request
from tests.server import Server, serving

# Read now: no test sees the settings from outside.
_SOAK = os.environ.get("AGENTPOST_TEST_PROFILE") == "soak"
_EVENTS = 10_000 if _SOAK else 200
_KILLS = 60 if _SOAK else 4
_ANSWERS_BETWEEN = 20 if _SOAK else 5
_SETTLED_S = 1_800 if _SOAK else 60
_PAYLOADS = ("full", "thin", "agentmail")
_HERE = Path(__file__).parent

pytestmark = pytest.mark.slow


@dataclass
class Scene:
    """A server whose webhooks are told, and mail that makes events."""

    server: Server
    receiving: Receiving
    load: Load
    chance: random.Random
    killed: list[str] = field(default_factory=list)

    def kill(self, kind: str) -> None:
        """kill -9; ``one`` is any one of the workers."""
        self.killed.append(kind)
        if kind != "one":
            kill(self.server, kind)
            return
        workers = [pid for pid, words in self.server.children().items() if " worker " in words]
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.chance.choice(workers), signal.SIGKILL)

    def ask(self, sql: str) -> list[str]:
        """The first column of what the database answers, as soon as it does."""

        async def look() -> list[str]:
            async def read(connection: Connection) -> list[str]:
                return [str(row[0]) for row in await connection.rows(sql)]

            async def attempt() -> list[str]:
                blobs = self.server.directory / "data" / "blobs"
                store: Store
                async with open_store(
                    address_of(self.server), blobs, SETTINGS, alone=False
                ) as store:
                    return await store.database.run("*", read)

            return await patiently(attempt)

        return trio.run(look)

    def happened(self, path: str) -> list[str]:
        """The ids of the events that the webhook of this path has to be told."""
        return self.ask(
            "SELECT e.id FROM events e JOIN webhooks w USING (organization_id)"
            f" WHERE w.url LIKE '%{path}' AND e.seq > w.starts_after"
        )

    def settle(self) -> None:
        """Wait until everything is given out and nothing waits."""
        until = time.monotonic() + _SETTLED_S
        while True:
            (open_,) = self.ask(
                "SELECT (SELECT count(*) FROM events e JOIN webhook_logs l USING (organization_id)"
                " WHERE e.seq > l.position)"
                " + (SELECT count(*) FROM webhook_deliveries WHERE state <> 'succeeded')"
            )
            if open_ == "0":
                return
            assert time.monotonic() < until, f"{open_} wait"
            time.sleep(0.3)

    def broken(self) -> list[str]:
        """All that is wrong."""
        return [
            f"{path}: {words}"
            for path, ledger in self.receiving.ledgers.items()
            for words in ledger.broken(self.happened(path))
        ]


@contextmanager
def telling(tmp_path: Path, manner: str, seed: int) -> Iterator[Scene]:
    path = os.pathsep.join((str(_HERE / manner), str(_HERE.parents[1])))
    promises = Promises()
    receiving = Receiving(seed)
    settings = {"WEBHOOK_ALLOW": "127.0.0.1/32", "WORKERS": "2"}
    named = {f"AGENTPOST_{name}": value for name, value in settings.items()}
    with serving(tmp_path, PYTHONPATH=path, **named) as server:
        receiving.start()
        accounts = furnish(server, "one", "two", "three")
        for payload in _PAYLOADS:
            made = server.call(
                "POST",
                "/api/v1/webhooks",
                {
                    "url": receiving.url("/" + payload),
                    "event_types": ["*"],
                    "payload": payload,
                    "client_id": payload,
                },
            )
            assert made.status == 201, made.octets
            receiving.ledgers["/" + payload] = Ledger(made.json["secret"])
        submitters = [
            Submitter(server, promises, account, number, accounts)
            for number, account in enumerate(accounts, 1)
        ]
        load = Load(promises, [*submitters])
        load.start()
        try:
            yield Scene(server, receiving, load, random.Random(seed))
        finally:
            load.abandon()
            receiving.stop()


@pytest.mark.proves("R108", "R109")
def test_each_event_is_told_whatever_is_killed(tmp_path: Path) -> None:
    """None is lost, and what comes twice has the same id and the same body."""
    kinds = [("one", *KINDS)[number % 4] for number in range(_KILLS)]
    began = time.monotonic()
    with telling(tmp_path, "hurried", time.time_ns() if _SOAK else 11) as scene:
        scene.chance.shuffle(kinds)
        for kind in kinds:
            scene.load.go_on(_ANSWERS_BETWEEN)
            time.sleep(scene.chance.random() * 0.2)
            scene.kill(kind)
        while len(scene.happened("/thin")) < _EVENTS:
            scene.load.go_on(_ANSWERS_BETWEEN)
        scene.load.finish()
        scene.settle()
        wrong = scene.broken()
        happened = len(scene.happened("/thin"))
        looked = subprocess.run(
            [sys.executable, "-m", "agentpost", "check"],
            env=scene.server.environment(),
            check=False,
            capture_output=True,
            text=True,
        )
    assert wrong == []
    assert looked.returncode == 0, looked.stdout
    answers = scene.receiving.answers
    again = sum(ledger.again for ledger in scene.receiving.ledgers.values())
    failed = 1 - answers["taken"] / answers.total()
    print(
        f"{happened} events, {answers.total()} deliveries of which {failed:.0%} failed, {again} came"
        f" again, {len(scene.killed)} kills, {time.monotonic() - began:.0f} s"
    )
    assert happened >= _EVENTS
    # It proves nothing unless much failed, and something was taken without anybody hearing of it.
    assert 0.2 < failed < 0.4
    assert again > 0


def test_a_worker_that_settles_before_it_tells_is_found_out(tmp_path: Path) -> None:
    with telling(tmp_path, "settling_early", 12) as scene:
        scene.load.go_on(10)
        scene.kill("worker")
        scene.load.finish()
        scene.settle()
        wrong = scene.broken()
    assert any(": lost: " in words for words in wrong)


SECRET = "whsec_" + "QUdFTlRQT1NU" * 3


def _request(name: str, said: str = "hello", secret: str = SECRET) -> Request:
    body = json.dumps({"id": name, "data": said}).encode()
    return Request("/hook", dict(signed([secret], name, int(time.time()), body)), body, 0.0)


def test_the_ledger_finds_each_fault() -> None:
    good = _request("evt_1")
    other = _request("evt_1", secret="whsec_" + "b3RoZXIgc2VjcmV0" * 3)
    named = replace(good, fields={**good.fields, "webhook-id": "evt_2"})
    for came, happened, fault in (
        ([good, good], ["evt_1"], ""),
        ([good], ["evt_1", "evt_2"], "lost: 1"),
        ([good], [], "strange: 1"),
        ([good, _request("evt_1", "other")], ["evt_1"], "another body"),
        ([other], ["evt_1"], "its signature is refused"),
        ([replace(good, body=good.body + b" ")], ["evt_1"], "its signature is refused"),
        ([named], ["evt_2"], "names the event"),
    ):
        ledger = Ledger(SECRET)
        for request in came:
            ledger.take(request)
        wrong = ledger.broken(happened)
        assert (fault in wrong[-1] or fault in wrong[0]) if fault else wrong == []
