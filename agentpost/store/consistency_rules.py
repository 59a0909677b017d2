"""The rules that mail keeps, and all rules by their names.

How a rule is written: ``store/consistency_parts.py``.  What agents work with has its own in
``store/consistency_agents.py``.
"""

from __future__ import annotations

from typing import Final

from agentpost.store.consistency_agents import AGENTS
from agentpost.store.consistency_parts import (
    ENVIRONMENT,
    INBOX,
    MESSAGE,
    ORGANIZATION,
    Part,
    one,
)

_MAILBOX: Final = one(
    "x", "t.id, t.inbox_id, t.uidnext, t.modseq", "mailboxes", "t.id = b.mailbox_id"
)
_RELAY: Final = one("l", "t.message_id", "relays", "t.message_id = b.message_id")
_WAITING: Final = "('queued', 'sending', 'deferred')"


def _milliseconds(name: str) -> str:
    """The time that a ULID begins with."""
    return (
        "(SELECT sum((strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(u.name, n, 1)) - 1)"
        f" * 32::float8 ^ (10 - n)) FROM (VALUES (substr({name}, strpos({name}, '_') + 1)))"
        " AS u (name), generate_series(1, 10) AS n)"
    )


_PLACEMENTS: Final = Part(
    "placements",
    (("mailbox_id", "bigint"), ("uid", "bigint")),
    "format('mailbox %s uid %s', b.mailbox_id, b.uid)",
    (
        (
            "placement_message",
            "m.id IS NULL",
            "format('its message %s is not there', b.message_id)",
        ),
        ("placement_mailbox", "x.id IS NULL", "'its mailbox is not there'"),
        (
            "placement_inbox",
            "i.id IS NULL OR x.inbox_id <> b.inbox_id OR m.inbox_id <> b.inbox_id",
            "format('%s; its mailbox %s, its message %s', b.inbox_id, x.inbox_id, m.inbox_id)",
        ),
        ("placement_uid", "b.uid >= x.uidnext", "format('uidnext is only %s', x.uidnext)"),
        (
            "placement_modseq",
            "b.modseq > x.modseq OR b.modseq > i.modseq",
            "format('modseq %s, of the mailbox %s, of the inbox %s', b.modseq, x.modseq, i.modseq)",
        ),
        ("placement_size", "b.size <> m.size", "format('size %s, message %s', b.size, m.size)"),
        ("placement_expunged", "e.uid IS NOT NULL", "'the uid is also told as expunged'"),
        (
            # What placements_since relies on, as far as two neighbours show it.
            "placement_noted",
            "b.modseq > n.modseq AND coalesce(c.modseq, 0) < b.modseq",
            "format('modseq %s, of the next uid %s', b.modseq, n.modseq)",
        ),
    ),
    MESSAGE
    + _MAILBOX
    + INBOX
    + one("e", "t.uid", "expunged", "t.mailbox_id = b.mailbox_id AND t.uid = b.uid")
    + one(
        "n",
        "t.modseq",
        "placements",
        "t.mailbox_id = b.mailbox_id AND t.uid > b.uid ORDER BY t.uid",
    )
    + one(
        "c",
        "t.modseq",
        "changed_blocks",
        "t.mailbox_id = b.mailbox_id AND t.block = b.uid >> 7",
    ),
)

_EXPUNGED: Final = Part(
    "expunged",
    (("mailbox_id", "bigint"), ("uid", "bigint")),
    "format('mailbox %s uid %s', b.mailbox_id, b.uid)",
    (
        ("tombstone_inbox", "i.id IS NULL", "format('inbox %s is not there', b.inbox_id)"),
        ("tombstone_uid", "b.uid >= x.uidnext", "format('uidnext is only %s', x.uidnext)"),
        (
            "tombstone_modseq",
            "b.modseq > i.modseq",
            "format('modseq %s, of the inbox %s', b.modseq, i.modseq)",
        ),
    ),
    _MAILBOX + INBOX,
)

_INBOXES: Final = Part(
    "inboxes",
    (("id", "text"),),
    "b.id",
    (
        (
            "inbox_environment",
            "e.id IS NULL OR e.organization_id <> b.organization_id",
            "format('environment %s of %s is not there', b.environment_id, b.organization_id)",
        ),
        ("inbox_mailbox", "x.id IS NULL", "'it has no mailbox INBOX'"),
    ),
    ENVIRONMENT + one("x", "t.id", "mailboxes", "t.inbox_id = b.id AND t.role = 'inbox'"),
)

