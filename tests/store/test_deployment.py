"""Secrets of the deployment: made once, whoever asks first."""

from __future__ import annotations

import trio

from agentpost.store.deployment import Deployment
from tests.store.conftest import Parts


async def test_deployment_secrets_are_made_once(parts: Parts) -> None:
    one, two = Deployment(parts.door), Deployment(parts.door)
    first = await one.secret("a")
    assert len(first) == 32
    assert await two.secret("a") == first
    assert await two.secret("b") != first


async def test_those_who_ask_at_once_are_told_the_same(parts: Parts) -> None:
    told: list[bytes] = []

    async def ask() -> None:
        told.append(await Deployment(parts.door).secret("seal"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(ask)
    assert len(told) == 8
    assert len(set(told)) == 1
