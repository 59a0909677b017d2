"""The delivery log of webhooks, and telling again: test, retry, redeliver, replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from agentpost.errors import Conflict, NotFound
from agentpost.ids import EventId, InboxId, WebhookDeliveryId, WebhookId, job_id, new_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.page import Page, PageRequest
from agentpost.model.webhook import (
    TEST_TYPE,
    Attempt,
    DeliveryState,
    WebhookDelivery,
    Window,
)
from agentpost.store import audit, checks
from agentpost.store.narrowing import Narrowing, page_from, page_of, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door
from agentpost.store.webhook_queue import REQUEUE, WAKE
from agentpost.store.webhooks import hidden_types, row_of, visible

_COLUMNS: Final = (
    "d.id, d.webhook_id, d.event_id, d.event_type, d.inbox_id, d.state, d.attempts, d.run_at,"
    " d.status, d.error, d.took_ms, d.request_headers, d.response_headers, d.response_body,"
    " d.history, d.created_at, d.updated_at"
)


class WebhookLog:
    """What webhooks were told.  ``queued`` is told that there may be something to send."""

    def __init__(self, door: Door, queued: Callable[[], None]) -> None:
        self._door = door
        self._queued = queued

    async def page(
        self,
        actor: Actor,
        webhook: str,
        page: PageRequest,
        *,
        state: DeliveryState | None = None,
        event_type: str | None = None,
    ) -> Page[WebhookDelivery]:
        """Deliveries to one webhook, the newest events first unless asked otherwise.

        Raises: NotFound.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            await row_of(connection, actor, webhook)
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            query.add("d.webhook_id = {0}", webhook)
            page_of(query, page, "d")
            if state is not None:
                query.add("d.state = {0}", state)
            if event_type is not None:
                query.add("d.event_type = {0}", checks.searchable("event_type", event_type))
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM webhook_deliveries d WHERE {query.condition}"
                f" ORDER BY d.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "webhooks:read", None, read)
        return page_from(found, page, _delivery)

    async def get(self, actor: Actor, delivery: str) -> WebhookDelivery:
        """One delivery.  Raises: NotFound."""

        async def read(connection: Connection, _: Scope) -> Row:
            return await _row(connection, actor, delivery)

        return _delivery(await self._door.read(actor, "webhooks:read", None, read))

    async def retry(self, actor: Actor, delivery: str) -> WebhookDelivery:
        """Try a delivery now, whatever has become of it, with all its attempts before it.

        Raises: NotFound; Conflict when its webhook is disabled.
        """

        async def write(connection: Connection, _: Scope) -> Row:
            present = await _row(connection, actor, delivery)
            hook = await row_of(connection, actor, present["webhook_id"], lock=True)
            _check_enabled(hook)
            await connection.execute(
                "UPDATE webhook_deliveries SET state = 'pending', run_at = now(),"
                " attempts = CASE WHEN state = 'pending' THEN attempts ELSE 0 END,"
                " updated_at = now() WHERE id = $1",
                delivery,
            )
            await connection.execute(WAKE, hook["id"])
            return await _row(connection, actor, delivery)

        retried = _delivery(await self._door.write(actor, "webhooks:write", None, write))
        self._queued()
        return retried

    async def test(self, actor: Actor, webhook: str) -> WebhookDelivery:
        """Queue an event ``webhook.test`` for one webhook alone.

        Raises: NotFound; Conflict when it is disabled.
        """
        event = EventId(new_id("evt"))

        async def write(connection: Connection, where: Scope) -> Row:
            hook = await row_of(connection, actor, webhook, lock=True)
            _check_enabled(hook)
            data = {"webhook_id": hook["id"], "message": "This is a test."}
            made = await connection.value(
                _TEST, hook["environment_id"], event, where.organization, TEST_TYPE,
                msgspec.json.encode(data).decode(), hook["id"],
            )  # fmt: skip
            await connection.execute(WAKE, hook["id"])
            return await _row(connection, actor, made)

        tested = _delivery(await self._door.write(actor, "webhooks:write", None, write))
        self._queued()
        return tested

    async def redeliver(self, actor: Actor, event: str) -> tuple[WebhookDelivery, ...]:
        """Tell an event again to every webhook that the actor sees and that wants it.

        What is queued still stays as it is.  Raises: NotFound when there is no such event here.
        """

        async def write(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(1, "ASC")
            reach(query, actor, None, "e", deleted=True)
            query.add("e.id = {0}", checks.identifier(event))
            query.add("e.type <> ALL ({0}::text[])", hidden_types(actor))
            found = await connection.row(
                "SELECT e.organization_id, e.environment_id, e.inbox_id, e.id, e.type, e.seq"
                f" FROM events e WHERE {query.condition}",
                *query.arguments,
            )
            if found is None:
                raise NotFound("There is no such event.")
            return await _requeue(connection, actor, found)

        queued = await self._door.write(actor, "events:read", None, write)
        self._queued()
        return tuple(_delivery(row) for row in queued)

    async def replay(self, actor: Actor, webhook: str, window: Window) -> str:
        """Queue a window of the event log again; gives the id of the job that does it.

        Raises: NotFound; Conflict when the webhook is disabled.
        """

        async def write(connection: Connection, where: Scope) -> int:
            hook = await row_of(connection, actor, webhook)
            _check_enabled(hook)
            payload = {"webhook_id": hook["id"], "window": window}
            made: int = await connection.value(
                "INSERT INTO jobs (organization_id, kind, payload) VALUES ($1, 'webhook', $2)"
                " RETURNING id",
                hook["organization_id"],
                msgspec.json.encode(payload).decode(),
            )
            await audit.append(connection, actor, where, "webhook.replayed", hook["id"])
            return made

        job = await self._door.write(actor, "webhooks:write", None, write)
        self._queued()
        return job_id(job)


async def _requeue(connection: Connection, actor: Actor, event: Row) -> list[Row]:
    query = Narrowing(1, "ASC")
    visible(query, actor)
    query.add(
        "w.organization_id = {0} AND w.enabled AND {1} = ANY (w.environment_ids)"
        " AND (w.inbox_ids IS NULL OR {2}::text = ANY (w.inbox_ids))"
        " AND ({3} = ANY (w.event_types)"
        "  OR '*' = ANY (w.event_types) AND {3} <> ALL (w.hidden_types)"
        "  OR EXISTS (SELECT 1 FROM webhook_deliveries d"
        "   WHERE d.id = webhook_delivery_id(w.id, {4})))",
        event["organization_id"],
        event["environment_id"],
        event["inbox_id"],
        event["type"],
        event["id"],
    )
    hooks = await connection.rows(
        f"SELECT w.id FROM webhooks w WHERE {query.condition} ORDER BY w.id", *query.arguments
    )
    names = [row["id"] for row in hooks]
    await connection.rows(
        "SELECT 1 FROM webhook_queues WHERE webhook_id = ANY ($1) ORDER BY webhook_id FOR UPDATE",
        names,
    )
    await connection.execute(
        "INSERT INTO webhook_deliveries (id, organization_id, webhook_id, environment_id, inbox_id,"
        " event_id, event_type, seq)"
        " SELECT webhook_delivery_id(w, $2), $3, w, $4, $5, $2, $6, $7 FROM unnest($1::text[]) AS w"
        + REQUEUE,
        names,
        event["id"],
        event["organization_id"],
        event["environment_id"],
        event["inbox_id"],
        event["type"],
        event["seq"],
    )
    for name in names:
        await connection.execute(WAKE, name)
    return await connection.rows(
        f"SELECT {_COLUMNS} FROM webhook_deliveries d WHERE d.id = ANY (ARRAY("
        "SELECT webhook_delivery_id(w, $2) FROM unnest($1::text[]) AS w)) ORDER BY d.id",
        names,
        event["id"],
    )


async def _row(connection: Connection, actor: Actor, delivery: str) -> Row:
    query = Narrowing(1, "ASC")
    visible(query, actor)
    query.add("d.id = {0}", checks.identifier(delivery))
    row = await connection.row(
        f"SELECT {_COLUMNS} FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id"
        f" WHERE {query.condition}",
        *query.arguments,
    )
    if row is None:
        raise NotFound("There is no such delivery.")
    return row


def _check_enabled(hook: Row) -> None:
    if not hook["enabled"]:
        raise Conflict("The webhook is disabled.", fix="Enable the webhook first.")


_TEST: Final = """
WITH told AS (
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    VALUES ($1, $2, $3, NULL, $4, NULL, $5) RETURNING *
)
INSERT INTO webhook_deliveries (id, organization_id, webhook_id, environment_id, inbox_id, event_id,
    event_type, seq)
SELECT webhook_delivery_id($6, t.id), t.organization_id, $6, t.environment_id, NULL, t.id, t.type,
    t.seq
FROM told t RETURNING id
"""


def _delivery(row: Row) -> WebhookDelivery:
    inbox = row["inbox_id"]
    history: list[dict[str, Any]] = msgspec.json.decode(row["history"])
    pending = row["state"] == "pending"
    return WebhookDelivery(
        id=WebhookDeliveryId(row["id"]),
        webhook=WebhookId(row["webhook_id"]),
        event=EventId(row["event_id"]),
        event_type=row["event_type"],
        inbox=None if inbox is None else InboxId(inbox),
        state=cast("DeliveryState", row["state"]),
        attempts=row["attempts"],
        run_at=row["run_at"] if pending else None,
        status=row["status"],
        error=row["error"],
        took_ms=row["took_ms"],
        request_headers=msgspec.json.decode(row["request_headers"]),
        response_headers=msgspec.json.decode(row["response_headers"]),
        response_body=row["response_body"],
        history=tuple(Attempt(**each) for each in history),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
