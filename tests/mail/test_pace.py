"""The pace towards a provider: what it bears is learnt, and never left far behind or exceeded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mail.transports.pace import Pace


class Clock:
    """A clock that is told how late it is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, most: float = 1000.0) -> Pace:
    return Pace(clock, least=1.0, most=most)


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 0.2)), min_size=30, max_size=100))
def test_turns_never_exceed_the_rate_and_a_seconds_burst(calls: list[tuple[int, float]]) -> None:
    clock = Clock()
    pace = make(clock, most=14.0)
    made: list[tuple[float, int]] = []
    for recipients, pause in calls:
        clock.now += pause
        wait = pace.turn(recipients, 1e9)
        assert wait is not None
        made.append((clock.now + wait, recipients))
    # Over any stretch that begins and ends with a call.
    for first in range(0, len(made), 7):
        for last in range(first + 1, len(made)):
            stretch = made[last][0] - made[first][0]
            sent = sum(n for _, n in made[first:last])
            assert sent <= 14.0 * (stretch + 1) + 50


def test_who_would_wait_too_long_gets_no_turn_and_takes_none_away() -> None:
    clock = Clock()
    pace = make(clock, most=10.0)
    assert pace.turn(50, 0.0) == 0.0
    assert pace.turn(1, 1.0) is None
    assert pace.turn(1, 10.0) == pytest.approx(5.0)


def test_a_refusal_halves_what_went_through_and_success_restores_it() -> None:
    clock = Clock()
    pace = make(clock)
    for _ in range(400):
        clock.now += 0.01
        pace.accepted(1)
    pace.refused()
    assert pace.rate == pytest.approx(50, rel=0.1)
    before = pace.rate
    # Those that were under way are refused for the same reason.
    clock.now += 0.5
    pace.refused()
    assert pace.rate == before
    clock.now += 1.0
    pace.refused()
    assert pace.rate < before
    low = pace.rate
    for _ in range(int(low * 60)):
        clock.now += 1 / low
        pace.accepted(1)
    assert pace.rate > 1.5 * low


def test_a_quota_that_others_use_too_is_halved() -> None:
    clock = Clock()
    pace = make(clock)
    pace.quota(14.0)
    pace.refused()
    assert pace.rate == 7.0


def test_it_never_stops_nor_exceeds_the_quota() -> None:
    clock = Clock()
    pace = make(clock)
    for _ in range(50):
        clock.now += 2
        pace.refused()
    assert pace.rate == 1.0
    pace.quota(14.0)
    for _ in range(100_000):
        clock.now += 0.01
        pace.accepted(50)
    assert pace.rate == 14.0
