"""Environments over REST (R32-R35)."""

from __future__ import annotations

import pytest

from tests.http.resources.conftest import Api, Tenant


async def test_an_environment_is_made_read_changed_and_deleted(acme: Tenant) -> None:
    made = await acme.call("POST", "/environments", {"name": "Staging", "kind": "test"})
    assert made.status == 201
    assert made.json["slug"] == "staging"
    assert made.json["is_default"] is False
    path = f"/environments/{made.json['id']}"
    read = await acme.call("GET", path)
    assert read.json == made.json
    assert read.fields["etag"] == made.fields["etag"]
    changed = await acme.call("PATCH", path, {"name": "Tests", "slug": "tests"})
    assert (changed.json["name"], changed.json["slug"]) == ("Tests", "tests")
    assert changed.fields["etag"] != made.fields["etag"]
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).code == "not_found"


async def test_every_organization_has_a_default(acme: Tenant) -> None:
    listed = (await acme.call("GET", "/environments")).json
    assert [each["is_default"] for each in listed["data"]] == [True]
    first = f"/environments/{listed['data'][0]['id']}"
    assert (await acme.call("DELETE", first)).code == "conflict"
    assert (await acme.call("PATCH", first, {"is_default": False})).code == "conflict"
    other = (await acme.call("POST", "/environments", {"name": "B"})).json
    await acme.call("PATCH", f"/environments/{other['id']}", {"is_default": True})
    assert (await acme.call("GET", first)).json["is_default"] is False


async def test_a_client_id_gives_the_same_environment(acme: Tenant) -> None:
    body = {"name": "Customer 7", "client_id": "customer-7"}
    first = await acme.call("POST", "/environments", body)
    second = await acme.call("POST", "/environments", body)
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json


async def test_only_an_empty_environment_goes_without_purge(acme: Tenant) -> None:
    made = (await acme.call("POST", "/environments", {"name": "B"})).json["id"]
    inbox = await acme.call("POST", "/inboxes", {}, AgentPost_Environment=made)
    assert inbox.json["environment_id"] == made
    assert (await acme.call("DELETE", f"/environments/{made}")).code == "conflict"
    assert (await acme.call("DELETE", f"/environments/{made}?purge=true")).status == 204
    assert (await acme.call("GET", f"/inboxes/{inbox.json['id']}")).status == 404


async def test_pages_follow_each_other_in_both_orders(acme: Tenant) -> None:
    for number in range(4):
        await acme.call("POST", "/environments", {"name": f"E{number}"})
    for order in ("asc", "desc"):
        names, path = [], f"/environments?limit=2&order={order}"
        cursor = ""
        while True:
            page = (await acme.call("GET", path + cursor)).json
            names += [each["name"] for each in page["data"]]
            if not page["has_more"]:
                assert page["next_cursor"] is None
                break
            cursor = "&cursor=" + page["next_cursor"]
        ordered = ["Default", "E0", "E1", "E2", "E3"]
        assert names == (ordered if order == "asc" else ordered[::-1])
    first = (await acme.call("GET", "/environments?limit=2")).json["next_cursor"]
    wrong = await acme.call("GET", f"/environments?limit=2&order=asc&cursor={first}")
    assert (wrong.status, wrong.code) == (400, "invalid_cursor")


async def test_a_stale_if_match_changes_nothing(acme: Tenant) -> None:
    made = await acme.call("POST", "/environments", {"name": "B"})
    path, tag = f"/environments/{made.json['id']}", made.fields["etag"]
    assert (await acme.call("PATCH", path, {"name": "C"}, If_Match=tag)).status == 200
    stale = await acme.call("PATCH", path, {"name": "D"}, If_Match=tag)
    assert (stale.status, stale.code) == (412, "precondition_failed")
    assert (await acme.call("DELETE", path, If_Match=tag)).status == 412
    assert (await acme.call("GET", path)).json["name"] == "C"


async def test_what_is_foreign_is_not_there(acme: Tenant, globex: Tenant) -> None:
    foreign = f"/environments/{globex.environment.id}"
    for method, body in (("GET", None), ("PATCH", {"name": "Mine"}), ("DELETE", None)):
        answer = await acme.call(method, foreign, body)
        assert (answer.status, answer.code) == (404, "not_found")
    listed = (await acme.call("GET", "/environments")).json["data"]
    assert globex.environment.id not in [each["id"] for each in listed]


async def test_the_scopes_are_needed(api: Api, acme: Tenant) -> None:
    reader = await acme.caller("environments:read")
    assert (await reader("GET", "/environments")).status == 200
    assert (await reader("POST", "/environments", {"name": "B"})).status == 403
    other = await acme.caller("inboxes:read")
    assert (await other("GET", "/environments")).code == "forbidden"
    assert (await api.stranger()("GET", "/environments")).status == 401


async def test_a_bound_key_sees_its_own_environment_only(acme: Tenant) -> None:
    made = (await acme.call("POST", "/environments", {"name": "B"})).json["id"]
    bound = await acme.caller("environments:read", "environments:write", environments=(made,))
    listed = (await bound("GET", "/environments")).json["data"]
    assert [each["id"] for each in listed] == [made]
    assert (await bound("GET", f"/environments/{acme.environment.id}")).status == 404
    assert (await bound("POST", "/environments", {"name": "C"})).status == 403


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "B", "colour": "red"}, "colour"),
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "B", "kind": "prod"}, "kind"),
        ({"name": "B", "slug": "No Slug"}, "slug"),
        ({"name": "B", "client_id": "a b"}, "client_id"),
    ],
)
async def test_a_wrong_field_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    answer = await acme.call("POST", "/environments", body)
    assert (answer.status, answer.paths) == (422, [path])


async def test_the_relay_of_an_environment_is_shown_and_changed(acme: Tenant) -> None:
    path = f"/environments/{acme.environment.id}"
    assert (await acme.call("GET", path)).json["relay"] is None
    assert (await acme.call("PATCH", path, {"relay": "simulator"})).json["relay"] == "simulator"
    assert (await acme.call("PATCH", path, {"name": "N"})).json["relay"] == "simulator"
    for wrong in ("ses", "carrier pigeon", 7):
        refused = await acme.call("PATCH", path, {"relay": wrong})
        assert refused.status == 422
        assert refused.json["errors"][0]["path"] == "relay"
    assert (await acme.call("PATCH", path, {"relay": None})).json["relay"] is None
