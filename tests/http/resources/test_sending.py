"""Sending, answering and forwarding: once, to whom it says, and seen by nobody else."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
import trio

from agentpost.model.actor import system_actor
from agentpost.model.message import MessageFilter
from agentpost.model.page import PageRequest
from tests.http.resources.conftest import ALL, Answer, Caller, Tenant, deliver, letter

LETTER = {"to": "ada@elsewhere.example", "subject": "Hello", "text_body": "Good morning."}


async def raw(acme: Tenant, message: str) -> str:
    answer = await acme.call("GET", f"/messages/{message}/raw")
    assert answer.status == 200
    return answer.octets.decode()


async def one_of(acme: Tenant, inbox: str, **filters: Any) -> str:
    page = await acme.store.messages.listed(
        acme.actor,
        MessageFilter(**filters),
        PageRequest(),
        (await acme.store.directory.reach(acme.actor, None, inbox)).scope,
    )
    assert len(page.rows) == 1
    return page.rows[0].id


async def test_a_letter_to_this_server_arrives_at_once(acme: Tenant) -> None:
    made = await acme.call("POST", "/inboxes", {"username": "ann", "display_name": "Änn, Q."})
    ann, bob = made.json, await acme.inbox("bob")
    body = {
        "to": [{"email": bob.address, "name": "Bob"}],
        "subject": "Grüße",
        "text": "Hi",
        "html": "<p>Hi</p>",
        "labels": ["Out"],
        "metadata": {"run": 7},
        "headers": {"X-Run": "7"},
        "reply_to": f"Desk <{ann['email']}>",
        "attachments": [{"filename": "a.txt", "content": b64encode(b"file").decode()}],
    }
    sent = await acme.call("POST", f"/inboxes/{ann['id']}/messages", body)
    assert sent.status == 202
    assert sent.json["status"] == "delivered"
    mine = (await acme.call("GET", f"/messages/{sent.json['id']}")).json
    assert (mine["folder"], mine["direction"], mine["seen"]) == ("Sent", "outbound", True)
    assert (mine["labels"], mine["metadata"]) == (["out"], {"run": 7})
    assert mine["sent_at"] == mine["created_at"]
    theirs = (await acme.call("GET", f"/messages/{await one_of(acme, bob.id)}")).json
    assert theirs["from_address"] == {"email": ann["email"], "name": "Änn, Q."}
    assert theirs["to_addresses"] == [{"email": bob.address, "name": "Bob"}]
    assert theirs["reply_to"] == [{"email": ann["email"], "name": "Desk"}]
    assert (theirs["subject"], theirs["text_body"].strip()) == ("Grüße", "Hi")
    assert (theirs["labels"], theirs["metadata"], theirs["seen"]) == ([], {}, False)
    assert theirs["delivered_to"] == bob.address
    assert {"name": "X-Run", "value": "7"} in theirs["headers"]
    assert [file["filename"] for file in theirs["attachments"]] == ["a.txt"]


async def test_a_letter_to_elsewhere_is_queued(acme: Tenant) -> None:
    inbox = await acme.inbox()
    sent = await acme.call("POST", f"/inboxes/{inbox.address}/messages/send", LETTER)
    assert (sent.status, sent.json["status"]) == (202, "queued")
    queued = await acme.store.database.run(
        "*", lambda connection: connection.value("SELECT payload ->> 'message_id' FROM jobs")
    )
    assert queued == sent.json["id"]
    assert (await acme.call("GET", f"/messages/{sent.json['id']}")).json["status"] == "queued"


async def test_blind_copies_are_told_to_the_sender_alone(acme: Tenant) -> None:
    ann, bob, eve = [await acme.inbox(name) for name in ("ann", "bob", "eve")]
    body = {"to": bob.address, "bcc": [eve.address], "subject": "x", "text": "y"}
    sent = (await acme.call("POST", f"/inboxes/{ann.id}/messages", body)).json
    mine = (await acme.call("GET", f"/messages/{sent['id']}")).json
    assert mine["bcc_addresses"] == [{"email": eve.address, "name": None}]
    listed = (await acme.call("GET", f"/inboxes/{ann.id}/messages")).json["data"]
    assert [each["bcc_addresses"] for each in listed] == [mine["bcc_addresses"]]
    for reader in (bob, eve):
        message = await one_of(acme, reader.id)
        assert eve.address not in (await raw(acme, message)).lower()
        assert (await acme.call("GET", f"/messages/{message}")).json["bcc_addresses"] == []
    assert eve.address not in await raw(acme, sent["id"])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"to": []}, "to"),
        ({"to": "nobody"}, "to"),
        ({"to": [{"email": "a@b.example"}, "Eve eve@x.example>"]}, "to[1]"),
        ({"to": "a@b.example\r\nBcc: c@d.example"}, "to[0].email"),
        ({"to": [{"email": "a@b.example", "name": "A\nB"}]}, "to[0].name"),
        ({"to": [{"emial": "a@b.example"}]}, "to[0].emial"),
        ({"cc": "@"}, "cc[0].email"),
        ({"subject": "a\nb"}, "subject"),
        ({"headers": {"Bcc": "x@y.example"}}, "headers.Bcc"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers.X-A"),
        ({"attachments": [{"key": "abc"}]}, "attachments[0].key"),
        ({"attachments": [{"content": "no base64!"}]}, "attachments[0].content"),
        ({"attachments": [{"content": "aGk=", "mime_type": "pdf"}]}, "attachments[0].mime_type"),
        ({"send_at": "2030-01-01T00:00:00Z"}, "send_at"),
        ({"labels": [""]}, "labels[0]"),
        ({"text": "a", "text_body": "b"}, "text"),
    ],
)
async def test_what_cannot_be_sent_is_named(
    acme: Tenant, body: dict[str, object], path: str
) -> None:
    inbox = await acme.inbox()
    wrong = {"to": "ada@elsewhere.example", "subject": "x"} | body
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", wrong)
    assert answer.status == 422
    assert path in answer.paths
    assert (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"] == []


async def test_refusals_of_submission_are_told(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    unknown = await acme.call("POST", path, LETTER | {"to": "nobody@shared.test"})
    assert (unknown.status, unknown.code) == (422, "recipient_unknown")
    many = [f"u{number}@x.example" for number in range(51)]
    crowd = await acme.call("POST", path, LETTER | {"to": many})
    assert (crowd.status, crowd.code) == (422, "too_many_recipients")
    huge = b64encode(bytes(8_000_000)).decode()
    large = await acme.call("POST", path, LETTER | {"attachments": [{"content": huge}]})
    assert (large.status, large.code) == (413, "too_large")


async def test_the_day_s_quota_is_a_402(acme: Tenant) -> None:
    await acme.store.organizations.set_tier(system_actor(), acme.organization.id, "free")
    inbox, call = await acme.inbox(), await acme.caller("messages:send")
    fifty = LETTER | {"to": [f"u{number}@x.example" for number in range(50)]}
    for _ in range(4):
        assert (await call("POST", f"/inboxes/{inbox.id}/messages", fifty)).status == 202
    over = await call("POST", f"/inboxes/{inbox.id}/messages", LETTER)
    assert (over.status, over.code) == (402, "quota_exceeded")


async def test_a_repetition_with_its_key_sends_nothing(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    path = f"/inboxes/{inbox.id}/messages"
    body = LETTER | {"to": other.address}
    first = await acme.call("POST", path, body, idempotency_key="k-1")
    again = await acme.call("POST", path, body, idempotency_key="k-1")
    assert (first.status, again.status) == (202, 202)
    assert again.octets == first.octets
    assert again.fields["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.fields
    assert await one_of(acme, inbox.id) == first.json["id"]
    reused = await acme.call("POST", path, body | {"subject": "Other"}, idempotency_key="k-1")
    assert (reused.status, reused.code) == (409, "idempotency_key_reuse")
    for bad in ("", "a b", "x" * 257):
        answer = await acme.call("POST", path, body, idempotency_key=bad)
        assert (answer.status, answer.code) == (400, "invalid_request")
    fresh = await acme.call("POST", path, body, idempotency_key="k-2")
    assert fresh.json["id"] != first.json["id"]


async def test_a_repetition_is_told_nothing_of_another_inbox(acme: Tenant) -> None:
    """Not even to a key of the same environment that knows all of the request."""
    inbox, other = await acme.inbox("one"), await acme.inbox("two")
    placed = await deliver(acme.store, inbox, letter())
    path, body = f"/messages/{placed.message}/reply", {"text_body": "Thanks."}
    assert (await acme.call("POST", path, body, idempotency_key="k")).status == 202
    bound = await acme.caller(*ALL, inboxes=(other.id,))
    answer = await bound("POST", path, body, idempotency_key="k")
    assert (answer.status, answer.code) == (404, "not_found")
    own = await acme.caller(*ALL, inboxes=(inbox.id,))
    again = await own("POST", path, body, idempotency_key="k")
    assert (again.status, again.fields["idempotent-replayed"]) == (202, "true")


async def test_repetitions_side_by_side_send_once(acme: Tenant) -> None:
    inbox = await acme.inbox()
    answers: list[Any] = []

    async def send(call: Any) -> None:
        answers.append(
            await call("POST", f"/inboxes/{inbox.id}/messages", LETTER, idempotency_key="k")
        )

    callers = [await acme.caller("messages:send") for _ in range(5)]
    async with trio.open_nursery() as nursery:
        for caller in callers:
            nursery.start_soon(send, caller)
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert await one_of(acme, inbox.id)


async def test_a_repetition_beside_the_first_is_told_so(acme: Tenant) -> None:
    inbox = await acme.inbox()
    one = await acme.caller("messages:send")
    two = Caller(one.port, one.key)
    acme.callers.append(two)
    path = f"/inboxes/{inbox.id}/messages"
    answers: list[Answer] = []

    async def send(call: Caller) -> None:
        answers.append(await call("POST", path, LETTER, idempotency_key="k"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, one)
        nursery.start_soon(send, two)
    refused, sent = sorted(answers, key=lambda answer: -answer.status)
    assert (sent.status, refused.status) == (202, 409)
    assert refused.code == "idempotency_in_flight"
    assert refused.fields["retry-after"] == "1"
    again = await one("POST", path, LETTER, idempotency_key="k")
    assert again.octets == sent.octets
    assert await one_of(acme, inbox.id) == sent.json["id"]


async def test_a_rehearsal_changes_nothing(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    path = f"/inboxes/{inbox.id}/messages"
    body = LETTER | {"to": [other.address, "ada@x.example"], "dry_run": True}
    told = await acme.call("POST", path, body)
    assert told.status == 200
    assert told.json["status"] == "dry_run"
    assert told.json["size"] > 100
    assert told.json["recipients"] == [
        {"email": other.address, "local": True, "verdict": "send", "rule_id": None},
        {"email": "ada@x.example", "local": False, "verdict": "send", "rule_id": None},
    ]
    assert (await acme.call("GET", "/messages")).json["data"] == []
    bad = await acme.call("POST", path, body | {"to": "nobody@shared.test"})
    assert bad.code == "recipient_unknown"


async def test_a_letter_may_be_kept_as_a_draft(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    body = LETTER | {"save_as_draft": True, "bcc": "eve@x.example"}
    kept = await acme.call("POST", path, body, idempotency_key="d-1")
    assert (kept.status, kept.json["status"]) == (201, "draft")
    draft = (await acme.call("GET", f"/drafts/{kept.json['id']}")).json
    assert draft["subject"] == "Hello"
    assert draft["bcc_addresses"] == [{"email": "eve@x.example", "name": None}]
    again = await acme.call("POST", path, body, idempotency_key="d-1")
    assert (again.status, again.json) == (201, kept.json)
    sender = await acme.caller("messages:send")
    assert (await sender("POST", path, body)).status == 403
    sent = await acme.call("POST", f"/drafts/{kept.json['id']}/send")
    assert sent.status == 202


async def test_a_reply_goes_to_the_author_in_the_thread(acme: Tenant) -> None:
    inbox = await acme.inbox()
    octets = letter("Parcel?", to=f"{inbox.address}, other@x.example", message_id="q1")
    placed = await deliver(acme.store, inbox, octets)
    path = f"/messages/{placed.message}"
    answered = await acme.call("POST", f"{path}/reply", {"text": "On Monday.", "cc": "c@x.example"})
    assert (answered.status, answered.json["thread_id"]) == (202, placed.thread)
    mine = (await acme.call("GET", f"/messages/{answered.json['id']}")).json
    assert mine["subject"] == "Re: Parcel?"
    assert mine["to_addresses"] == [{"email": "ada@example.org", "name": "Ada"}]
    assert mine["cc_addresses"] == [{"email": "c@x.example", "name": None}]
    assert mine["in_reply_to"] == "<q1@example.org>"
    assert "> Good morning." in mine["text_body"]
    assert mine["extracted_text"] == "On Monday."
    assert (await acme.call("GET", path)).json["answered"] is True
    bare = await acme.call("POST", f"{path}/reply", {"text": "Yes.", "quote": False})
    plain = (await acme.call("GET", f"/messages/{bare.json['id']}")).json
    assert plain["text_body"].strip() == "Yes."


async def test_a_reply_to_all_goes_to_all_but_oneself(acme: Tenant) -> None:
    inbox = await acme.inbox()
    octets = letter("All", to=f"{inbox.address}, b@x.example\r\nCc: c@x.example")
    placed = await deliver(acme.store, inbox, octets)
    sent = await acme.call("POST", f"/messages/{placed.message}/reply-all", {"text": "ok"})
    mine = (await acme.call("GET", f"/messages/{sent.json['id']}")).json
    assert [who["email"] for who in mine["to_addresses"]] == ["ada@example.org", "b@x.example"]
    assert [who["email"] for who in mine["cc_addresses"]] == ["c@x.example"]


async def test_a_forward_takes_the_files_along(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    body = {
        "to": inbox.address,
        "subject": "Report",
        "text": "See file.",
        "attachments": [{"filename": "r.pdf", "content": b64encode(b"%PDF").decode()}],
    }
    await acme.call("POST", f"/inboxes/{other.id}/messages", body)
    original = await one_of(acme, inbox.id)
    path = f"/messages/{original}/forward"
    sent = await acme.call("POST", path, {"to": "x@y.example", "text": "FYI"})
    mine = (await acme.call("GET", f"/messages/{sent.json['id']}")).json
    assert mine["subject"].startswith("Fwd: ")
    assert "See file." in mine["text_body"]
    assert [file["filename"] for file in mine["attachments"]] == ["r.pdf"]
    assert "$forwarded" in (await acme.call("GET", f"/messages/{original}")).json["labels"]
    whole = await acme.call("POST", path, {"to": "x@y.example", "as_attachment": True})
    files = (await acme.call("GET", f"/messages/{whole.json['id']}/attachments")).json["data"]
    assert [file["mime_type"] for file in files] == ["message/rfc822"]
    nobody = await acme.call("POST", path, {"text": "FYI"})
    assert (nobody.status, nobody.paths) == (422, ["to"])


async def test_answers_are_repeatable_rehearsable_and_draftable(acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox())
    path = f"/messages/{placed.message}/reply"
    told = await acme.call("POST", path, {"text": "x", "dry_run": True})
    assert (told.status, told.json["status"]) == (200, "dry_run")
    assert (await acme.call("GET", f"/messages/{placed.message}")).json["answered"] is False
    first = await acme.call("POST", path, {"text": "x"}, idempotency_key="r")
    await acme.call("DELETE", f"/messages/{placed.message}?permanent=true")
    again = await acme.call("POST", path, {"text": "x"}, idempotency_key="r")
    assert again.json == first.json
    other = await deliver(acme.store, await acme.inbox("other"))
    kept = await acme.call(
        "POST", f"/messages/{other.message}/reply-all", {"text": "x", "save_as_draft": True}
    )
    assert kept.status == 201
    draft = (await acme.call("GET", f"/drafts/{kept.json['id']}")).json
    assert (draft["in_reply_to"], draft["reply_all"]) == (other.message, True)


async def test_sending_needs_its_scope_and_its_tenant(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    replier, sender = await acme.caller("messages:reply"), await acme.caller("messages:send")
    reply, forward = f"/messages/{placed.message}/reply", f"/messages/{placed.message}/forward"
    assert (await replier("POST", reply, {"text": "x"})).status == 202
    assert (await replier("POST", forward, {"to": "a@b.example"})).status == 403
    assert (await replier("POST", f"/inboxes/{inbox.id}/messages", LETTER)).status == 403
    assert (await sender("POST", forward, {"to": "a@b.example"})).status == 202
    assert (await sender("POST", reply, {"text": "x"})).status == 403
    umbrella = await acme.caller("messages:write")
    assert (await umbrella("POST", reply, {"text": "x"})).status == 202
    for path, body in (
        (f"/inboxes/{inbox.id}/messages", LETTER),
        (f"/inboxes/{inbox.address}/messages", LETTER),
        (reply, {"text": "x"}),
        (forward, {"to": "a@b.example"}),
    ):
        assert (await globex.call("POST", path, body)).status == 404
