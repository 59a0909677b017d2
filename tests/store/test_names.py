"""Names of mailboxes in memory: never an older list than what was committed before."""

from __future__ import annotations

import trio
import trio.testing

from agentpost.ids import InboxId
from agentpost.store import names
from agentpost.store.names import Named, Names

_INBOX = InboxId("inb_1")


async def test_a_list_is_read_once_until_a_name_changes() -> None:
    kept = Names()
    reads = 0

    async def read() -> Named:
        nonlocal reads
        reads += 1
        await trio.lowlevel.checkpoint()
        return {}

    for _ in range(3):
        await kept.of(_INBOX, read)
    assert reads == 1
    kept.forget(InboxId("inb_2"))
    await kept.of(_INBOX, read)
    assert reads == 1
    kept.forget(_INBOX)
    await kept.of(_INBOX, read)
    assert reads == 2
    kept.forget_all()
    await kept.of(_INBOX, read)
    assert reads == 3


async def test_a_list_that_was_being_read_when_a_name_changed_is_not_kept() -> None:
    kept = Names()
    old: Named = {}
    new: Named = {}
    answered = trio.Event()

    async def read_before() -> Named:
        await answered.wait()
        return old

    async def read_after() -> Named:
        await trio.lowlevel.checkpoint()
        return new

    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.of, _INBOX, read_before)
        await trio.testing.wait_all_tasks_blocked()
        kept.forget(_INBOX)
        answered.set()
    assert await kept.of(_INBOX, read_after) is new


async def test_names_of_the_inboxes_used_last_are_kept() -> None:
    kept = Names()
    reads: list[InboxId] = []

    async def ask(inbox: InboxId) -> None:
        async def read() -> Named:
            await trio.lowlevel.checkpoint()
            reads.append(inbox)
            return {}

        await kept.of(inbox, read)

    inboxes = [InboxId(f"inb_{number}") for number in range(names._INBOXES + 1)]
    for inbox in inboxes:
        await ask(inbox)
    await ask(inboxes[-1])
    assert len(reads) == len(inboxes)
    await ask(inboxes[0])
    assert len(reads) == len(inboxes) + 1
