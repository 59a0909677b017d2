"""Idempotency keys: the answer to a request that was executed before (API.md, Side effects)."""

from __future__ import annotations

from dataclasses import dataclass

from agentpost.errors import IdempotencyKeyReuse
from agentpost.model.actor import Actor, Scope
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """Status and JSON body of the first execution."""

    status: int
    body: bytes


class Idempotency:
    """Looks up what a key's first request was answered; the row is written with its effect."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def answered(
        self, actor: Actor, where: Scope, key: str, request_hash: bytes
    ) -> StoredAnswer | None:
        """The answer that was given to this key in the environment of ``where``.

        Raises: IdempotencyKeyReuse when the key belongs to another request.
        """

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT request_hash, status, body FROM idempotency"
                " WHERE environment_id = $1 AND key = $2",
                where.environment,
                key,
            )

        row = await self._door.read(actor, None, where, read)
        if row is None:
            return None
        if row["request_hash"] != request_hash:
            raise IdempotencyKeyReuse
        return StoredAnswer(row["status"], row["body"])
