"""The rules that events, webhooks, claims, approvals and MCP sessions keep."""

from __future__ import annotations

from typing import Final

from agentpost.limits import McpLimits
from agentpost.store.consistency_parts import (
    ENVIRONMENT,
    INBOX,
    MESSAGE,
    ORGANIZATION,
    Part,
    one,
)

_AHEAD: Final = "(pg_snapshot_xmax(pg_current_snapshot())::text::bigint + event_epoch()) << 20"
"""No transaction that can be seen has written a seq from here on."""
_LOG: Final = one("l", "t.position", "webhook_logs", "t.organization_id = b.organization_id")
_WEBHOOK: Final = one("w", "t.id, t.organization_id, t.enabled", "webhooks", "t.id = b.webhook_id")
_PENDING: Final = "t.webhook_id = b.webhook_id AND t.state = 'pending'"
_WANTED: Final = (
    # As fan_out_webhooks says it, of webhooks that were not changed since.
    "t.organization_id = b.organization_id AND t.enabled AND b.seq > t.starts_after"
    " AND b.created_at > t.updated_at + interval '1 minute' AND b.type <> 'webhook.test'"
    " AND (b.type = ANY (t.event_types)"
    "  OR '*' = ANY (t.event_types) AND b.type <> ALL (t.hidden_types))"
    " AND b.environment_id = ANY (t.environment_ids)"
    " AND (t.inbox_ids IS NULL OR b.inbox_id = ANY (t.inbox_ids))"
    " AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d"
    "  WHERE d.id = webhook_delivery_id(t.id, b.id))"
)

_EVENTS: Final = Part(
    "events",
    (("organization_id", "text"), ("seq", "bigint")),
    "b.id",
    (
        (
            "event_organization",
            "o.id IS NULL",
            "format('organization %s is not there', b.organization_id)",
        ),
        (
            "event_environment",
            "e.id IS NULL OR e.organization_id <> b.organization_id",
            "format('environment %s is not there', b.environment_id)",
        ),
        (
            "event_ahead",
            f"b.seq >= {_AHEAD}",
            "'its seq lies ahead: readers will miss what follows'",
        ),
        (
            "event_given",
            "b.seq <= l.position AND w.id IS NOT NULL",
            "format('webhook %s wants it and was not given it', w.id)",
        ),
    ),
    ORGANIZATION + ENVIRONMENT + _LOG + one("w", "t.id", "webhooks", _WANTED),
)

_WEBHOOKS: Final = Part(
    "webhooks",
    (("id", "text"),),
    "b.id",
    (
        (
            "webhook_environment",
            "e.id IS NULL OR e.organization_id <> b.organization_id",
            "format('environment %s is not there', b.environment_id)",
        ),
        ("webhook_queue", "q.webhook_id IS NULL", "'it has no queue'"),
        ("webhook_log", "l.position IS NULL", "'nothing gives it the events of its organization'"),
        ("webhook_starts", f"b.starts_after >= {_AHEAD}", "'it begins with what lies ahead'"),
        (
            "webhook_disabled",
            "b.enabled <> (b.disabled_at IS NULL)",
            "'whether and since when it is disabled does not agree'",
        ),
    ),
    ENVIRONMENT + _LOG + one("q", "t.webhook_id", "webhook_queues", "t.webhook_id = b.id"),
)

_QUEUES: Final = Part(
    "webhook_queues",
    (("webhook_id", "text"),),
    "b.webhook_id",
    (
        ("queue_webhook", "w.id IS NULL", "'its webhook is not there'"),
        (
            "queue_lease",
            "(b.holder IS NULL) <> (b.leased_until IS NULL)",
            "'its holder and its lease do not agree'",
        ),
        (
            "queue_look",
            "b.next_at IS NULL AND w.enabled AND d.id IS NOT NULL",
            "format('delivery %s waits, and nobody will look', d.id)",
        ),
        (
            "queue_failures",
            "(b.failures = 0) <> (b.failing_since IS NULL)",
            "format('%s failures since %s', b.failures, b.failing_since)",
        ),
    ),
    _WEBHOOK + one("d", "t.id", "webhook_deliveries", _PENDING),
)

_LOGS: Final = Part(
    "webhook_logs",
    (("organization_id", "text"),),
    "b.organization_id",
    (
        (
            "log_ahead",
            f"b.position >= {_AHEAD}",
            "'its position lies ahead: events will be missed'",
        ),
        (
            "log_behind",
            "b.position < o.forgotten_seq",
            "'events were removed before webhooks were given them'",
        ),
    ),
    one("o", "t.id, t.forgotten_seq", "organizations", "t.id = b.organization_id"),
)

