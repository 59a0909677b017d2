"""Letters and drafts that are sent later, and messages that are taken back, over REST."""

from __future__ import annotations

from typing import Any

import pytest

from agentpost.ids import MessageId
from agentpost.model.actor import system_actor
from agentpost.model.inbox import Inbox
from agentpost.model.job import Done
from agentpost.model.relay import Doubts, Routing
from agentpost.store.relays import Relays
from tests.http.resources.conftest import Api, Tenant, deliver, letter
from tests.http.resources.holding import (
    ADA,
    LETTER,
    ahead,
    demand,
    folders,
    release,
    row,
    told,
)

ROUTING = Routing("simulator", (), Doubts())


async def test_a_letter_waits_for_its_time_and_bears_its_date(api: Api, acme: Tenant) -> None:
    inbox, bob = await acme.inbox(), await acme.inbox("bob")
    path = f"/inboxes/{inbox.id}/messages"
    at = ahead(days=3)
    body = {**LETTER, "to": [ADA, bob.address], "send_at": at}
    rehearsed = await acme.call("POST", path, {**body, "dry_run": True})
    assert (rehearsed.json["would"], rehearsed.json["send_at"]) == ("schedule", at)
    sent = await acme.call("POST", path, body)
    assert (sent.status, sent.json["status"]) == (202, "scheduled")
    message = sent.json["id"]
    assert await folders(api.store, message) == ["Scheduled"]
    dated = await row(api.store, "SELECT sent_at FROM messages WHERE id = $1", message)
    assert dated.isoformat()[:19] == at[:19]
    assert (await acme.call("GET", f"/inboxes/{bob.id}/messages")).json["data"] == []
    assert await release(api.store) == []
    assert await release(api.store, hurry=True) == [Done()]
    assert await release(api.store, hurry=True) == []
    assert await folders(api.store, message) == ["Sent"]
    assert (await acme.call("GET", f"/messages/{message}")).json["status"] == "queued"
    assert len((await acme.call("GET", f"/inboxes/{bob.id}/messages")).json["data"]) == 1
    assert await row(api.store, "SELECT count(*) FROM jobs WHERE kind = 'relay'") == 1
    assert (
        await row(api.store, "SELECT uses FROM blobs WHERE id = (SELECT blob_id FROM relays)") == 2
    )
    assert [name for name, _ in await told(api.store, "message.queued", "message.delivered")] == [
        "message.queued",
        "message.delivered",
    ]


async def test_a_letter_for_inboxes_of_this_server_is_told_as_sent(api: Api, acme: Tenant) -> None:
    inbox, bob = await acme.inbox(), await acme.inbox("bob")
    path = f"/inboxes/{inbox.id}/messages"
    await acme.call("POST", path, {**LETTER, "to": bob.address, "send_at": ahead(hours=1)})
    await release(api.store, hurry=True)
    events = await told(api.store, "message.sent", "message.delivered", "message.queued")
    assert [name for name, _ in events] == ["message.sent", "message.delivered"]
    assert await row(api.store, "SELECT state FROM messages WHERE direction = 'outbound'") == (
        "delivered"
    )


@pytest.mark.parametrize("at", ["2020-01-01T00:00:00Z", "in 91 days", "now"])
async def test_a_time_that_no_letter_can_have_is_refused(api: Api, acme: Tenant, at: str) -> None:
    inbox = await acme.inbox()
    moment = {"in 91 days": ahead(days=91), "now": ahead(seconds=-1)}.get(at, at)
    for path in ("messages", "drafts"):
        body = {**LETTER, "send_at": moment}
        answer = await acme.call("POST", f"/inboxes/{inbox.id}/{path}", body)
        assert (answer.status, answer.paths) == (422, ["send_at"])
    assert await row(api.store, "SELECT count(*) FROM messages") == 0


