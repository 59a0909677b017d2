"""What webhooks have not been told yet: given out from the event log, taken by workers, settled.

``fan_out`` turns events into deliveries.  A worker takes a webhook's whole queue under a lease,
reads what is due, tells it, and writes what came of it; when it dies, the lease ends and another
worker goes on with the same deliveries.  See ``migrations/0015_webhooks.sql``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from agentpost.ids import (
    InboxId,
    WebhookDeliveryId,
    WebhookId,
    new_id,
)
from agentpost.limits import WebhookLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.webhook import Due, DueBatch, Outcome, Webhook, Window
from agentpost.store.events import event_of
from agentpost.store.pool import Connection, Row
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door
from agentpost.store.webhooks import COLUMNS, FROM, Seals

_FAN_OUT_LOCK: Final = 0x61705F7768
"""Advisory: who does not get it leaves the work to who has it."""


@dataclass(frozen=True, slots=True)
class FannedOut:
    """Webhooks that got deliveries; ``more`` when the log holds more than was taken, and
    ``idle`` when no organization has a webhook."""

    webhooks: tuple[WebhookId, ...]
    more: bool
    idle: bool


class WebhookQueue:
    """See the module's text."""

    def __init__(
        self, door: Door, settings: StoreSettings, limits: WebhookLimits | None = None
    ) -> None:
        self._door = door
        self._seals = Seals(settings.master_key)
        self._limits = limits or WebhookLimits()

    async def fan_out(self, actor: Actor) -> FannedOut:
        """Give settled events to the webhooks that want them."""

        async def write(connection: Connection, _: Scope) -> FannedOut:
            if not await connection.value("SELECT EXISTS (SELECT 1 FROM webhook_logs)"):
                return FannedOut((), more=False, idle=True)
            if not await connection.value("SELECT pg_try_advisory_xact_lock($1)", _FAN_OUT_LOCK):
                return FannedOut((), more=False, idle=False)
            found = await connection.rows(
                "SELECT w AS webhook_id FROM fan_out_webhooks($1) AS w", self._limits.fan_out
            )
            names = [row["webhook_id"] for row in found]
            told = tuple(WebhookId(each) for each in names if each is not None)
            return FannedOut(told, more=None in names, idle=False)

        return await self._door.write(actor, None, None, write)

    async def claim(
        self, actor: Actor, holder: str, most: int, most_failing: int
    ) -> tuple[WebhookId, ...]:
        """Take queues in which something is due, at most so many, and of those whose last attempt
        failed at most ``most_failing``."""

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                _CLAIM, most, most_failing, holder, timedelta(seconds=self._limits.lease_s)
            )

        found = await self._door.write(actor, None, None, write, single=True)
        return tuple(WebhookId(row["webhook_id"]) for row in found)

    async def renew(
        self, actor: Actor, holder: str, webhooks: Sequence[WebhookId]
    ) -> frozenset[WebhookId]:
        """Keep queues for another lease; gives those still held."""

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                _RENEW,
                list(webhooks),
                holder,
                timedelta(seconds=self._limits.lease_s),
            )

        found = await self._door.write(actor, None, None, write, single=True)
        return frozenset(WebhookId(row["webhook_id"]) for row in found)

    async def release(
        self, actor: Actor, holder: str, webhook: WebhookId, rest_s: float = 0.0
    ) -> None:
        """Give a queue back; it is due with the first of what it holds, ``rest_s`` from now at
        the earliest."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(_RELEASE, webhook, holder, timedelta(seconds=rest_s))

        await self._door.write(actor, None, None, write, single=True)

    async def due(
        self, actor: Actor, webhook: WebhookId, in_flight: Sequence[WebhookDeliveryId]
    ) -> DueBatch:
        """What a webhook is to be told now, without what is being told already."""

        async def read(connection: Connection, _: Scope) -> DueBatch:
            row = await connection.row(
                f"SELECT {COLUMNS} FROM {FROM} WHERE w.id = $1 AND w.enabled", webhook
            )
            if row is None:
                return DueBatch(None, ())
            one = self._seals.webhook(row)
            return DueBatch(one, await self._deliveries(connection, one, in_flight))

        return await self._door.read(actor, None, None, read)

    async def _deliveries(
        self, connection: Connection, webhook: Webhook, in_flight: Sequence[WebhookDeliveryId]
    ) -> tuple[Due, ...]:
        limits = self._limits
        if webhook.ordering == "inbox":
            found = await connection.rows(
                _DUE_IN_ORDER, webhook.id, limits.batch, list(in_flight), limits.chains
            )
        else:
            found = await connection.rows(_DUE, webhook.id, limits.batch, list(in_flight))
        return tuple(_due(row, webhook) for row in found)

    async def settle(self, actor: Actor, outcomes: Sequence[Outcome]) -> tuple[WebhookId, ...]:
        """Write what attempts came to, all in one transaction; tells the webhooks that this
        disables."""
        limits = self._limits

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT w AS webhook_id FROM settle_webhooks({}) AS w".format(
                    ", ".join(f"${n + 1}" for n in range(16))
                ),
                [one.delivery for one in outcomes],
                [one.attempts for one in outcomes],
                [one.ok for one in outcomes],
                [one.again_s for one in outcomes],
                [one.status for one in outcomes],
                [one.error for one in outcomes],
                [one.took_ms for one in outcomes],
                [_json(one.request_headers) for one in outcomes],
                [_json(one.response_headers) for one in outcomes],
                [one.response_body for one in outcomes],
                [one.counts for one in outcomes],
                [one.gone for one in outcomes],
                [new_id("evt") for _ in outcomes],
                limits.max_failures,
                timedelta(seconds=limits.failing_s),
                limits.history,
            )

        found = await self._door.write(actor, None, None, write, single=True)
        return tuple(WebhookId(row["webhook_id"]) for row in found)

    async def replay(
        self, actor: Actor, webhook: WebhookId, window: Window, position: int
    ) -> int | None:
        """Queue the next events of a window again, those after the seq ``position``.

        Returns where to go on; None at the end.  What is still queued stays as it is.
        """

        async def write(connection: Connection, _: Scope) -> int | None:
            await connection.row(
                "SELECT 1 FROM webhook_queues WHERE webhook_id = $1 FOR UPDATE", webhook
            )
            reached: int | None = await connection.value(
                _REPLAY,
                webhook,
                window.after,
                window.before,
                None if window.types is None else list(window.types),
                position,
                self._limits.replay,
            )
            return reached

        return await self._door.write(actor, None, None, write)


def _json(fields: dict[str, str]) -> str:
    # PostgreSQL's text holds no NUL.
    return msgspec.json.encode(fields).decode().replace("\\u0000", "")


def _due(row: Row, webhook: Webhook) -> Due:
    inbox = row["inbox_id"]
    ordered = webhook.ordering == "inbox"
    return Due(
        id=WebhookDeliveryId(row["delivery_id"]),
        attempts=row["attempts"],
        chain=(InboxId(inbox) if inbox is not None else "-") if ordered else "",
        event=None if row["data"] is None else event_of(row),
        address=row["address"],
    )


REQUEUE: Final = """
ON CONFLICT (id) DO UPDATE SET state = 'pending', attempts = 0, run_at = now(), updated_at = now()
    WHERE webhook_deliveries.state <> 'pending'
