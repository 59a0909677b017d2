"""A commit whose answer is lost: whoever waits for it is told the truth, and nothing is doubled."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest
import trio

from agentpost.errors import Overloaded
from agentpost.limits import MessageLimits
from agentpost.mail.appending import Appending
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Flag, Mailbox, Placed
from agentpost.store.pool import Database, Operation
from tests.durability.ledger import compose
from tests.durability.reading import everything
from tests.imap.harness import open_place

T = TypeVar("T")

_SENDERS = 6


async def test_a_batch_whose_answer_was_lost_is_stored_and_acknowledged_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Database.run
    lost: list[int] = []

    async def run(
        self: Database, tenants: str, operation: Operation[T], *, atomic: bool = False
    ) -> T:
        value = await honest(self, tenants, operation, atomic=atomic)
        if isinstance(value, list) and len(value) > 1 and not lost and _is_deposit(operation):
            lost.append(len(value))
            raise Overloaded("The database cannot be reached.")
        return value

    monkeypatch.setattr(Database, "run", run)
    placed: dict[str, Placed] = {}
    async with open_place(database_url, tmp_path) as place:
        box = await place.store.mailboxes.find(place.actor, place.where, "INBOX")
        appending = Appending(place.store.messages, place.store.mailboxes, MessageLimits())
        async with trio.open_nursery() as nursery:
            for number in range(_SENDERS):
                nursery.start_soon(
                    _append, appending, place.actor, place.where, box, f"s{number}", placed
                )
        there = (await everything(place.store)).contents
    assert lost
    assert len(placed) == _SENDERS
    ((_, contents),) = there.items()
    assert sorted(one.uid for one in contents.stored) == sorted(p.uid for p in placed.values())
    by_uid = {one.uid: one for one in contents.stored}
    for token, one in placed.items():
        assert token.encode() in by_uid[one.uid].octets
        assert by_uid[one.uid].modseq == one.modseq
        assert one.uidvalidity == contents.uidvalidity


def _is_deposit(operation: object) -> bool:
    return "Committer._store" in getattr(operation, "__qualname__", "")


async def _append(
    appending: Appending,
    actor: Actor,
    where: Scope,
    box: Mailbox,
    token: str,
    placed: dict[str, Placed],
) -> None:
    octets = compose(token, "a@elsewhere.example", "b@elsewhere.example", 900)
    placed[token] = await appending.append(actor, where, box, octets, Flag(0), (), None)
