"""Group commit: messages that arrive together are stored together.

One writer takes what is waiting and writes it in one statement; what comes meanwhile waits for the
next.  It begins with the next batch before those of the last one hear of their results, so that
PostgreSQL works while the sessions answer and read on.  Nothing waits when the server is idle, and
under load one fsync serves many messages.  A batch that fails is repeated one deposit at a time, so
that a bad one fails alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from agentpost import metrics
from agentpost.errors import (
    Conflict,
    MailboxNotFound,
    MessageUnacceptable,
    Overloaded,
    Problem,
    QuotaExceeded,
    TooManyHeld,
)
from agentpost.ids import InboxId, MailboxId, ModSeq, OrganizationId, ThreadId, Uid, new_id
from agentpost.model.mailbox import Placed
from agentpost.model.message import Arrival
from agentpost.store.blobs import Blobs
from agentpost.store.depositing import (
    DEPOSIT,
    BlobPlace,
    Deposit,
    Rows,
    arguments_of,
    refs_of,
    rows_of,
)
from agentpost.store.pool import Connection, Database, Duplicate, Refused

log = logging.getLogger(__name__)


class DuplicateSubmission(Exception):
    """The deposit's fingerprint is known: it was accepted before."""


class ReplayedRequest(Exception):
    """The deposit's Idempotency-Key is known: its request was executed before."""


@dataclass(frozen=True, slots=True)
class DepositLimits:
    """Bounds of the batches of group commit."""

    batch_deposits: int = 64
    """Deposits in one transaction; more only lengthens everyone's wait."""
    batch_octets: int = 8 * 1024 * 1024
    """Octets in one transaction."""
    waiting_octets: int = 64 * 1024 * 1024
    """Octets that may wait to be written; beyond that the server says it is busy."""
    inline_octets: int = 256 * 1024
    """Larger messages are kept as files and not in a row."""


@dataclass(slots=True)
class _Waiting:
    deposit: Deposit
    rows: Rows
    marks: frozenset[tuple[InboxId, bytes]]
    ended: trio.Event = field(default_factory=trio.Event)
    taken: bool = False
    placed: tuple[Placed, ...] | None = None
    error: BaseException | None = None


