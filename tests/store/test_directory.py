"""Which inbox an address belongs to."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from agentpost.ids import InboxId
from agentpost.limits import IdentityLimits
from agentpost.store.directory import Directory
from tests.store.conftest import Parts, Tenant, make_inbox


@pytest.mark.proves("R36")
async def test_an_address_is_found_however_it_is_written(parts: Parts, acme: Tenant) -> None:
    inbox = await make_inbox(parts, acme)
    user, _, domain = inbox.address.partition("@")
    for written in (
        inbox.address,
        inbox.address.upper(),
        f"{user}+tag@{domain}",
        f"{user}+Tag+more@{domain.upper()}",
        f'"{user}"@{domain}',
    ):
        local = await parts.directory.resolve(written)
        assert local is not None
        assert (local.inbox, local.address, local.scope.environment) == (
            inbox.id,
            inbox.address,
            acme.environment.id,
        )
    assert await parts.directory.by_id(inbox.id) == await parts.directory.resolve(inbox.address)


@pytest.mark.parametrize(
    "address",
    ["", "@", "support", "support@shared.test", "a\0b@shared.test", "\ud800@x", "x" * 9999 + "@y"],
)
async def test_nobody_is_found_where_nobody_is(parts: Parts, acme: Tenant, address: str) -> None:
    await make_inbox(parts, acme)
    assert await parts.directory.resolve(address) is None


async def test_answers_are_remembered_for_seconds_but_absence_is_not(
    parts: Parts, acme: Tenant, mock_clock: MockClock
) -> None:
    elsewhere = Directory(parts.door, IdentityLimits(cached_entries=2))
    assert await elsewhere.by_id(InboxId("inb_" + "0" * 26)) is None
    inbox = await make_inbox(parts, acme)
    known = await elsewhere.resolve(inbox.address)
    assert known is not None
    await parts.inboxes.pause(acme.actor, inbox.id, "x")
    assert await elsewhere.resolve(inbox.address) is known
    mock_clock.jump(5.0)
    later = await elsewhere.resolve(inbox.address)
    assert later is not None
    assert later.send_paused
    await parts.inboxes.resume(acme.actor, inbox.id)
    elsewhere.forget_all()
    again = await elsewhere.resolve(inbox.address)
    assert again is not None
    assert not again.send_paused
    for _ in range(4):
        await elsewhere.resolve((await make_inbox(parts, acme)).address)
    assert len(elsewhere._known) == 2
