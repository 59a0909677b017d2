"""Custom domains over REST: added, published, verified, used, removed."""

from __future__ import annotations

from typing import Any

import pytest

from agentpost.mail.domains import ANY_SUBDOMAIN
from tests.http.resources.conftest import Answer, Api, Tenant

EVERYTHING = {"challenge", "mx", "spf", "dkim", "dmarc", "srv"}


def publish(api: Api, domain: dict[str, Any], *without: str) -> None:
    """Put what the API said into the zone, as an owner does."""
    for record in domain["records"]:
        if record["purpose"] in without:
            continue
        value = record["value"]
        if record["type"] == "MX":
            value = (record["priority"], value)
        elif record["type"] == "SRV":
            priority, weight, port, host = value.split(" ")
            value = (int(priority), int(weight), int(port), host)
        name = record["name"].replace("*", ANY_SUBDOMAIN)
        api.zone.zone.setdefault(name, {}).setdefault(record["type"], []).append(value)


async def at_ease(api: Api) -> None:
    """Let the time between two looks be over."""
    await api.store.database.run(
        "*", lambda c: c.execute("UPDATE domains SET asked_at = asked_at - interval '1 minute'")
    )


async def verified(api: Api, owner: Tenant, name: str, **more: Any) -> dict[str, Any]:
    made = await owner.call("POST", "/domains", {"domain": name, **more})
    publish(api, made.json)
    answer = await owner.call("POST", f"/domains/{made.json['id']}/verify")
    assert answer.json["status"] == "verified", answer.json
    found: dict[str, Any] = answer.json
    return found


async def test_a_domain_goes_from_pending_to_verified(api: Api, acme: Tenant) -> None:
    """R46, R47."""
    made = await acme.call("POST", "/domains", {"domain": "Bücher.example", "client_id": "b"})
    assert made.status == 201
    domain = made.json
    assert (domain["domain"], domain["display_domain"]) == (
        "xn--bcher-kva.example",
        "bücher.example",
    )
    assert domain["status"] == "pending"
    assert {record["purpose"] for record in domain["records"]} == EVERYTHING
    assert {record["status"] for record in domain["records"]} == {"pending"}
    again = await acme.call("POST", "/domains", {"domain": "Bücher.example", "client_id": "b"})
    assert (again.status, again.json["id"]) == (200, domain["id"])
    path = f"/domains/{domain['id']}"
    publish(api, domain, "dmarc")
    looked = await acme.call("POST", f"{path}/verify")
    assert looked.json["status"] == "verifying"
    (dmarc,) = [one for one in looked.json["records"] if one["purpose"] == "dmarc"]
    assert (dmarc["status"], dmarc["found"]) == ("missing", [])
    assert dmarc["reason"]
    soon = await acme.call("POST", f"{path}/verify")
    assert (soon.status, soon.code) == (429, "rate_limited")
    assert int(soon.fields["retry-after"]) <= 5
    api.zone.zone["_dmarc.xn--bcher-kva.example"] = {"TXT": ["v=DMARC1; p=reject"]}
    await at_ease(api)
    done = await acme.call("POST", f"{path}/verify")
    assert done.json["status"] == "verified"
    assert (await acme.call("GET", path)).json == done.json
    await at_ease(api)
    same = await acme.call("POST", f"{path}/verify")
    assert same.fields["etag"] == done.fields["etag"]


async def test_an_inbox_at_a_verified_domain_sends_and_receives(api: Api, acme: Tenant) -> None:
    """R51, R69."""
    domain = await verified(api, acme, "acme.example")
    body = {"username": "support", "domain": "acme.example"}
    support = await acme.call("POST", "/inboxes", body)
    assert support.status == 201
    assert support.json["email"] == "support@acme.example"
    taken = await acme.call("POST", "/inboxes", body)
    assert (taken.status, taken.code) == (409, "already_exists")

    async def write(to: str) -> Answer:
        letter = {"to": to, "subject": to, "text_body": "Hello."}
        return await acme.call("POST", "/inboxes/support@acme.example/messages", letter)

    async def received() -> list[tuple[str, str | None]]:
        listed = await acme.call(
            "GET", "/inboxes/support@acme.example/messages?direction=inbound&order=asc"
        )
        return [(each["delivered_to"], each["tag"]) for each in listed.json["data"]]

    assert (await write("support+t1@ACME.example")).json["status"] == "delivered"
    unknown = await write("nobody@acme.example")
    assert (unknown.status, unknown.code) == (422, "recipient_unknown")
    path = f"/domains/{domain['id']}/catch-all"
    chosen = await acme.call("PUT", path, {"inbox_id": support.json["id"]})
    assert chosen.json["catch_all_inbox_id"] == support.json["id"]
    assert (await write("Nobody+t2@acme.example")).json["status"] == "delivered"
    assert await received() == [
        ("support+t1@ACME.example", "t1"),
        ("Nobody+t2@acme.example", "t2"),
    ]
    cleared = await acme.call("PUT", path, {"inbox_id": None})
    assert cleared.json["catch_all_inbox_id"] is None
    assert (await write("nobody@acme.example")).status == 422
    assert (await write("nobody@shared.test")).status == 422
    pending = await acme.call("POST", "/domains", {"domain": "later.example"})
    assert pending.status == 201
    assert (await write("anyone@later.example")).json["status"] == "queued"


