"""Reputation: how the mail of an inbox fared, day by day, and when that pauses it.

Counted in the transactions that write outcomes (``after_outcomes`` in migrations/0007_policy.sql),
where the formula of the score stands too.
"""

from __future__ import annotations

from typing import cast

from agentpost.errors import NotFound
from agentpost.ids import InboxId
from agentpost.model.actor import Actor, Scope
from agentpost.model.reputation import Deliverability, PausingTerms, Rating
from agentpost.store import checks
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_READ = """
SELECT i.id, i.address, i.send_paused, n.sent, n.bounced, n.complained, p.*,
    coalesce($2::integer, p.window_days) AS days,
    percent(n.bounced, n.sent) AS bounced_percent, percent(n.complained, n.sent) AS complained_percent,
    s.score, deliverability_rating(s.score) AS rating,
    reason_to_pause(c.sent, c.bounced, c.complained) AS reason
FROM inboxes i, pausing p, counted_numbers(i.id) c
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.sent), 0)::bigint AS sent, coalesce(sum(r.bounced), 0)::bigint AS bounced,
        coalesce(sum(r.complained), 0)::bigint AS complained
    FROM reputation r
    WHERE r.inbox_id = $1 AND r.day > current_date - coalesce($2::integer, p.window_days)
) n
CROSS JOIN LATERAL (
    SELECT deliverability_score(n.sent, n.bounced, n.complained) AS score
) s
WHERE i.id = $1
"""


class Reputation:
    """The numbers of inboxes."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def deliverability(
        self,
        actor: Actor,
        inbox: str,
        days: int | None = None,
        scope: str = "metrics:read",
    ) -> Deliverability:
        """How the mail of an inbox fared in the last ``days``, deleted ones too.

        Raises: NotFound.
        """

        async def read(connection: Connection, where: Scope) -> Row | None:
            return await connection.row(_READ, where.inbox, days)

        place = checks.place("any_inbox", inbox)
        row = await self._door.read(actor, scope, place, read)
        if row is None:
            raise NotFound("There is no such inbox.")
        return _deliverability(row)

    async def configure(self, actor: Actor, terms: PausingTerms) -> None:
        """Make these the terms of the whole deployment; only the server itself may."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "UPDATE pausing SET bounce_percent = $1, complaint_percent = $2, min_sample = $3,"
                " min_complaints = $4, window_days = $5"
                " WHERE (bounce_percent, complaint_percent, min_sample, min_complaints,"
                "  window_days) IS DISTINCT FROM ($1, $2, $3, $4, $5)",
                terms.bounce_percent,
                terms.complaint_percent,
                terms.min_sample,
                terms.min_complaints,
                terms.window_days,
            )

        if not actor.system:
            raise NotFound
        await self._door.write(actor, None, None, write, single=True)


def _deliverability(row: Row) -> Deliverability:
    return Deliverability(
        inbox=InboxId(row["id"]),
        address=row["address"],
        window_days=row["days"],
        sent=row["sent"],
        bounced=row["bounced"],
        complained=row["complained"],
        bounce_percent=row["bounced_percent"],
        complaint_percent=row["complained_percent"],
        score=row["score"],
        rating=cast("Rating", row["rating"]),
        reason_to_pause=row["reason"],
        send_paused=row["send_paused"],
        terms=PausingTerms(
            row["bounce_percent"],
            row["complaint_percent"],
            row["min_sample"],
            row["min_complaints"],
            row["window_days"],
        ),
    )
