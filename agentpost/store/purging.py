"""Destroying inboxes and environments for ever, inside the transaction of who asked for it."""

from __future__ import annotations

from collections.abc import Sequence

from agentpost.ids import InboxId
from agentpost.model.actor import Scope
from agentpost.store.pool import Connection


async def purge(connection: Connection, inboxes: Sequence[InboxId]) -> list[str]:
    """Destroy inboxes with all their mail; returns the ids of keys that were bound to them.

    Files of large messages are removed by the sweep, once no row speaks of them.
    """
    if not inboxes:
        return []
    rows = await connection.rows("SELECT key_id FROM purge_inboxes($1)", list(inboxes))
    return [row["key_id"] for row in rows]


async def forget_environment(connection: Connection, where: Scope) -> list[str]:
    """Delete an environment that holds no inbox; returns the ids of keys that were bound to it."""
    rows = await connection.rows("SELECT key_id FROM forget_environment($1)", where.environment)
    return [row["key_id"] for row in rows]