async def test_a_domain_with_inboxes_stays(api: Api, acme: Tenant) -> None:
    domain = await verified(api, acme, "acme.example")
    path = f"/domains/{domain['id']}"
    made = await acme.call("POST", "/inboxes", {"username": "a", "domain": "acme.example"})
    refused = await acme.call("DELETE", path)
    assert (refused.status, refused.code) == (409, "conflict")
    assert refused.json["fix"]
    assert (await acme.call("DELETE", f"/inboxes/{made.json['id']}")).status == 204
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).status == 404
    lost = await acme.call("POST", f"/inboxes/{made.json['id']}/restore")
    assert (lost.status, lost.code) == (409, "conflict")


async def test_a_change_is_conditional(acme: Tenant) -> None:
    made = await acme.call("POST", "/domains", {"domain": "acme.example", "inbound": False})
    assert "mx" not in {record["purpose"] for record in made.json["records"]}
    path, tag = f"/domains/{made.json['id']}", made.fields["etag"]
    changed = await acme.call("PATCH", path, {"inbound": True, "subdomains": True}, if_match=tag)
    assert changed.status == 200
    assert {"mx", "subdomains_mx"} <= {record["purpose"] for record in changed.json["records"]}
    for method, where, body in (
        ("PATCH", path, {"inbound": False}),
        ("PUT", f"{path}/catch-all", {"inbox_id": None}),
        ("DELETE", path, None),
    ):
        lost = await acme.call(method, where, body, if_match=tag)
        assert (lost.status, lost.code) == (412, "precondition_failed")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "domain"),
        ({"domain": "localhost"}, "domain"),
        ({"domain": "x.shared.test"}, "domain"),
        ({"domain": "a b.example"}, "domain"),
        ({"domain": "a.example", "client_id": "a b"}, "client_id"),
        ({"domain": "a.example", "catch_all_inbox_id": "inb_x"}, "catch_all_inbox_id"),
        ({"domain": "a.example", "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    answer = await acme.call("POST", "/domains", body)
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert path in answer.paths
    assert answer.json["fix"]


async def test_the_same_domain_is_added_once_to_an_environment(
    acme: Tenant, globex: Tenant
) -> None:
    assert (await acme.call("POST", "/domains", {"domain": "acme.example"})).status == 201
    twice = await acme.call("POST", "/domains", {"domain": "ACME.example"})
    assert (twice.status, twice.code) == (409, "already_exists")
    theirs = await globex.call("POST", "/domains", {"domain": "acme.example"})
    assert theirs.status == 201, "a claim tells nothing of other claims"


async def test_lists_are_paged_and_narrowed(api: Api, acme: Tenant, globex: Tenant) -> None:
    await verified(api, acme, "one.example")
    for name in ("two.example", "three.example"):
        await acme.call("POST", "/domains", {"domain": name})
    await globex.call("POST", "/domains", {"domain": "two.example"})
    first = await acme.call("GET", "/domains?limit=2")
    names = [each["domain"] for each in first.json["data"]]
    rest = await acme.call("GET", f"/domains?limit=2&cursor={first.json['next_cursor']}")
    names += [each["domain"] for each in rest.json["data"]]
    assert names == ["three.example", "two.example", "one.example"]
    for query, expected in (
        ("status=verified", "one.example"),
        ("domain=TWO.example", "two.example"),
    ):
        found = await acme.call("GET", f"/domains?{query}")
        assert [each["domain"] for each in found.json["data"]] == [expected]
    assert (await acme.call("GET", "/domains?domain=a%20b")).status == 422


async def test_the_zone_file_says_what_the_records_say(acme: Tenant) -> None:
    made = await acme.call("POST", "/domains", {"domain": "acme.example"})
    answer = await acme.call("GET", f"/domains/{made.json['id']}/zone-file")
    assert answer.fields["content-type"] == "text/dns; charset=us-ascii"
    text = answer.octets.decode("ascii").replace('" "', "")
    assert "$ORIGIN acme.example." in text
    for record in made.json["records"]:
        assert record["value"].removesuffix(".") in text
    assert "PRIVATE" not in text


async def test_another_s_domain_reads_like_none(acme: Tenant, globex: Tenant) -> None:
    made = await globex.call("POST", "/domains", {"domain": "acme.example"})
    absent = await acme.call("GET", "/domains/dom_01JQ8X5K2M3N4P5R6S7T8V9W00")
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"inbound": False}),
        ("DELETE", "", None),
        ("POST", "/verify", None),
        ("GET", "/zone-file", None),
        ("PUT", "/catch-all", {"inbox_id": None}),
    ):
        answer = await acme.call(method, f"/domains/{made.json['id']}{path}", body)
        assert answer.status == 404, (method, path)
        assert answer.json["message"] == absent.json["message"]


async def test_scopes_and_bindings_are_asked(acme: Tenant) -> None:
    made = await acme.call("POST", "/domains", {"domain": "acme.example"})
    path = f"/domains/{made.json['id']}"
    reader = await acme.caller("domains:read")
    assert (await reader("GET", path)).status == 200
    assert (await reader("POST", f"{path}/verify")).status == 403
    inbox = await acme.inbox()
    bound = await acme.caller("domains:read", "domains:write", inboxes=(inbox.id,))
    for method, where in (("GET", "/domains"), ("GET", path), ("POST", f"{path}/verify")):
        assert (await bound(method, where)).status == 403
