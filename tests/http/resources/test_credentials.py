"""Mail credentials over REST, and their export (R135; REQUIREMENTS 1.10, decision 1)."""

from __future__ import annotations

import csv
import io

import pytest

from agentpost.errors import AuthenticationFailed
from tests.http.resources.conftest import Answer, Api, Tenant

COLUMNS = "email,imap_host,imap_port,smtp_host,smtp_port,username,password"


def table(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.octets.decode())))


async def logs_in(api: Api, address: str, password: str) -> bool:
    try:
        await api.store.authentication.by_login(
            address, password, protocol="imap", peer="192.0.2.1"
        )
    except AuthenticationFailed:
        return False
    return True


async def test_the_export_has_its_seven_columns_and_works(api: Api, acme: Tenant) -> None:
    inboxes = [await acme.inbox(name) for name in ("a", "b")]
    answer = await acme.call("GET", "/inboxes/credentials/export", Accept="text/csv")
    assert answer.status == 200
    assert answer.fields["content-type"].startswith("text/csv")
    assert answer.octets.decode().split("\r\n")[0] == COLUMNS
    rows = table(answer)
    assert [row["email"] for row in rows] == [inbox.address for inbox in inboxes]
    for row in rows:
        assert row["username"] == row["email"]
        assert (row["imap_host"], row["smtp_host"]) == ("test", "test")
        assert row["imap_port"].isdigit()
        assert row["smtp_port"].isdigit()
        assert await logs_in(api, row["username"], row["password"])


async def test_the_export_covers_what_the_key_covers(acme: Tenant, globex: Tenant) -> None:
    mine, _ = await acme.inbox("a"), await acme.inbox("b")
    await globex.inbox("c")
    assert len(table(await acme.call("GET", "/inboxes/credentials/export"))) == 2
    bound = await acme.caller("credentials:read", inboxes=(mine.id,))
    rows = table(await bound("GET", "/inboxes/credentials/export"))
    assert [row["email"] for row in rows] == [mine.address]
    other = (await acme.call("POST", "/environments", {"name": "B"})).json["id"]
    path = "/inboxes/credentials/export"
    assert table(await acme.call("GET", path, AgentPost_Environment=other)) == []


async def test_exports_are_few_whatever_the_tier(acme: Tenant) -> None:
    reader = await acme.caller("credentials:read", "inboxes:read")
    path = "/inboxes/credentials/export"
    assert {(await reader("GET", path)).status for _ in range(10)} == {200}
    refused = await reader("GET", path)
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 1 <= int(refused.fields["retry-after"]) <= 6
    assert (await reader("GET", "/inboxes")).status == 200
    other = await acme.caller("credentials:read")
    assert (await other("GET", path)).status == 200


async def test_a_revoked_credential_is_not_exported(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/credentials"
    first = (await acme.call("GET", path)).json["data"][0]["id"]
    assert (await acme.call("DELETE", f"{path}/{first}")).status == 204
    assert [
        row["password"] for row in table(await acme.call("GET", "/inboxes/credentials/export"))
    ] == [""]


async def test_the_export_needs_its_scope(api: Api, acme: Tenant) -> None:
    reader = await acme.caller("inboxes:read", "messages:read")
    assert (await reader("GET", "/inboxes/credentials/export")).code == "forbidden"
    assert (await api.stranger()("GET", "/inboxes/credentials/export")).status == 401


async def test_a_credential_is_made_used_rotated_and_revoked(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.address}/credentials"
    made = await acme.call("POST", path, {"name": "Phone", "protocols": ["imap"]})
    assert made.status == 201
    password = made.json["password"]
    assert made.json["username"] == inbox.address
    assert await logs_in(api, inbox.address, password)
    listed = (await acme.call("GET", path + "?order=asc")).json["data"]
    assert [each["name"] for each in listed] == ["default", "Phone"]
    assert listed[1]["protocols"] == ["imap"]
    assert password not in str(listed)
    one = f"{path}/{made.json['id']}"
    rotated = await acme.call("POST", one + "/rotate")
    assert rotated.status == 200
    assert rotated.json["id"] == made.json["id"]
    assert not await logs_in(api, inbox.address, password)
    assert await logs_in(api, inbox.address, rotated.json["password"])
    assert (await acme.call("DELETE", one)).status == 204
    assert not await logs_in(api, inbox.address, rotated.json["password"])
    assert (await acme.call("DELETE", one)).code == "not_found"
    assert (await acme.call("POST", one + "/rotate")).code == "not_found"


async def test_pages_follow_each_other(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/credentials"
    for name in ("a", "b"):
        await acme.call("POST", path, {"name": name})
    first = (await acme.call("GET", path + "?limit=2")).json
    assert [each["name"] for each in first["data"]] == ["b", "a"]
    second = (await acme.call("GET", f"{path}?limit=2&cursor={first['next_cursor']}")).json
    assert [each["name"] for each in second["data"]] == ["default"]
    assert second["has_more"] is False


async def test_what_is_foreign_is_not_there(acme: Tenant, globex: Tenant) -> None:
    inbox = await globex.inbox()
    path = f"/inboxes/{inbox.id}/credentials"
    theirs = (await globex.call("GET", path)).json["data"][0]["id"]
    own = f"/inboxes/{(await acme.inbox()).id}/credentials/{theirs}"
    for method, where, body in (
        ("GET", path, None),
        ("POST", path, {"name": "Mine"}),
        ("DELETE", f"{path}/{theirs}", None),
        ("POST", f"{path}/{theirs}/rotate", None),
        ("DELETE", own, None),
        ("POST", own + "/rotate", None),
    ):
        assert (await acme.call(method, where, body)).code == "not_found"


async def test_the_scopes_are_needed(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/credentials"
    reader = await acme.caller("credentials:read")
    one = (await reader("GET", path)).json["data"][0]["id"]
    assert (await reader("POST", path, {"name": "A"})).status == 403
    assert (await reader("DELETE", f"{path}/{one}")).status == 403
    assert (await reader("POST", f"{path}/{one}/rotate")).status == 403
    assert (await (await acme.caller("inboxes:read"))("GET", path)).status == 403


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "A", "password": "own"}, "password"),
        ({}, "name"),
        ({"name": "A", "protocols": ["pop3"]}, "protocols[0]"),
        ({"name": "A", "protocols": []}, "protocols"),
        ({"name": "A", "expires_at": "soon"}, "expires_at"),
        ({"name": "A", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ],
)
async def test_a_wrong_field_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    inbox = await acme.inbox()
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/credentials", body)
    assert (answer.status, answer.paths) == (422, [path])
