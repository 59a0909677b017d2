"""Following an inbox by its one counter (API.md: changes)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agentpost import clock
from agentpost.jobs.sweep import SweepWork
from agentpost.model.actor import Scope
from agentpost.model.job import Job
from agentpost.model.mailbox import Flag, FlagChange
from agentpost.model.message import MessageChange
from agentpost.store.sweeps import Sweeps
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


async def _age_and_sweep(api: Api, days: int) -> None:
    """Make all tombstones so old, and let the sweep come by."""
    await api.store.database.run(
        "*",
        lambda c: c.execute(
            "UPDATE expunged SET gone_at = now() - $1::interval", timedelta(days=days)
        ),
    )
    await SweepWork(Sweeps(api.store.door, api.store.blobs)).run(
        Job(1, "sweep", {}, 1, None, clock.now())
    )


async def test_what_is_forgotten_is_not_passed_over_in_silence(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/changes?since="
    kept, gone = await deliver(api.store, inbox), await deliver(api.store, inbox)
    held = (await acme.call("GET", path + "0")).json["modseq"]
    await api.store.messages.delete(acme.actor, gone.message, permanent=True)
    await _age_and_sweep(api, 89)
    assert (await acme.call("GET", f"{path}{held}")).json["destroyed"] == [gone.message]
    await _age_and_sweep(api, 91)
    refused = await acme.call("GET", f"{path}{held}")
    assert (refused.status, refused.code) == (410, "changes_forgotten")
    assert "since=0" in refused.json["fix"]
    anew = (await acme.call("GET", path + "0")).json
    assert (anew["created"], anew["destroyed"]) == ([kept.message], [])
    assert (await acme.call("GET", f"{path}{anew['modseq']}")).status == 200
    later = await deliver(api.store, inbox)
    told = (await acme.call("GET", f"{path}{anew['modseq']}")).json
    assert told["created"] == [later.message]


async def test_beginning_anew_goes_past_what_is_forgotten(api: Api, acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    path = f"/inboxes/{inbox.id}/changes?limit=1&since="
    placed = [await deliver(api.store, inbox) for _ in range(5)]
    await api.store.messages.delete(acme.actor, placed[4].message, permanent=True)
    await _age_and_sweep(api, 91)
    first = (await acme.call("GET", path + "0")).json
    without = await acme.call("GET", f"{path}{first['modseq']}")
    assert without.code == "changes_forgotten"
    told, answer = list(first["created"]), first
    while answer["has_more"]:
        answer = (
            await acme.call("GET", f"{path}{answer['modseq']}&cursor={answer['next_cursor']}")
        ).json
        told += answer["created"]
    assert told == [each.message for each in placed[:4]]
    assert answer["next_cursor"] is None
    for where in (
        f"{path}{first['modseq'] + 1}&cursor={first['next_cursor']}",
        f"{path}0&cursor=x",
        f"/inboxes/{other.id}/changes?since={first['modseq']}&cursor={first['next_cursor']}",
    ):
        assert (await acme.call("GET", where)).code == "invalid_cursor"


async def test_a_walk_that_rested_too_long_begins_anew(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/changes?limit=1&since="
    placed = [await deliver(api.store, inbox) for _ in range(3)]
    first = (await acme.call("GET", path + "0")).json
    await api.store.messages.delete(acme.actor, placed[0].message, permanent=True)
    await _age_and_sweep(api, 91)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=91))
    rest = await acme.call("GET", f"{path}{first['modseq']}&cursor={first['next_cursor']}")
    assert rest.code == "changes_forgotten"


async def test_reach_and_scope_are_needed(acme: Tenant, globex: Tenant) -> None:
    path = f"/inboxes/{(await acme.inbox()).id}/changes?since=0"
    assert (await globex.call("GET", path)).code == "not_found"
    assert (await (await acme.caller("inboxes:read"))("GET", path)).code == "forbidden"
    assert (await (await acme.caller("messages:read"))("GET", path)).status == 200