"""
"""What has ended begins anew, with all its attempts before it; what is queued stays so."""

WAKE: Final = "UPDATE webhook_queues SET next_at = least(next_at, now()) WHERE webhook_id = $1"

_CLAIM: Final = """
WITH healthy AS (
    SELECT q.webhook_id FROM webhook_queues q
    WHERE q.next_at <= now() AND (q.leased_until IS NULL OR q.leased_until <= now())
        AND q.failures = 0
    ORDER BY q.next_at LIMIT $1 FOR UPDATE SKIP LOCKED
), failing AS (
    SELECT q.webhook_id FROM webhook_queues q
    WHERE q.next_at <= now() AND (q.leased_until IS NULL OR q.leased_until <= now())
        AND q.failures > 0
    ORDER BY q.next_at LIMIT greatest(0, least($2, $1 - (SELECT count(*) FROM healthy)))
    FOR UPDATE SKIP LOCKED
)
UPDATE webhook_queues q SET holder = $3, leased_until = now() + $4::interval,
    next_at = now() + $4::interval
FROM (SELECT webhook_id FROM healthy UNION ALL SELECT webhook_id FROM failing) c
WHERE q.webhook_id = c.webhook_id
RETURNING q.webhook_id
"""

_RENEW: Final = """
WITH held AS MATERIALIZED (
    -- In one order, as whoever else waits for several queues.
    SELECT q.webhook_id FROM webhook_queues q WHERE q.webhook_id = ANY ($1) AND q.holder = $2
    ORDER BY q.webhook_id FOR UPDATE
)
UPDATE webhook_queues q SET leased_until = now() + $3::interval,
    next_at = CASE WHEN q.next_at = q.leased_until THEN now() + $3::interval ELSE q.next_at END
