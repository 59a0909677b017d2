"""Approvals: requests to let a message go, and what was decided about them.

The rows are written with the messages that wait (``deposit``) and by moving these (``deciding``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from agentpost.errors import NotFound
from agentpost.ids import (
    ApprovalId,
    DraftId,
    EnvironmentId,
    InboxId,
    MessageId,
    OrganizationId,
    ThreadId,
)
from agentpost.model.actor import Actor, Scope
from agentpost.model.approval import Approval, ApprovalState, Decision
from agentpost.model.message import Address, IdempotentRequest
from agentpost.model.page import Page, PageRequest
from agentpost.store import checks, idempotency, rows
from agentpost.store.deciding import by, decisions
from agentpost.store.narrowing import Narrowing, page_from, page_of, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place

MAX_REASON_CHARACTERS: Final = 500


def _plain(approval: Approval) -> bytes:
    return msgspec.json.encode({"id": approval.id, "status": approval.state})


def _nobody() -> None:
    """Who hears of jobs when nobody runs any."""


class Approvals:
    """Reads requests for approval and decides about them; ``queued`` hears of jobs that follow."""

    def __init__(self, door: Door, queued: Callable[[], None] = _nobody) -> None:
        self._door = door
        self._queued = queued

    async def page(
        self,
        actor: Actor,
        page: PageRequest,
        where: Place | None = None,
        state: ApprovalState | None = None,
    ) -> Page[Approval]:
        """Requests, newest first unless asked otherwise.  Raises: NotFound for the place."""

        async def read(connection: Connection, place: Scope) -> list[Row]:
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            reach(query, actor, place if where is not None else None, "a")
            page_of(query, page, "a")
            if state is not None:
                query.add("a.state = {0}", state)
            return await connection.rows(
                f"SELECT a.* FROM approvals a WHERE {query.condition}"
                f" ORDER BY a.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "approvals:read", where, read)
        return page_from(found, page, _approval)

    async def get(self, actor: Actor, approval: str, scope: str = "approvals:read") -> Approval:
        """One request by id.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> Approval:
            return await _get(connection, approval)

        return await self._door.read(actor, scope, _place(approval), read)

    async def decide(
        self,
        actor: Actor,
        approval: str,
        decision: Decision,
        reason: str | None = None,
        if_match: frozenset[str] | None = None,
        idempotent: IdempotentRequest | None = None,
        answered: Callable[[Approval], bytes] = _plain,
    ) -> Approval:
        """Approve or reject, once; what follows from it is written in the same transaction.

        ``answered`` is what a repetition of the request is told.
        Raises: NotFound, UnknownField, PreconditionFailed, OwnApproval; ApprovalOver when it was
        decided or has expired; ReplayedRequest.
        """
        if reason is not None:
            checks.lines("reason", reason, MAX_REASON_CHARACTERS)

        async def write(connection: Connection, where: Scope) -> Approval:
            await connection.execute("SELECT 1 FROM inboxes WHERE id = $1 FOR UPDATE", where.inbox)
            if idempotent is not None:
                await idempotency.check(connection, where, idempotent)
            checks.match(if_match, (await _get(connection, approval)).version)
            await connection.rows(
                "SELECT decide_approval($1, $2, $3)",
                approval,
                decision,
                by(self._door, actor, where, reason),
            )
            decided = await _get(connection, approval)
            if idempotent is not None:
                await idempotency.keep(connection, where, idempotent, answered(decided))
            return decided

        with decisions():
            decided = await self._door.write(actor, "approvals:decide", _place(approval), write)
        self._queued()
        return decided

    async def cancel(self, actor: Actor, message: str) -> str:
        """Take back a message that is held, scheduled or queued; its status before that.

        One that was cancelled already stays so.
        Raises: NotFound; UnderWay when a server has it, or may have it; Conflict when it does not
        wait.
        """

        async def write(connection: Connection, where: Scope) -> str:
            before: str = await connection.value(
                "SELECT cancel_message($1, $2)", message, by(self._door, actor, where)
            )
            return before

        with decisions():
            return await self._door.write(
                actor, "messages:send", Place("message", checks.identifier(message)), write
            )

    async def unapproved(
        self, actor: Actor, where: Scope, addresses: Sequence[str]
    ) -> frozenset[str]:
        """Those of the addresses (lower-case) to which nothing from the inbox was approved yet."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT address FROM approved_recipients"
                " WHERE inbox_id = $1 AND address = ANY ($2)",
                where.inbox,
                list(addresses),
            )

        known = {row["address"] for row in await self._door.read(actor, None, where, read)}
        return frozenset(addresses) - known

    async def waiting(self, actor: Actor, where: Scope) -> int:
        """How many messages wait in an inbox, for an approval or a time."""

        async def read(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(
                "SELECT count(*) FROM holds WHERE inbox_id = $1", where.inbox
            )
            return count

        return await self._door.read(actor, "messages:send", where, read)

    async def of_message_id(self, actor: Actor, where: Scope, message_id: str) -> Approval | None:
        """The request that waits for a decision about the message with this Message-ID."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT a.* FROM holds h JOIN messages m ON m.id = h.message_id"
                " JOIN approvals a ON a.id = h.approval_id"
                " WHERE h.inbox_id = $1 AND h.kind = 'approval' AND m.rfc_message_id = $2"
                " ORDER BY h.message_id DESC LIMIT 1",
                where.inbox,
                message_id,
            )

        row = await self._door.read(actor, "messages:read", where, read)
        return None if row is None else _approval(row)


def _place(approval: str) -> Place:
    return Place("approval", checks.identifier(approval))


async def _get(connection: Connection, approval: str) -> Approval:
    row = await connection.row("SELECT a.* FROM approvals a WHERE a.id = $1", approval)
    if row is None:
        raise NotFound("There is no such approval.")
    return _approval(row)


def _approval(row: Row) -> Approval:
    told: dict[str, Any] = msgspec.json.decode(row["told"])
    from_: dict[str, Any] | None = told["from_address"]
    draft = row["draft_id"]
    return Approval(
        id=ApprovalId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        inbox=InboxId(row["inbox_id"]),
        message=MessageId(row["message_id"]),
        thread=ThreadId(row["thread_id"]),
        draft=None if draft is None else DraftId(draft),
        requested_by=row["credential"],
        rule=row["rule"],
        state=row["state"],
        subject=told["subject"],
        preview=told["preview"],
        from_=None if from_ is None else Address(from_["email"], from_["name"]),
        to=rows.addresses(told["to_addresses"]),
        cc=rows.addresses(told["cc_addresses"]),
        recipients=tuple(told["recipients"]),
        send_at=row["send_at"],
        expires_at=row["expires_at"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        reason=row["reason"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