_MAILBOXES: Final = Part(
    "mailboxes",
    (("id", "bigint"),),
    "format('mailbox %s', b.id)",
    (
        ("mailbox_inbox", "i.id IS NULL", "format('inbox %s is not there', b.inbox_id)"),
        (
            "mailbox_modseq",
            "b.modseq > i.modseq",
            "format('modseq %s, of the inbox %s', b.modseq, i.modseq)",
        ),
        (
            "mailbox_recent",
            "b.recent_from > b.uidnext",
            "format('recent from uid %s, uidnext is %s', b.recent_from, b.uidnext)",
        ),
    ),
    INBOX,
)

_MESSAGES: Final = Part(
    "messages",
    (("id", "text"),),
    "b.id",
    (
        ("message_blob", "o.id IS NULL", "format('its octets %s are not there', b.blob_id)"),
        ("message_size", "b.size <> o.size", "format('size %s, octets %s', b.size, o.size)"),
        (
            "message_blob_age",
            "CASE WHEN substr(b.id, 5, 7) <> substr(b.blob_id, 6, 7) THEN abs("
            + _milliseconds("b.id")
            + " - "
            + _milliseconds("b.blob_id")
            + ") > 300000 END",
            "format('%s was not stored together with it', b.blob_id)",
        ),
        (
            "message_inbox",
            "i.id IS NULL OR i.environment_id <> b.environment_id",
            "format('inbox %s of %s is not there', b.inbox_id, b.environment_id)",
        ),
        (
            "message_thread",
            "h.id IS NULL OR h.inbox_id <> b.inbox_id",
            "format('thread %s is not in its inbox', b.thread_id)",
        ),
        ("message_placement", "p.uid IS NULL", "'no mailbox holds it'"),
        (
            "message_modseq",
            "b.created_modseq > i.modseq",
            "format('modseq %s, of the inbox %s', b.created_modseq, i.modseq)",
        ),
        (
            "message_text",
            "s.message_id IS NULL AND n.message_id IS NULL",
            "'search has lost its text'",
        ),
    ),
    one("o", "t.id, t.size", "blobs", "t.id = b.blob_id")
    + INBOX
    + one("h", "t.id, t.inbox_id", "threads", "t.id = b.thread_id")
    + one("p", "t.uid", "placements", "t.message_id = b.id")
    + one("s", "t.message_id", "message_texts", "t.message_id = b.id")
    + one("n", "t.message_id", "unindexed", "t.inbox_id = b.inbox_id AND t.message_id = b.id"),
)

_THREADS: Final = Part(
    "threads",
    (("id", "text"),),
    "b.id",
    (
        ("thread_messages", "m.id IS NULL", "'no message is in it'"),
        ("thread_inbox", "i.id IS NULL", "format('inbox %s is not there', b.inbox_id)"),
    ),
    one("m", "t.id", "messages", "t.thread_id = b.id") + INBOX,
)

_THREAD_REFS: Final = Part(
    "thread_refs",
    (("inbox_id", "text"), ("ref", "bytea")),
    "format('%s %s', b.inbox_id, encode(b.ref, 'hex'))",
    (
        (
            "reference_thread",
            "h.id IS NULL OR h.inbox_id <> b.inbox_id",
            "format('thread %s is not in its inbox', b.thread_id)",
        ),
    ),
    one("h", "t.id, t.inbox_id", "threads", "t.id = b.thread_id"),
)

_DRAFTS: Final = Part(
    "drafts",
    (("id", "text"),),
    "b.id",
    (
        ("draft_message", "m.id IS NULL", "format('its message %s is not there', b.message_id)"),
        ("draft_inbox", "m.inbox_id <> b.inbox_id", "'its message is in another inbox'"),
    ),
    MESSAGE,
)

_HOLDS: Final = Part(
    "holds",
    (("message_id", "text"),),
    "b.message_id",
    (
        ("hold_message", "m.id IS NULL", "'the message that waits is not there'"),
        (
            "hold_job",
            "w.state IS DISTINCT FROM 'ready'",
            "CASE WHEN w.state IS NULL THEN 'no job ends it' ELSE 'its job was given up' END",
        ),
        (
            "hold_approval",
            "b.kind = 'approval' AND a.state IS DISTINCT FROM 'pending'",
            "format('its request for approval %s is %s', b.approval_id, a.state)",
        ),
    ),
    MESSAGE
    + one("w", "t.state", "jobs", "t.id = b.job_id")
    + one("a", "t.state", "approvals", "t.id = b.approval_id"),
)

