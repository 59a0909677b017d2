"""Labels over REST (R44)."""

from __future__ import annotations

import pytest

from agentpost.http.resources import labels
from agentpost.limits import IdentityLimits
from agentpost.model.message import MessageChange
from tests.http.resources.conftest import Api, Tenant, deliver, letter


async def test_labels_are_counted_on_messages_and_threads(
    api: Api, acme: Tenant, globex: Tenant
) -> None:
    inbox, other = await acme.inbox("a"), await acme.inbox("b")
    placed = [await deliver(api.store, inbox, letter(str(n))) for n in range(3)]
    elsewhere = await deliver(api.store, other)
    theirs = await deliver(api.store, await globex.inbox())
    update = api.store.messages.update
    await update(globex.actor, theirs.message, MessageChange(add_labels=("theirs",)))
    for each in placed:
        await update(acme.actor, each.message, MessageChange(add_labels=("Billing",)))
    await update(acme.actor, elsewhere.message, MessageChange(add_labels=("billing", "a")))
    await api.store.messages.delete(acme.actor, placed[0].message)
    await acme.call("POST", f"/threads/{placed[1].thread}/labels", {"labels": ["billing", "vip"]})
    everything = (await acme.call("GET", "/labels")).json
    assert everything == {
        "data": [
            {"name": "a", "message_count": 1, "thread_count": 0},
            {"name": "billing", "message_count": 3, "thread_count": 1},
            {"name": "vip", "message_count": 0, "thread_count": 1},
        ],
        "next_cursor": None,
        "has_more": False,
    }
    here = (await acme.call("GET", f"/labels?inbox={inbox.address}")).json["data"]
    assert [each["message_count"] for each in here] == [2, 0]
    bound = await acme.caller("labels:write", inboxes=(other.id,))
    own = (await bound("GET", "/labels")).json["data"]
    assert [each["name"] for each in own] == ["a", "billing"]
    assert (await acme.call("GET", f"/labels?inbox={theirs.message}")).code == "not_found"


async def test_pages_follow_each_other(api: Api, acme: Tenant) -> None:
    message = (await deliver(api.store, await acme.inbox())).message
    change = MessageChange(add_labels=("b", "a-b", "ab", "z"))
    await api.store.messages.update(acme.actor, message, change)
    for order in ("asc", "desc"):
        path = f"/labels?limit=3&order={order}"
        first = (await acme.call("GET", path)).json
        second = (await acme.call("GET", f"{path}&cursor={first['next_cursor']}")).json
        names = [each["name"] for each in first["data"] + second["data"]]
        assert names == sorted(["b", "a-b", "ab", "z"], reverse=order == "desc")


async def test_scope_and_parameters_are_checked(acme: Tenant, globex: Tenant) -> None:
    assert (await (await acme.caller("messages:read"))("GET", "/labels")).code == "forbidden"
    assert (await acme.call("GET", "/labels?colour=red")).paths == ["colour"]
    foreign = (await globex.inbox()).id
    assert (await acme.call("GET", f"/labels?inbox={foreign}")).code == "not_found"


