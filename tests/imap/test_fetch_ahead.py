"""One step is prepared while the one before it is used, never more, and failures come out bare."""

from __future__ import annotations

import pytest
import trio

from agentpost.imap.ahead import one_ahead


async def test_steps_are_used_in_order_and_one_is_made_ahead(autojump_clock: object) -> None:
    made: list[int] = []
    used: list[tuple[int, int]] = []

    async def make(step: int) -> str:
        made.append(step)
        await trio.sleep(0)
        return f"made {step}"

    async def use(step: int, value: str) -> None:
        assert value == f"made {step}"
        await trio.sleep(10)
        used.append((step, len(made)))

    await one_ahead(range(6), make, use)
    assert used == [(step, min(step + 2, 6)) for step in range(6)]


async def test_nothing_to_do() -> None:
    async def never(*_: object) -> None:
        raise AssertionError

    await one_ahead((), never, never)


@pytest.mark.parametrize("at", [0, 1, 4])
async def test_a_failure_comes_out_as_it_is(at: int) -> None:
    async def fail_making(step: int) -> int:
        await trio.sleep(0)
        if step == at:
            raise KeyError(step)
        return step

    async def fail_using(step: int, _: int) -> None:
        await trio.sleep(0)
        if step == at:
            raise LookupError(step)

    async def make(step: int) -> int:
        return step

    async def use(step: int, _: int) -> None:
        assert step < at

    with pytest.raises(KeyError):
        await one_ahead(range(5), fail_making, use)
    with pytest.raises(LookupError):
        await one_ahead(range(5), make, fail_using)


async def test_cancelling_ends_what_is_being_made(autojump_clock: object) -> None:
    async def make(step: int) -> int:
        if step:
            await trio.sleep(100)
        return step

    async def use(_: int, __: int) -> None:
        await trio.sleep(100)

    with trio.move_on_after(5) as scope:
        await one_ahead(range(5), make, use)
    assert scope.cancelled_caught
    assert trio.current_time() < 6
