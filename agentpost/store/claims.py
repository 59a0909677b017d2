"""An inbox as a work queue: messages are leased to one worker at a time.

Whoever leases messages of an inbox, or ends a lease, holds the lock of the inbox, which changes of
keywords need anyway: a message that is being worked on shows ``$Claimed`` to mail programs.  A
lease has an id of its own, which is all that its holder needs to end it.
"""

from __future__ import annotations

from datetime import timedelta

from agentpost.errors import ClaimLost, NotFound
from agentpost.ids import ClaimId, InboxId, MessageId, new_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.claim import Claim, ClaimRequest
from agentpost.model.message import MessageChange, MessageFilter
from agentpost.model.page import PageRequest
from agentpost.store import checks, deciding
from agentpost.store.listing import Listing
from agentpost.store.marking import mark, placements
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_FREE = (
    "NOT EXISTS (SELECT 1 FROM claims c WHERE c.inbox_id = {0} AND c.message_id = m.id"
    " AND (c.state <> 'waiting' OR c.due_at > clock_timestamp()))"
)


class Claims:
    """Leases on messages."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def take(
        self, actor: Actor, inbox: str, wanted: MessageFilter, request: ClaimRequest
    ) -> tuple[Claim, ...]:
        """Lease messages that fit, the oldest first, to whoever asks; perhaps none.

        A message that somebody holds, that is done or that was given up is left out.
        Raises: NotFound, Forbidden.
        """
        checks.visible(actor, wanted.include, wanted.folder)

        async def write(connection: Connection, where: Scope) -> list[Row]:
            await _lock(connection, where)
            await connection.value("SELECT expire_claims($1)", where.inbox)
            begin = await connection.value("SELECT claims_from($1)", where.inbox)
            listing = Listing(actor, where, wanted, PageRequest(request.most, descending=False))
            listing.keep("(m.inbox_id, m.id) > ({0}, {1})", where.inbox, begin)
            listing.keep(_FREE, where.inbox)
            found = await connection.rows(listing.ids(), *listing.arguments)
            if not found:
                return []
            messages = [row["id"] for row in found]
            return await connection.rows(
                "SELECT * FROM begin_claims($1, $2, $3, $4, $5, $6)",
                where.inbox,
                messages,
                [new_id("clm") for _ in messages],
                actor.credential,
                timedelta(seconds=request.lease_s),
                request.max_attempts,
            )

        place = checks.place("inbox", inbox)
        leased = await self._door.write(actor, "labels:write", place, write)
        return tuple(sorted(map(_claim, leased), key=lambda claim: claim.message))

    async def acknowledge(self, actor: Actor, claim: str, change: MessageChange) -> Claim:
        """The message is done, and gets the flags and labels of ``change``.

        Nobody is given it again.  Also when the lease is over, as long as nobody else has taken
        the message; a second time changes nothing.  Raises: NotFound; ClaimLost when it was given up.
        """

        async def write(connection: Connection, where: Scope) -> Claim:
            present = await _present(connection, where, claim)
            if present.state == "done":
                return present
            if present.state == "dead":
                raise ClaimLost
            placed = await placements(connection, present.message)
            await mark(connection, where, placed, change, deciding.by(self._door, actor, where))
            return await _end(connection, claim, done=True, again_s=0.0)

        return await self._door.write(actor, "labels:write", checks.place("claim", claim), write)

    async def give_back(self, actor: Actor, claim: str, delay_s: float) -> Claim:
        """The message is not done: it may be taken again after ``delay_s``.

        Raises: NotFound; ClaimLost when the lease is over.
        """

        async def write(connection: Connection, where: Scope) -> Claim:
            await _held(connection, where, claim)
            return await _end(connection, claim, done=False, again_s=delay_s)

        return await self._door.write(actor, "labels:write", checks.place("claim", claim), write)

    async def extend(self, actor: Actor, claim: str, lease_s: float) -> Claim:
        """Hold the message for ``lease_s`` from now on.

        Raises: NotFound; ClaimLost when the lease is over.
        """

        async def write(connection: Connection, where: Scope) -> Claim:
            await _held(connection, where, claim)
            row = await connection.row(
                "UPDATE claims SET due_at = clock_timestamp() + $2::interval"
                " WHERE id = $1 RETURNING *",
                claim,
                timedelta(seconds=lease_s),
            )
            assert row is not None
            return _claim(row)

        place = checks.place("claim", claim)
        return await self._door.write(actor, "labels:write", place, write, wakes=False)

    async def overdue(self, actor: Actor, limit: int) -> tuple[InboxId, ...]:
        """Inboxes with leases that are over, the longest over first."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT c.inbox_id FROM claims c WHERE c.state = 'leased'"
                " AND c.due_at <= clock_timestamp()"
                " GROUP BY c.inbox_id ORDER BY min(c.due_at) LIMIT $1",
                limit,
            )

        found = await self._door.read(actor, None, None, read)
        return tuple(InboxId(row["inbox_id"]) for row in found)

    async def expire(self, actor: Actor, inbox: InboxId) -> int:
        """End the leases of an inbox that are over; tells how many."""

        async def write(connection: Connection, where: Scope) -> int:
            ended: int = await connection.value("SELECT expire_claims($1)", where.inbox)
            return ended

        try:
            return await self._door.write(actor, None, checks.place("any_inbox", inbox), write)
        except NotFound:
            return 0


async def _lock(connection: Connection, where: Scope) -> None:
    await connection.execute("SELECT 1 FROM inboxes WHERE id = $1 FOR UPDATE", where.inbox)


async def _present(connection: Connection, where: Scope, claim: str) -> Claim:
    """The claim as it is now that the inbox is locked, its lease ended when that is over."""
    await _lock(connection, where)
    await connection.value("SELECT expire_claims($1)", where.inbox)
    row = await connection.row("SELECT * FROM claims WHERE id = $1", claim)
    if row is None:
        # Between the look at where it is and the lock somebody else took the message.
        raise NotFound("There is no such claim.")
    return _claim(row)


async def _held(connection: Connection, where: Scope, claim: str) -> Claim:
    present = await _present(connection, where, claim)
    if present.state != "leased":
        raise ClaimLost
    return present


async def _end(connection: Connection, claim: str, *, done: bool, again_s: float) -> Claim:
    row = await connection.row(
        "SELECT * FROM end_claim($1, $2, $3)", claim, done, timedelta(seconds=again_s)
    )
    assert row is not None
    return _claim(row)


def _claim(row: Row) -> Claim:
    return Claim(
        id=ClaimId(row["id"]),
        inbox=InboxId(row["inbox_id"]),
        message=MessageId(row["message_id"]),
        state=row["state"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        due_at=row["due_at"],
        claimed_at=row["claimed_at"],
    )