_TOLD: Final = Part(
    "webhook_deliveries",
    (("id", "text"),),
    "b.id",
    (
        (
            "webhook_delivery_webhook",
            "w.id IS NULL OR w.organization_id <> b.organization_id",
            "format('webhook %s of %s is not there', b.webhook_id, b.organization_id)",
        ),
        (
            "webhook_delivery_name",
            "b.id <> webhook_delivery_id(b.webhook_id, b.event_id)",
            "'it is not named after its event and webhook: there may be a second one'",
        ),
        (
            "webhook_delivery_event",
            "CASE WHEN e.id IS NULL THEN b.seq > o.forgotten_seq ELSE e.id <> b.event_id END",
            "format('event %s is not there', b.event_id)",
        ),
        (
            "webhook_delivery_state",
            (
                "b.state NOT IN ('pending', 'succeeded', 'failed')"
                " OR b.state = 'succeeded' AND b.attempts = 0"
            ),
            "format('it is %s after %s attempts', b.state, b.attempts)",
        ),
    ),
    _WEBHOOK
    + one("o", "t.forgotten_seq", "organizations", "t.id = b.organization_id")
    + one("e", "t.id", "events", "t.organization_id = b.organization_id AND t.seq = b.seq"),
)

_POLLED: Final = Part(
    "polling_webhooks",
    (("id", "text"),),
    "b.id",
    (
        (
            "polling_key",
            "k.id IS NULL OR k.organization_id <> b.organization_id",
            "format('key %s of %s is not there', b.key_id, b.organization_id)",
        ),
        ("polling_starts", f"b.starts_after >= {_AHEAD}", "'it begins with what lies ahead'"),
    ),
    one("k", "t.id, t.organization_id", "api_keys", "t.id = b.key_id"),
)

_CONSUMERS: Final = Part(
    "polling_consumers",
    (("webhook_id", "text"), ("name", "text")),
    "format('a consumer of %s', b.webhook_id)",
    (
        (
            "consumer_webhook",
            "w.id IS NULL OR w.organization_id <> b.organization_id",
            "format('polling webhook %s of %s is not there', b.webhook_id, b.organization_id)",
        ),
        (
            "consumer_ahead",
            f"greatest(b.position, (SELECT max(g) FROM unnest(b.given) AS g)) >= {_AHEAD}",
            "'its position lies ahead: events will be missed'",
        ),
    ),
    one("w", "t.id, t.organization_id", "polling_webhooks", "t.id = b.webhook_id"),
)

_CLAIMS: Final = Part(
    "claims",
    (("id", "text"),),
    "b.id",
    (
        (
            "claim_message",
            "m.id IS NULL OR m.inbox_id <> b.inbox_id",
            "format('message %s is not in inbox %s', b.message_id, b.inbox_id)",
        ),
        (
            "claim_environment",
            "i.environment_id <> b.environment_id",
            "format('environment %s, its inbox %s', b.environment_id, i.environment_id)",
        ),
        (
            "claim_passed",
            "b.state IN ('leased', 'waiting') AND b.message_id <= i.claims_from",
            "format('inbox %s is worked through to %s', b.inbox_id, i.claims_from)",
        ),
        (
            "claim_attempts",
            (
                "b.attempts NOT BETWEEN 1 AND b.max_attempts"
                " OR b.state = 'dead' AND b.attempts < b.max_attempts"
            ),
            "format('it is %s after %s of %s attempts', b.state, b.attempts, b.max_attempts)",
        ),
    ),
    MESSAGE + one("i", "t.environment_id, t.claims_from", "inboxes", "t.id = b.inbox_id"),
)

_APPROVALS: Final = Part(
    "approvals",
    (("id", "text"),),
    "b.id",
    (
        (
            "approval_inbox",
            "i.id IS NULL OR i.environment_id <> b.environment_id",
            "format('inbox %s of %s is not there', b.inbox_id, b.environment_id)",
        ),
        (
            "approval_hold",
            "b.state = 'pending' AND h.approval_id IS DISTINCT FROM b.id",
            "format('message %s does not wait for it', b.message_id)",
        ),
        (
            "approval_over",
            "b.state <> 'pending' AND h.approval_id = b.id AND h.kind = 'approval'",
            "format('it is %s, and message %s still waits for it', b.state, b.message_id)",
        ),
        (
            "approval_decided",
            "(b.state = 'pending') <> (b.decided_at IS NULL)",
            "format('it is %s, decided at %s', b.state, b.decided_at)",
        ),
    ),
    INBOX + one("h", "t.approval_id, t.kind", "holds", "t.message_id = b.message_id"),
)

_SESSIONS: Final = Part(
    "mcp_sessions",
    (("id", "text"),),
    # The id opens the session for who has the key.
    "format('a session of %s', b.credential)",
    (
        (
            "session_key",
            "k.id IS NULL OR k.organization_id <> b.organization_id",
            "format('key %s of %s is not there', b.credential, b.organization_id)",
        ),
        (
            "session_watched",
            (
                "CASE WHEN jsonb_typeof(b.watched) <> 'object' THEN true"
                " ELSE (SELECT count(*) FROM jsonb_object_keys(b.watched))"
                f" > {McpLimits().max_subscriptions} END"
            ),
            "'it watches no map of resources, or more than it may'",
        ),
        ("session_seen", "b.seen_at > now() + interval '1 hour'", "'it was used in the future'"),
    ),
    one("k", "t.id, t.organization_id", "api_keys", "t.id = b.credential"),
)

AGENTS: Final = (
    *(_CLAIMS, _APPROVALS, _EVENTS, _WEBHOOKS, _QUEUES, _LOGS, _TOLD, _POLLED, _CONSUMERS),
    _SESSIONS,
)
