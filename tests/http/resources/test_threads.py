"""Threads over REST (R41-R44; REQUIREMENTS 1.10, decision 6)."""

from __future__ import annotations

from typing import Any

import pytest

from agentpost.model.inbox import Inbox
from agentpost.model.message import MessageChange
from tests.http.resources.conftest import Api, Tenant, deliver, letter


async def conversation(api: Api, inbox: Inbox, name: str, count: int = 2) -> list[str]:
    """Messages that answer each other; the ids from the oldest on."""
    ids = []
    for number in range(count):
        answers = f"{name}{number - 1}" if number else None
        octets = letter(name, message_id=f"{name}{number}", answers=answers)
        ids.append(str((await deliver(api.store, inbox, octets)).message))
    return ids


async def only_thread(acme: Tenant, inbox: Inbox) -> dict[str, Any]:
    listed = (await acme.call("GET", f"/inboxes/{inbox.id}/threads")).json["data"]
    assert len(listed) == 1
    found: dict[str, Any] = listed[0]
    return found


async def test_messages_that_answer_each_other_are_a_thread(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    ids = await conversation(api, inbox, "Invoice", 3)
    thread = await only_thread(acme, inbox)
    assert thread["subject"] == "Invoice"
    assert (thread["message_count"], thread["unread_count"]) == (3, 3)
    assert thread["id"] == thread["thread_id"]
    assert thread["inbox_id"] == inbox.id
    assert thread["senders"] == [{"email": "ada@example.org", "name": "Ada"}]
    assert thread["recipients"] == [{"email": "support@shared.test", "name": None}]
    assert len(thread["participants"]) == 2
    assert thread["preview"] == "Good morning."
    assert thread["received_at"] == thread["last_message_at"]
    assert thread["sent_at"] is None
    read = await acme.call("GET", f"/threads/{thread['id']}")
    assert [each["id"] for each in read.json["messages"]["data"]] == ids
    assert read.json["messages"]["data"][0]["from_address"]["email"] == "ada@example.org"


async def test_the_messages_of_a_thread_are_paged(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    ids = await conversation(api, inbox, "Invoice", 3)
    path = f"/threads/{(await only_thread(acme, inbox))['id']}?limit=2"
    first = (await acme.call("GET", path)).json["messages"]
    second = (await acme.call("GET", f"{path}&cursor={first['next_cursor']}")).json["messages"]
    assert [each["id"] for each in first["data"] + second["data"]] == ids
    newest = (await acme.call("GET", path + "&order=desc")).json["messages"]["data"]
    assert newest[0]["id"] == ids[-1]


async def test_lists_are_narrowed_and_paged(api: Api, acme: Tenant) -> None:
    inbox, other = await acme.inbox("a"), await acme.inbox("b")
    for name in ("One", "Two", "Three"):
        await conversation(api, inbox, name)
    await conversation(api, other, "Elsewhere")

    async def subjects(query: str, path: str = "/threads") -> list[str]:
        return [each["subject"] for each in (await acme.call("GET", path + query)).json["data"]]

    assert await subjects("") == ["Elsewhere", "Three", "Two", "One"]
    assert await subjects("?order=asc", f"/inboxes/{inbox.address}/threads") == [
        "One",
        "Two",
        "Three",
    ]
    assert await subjects("?subject=tw") == ["Two"]
    assert await subjects("?from=ada%40example") == ["Elsewhere", "Three", "Two", "One"]
    assert await subjects("?from=grace") == []
    assert await subjects("?seen=true") == []
    assert await subjects("?has_attachments=true") == []
    assert await subjects("?after=2099-01-01T00:00:00Z") == []
    two = (await acme.call("GET", "/threads?subject=Two")).json["data"][0]["id"]
    await acme.call("POST", f"/threads/{two}/labels", {"labels": ["VIP"]})
    assert await subjects("?labels=vip") == ["Two"]
    assert await subjects("?not_labels=VIP&limit=2") == ["Elsewhere", "Three"]
    found: list[str] = []
    cursor = ""
    while True:
        page = (await acme.call("GET", f"/threads?limit=3{cursor}")).json
        found += [each["subject"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = "&cursor=" + page["next_cursor"]
    assert found == ["Elsewhere", "Three", "Two", "One"]


async def test_labels_of_a_thread_are_its_own(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    ids = await conversation(api, inbox, "Invoice")
    change = MessageChange(add_labels=("urgent",))
    await api.store.messages.update(acme.actor, ids[0], change)
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    labelled = await acme.call("POST", path + "/labels", {"labels": ["Billing", "vip"]})
    assert labelled.json["labels"] == ["billing", "vip"]
    assert labelled.json["message_labels"] == ["urgent"]
    fewer = await acme.call("DELETE", path + "/labels", {"labels": ["VIP"]})
    assert fewer.json["labels"] == ["billing"]
    changed = await acme.call("PATCH", path, {"add_labels": ["a"], "remove_labels": ["billing"]})
    assert changed.json["labels"] == ["a"]
    many = {"labels": [f"label{number}" for number in range(50)]}
    assert (await acme.call("POST", path + "/labels", many)).paths == ["labels"]


async def test_all_messages_are_seen_and_moved(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await conversation(api, inbox, "Invoice")
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    changed = await acme.call("PATCH", path, {"seen": True, "folder": "Archive"})
    assert changed.json["unread_count"] == 0
    messages = (await acme.call("GET", path)).json["messages"]["data"]
    assert {(each["seen"], each["folder"]) for each in messages} == {(True, "Archive")}
    back = await acme.call("PATCH", path, {"seen": False})
    assert back.json["unread_count"] == 2
    assert (await acme.call("PATCH", path, {"folder": "Nowhere"})).code == "folder_not_found"


async def test_a_stale_if_match_changes_nothing(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await conversation(api, inbox, "Invoice")
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    tag = (await acme.call("GET", path)).fields["etag"]
    body = {"add_labels": ["a"], "seen": False}
    first = await acme.call("PATCH", path, body, If_Match=f'"999", {tag}')
    assert first.status == 200
    assert first.fields["etag"] != tag
    stale = await acme.call("PATCH", path, {"add_labels": ["b"], "seen": True}, If_Match=tag)
    assert stale.status == 412
    label = {"labels": ["b"]}
    assert (await acme.call("POST", path + "/labels", label, If_Match=tag)).status == 412
    assert (await acme.call("DELETE", path, If_Match=tag)).status == 412
    now = (await acme.call("GET", path)).json
    assert (now["labels"], now["unread_count"]) == (["a"], 2)


async def test_a_thread_goes_to_trash_back_and_away(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await conversation(api, inbox, "Invoice")
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", "/threads")).json["data"] == []
    assert len((await acme.call("GET", "/threads?include=trash")).json["data"]) == 1
    assert (await acme.call("GET", "/threads?include=spam")).json["data"] == []
    assert (await acme.call("GET", path)).json["messages"]["data"] == []
    trashed = (await acme.call("GET", path + "?include=trash")).json["messages"]["data"]
    assert {each["folder"] for each in trashed} == {"Trash"}
    restored = await acme.call("POST", path + "/restore")
    assert restored.status == 200
    assert len((await acme.call("GET", "/threads")).json["data"]) == 1
    await acme.call("DELETE", path)
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).code == "not_found"
    assert (await acme.call("DELETE", path)).code == "not_found"


async def test_permanent_means_at_once(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await conversation(api, inbox, "Invoice")
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    assert (await acme.call("DELETE", path + "?permanent=true")).status == 204
    assert (await acme.call("GET", path)).code == "not_found"


async def test_what_is_filed_beside_junk_is_not_hidden(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await acme.call("POST", f"/inboxes/{inbox.id}/folders", {"name": "Own"})
    (one,) = await conversation(api, inbox, "Invoice", 1)
    await api.store.messages.update(acme.actor, one, MessageChange(folder="Own"))
    assert (await only_thread(acme, inbox))["subject"] == "Invoice"
    await api.store.messages.update(acme.actor, one, MessageChange(folder="Junk"))
    assert (await acme.call("GET", "/threads")).json["data"] == []
    assert (await acme.call("GET", "/threads?include=trash")).json["data"] == []
    assert len((await acme.call("GET", "/threads?include=spam")).json["data"]) == 1


async def test_what_is_foreign_is_not_there(api: Api, acme: Tenant, globex: Tenant) -> None:
    inbox = await globex.inbox()
    await conversation(api, inbox, "Theirs")
    path = f"/threads/{(await only_thread(globex, inbox))['id']}"
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"seen": True}),
        ("DELETE", path, None),
        ("POST", path + "/restore", None),
        ("POST", path + "/labels", {"labels": ["mine"]}),
        ("DELETE", path + "/labels", {"labels": ["mine"]}),
        ("GET", f"/inboxes/{inbox.id}/threads", None),
        ("GET", "/threads/thr_%E2%82%AC", None),
    ):
        answer = await acme.call(method, where, body)
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await acme.call("GET", "/threads")).json["data"] == []
    bound = await acme.caller("threads:read", inboxes=((await acme.inbox("a")).id,))
    await conversation(api, await acme.inbox("b"), "Beside")
    assert (await bound("GET", "/threads")).json["data"] == []


async def test_the_scopes_are_needed(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await conversation(api, inbox, "Invoice")
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    reader = await acme.caller("threads:read")
    read = await reader("GET", path)
    assert read.json["message_count"] == 2
    assert "messages" not in read.json
    assert (await reader("GET", "/threads?include=trash")).code == "forbidden"
    assert (await reader("PATCH", path, {"seen": True})).status == 403
    assert (await reader("DELETE", path)).status == 403
    labeller = await acme.caller("labels:write")
    assert (await labeller("GET", path)).status == 403
    assert (await labeller("PATCH", path, {"add_labels": ["a"], "seen": True})).status == 200
    remover = await acme.caller("threads:delete")
    assert (await remover("DELETE", path)).status == 204
    assert (await remover("POST", path + "/restore")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("PATCH", "", {"colour": "red"}, "colour"),
        ("PATCH", "", {"add_labels": [""]}, "add_labels[0]"),
        ("PATCH", "", {"seen": "yes"}, "seen"),
        ("POST", "/labels", {"labels": []}, "labels"),
        ("POST", "/labels", {"labels": ["a\nb"]}, "labels[0]"),
        ("DELETE", "/labels", {}, "labels"),
    ],
)
async def test_a_wrong_field_is_named(
    api: Api, acme: Tenant, method: str, path: str, body: dict[str, object], named: str
) -> None:
    inbox = await acme.inbox()
    await conversation(api, inbox, "Invoice", 1)
    thread = (await only_thread(acme, inbox))["id"]
    answer = await acme.call(method, f"/threads/{thread}{path}", body)
    assert (answer.status, answer.paths) == (422, [named])


async def test_threads_are_narrowed_as_messages_are(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    (one,) = await conversation(api, inbox, "One", 1)
    await conversation(api, inbox, "Two", 1)
    await acme.call("PATCH", f"/messages/{one}", {"flagged": True, "folder": "Archive"})
    await acme.call("POST", f"/messages/{one}/reply", {"text": "Yes."})
    thread = (await acme.call("GET", f"/messages/{one}")).json["thread_id"]
    for query, expected in (
        ("direction=outbound", ["One"]),
        ("direction=inbound", ["One", "Two"]),
        ("folder=archive", []),
        ("folder=Archive", ["One"]),
        ("folder=inbox", ["Two"]),
        ("flagged=true", ["One"]),
        ("flagged=false", ["Two"]),
        (f"thread_id={thread}", ["One"]),
        ("thread_id=thr_1", []),
        ("include=blocked,spam,trash", ["One", "Two"]),
    ):
        listed = (await acme.call("GET", f"/inboxes/{inbox.id}/threads?{query}")).json["data"]
        assert sorted(each["subject"] for each in listed) == expected, query


async def test_keywords_are_labels_in_one_spelling(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    (one,) = await conversation(api, inbox, "One", 1)
    change = MessageChange(add_labels=("Invoice",))
    await api.store.messages.update(acme.actor, one, change)
    message = (await acme.call("GET", f"/messages/{one}")).json
    thread = (await acme.call("GET", f"/threads/{message['thread_id']}")).json
    assert message["labels"] == ["invoice"]
    assert thread["message_labels"] == ["invoice"]
    assert thread["messages"]["data"][0]["labels"] == ["invoice"]


async def test_a_conversation_is_read_at_once(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(api.store, inbox, letter(message_id="a", text="Where is it?"))
    answer = letter(message_id="b", answers="a", text="On its way.\r\n\r\n> Where is it?")
    await deliver(api.store, inbox, answer)
    path = f"/threads/{(await only_thread(acme, inbox))['id']}"
    for view, field, expected in (
        ("llm", "extracted_text", ["Where is it?", "On its way."]),
        ("full", "headers", None),
    ):
        shown = (await acme.call("GET", f"{path}?view={view}")).json["messages"]["data"]
        assert len(shown) == 2
        assert expected is None or [each[field] for each in shown] == expected
        assert all(field in each for each in shown)
    summary = (await acme.call("GET", path)).json["messages"]["data"]
    assert "extracted_text" not in summary[0]
    assert summary[0]["preview"] == "Where is it?"
