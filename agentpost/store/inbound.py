"""Mail that a provider took for us: stored once in every inbox it is for, however often it is told.

The claim and the messages are one transaction, so that a mail that was told of twice, by two
notifications or by one and the sweep, is found either not at all or with all its inboxes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from agentpost.ids import InboxId
from agentpost.model.actor import Actor, Scope
from agentpost.model.message import Arrival
from agentpost.model.notification import MailOutcome
from agentpost.store.depositing import DEPOSIT, Deposit, arguments_of, ref_of, refs_of, rows_of
from agentpost.store.deposits import Committer, named
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


@dataclass(frozen=True, slots=True)
class MailClaim:
    """A mail that came; see ``ReceivedMail`` for its names.

    ``assumed`` are the inboxes that nobody knows to have been in the envelope.
    """

    id: str
    outcome: MailOutcome
    object_key: str | None = None
    notification: str | None = None
    assumed: frozenset[InboxId] = frozenset()


class InboundMails:
    """Takes in what providers hand over."""

    def __init__(self, door: Door, committer: Committer) -> None:
        self._door = door
        self._committer = committer

    async def deliver(
        self,
        actor: Actor,
        claim: MailClaim,
        deposit: Deposit,
        returned: Callable[[Arrival], Arrival],
    ) -> tuple[InboxId, ...]:
        """Store ``deposit`` in those of its inboxes that do not have this mail; tells which.

        There are none when the notification is a repetition.  ``returned`` makes the arrival of a mail
        whose Message-ID the inbox has sent itself.
        Raises: MailboxNotFound, with nothing written, when a mailbox or inbox is gone;
        MessageUnacceptable; Overloaded.
        """
        places = await self._committer.place(deposit)
        refs = refs_of(deposit.summary)

        async def write(connection: Connection, _: Scope) -> Deposit | None:
            claimed = await _claim(connection, claim, deposit)
            kept = _narrowed(deposit, claimed, returned)
            if kept is None:
                return None
            own = {one.organization: places[one.organization] for one in kept.arrivals}
            await connection.rows(DEPOSIT, *arguments_of([rows_of(kept, own, refs)]))
            return kept

        try:
            stored = await self._door.write(actor, None, None, write)
        except Exception as error:
            raise named(error) from error
        if stored is None:
            return ()
        self._committer.tell(stored)
        return tuple(arrival.inbox for arrival in stored.arrivals)

    async def note(self, actor: Actor, claim: MailClaim) -> None:
        """Write down a mail that nobody gets, so that it is not looked at again."""

        async def write(connection: Connection, _: Scope) -> None:
            await _claim(connection, claim, None)

        await self._door.write(actor, None, None, write, single=True)

    async def unknown(self, actor: Actor, objects: Sequence[tuple[str, str]]) -> frozenset[str]:
        """The keys of those objects that have not been taken in; each comes with its mail's id."""

        async def read(connection: Connection, _: Scope) -> frozenset[str]:
            found = await connection.rows(
                "SELECT o.key FROM unnest($1::text[], $2::text[]) AS o (key, mail)"
                " WHERE NOT EXISTS (SELECT 1 FROM inbound_mails i WHERE i.id = o.mail)"
                "  AND NOT EXISTS (SELECT 1 FROM inbound_mails i WHERE i.object_key = o.key)",
                [key for key, _ in objects],
                [mail for _, mail in objects],
            )
            return frozenset(row["key"] for row in found)

        return await self._door.read(actor, None, None, read)

    async def done_with(
        self, actor: Actor, objects: Sequence[tuple[str, str]], age: timedelta
    ) -> tuple[str, ...]:
        """The keys of those objects whose mail came to its end more than ``age`` ago.

        What could not be delivered because of itself (a loop, too large) is not among them: its
        object is all that is left of it.
        """

        async def read(connection: Connection, _: Scope) -> tuple[str, ...]:
            found = await connection.rows(
                "SELECT o.key FROM unnest($1::text[], $2::text[]) AS o (key, mail)"
                " JOIN inbound_mails i ON i.id = o.mail OR i.object_key = o.key"
                " WHERE i.outcome IN ('delivered', 'unknown')"
                "  AND i.created_at < now() - $3::interval",
                [key for key, _ in objects],
                [mail for _, mail in objects],
                age,
            )
            return tuple(dict.fromkeys(row["key"] for row in found))

        return await self._door.read(actor, None, None, read)


async def _claim(
    connection: Connection, claim: MailClaim, deposit: Deposit | None
) -> dict[InboxId, bool]:
    """The inboxes that get the mail now, each with whether they have sent it themselves."""
    inboxes = [] if deposit is None else [arrival.inbox for arrival in deposit.arrivals]
    own = None if deposit is None else deposit.summary.message_id
    found: list[Row] = await connection.rows(
        "SELECT inbox_id, returned FROM claim_mail($1, $2, $3, $4, $5, $6, $7)",
        claim.id,
        claim.object_key,
        claim.outcome,
        claim.notification,
        None if own is None else ref_of(own),
        inboxes,
        [inbox in claim.assumed for inbox in inboxes],
    )
    return {InboxId(row["inbox_id"]): row["returned"] for row in found}


def _narrowed(
    deposit: Deposit, claimed: dict[InboxId, bool], returned: Callable[[Arrival], Arrival]
) -> Deposit | None:
    """``deposit`` for the inboxes that were claimed; None when there are none."""
    arrivals = tuple(
        returned(arrival) if claimed[arrival.inbox] else arrival
        for arrival in deposit.arrivals
        if arrival.inbox in claimed
    )
    return replace(deposit, arrivals=arrivals) if arrivals else None
