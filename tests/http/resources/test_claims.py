"""An inbox as a work queue over REST: two workers never answer the same customer."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from agentpost import AgentPost
from agentpost.model.inbox import Inbox
from tests.http.resources.conftest import Answer, Api, Caller, Tenant, letter
from tests.http.resources.test_socket import deliver_event

ABSENT = "clm_01JQ8X5K2M3N4P5R6S7T8V9W00"


async def claim(tenant: Tenant, inbox: Inbox, caller: Caller | None = None, **body: Any) -> Any:
    answer = await (caller or tenant.call)("POST", f"/inboxes/{inbox.id}/claims", body)
    assert answer.status == 200, answer.octets
    return answer.json["data"]


async def test_a_worker_claims_reads_and_acknowledges(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = [
        await deliver_event(acme, inbox, letter(str(n), text="New.\n\n> Old")) for n in (1, 2)
    ]
    (first,) = await claim(acme, inbox, lease_s=60)
    assert first["message_id"] == placed[0].message
    assert (first["state"], first["attempts"], first["max_attempts"]) == ("leased", 1, 5)
    assert first["leased_until"] > first["claimed_at"]
    assert first["message"]["extracted_text"] == "New."
    shown = (await acme.call("GET", f"/messages/{placed[0].message}")).json
    assert (shown["labels"], shown["seen"]) == (["$claimed"], False)
    (second,) = await claim(acme, inbox, max=10, view="summary")
    assert second["message"]["preview"].startswith("New.")
    assert await claim(acme, inbox, max=10) == []
    body = {"add_labels": ["Answered"], "answered": True}
    done = await acme.call("POST", f"/claims/{first['id']}/ack", body)
    assert (done.json["state"], done.json["leased_until"]) == ("done", None)
    assert (await acme.call("POST", f"/claims/{first['id']}/ack", {})).json["state"] == "done"
    shown = (await acme.call("GET", f"/messages/{placed[0].message}")).json
    assert (shown["labels"], shown["seen"], shown["answered"]) == (["answered"], True, True)


async def test_what_is_given_back_and_what_is_extended(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver_event(acme, inbox)
    (first,) = await claim(acme, inbox)
    longer = (await acme.call("POST", f"/claims/{first['id']}/extend", {"lease_s": 7200})).json
    assert longer["leased_until"] > first["leased_until"]
    back = (await acme.call("POST", f"/claims/{first['id']}/nack", {})).json
    assert (back["state"], back["leased_until"]) == ("waiting", None)
    for verb in ("nack", "extend"):
        lost = await acme.call("POST", f"/claims/{first['id']}/{verb}", {})
        assert (lost.status, lost.code) == (409, "claim_lost")
    (again,) = await claim(acme, inbox, max_attempts=2)
    assert again["attempts"] == 2
    gone = await acme.call("POST", f"/claims/{first['id']}/ack", {})
    assert (gone.status, gone.code) == (404, "not_found")


async def test_the_messages_to_work_on_are_chosen(acme: Tenant) -> None:
    inbox = await acme.inbox()
    one = await deliver_event(acme, inbox, letter("Invoice", sender="Eve <eve@x.example>"))
    two = await deliver_event(acme, inbox, letter("Other"))
    three = await deliver_event(acme, inbox, letter("Read before"))
    await acme.call("PATCH", f"/messages/{three.message}", {"seen": True})
    await acme.call("PATCH", f"/messages/{two.message}", {"folder": "Archive"})
    for chosen, wanted in (
        ({"subject": "invoice", "sender": "nobody"}, None),
        ({"sender": "EVE@"}, one),
        ({"folder": "Archive"}, two),
        ({"seen": None, "thread_id": three.thread}, three),
        ({"labels": ["vip"]}, None),
    ):
        found = await claim(acme, inbox, filter=chosen, max=10)
        assert [each["message_id"] for each in found] == ([wanted.message] if wanted else []), (
            chosen
        )
    for body, path in (
        ({"filter": {"nonsense": 1}}, "filter.nonsense"),
        ({"max": 0}, "max"),
        ({"max": 101}, "max"),
        ({"lease_s": 1}, "lease_s"),
        ({"timeout_s": 301}, "timeout_s"),
        ({"filter": {"subject": "\x00"}}, None),
    ):
        refused = await acme.call("POST", f"/inboxes/{inbox.id}/claims", body)
        assert refused.status == 422, body
        if path is not None:
            assert refused.paths == [path]


async def test_who_claims_can_wait_for_work(acme: Tenant) -> None:
    inbox = await acme.inbox()
    workers = [Caller(acme.call.port, acme.call.key) for _ in range(3)]
    given: list[str] = []

    async def work(caller: Caller) -> None:
        given.extend(each["message_id"] for each in await claim(acme, inbox, caller, timeout_s=1.0))
        await caller.aclose()

    async with trio.open_nursery() as nursery:
        for caller in workers:
            nursery.start_soon(work, caller)
        await trio.sleep(0.1)
        placed = [await deliver_event(acme, inbox, letter(str(n))) for n in range(2)]
    assert sorted(given) == sorted(one.message for one in placed)


async def test_who_waits_for_work_needs_a_key_to_its_end(acme: Tenant) -> None:
    inbox = await acme.inbox()
    caller = await acme.caller("messages:read", "labels:write")
    key = (await caller("GET", "/me")).json["key_id"]
    answers: list[Answer] = []

    async def wait() -> None:
        answers.append(await caller("POST", f"/inboxes/{inbox.id}/claims", {"timeout_s": 5}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(0.1)
        assert (await acme.call("DELETE", f"/api-keys/{key}")).status == 204
        await deliver_event(acme, inbox, letter())
    assert [(answer.status, answer.code) for answer in answers] == [(401, "unauthenticated")]
    taken = await acme.call("POST", f"/inboxes/{inbox.id}/claims", {})
    assert len(taken.json["data"]) == 1


@pytest.mark.parametrize("verb", ["ack", "nack", "extend"])
async def test_a_claim_is_its_inbox_s(acme: Tenant, globex: Tenant, verb: str) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    await deliver_event(acme, inbox)
    (mine,) = await claim(acme, inbox)
    bound = await acme.caller("labels:write", "messages:read", inboxes=(other.id,))
    answers: list[Answer] = [
        await globex.call("POST", f"/claims/{mine['id']}/{verb}", {}),
        await bound("POST", f"/claims/{mine['id']}/{verb}", {}),
        await acme.call("POST", f"/claims/{ABSENT}/{verb}", {}),
    ]
    said = {(each.status, each.code, each.json["message"]) for each in answers}
    assert len(said) == 1
    assert answers[0].status == 404
    reader = await acme.caller("messages:read")
    assert (await reader("POST", f"/claims/{mine['id']}/{verb}", {})).status == 403


async def test_claiming_needs_both_scopes(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    for scopes in (("messages:read",), ("labels:write",)):
        caller = await acme.caller(*scopes)
        refused = await caller("POST", f"/inboxes/{inbox.id}/claims", {})
        assert (refused.status, refused.code) == (403, "forbidden")
    foreign = await acme.call("POST", f"/inboxes/{(await globex.inbox()).id}/claims", {})
    assert foreign.status == 404
    hidden = await acme.caller("messages:read", "labels:write")
    answer = await hidden("POST", f"/inboxes/{inbox.id}/claims", {"filter": {"folder": "Junk"}})
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_the_client_library_works_through_an_inbox(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = [await deliver_event(acme, inbox, letter(str(n))) for n in range(3)]

    def program() -> list[str]:
        done = []
        with AgentPost(acme.call.key, base_url=f"http://127.0.0.1:{api.port}") as client:
            while claims := client.claims.take(inbox.id, max=2, lease_s=60).data:
                for each in claims:
                    assert each.message is not None
                    client.claims.acknowledge(each.id, add_labels=["done"])
                    done.append(each.message_id)
        return done

    assert await trio.to_thread.run_sync(program) == [one.message for one in placed]
