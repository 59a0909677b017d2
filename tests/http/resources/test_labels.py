"""Labels over REST (R44)."""

from __future__ import annotations

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
