"""Destroying inboxes and environments for ever, inside the transaction of who asked for it."""

from __future__ import annotations

from collections.abc import Sequence

from agentpost.ids import InboxId
from agentpost.model.actor import Scope
from agentpost.store.announcing import keys_revoked
from agentpost.store.pool import Connection


async def purge(connection: Connection, inboxes: Sequence[InboxId]) -> list[str]:
    """Destroy inboxes with all their mail; returns the ids of keys that were bound to them.

    Files of large messages are removed by the sweep, once no row speaks of them.
    """
    if not inboxes:
        return []
    rows = await connection.rows("SELECT key_id FROM purge_inboxes($1)", list(inboxes))
    return await _unbound(connection, [row["key_id"] for row in rows])


async def forget_environment(connection: Connection, where: Scope) -> list[str]:
    """Delete an environment that holds no inbox; returns the ids of keys that were bound to it."""
    rows = await connection.rows("SELECT key_id FROM forget_environment($1)", where.environment)
    return await _unbound(connection, [row["key_id"] for row in rows])


async def _unbound(connection: Connection, keys: list[str]) -> list[str]:
    """Tell of those keys that were revoked with what they were bound to, in this transaction."""
    revoked = await connection.rows(
        "SELECT id FROM api_keys WHERE id = ANY ($1) AND revoked_at = now()", keys
    )
    await keys_revoked(connection, [row["id"] for row in revoked], "bound to what is gone")
    return keys
