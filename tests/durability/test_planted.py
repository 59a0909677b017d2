"""The tests of durability are tested: faults are planted, and must be found.

Each fault lives in a process or a scratch database of its own, never in the server's code.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from agentpost.errors import Overloaded
from agentpost.limits import MessageLimits
from agentpost.mail.appending import Appending
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.mailbox import Flag, Mailbox
from agentpost.store import embedded
from agentpost.store.inboxes import InboxRequest
from agentpost.store.migrate import migrate
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Database
from tests.durability.house import furnish, told
from tests.durability.killing import kill, kill_cluster
from tests.durability.ledger import Box, Contents, Ledger, compose
from tests.durability.load import Load, Submitter
from tests.durability.reading import SETTINGS, everything
from tests.server import serving

pytestmark = pytest.mark.slow

_HERE = Path(__file__).parent
_KILLS = 5
"""At most so many; the first already loses something nearly always."""


def test_an_answer_before_the_commit_is_found_out(tmp_path: Path) -> None:
    path = os.pathsep.join((str(_HERE / "replying_early"), str(_HERE.parents[1])))
    ledger = Ledger()
    with serving(tmp_path, PYTHONPATH=path) as server:
        accounts = furnish(server, "one", "two")
        one, two = accounts
        load = Load(ledger, [Submitter(server, ledger, one, n, [two]) for n in range(1, 4)])
        load.start()
        try:
            load.go_on(60)
            kill(server, "worker")
            load.finish()
        finally:
            load.abandon()
        found = told(server, accounts)
    assert any(words.startswith("lost: ") for words in ledger.broken(found))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a PostgreSQL that is there to be killed."""
    directory = tmp_path_factory.mktemp("killed")
    server = embedded.start(directory)
    trio.run(_found, server.url)
    server.stop()
    return directory


async def _found(url: str) -> None:
    database = await Database.open(url)
    await migrate(database)
    await database.aclose()


@pytest.mark.parametrize("synchronous", [True, False])
def test_commits_that_do_not_reach_the_disk_are_found_out(cluster: Path, synchronous: bool) -> None:
    """With ``synchronous_commit = off`` a kill -9 of PostgreSQL loses what is in its buffers."""
    lost = []
    for number in range(1 if synchronous else _KILLS):
        ledger = Ledger()
        server = embedded.start(cluster)
        try:
            name = f"{'on' if synchronous else 'off'}-{number}"
            trio.run(_deposit_until_killed, server, cluster, ledger, name, synchronous)
        finally:
            server.stop(0.0)
        server = embedded.start(cluster)
        try:
            wrong = ledger.broken(trio.run(_all, server.url, cluster))
        finally:
            server.stop()
        assert ledger.acknowledged > 50
        if synchronous:
            assert wrong == []
        elif any(words.startswith("lost: ") for words in wrong):
            lost.append(wrong)
            break
    assert bool(lost) is not synchronous


async def _deposit_until_killed(
    server: embedded.Embedded, cluster: Path, ledger: Ledger, name: str, synchronous: bool
) -> None:
    setting = "on" if synchronous else "off"
    database = await Database.open(server.url)
    await database.run(
        "*", lambda c: c.execute(f"ALTER ROLE {embedded.USER} SET synchronous_commit = {setting}")
    )
    # Nothing of an earlier round counts in this one.
    await database.run("*", lambda c: c.execute("DELETE FROM placements; DELETE FROM messages"))
    await database.aclose()
    async with open_store(server.url, cluster / "blobs", SETTINGS, alone=True) as store:
        actor, where, box = await _inbox(store, name)
        async with trio.open_nursery() as nursery:
            for client in range(16):
                token = f"{name}-{client}"
                nursery.start_soon(_append, store, ledger, actor, where, box, token)
            while ledger.acknowledged < 300:
                await trio.sleep(0.002)
            kill_cluster(cluster, server.process)


async def _inbox(store: Store, name: str) -> tuple[Actor, Scope, Mailbox]:
    organization, environment = await store.organizations.create(
        system_actor(), name.capitalize(), name, "enterprise"
    )
    actor = Actor(organization.id, "key_test", widen(SCOPES), environment=environment.id)
    made, _ = await store.inboxes.create(actor, InboxRequest(name))
    where = Scope(organization.id, environment.id, made.inbox.id)
    return actor, where, await store.mailboxes.find(actor, where, "INBOX")


async def _append(
    store: Store, ledger: Ledger, actor: Actor, where: Scope, box: Mailbox, name: str
) -> None:
    appending = Appending(store.messages, store.mailboxes, MessageLimits())
    for number in range(10_000):
        token = f"{name}-{number}"
        octets = compose(token, "a@elsewhere.example", "b@elsewhere.example", 900)
        promise = ledger.promise(token, octets, [], once=False)
        try:
            await appending.append(actor, where, box, octets, Flag(0), (), None)
        except Overloaded:
            ledger.doubt(promise)
            return
        ledger.acknowledge(promise)


async def _all(url: str, cluster: Path) -> dict[Box, Contents]:
    async with open_store(url, cluster / "blobs", SETTINGS, alone=True) as store:
        return (await everything(store)).contents
