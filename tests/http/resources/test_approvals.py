"""Approvals over REST: what is held, who decides, what follows, and that it happens once."""

from __future__ import annotations

from agentpost.model.job import Done
from tests.http.resources.conftest import Api, Tenant
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


async def test_a_message_that_asks_for_approval_is_held(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    sent = await acme.call("POST", path, {**LETTER, "hold_for_approval": True})
    assert (sent.status, sent.json["status"]) == (202, "held")
    message = sent.json["id"]
    assert await folders(api.store, message) == ["Approvals"]
    shown = await acme.call("GET", f"/messages/{message}")
    assert (shown.json["status"], shown.json["folder"]) == ("held", "Approvals")
    states = (await acme.call("GET", f"/messages/{message}/delivery")).json["recipients"]
    assert [(one["email"], one["state"]) for one in states] == [(ADA, "held")]
    listed = await acme.call("GET", "/approvals?status=pending")
    [approval] = listed.json["data"]
    assert approval["message_id"] == message
    assert approval["rule"] == "hold_for_approval"
    assert approval["recipients"] == [ADA]
    [(_, event)] = await told(api.store, "approval.requested")
    assert event["approval_id"] == approval["id"]
    assert event["to_addresses"] == [{"email": ADA, "name": None}]
    assert event["subject"] == "Your invoice"
    assert event["expires_at"] == approval["expires_at"]
    assert event["on_expiry"] == "reject"
    assert await told(api.store, "message.sent", "message.queued", "message.rejected") == []
    read = await acme.call("GET", f"/approvals/{approval['id']}")
    assert read.json["text_body"].strip() == "Here it is."


async def test_a_key_cannot_decide_about_what_it_wants_sent(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    await acme.call("POST", path, {**LETTER, "hold_for_approval": True})
    [approval] = (await acme.call("GET", "/approvals")).json["data"]
    for decision in ("approve", "reject"):
        answer = await acme.call("POST", f"/approvals/{approval['id']}/{decision}", {})
        assert (answer.status, answer.code) == (403, "own_approval")
    edits = {"edits": {"subject": "Other"}}
    answer = await acme.call("POST", f"/approvals/{approval['id']}/approve", edits)
    assert (answer.status, answer.code) == (403, "own_approval")
    [approval] = (await acme.call("GET", "/approvals")).json["data"]
    assert (approval["status"], approval["subject"]) == ("pending", "Your invoice")


async def test_what_is_approved_is_sent_once(api: Api, acme: Tenant) -> None:
    inbox, bob = await acme.inbox(), await acme.inbox("bob")
    path = f"/inboxes/{inbox.id}/messages"
    body = {**LETTER, "to": [ADA, bob.address], "hold_for_approval": True}
    message = (await acme.call("POST", path, body)).json["id"]
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    name = approval["id"]
    answer = await human("POST", f"/approvals/{name}/approve", {}, Idempotency_Key="k1")
    assert (answer.status, answer.json["status"]) == (200, "approved")
    again = await human("POST", f"/approvals/{name}/approve", {}, Idempotency_Key="k1")
    assert again.octets == answer.octets
    assert again.fields["idempotent-replayed"] == "true"
    over = await human("POST", f"/approvals/{name}/approve", {})
    assert (over.status, over.code) == (409, "approval_over")
    assert [await release(api.store), await release(api.store)] == [[Done()], []]
    assert await folders(api.store, message) == ["Approvals/Approved", "Sent"]
    shown = await acme.call("GET", f"/messages/{message}")
    assert shown.json["status"] == "queued"
    inside = await acme.call("GET", f"/inboxes/{bob.id}/messages")
    assert [one["subject"] for one in inside.json["data"]] == ["Your invoice"]
    assert await row(api.store, "SELECT count(*) FROM relays") == 1
    assert await row(api.store, "SELECT count(*) FROM jobs WHERE kind = 'relay'") == 1
    assert await row(api.store, "SELECT count(*) FROM holds") == 0
    events = [
        name
        for name, _ in await told(
            api.store,
            "approval.approved",
            "message.queued",
            "message.delivered",
            "message.received",
        )
    ]
    assert sorted(events) == [
        "approval.approved",
        "message.delivered",
        "message.queued",
        "message.received",
    ]


async def test_who_lacks_the_scope_decides_nothing(api: Api, acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    await acme.call("POST", path, {**LETTER, "hold_for_approval": True})
    [approval] = (await acme.call("GET", "/approvals")).json["data"]
    reader = await acme.caller("approvals:read", "messages:write")
    answer = await reader("POST", f"/approvals/{approval['id']}/approve", {})
    assert (answer.status, answer.code) == (403, "forbidden")
    for decision in ("approve", "reject"):
        answer = await globex.call("POST", f"/approvals/{approval['id']}/{decision}", {})
        assert (answer.status, answer.code) == (404, "not_found")
    # Nor by moving it, where only labels:write is asked for.
    mover = await acme.caller("labels:write", "messages:read")
    message = f"/messages/{approval['message_id']}"
    answer = await mover("PATCH", message, {"folder": "Approvals/Approved"})
    assert (answer.status, answer.code) == (403, "forbidden")
    own = await acme.call("PATCH", message, {"folder": "Approvals/Approved"})
    assert (own.status, own.code) == (403, "own_approval")
    assert await release(api.store) == []


async def test_what_is_rejected_is_never_sent_and_may_be_tried_again(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    message = (await acme.call("POST", path, {**LETTER, "hold_for_approval": True})).json["id"]
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    answer = await human("POST", f"/approvals/{approval['id']}/reject", {"reason": "Too dear."})
    assert answer.json["status"] == "rejected"
    assert answer.json["reason"] == "Too dear."
    assert await release(api.store, hurry=True) == []
    assert await folders(api.store, message) == ["Approvals/Rejected"]
    shown = await acme.call("GET", f"/messages/{message}")
    assert shown.json["status"] == "rejected"
    [(_, decided)] = await told(api.store, "approval.rejected")
    assert decided["reason"] == "Too dear."
    [(_, event)] = await told(api.store, "message.rejected")
    assert event["reason_code"] == "policy"
    assert "Too dear." in event["reason"]
    assert event["recipients"] == [ADA]
    assert await row(api.store, "SELECT fingerprint FROM messages WHERE id = $1", message) is None


async def test_edits_make_another_version_with_the_hidden_recipients(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    body = {**LETTER, "bcc": "boss@elsewhere.example", "hold_for_approval": True}
    first = (await acme.call("POST", path, body)).json["id"]
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    edits = {"edits": {"subject": "Your first invoice", "to": "eve@elsewhere.example"}}
    answer = await human("POST", f"/approvals/{approval['id']}/approve", edits)
    assert answer.status == 200
    assert answer.json["subject"] == "Your first invoice"
    assert answer.json["message_id"] != first
    assert answer.json["recipients"] == ["boss@elsewhere.example", "eve@elsewhere.example"]
    assert (await acme.call("GET", f"/messages/{first}")).status == 404
    await release(api.store)
    message = answer.json["message_id"]
    states = (await acme.call("GET", f"/messages/{message}/delivery")).json["recipients"]
    assert [(one["email"], one["state"]) for one in states] == [
        ("boss@elsewhere.example", "queued"),
        ("eve@elsewhere.example", "queued"),
    ]
    raw = (await acme.call("GET", f"/messages/{message}/raw")).octets
    assert b"boss@" not in raw


async def test_the_version_that_was_read_is_the_one_that_is_approved(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    await acme.call("POST", path, {**LETTER, "hold_for_approval": True})
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    place = f"/approvals/{approval['id']}/approve"
    stale = await human("POST", place, {}, If_Match='"7"')
    assert (stale.status, stale.code) == (412, "precondition_failed")
    tag = (await human("GET", f"/approvals/{approval['id']}")).fields["etag"]
    assert (await human("POST", place, {}, If_Match=tag)).status == 200


async def test_what_nobody_approves_in_time_is_rejected(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    message = (await acme.call("POST", path, {**LETTER, "hold_for_approval": True})).json["id"]
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    assert await release(api.store, hurry=True) == [Done()]
    [approval] = (await human("GET", "/approvals")).json["data"]
    assert approval["status"] == "expired"
    assert await folders(api.store, message) == ["Approvals/Rejected"]
    answer = await human("POST", f"/approvals/{approval['id']}/approve", {})
    assert (answer.status, answer.code) == (409, "approval_over")
    assert [name for name, _ in await told(api.store, "approval.expired", "message.rejected")] == [
        "approval.expired",
        "message.rejected",
    ]


async def test_an_inbox_demands_approvals_and_says_so_beforehand(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await demand(api.store, acme.actor, inbox, "always")
    path = f"/inboxes/{inbox.id}/messages"
    rehearsed = await acme.call("POST", path, {**LETTER, "dry_run": True})
    assert rehearsed.json["would"] == "hold"
    assert rehearsed.json["held_by"] == "inbox.approval=always"
    assert (await acme.call("POST", path, LETTER)).json["status"] == "held"
    draft = (await acme.call("POST", f"/inboxes/{inbox.id}/drafts", LETTER)).json["id"]
    assert (await acme.call("POST", f"/drafts/{draft}/send")).json["status"] == "held"
    assert len((await acme.call("GET", "/approvals")).json["data"]) == 2
    assert (await acme.call("GET", f"/drafts/{draft}")).status == 404


async def test_a_draft_is_sent_when_somebody_approves_it(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    drafts = f"/inboxes/{inbox.id}/drafts"
    draft = (await acme.call("POST", drafts, LETTER)).json["id"]
    asked: dict[str, object] = {"hold_for_approval": True}
    once = {"Idempotency_Key": "k1"}
    held = await acme.call("POST", f"/drafts/{draft}/send", asked, **once)
    assert (held.status, held.json["status"]) == (202, "held")
    again = await acme.call("POST", f"/drafts/{draft}/send", asked, **once)
    assert again.json == held.json
    assert (await acme.call("GET", f"/drafts/{draft}")).status == 404
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals?status=pending")).json["data"]
    assert (approval["message_id"], approval["rule"]) == (held.json["id"], "hold_for_approval")
    assert (await human("POST", f"/approvals/{approval['id']}/approve", {})).status == 200
    assert await release(api.store) == [Done()]
    assert await folders(api.store, held.json["id"]) == ["Approvals/Approved", "Sent"]


async def test_a_scheduled_draft_keeps_its_time_while_it_waits_for_an_approval(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    at = ahead(hours=2)
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", {**LETTER, "send_at": at})
    path = f"/drafts/{made.json['id']}/send"
    held = await acme.call("POST", path, {"hold_for_approval": True})
    assert held.json["status"] == "held"
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals?status=pending")).json["data"]
    assert approval["send_at"] == at
    assert (await human("POST", f"/approvals/{approval['id']}/approve", {})).status == 200
    assert await release(api.store) == []
    shown = await acme.call("GET", f"/messages/{held.json['id']}")
    assert (shown.json["status"], shown.json["folder"]) == ("scheduled", "Scheduled")


async def test_only_new_recipients_need_an_approval_once(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await demand(api.store, acme.actor, inbox, "new_recipients")
    path = f"/inboxes/{inbox.id}/messages"
    human = await acme.caller("approvals:read", "approvals:decide")
    assert (await acme.call("POST", path, LETTER)).json["status"] == "held"
    [approval] = (await human("GET", "/approvals")).json["data"]
    await human("POST", f"/approvals/{approval['id']}/approve", {})
    known = {**LETTER, "to": ADA.upper(), "subject": "Again"}
    assert (await acme.call("POST", path, known)).json["status"] == "queued"
    more = {**LETTER, "cc": "eve@elsewhere.example", "subject": "More"}
    assert (await acme.call("POST", path, more)).json["status"] == "held"


async def test_an_agent_cannot_free_itself_from_approvals(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await demand(api.store, acme.actor, inbox, "always")
    agent = await acme.caller("inboxes:write", "inboxes:read", "credentials:write")
    path = f"/inboxes/{inbox.id}"
    for settings in ({"approval": "never"}, {"approval": None}, {"approval_expires_s": 60}):
        answer = await agent("PATCH", path, {"settings": settings})
        assert (answer.status, answer.code) == (403, "forbidden")
    assert (await agent("PATCH", path, {"settings": {"max_imap_connections": 3}})).status == 200
    made = await agent("POST", f"{path}/credentials", {"name": "x", "approver": True})
    assert (made.status, made.code) == (403, "forbidden")
    made = await acme.call("POST", f"{path}/credentials", {"name": "human", "approver": True})
    assert made.json["approver"] is True
    turned = await agent("POST", f"{path}/credentials/{made.json['id']}/rotate")
    assert (turned.status, turned.code) == (403, "forbidden")
    wrong = await acme.call("PATCH", path, {"settings": {"approval": "sometimes"}})
    assert (wrong.status, wrong.paths) == (422, ["settings.approval"])


async def test_the_policy_is_asked_before_an_approval_and_when_it_goes(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    message = (await acme.call("POST", path, {**LETTER, "hold_for_approval": True})).json["id"]
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    place = f"/approvals/{approval['id']}/approve"
    await api.store.inboxes.pause(acme.actor, inbox.id, "trouble")
    refused = await human("POST", place, {})
    assert (refused.status, refused.code) == (403, "inbox_paused")
    [approval] = (await human("GET", "/approvals")).json["data"]
    assert approval["status"] == "pending"
    await api.store.inboxes.resume(acme.actor, inbox.id)
    assert (await human("POST", place, {})).status == 200
    await api.store.inboxes.pause(acme.actor, inbox.id, "trouble again")
    assert await release(api.store) == [Done()]
    shown = await acme.call("GET", f"/messages/{message}")
    assert shown.json["status"] == "rejected"
    [(_, event)] = await told(api.store, "message.rejected")
    assert (event["reason_code"], event["recipients"]) == ("inbox_paused", [ADA])
    assert await row(api.store, "SELECT count(*) FROM relays") == 0


async def test_an_approved_message_waits_for_its_time(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    body = {**LETTER, "hold_for_approval": True, "send_at": ahead(days=2)}
    sent = await acme.call("POST", path, body)
    assert sent.json["status"] == "held"
    human = await acme.caller("approvals:read", "approvals:decide")
    [approval] = (await human("GET", "/approvals")).json["data"]
    assert approval["send_at"] == body["send_at"]
    await human("POST", f"/approvals/{approval['id']}/approve", {})
    assert await release(api.store) == []
    message = sent.json["id"]
    assert await folders(api.store, message) == ["Approvals/Approved", "Scheduled"]
    assert await release(api.store, hurry=True) == [Done()]
    assert await folders(api.store, message) == ["Approvals/Approved", "Sent"]


async def test_lists_are_narrowed(api: Api, acme: Tenant, globex: Tenant) -> None:
    first, second = await acme.inbox("first"), await acme.inbox("second")
    for inbox in (first, second):
        path = f"/inboxes/{inbox.id}/messages"
        await acme.call("POST", path, {**LETTER, "hold_for_approval": True})
    listed = await acme.call("GET", f"/approvals?inbox_id={second.id}")
    assert [one["inbox_id"] for one in listed.json["data"]] == [second.id]
    assert (await acme.call("GET", "/approvals?status=approved")).json["data"] == []
    page = await acme.call("GET", "/approvals?limit=1")
    rest = await acme.call("GET", f"/approvals?limit=1&cursor={page.json['next_cursor']}")
    assert {one["inbox_id"] for one in page.json["data"] + rest.json["data"]} == {
        first.id,
        second.id,
    }
    assert (await globex.call("GET", "/approvals")).json["data"] == []
    assert (await globex.call("GET", f"/approvals?inbox_id={second.id}")).status == 404
    bound = await acme.caller("approvals:read", inboxes=(first.id,))
    listed = await bound("GET", "/approvals")
    assert [one["inbox_id"] for one in listed.json["data"]] == [first.id]
