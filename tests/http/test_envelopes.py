"""Envelopes are made once for all who want them at the same moment, and forgotten again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from agentpost.http.envelopes import Envelopes
from agentpost.limits import EventLimits

LIMITS = EventLimits(envelope_octets=10, envelope_keep_s=5)


class Maker:
    def __init__(self, octets: bytes = b"abcd") -> None:
        self.octets = octets
        self.begun = 0
        self.go = trio.Event()

    async def __call__(self) -> bytes:
        self.begun += 1
        await self.go.wait()
        return self.octets


async def test_a_thousand_listeners_have_it_made_once(autojump_clock: MockClock) -> None:
    envelopes, maker = Envelopes(LIMITS), Maker()
    told: list[bytes] = []

    async def listen() -> None:
        told.append(await envelopes.get(("evt_1", True), maker))

    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(listen)
        await wait_all_tasks_blocked()
        maker.go.set()
    assert (maker.begun, told) == (1, [b"abcd"] * 1000)
    assert await envelopes.get(("evt_1", False), maker) == b"abcd"
    assert maker.begun == 2
    await trio.sleep(5.1)
    await envelopes.get(("evt_1", True), maker)
    assert maker.begun == 3


async def test_a_maker_that_goes_away_or_fails_leaves_it_to_the_next(
    autojump_clock: MockClock,
) -> None:
    envelopes, maker = Envelopes(LIMITS), Maker()
    told: list[bytes] = []
    scope = trio.CancelScope()

    async def first() -> None:
        with scope:
            await envelopes.get(("evt_1", True), maker)

    async def second() -> None:
        told.append(await envelopes.get(("evt_1", True), maker))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await wait_all_tasks_blocked()
        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        scope.cancel()
        await wait_all_tasks_blocked()
        maker.go.set()
    assert (maker.begun, told) == (2, [b"abcd"])

    async def failing() -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await envelopes.get(("evt_2", True), failing)
    assert await envelopes.get(("evt_2", True), maker) == b"abcd"


async def test_what_is_kept_is_bounded(autojump_clock: MockClock) -> None:
    envelopes, maker = Envelopes(replace(LIMITS, envelope_octets=9)), Maker()
    maker.go.set()
    for number in (1, 2, 3):
        await envelopes.get((f"evt_{number}", True), maker)
    assert maker.begun == 3
    await envelopes.get(("evt_3", True), maker)
    await envelopes.get(("evt_2", True), maker)
    assert maker.begun == 3
    await envelopes.get(("evt_1", True), maker)
    assert maker.begun == 4
