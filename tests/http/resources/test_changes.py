"""Following an inbox by its one counter (API.md: changes)."""

from __future__ import annotations

from typing import Any

from agentpost.model.actor import Scope
from agentpost.model.mailbox import Flag, FlagChange
from agentpost.model.message import MessageChange
from tests.http.resources.conftest import Api, Tenant, deliver


async def test_created_updated_and_destroyed_are_told_once(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/changes?since="
    first, second = await deliver(api.store, inbox), await deliver(api.store, inbox)
    start = (await acme.call("GET", path + "0")).json
    assert start["created"] == [first.message, second.message]
    assert (start["updated"], start["destroyed"], start["has_more"]) == ([], [], False)
    nothing = (await acme.call("GET", path + str(start["modseq"]))).json
    assert nothing == {**start, "created": []}
    await api.store.messages.update(acme.actor, first.message, MessageChange(seen=True))
    await api.store.messages.delete(acme.actor, second.message, permanent=True)
    third = await deliver(api.store, inbox)
    later = (await acme.call("GET", path + str(start["modseq"]))).json
    assert later["created"] == [third.message]
    assert later["updated"] == [first.message]
    assert later["destroyed"] == [second.message]
    assert later["modseq"] == third.modseq


async def test_small_answers_add_up_to_everything(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = [await deliver(api.store, inbox) for _ in range(7)]
    # One STORE over all of them gives them one modseq, which no answer may cut.
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    change = FlagChange("add", Flag.SEEN)
    uids = [each.uid for each in placed]
    await api.store.mailboxes.store_flags(acme.actor, where, placed[0].mailbox, uids, change)
    last = await deliver(api.store, inbox)
    for limit in (1, 2, 3, 100):
        told: list[str] = []
        answer: dict[str, Any] = {"modseq": placed[-1].modseq, "has_more": True}
        while answer["has_more"]:
            path = f"/inboxes/{inbox.id}/changes?limit={limit}&since={answer['modseq']}"
            answer = (await acme.call("GET", path)).json
            assert len(answer["updated"]) in (0, 7)
            told += answer["updated"] + answer["created"]
        assert sorted(told) == sorted([*(each.message for each in placed), last.message])
        assert answer["modseq"] == last.modseq


async def test_a_modseq_of_the_future_is_refused(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/changes"
    answer = await acme.call("GET", path + "?since=99999999")
    assert (answer.status, answer.code, answer.paths) == (400, "invalid_request", ["since"])
    for query in ("", "?since=-1", "?since=x", "?since=99999999999999999999", "?since=0&limit=0"):
        assert (await acme.call("GET", path + query)).status == 400
    unknown = await acme.call("GET", path + "?since=0&until=4")
    assert unknown.paths == ["until"]


async def test_reach_and_scope_are_needed(acme: Tenant, globex: Tenant) -> None:
    path = f"/inboxes/{(await acme.inbox()).id}/changes?since=0"
    assert (await globex.call("GET", path)).code == "not_found"
    assert (await (await acme.caller("inboxes:read"))("GET", path)).code == "forbidden"
    assert (await (await acme.caller("messages:read"))("GET", path)).status == 200
