"""Events that are about no stored message, written in the transaction of what happened."""

from __future__ import annotations

from typing import Any

import msgspec

from agentpost.ids import new_id
from agentpost.model.actor import Scope
from agentpost.store.pool import Connection


async def happened(
    connection: Connection, where: Scope, event_type: str, data: dict[str, Any]
) -> None:
    """Write an event in the running transaction; ``where`` names an environment at least."""
    await connection.execute(
        "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        where.environment,
        new_id("evt"),
        where.organization,
        where.inbox,
        event_type,
        msgspec.json.encode(data).decode(),
    )
