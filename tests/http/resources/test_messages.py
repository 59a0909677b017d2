"""Messages: listed, read, marked and deleted, the same over REST and IMAP."""

from __future__ import annotations

from typing import Any

import pytest

from agentpost.model.mailbox import Flag, FlagChange
from agentpost.model.message import MessageChange
from tests.http.resources.conftest import Tenant, deliver, letter


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.octets
    return [each["id"] for each in answer.json["data"]]


async def test_a_list_is_paged_in_both_orders(acme: Tenant) -> None:
    inbox = await acme.inbox()
    made = [(await deliver(acme.store, inbox, letter(f"No. {n}"))).message for n in range(5)]
    for order, expected in (("desc", made[::-1]), ("asc", made)):
        seen: list[str] = []
        cursor = ""
        while True:
            page = await acme.call(
                "GET", f"/inboxes/{inbox.id}/messages?limit=2&order={order}{cursor}"
            )
            seen += ids(page)
            if not page.json["has_more"]:
                break
            cursor = f"&page_token={page.json['next_cursor']}"
        assert seen == expected
    wide = await acme.call("GET", "/messages?limit=3")
    assert ids(wide) == made[:1:-1]
    rest = await acme.call("GET", f"/messages?limit=3&cursor={wide.json['next_cursor']}")
    assert ids(rest) == made[1::-1]
    other = await acme.call("GET", f"/messages?seen=true&cursor={wide.json['next_cursor']}")
    assert (other.status, other.code) == (400, "invalid_cursor")


async def test_a_list_is_narrowed_by_every_filter(acme: Tenant) -> None:
    inbox = await acme.inbox()
    store = acme.store
    first = await deliver(store, inbox, letter("Invoice 1", sender="Ada <ada@one.example>"))
    second = await deliver(store, inbox, letter("Report", sender="bob@two.example", to="c@d.test"))
    file = (
        b"From: eve@x.example\r\nSubject: With file\r\nContent-Type: application/pdf\r\n"
        b"Content-Disposition: attachment; filename=a.pdf\r\n\r\nPDF"
    )
    third = await deliver(store, inbox, file)
    sent = await deliver(store, inbox, letter("Mine", sender=inbox.address), role="sent")
    await deliver(store, inbox, role="drafts")
    change = MessageChange(add_labels=("billing", "Urgent"), seen=True, flagged=True)
    await store.messages.update(acme.actor, first.message, change)
    await store.messages.update(acme.actor, second.message, MessageChange(add_labels=("billing",)))
    moment = (await store.messages.get(acme.actor, second.message)).created_at
    when = moment.isoformat().replace("+00:00", "Z")
    a, b, c, d = (one.message for one in (first, second, third, sent))
    for query, expected in (
        ("", {a, b, c, d}),
        ("direction=outbound", {d}),
        ("direction=inbound", {a, b, c}),
        ("folder=Sent", {d}),
        ("folder=Nowhere", set()),
        (f"thread_id={first.thread}", {a}),
        ("labels=BILLING", {a, b}),
        ("labels=billing,urgent", {a}),
        ("labels=billing&labels=urgent", {a}),
        ("labels=billing&not_labels=urgent", {b}),
        ("not_labels=billing", {c, d}),
        ("seen=true", {a}),
        ("flagged=false&direction=inbound", {b, c}),
        ("from=ADA", {a}),
        ("from=one.example", {a}),
        ("to=c@d.test", {b}),
        ("subject=voice", {a}),
        ("subject=100%25", set()),
        ("has_attachments=true", {c}),
        (f"after={when}", {c, d}),
        (f"before={when}", {a}),
        ("after=2020-01-01T00:00:00Z&before=2020-01-02T00:00:00Z", set()),
    ):
        for path in (f"/inboxes/{inbox.id}/messages", "/messages"):
            found = ids(await acme.call("GET", f"{path}?{query}"))
            assert set(found) == expected, (path, query)
            assert found == sorted(found, reverse=True)
    for query in ("direction=up", "seen=maybe", "after=yesterday", "folder=", "colour=red"):
        answer = await acme.call("GET", f"/inboxes/{inbox.id}/messages?{query}")
        assert (answer.status, answer.code) == (400, "invalid_request"), query


