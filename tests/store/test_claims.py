"""A message has one holder at a time, whatever claimers, lapses and returns come together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agentpost.errors import ClaimLost, NotFound
from agentpost.model.actor import system_actor
from agentpost.model.claim import Claim
from agentpost.model.message import MessageChange
from tests.http.resources.conftest import deliver
from tests.store.queues import DONE, Queue, open_queue


@pytest.fixture
async def queue(database_url: str, tmp_path: Path) -> AsyncIterator[Queue]:
    async with open_queue(database_url, tmp_path, stores=2) as made:
        yield made


async def test_messages_are_leased_oldest_first_and_show_it(queue: Queue) -> None:
    await queue.fill(3)
    first = await queue.take(2)
    assert [claim.message for claim in first] == queue.messages[:2]
    assert {claim.state for claim in first} == {"leased"}
    assert await queue.keywords(queue.messages[0]) == {"$Claimed"}
    rest = await queue.take(5, store=1)
    assert [claim.message for claim in rest] == queue.messages[2:]
    assert await queue.take(5) == ()
    done = await queue.stores[0].claims.acknowledge(
        queue.actor, first[0].id, MessageChange(seen=True, add_labels=("answered",))
    )
    assert (done.state, done.attempts) == ("done", 1)
    assert await queue.keywords(queue.messages[0]) == {"answered"}


async def test_many_claimers_at_once_hold_each_message_once(queue: Queue) -> None:
    await queue.fill(12)
    taken: list[Claim] = []

    async def work(number: int) -> None:
        while claims := await queue.take(number % 3 + 1, store=number % 2):
            taken.extend(claims)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(work, number)
    assert sorted(claim.message for claim in taken) == sorted(queue.messages)
    assert len({claim.id for claim in taken}) == 12


async def test_a_lease_that_lapses_goes_to_somebody_else(queue: Queue) -> None:
    await queue.fill(1)
    (first,) = await queue.take()
    await queue.lapse(first)
    (second,) = await queue.take(store=1)
    assert (second.message, second.attempts) == (first.message, 2)
    assert second.id != first.id
    claims = queue.stores[0].claims
    for attempt in (
        claims.acknowledge(queue.actor, first.id, DONE),
        claims.give_back(queue.actor, first.id, 0),
        claims.extend(queue.actor, first.id, 60),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await claims.acknowledge(queue.actor, second.id, DONE)).state == "done"
    assert (await claims.acknowledge(queue.actor, second.id, DONE)).state == "done"
    with pytest.raises(ClaimLost):
        await claims.extend(queue.actor, second.id, 60)
    with pytest.raises(ClaimLost):
        await claims.give_back(queue.actor, second.id, 0)
    [event] = await queue.run("SELECT data FROM events WHERE type = 'claim.expired'")
    assert first.id in event["data"]


async def test_work_that_was_done_late_counts_when_nobody_took_it_meanwhile(queue: Queue) -> None:
    await queue.fill(1)
    (claim,) = await queue.take()
    await queue.lapse(claim)
    claims = queue.stores[0].claims
    with pytest.raises(ClaimLost):
        await claims.extend(queue.actor, claim.id, 60)
    assert (await claims.acknowledge(queue.actor, claim.id, DONE)).state == "done"
    assert await queue.take() == ()


async def test_a_lease_can_be_extended(queue: Queue) -> None:
    await queue.fill(1)
    (claim,) = await queue.take(lease_s=5)
    longer = await queue.stores[0].claims.extend(queue.actor, claim.id, 3600)
    assert longer.due_at - claim.due_at > timedelta(minutes=50)
    assert longer.id == claim.id


async def test_what_is_given_back_comes_again_after_its_delay(queue: Queue) -> None:
    await queue.fill(1)
    claims = queue.stores[0].claims
    (first,) = await queue.take()
    assert (await claims.give_back(queue.actor, first.id, 3600)).state == "waiting"
    assert await queue.keywords(first.message) == set()
    assert await queue.take() == ()
    await queue.lapse(first)
    (second,) = await queue.take()
    await claims.give_back(queue.actor, second.id, 0)
    (third,) = await queue.take()
    assert third.attempts == 3


@pytest.mark.parametrize("lapses", [True, False])
async def test_what_nobody_can_do_becomes_a_dead_letter(queue: Queue, lapses: bool) -> None:
    await queue.fill(1)
    claims = queue.stores[0].claims
    (claim,) = await queue.take(max_attempts=2)
    for attempt in (1, 2):
        if attempt == 2:
            (claim,) = await queue.take()
        assert claim.attempts == attempt
        if lapses:
            await queue.lapse(claim)
        else:
            await claims.give_back(queue.actor, claim.id, 0)
    assert await queue.take() == ()
    assert await queue.keywords(claim.message) == {"dead-letter"}
    with pytest.raises(ClaimLost):
        await claims.acknowledge(queue.actor, claim.id, DONE)


async def test_what_is_worked_through_is_not_looked_at_again(queue: Queue) -> None:
    """Only what is done, of the last hour nothing, and never past what is still to be done."""
    await queue.fill(6)

    async def begin() -> str:
        await queue.take()
        (row,) = await queue.run("SELECT claims_from FROM inboxes")
        return str(row["claims_from"])

    claims = queue.stores[0].claims
    for claim in (await queue.take(3))[:2]:
        await claims.acknowledge(queue.actor, claim.id, DONE)
    assert await begin() == ""
    await queue.run("UPDATE messages SET created_at = created_at - interval '2 hours'")
    assert await begin() == queue.messages[1]
    held = await queue.run("SELECT id FROM claims WHERE state = 'leased' ORDER BY message_id")
    for row in held:
        await claims.acknowledge(queue.actor, row["id"], DONE)
    assert await begin() == queue.messages[4]
    await deliver(queue.stores[0], queue.inbox, role="sent")
    await queue.fill(1)
    taken = await queue.take(5)
    assert [claim.message for claim in taken] == queue.messages[6:]


async def test_a_message_that_goes_takes_its_claim_along(queue: Queue) -> None:
    await queue.fill(2)
    taken = await queue.take(2)
    await queue.stores[0].messages.delete(queue.actor, taken[0].message, permanent=True)
    with pytest.raises(NotFound):
        await queue.stores[0].claims.acknowledge(queue.actor, taken[0].id, DONE)
    await queue.stores[0].inboxes.purge(queue.actor, queue.inbox.id)
    assert await queue.run("SELECT 1 FROM claims") == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("take", "ack", "nack", "extend", "lapse", "sweep")),
        st.integers(0, 5),
        st.integers(1, 3),
    ),
    max_size=25,
)


@hypothesis_settings(max_examples=15)
@given(steps=STEPS)
async def test_nobody_holds_what_another_holds(
    databases: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    """A model of the queue, in which a message is free, held, waiting, done or dead."""
    name = databases.create()
    url = databases.server.url_of(name)
    async with open_queue(url, tmp_path_factory.mktemp("blobs")) as queue:
        await queue.fill(4)
        await _Model(queue).run(steps)
    databases.drop(name)


class _Model:
    """What must be true of four messages and at most three attempts each."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._claims = queue.stores[0].claims
        self._attempts = dict.fromkeys(queue.messages, 0)
        self._held: dict[str, Claim] = {}
        self._lapsed: dict[str, Claim] = {}
        self._over: set[str] = set()
        self._due: set[str] = set()
        self._known: list[Claim] = []

    async def run(self, steps: list[tuple[str, int, int]]) -> None:
        for step, number, count in steps:
            claim = self._known[number % len(self._known)] if self._known else None
            if step == "take":
                await self._take(count)
            elif step == "sweep":
                self._settle()
                await self._claims.expire(system_actor(), self._queue.inbox.id)
            elif claim is not None:
                await getattr(self, f"_{step}")(claim)
            await self._check()

    async def _take(self, count: int) -> None:
        self._settle()
        free = [
            message
            for message in self._queue.messages
            if message not in self._held and message not in self._over
        ]
        taken = await self._queue.take(count, max_attempts=3)
        assert [claim.message for claim in taken] == free[:count]
        for claim in taken:
            self._attempts[claim.message] += 1
            assert claim.attempts == self._attempts[claim.message]
            self._held[claim.message] = claim
            self._lapsed.pop(claim.message, None)
            self._known.append(claim)

    async def _ack(self, claim: Claim) -> None:
        self._settle()
        mine = self._held.get(claim.message) == claim or self._lapsed.get(claim.message) == claim
        await self._expect(
            self._claims.acknowledge(self._queue.actor, claim.id, DONE),
            mine and claim.message not in self._over,
        )
        if mine and claim.message not in self._over:
            self._held.pop(claim.message, None)
            self._over.add(claim.message)

    async def _nack(self, claim: Claim) -> None:
        self._settle()
        mine = self._held.get(claim.message) == claim
        await self._expect(self._claims.give_back(self._queue.actor, claim.id, 0), mine)
        if mine:
            self._return(claim)

    async def _extend(self, claim: Claim) -> None:
        self._settle()
        mine = self._held.get(claim.message) == claim
        await self._expect(self._claims.extend(self._queue.actor, claim.id, 60), mine)

    async def _lapse(self, claim: Claim) -> None:
        if self._held.get(claim.message) == claim:
            await self._queue.lapse(claim)
            self._due.add(claim.message)

    def _settle(self) -> None:
        """Whoever touches the queue first ends the leases that are over."""
        for message in self._due:
            self._return(self._held[message])
        self._due.clear()

    def _return(self, claim: Claim) -> None:
        del self._held[claim.message]
        if self._attempts[claim.message] >= 3:
            self._over.add(claim.message)
        else:
            self._lapsed[claim.message] = claim

    async def _expect(self, attempt: Any, succeeds: bool) -> None:
        try:
            await attempt
        except (ClaimLost, NotFound):
            assert not succeeds
        # A second acknowledgement of what is done says so again.

    async def _check(self) -> None:
        rows = await self._queue.run(
            "SELECT message_id, CASE WHEN state = 'leased' AND due_at <= clock_timestamp()"
            " THEN 'over' ELSE state END AS state FROM claims"
        )
        states = {row["message_id"]: row["state"] for row in rows}
        for message in self._queue.messages:
            if message in self._held and message not in self._due:
                assert states[message] == "leased"
                assert "$Claimed" in await self._queue.keywords(message)
            elif message in self._over:
                # What was refused ends no lease: its transaction is undone.
                assert states[message] in ("done", "dead", "over")
            else:
                assert states.get(message) in (None, "waiting", "over")
