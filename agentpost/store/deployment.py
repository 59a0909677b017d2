"""What a deployment makes once and all its workers share: secrets behind seals and signatures."""

from __future__ import annotations

import os
from typing import Final

from agentpost.model.actor import Scope, system_actor
from agentpost.store.pool import Connection
from agentpost.store.store import Door

_SECRET_OCTETS: Final = 32


class Deployment:
    """Reads and makes the deployment's own secrets."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def secret(self, name: str) -> bytes:
        """The 32 random octets called ``name``; made by whoever asks first, the same for all."""
        made = os.urandom(_SECRET_OCTETS)

        async def write(connection: Connection, _: Scope) -> bytes:
            await connection.execute(
                "INSERT INTO deployment (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                name,
                made,
            )
            kept: bytes = await connection.value(
                "SELECT value FROM deployment WHERE name = $1", name
            )
            return kept

        return await self._door.write(system_actor(), None, None, write)
