"""Suppressions over REST: added, followed, removed (API.md, Filters)."""

from __future__ import annotations

from datetime import timedelta

from agentpost import clock
from agentpost.clock import rfc3339
from tests.http.resources.conftest import Api, Tenant

LETTER = {"subject": "x", "text_body": "y"}


async def test_an_address_is_suppressed_listed_and_written_to_again(api: Api, acme: Tenant) -> None:
    body = {"address": "Gone@Example.ORG", "reason": "Asked by telephone"}
    added = await acme.call("POST", "/suppressions", body)
    assert added.status == 201
    assert added.json["id"].startswith("sup_")
    assert (added.json["address"], added.json["source"]) == ("gone@example.org", "manual")
    again = await acme.call("POST", "/suppressions", {"address": "gone@example.org"})
    assert (again.status, again.json) == (200, added.json)
    listed = await acme.call("GET", "/suppressions?source=manual&address=GONE@example.org")
    assert listed.json["data"] == [added.json]
    assert (await acme.call("GET", "/suppressions?source=bounce")).json["data"] == []
    assert (await acme.call("DELETE", "/suppressions/gone%40EXAMPLE.org")).status == 204
    assert (await acme.call("DELETE", "/suppressions/gone@example.org")).code == "not_found"
    told = await api.store.events.since(acme.actor, 0, 10)
    events = [one for one in told if one.type.startswith("suppression.")]
    assert [one.type for one in events] == ["suppression.added", "suppression.removed"]
    assert events[0].data["reason"] == "Asked by telephone"


async def test_what_is_no_address_is_refused(acme: Tenant) -> None:
    for address in ("nobody", "a b@example.org", "@example.org"):
        refused = await acme.call("POST", "/suppressions", {"address": address})
        assert (refused.status, refused.paths) == (422, ["address"])
    past = rfc3339(clock.now() - timedelta(hours=1))
    body = {"address": "a@example.org", "expires_at": past}
    assert (await acme.call("POST", "/suppressions", body)).paths == ["expires_at"]


async def test_a_domain_beyond_ascii_is_one_address(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await acme.call("POST", "/suppressions", {"address": "info@bücher.example"})
    path = f"/inboxes/{inbox.id}/messages"
    refused = await acme.call("POST", path, LETTER | {"to": "info@xn--bcher-kva.example"})
    assert (refused.status, refused.code) == (422, "recipient_suppressed")
    assert (await acme.call("DELETE", "/suppressions/info@b%C3%BCcher.example")).status == 204


async def test_a_message_goes_to_the_others_and_says_whom_it_left_out(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await acme.call("POST", "/suppressions", {"address": "gone@example.org"})
    path = f"/inboxes/{inbox.id}/messages"
    body = LETTER | {"to": ["ada@example.org", "gone@example.org"]}
    rehearsed = await acme.call("POST", path, body | {"dry_run": True})
    assert [one["verdict"] for one in rehearsed.json["recipients"]] == ["send", "suppressed"]
    sent = await acme.call("POST", path, body, idempotency_key="once")
    assert (sent.status, sent.json["suppressed"]) == (202, ["gone@example.org"])
    repeated = await acme.call("POST", path, body, idempotency_key="once")
    assert (repeated.status, repeated.json) == (202, sent.json)
    delivery = (await acme.call("GET", f"/messages/{sent.json['id']}/delivery")).json
    states = {one["email"]: one["state"] for one in delivery["recipients"]}
    assert states == {"ada@example.org": "queued", "gone@example.org": "rejected"}
    alone = await acme.call("POST", path, LETTER | {"to": "gone@example.org"})
    assert (alone.status, alone.code) == (422, "recipient_suppressed")
    assert "suppressed" not in (await acme.call("POST", path, LETTER | {"to": "b@x.example"})).json


async def test_what_has_expired_is_no_longer_suppressed(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    soon = rfc3339(clock.now() + timedelta(hours=1))
    body = {"address": "later@example.org", "expires_at": soon}
    assert (await acme.call("POST", "/suppressions", body)).json["expires_at"] == soon
    await api.store.database.run(
        "*", lambda c: c.execute("UPDATE suppressions SET expires_at = now()")
    )
    assert (await acme.call("GET", "/suppressions")).json["data"] == []
    path = f"/inboxes/{inbox.id}/messages"
    sent = await acme.call("POST", path, LETTER | {"to": "later@example.org"})
    assert "suppressed" not in sent.json
    assert (await acme.call("POST", "/suppressions", body)).status == 201


async def test_a_bound_key_reads_the_list_and_does_not_change_it(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await acme.call("POST", "/suppressions", {"address": "gone@example.org"})
    bound = await acme.caller("filters:read", "filters:write", inboxes=(inbox.id,))
    assert len((await bound("GET", "/suppressions")).json["data"]) == 1
    assert (await bound("DELETE", "/suppressions/gone@example.org")).code == "forbidden"


async def test_pages_follow_each_other(acme: Tenant) -> None:
    for number in range(3):
        await acme.call("POST", "/suppressions", {"address": f"a{number}@example.org"})
    first = (await acme.call("GET", "/suppressions?limit=2")).json
    rest = (await acme.call("GET", f"/suppressions?limit=2&cursor={first['next_cursor']}")).json
    found = [one["address"] for one in (*first["data"], *rest["data"])]
    assert found == ["a2@example.org", "a1@example.org", "a0@example.org"]
