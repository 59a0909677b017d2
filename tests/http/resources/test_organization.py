"""The organization over REST (R27, R28)."""

from __future__ import annotations

import pytest

from tests.http.resources.conftest import Api, Tenant, deliver


async def test_the_organization_is_read_and_renamed(acme: Tenant) -> None:
    read = (await acme.call("GET", "/org")).json
    assert (read["id"], read["slug"], read["tier"]) == (acme.organization.id, "acme", "enterprise")
    assert read["limits"] == {
        "requests_per_minute": None,
        "mails_per_day": None,
        "max_message_octets": 10 * 1024 * 1024,
    }
    changed = await acme.call("PATCH", "/org", {"name": "Acme Ltd", "slug": "acme-ltd"})
    assert (changed.json["name"], changed.json["slug"]) == ("Acme Ltd", "acme-ltd")
    assert (await acme.call("GET", "/org")).json == changed.json


async def test_a_slug_is_taken_once(acme: Tenant, globex: Tenant) -> None:
    assert (await globex.call("PATCH", "/org", {"slug": "acme"})).code == "already_exists"
    assert (await globex.call("GET", "/org")).json["slug"] == "globex"


async def test_usage_counts_what_is_there(api: Api, acme: Tenant, globex: Tenant) -> None:
    await deliver(api.store, await globex.inbox())
    inbox = await acme.inbox()
    await deliver(api.store, inbox)
    usage = (await acme.call("GET", "/org/usage")).json
    assert (usage["inboxes"], usage["messages"], usage["environments"]) == (1, 1, 1)
    assert usage["storage_octets"] > 0
    assert (usage["mails_today"], usage["mails_left_today"]) == (0, None)
    assert usage["api_keys"] == 1


async def test_the_scopes_are_needed(acme: Tenant) -> None:
    reader = await acme.caller("org:read")
    assert (await reader("GET", "/org")).status == 200
    assert (await reader("PATCH", "/org", {"name": "B"})).status == 403
    other = await acme.caller("inboxes:read")
    for path in ("/org", "/org/usage"):
        assert (await other("GET", path)).code == "forbidden"
    inbox = await acme.inbox()
    bound = await acme.caller("org:write", inboxes=(inbox.id,))
    assert (await bound("PATCH", "/org", {"name": "B"})).code == "forbidden"


@pytest.mark.parametrize(
    ("body", "path"),
    [({"tier": "free"}, "tier"), ({"name": ""}, "name"), ({"slug": "A b"}, "slug")],
)
async def test_a_wrong_field_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    answer = await acme.call("PATCH", "/org", body)
    assert (answer.status, answer.paths) == (422, [path])
