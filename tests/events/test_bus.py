"""Who is woken by a commit, and who is told of it by NOTIFY."""

from __future__ import annotations

import pytest
import trio

from agentpost.events.bus import Bus
from agentpost.ids import InboxId

_INBOX = InboxId("inb_1")


async def test_others_are_told_of_what_was_committed_here() -> None:
    bus = Bus()
    bus.committed(_INBOX)
    bus.committed(InboxId("inb_2"))
    assert await bus.unsent() == ("inb_1,inb_2",)


async def test_a_worker_that_is_alone_tells_only_itself(autojump_clock: trio.abc.Clock) -> None:
    bus = Bus()
    watch = bus.watch(_INBOX)
    heard: list[InboxId | None] = []
    bus.on_wake(heard.append)
    bus.committed_alone(_INBOX)
    assert await watch.wait(0)
    assert heard == [_INBOX]
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await bus.unsent()
