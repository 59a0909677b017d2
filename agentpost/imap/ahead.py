"""Preparing the next step while the present one goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

Step = TypeVar("Step")
Made = TypeVar("Made")


@dataclass(slots=True)
class _Slot(Generic[Made]):
    ready: trio.Event = field(default_factory=trio.Event)
    made: list[Made] = field(default_factory=list)
    error: Exception | None = None


async def one_ahead(
    steps: Iterable[Step],
    make: Callable[[Step], Awaitable[Made]],
    use: Callable[[Step, Made], Awaitable[None]],
) -> None:
    """``use`` what ``make`` gives for each step, in order; one step is made ahead, never more.

    Raises: what ``make`` and ``use`` raise, as it is; nothing is under way any longer then.
    """
    waiting = iter(steps)
    step = next(waiting, None)
    if step is None:
        return
    made = await make(step)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            while (following := next(waiting, None)) is not None:
                slot = _Slot[Made]()
                nursery.start_soon(_fill, slot, make, following)
                await use(step, made)
                await slot.ready.wait()
                if slot.error is not None:
                    raise slot.error
                step, made = following, slot.made[0]
        except Exception as error:
            failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    await use(step, made)


async def _fill(slot: _Slot[Made], make: Callable[[Step], Awaitable[Made]], step: Step) -> None:
    try:
        slot.made.append(await make(step))
    except Exception as error:
        slot.error = error
    slot.ready.set()
