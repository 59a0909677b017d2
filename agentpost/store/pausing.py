"""Stopping an inbox from sending and letting it send again, inside the transaction of who asks."""

from __future__ import annotations

from agentpost.errors import DeliverabilityCritical
from agentpost.model.actor import Actor, Scope
from agentpost.store.pool import Connection

_HINT = "Resume the inbox when what it was paused for is over."


async def pause(connection: Connection, actor: Actor, where: Scope, reason: str) -> None:
    """Stop sending from the inbox, and tell of it."""
    await connection.rows(
        "SELECT pause_inbox($1, $2, $3, $4)", where.inbox, reason, actor.credential, _HINT
    )


async def resume(connection: Connection, where: Scope, *, force: bool) -> bool:
    """Let the inbox send again, and tell of it; whether that was against its numbers.

    Raises: DeliverabilityCritical when it is, and ``force`` was not asked for.
    """
    row = await connection.row(
        "SELECT reason_to_pause(c.sent, c.bounced, c.complained) AS reason,"
        " deliverability_score(c.sent, c.bounced, c.complained) AS score"
        " FROM counted_numbers($1) c",
        where.inbox,
    )
    assert row is not None
    against = row["reason"] is not None
    if against and not force:
        kind = "bounces" if row["reason"] == "bounce_rate" else "complaints"
        raise DeliverabilityCritical(
            f"The score of the inbox is {row['score']:g}: too many {kind} to send on."
        )
    await connection.rows("SELECT resume_inbox($1, $2)", where.inbox, against)
    return against
