"""Webhooks over REST: who may make them, what they may ask for, and what is shown (R108)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentpost.ids import new_id
from agentpost.jobs.webhook import WebhookWork
from agentpost.model.actor import system_actor
from agentpost.model.webhook import Outcome
from agentpost.store.webhook_queue import WebhookQueue
from tests.http.resources.conftest import SETTINGS, Answer, Tenant

URL = "https://receiver.test/hook"
SEVEN = [
    "message.received",
    "message.sent",
    "message.delivered",
    "message.bounced",
    "message.complained",
    "message.rejected",
    "domain.verified",
]


async def make(tenant: Tenant, **fields: Any) -> Any:
    answer = await tenant.call("POST", "/webhooks", {"url": URL, **fields})
    assert answer.status == 201, answer.octets
    return answer.json


def queue(tenant: Tenant) -> WebhookQueue:
    return WebhookQueue(tenant.store.door, SETTINGS)


async def happen(tenant: Tenant, kind: str = "message.sent") -> str:
    event = new_id("evt")
    await tenant.store.database.run(
        "*",
        lambda c: c.execute(
            "INSERT INTO events (environment_id, id, organization_id, type, data)"
            " VALUES ($1, $2, $3, $4, '{}')",
            tenant.environment.id,
            event,
            tenant.organization.id,
            kind,
        ),
    )
    await queue(tenant).fan_out(system_actor())
    return event


@pytest.mark.proves("R108", "R110", "R116")
async def test_a_webhook_from_its_making_to_its_end(acme: Tenant) -> None:
    made = await make(acme, headers={"Authorization": "Bearer top-secret"}, description="Mine")
    assert made["secret"].startswith("whsec_")
    assert made["event_types"] == SEVEN
    assert made["environment_ids"] == [acme.environment.id] == [made["environment_id"]]
    assert (made["inbox_ids"], made["payload"], made["timeout_s"]) == (None, "full", 30)
    assert made["header_names"] == ["Authorization"]
    path = f"/webhooks/{made['id']}"
    shown = await acme.call("GET", path)
    assert shown.json == {**made, "secret": None}
    assert b"top-secret" not in shown.octets
    listed = (await acme.call("GET", "/webhooks")).json["data"]
    assert listed == [shown.json]
    changed = await acme.call(
        "PATCH",
        path,
        {"url": "http://other.test:8080/", "event_types": ["*"], "timeout_s": 5, "headers": {}},
        if_match=shown.fields["etag"],
    )
    assert (changed.json["url"], changed.json["header_names"]) == ("http://other.test:8080/", [])
    assert (changed.json["event_types"], changed.json["description"]) == (["*"], "Mine")
    stale = await acme.call("PATCH", path, {"timeout_s": 6}, if_match=shown.fields["etag"])
    assert stale.status == 412
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).status == 404
    left = await acme.store.database.run(
        "*", lambda c: c.value("SELECT count(*) FROM webhook_logs")
    )
    assert left == 0


async def test_a_client_id_makes_one_webhook(acme: Tenant) -> None:
    first = await make(acme, client_id="mine")
    again = await acme.call("POST", "/webhooks", {"url": URL, "client_id": "mine"})
    assert (again.status, again.json["id"], again.json["secret"]) == (200, first["id"], None)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "http://localhost:5432/"}, "url"),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, "url"),
        ({"url": "http://[::ffff:127.0.0.1]/"}, "url"),
        ({"url": "http://2130706433/"}, "url"),
        ({"url": "http://public.test:25/"}, "url"),
        ({"url": "https://user:password@public.test/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://a.test/" + "x" * 3000}, "url"),
        ({"event_types": ["message.receive"]}, "event_types[0]"),
        ({"event_types": []}, "event_types"),
        ({"timeout_s": 4}, "timeout_s"),
        ({"timeout_s": 61}, "timeout_s"),
        ({"payload": "fat"}, "payload"),
        ({"ordering": "random"}, "ordering"),
        ({"headers": {"Host": "x"}}, "headers.Host"),
        ({"headers": {"webhook-id": "x"}}, "headers.webhook-id"),
        ({"headers": {"X-AgentPost-Signature": "x"}}, "headers.X-AgentPost-Signature"),
        ({"headers": {"X-A": "x\r\ny: z"}}, "headers.X-A"),
        ({"headers": {"X A": "x"}}, "headers"),
        ({"headers": {"X-A": "x", "x-a": "y"}}, "headers"),
        ({"headers": {"X-A": "x" * 5000}}, "headers"),
        ({"description": "two\nlines"}, "description"),
        ({"environment_ids": []}, "environment_ids"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    acme: Tenant, fields: dict[str, Any], path: str
) -> None:
    answer = await acme.call("POST", "/webhooks", {"url": URL, **fields})
    assert answer.status == 422, answer.octets
    assert answer.paths == [path]
    made = await make(acme)
    changed = await acme.call("PATCH", f"/webhooks/{made['id']}", fields)
    assert (changed.status, changed.paths) == (422, [path])


async def test_places_must_be_one_s_own(acme: Tenant, globex: Tenant) -> None:
    theirs = await globex.inbox("theirs")
    for fields in (
        {"inbox_ids": [theirs.id]},
        {"inbox_ids": [theirs.address]},
        {"environment_ids": [globex.environment.id]},
    ):
        answer = await acme.call("POST", "/webhooks", {"url": URL, **fields})
        assert answer.status == 404, fields
    mine = await acme.inbox("mine")
    made = await make(acme, inbox_ids=[mine.address.upper()])
    assert made["inbox_ids"] == [mine.id]


async def test_no_key_is_told_more_than_it_reads(acme: Tenant) -> None:
    writer = await acme.caller("webhooks:read", "webhooks:write")
    refused = await writer("POST", "/webhooks", {"url": URL})
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "messages:read" in refused.json["message"]
    thin = await writer("POST", "/webhooks", {"url": URL, "payload": "thin"})
    assert thin.status == 201
    full = await make(acme)
    # Not by way of another's webhook either.
    moved = await writer("PATCH", f"/webhooks/{full['id']}", {"url": "https://thief.test/"})
    assert moved.status == 403
    spam = {"url": URL, "payload": "thin", "event_types": ["message.received.spam"]}
    assert (await writer("POST", "/webhooks", spam)).status == 403
    assert (await acme.call("POST", "/webhooks", spam)).status == 201


async def test_a_bound_key_makes_and_sees_what_is_inside_its_reach(acme: Tenant) -> None:
    one, other = await acme.inbox("one"), await acme.inbox("other")
    scopes = ("webhooks:read", "webhooks:write", "messages:read")
    bound = await acme.caller(*scopes, inboxes=(one.id,))
    assert (await bound("POST", "/webhooks", {"url": URL})).status == 403
    beyond = {"url": URL, "inbox_ids": [other.id]}
    assert (await bound("POST", "/webhooks", beyond)).status == 404
    inside = await bound("POST", "/webhooks", {"url": URL, "inbox_ids": [one.id]})
    assert inside.status == 201
    whole = await make(acme)
    seen = (await bound("GET", "/webhooks")).json["data"]
    assert [each["id"] for each in seen] == [inside.json["id"]]
    assert (await bound("GET", f"/webhooks/{whole['id']}")).status == 404
    wider = await bound("PATCH", f"/webhooks/{inside.json['id']}", {"inbox_ids": None})
    assert wider.status == 403


async def test_rotation_tells_the_new_secret_once(acme: Tenant) -> None:
    made = await make(acme)
    rotated = (await acme.call("POST", f"/webhooks/{made['id']}/rotate-secret")).json
    assert rotated["secret"] not in (None, made["secret"])
    assert rotated["secret_rotation_ends_at"] is not None
    assert (await acme.call("GET", f"/webhooks/{made['id']}")).json["secret"] is None


async def test_the_delivery_log(acme: Tenant, globex: Tenant) -> None:
    made = await make(acme)
    events = [await happen(acme) for _ in range(3)]
    path = f"/webhooks/{made['id']}/deliveries"
    page = (await acme.call("GET", path + "?limit=2")).json
    rest = (await acme.call("GET", f"{path}?limit=2&cursor={page['next_cursor']}")).json
    listed = page["data"] + rest["data"]
    assert sorted(one["event_id"] for one in listed) == sorted(events)
    assert {one["state"] for one in listed} == {"pending"}
    batch = await queue(acme).due(system_actor(), made["id"], ())
    due = batch.deliveries[0]
    outcome = Outcome(
        due.id, 0, False, None, 500, "status", 12, {"a": "b"}, {"c": "d"}, "no\u0001pe"
    )
    await queue(acme).settle(system_actor(), [outcome])
    failed = (await acme.call("GET", path + "?state=failed")).json["data"]
    assert [one["id"] for one in failed] == [due.id]
    shown = (await acme.call("GET", f"/deliveries/{due.id}")).json
    assert (shown["status"], shown["took_ms"], shown["attempts"]) == (500, 12, 1)
    assert (shown["request_headers"], shown["response_headers"]) == ({"a": "b"}, {"c": "d"})
    assert shown["next_attempt_at"] is None
    assert len(shown["history"]) == 1
    for method, place in (
        ("GET", f"/deliveries/{due.id}"),
        ("POST", f"/deliveries/{due.id}/retry"),
    ):
        assert (await globex.call(method, place)).status == 404
    again = await acme.call("POST", f"/deliveries/{due.id}/retry")
    assert (again.status, again.json["state"], again.json["attempts"]) == (202, "pending", 0)


async def test_telling_again(acme: Tenant) -> None:
    made = await make(acme)
    event = await happen(acme)
    redelivered: Answer = await acme.call("POST", f"/events/{event}/redeliver")
    assert redelivered.status == 202
    assert [one["event_id"] for one in redelivered.json["deliveries"]] == [event]
    path = f"/webhooks/{made['id']}"
    window = {"after": "2020-01-01T00:00:00Z"}
    replaying = await acme.call("POST", path + "/replay", window)
    assert replaying.status == 202
    jobs = (await acme.call("GET", "/jobs?kind=webhook")).json["data"]
    assert [one["id"] for one in jobs] == [replaying.json["job_id"]]
    backwards = {"after": "2026-01-01T00:00:00Z", "before": "2025-01-01T00:00:00Z"}
    assert (await acme.call("POST", path + "/replay", backwards)).paths == ["before"]
    tested = await acme.call("POST", path + "/test")
    assert (tested.status, tested.json["event_type"]) == (202, "webhook.test")
    await acme.call("PATCH", path, {"enabled": False})
    for what in ("/test", "/replay"):
        refused = await acme.call("POST", path + what, window if what == "/replay" else None)
        assert (refused.status, refused.code) == (409, "conflict"), what
    assert (await acme.call("POST", path + "/enable")).json["enabled"] is True
    assert WebhookWork.kind == "webhook"


async def test_an_environment_holds_so_many(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await make(acme, client_id=f"n{number}")
    webhooks = acme.store.webhooks
    monkeypatch.setattr(webhooks, "_limits", replace(webhooks._limits, max_webhooks=3))
    answer = await acme.call("POST", "/webhooks", {"url": URL})
    assert answer.code == "limit_reached"
    assert (await acme.call("POST", "/webhooks", {"url": URL, "client_id": "n1"})).status == 200