async def test_a_label_is_renamed_wherever_it_is(api: Api, acme: Tenant, globex: Tenant) -> None:
    inbox, other = await acme.inbox("a"), await acme.inbox("b")
    first, second = [await deliver(api.store, inbox, letter(str(n))) for n in range(2)]
    third = await deliver(api.store, other)
    theirs = await deliver(api.store, await globex.inbox())
    update = api.store.messages.update
    await update(acme.actor, first.message, MessageChange(add_labels=("Old", "kept")))
    await update(acme.actor, second.message, MessageChange(add_labels=("old", "new")))
    await update(acme.actor, second.message, MessageChange(folder="Trash"))
    await update(acme.actor, third.message, MessageChange(add_labels=("OLD",)))
    await update(globex.actor, theirs.message, MessageChange(add_labels=("old",)))
    await acme.call("POST", f"/threads/{first.thread}/labels", {"labels": ["old", "b"]})
    before = (await acme.call("GET", f"/messages/{first.message}")).json
    api.woken.clear()
    answer = await acme.call("PATCH", "/labels/OLD", {"name": "New"})
    assert answer.json == {
        "name": "new",
        "changed_messages": 3,
        "changed_threads": 1,
        "complete": True,
    }
    assert {inbox.id, other.id} <= set(api.woken)
    shown = [
        (await acme.call("GET", f"/messages/{each.message}")).json["labels"]
        for each in (first, second, third)
    ]
    assert shown == [["kept", "new"], ["new"], ["new"]]
    after = (await acme.call("GET", f"/messages/{first.message}")).json
    assert after["modseq"] > before["modseq"]
    changes = await acme.call("GET", f"/inboxes/{inbox.id}/changes?since={before['modseq']}")
    assert set(changes.json["updated"]) >= {first.message, second.message}
    thread = (await acme.call("GET", f"/threads/{first.thread}")).json
    assert thread["labels"] == ["b", "new"]
    unmoved = (await globex.call("GET", f"/messages/{theirs.message}")).json["labels"]
    assert unmoved == ["old"]
    told = (await acme.call("GET", "/events?type=thread.updated")).json["data"]
    assert told[0]["data"]["changes"] == {"labels": {"added": ["new"], "removed": ["old"]}}
    told = (await acme.call("GET", f"/events?type=message.updated&inbox_id={other.id}")).json[
        "data"
    ]
    assert told[0]["data"]["message_id"] == third.message
    assert (await acme.call("PATCH", "/labels/old", {"name": "new"})).code == "not_found"


async def test_a_label_is_taken_off_where_the_key_reaches(api: Api, acme: Tenant) -> None:
    inbox, other = await acme.inbox("a"), await acme.inbox("b")
    here, there = await deliver(api.store, inbox), await deliver(api.store, other)
    for each in (here, there):
        change = MessageChange(add_labels=("off", "on"))
        await api.store.messages.update(acme.actor, each.message, change)
    bound = await acme.caller("labels:write", inboxes=(other.id,))
    assert (await bound("DELETE", f"/labels/off?inbox={inbox.id}")).code == "not_found"
    assert (await bound("DELETE", "/labels/off")).json["changed_messages"] == 1
    names = [each["name"] for each in (await acme.call("GET", "/labels")).json["data"]]
    assert names == ["off", "on"]
    path = f"/labels/off?inbox={inbox.address}"
    assert (await acme.call("DELETE", path)).json["complete"] is True
    names = [each["name"] for each in (await acme.call("GET", "/labels")).json["data"]]
    assert names == ["on"]
    assert (await acme.call("DELETE", path)).code == "not_found"


async def test_labels_that_cannot_be_changed_are_refused(acme: Tenant) -> None:
    for name, body in (
        ("a", {"name": "$Claimed"}),
        ("%24claimed", {"name": "a"}),
        ("a", {"name": "A"}),
    ):
        answer = await acme.call("PATCH", f"/labels/{name}", body)
        assert (answer.status, answer.paths) == (422, ["name"])
    assert (await acme.call("DELETE", "/labels/%24junk")).status == 422
    call = await acme.caller("messages:read")
    assert (await call("DELETE", "/labels/a")).code == "forbidden"
    assert (await call("PATCH", "/labels/a", {"name": "b"})).code == "forbidden"


async def test_a_label_is_changed_by_batches_that_go_on(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await acme.inbox()
    for number in range(5):
        placed = await deliver(api.store, inbox, letter(str(number)))
        change = MessageChange(add_labels=("many",))
        await api.store.messages.update(acme.actor, placed.message, change)
    small = IdentityLimits(label_batch=2, label_batches=2)
    monkeypatch.setattr(labels, "IdentityLimits", lambda: small)
    first = (await acme.call("DELETE", "/labels/many")).json
    assert (first["changed_messages"], first["complete"]) == (4, False)
    second = (await acme.call("DELETE", "/labels/many")).json
    assert (second["changed_messages"], second["complete"]) == (1, True)