_DELIVERIES: Final = Part(
    "deliveries",
    (("message_id", "text"), ("recipient", "text")),
    # A recipient's address is personal data; the number is enough to find it.
    "format('%s, a recipient', b.message_id)",
    (
        (
            "delivery_message",
            "m.id IS NULL AND l.message_id IS NULL",
            "'neither its message nor a relay of it is there'",
        ),
        (
            "delivery_relay",
            f"NOT b.local AND b.state IN {_WAITING} AND l.message_id IS NULL",
            "format('it is %s, but nothing will send it', b.state)",
        ),
    ),
    MESSAGE + _RELAY,
)

_RELAYS: Final = Part(
    "relays",
    (("message_id", "text"),),
    "b.message_id",
    (
        ("relay_blob", "o.id IS NULL", "format('its octets %s are not there', b.blob_id)"),
        ("relay_environment", "e.id IS NULL", "format('%s is not there', b.environment_id)"),
        ("relay_recipients", "d.message_id IS NULL", "'no recipient waits for it'"),
        (
            "relay_job",
            "w.state IS DISTINCT FROM 'ready'",
            "CASE WHEN w.state IS NULL THEN 'no job sends it' ELSE 'its job was given up' END",
        ),
    ),
    one("o", "t.id", "blobs", "t.id = b.blob_id")
    + one("e", "t.id", "environments", "t.id = b.environment_id")
    + one(
        "d",
        "t.message_id",
        "deliveries",
        f"t.message_id = b.message_id AND NOT t.local AND t.state IN {_WAITING}",
    )
    + " LEFT JOIN work w ON w.message_id = b.message_id",
    ", work AS MATERIALIZED (SELECT j.payload ->> 'message_id' AS message_id, max(j.state) AS state"
    " FROM jobs j WHERE j.kind = 'relay' GROUP BY 1)",
)

_JOBS: Final = Part(
    "jobs",
    (("id", "bigint"),),
    "format('job %s', b.id)",
    (
        (
            "job_organization",
            "b.organization_id IS NOT NULL AND o.id IS NULL",
            "format('organization %s is not there', b.organization_id)",
        ),
        (
            "job_lease",
            "b.leased_until IS NOT NULL AND (b.state = 'failed' OR b.leased_until <> b.run_at)",
            "'its lease and its time do not agree'",
        ),
    ),
    ORGANIZATION,
)

PARTS: Final = {
    part.table: part
    for part in (
        *(_INBOXES, _MAILBOXES, _MESSAGES, _PLACEMENTS, _EXPUNGED, _THREADS, _THREAD_REFS),
        *(_DRAFTS, _HOLDS, _DELIVERIES, _RELAYS, _JOBS),
        *AGENTS,
    )
}
"""The walks over rows, by table; blobs and files have walks of their own."""

BLOB_RULES: Final = (
    *("blob_uses", "blob_size", "blob_octets"),
    *("file_missing", "file_size", "file_unreadable", "file_without_row"),
)
"""Rules about octets, in the database and on the disk."""

RULES: Final = (*(rule for part in PARTS.values() for rule, _, _ in part.rules), *BLOB_RULES)
"""Every rule by its name."""

BLOBS: Final = """
SELECT b.id, b.size, b.uses, b.sha256, b.location, octet_length(b.octets) AS held,
    CASE WHEN $2 THEN sha256(b.octets) = b.sha256 END AS intact
FROM blobs b {where} ORDER BY b.id LIMIT $1
"""
"""A batch of blobs; $2 says whether octets are read, $3 is the id before the batch."""

LOCATIONS: Final = (
    "SELECT location FROM blobs WHERE location = ANY ($1::text[])"
    " UNION ALL SELECT f FROM unnest($1::text[]) AS f"
    " WHERE EXISTS (SELECT 1 FROM uploads u WHERE u.id = split_part(f, '/', 2))"
    " OR EXISTS (SELECT 1 FROM exports e WHERE e.file = split_part(f, '/', 2))"
)


def miscounted(*, near: bool) -> str:
    """Those of the blobs $1 whose ``uses`` is not the number of their users.

    ``near`` counts only messages with ids from $2 to $3, which an index finds.
    """
    span = " AND m.id BETWEEN $2 AND $3" if near else ""
    relays = " AND l.message_id BETWEEN $2 AND $3" if near else ""
    return (
        "SELECT b.id, b.uses, count(u.blob_id) AS users FROM blobs b LEFT JOIN ("
        f"SELECT m.blob_id FROM messages m WHERE m.blob_id = ANY ($1::text[]){span}"
        " UNION ALL"
        f" SELECT l.blob_id FROM relays l WHERE l.blob_id = ANY ($1::text[]){relays}"
        ") u ON u.blob_id = b.id WHERE b.id = ANY ($1::text[])"
        " GROUP BY b.id, b.uses HAVING b.uses <> count(u.blob_id)"
    )
