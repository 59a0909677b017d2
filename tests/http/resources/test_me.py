"""Who the caller is told to be."""

from __future__ import annotations

from agentpost.model.actor import system_actor
from tests.http.resources.conftest import Api, Tenant


async def test_a_key_is_told_what_it_is(acme: Tenant) -> None:
    me = (await acme.call("GET", "/me")).json
    assert me["organization"]["id"] == acme.organization.id
    assert me["organization"]["tier"] == "enterprise"
    assert me["environment"]["id"] == acme.environment.id
    assert (me["environment_ids"], me["inbox_ids"]) == (None, None)
    assert "messages:send" in me["scopes"]
    copy = await acme.call("POST", "/api-keys", {"name": "Copy", "scopes": me["scopes"]})
    assert copy.status == 201
    assert me["limits"]["requests_per_minute"] is None
    assert me["usage"] == {"mails_today": 0}


async def test_any_key_may_ask_and_learns_its_bounds(acme: Tenant) -> None:
    inbox = await acme.inbox()
    second, _ = await acme.store.environments.create(acme.actor, "Second")
    third, _ = await acme.store.environments.create(acme.actor, "Third")
    narrow = await acme.caller("events:read", inboxes=(inbox.id,))
    me = (await narrow("GET", "/me")).json
    assert (me["scopes"], me["inbox_ids"]) == (["events:read"], [inbox.id])
    several = await acme.caller("events:read", environments=(second.id, third.id))
    me = (await several("GET", "/me")).json
    assert me["environment"] is None
    assert me["environment_ids"] == sorted([second.id, third.id])
    me = (await several("GET", "/me", agentpost_environment=third.id)).json
    assert me["environment"]["name"] == "Third"


async def test_limits_are_the_tier_s(acme: Tenant) -> None:
    await acme.store.organizations.set_tier(system_actor(), acme.organization.id, "free")
    fresh = await acme.caller("inboxes:read")
    answer = await fresh("GET", "/me")
    assert answer.json["limits"]["requests_per_minute"] == 60
    assert answer.json["limits"]["mails_per_day"] == 200
    assert answer.fields["ratelimit-limit"] == "60"


async def test_no_key_is_nobody(api: Api) -> None:
    answer = await api.stranger()("GET", "/me")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.fields["www-authenticate"].startswith("Bearer")
