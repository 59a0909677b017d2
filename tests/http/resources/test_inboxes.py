"""Inboxes: made once, found by either name, changed, paused, deleted and brought back."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from agentpost.store.inboxes import InboxRequest
from tests.http.resources.conftest import Tenant, deliver


async def test_an_inbox_is_made_with_a_mail_credential_that_is_shown_once(acme: Tenant) -> None:
    body = {"username": "support", "display_name": "Acme Support", "client_id": "main"}
    made = await acme.call("POST", "/inboxes", body | {"metadata": {"team": 1}, "labels": ["VIP"]})
    assert made.status == 201
    inbox = made.json
    assert inbox["email"].startswith("support-")
    assert inbox["email"].endswith("@shared.test")
    assert (inbox["display_name"], inbox["labels"]) == ("Acme Support", ["vip"])
    assert inbox["send_paused"] is False
    credential = inbox["credential"]
    assert credential["password"].startswith("ap_mail_")
    assert credential["username"] == inbox["email"]
    again = await acme.call("POST", "/inboxes", body)
    assert again.status == 200
    assert again.json["id"] == inbox["id"]
    assert "credential" not in again.json
    actor, where, _ = await acme.store.authentication.by_login(
        inbox["email"], credential["password"], protocol="imap", peer=None
    )
    assert where.inbox == inbox["id"]
    assert actor.address == inbox["email"]


async def test_an_inbox_without_wishes_gets_a_name(acme: Tenant) -> None:
    made = await acme.call("POST", "/inboxes", {})
    assert made.status == 201
    assert made.json["username"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"user_name": "a"}, "user_name"),
        ({"username": "Upper"}, "username"),
        ({"username": "-a"}, "username"),
        ({"username": "a..b"}, "username"),
        ({"username": "a" * 65}, "username"),
        ({"domain": "example.org"}, "domain"),
        ({"client_id": "a b"}, "client_id"),
        ({"metadata": 1}, "metadata"),
        ({"labels": [1]}, "labels[0]"),
        ({"settings": {"speed": 1}}, "settings.speed"),
        ({"display_name": "a\nb"}, "display_name"),
    ],
)
async def test_what_cannot_be_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    answer = await acme.call("POST", "/inboxes", body)
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert path in answer.paths
    assert answer.json["fix"]


async def test_an_inbox_is_found_by_id_and_by_address(acme: Tenant) -> None:
    inbox = await acme.inbox()
    by_id = await acme.call("GET", f"/inboxes/{inbox.id}")
    by_address = await acme.call("GET", f"/inboxes/{quote(inbox.address, safe='')}")
    upper = await acme.call("GET", f"/inboxes/{inbox.address.upper()}")
    assert by_id.status == 200
    assert by_id.json == by_address.json == upper.json
    for nobody in ("inb_01JQ8X5K2M3N4P5R6S7T8V9W00", "nobody@shared.test", "x", "a%20b"):
        answer = await acme.call("GET", f"/inboxes/{nobody}")
        assert (answer.status, answer.code) == (404, "not_found")


async def test_lists_are_paged_and_narrowed(acme: Tenant, globex: Tenant) -> None:
    names = [f"agent{number}" for number in range(5)]
    for name in names:
        made = await acme.call(
            "POST", "/inboxes", {"username": name, "metadata": {"n": name}, "labels": ["bot"]}
        )
        assert made.status == 201
    await globex.inbox("stranger")
    seen: list[str] = []
    cursor = ""
    while True:
        page = await acme.call("GET", f"/inboxes?limit=2{cursor}")
        seen += [each["username"] for each in page.json["data"]]
        assert page.json["has_more"] is (page.json["next_cursor"] is not None)
        if not page.json["has_more"]:
            break
        cursor = f"&cursor={page.json['next_cursor']}"
    assert seen == names[::-1]
    for query, expected in (
        ("order=asc&limit=2", names[:2]),
        ("q=AGENT3", ["agent3"]),
        ("metadata[n]=agent1", ["agent1"]),
        ("labels=BOT&q=agent2", ["agent2"]),
        ("domain=other.test", []),
        ("send_paused=true", []),
    ):
        page = await acme.call("GET", f"/inboxes?{query}")
        assert [each["username"] for each in page.json["data"]] == expected, query
    other = await acme.call("GET", f"/inboxes?limit=2{cursor}&q=agent")
    assert (other.status, other.code) == (400, "invalid_cursor")
    foreign = await globex.call("GET", f"/inboxes?limit=2{cursor}")
    assert (foreign.status, foreign.code) == (400, "invalid_cursor")
    assert (await acme.call("GET", "/inboxes?limit=101")).status == 400
    assert (await acme.call("GET", "/inboxes?colour=red")).status == 400


async def test_a_change_is_merged_and_may_be_conditional(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}"
    first = await acme.call("GET", path)
    tag = first.fields["etag"]
    changed = await acme.call(
        "PATCH", path, {"display_name": "New", "metadata": {"a": 1, "b": 2}}, if_match=tag
    )
    assert (changed.status, changed.json["display_name"]) == (200, "New")
    assert changed.fields["etag"] != tag
    lost = await acme.call("PATCH", path, {"display_name": "Old"}, if_match=tag)
    assert (lost.status, lost.code) == (412, "precondition_failed")
    merged = await acme.call("PATCH", path, {"metadata": {"a": None, "c": 3}, "display_name": None})
    assert merged.json["metadata"] == {"b": 2, "c": 3}
    assert merged.json["display_name"] is None
    assert (await acme.call("PATCH", path, {"email": "a@b.example"})).paths == ["email"]
    assert (await acme.call("DELETE", path, if_match=tag)).status == 412


async def test_a_deleted_inbox_can_be_restored_and_a_purged_one_cannot(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    path = f"/inboxes/{inbox.id}"
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).status == 404
    assert (await acme.call("DELETE", path)).status == 404
    gone = await acme.call("GET", f"{path}?include_deleted=true")
    assert gone.json["deleted_at"] is not None
    assert (await acme.call("GET", f"{path}/messages")).status == 404
    kept = await acme.call("GET", f"{path}/messages?include_deleted=true")
    assert [each["id"] for each in kept.json["data"]] == [placed.message]
    listed = await acme.call("GET", "/inboxes?include_deleted=true")
    assert [each["id"] for each in listed.json["data"]] == [inbox.id]
    restored = await acme.call("POST", f"{path}/restore")
    assert restored.json["deleted_at"] is None
    assert len((await acme.call("GET", f"{path}/messages")).json["data"]) == 1
    assert (await acme.call("DELETE", f"{path}?purge=true")).status == 204
    assert (await acme.call("POST", f"{path}/restore")).status == 404
    assert (await acme.call("GET", f"/messages/{placed.message}")).status == 404


async def test_a_paused_inbox_receives_and_does_not_send(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}"
    paused = await acme.call("POST", f"{path}/pause", {"reason": "bounces"})
    assert paused.json["send_paused"] is True
    assert paused.json["paused_reason"] == "bounces"
    letter = {"to": inbox.address, "subject": "x", "text": "y"}
    refused = await acme.call("POST", f"{path}/messages", letter)
    assert (refused.status, refused.code) == (403, "inbox_paused")
    await deliver(acme.store, inbox)
    assert len((await acme.call("GET", f"{path}/messages")).json["data"]) == 1
    resumed = await acme.call("POST", f"{path}/resume")
    assert (resumed.json["send_paused"], resumed.json["paused_reason"]) == (False, None)
    assert (await acme.call("POST", f"{path}/messages", letter)).status == 202


async def test_another_s_inbox_reads_like_none(acme: Tenant, globex: Tenant) -> None:
    inbox = await globex.inbox()
    absent = await acme.call("GET", "/inboxes/inb_01JQ8X5K2M3N4P5R6S7T8V9W00")
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"display_name": "mine"}),
        ("DELETE", "", None),
        ("DELETE", "?purge=true", None),
        ("POST", "/restore", None),
        ("POST", "/pause", {}),
        ("POST", "/resume", None),
    ):
        for name in (inbox.id, inbox.address):
            answer = await acme.call(method, f"/inboxes/{name}{path}", body)
            assert answer.status == 404, (method, path)
            assert answer.json["message"] == absent.json["message"]


async def test_scopes_and_bindings_are_asked(acme: Tenant) -> None:
    inbox = await acme.inbox()
    other = await acme.inbox("other")
    reader = await acme.caller("inboxes:read")
    assert (await reader("GET", f"/inboxes/{inbox.id}")).status == 200
    for method, path, body in (
        ("POST", "/inboxes", {}),
        ("PATCH", f"/inboxes/{inbox.id}", {"display_name": "x"}),
        ("DELETE", f"/inboxes/{inbox.id}", None),
        ("POST", f"/inboxes/{inbox.id}/pause", {}),
    ):
        answer = await reader(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "inboxes:write" in answer.json["fix"]
    bound = await acme.caller("inboxes:read", "inboxes:write", inboxes=(inbox.id,))
    assert (await bound("GET", f"/inboxes/{inbox.id}")).status == 200
    assert (await bound("GET", f"/inboxes/{other.id}")).status == 404
    assert [each["id"] for each in (await bound("GET", "/inboxes")).json["data"]] == [inbox.id]
    assert (await bound("POST", "/inboxes", {})).status == 403


async def test_the_environment_of_a_new_inbox_is_the_one_named(
    acme: Tenant, globex: Tenant
) -> None:
    second, _ = await acme.store.environments.create(acme.actor, "Second", kind="test")
    made = await acme.call("POST", "/inboxes", {}, agentpost_environment=second.id)
    assert made.json["environment_id"] == second.id
    here = await acme.call("GET", "/inboxes", agentpost_environment=acme.environment.id)
    assert here.json["data"] == []
    third, _ = await acme.store.environments.create(acme.actor, "Third", kind="test")
    both = await acme.caller("inboxes:write", environments=(second.id, third.id))
    undecided = await both("POST", "/inboxes", {})
    assert (undecided.status, undecided.paths) == (422, ["environment"])
    decided = await both("POST", "/inboxes", {}, agentpost_environment=third.id)
    assert decided.json["environment_id"] == third.id
    foreign = await both("POST", "/inboxes", {}, agentpost_environment=acme.environment.id)
    assert foreign.status == 404
    for unknown in ("env_01JQ8X5K2M3N4P5R6S7T8V9W00", globex.environment.id):
        told = await acme.call("GET", "/inboxes", agentpost_environment=unknown)
        assert (told.status, told.code) == (404, "not_found")


async def test_client_ids_belong_to_their_environment(acme: Tenant, globex: Tenant) -> None:
    first, _ = await acme.store.inboxes.create(acme.actor, InboxRequest(client_id="one"))
    other = await globex.call("POST", "/inboxes", {"client_id": "one"})
    assert other.status == 201
    assert other.json["id"] != first.inbox.id