class Committer:
    """Writes deposits in batches; see the module's text."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        limits: DepositLimits,
        committed: Callable[[InboxId], None],
        queued: Callable[[], None],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._committed = committed
        self._queued = queued
        self._waiting: deque[_Waiting] = deque()
        self._waiting_octets = 0
        self._writing = False

    async def commit(self, deposit: Deposit) -> tuple[Placed, ...]:
        """Store ``deposit``; when this returns it is on disk.  One Placed for each arrival.

        Raises: DuplicateSubmission; MailboxNotFound when a mailbox or inbox is gone;
        QuotaExceeded; Overloaded when too much is waiting or the database cannot be reached.
        """
        if self._waiting_octets + len(deposit.octets) > self._limits.waiting_octets:
            raise Overloaded("Too many messages are waiting to be stored.", retry_after=5)
        # All that can be made ready is, while an earlier batch is on its way.
        refs = refs_of(deposit.summary)
        rows = rows_of(deposit, await self.place(deposit), refs)
        entry = _Waiting(deposit, rows, _marks(deposit, refs))
        self._waiting.append(entry)
        self._waiting_octets += len(deposit.octets)
        if not self._writing:
            self._writing = True
            # The writer is nobody's child: who deposits may be cancelled, a commit may not.
            trio.lowlevel.spawn_system_task(self._write_all)
        try:
            await entry.ended.wait()
        except trio.Cancelled:
            if not entry.taken:
                self._waiting.remove(entry)
                self._waiting_octets -= len(deposit.octets)
            raise
        if entry.error is not None:
            raise entry.error
        assert entry.placed is not None
        return entry.placed

    async def _write_all(self) -> None:
        """Write until nothing is waiting."""
        try:
            # Whoever is about to deposit comes along: a pass of the scheduler costs microseconds.
            await trio.lowlevel.cancel_shielded_checkpoint()
            while self._waiting:
                batch = self._take()
                try:
                    await self._write(batch)
                except Exception as fault:
                    # A fault of ours is told to those whom it concerns; others are still served.
                    log.exception("a batch of deposits")
                    _end_with(fault, batch)
        finally:
            self._writing = False

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        octets = 0
        seen: set[tuple[InboxId, bytes]] = set()
        left: deque[_Waiting] = deque()
        while self._waiting and len(batch) < self._limits.batch_deposits:
            entry = self._waiting.popleft()
            size = len(entry.deposit.octets)
            # A reply must see the message it answers, and a repetition the first one: both go
            # into a later batch than their original.
            if batch and (
                octets + size > self._limits.batch_octets or not seen.isdisjoint(entry.marks)
            ):
                left.append(entry)
                if octets + size > self._limits.batch_octets:
                    break
                seen |= entry.marks
                continue
            seen |= entry.marks
            octets += size
            entry.taken = True
            batch.append(entry)
        self._waiting.extendleft(reversed(left))
        self._waiting_octets -= octets
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        began = trio.current_time()
        try:
            placed = await self._store(batch)
        except Exception as error:
            if len(batch) == 1:
                await self._settle(batch[0], error)
            else:
                for entry in batch:
                    await self._write([entry])
            return
        metrics.COMMIT_BATCH.observe(len(batch))
        metrics.COMMIT_SECONDS.observe(trio.current_time() - began)
        for entry, places in zip(batch, placed, strict=True):
            entry.placed = places
            entry.ended.set()
            for arrival in entry.deposit.arrivals:
                metrics.MESSAGES.labels(arrival.direction, arrival.source).inc()
        self._tell(batch)

    def _tell(self, stored: Sequence[_Waiting]) -> None:
        for inbox in {arrival.inbox for entry in stored for arrival in entry.deposit.arrivals}:
            self._committed(inbox)
        if any(entry.rows.jobs or entry.rows.holds for entry in stored):
            self._queued()

    async def _settle(self, entry: _Waiting, error: Exception) -> None:
        """Tell how a single deposit ended.

        Its ids were made here: where they are taken, an earlier try has stored it and only the
        answer to its COMMIT was lost.
        """
        placed: tuple[Placed, ...] = ()
        if isinstance(error, Duplicate) and error.constraint in _OWN_IDS:
            try:
                placed = await self._stored_before(entry)
            except Exception as lost:
                error = lost
        if placed:
            entry.placed = placed
            self._tell([entry])
        else:
            entry.error = named(error)
        entry.ended.set()

    async def _stored_before(self, entry: _Waiting) -> tuple[Placed, ...]:
        """The placements of a deposit that is there already; empty when some are gone."""
        arrivals = entry.deposit.arrivals
        tenants = ",".join(sorted({arrival.organization for arrival in arrivals}))

        async def operation(connection: Connection) -> list[Any]:
            return await connection.rows(_STORED, [arrival.message for arrival in arrivals])

        rows = {row[6]: row for row in await self._database.run(tenants, operation)}
        if len(rows) != len(arrivals):
            return ()
        return tuple(_placed(arrival, rows[arrival.message]) for arrival in arrivals)

    async def _store(self, batch: list[_Waiting]) -> list[tuple[Placed, ...]]:
        arguments = arguments_of([entry.rows for entry in batch])
        tenants = ",".join(sorted({a.organization for e in batch for a in e.deposit.arrivals}))

        async def operation(connection: Connection) -> list[Any]:
            return await connection.rows(DEPOSIT, *arguments)

        rows = iter(await self._database.run(tenants, operation))
        return [
            tuple(_placed(arrival, next(rows)) for arrival in entry.deposit.arrivals)
            for entry in batch
        ]

    def tell(self, deposit: Deposit) -> None:
        """Count a deposit that a transaction of its own has written, and wake whom it concerns."""
        for arrival in deposit.arrivals:
            metrics.MESSAGES.labels(arrival.direction, arrival.source).inc()
        for inbox in {arrival.inbox for arrival in deposit.arrivals}:
            self._committed(inbox)
        if any(arrival.jobs for arrival in deposit.arrivals):
            self._queued()

    async def place(self, deposit: Deposit) -> dict[OrganizationId, BlobPlace]:
        """A blob for each organization concerned; large octets are in their file afterwards."""
        places: dict[OrganizationId, BlobPlace] = {}
        for organization in {arrival.organization for arrival in deposit.arrivals}:
            blob_id = new_id("blob")
            location = None
            if len(deposit.octets) > self._limits.inline_octets:
                location = await self._blobs.put(blob_id, deposit.octets)
            places[organization] = BlobPlace(blob_id, location)
        return places


_OWN_IDS = frozenset({"blobs_pkey", "messages_pkey", "unindexed_pkey", "deliveries_pkey"})
_STORED = """
SELECT 0, p.mailbox_id, b.uidvalidity, p.uid, p.modseq, m.thread_id, m.id
FROM messages m JOIN placements p ON p.message_id = m.id JOIN mailboxes b ON b.id = p.mailbox_id
WHERE m.id = ANY ($1::text[])
"""
"""The columns of ``deposit`` for messages that are there, and their ids."""


def _end_with(fault: Exception, batch: Sequence[_Waiting]) -> None:
    for entry in batch:
        if not entry.ended.is_set():
            entry.error = fault
            entry.ended.set()


def _marks(deposit: Deposit, refs: Sequence[bytes]) -> frozenset[tuple[InboxId, bytes]]:
    """What two deposits of one batch must not share: Message-IDs and looks, inbox by inbox."""
    marks = {(arrival.inbox, ref) for arrival in deposit.arrivals for ref in refs}
    marks |= {(a.inbox, a.fingerprint) for a in deposit.arrivals if a.fingerprint is not None}
    return frozenset(marks)


def _placed(arrival: Arrival, row: Any) -> Placed:
    return Placed(
        arrival.message,
        MailboxId(row[1]),
        row[2],
        Uid(row[3]),
        ModSeq(row[4]),
        ThreadId(row[5]),
    )


def named(error: Exception) -> BaseException:
    """A failure of ``deposit`` in PostgreSQL as what it means; others as they are."""
    if isinstance(error, Refused):
        match error.code:
            case "duplicate":
                return DuplicateSubmission()
            case "replayed":
                return ReplayedRequest()
            case "replaced_is_gone":
                return Conflict("The draft was sent or deleted meanwhile.")
            case "quota":
                return QuotaExceeded("The organization has sent its mails of today.")
            case "too_many_held":
                return TooManyHeld()
            case "no_mailbox":
                return MailboxNotFound()
            case _:
                return error
    if isinstance(error, Problem):
        return error
    if type(error).__name__ in {"CharacterNotInRepertoireError", "UntranslatableCharacterError"}:
        return MessageUnacceptable("A header field holds text that cannot be stored.")
    return error
