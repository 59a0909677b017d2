"""Organizations and their environments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio

from agentpost.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Limit,
    NotFound,
    PreconditionFailed,
    UnknownField,
)
from agentpost.limits import IdentityLimits
from agentpost.model.actor import system_actor
from agentpost.model.audit import AuditFilter
from agentpost.model.organization import Environment, NewApiKey
from agentpost.model.page import PageRequest
from agentpost.store.environments import Environments
from agentpost.store.inboxes import InboxRequest
from agentpost.store.keys import KeyRequest
from tests.store.conftest import Parts, Tenant, make_inbox


@pytest.mark.proves("R27", "R28", "R32")
async def test_an_organization_is_founded_with_its_default_environment(
    parts: Parts, acme: Tenant
) -> None:
    organization = await parts.organizations.get(acme.actor)
    assert (organization.name, organization.slug, organization.tier) == (
        "Acme",
        "acme",
        "enterprise",
    )
    page = await parts.environments.page(acme.actor, PageRequest())
    assert page.rows == (acme.environment,)
    assert (acme.environment.slug, acme.environment.is_default, acme.environment.kind) == (
        "default",
        True,
        "live",
    )


async def test_only_the_server_founds_and_places_organizations(parts: Parts, acme: Tenant) -> None:
    for action in (
        parts.organizations.create(acme.actor, "X", "x", "free"),
        parts.organizations.set_tier(acme.actor, acme.organization.id, "enterprise"),
    ):
        with pytest.raises(Forbidden):
            await action
    server = system_actor()
    changed = await parts.organizations.set_tier(server, acme.organization.id, "free")
    assert changed.tier == "free"
    with pytest.raises(AlreadyExists):
        await parts.organizations.create(server, "X", "acme", "free")
    for slug, tier in (("", "free"), ("A", "free"), ("a-", "free"), ("a", "gold")):
        with pytest.raises(UnknownField):
            await parts.organizations.create(server, "X", slug, tier)  # type: ignore[arg-type]


async def test_an_organization_changes_its_name_but_not_its_tier(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    changed = await parts.organizations.update(acme.actor, name="ACME Inc.", slug="acme-inc")
    assert (changed.name, changed.slug, changed.tier) == ("ACME Inc.", "acme-inc", "enterprise")
    with pytest.raises(AlreadyExists):
        await parts.organizations.update(acme.actor, slug="globex")
    with pytest.raises(UnknownField):
        await parts.organizations.update(acme.actor, name="a\0")
    with pytest.raises(Forbidden, match="org:write"):
        await parts.organizations.update(acme.limited("org:read"), name="x")
    bound = replace(acme.actor, environments=frozenset({acme.environment.id}))
    with pytest.raises(Forbidden):
        await parts.organizations.update(bound, name="x")
    assert await parts.organizations.get(globex.actor) == globex.organization


async def test_usage_counts_what_the_organization_holds(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    await make_inbox(parts, acme)
    await make_inbox(parts, globex)
    usage = await parts.organizations.usage(acme.actor)
    assert (usage.environments, usage.inboxes, usage.keys, usage.mails_today) == (1, 1, 0, 0)
    assert (usage.messages, usage.octets) == (0, 0)


@pytest.mark.proves("R32", "R35")
async def test_an_environment_is_made_once_for_its_client_id(parts: Parts, acme: Tenant) -> None:
    made, created = await parts.environments.create(
        acme.actor, "Customer Nº 1", kind="test", client_id="c1"
    )
    again, created_again = await parts.environments.create(acme.actor, "Other", client_id="c1")
    assert (created, created_again) == (True, False)
    assert again == made
    assert (made.slug, made.kind, made.is_default, made.version) == (
        "customer-n-1",
        "test",
        False,
        1,
    )
    foreign, _ = await parts.environments.create(acme.actor, "日本")
    assert foreign.slug == foreign.id[4:].lower()
    with pytest.raises(AlreadyExists):
        await parts.environments.create(acme.actor, "Default")
    with pytest.raises(UnknownField):
        await parts.environments.create(acme.actor, "X", kind="prod")  # type: ignore[arg-type]


async def test_of_two_creates_at_once_with_one_client_id_one_makes(
    parts: Parts, acme: Tenant
) -> None:
    outcomes: list[tuple[Environment, bool]] = []

    async def create() -> None:
        outcomes.append(await parts.environments.create(acme.actor, "New", client_id="one"))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(create)
    assert len({each.id for each, _ in outcomes}) == 1
    assert sorted(created for _, created in outcomes) == [False] * 5 + [True]


async def test_the_number_of_environments_is_bounded(parts: Parts, acme: Tenant) -> None:
    one = Environments(parts.door, limits=IdentityLimits(max_environments=1))
    with pytest.raises(Limit):
        await one.create(acme.actor, "Second")


@pytest.mark.proves("R83")
async def test_a_bound_key_sees_its_environments_and_makes_none(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    third, _ = await parts.environments.create(acme.actor, "Third")
    bound = replace(acme.actor, environments=frozenset({second.id}))
    page = await parts.environments.page(bound, PageRequest())
    assert page.rows == (second,)
    actions: list[Any] = [
        parts.environments.get(bound, third.id),
        parts.environments.update(bound, third.id, name="x"),
        parts.environments.delete(bound, third.id),
        parts.environments.get(globex.actor, second.id),
        parts.environments.delete(globex.actor, second.id, purge_all=True),
        parts.environments.get(acme.actor, "a\0b"),
    ]
    for action in actions:
        with pytest.raises(NotFound):
            await action
    inbox = await make_inbox(parts, acme)
    to_inbox = replace(acme.actor, inboxes=frozenset({inbox.id}))
    refused: list[Any] = [
        parts.environments.create(bound, "x"),
        parts.environments.update(bound, second.id, is_default=True),
        parts.environments.update(to_inbox, second.id, name="x"),
        parts.environments.delete(to_inbox, second.id, purge_all=True),
        parts.environments.create(acme.limited("environments:read"), "x"),
    ]
    for action in refused:
        with pytest.raises(Forbidden):
            await action
    first = await parts.environments.page(acme.actor, PageRequest(limit=2))
    rest = await parts.environments.page(
        acme.actor, PageRequest(limit=2, position=first.next_position)
    )
    assert [each.id for each in (*first.rows, *rest.rows)] == [
        third.id,
        second.id,
        acme.environment.id,
    ]


async def test_there_is_always_one_default(parts: Parts, acme: Tenant) -> None:
    made = [(await parts.environments.create(acme.actor, f"E{n}"))[0] for n in range(3)]
    with pytest.raises(Conflict):
        await parts.environments.update(acme.actor, acme.environment.id, is_default=False)

    async def become(environment: Environment) -> None:
        try:
            await parts.environments.update(acme.actor, environment.id, is_default=True)
        except Conflict:
            return

    async with trio.open_nursery() as nursery:
        for each in made:
            nursery.start_soon(become, each)
    page = await parts.environments.page(acme.actor, PageRequest())
    assert [each.is_default for each in page.rows].count(True) == 1
    assert not page.rows[-1].is_default


async def test_an_update_is_checked_against_if_match(parts: Parts, acme: Tenant) -> None:
    made, _ = await parts.environments.create(acme.actor, "Second")
    changed = await parts.environments.update(
        acme.actor, made.id, name="Two", slug="two", if_match=frozenset({"1"})
    )
    assert (changed.name, changed.slug, changed.version) == ("Two", "two", 2)
    with pytest.raises(PreconditionFailed):
        await parts.environments.update(acme.actor, made.id, name="x", if_match=frozenset({"1"}))
    with pytest.raises(PreconditionFailed):
        await parts.environments.delete(acme.actor, made.id, if_match=frozenset({"1"}))
    with pytest.raises(AlreadyExists):
        await parts.environments.update(acme.actor, made.id, slug="default")


async def test_an_environment_goes_when_it_is_empty_or_purged(parts: Parts, acme: Tenant) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    made, _ = await parts.inboxes.create(acme.actor, InboxRequest("a"), second.id)
    with pytest.raises(Conflict):
        await parts.environments.delete(acme.actor, acme.environment.id)
    await parts.inboxes.delete(acme.actor, made.inbox.id)
    with pytest.raises(Conflict, match="1 inboxes"):
        await parts.environments.delete(acme.actor, second.id)
    await parts.environments.delete(acme.actor, second.id, purge_all=True)
    for action in (
        parts.environments.get(acme.actor, second.id),
        parts.inboxes.get(acme.actor, made.inbox.id, include_deleted=True),
    ):
        with pytest.raises(NotFound):  # type: ignore[unreachable, unused-ignore]
            await action
    page = await parts.audit.page(acme.actor, AuditFilter(resource=second.id), PageRequest())
    assert [entry.action for entry in page.rows] == ["environment.deleted", "environment.created"]


async def test_a_key_of_a_purged_environment_is_no_key_for_everything(
    parts: Parts, acme: Tenant
) -> None:
    second, _ = await parts.environments.create(acme.actor, "Second")
    keys = []
    for environments in ((second.id,), (second.id, acme.environment.id)):
        request = KeyRequest("key", ("org:read",), environments=environments)
        made, _ = await parts.keys.create(acme.actor, request)
        assert isinstance(made, NewApiKey)
        keys.append(made)
    await parts.environments.delete(acme.actor, second.id)
    alone, both = [await parts.keys.get(acme.actor, made.key.id) for made in keys]
    assert (alone.environments, alone.revoked_at is None) == ((), False)
    assert (both.environments, both.revoked_at) == ((acme.environment.id,), None)


async def test_an_inbox_is_not_made_in_an_environment_that_goes(parts: Parts, acme: Tenant) -> None:
    for _ in range(5):
        second, _ = await parts.environments.create(acme.actor, "Second")
        outcomes: list[str] = []

        async def create(place: str, outcomes: list[str]) -> None:
            try:
                await parts.inboxes.create(acme.actor, InboxRequest("a"), place)
                outcomes.append("made")
            except NotFound:
                outcomes.append("not made")

        async def delete(place: str, outcomes: list[str]) -> None:
            try:
                await parts.environments.delete(acme.actor, place)
                outcomes.append("deleted")
            except Conflict:
                outcomes.append("kept")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, second.id, outcomes)
            nursery.start_soon(delete, second.id, outcomes)
        assert sorted(outcomes) in (["deleted", "not made"], ["kept", "made"])
        if "kept" in outcomes:
            await parts.environments.delete(acme.actor, second.id, purge_all=True)


@pytest.mark.proves("R32")
async def test_an_environment_chooses_its_way_out_of_those_that_are_set_up(
    parts: Parts, acme: Tenant
) -> None:
    update, environment = parts.environments.update, acme.environment
    assert environment.relay is None
    assert (await update(acme.actor, environment.id, relay="ses")).relay == "ses"
    # What is not named stays.
    assert (await update(acme.actor, environment.id, name="Other")).relay == "ses"
    assert (await update(acme.actor, environment.id, relay=None)).relay is None
    with pytest.raises(UnknownField, match="must be one of ses, simulator"):
        await update(acme.actor, environment.id, relay="smtp")
    made, _ = await parts.environments.create(acme.actor, "Tests", kind="test")
    with pytest.raises(UnknownField, match="always simulated"):
        await update(acme.actor, made.id, relay="ses")
    assert (await update(acme.actor, made.id, relay="simulator")).relay == "simulator"