FROM held h WHERE q.webhook_id = h.webhook_id
RETURNING q.webhook_id
"""

_RELEASE: Final = """
UPDATE webhook_queues q SET holder = NULL, leased_until = NULL,
    next_at = CASE WHEN NOT w.enabled THEN NULL ELSE greatest(
        -- Since the lease began something has come if next_at is no longer its end.
        least(CASE WHEN q.next_at = q.leased_until THEN NULL ELSE q.next_at END,
            (SELECT d.run_at FROM webhook_deliveries d
             WHERE d.webhook_id = $1 AND d.state = 'pending' ORDER BY d.run_at LIMIT 1)),
        CASE WHEN $3 > interval '0' THEN now() + $3::interval END) END
FROM webhooks w
WHERE q.webhook_id = $1 AND q.holder = $2 AND w.id = q.webhook_id
"""

_TOLD: Final = (
    "d.id AS delivery_id, d.attempts, d.organization_id, d.environment_id, d.inbox_id,"
    " d.event_id AS id, d.event_type AS type, d.seq, e.modseq, e.data, e.created_at, i.address"
)
_WITH_EVENT: Final = (
    "LEFT JOIN events e ON e.organization_id = d.organization_id AND e.seq = d.seq"
    " AND e.id = d.event_id LEFT JOIN inboxes i ON i.id = d.inbox_id"
)
_DUE: Final = f"""
SELECT {_TOLD} FROM (
    SELECT * FROM webhook_deliveries
    WHERE webhook_id = $1 AND state = 'pending' AND run_at <= now() AND id <> ALL ($3)
    ORDER BY run_at, seq LIMIT $2
) d {_WITH_EVENT} ORDER BY d.run_at, d.seq
"""
_DUE_IN_ORDER: Final = f"""
WITH RECURSIVE chains AS (
    (SELECT coalesce(d.inbox_id, '') AS chain FROM webhook_deliveries d
     WHERE d.webhook_id = $1 AND d.state = 'pending' ORDER BY coalesce(d.inbox_id, '') LIMIT 1)
    UNION ALL
    SELECT (SELECT coalesce(d.inbox_id, '') FROM webhook_deliveries d
        WHERE d.webhook_id = $1 AND d.state = 'pending' AND coalesce(d.inbox_id, '') > c.chain
        ORDER BY coalesce(d.inbox_id, '') LIMIT 1)
    FROM chains c WHERE c.chain IS NOT NULL
), ready AS (
    -- A chain waits for its first.
    SELECT c.chain FROM chains c CROSS JOIN LATERAL (
        SELECT d.run_at, d.id FROM webhook_deliveries d
        WHERE d.webhook_id = $1 AND d.state = 'pending' AND coalesce(d.inbox_id, '') = c.chain
        ORDER BY d.seq LIMIT 1) first
    WHERE c.chain IS NOT NULL AND first.run_at <= now() AND first.id <> ALL ($3)
    ORDER BY first.run_at LIMIT $4
)
SELECT {_TOLD} FROM ready r CROSS JOIN LATERAL (
    SELECT * FROM webhook_deliveries o
    WHERE o.webhook_id = $1 AND o.state = 'pending' AND coalesce(o.inbox_id, '') = r.chain
    ORDER BY o.seq LIMIT greatest(1, $2::integer / $4::integer)
) d {_WITH_EVENT} ORDER BY d.seq
"""

_REPLAY: Final = f"""
WITH hook AS (SELECT * FROM webhooks WHERE id = $1 AND enabled),
looked AS MATERIALIZED (
    SELECT e.* FROM hook w JOIN events e ON e.organization_id = w.organization_id
    WHERE e.seq > $5 AND e.seq >= seq_before(w.organization_id, $2) AND e.seq < settled_seq()
        AND e.created_at > $2 AND e.created_at < $3
    ORDER BY e.seq LIMIT $6
), made AS (
    INSERT INTO webhook_deliveries (id, organization_id, webhook_id, environment_id, inbox_id,
        event_id, event_type, seq)
    SELECT webhook_delivery_id(w.id, n.id), n.organization_id, w.id, n.environment_id, n.inbox_id,
        n.id, n.type, n.seq
    FROM looked n, hook w
    WHERE n.type <> 'webhook.test'
        AND CASE WHEN $4::text[] IS NOT NULL THEN n.type = ANY ($4) AND n.type <> ALL (w.hidden_types)
            ELSE n.type = ANY (w.event_types)
                OR '*' = ANY (w.event_types) AND n.type <> ALL (w.hidden_types) END
        AND n.environment_id = ANY (w.environment_ids)
        AND (w.inbox_ids IS NULL OR n.inbox_id = ANY (w.inbox_ids))
    ORDER BY n.seq
    {REQUEUE}
), woken AS ({WAKE})
SELECT CASE WHEN count(*) >= $6 THEN max(seq) END FROM looked
"""
