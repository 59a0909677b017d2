"""Full collections look at what is new, and at everything once in an hour."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from agentpost.supervisor.garbage import WHOLE_EVERY_S, Collector


class Cycle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.me = self


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    collector = Collector(clock)
    gc.disable()
    collector.start()
    yield clock
    collector.stop()
    gc.enable()


def test_what_survived_is_not_looked_at_again_until_the_hour(clock: Clock) -> None:
    old: Cycle | None = Cycle()
    ref = weakref.ref(old)
    frozen = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() > frozen
    old = None
    gc.collect()
    assert ref() is not None
    clock.seconds = WHOLE_EVERY_S
    gc.collect()  # From here on everything counts again.
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert ref() is None
    assert gc.get_freeze_count() > 0


def test_new_garbage_is_found_at_once(clock: Clock) -> None:
    gc.collect()
    ref = weakref.ref(Cycle())
    gc.collect()
    assert ref() is None
