"""Group commit: what comes together is written together, and each deposit has its own outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from agentpost.errors import MailboxNotFound
from agentpost.ids import MailboxId, MessageId, new_id
from agentpost.mime.summary import summarise
from agentpost.model.mailbox import Placed
from agentpost.model.message import Arrival
from agentpost.store.blobs_disk import DiskBlobs
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import Committer, DepositLimits, DuplicateSubmission
from agentpost.store.pool import Connection
from tests.store.conftest import Parts, Tenant, make_inbox

_OLD_MAIL = 2_000


class Office:
    """A committer over one inbox that counts its batches."""

    def __init__(self, parts: Parts, owner: Tenant, inbox: str, blobs: Path) -> None:
        self.parts = parts
        self.arrival = Arrival(
            organization=owner.organization.id,
            inbox=inbox,  # type: ignore[arg-type]
            message=MessageId(""),
            direction="inbound",
            source="smtp",
            state="received",
            role="inbox",
            events=("message.received",),
        )
        self.queued = 0
        self.committer = Committer(
            parts.database, DiskBlobs(blobs), DepositLimits(), lambda _: None, self._note
        )

    def _note(self) -> None:
        self.queued += 1

    def deposit(self, name: str, *answers: str, **more: object) -> Deposit:
        """A message with the Message-ID ``name`` that answers others."""
        references = " ".join(f"<{answer}@x.example>" for answer in answers)
        octets = (
            f"From: a@x.example\r\nSubject: {name}\r\nMessage-ID: <{name}@x.example>\r\n"
            + (f"References: {references}\r\n" if answers else "")
            + "\r\ntext\r\n"
        ).encode()
        arrival = replace(self.arrival, message=MessageId(new_id("msg")), **more)  # type: ignore[arg-type]
        return Deposit(octets, summarise(octets), (arrival,))

    async def commit_together(self, deposits: Sequence[Deposit]) -> list[Placed | Exception]:
        """Outcomes in the order of the deposits, which all begin in one pass of the scheduler."""
        outcomes: dict[int, Placed | Exception] = {}

        async def one(number: int, deposit: Deposit) -> None:
            try:
                outcomes[number] = (await self.committer.commit(deposit))[0]
            except Exception as error:
                outcomes[number] = error

        async with trio.open_nursery() as nursery:
            for number, deposit in enumerate(deposits):
                nursery.start_soon(one, number, deposit)
        return [outcomes[number] for number in range(len(deposits))]

    async def batches(self) -> int:
        """Transactions that have stored messages."""
        return int(
            await self.parts.database.run(
                "*", lambda c: c.value("SELECT count(DISTINCT xmin::text) FROM messages")
            )
        )


@pytest.fixture
async def office(parts: Parts, acme: Tenant, tmp_path: Path) -> Office:
    inbox = await make_inbox(parts, acme)
    return Office(parts, acme, inbox.id, tmp_path)


def _placed(outcomes: Sequence[Placed | Exception]) -> list[Placed]:
    assert all(isinstance(outcome, Placed) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Placed)]


async def test_what_comes_together_is_written_together(office: Office) -> None:
    placed = _placed(await office.commit_together([office.deposit(f"m{n}") for n in range(12)]))
    assert await office.batches() == 1
    assert sorted(one.uid for one in placed) == list(range(1, 13))
    assert len({one.modseq for one in placed}) == 1
    assert len({one.thread for one in placed}) == 12


async def test_an_answer_that_comes_with_its_original_joins_its_thread(office: Office) -> None:
    deposits = [office.deposit("first"), office.deposit("answer", "first")]
    first, answer = _placed(await office.commit_together(deposits))
    assert answer.thread == first.thread
    assert await office.batches() == 2


async def test_what_someone_writes_to_himself_is_one_conversation(office: Office) -> None:
    to_self = office.deposit("note")
    copy = replace(to_self.arrivals[0], message=MessageId(new_id("msg")), role="sent")
    nameless = replace(office.deposit("x"), octets=b"From: a@x.example\r\n\r\nhi\r\n", arrivals=())
    for each in (to_self, replace(nameless, summary=summarise(nameless.octets))):
        ids = [MessageId(new_id("msg")) for _ in range(2)]
        arrivals = (replace(copy, message=ids[0]), replace(to_self.arrivals[0], message=ids[1]))
        sent, received = await office.committer.commit(replace(each, arrivals=arrivals))
        assert sent.thread == received.thread


async def test_a_message_joins_its_nearest_known_ancestor(office: Office) -> None:
    root, other = _placed(await office.commit_together([office.deposit("a"), office.deposit("b")]))
    (near,) = _placed(await office.commit_together([office.deposit("c", "a", "b", "unknown")]))
    assert near.thread == other.thread
    assert near.thread != root.thread


async def test_a_repetition_in_the_same_moment_is_recognised(office: Office) -> None:
    twins = [office.deposit("twin", fingerprint=b"looks") for _ in range(2)]
    outcomes = await office.commit_together(twins)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "DuplicateSubmission",
        "Placed",
    ]
    (again,) = await office.commit_together([office.deposit("twin", fingerprint=b"looks")])
    assert isinstance(again, DuplicateSubmission)


async def test_a_bad_deposit_fails_alone(office: Office) -> None:
    lost = office.deposit("lost", role=None, mailbox=MailboxId(999_999))
    outcomes = await office.commit_together([office.deposit("m1"), lost, office.deposit("m2")])
    assert isinstance(outcomes[1], MailboxNotFound)
    assert {type(outcomes[0]), type(outcomes[2])} == {Placed}


async def test_only_a_deposit_with_jobs_says_that_there_are_some(office: Office) -> None:
    await office.commit_together([office.deposit("m1")])
    assert office.queued == 0
    await office.commit_together([office.deposit("m2", jobs=("relay",))])
    assert office.queued == 1


async def test_an_inbox_full_of_mail_is_not_read_through_for_one_more(office: Office) -> None:
    """The plans are made when the tables are still empty, and must be right once they are not."""
    await office.commit_together([office.deposit("before")])
    await office.parts.database.run(
        "*",
        lambda c: c.rows(
            "INSERT INTO thread_refs (organization_id, inbox_id, ref, thread_id)"
            " SELECT $1, $2, decode(md5(n::text), 'hex'), 'thr_old' FROM generate_series(1, $3) n",
            office.arrival.organization,
            office.arrival.inbox,
            _OLD_MAIL,
        ),
    )
    before = await _rows_read(office, "thread_refs")
    _placed(await office.commit_together([office.deposit("after", "a", "b", "c")]))
    assert await _rows_read(office, "thread_refs") - before < _OLD_MAIL / 10


async def _rows_read(office: Office, table: str) -> int:
    """How many rows of a table have been read so far, as PostgreSQL counts."""

    async def read(connection: Connection) -> int:
        await connection.value("SELECT pg_stat_force_next_flush()")
        counted: int = await connection.value(
            "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relname = $1", table
        )
        return counted

    return await office.parts.database.run("*", read)
