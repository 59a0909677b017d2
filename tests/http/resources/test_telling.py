"""Events told as a batch: the same as one by one, with few looks into the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agentpost.limits import EventLimits
from agentpost.mail.telling import Telling
from agentpost.model.event import Event
from agentpost.model.message import Message
from agentpost.store.messages import Messages
from tests.http.resources.conftest import Tenant


async def events_of(tenant: Tenant, count: int) -> tuple[Event, ...]:
    """Everything that happens when so many messages of 2 KiB come."""
    inbox = await tenant.inbox()
    for number in range(count):
        body = {"to": inbox.address, "subject": f"n{number}", "text": f"t{number} " + "x" * 2000}
        assert (await tenant.call("POST", f"/inboxes/{inbox.id}/messages", body)).status == 202
    return (await tenant.store.events.after(tenant.actor, 0, 1000)).events


async def test_a_batch_says_what_each_event_says_alone(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = await events_of(acme, 20)
    asked: list[int] = []
    contents = Messages.contents

    async def counted(self: Messages, actor: Any, messages: Sequence[Message], scope: str) -> Any:
        asked.append(len(messages))
        return await contents(self, actor, messages, scope)

    limits = EventLimits(told_ahead_octets=12 * 1024)
    telling = Telling(acme.store.events, acme.store.messages, limits)
    alone = [await telling.envelope(acme.actor, event, full=True) for event in events]
    monkeypatch.setattr(Messages, "contents", counted)
    batch = telling.batch(acme.actor, events, full=True)
    assert [await batch.envelope(event) for event in events] == alone
    assert sum(asked) == 20
    assert len(asked) == 4  # 5 letters of 2.2 KiB are within the limit.
    assert sum(b"x" * 1500 in one for one in alone) == 20

    thin = telling.batch(acme.actor, events, full=False)
    assert not any([b"x" * 1500 in await thin.envelope(event) for event in events])
    assert sum(asked) == 20


async def test_nobody_is_told_of_what_is_not_his_or_is_gone(acme: Tenant, globex: Tenant) -> None:
    events = await events_of(acme, 2)
    received = [event for event in events if event.type == "message.received"]
    telling = Telling(acme.store.events, acme.store.messages)
    foreign = telling.batch(globex.actor, events, full=True)
    assert [await foreign.told(event) for event in events] == [None] * len(events)
    own = telling.batch(acme.actor, events, full=True)
    first = await own.told(received[0])
    assert first is not None
    assert first.reading is not None
    gone = f"/messages/{first.message.id}?permanent=true"
    assert (await acme.call("DELETE", gone)).status == 204
    later = telling.batch(acme.actor, received, full=True)
    assert await later.told(received[0]) is None
    assert await later.told(received[1]) is not None