async def test_what_is_moved_out_of_scheduled_is_not_sent(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    expected = {"Trash": "canceled", "Archive": "canceled", "Drafts": "draft"}
    for folder, status in expected.items():
        body = {**LETTER, "subject": folder, "send_at": ahead(hours=1)}
        message = (await acme.call("POST", path, body)).json["id"]
        moved = await acme.call("PATCH", f"/messages/{message}", {"folder": folder})
        assert moved.json["status"] == status
        # The same letter may be sent again: nothing remembers it as sent.
        fingerprint = "SELECT fingerprint FROM messages WHERE id = $1"
        assert await row(api.store, fingerprint, message) is None
    drafts = (await acme.call("GET", f"/inboxes/{inbox.id}/drafts")).json["data"]
    assert [one["subject"] for one in drafts] == ["Drafts"]
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    assert await release(api.store, hurry=True) == []
    updates = [data["changes"]["status"] for _, data in await told(api.store, "message.updated")]
    assert updates == [{"from": "scheduled", "to": status} for status in expected.values()]


async def test_what_is_deleted_is_not_sent(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    for way in ("", "?permanent=true"):
        body = {**LETTER, "subject": f"x{way}", "send_at": ahead(hours=1)}
        message = (await acme.call("POST", path, body)).json["id"]
        assert (await acme.call("DELETE", f"/messages/{message}{way}")).status == 204
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    assert await row(api.store, "SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("way", ["scheduled", "held", "queued"])
async def test_what_waits_is_cancelled_once(api: Api, acme: Tenant, way: str) -> None:
    inbox = await acme.inbox()
    ways: dict[str, dict[str, Any]] = {
        "scheduled": {"send_at": ahead(hours=1)},
        "held": {"hold_for_approval": True},
        "queued": {},
    }
    extra = ways[way]
    sent = await acme.call("POST", f"/inboxes/{inbox.id}/messages", {**LETTER, **extra})
    message = sent.json["id"]
    assert sent.json["status"] == way
    answer = await acme.call("POST", f"/messages/{message}/cancel")
    assert answer.json == {"id": message, "status": "canceled", "was": way}
    again = await acme.call("POST", f"/messages/{message}/cancel")
    assert again.json["was"] == "canceled"
    shown = await acme.call("GET", f"/messages/{message}")
    assert (shown.json["status"], shown.json["folder"]) == ("canceled", "Trash")
    states = (await acme.call("GET", f"/messages/{message}/delivery")).json["recipients"]
    assert [one["state"] for one in states] == ["canceled"]
    assert await row(api.store, "SELECT count(*) FROM relays") == 0
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    assert await row(api.store, "SELECT uses FROM blobs") == 1
    if way == "held":
        [approval] = (await acme.call("GET", "/approvals")).json["data"]
        assert approval["status"] == "canceled"
    [(_, event)] = await told(api.store, "message.updated")
    assert event["changes"] == {"status": {"from": way, "to": "canceled"}}
    assert await release(api.store, hurry=True) == []
    # The relay's job finds nothing to send.
    relays = Relays(api.store.door, api.store.blobs, lambda _: None, lambda: None, lambda _: None)
    assert await relays.begin(system_actor(), [MessageId(message)], ROUTING) == {}


async def test_what_is_on_its_way_cannot_be_cancelled(api: Api, acme: Tenant) -> None:
    inbox, bob = await acme.inbox(), await acme.inbox("bob")
    path = f"/inboxes/{inbox.id}/messages"
    message = (await acme.call("POST", path, LETTER)).json["id"]
    relays = Relays(api.store.door, api.store.blobs, lambda _: None, lambda: None, lambda _: None)
    assert await relays.begin(system_actor(), [MessageId(message)], ROUTING)
    answer = await acme.call("POST", f"/messages/{message}/cancel")
    assert (answer.status, answer.code) == (409, "under_way")
    assert answer.json["fix"]
    # Somebody here has read it already.
    both = {**LETTER, "to": [ADA, bob.address], "subject": "Both"}
    message = (await acme.call("POST", path, both)).json["id"]
    answer = await acme.call("POST", f"/messages/{message}/cancel")
    assert (answer.status, answer.code) == (409, "under_way")
    for other in (await deliver(api.store, inbox), await deliver(api.store, inbox, role="sent")):
        answer = await acme.call("POST", f"/messages/{other.message}/cancel")
        assert (answer.status, answer.code) == (409, "conflict")


async def test_an_inbox_holds_a_bounded_number(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await acme.inbox()
    insert = (
        "INSERT INTO holds (message_id, organization_id, environment_id, inbox_id, kind,"
        " credential, reverse_path, due_at, job_id) SELECT 'msg_' || n, $1, $2, $3, 'schedule',"
        " 'key', '', now() + interval '1 day', 0 FROM generate_series(1, 1000) AS n"
    )
    await api.store.database.run(
        "*", lambda c: c.execute(insert, inbox.organization, inbox.environment, inbox.id)
    )
    body = {**LETTER, "send_at": ahead(hours=1)}
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", body)
    assert (answer.status, answer.code) == (422, "too_many_held")
    assert (await acme.call("POST", f"/inboxes/{inbox.id}/messages", LETTER)).status == 202


async def test_a_draft_is_scheduled_changed_and_sent(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    original = await deliver(api.store, inbox, letter(message_id="question"))
    at = ahead(days=1)
    body = {"in_reply_to": original.message, "text_body": "Yes.", "send_at": at}
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    assert made.status == 201
    assert (made.json["send_at"], made.json["send_status"]) == (at, "scheduled")
    draft = made.json["id"]
    assert await folders(api.store, made.json["message_id"]) == ["Scheduled"]
    later = ahead(days=2)
    changed = await acme.call(
        "PATCH", f"/drafts/{draft}", {"send_at": later, "bcc": "boss@x.example"}
    )
    assert (changed.json["id"], changed.json["send_at"]) == (draft, later)
    assert await row(api.store, "SELECT count(*) FROM holds") == 1
    assert await row(api.store, "SELECT count(*) FROM jobs") == 1
    back = await acme.call("PATCH", f"/drafts/{draft}", {"send_at": None})
    assert (back.json["send_at"], back.json["send_status"]) == (None, None)
    assert await folders(api.store, back.json["message_id"]) == ["Drafts"]
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    again = await acme.call("PATCH", f"/drafts/{draft}", {"send_at": later})
    listed = await acme.call("GET", f"/inboxes/{inbox.id}/drafts")
    assert [(one["id"], one["send_at"]) for one in listed.json["data"]] == [(draft, later)]
    assert await release(api.store, hurry=True) == [Done()]
    message = again.json["message_id"]
    assert await folders(api.store, message) == ["Sent"]
    assert (await acme.call("GET", f"/drafts/{draft}")).status == 404
    [(_, event)] = await told(api.store, "draft.sent")
    assert (event["draft_id"], event["message_id"]) == (draft, message)
    answered = await acme.call("GET", f"/messages/{original.message}")
    assert answered.json["answered"] is True
    states = (await acme.call("GET", f"/messages/{message}/delivery")).json["recipients"]
    assert [one["email"] for one in states] == ["ada@example.org", "boss@x.example"]
    assert await told(api.store, "message.updated") == []


async def test_a_scheduled_draft_is_sent_by_hand_or_deleted(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    body = {**LETTER, "send_at": ahead(days=1)}
    draft = (await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)).json["id"]
    sent = await acme.call("POST", f"/drafts/{draft}/send")
    assert (sent.status, sent.json["status"]) == (202, "queued")
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    draft = (await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)).json["id"]
    assert (await acme.call("DELETE", f"/drafts/{draft}")).status == 204
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    assert await release(api.store, hurry=True) == []


async def test_a_draft_that_cannot_be_sent_comes_back(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    body = {**LETTER, "send_at": ahead(days=1)}
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    draft = made.json["id"]
    await api.store.inboxes.pause(acme.actor, inbox.id, "trouble")
    assert await release(api.store, hurry=True) == [Done()]
    back = await acme.call("GET", f"/drafts/{draft}")
    assert (back.json["send_at"], back.json["send_status"]) == (None, None)
    assert await folders(api.store, back.json["message_id"]) == ["Drafts"]
    [(_, event)] = await told(api.store, "draft.send_failed")
    assert (event["draft_id"], event["reason_code"]) == (draft, "inbox_paused")
    assert await told(api.store, "message.rejected") == []


async def test_a_scheduled_draft_waits_for_its_approval_and_is_left_alone(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    await demand(api.store, acme.actor, inbox, "always")
    body = {**LETTER, "send_at": ahead(days=1)}
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    draft = made.json["id"]
    assert made.json["send_status"] == "held"
    for method, path in (("PATCH", ""), ("POST", "/send")):
        answer = await acme.call(
            method, f"/drafts/{draft}{path}", {} if method == "PATCH" else None
        )
        assert (answer.status, answer.code) == (409, "conflict")
    [approval] = (await acme.call("GET", "/approvals")).json["data"]
    assert approval["draft_id"] == draft
    assert (await acme.call("DELETE", f"/drafts/{draft}")).status == 204
    [approval] = (await acme.call("GET", "/approvals")).json["data"]
    assert approval["status"] == "canceled"


async def _saved(acme: Tenant, inbox: Inbox, key: str) -> Any:
    body = {**LETTER, "send_at": ahead(days=1), "save_as_draft": True}
    path = f"/inboxes/{inbox.id}/messages"
    return await acme.call("POST", path, body, Idempotency_Key=key)


async def test_a_letter_kept_as_a_draft_with_a_time_is_scheduled(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    saved = await _saved(acme, inbox, "k")
    assert (saved.status, saved.json["status"]) == (201, "draft")
    draft = await acme.call("GET", f"/drafts/{saved.json['id']}")
    assert draft.json["send_status"] == "scheduled"