async def test_trash_and_junk_are_shown_to_who_may_see_them(acme: Tenant) -> None:
    inbox = await acme.inbox()
    kept = await deliver(acme.store, inbox)
    gone = await deliver(acme.store, inbox)
    junk = await deliver(acme.store, inbox, role="junk")
    await acme.store.messages.delete(acme.actor, gone.message)
    path = f"/inboxes/{inbox.id}/messages"
    assert ids(await acme.call("GET", path)) == [kept.message]
    both = ids(await acme.call("GET", f"{path}?include=trash,spam"))
    assert set(both) == {kept.message, gone.message, junk.message}
    assert ids(await acme.call("GET", "/messages?include=trash")) == [gone.message, kept.message]
    reader = await acme.caller("messages:read", "inboxes:read")
    for where in (path, "/messages"):
        refused = await reader("GET", f"{where}?include=trash")
        assert (refused.status, refused.code) == (403, "forbidden")


async def test_what_lies_in_trash_and_elsewhere_is_shown(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    store, where = acme.store, (await acme.store.directory.reach(acme.actor, None, inbox.id)).scope
    trash = await store.mailboxes.find(acme.actor, where, "Trash")
    await store.mailboxes.copy(acme.actor, where, placed.mailbox, [placed.uid], trash.name)
    shown = (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"]
    assert [(each["id"], each["folder"]) for each in shown] == [(placed.message, "INBOX")]


async def test_the_views_show_what_they_say(acme: Tenant) -> None:
    inbox = await acme.inbox()
    text = "New words.\r\n\r\n-- \r\nAda\r\n\r\nOn Mon, 2 Mar 2026, Bob wrote:\r\n> Old words."
    octets = letter("Re: words", text=text, answers="first")
    placed = await deliver(acme.store, inbox, octets)
    path = f"/messages/{placed.message}"
    full = await acme.call("GET", path)
    body = full.json
    assert full.fields["etag"] == f'"{body["modseq"]}"'
    assert "Old words." in body["text_body"]
    assert body["extracted_text"] == "New words."
    assert body["html_body"] is None
    assert body["from_address"] == {"email": "ada@example.org", "name": "Ada"}
    assert body["in_reply_to"] == "<first@example.org>"
    assert body["references"] == ["<first@example.org>"]
    assert {"name": "Subject", "value": "Re: words"} in body["headers"]
    assert (body["attachments"], body["delivery"]) == ([], None)
    assert body["hidden_text_removed"] is False
    assert body["received_at"] == body["created_at"]
    assert body["sent_at"] is None
    summary = (await acme.call("GET", f"{path}?view=summary")).json
    assert "text_body" not in summary
    assert summary.items() <= body.items()
    listed = (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"][0]
    assert listed == summary
    llm = (await acme.call("GET", f"{path}?view=llm&max_chars=3")).json
    assert (llm["extracted_text"], llm["truncated"]) == ("New", True)
    assert llm["hidden_text_removed"] is False
    assert "hidden_text_removed" not in summary
    assert "html_body" not in llm
    views = (await acme.call("GET", f"/inboxes/{inbox.id}/messages?view=llm")).json["data"]
    assert [each["extracted_text"] for each in views] == ["New words."]
    whole = (await acme.call("GET", "/messages?view=full")).json["data"]
    assert whole == [body]
    assert (await acme.call("GET", f"{path}?view=raw")).status == 400


async def test_a_message_is_read_below_its_own_inbox_only(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    placed = await deliver(acme.store, inbox)
    here = await acme.call("GET", f"/inboxes/{inbox.address}/messages/{placed.message}")
    assert here.json["id"] == placed.message
    there = await acme.call("GET", f"/inboxes/{other.id}/messages/{placed.message}")
    assert (there.status, there.code) == (404, "not_found")


async def test_marks_and_labels_are_the_same_over_imap(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    store, path = acme.store, f"/messages/{placed.message}"
    where = (await store.directory.reach(acme.actor, None, inbox.id)).scope
    change = FlagChange("add", Flag.FLAGGED | Flag.ANSWERED, ("Invoice",))
    await store.mailboxes.store_flags(acme.actor, where, placed.mailbox, [placed.uid], change)
    seen = (await acme.call("GET", path)).json
    assert (seen["flagged"], seen["answered"], seen["seen"]) == (True, True, False)
    assert seen["labels"] == ["invoice"]
    changed = await acme.call(
        "PATCH", path, {"add_labels": ["Urgent"], "remove_labels": ["INVOICE"], "seen": True}
    )
    assert (changed.json["labels"], changed.json["seen"]) == (["urgent"], True)
    assert changed.json["modseq"] > seen["modseq"]
    labelled = await acme.call("POST", f"{path}/labels", {"labels": ["zwei wörter", "urgent"]})
    assert labelled.json["labels"] == ["urgent", "zwei wörter"]
    snapshot = await store.index.snapshot(acme.actor, where, placed.mailbox)
    assert Flag(snapshot.flags[0]) == Flag.SEEN | Flag.FLAGGED | Flag.ANSWERED
    assert snapshot.keyword_sets[snapshot.keywords[0]] == ("urgent", "zwei wörter")
    removed = await acme.call("DELETE", f"{path}/labels", {"labels": ["urgent"]})
    assert removed.json["labels"] == ["zwei wörter"]
    moved = await acme.call("PATCH", path, {"folder": "Archive", "flagged": False})
    assert (moved.json["folder"], moved.json["flagged"]) == ("Archive", False)
    assert len((await store.index.snapshot(acme.actor, where, placed.mailbox)).uids) == 0
    nowhere = await acme.call("PATCH", path, {"folder": "Nowhere"})
    assert (nowhere.status, nowhere.code) == (404, "folder_not_found")
    for body, bad in (
        ({"add_labels": ["a\u0007"]}, "add_labels[0]"),
        ({"remove_labels": [" "]}, "remove_labels[0]"),
        ({"labels": ["x"]}, "labels"),
        ({"seen": "yes"}, "seen"),
    ):
        answer = await acme.call("PATCH", path, body)
        assert (answer.status, answer.paths) == (422, [bad])


async def test_a_change_may_be_conditional(acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox())
    path = f"/messages/{placed.message}"
    tag = (await acme.call("GET", path)).fields["etag"]
    first = await acme.call("PATCH", path, {"seen": True}, if_match=tag)
    assert first.status == 200
    for method, where, body in (
        ("PATCH", path, {"seen": False}),
        ("POST", f"{path}/labels", {"labels": ["a"]}),
        ("DELETE", f"{path}/labels", {"labels": ["a"]}),
        ("DELETE", path, None),
    ):
        lost = await acme.call(method, where, body, if_match=tag)
        assert (lost.status, lost.code) == (412, "precondition_failed")
    assert (await acme.call("GET", path)).json["seen"] is True
    again = await acme.call("PATCH", path, {"seen": False}, if_match=first.fields["etag"])
    assert again.status == 200


async def test_deleting_goes_through_trash(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    path = f"/messages/{placed.message}"
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).json["folder"] == "Trash"
    restored = await acme.call("POST", f"{path}/restore")
    assert restored.json["folder"] == "INBOX"
    await acme.call("DELETE", path)
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).status == 404
    other = await deliver(acme.store, inbox)
    assert (await acme.call("DELETE", f"/messages/{other.message}?permanent=true")).status == 204
    assert (await acme.call("GET", f"/messages/{other.message}")).status == 404


async def test_a_list_shows_a_change_at_once(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    assert ids(await acme.call("GET", path)) == []
    assert ids(await acme.call("GET", path)) == []
    placed = await deliver(acme.store, inbox)
    assert ids(await acme.call("GET", path)) == [placed.message]
    await acme.call("PATCH", f"/messages/{placed.message}", {"seen": True})
    assert (await acme.call("GET", path)).json["data"][0]["seen"] is True
    await acme.call("DELETE", f"/messages/{placed.message}")
    assert ids(await acme.call("GET", path)) == []


async def test_another_s_message_reads_like_none(acme: Tenant, globex: Tenant) -> None:
    theirs = await deliver(globex.store, await globex.inbox())
    absent = await acme.call("GET", "/messages/msg_01JQ8X5K2M3N4P5R6S7T8V9W00")
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"seen": True}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("POST", "/labels", {"labels": ["a"]}),
        ("DELETE", "/labels", {"labels": ["a"]}),
    ):
        answer = await acme.call(method, f"/messages/{theirs.message}{path}", body)
        assert answer.status == 404, (method, path)
        assert answer.json["message"] == absent.json["message"]
    assert ids(await acme.call("GET", "/messages")) == []


@pytest.mark.parametrize(
    "name", ["x", "msg_1", "msg_01JQ8X5K2M3N4P5R6S7T8V9W00", "%C3%A4", "a%20b"]
)
async def test_no_name_is_an_error_of_ours(acme: Tenant, name: str) -> None:
    answer = await acme.call("GET", f"/messages/{name}")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_bound_key_sees_its_inbox_only(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    mine = await deliver(acme.store, inbox)
    theirs = await deliver(acme.store, other)
    bound = await acme.caller("messages:read", "labels:write", inboxes=(inbox.id,))
    assert ids(await bound("GET", "/messages")) == [mine.message]
    assert (await bound("GET", f"/messages/{theirs.message}")).status == 404
    assert (await bound("GET", f"/inboxes/{other.id}/messages")).status == 404
    assert (await bound("PATCH", f"/messages/{theirs.message}", {"seen": True})).status == 404
    denied = await bound("DELETE", f"/messages/{mine.message}")
    assert (denied.status, denied.code) == (403, "forbidden")


async def test_a_folder_is_named_as_over_imap(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    path = f"/messages/{placed.message}"
    assert (await acme.call("PATCH", path, {"folder": "Archive"})).json["folder"] == "Archive"
    assert (await acme.call("PATCH", path, {"folder": "inbox"})).json["folder"] == "INBOX"
    listed = await acme.call("GET", f"/inboxes/{inbox.id}/messages?folder=Inbox")
    assert [each["id"] for each in listed.json["data"]] == [placed.message]


async def test_naming_trash_or_junk_is_including_it(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, role="trash")
    await deliver(acme.store, inbox, role="junk")
    reader = await acme.caller("messages:read", "threads:read")
    for folder, scope in (("Trash", "trash:read"), ("Junk", "spam:read")):
        for kind in ("messages", "threads"):
            path = f"/inboxes/{inbox.id}/{kind}?folder={folder}"
            assert len((await acme.call("GET", path)).json["data"]) == 1
            refused = await reader("GET", path)
            assert (refused.status, refused.code) == (403, "forbidden")
            assert scope in refused.json["fix"]


async def test_the_tag_of_a_plus_address_is_told(acme: Tenant) -> None:
    sender, inbox = await acme.inbox("a"), await acme.inbox("b")
    tagged = inbox.address.replace("@", "+Ticket42@")
    await acme.call("POST", f"/inboxes/{sender.id}/messages", {"to": tagged, "text": "x"})
    (listed,) = (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"]
    read = (await acme.call("GET", f"/messages/{listed['id']}")).json
    for told in (listed, read):
        assert (told["delivered_to"], told["tag"]) == (tagged, "Ticket42")
    (sent,) = (await acme.call("GET", f"/inboxes/{sender.id}/messages")).json["data"]
    assert sent["tag"] is None


async def test_what_is_in_a_deleted_inbox_is_kept_as_it_is(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    path = f"/messages/{placed.message}"
    draft = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", {"text": "x"})
    thread = f"/threads/{(await acme.call('GET', path)).json['thread_id']}"
    await acme.call("DELETE", f"/inboxes/{inbox.id}")
    assert (await acme.call("GET", path)).status == 200
    for every in ("/messages", "/threads"):
        assert (await acme.call("GET", every)).json["data"] == []
        assert len((await acme.call("GET", every + "?include_deleted=true")).json["data"]) == 1
        below = f"/inboxes/{inbox.address}{every}"
        assert (await acme.call("GET", below)).code == "not_found"
        assert len((await acme.call("GET", below + "?include_deleted=true")).json["data"]) == 1
    for method, where, body in (
        ("PATCH", path, {"seen": True}),
        ("DELETE", path, None),
        ("POST", path + "/restore", None),
        ("PATCH", thread, {"add_labels": ["a"]}),
        ("DELETE", f"/drafts/{draft.json['id']}", None),
        ("POST", f"/drafts/{draft.json['id']}/send", None),
    ):
        assert (await acme.call(method, where, body)).code == "not_found"
    await acme.call("POST", f"/inboxes/{inbox.id}/restore")
    assert (await acme.call("PATCH", path, {"seen": True})).status == 200
