"""The first start of a server on an empty database."""

from __future__ import annotations

import pytest
import trio

from agentpost.errors import InvalidRequest
from agentpost.model.actor import SCOPES, widen
from agentpost.model.organization import NewApiKey
from agentpost.model.page import PageRequest
from agentpost.store.bootstrap import bootstrap
from tests.store.conftest import Parts


@pytest.mark.proves("R32", "R80")
async def test_the_first_start_makes_one_organization_and_a_key_for_everything(
    parts: Parts,
) -> None:
    made = await bootstrap(parts.database)
    assert made is not None
    assert made.secret.startswith("ap_sk_live_")
    actor = await parts.authentication.by_key(made.secret, peer=None)
    assert actor.scopes == widen(SCOPES)
    assert (actor.environments, actor.inboxes, actor.tier) == (None, None, "enterprise")
    organization = await parts.organizations.get(actor)
    assert (organization.name, organization.slug) == ("Default", "default")
    (environment,) = (await parts.environments.page(actor, PageRequest())).rows
    assert (environment.kind, environment.is_default) == ("live", True)
    assert actor.environment == environment.id


async def test_later_starts_make_nothing(parts: Parts) -> None:
    assert await bootstrap(parts.database) is not None
    assert await bootstrap(parts.database) is None
    assert await bootstrap(parts.database, "ap_sk_" + "b" * 32) is None


async def test_of_two_first_starts_at_once_one_makes(parts: Parts) -> None:
    outcomes: list[NewApiKey | None] = []

    async def start() -> None:
        outcomes.append(await bootstrap(parts.database))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(start)
    assert sum(made is not None for made in outcomes) == 1


@pytest.mark.parametrize("key", ["ap_sk_" + "a" * 32, "ap_sk_test_" + "Z9" * 20])
async def test_a_given_key_is_the_first_one(parts: Parts, key: str) -> None:
    made = await bootstrap(parts.database, key)
    assert made is not None
    assert made.secret == key
    await parts.authentication.by_key(key, peer=None)


@pytest.mark.parametrize(
    "key", ["", "secret", "ap_sk_short", "ap_mail_" + "a" * 32, "ap_sk_live_" + "-" * 32]
)
async def test_a_malformed_key_is_refused_with_its_form(parts: Parts, key: str) -> None:
    with pytest.raises(InvalidRequest, match="ap_sk_") as refused:
        await bootstrap(parts.database, key)
    assert not key or key not in refused.value.message
    assert "AGENTPOST_BOOTSTRAP_KEY" in refused.value.fix
    assert await bootstrap(parts.database) is not None
