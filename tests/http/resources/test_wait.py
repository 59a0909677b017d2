"""Waiting for one message: nothing is missed, and with a mark nobody gets it twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio

from agentpost import AgentPost
from agentpost.model.inbox import Inbox
from agentpost.model.message import MessageChange
from tests.http.resources.conftest import Answer, Api, Caller, Tenant, letter, running
from tests.http.resources.test_events import _carry
from tests.http.resources.test_socket import deliver_event, socket

SIGN_UP = (
    b"From: Example <no-reply@example.org>\r\nTo: a@shared.test\r\nSubject: Your code\r\n"
    b"Message-ID: <code@example.org>\r\nMIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://example.org/u?1>, <mailto:u@example.org>\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>Your verification code is <b>482 913</b></p>"
    b"<p style='display:none'>Your verification code is 111111</p>"
    b"<a href='https://example.org/verify?t=1'>Verify</a>"
    b"<a href='https://example.org/blog'>Blog</a>\r\n"
)


async def ask(
    tenant: Tenant, inbox: Inbox, query: str = "", caller: Caller | None = None
) -> Answer:
    """One wait over a connection of its own."""
    own = replace(caller or tenant.call, _stream=None, _wire=None)
    try:
        return await own("GET", f"/inboxes/{inbox.id}/wait?timeout_s=5{query}")
    finally:
        await own.aclose()


async def waits(nursery: trio.Nursery, answers: list[Answer], *arguments: Any) -> None:
    """Begin a wait, and go on when it is under way."""

    async def run() -> None:
        answers.append(await ask(*arguments))

    nursery.start_soon(run)
    await trio.sleep(0.1)


async def test_a_message_is_told_as_soon_as_it_comes(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver_event(acme, inbox, letter("Before"))
    answers: list[Answer] = []
    async with trio.open_nursery() as nursery:
        await waits(nursery, answers, acme, inbox, "&extract=otp,links,unsubscribe")
        assert answers == []
        placed = await deliver_event(acme, inbox, SIGN_UP)
    body = answers[0].json
    assert (body["message_id"], body["thread_id"]) == (placed.message, placed.thread)
    assert body["from_address"] == {"email": "no-reply@example.org", "name": "Example"}
    assert (body["subject"], body["untrusted"], body["verified_domain"]) == (
        "Your code",
        True,
        None,
    )
    assert body["extract"] == {
        "otp": ["482913"],
        "links": [
            {"url": "https://example.org/verify?t=1", "text": "Verify", "purpose": "verification"},
            {"url": "https://example.org/blog", "text": "Blog", "purpose": "other"},
        ],
        "unsubscribe": ["https://example.org/u?1", "mailto:u@example.org"],
        "hidden_text_removed": True,
    }


async def test_every_condition_must_hold(acme: Tenant) -> None:
    inbox = await acme.inbox()
    first = await deliver_event(acme, inbox, letter("The Code", message_id="a"))
    second = await deliver_event(acme, inbox, letter("Re: code", message_id="b", answers="a"))
    third = await deliver_event(acme, inbox, letter("Else", sender="Eve <eve@x.example>"))
    await acme.store.messages.update(acme.actor, third.message, MessageChange(add_labels=("vip",)))
    for query, wanted in (
        ("&subject_contains=CODE", first),
        ("&subject_contains=re:%20c", second),
        ("&from=EVE@", third),
        ("&from=eve&subject_contains=code", None),
        (f"&thread_id={first.thread}", first),
        ("&in_reply_to=%3Ca@example.org%3E", second),
        ("&in_reply_to=a@example.org", second),
        ("&labels=VIP", third),
        ("&labels=vip,other", None),
    ):
        patience = "&timeout_s=0" if wanted is None else "&timeout_s=5"
        answer = await acme.call("GET", f"/inboxes/{inbox.id}/wait?since=0{query}{patience}")
        if wanted is None:
            assert (answer.status, answer.octets) == (204, b"")
        else:
            assert answer.json["message_id"] == wanted.message, query


async def test_two_waits_one_after_the_other_miss_nothing(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.address}/wait"
    nothing = await acme.call("GET", f"{path}?timeout_s=0")
    assert nothing.status == 204
    resume = nothing.fields["agentpost-resume"]
    placed = [await deliver_event(acme, inbox, letter(str(n))) for n in range(3)]
    told = []
    for _ in placed:
        answer = (await acme.call("GET", f"{path}?timeout_s=5&since=0&resume={resume}")).json
        told.append(answer["message_id"])
        resume = answer["resume"]
    assert told == [one.message for one in placed]
    assert (await acme.call("GET", f"{path}?timeout_s=0&resume={resume}")).status == 204
    other = await acme.inbox("other")
    refused = await acme.call("GET", f"/inboxes/{other.id}/wait?timeout_s=0&resume={resume}")
    assert (refused.status, refused.code) == (400, "invalid_cursor")


async def test_messages_that_were_committed_together_come_one_by_one(acme: Tenant) -> None:
    """One transaction gives all its messages one modseq: `resume` tells them apart."""
    inbox = await acme.inbox()
    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(deliver_event, acme, inbox, letter(f"n{number}"))
    shared = await acme.store.database.run(
        "*",
        lambda c: c.value("SELECT max(n) FROM (SELECT count(*) AS n FROM messages"
                          " GROUP BY created_modseq) g"),
    )  # fmt: skip
    assert shared > 1
    told, resume = [], ""
    for _ in range(12):
        query = f"&resume={resume}" if resume else "&since=0"
        answer = (await acme.call("GET", f"/inboxes/{inbox.id}/wait?timeout_s=5{query}")).json
        told.append(answer["subject"])
        resume = answer["resume"]
    assert sorted(told) == sorted(f"n{number}" for number in range(12))


@pytest.mark.parametrize("mark", ["seen", "label:Taken"])
async def test_with_a_mark_each_message_is_given_to_one(
    database_url: str, tmp_path: Any, mark: str
) -> None:
    """Waiters of two instances, more of them than messages."""
    async with running(database_url, tmp_path) as one, running(database_url, tmp_path) as two:
        acme = await one.tenant("acme")
        there = replace(acme, store=two.store, call=Caller(two.port, acme.call.key))
        inbox = await acme.inbox()
        answers: list[Answer] = []
        async with trio.open_nursery() as carrying:
            carrying.start_soon(_carry, one, two)
            carrying.start_soon(_carry, two, one)
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    tenant = acme if number % 2 else there
                    query = f"&timeout_s=2&mark={mark}"
                    nursery.start_soon(_collect, answers, tenant, inbox, query)
                await trio.sleep(0.3)
                placed = [await deliver_event(acme, inbox, letter(str(n))) for n in range(5)]
            carrying.cancel_scope.cancel()
        given = [answer.json["message_id"] for answer in answers if answer.status == 200]
        assert sorted(given) == sorted(one.message for one in placed)
        assert [answer.status for answer in answers].count(204) == 3
        for message in given:
            shown = (await acme.call("GET", f"/messages/{message}")).json
            assert shown["seen"] if mark == "seen" else shown["labels"] == ["taken"]
        again = await acme.call("GET", f"/inboxes/{inbox.id}/wait?timeout_s=0&since=0&mark={mark}")
        assert again.status == 204


async def _collect(answers: list[Answer], tenant: Tenant, inbox: Inbox, query: str) -> None:
    own = Caller(tenant.call.port, tenant.call.key)
    try:
        answers.append(await own("GET", f"/inboxes/{inbox.id}/wait?since=0{query}"))
    finally:
        await own.aclose()


async def test_a_mark_needs_the_scope_and_has_two_forms(acme: Tenant) -> None:
    inbox = await acme.inbox()
    reader = await acme.caller("messages:read")
    path = f"/inboxes/{inbox.id}/wait?timeout_s=0"
    assert (await reader("GET", path)).status == 204
    refused = await reader("GET", f"{path}&mark=seen")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "labels:write" in refused.json["fix"]
    for mark in ("done", "label:", "label:%0A", "SEEN"):
        answer = await acme.call("GET", f"{path}&mark={mark}")
        assert (answer.status, answer.code) == (422, "validation_failed"), mark


async def test_what_lands_in_junk_is_waited_for_by_who_may_see_it(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver_event(acme, inbox)
    await acme.call("PATCH", f"/messages/{placed.message}", {"folder": "Junk"})
    path = f"/inboxes/{inbox.id}/wait?timeout_s=0&since=0"
    assert (await acme.call("GET", path)).status == 204
    found = await acme.call("GET", f"{path}&include=spam")
    assert found.json["message_id"] == placed.message
    narrow = await acme.caller("messages:read", "trash:read")
    assert (await narrow("GET", f"{path}&include=spam")).status == 403
    await acme.call("DELETE", f"/messages/{placed.message}")
    assert (await narrow("GET", f"{path}&include=trash")).json["message_id"] == placed.message


async def test_what_is_wrong_is_refused(acme: Tenant, globex: Tenant) -> None:
    inbox, foreign = await acme.inbox(), await globex.inbox()
    for query, status in (
        ("timeout_s=301", 400),
        ("timeout_s=-1", 400),
        ("since=-1", 400),
        ("extract=poem", 400),
        ("resume=nonsense", 400),
        ("nonsense=1", 400),
    ):
        assert (await acme.call("GET", f"/inboxes/{inbox.id}/wait?{query}")).status == status, query
    for name in (foreign.id, foreign.address, "inb_01JQ8X5K2M3N4P5R6S7T8V9W00"):
        answer = await acme.call("GET", f"/inboxes/{name}/wait?timeout_s=0")
        assert (answer.status, answer.code) == (404, "not_found")


async def test_a_wait_ends_with_its_inbox(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    answers: list[Answer] = []
    async with trio.open_nursery() as nursery:
        await waits(nursery, answers, acme, inbox)
        await acme.call("DELETE", f"/inboxes/{inbox.id}?purge=true")
        api.bus.committed(inbox.id)
    assert [(one.status, one.code) for one in answers] == [(404, "not_found")]


async def test_a_wait_ends_with_its_key(api: Api, acme: Tenant) -> None:
    """Nobody hears of mail by a key that was revoked while it waited, and none is marked for it."""
    inbox = await acme.inbox()
    caller = await acme.caller("messages:read", "labels:write")
    key = (await caller("GET", "/me")).json["key_id"]
    answers: list[Answer] = []
    async with trio.open_nursery() as nursery:
        await waits(nursery, answers, acme, inbox, "&mark=seen", caller)
        assert (await acme.call("DELETE", f"/api-keys/{key}")).status == 204
        placed = await deliver_event(acme, inbox, letter())
    assert [(answer.status, answer.code) for answer in answers] == [(401, "unauthenticated")]
    assert not (await acme.call("GET", f"/messages/{placed.message}")).json["seen"]


async def test_a_wait_ends_with_the_server_and_says_where_to_go_on(
    database_url: str, tmp_path: Any
) -> None:
    answers: list[Answer] = []
    async with trio.open_nursery() as nursery, running(database_url, tmp_path) as api:
        acme = await api.tenant("acme")
        await waits(nursery, answers, acme, await acme.inbox(), "0")
        await trio.sleep(0.1)
    assert answers[0].status == 204
    assert answers[0].fields["agentpost-resume"]


async def test_a_wait_over_the_socket_extracts_and_marks(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver_event(acme, inbox, SIGN_UP)
    async with socket(acme) as client:
        frame = {"type": "wait", "id": "w", "inbox_id": inbox.id, "timeout_s": 2}
        await client.say(**frame, since=0, mark="seen", extract=["otp", "text"])
        found = (await client.hear())["data"]
        assert found["message_id"] == placed.message
        assert found["extract"]["otp"] == ["482913"]
        assert found["extract"]["text"].startswith("Your verification code is 482 913")
        await client.say(**(frame | {"timeout_s": 0}), since=0, mark="seen")
        assert (await client.hear())["status"] == "timeout"
        await client.say(**frame, mark="nonsense")
        assert (await client.hear())["code"] == "validation_failed"


async def test_the_client_library_waits(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()

    def program() -> None:
        with AgentPost(acme.call.key, base_url=f"http://127.0.0.1:{api.port}") as client:
            assert client.inboxes.wait(inbox.id, timeout_s=0) is None
            client.messages.send(
                inbox.id, to=inbox.address, subject="x", text_body="Your code: 482913"
            )
            found = client.inboxes.wait(inbox.id, since=0, extract=["otp"], timeout_s=10)
            assert found is not None
            assert found.extract is not None
            assert found.extract.otp == ["482913"]

    await trio.to_thread.run_sync(program)
