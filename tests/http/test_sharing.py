"""Limits on requests hold for all workers together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import trio
import trio.testing

from agentpost.errors import RateLimited
from agentpost.http.ratelimit import Governor
from agentpost.http.sharing import Sharing
from agentpost.limits import HttpLimits
from tests.http.test_ratelimit import ONE, TWO

LIMITS = HttpLimits()


class Workers:
    """Some workers that hear each other, and themselves."""

    def __init__(self, nursery: trio.Nursery, count: int) -> None:
        self.sent: list[str] = []
        self.governors = [Governor() for _ in range(count)]
        self.sharings = [Sharing(one, self.send, LIMITS) for one in self.governors]
        for sharing in self.sharings:
            nursery.start_soon(sharing.run)

    async def send(self, payloads: Sequence[str]) -> None:
        self.sent += payloads
        for payload in payloads:
            for sharing in self.sharings:
                sharing.heard(payload)


async def test_who_goes_from_worker_to_worker_gains_nothing(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    workers = Workers(nursery, 3)
    granted = 0
    for number in range(3 * 120):
        await trio.sleep(1.0)
        # Each asks as much as it can, one worker after the other.
        for _ in range(20):
            try:
                workers.governors[number % 3].take(ONE)
                granted += 1
            except RateLimited:
                break
    # Sixty at once, then sixty a minute, and what two may grant between telling each other.
    assert 60 + 6 * 60 - 20 <= granted <= 60 + 6 * 60 + 20


async def test_many_are_told_in_pieces_that_postgresql_takes(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    workers = Workers(nursery, 2)
    here, there = workers.governors
    hosts = [f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:04x}" for number in range(1500)]
    for host in hosts:
        for _ in range(5):
            here.take_stranger(host)
    await trio.sleep(1.2)
    assert max(there.peek_stranger(host).remaining for host in hosts) < 120
    assert all(len(payload) < 8000 for payload in workers.sent)
    count = len(workers.sent)
    await trio.sleep(60)
    assert len(workers.sent) == count


@pytest.mark.parametrize(
    "payload",
    ["?", "[]", "{}", '{"worker":"w","buckets":{"key_1":[0,1]}}', '{"worker":"w","buckets":3}'],
)
async def test_what_is_not_understood_is_left_alone(
    payload: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    governor = Governor()
    sharing = Sharing(governor, partial(trio.sleep, 0), LIMITS)
    with caplog.at_level(logging.WARNING):
        sharing.heard(payload)
    assert len(caplog.records) == 1
    sharing.heard("")  # Anything may have been missed; nothing can be done about it.
    assert len(caplog.records) == 1
    assert governor.peek(replace(TWO, tier="free")).remaining == 60
