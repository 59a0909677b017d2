"""Drafts over REST, which are those of mail programs too (R45, R68)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agentpost.model.actor import Scope
from agentpost.model.inbox import Inbox
from agentpost.model.message import MessageFilter
from agentpost.model.page import PageRequest
from tests.http.resources.conftest import Api, Tenant, deliver, letter

ADA = {"email": "ada@example.org", "name": "Ada"}
BODY: dict[str, Any] = {
    "to": [ADA],
    "subject": "Your invoice",
    "text_body": "Here it is.",
    "labels": ["Billing"],
}
FILE = {
    "filename": "a.txt",
    "mime_type": "text/plain",
    "content": base64.b64encode(b"abc").decode(),
}


async def in_folder(api: Api, acme: Tenant, inbox: Inbox, folder: str) -> list[str]:
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    counts = {
        status.mailbox.name: status.messages
        for status in await api.store.mailboxes.status(acme.actor, where)
    }
    page = await api.store.messages.page(acme.actor, MessageFilter(folder=folder), PageRequest())
    assert len(page.rows) == counts[folder]
    return [message.subject for message in page.rows]


async def test_a_draft_is_written_changed_and_lies_in_drafts(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    made = await acme.call("POST", f"/inboxes/{inbox.address}/drafts", BODY)
    assert made.status == 201
    assert made.json["to_addresses"] == [ADA]
    assert made.json["from_address"]["email"] == inbox.address
    assert made.json["text_body"].strip() == "Here it is."
    assert made.json["labels"] == ["billing"]
    assert await in_folder(api, acme, inbox, "Drafts") == ["Your invoice"]
    path = f"/drafts/{made.json['id']}"
    read = await acme.call("GET", path)
    assert read.json == made.json
    assert read.fields["etag"] == made.fields["etag"]
    body = {"subject": "Again", "html": "<p>Hi</p>", "bcc": ["Bob <bob@example.org>"]}
    changed = await acme.call("PATCH", path, body, If_Match=made.fields["etag"])
    assert changed.status == 200
    assert changed.json["id"] == made.json["id"]
    assert changed.json["bcc_addresses"] == [{"email": "bob@example.org", "name": "Bob"}]
    assert changed.json["to_addresses"] == [ADA]
    assert changed.json["text_body"].strip() == "Here it is."
    assert "<p>Hi</p>" in changed.json["html_body"]
    assert changed.json["labels"] == ["billing"]
    assert await in_folder(api, acme, inbox, "Drafts") == ["Again"]
    stale = {"If_Match": made.fields["etag"]}
    assert (await acme.call("PATCH", path, {"subject": "No"}, **stale)).status == 412
    assert (await acme.call("DELETE", path, **stale)).status == 412
    assert (await acme.call("POST", path + "/send", **stale)).status == 412
    assert (await acme.call("DELETE", path, If_Match=changed.fields["etag"])).status == 204
    assert (await acme.call("GET", path)).code == "not_found"
    assert await in_folder(api, acme, inbox, "Drafts") == []


async def test_what_a_mail_program_saves_is_a_draft(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    octets = letter("From the phone", sender=inbox.address, to="ada@example.org")
    placed = await deliver(api.store, inbox, octets, role="drafts")
    listed = (await acme.call("GET", f"/inboxes/{inbox.id}/drafts")).json["data"]
    assert [each["subject"] for each in listed] == ["From the phone"]
    assert listed[0]["message_id"] == placed.message
    assert "text_body" not in listed[0]
    path = f"/drafts/{listed[0]['id']}"
    read = await acme.call("GET", path)
    changed = await acme.call("PATCH", path, {"text": "More."}, If_Match=read.fields["etag"])
    assert changed.json["id"] == listed[0]["id"]
    assert changed.json["text_body"].strip() == "More."
    assert changed.fields["etag"] != read.fields["etag"]
    assert await in_folder(api, acme, inbox, "Drafts") == ["From the phone"]


async def test_a_client_id_gives_the_same_draft(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/drafts"
    writer = await acme.caller("drafts:write")
    first = await writer("POST", path, {**BODY, "client_id": "once"})
    second = await writer("POST", path, {**BODY, "client_id": "once", "subject": "Other"})
    assert (first.status, second.status) == (201, 200)
    assert second.json == first.json
    assert (await writer("DELETE", f"/drafts/{first.json['id']}")).status == 204
    assert (await writer("POST", path, {**BODY, "client_id": "once"})).status == 201


async def test_files_are_added_and_removed(acme: Tenant) -> None:
    inbox = await acme.inbox()
    body = {**BODY, "attachments": [FILE, {**FILE, "filename": "b.txt"}]}
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    files = made.json["attachments"]
    assert [(each["filename"], each["size"]) for each in files] == [("a.txt", 3), ("b.txt", 3)]
    path = f"/drafts/{made.json['id']}"
    wrong = await acme.call("PATCH", path, {"remove_attachments": ["att_x"]})
    assert wrong.paths == ["remove_attachments[0]"]
    change = {
        "remove_attachments": [files[0]["id"]],
        "add_attachments": [{**FILE, "filename": "c.txt"}],
    }
    changed = await acme.call("PATCH", path, change)
    assert [each["filename"] for each in changed.json["attachments"]] == ["b.txt", "c.txt"]


async def test_answers_and_forwards_follow_from_their_message(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    octets = letter("Invoice", to=f"{inbox.address}, Bob <bob@example.org>", text="Where is it?")
    placed = await deliver(api.store, inbox, octets)
    path = f"/inboxes/{inbox.id}/drafts"
    reply = (await acme.call("POST", path, {"in_reply_to": placed.message, "text": "Here."})).json
    assert reply["subject"] == "Re: Invoice"
    assert reply["to_addresses"] == [ADA]
    assert reply["cc_addresses"] == []
    assert reply["thread_id"] == placed.thread
    assert (reply["in_reply_to"], reply["reply_all"]) == (placed.message, False)
    assert "Where is it?" in reply["text_body"]
    for body in (
        {"reply_all": placed.message, "text": "Here."},
        {"reply_all": True, "in_reply_to": placed.message, "text": "Here."},
    ):
        everyone = (await acme.call("POST", path, body)).json
        assert everyone["reply_all"] is True
        assert "bob@example.org" in str(everyone["to_addresses"] + everyone["cc_addresses"])
    forward = {"forward_of": placed.message, "to": ["eve@example.org"], "text": "See below."}
    forwarded = (await acme.call("POST", path, forward)).json
    assert forwarded["forward_of"] == placed.message
    assert forwarded["to_addresses"] == [{"email": "eve@example.org", "name": None}]
    assert "Where is it?" in forwarded["text_body"]
    mistakes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"in_reply_to": placed.message, "forward_of": placed.message}, "forward_of"),
        ({"in_reply_to": placed.message, "reply_all": placed.message}, "reply_all"),
        ({"reply_all": True}, "reply_all"),
    )
    for wrong, named in mistakes:
        assert (await acme.call("POST", path, wrong)).paths == [named]
    elsewhere = f"/inboxes/{(await acme.inbox('other')).id}/drafts"
    assert (await acme.call("POST", elsewhere, {"in_reply_to": placed.message})).paths == [
        "in_reply_to"
    ]


async def test_a_sent_draft_is_in_sent_and_nowhere_else(api: Api, acme: Tenant) -> None:
    inbox, friend = await acme.inbox("a"), await acme.inbox("b")
    body = {**BODY, "to": [friend.address]}
    made = (await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)).json
    path = f"/drafts/{made['id']}"
    sent = await acme.call("POST", path + "/send", Idempotency_Key="k1")
    assert sent.status == 202
    assert sent.json["id"].startswith("msg_")
    assert sent.json["status"] == "delivered"
    assert await in_folder(api, acme, inbox, "Drafts") == []
    assert await in_folder(api, acme, inbox, "Sent") == ["Your invoice"]
    again = await acme.call("POST", path + "/send", Idempotency_Key="k1")
    assert (again.status, again.octets) == (202, sent.octets)
    assert again.fields["idempotent-replayed"] == "true"
    assert (await acme.call("POST", path + "/send", Idempotency_Key="k2")).code == "not_found"
    assert (await acme.call("POST", path + "/send")).code == "not_found"
    other = (await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)).json["id"]
    reused = await acme.call("POST", f"/drafts/{other}/send", Idempotency_Key="k1")
    assert (reused.status, reused.code) == (409, "idempotency_key_reuse")
    page = await api.store.messages.page(
        acme.actor, MessageFilter(direction="inbound"), PageRequest()
    )
    assert [message.inbox for message in page.rows] == [friend.id]


async def test_a_draft_without_recipients_is_kept_and_not_sent(acme: Tenant) -> None:
    inbox = await acme.inbox()
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", {})
    assert made.status == 201
    answer = await acme.call("POST", f"/drafts/{made.json['id']}/send")
    assert (answer.status, answer.paths) == (422, ["to"])
    assert (await acme.call("GET", f"/drafts/{made.json['id']}")).status == 200


async def test_pages_follow_each_other(acme: Tenant) -> None:
    inbox, other = await acme.inbox("a"), await acme.inbox("b")
    for number in range(3):
        await acme.call("POST", f"/inboxes/{inbox.id}/drafts", {"subject": str(number)})
    await acme.call("POST", f"/inboxes/{other.id}/drafts", {"subject": "other"})
    first = (await acme.call("GET", "/drafts?limit=3")).json
    second = (await acme.call("GET", f"/drafts?limit=3&cursor={first['next_cursor']}")).json
    found = [each["subject"] for each in first["data"] + second["data"]]
    assert found == ["other", "2", "1", "0"]
    own = (await acme.call("GET", f"/inboxes/{inbox.id}/drafts?order=asc")).json["data"]
    assert [each["subject"] for each in own] == ["0", "1", "2"]


async def test_what_is_foreign_is_not_there(api: Api, acme: Tenant, globex: Tenant) -> None:
    inbox = await globex.inbox()
    made = (await globex.call("POST", f"/inboxes/{inbox.id}/drafts", BODY)).json["id"]
    for method, where, body in (
        ("GET", f"/drafts/{made}", None),
        ("PATCH", f"/drafts/{made}", {"subject": "Mine"}),
        ("DELETE", f"/drafts/{made}", None),
        ("POST", f"/drafts/{made}/send", None),
        ("GET", f"/inboxes/{inbox.id}/drafts", None),
        ("POST", f"/inboxes/{inbox.id}/drafts", BODY),
    ):
        assert (await acme.call(method, where, body)).code == "not_found"
    theirs = await deliver(api.store, inbox)
    own = f"/inboxes/{(await acme.inbox()).id}/drafts"
    answer = await acme.call("POST", own, {"in_reply_to": theirs.message})
    assert answer.code == "not_found"
    assert (await acme.call("GET", "/drafts")).json["data"] == []


async def test_the_scopes_are_needed(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/drafts"
    made = (await acme.call("POST", path, BODY)).json["id"]
    reader = await acme.caller("drafts:read")
    assert (await reader("GET", f"/drafts/{made}")).status == 200
    assert (await reader("GET", path)).status == 200
    assert (await reader("POST", path, BODY)).status == 403
    for method, where in (("PATCH", ""), ("DELETE", ""), ("POST", "/send")):
        changes: dict[str, str] | None = {} if method == "PATCH" else None
        assert (await reader(method, f"/drafts/{made}{where}", changes)).code == "forbidden"
    writer = await acme.caller("drafts:write")
    assert (await writer("GET", f"/drafts/{made}")).status == 403
    received = await deliver(api.store, inbox)
    answer = await writer("POST", path, {"in_reply_to": received.message})
    assert answer.code == "forbidden"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"colour": "red"}, "colour"),
        ({"to": ["no address"]}, "to[0]"),
        ({"to": ["Eve eve@x.example>"]}, "to[0]"),
        ({"to": [{"email": "a@b.example"}, {"email": "a@b\r\nBcc: x@y"}]}, "to[1].email"),
        ({"to": [{"mail": "a@b.example"}]}, "to[0].mail"),
        ({"subject": "a\r\nBcc: x@y.example"}, "subject"),
        ({"in_reply_to": "<abc@x>"}, "in_reply_to"),
        ({"attachments": [{"filename": "a", "content": "%%%"}]}, "attachments[0].content"),
        ({"text": "a", "text_body": "b"}, "text"),
    ],
)
async def test_a_wrong_field_is_named(acme: Tenant, body: dict[str, object], path: str) -> None:
    inbox = await acme.inbox()
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    assert answer.status == 422
    assert path in answer.paths


async def test_recipients_are_written_as_in_letters(acme: Tenant) -> None:
    inbox = await acme.inbox()
    body = {"to": "Ada <ada@x.example>", "cc": {"email": "b@x.example"}, "bcc": ["c@x.example"]}
    made = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    assert made.json["to_addresses"] == [{"email": "ada@x.example", "name": "Ada"}]
    assert made.json["cc_addresses"] == [{"email": "b@x.example", "name": None}]
    changed = await acme.call("PATCH", f"/drafts/{made.json['id']}", {"to": "d@x.example"})
    assert changed.json["to_addresses"] == [{"email": "d@x.example", "name": None}]
