"""Token buckets by key, organization and address."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
import trio.testing

from agentpost.errors import RateLimited
from agentpost.http import ratelimit
from agentpost.http.ratelimit import UNLIMITED, Governor
from agentpost.ids import OrganizationId
from agentpost.model.actor import Actor

ONE = Actor(OrganizationId("org_1"), "key_1", frozenset(), tier="free")
TWO = replace(ONE, credential="key_2")


@pytest.mark.proves("R102", "R103", "R104", "R105")
def test_the_default_tiers() -> None:
    assert dict(ratelimit.DEFAULT_TIERS) == {
        "free": 60,
        "starter": 300,
        "team": 600,
        "enterprise": None,
    }


@pytest.mark.proves("R106")
async def test_tiers_are_configurable(autojump_clock: trio.testing.MockClock) -> None:
    assert Governor({"free": 7}).take(ONE).limit == 7


async def test_an_organization_has_one_limit_for_all_its_keys(
    autojump_clock: trio.testing.MockClock,
) -> None:
    governor = Governor()
    for _ in range(30):
        governor.take(ONE)
        governor.take(TWO)
    assert governor.peek(TWO).remaining == 0
    with pytest.raises(RateLimited) as refused:
        governor.take(ONE)
    assert refused.value.retry_after == pytest.approx(1.0)
    other = replace(ONE, credential="key_9", organization=OrganizationId("org_2"))
    assert governor.take(other).remaining == 59


async def test_a_refusal_costs_nothing(autojump_clock: trio.testing.MockClock) -> None:
    governor = Governor({"free": 1})
    governor.take(ONE)
    for _ in range(10):
        with pytest.raises(RateLimited):
            governor.take(ONE)
    await trio.sleep(60.01)
    governor.take(ONE)


async def test_no_limit_says_so(autojump_clock: trio.testing.MockClock) -> None:
    allowance = Governor().take(replace(ONE, tier="enterprise"))
    assert dict(allowance.fields())["ratelimit-remaining"] == str(UNLIMITED)


async def test_workers_tell_each_other(autojump_clock: trio.testing.MockClock) -> None:
    here, there = Governor(), Governor()
    for _ in range(40):
        here.take(ONE)
    told = here.granted(10)
    assert told == {"key_1": (60, 40), "org_1": (60, 40)}
    assert here.granted(10) == {}
    # Also where the key has not been seen yet.
    there.charge(told)
    assert there.peek(ONE).remaining == 20
    there.charge({"key_1": (60, 10_000)})
    assert there.peek(ONE).remaining == 0
    await trio.sleep(121)
    assert there.peek(ONE).remaining == 60


async def test_those_with_the_most_requests_are_told_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    governor = Governor(strangers_per_minute=10)
    for number in range(1, 6):
        for _ in range(number):
            governor.take_stranger(f"host {number}")
    assert governor.granted(2) == {"address host 5": (10, 5), "address host 4": (10, 4)}
    assert governor.granted(2) == {"address host 3": (10, 3), "address host 2": (10, 2)}
    assert governor.granted(2) == {"address host 1": (10, 1)}
    assert governor.granted(2) == {}


async def test_strangers_are_bounded_by_address(autojump_clock: trio.testing.MockClock) -> None:
    governor = Governor(strangers_per_minute=2)
    governor.take_stranger("192.0.2.1")
    assert governor.peek_stranger("192.0.2.1").remaining == 1
    governor.take_stranger("192.0.2.1")
    with pytest.raises(RateLimited):
        governor.take_stranger("192.0.2.1")
    governor.take_stranger("192.0.2.2")


async def test_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(ratelimit, "MAX_BUCKETS", 100)
    governor = Governor()
    for number in range(1000):
        governor.take_stranger(f"host {number}")
    assert len(governor._buckets) <= 100
    assert governor.peek_stranger("host 999").remaining == 119
