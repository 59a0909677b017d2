"""Idempotency keys: the answer to a request that was executed before (API.md, Side effects)."""

from __future__ import annotations

from dataclasses import dataclass

from agentpost.model.actor import Actor, Scope
from agentpost.model.message import IdempotentRequest
from agentpost.store.deposits import ReplayedRequest
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

    async def repeated(self, actor: Actor, key: str, request_hash: bytes) -> StoredAnswer | None:
        """The answer to this same request in whatever environment and inbox the actor covers.

        For requests about what their first execution has made go away, and its place with it.
        """

        async def read(connection: Connection, where: Scope) -> Row | None:
            return await connection.row(
                "SELECT status, body FROM idempotency WHERE key = $2 AND request_hash = $3"
                " AND environment_id IN (SELECT id FROM environments WHERE organization_id = $1)"
                " AND ($4::text[] IS NULL OR environment_id = ANY ($4))"
                " AND ($5::text[] IS NULL OR inbox_id = ANY ($5))",
                where.organization,
                key,
                request_hash,
                None if actor.environments is None else sorted(actor.environments),
                None if actor.inboxes is None else sorted(actor.inboxes),
            )

        row = await self._door.read(actor, None, None, read)
        return None if row is None else StoredAnswer(row["status"], row["body"])


async def check(connection: Connection, where: Scope, request: IdempotentRequest) -> None:
    """Refuse, in the running transaction, what was executed before.  Raises: ReplayedRequest."""
    known = await connection.value(
        "SELECT true FROM idempotency WHERE environment_id = $1 AND key = $2",
        where.environment,
        request.key,
    )
    if known is not None:
        raise ReplayedRequest


async def keep(
    connection: Connection, where: Scope, request: IdempotentRequest, body: bytes
) -> None:
    """Keep, in the running transaction, what a repetition is answered: JSON."""
    await connection.execute(
        "INSERT INTO idempotency (environment_id, key, organization_id, inbox_id, request_hash,"
        " status, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        where.environment,
        request.key,
        where.organization,
        where.inbox,
        request.request_hash,
        request.status,
        body,
    )
