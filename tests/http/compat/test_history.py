"""Changes of labels as AgentMail lists them: each once, whatever the size of a page."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agentpost.http.compat import history
from agentpost.model.actor import Scope
from agentpost.model.inbox import Inbox
from agentpost.model.mailbox import Flag, FlagChange
from tests.http.compat.conftest import Sdk
from tests.http.resources.conftest import Tenant, deliver, letter


async def mails(tenant: Tenant, inbox: Inbox, count: int) -> list[str]:
    """Messages in an inbox; their ids."""
    octets = [letter(message_id=f"m{number}", to=inbox.address) for number in range(count)]
    return [(await deliver(tenant.store, inbox, one)).message for one in octets]


async def listed(sdk: Sdk, inbox: Inbox, limit: int, *, ascending: bool = False) -> list[Any]:
    """All changes, page by page."""
    found: list[Any] = []
    token = None
    while True:
        page = await sdk(
            "inboxes.events.list",
            inbox.address,
            limit=limit,
            ascending=ascending,
            page_token=token,
        )
        assert page.count == len(page.events) <= limit
        found += page.events
        token = page.next_page_token
        if token is None:
            return found


def told(events: list[Any]) -> list[tuple[str, str, str]]:
    return [(each.event_type, each.label, each.message_id) for each in events]


async def mark(
    tenant: Tenant, inbox: Inbox, uids: range, mode: Any, flags: Flag, *words: str
) -> None:
    """What a mail program does to many messages at once."""
    mailboxes = tenant.store.mailboxes
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    box = await mailboxes.find(tenant.actor, where, "INBOX")
    change = FlagChange(mode, flags, words)
    await mailboxes.store_flags(tenant.actor, where, box.id, list(uids), change)


async def test_what_a_message_was_given_and_lost_is_told(acme: Tenant, sdk: Sdk) -> None:
    inbox = await acme.inbox()
    (message,) = await mails(acme, inbox, 1)
    name = "<m0@example.org>"
    await sdk(
        "inboxes.messages.update",
        inbox.address,
        name,
        add_labels=["b", "A"],
        remove_labels=["unread"],
    )
    await sdk("inboxes.messages.update", inbox.address, name, remove_labels=["a"])
    await acme.call("PATCH", f"/messages/{message}", {"folder": "Archive"})
    await acme.call("PATCH", f"/messages/{message}", {"answered": True})
    await sdk("inboxes.messages.delete", inbox.address, name)
    await acme.call("POST", f"/messages/{message}/restore")
    found = await listed(sdk, inbox, 100)
    assert told(found)[:3] == [
        ("label.removed", "trash", name),
        ("label.added", "trash", name),
        ("label.removed", "a", name),
    ]
    assert sorted(told(found)[3:]) == [
        ("label.added", "a", name),
        ("label.added", "b", name),
        ("label.removed", "unread", name),
    ]
    assert len({each.event_id for each in found}) == len(found)
    one = found[0]
    assert (one.organization_id, one.pod_id) == (inbox.organization, inbox.environment)
    assert one.inbox_id == inbox.address
    assert one.event_at == one.created_at


@pytest.mark.parametrize("seed", range(3))
async def test_pages_of_any_size_tell_each_change_once(
    acme: Tenant, sdk: Sdk, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event may be of thirty messages with several labels, or of none."""
    monkeypatch.setattr(history, "_EVENTS", 3)
    dice = random.Random(seed)
    inbox, other = await acme.inbox(), await acme.inbox("other")
    await mails(acme, inbox, 30)
    await mails(acme, other, 2)
    for _ in range(12):
        uids = range(1, dice.choice((2, 4, 31)))
        words = dice.sample(("a", "b", "c", "$Forwarded"), dice.randint(0, 3))
        flags = dice.choice((Flag(0), Flag.SEEN, Flag.FLAGGED, Flag.SEEN | Flag.ANSWERED))
        await mark(acme, inbox, uids, dice.choice(("add", "remove", "replace")), flags, *words)
        await mark(acme, other, range(1, 3), "add", Flag.SEEN, "elsewhere")
    whole = await listed(sdk, inbox, 100)
    assert whole
    assert not {each.label for each in whole} & {"elsewhere", "$forwarded"}
    for limit in (1, dice.randint(2, 9), 31):
        assert await listed(sdk, inbox, limit) == whole
    upwards = await listed(sdk, inbox, 7, ascending=True)
    assert upwards == whole[::-1]
    # A page looks at so many events, however few changes are among them.
    monkeypatch.setattr(history, "_ROUNDS", 1)
    assert await listed(sdk, inbox, 5) == whole
    assert await listed(sdk, inbox, 5, ascending=True) == upwards


async def test_only_the_inbox_of_ones_own_is_told_of(
    acme: Tenant, globex: Tenant, sdk: Sdk
) -> None:
    inbox = await acme.inbox()
    path = f"/v0/inboxes/{inbox.address}/events"
    assert (await globex.call("GET", path)).status == 404
    blind = await acme.caller("messages:read")
    assert (await blind("GET", path)).status == 403
    await mails(acme, inbox, 1)
    await sdk("inboxes.messages.update", inbox.address, "<m0@example.org>", add_labels=["a", "b"])
    first = await acme.call("GET", path + "?limit=1")
    token = first.json["next_page_token"]
    elsewhere = await acme.inbox("elsewhere")
    answer = await acme.call("GET", f"/v0/inboxes/{elsewhere.address}/events?page_token={token}")
    assert (answer.status, answer.code) == (400, "invalid_cursor")
