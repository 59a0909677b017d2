"""API keys over REST (R76-R95)."""

from __future__ import annotations

import pytest

from tests.http.resources.conftest import Api, Caller, Tenant


def with_key(api: Api, key: str) -> Caller:
    caller = api.stranger()
    caller.key = key
    return caller


async def test_a_key_is_shown_once_and_works(api: Api, acme: Tenant) -> None:
    made = await acme.call("POST", "/api-keys", {"name": "Agent", "scopes": ["inboxes:read"]})
    assert made.status == 201
    secret = made.json["key"]
    assert secret.startswith(made.json["prefix"])
    agent = with_key(api, secret)
    assert (await agent("GET", "/inboxes")).status == 200
    assert (await agent("POST", "/inboxes", {})).status == 403
    read = await acme.call("GET", f"/api-keys/{made.json['id']}")
    assert "key" not in read.json
    assert secret not in (await acme.call("GET", "/api-keys")).octets.decode()


async def test_a_client_id_gives_the_same_key_without_its_secret(acme: Tenant) -> None:
    body = {"name": "Agent", "scopes": ["inboxes:read"], "client_id": "agent-1"}
    first = await acme.call("POST", "/api-keys", body)
    second = await acme.call("POST", "/api-keys", body)
    assert (first.status, second.status) == (201, 200)
    assert second.json["id"] == first.json["id"]
    assert "key" not in second.json


async def test_a_revoked_key_works_no_more(api: Api, acme: Tenant) -> None:
    made = (await acme.call("POST", "/api-keys", {"name": "A", "scopes": ["inboxes:read"]})).json
    agent = with_key(api, made["key"])
    assert (await agent("GET", "/inboxes")).status == 200
    assert (await acme.call("DELETE", f"/api-keys/{made['id']}")).status == 204
    assert (await agent("GET", "/inboxes")).status == 401
    listed = [each["id"] for each in (await acme.call("GET", "/api-keys")).json["data"]]
    assert made["id"] not in listed
    everything = (await acme.call("GET", "/api-keys?include_revoked=true")).json["data"]
    assert [e["revoked_at"] is not None for e in everything if e["id"] == made["id"]] == [True]
    changed = await acme.call("PATCH", f"/api-keys/{made['id']}", {"name": "B"})
    assert changed.code == "conflict"


async def test_a_rotated_key_has_the_same_rights(api: Api, acme: Tenant) -> None:
    made = (await acme.call("POST", "/api-keys", {"name": "A", "scopes": ["inboxes:read"]})).json
    path = f"/api-keys/{made['id']}/rotate"
    second = await acme.call("POST", path)
    assert second.status == 201
    assert second.json["scopes"] == made["scopes"]
    assert (await with_key(api, made["key"])("GET", "/inboxes")).status == 200
    third = await acme.call("POST", path, {"overlap_s": 0})
    assert (await with_key(api, made["key"])("GET", "/inboxes")).status == 401
    assert (await with_key(api, third.json["key"])("GET", "/inboxes")).status == 200
    assert (await acme.call("POST", path, {"overlap_s": -1})).paths == ["overlap_s"]


async def test_a_changed_key_may_less_at_once(api: Api, acme: Tenant) -> None:
    scopes = ["inboxes:read", "inboxes:write"]
    made = await acme.call("POST", "/api-keys", {"name": "A", "scopes": scopes})
    agent = with_key(api, made.json["key"])
    assert (await agent("POST", "/inboxes", {})).status == 201
    path, tag = f"/api-keys/{made.json['id']}", made.fields["etag"]
    body = {"scopes": ["inboxes:read"], "expires_at": "2099-01-01T00:00:00Z"}
    changed = await acme.call("PATCH", path, body, If_Match=tag)
    assert changed.json["scopes"] == ["inboxes:read"]
    assert changed.json["expires_at"] == "2099-01-01T00:00:00.000Z"
    assert (await agent("POST", "/inboxes", {})).status == 403
    assert (await acme.call("PATCH", path, {"name": "B"}, If_Match=tag)).status == 412
    back = await acme.call("PATCH", path, {"expires_at": None})
    assert back.json["expires_at"] is None


async def test_nobody_hands_on_more_than_he_holds(acme: Tenant) -> None:
    inbox = await acme.inbox()
    bound = await acme.caller("keys:write", "keys:read", "inboxes:read", inboxes=(inbox.id,))
    wide = await bound("POST", "/api-keys", {"name": "A", "scopes": ["messages:read"]})
    assert (wide.status, wide.code) == (403, "forbidden")
    made = await bound("POST", "/api-keys", {"name": "A", "scopes": ["inboxes:read"]})
    assert made.json["inbox_ids"] == [inbox.id]
    listed = (await bound("GET", "/api-keys")).json["data"]
    assert acme.call.key is not None
    assert {each["inbox_ids"][0] for each in listed} == {inbox.id}


async def test_what_is_foreign_is_not_there(acme: Tenant, globex: Tenant) -> None:
    foreign = (await globex.call("GET", "/api-keys")).json["data"][0]["id"]
    path = f"/api-keys/{foreign}"
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"name": "Mine"}),
        ("DELETE", path, None),
        ("POST", path + "/rotate", None),
    ):
        answer = await acme.call(method, where, body)
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await globex.call("GET", path)).json["revoked_at"] is None


async def test_the_scopes_are_needed(acme: Tenant) -> None:
    reader = await acme.caller("keys:read")
    assert (await reader("GET", "/api-keys?limit=1")).status == 200
    body = {"name": "A", "scopes": ["keys:read"]}
    assert (await reader("POST", "/api-keys", body)).status == 403
    assert (await (await acme.caller("inboxes:read"))("GET", "/api-keys")).status == 403


async def test_pages_follow_each_other(acme: Tenant) -> None:
    for number in range(3):
        await acme.call("POST", "/api-keys", {"name": f"K{number}", "scopes": ["inboxes:read"]})
    first = (await acme.call("GET", "/api-keys?limit=2")).json
    assert [each["name"] for each in first["data"]] == ["K2", "K1"]
    second = (await acme.call("GET", f"/api-keys?limit=2&cursor={first['next_cursor']}")).json
    assert second["data"][0]["name"] == "K0"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "A", "scopes": ["inboxes:read"], "colour": 1}, "colour"),
        ({"name": "A", "scopes": []}, "scopes"),
        ({"name": "A", "scopes": ["inboxes:eat"]}, "scopes[0]"),
        ({"name": "A", "scopes": ["inboxes:read"], "ip_allow": ["x"]}, "ip_allow[0]"),
        ({"name": "A", "scopes": ["inboxes:read"], "inbox_ids": ["inb_x"]}, "inbox_ids[0]"),
        ({"name": "A", "scopes": ["inboxes:read"], "expires_at": "2030-01-01"}, "expires_at"),
        (
            {"name": "A", "scopes": ["inboxes:read"], "expires_at": "2020-01-01T00:00:00Z"},
            "expires_at",
        ),
    ],
)
async def test_a_wrong_field_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    answer = await acme.call("POST", "/api-keys", body)
    assert (answer.status, answer.paths) == (422, [path])
