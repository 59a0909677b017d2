"""What nobody needs any longer, removed a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from agentpost.model.actor import Actor, Scope
from agentpost.store.blobs import Blobs, location_of
from agentpost.store.pool import Connection
from agentpost.store.store import Door

Aged = Literal[
    "idempotency",
    "events",
    "failed_jobs",
    "outcomes",
    "reputation",
    "notifications",
    "inbound_mails",
    "tombstones",
    "event_counts",
    "storage_days",
    "webhook_deliveries",
]
"""Kinds of rows that have an age at which they go."""

_FORGET: dict[Aged, str] = {
    "idempotency": "DELETE FROM idempotency WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM idempotency WHERE created_at < now() - $1::interval LIMIT $2))",
    # The organization keeps in mind up to where its log may have gaps.
    "events": "WITH gone AS (DELETE FROM events WHERE ctid = ANY (ARRAY("
    "  SELECT ctid FROM events WHERE created_at < now() - $1::interval LIMIT $2))"
    "  RETURNING organization_id, seq),"
    " highest AS (SELECT organization_id, max(seq) AS seq FROM gone GROUP BY organization_id),"
    " noted AS (UPDATE organizations o SET forgotten_seq = greatest(o.forgotten_seq, h.seq)"
    "  FROM highest h WHERE o.id = h.organization_id)"
    " SELECT count(*) FROM gone",
    "failed_jobs": "DELETE FROM jobs WHERE ctid = ANY (ARRAY(SELECT ctid FROM jobs"
    " WHERE state = 'failed' AND NOT standing AND created_at < now() - $1::interval LIMIT $2))",
    "outcomes": "DELETE FROM outcomes WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM outcomes WHERE created_at < now() - $1::interval LIMIT $2))",
    "reputation": "DELETE FROM reputation WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM reputation WHERE day < current_date - $1::interval LIMIT $2))",
    "event_counts": "DELETE FROM event_counts WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM event_counts WHERE hour < now() - $1::interval LIMIT $2))",
    "storage_days": "DELETE FROM storage_days WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM storage_days WHERE day < current_date - $1::interval LIMIT $2))",
    "notifications": "DELETE FROM notifications WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM notifications WHERE received_at < now() - $1::interval LIMIT $2))",
    "inbound_mails": "DELETE FROM inbound_mails WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM inbound_mails WHERE created_at < now() - $1::interval LIMIT $2))",
    "webhook_deliveries": "DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM webhook_deliveries WHERE created_at < now() - $1::interval LIMIT $2))",
    # The inbox keeps in mind up to where its tombstones may be missing.
    "tombstones": "WITH gone AS (DELETE FROM expunged WHERE ctid = ANY (ARRAY("
    "  SELECT ctid FROM expunged WHERE gone_at < now() - $1::interval ORDER BY gone_at LIMIT $2))"
    "  RETURNING inbox_id, modseq),"
    " highest AS (SELECT inbox_id, max(modseq) AS modseq FROM gone GROUP BY inbox_id),"
    " noted AS (UPDATE inboxes i"
    "  SET forgotten_modseq = greatest(i.forgotten_modseq, h.modseq)"
    "  FROM highest h WHERE i.id = h.inbox_id)"
    " SELECT count(*) FROM gone",
}


class Sweeps:
    """Removes rows and files by their age."""

    def __init__(self, door: Door, blobs: Blobs) -> None:
        self._door = door
        self._blobs = blobs

    async def forget(self, actor: Actor, kind: Aged, age: timedelta, limit: int) -> int:
        """Remove at most ``limit`` rows of ``kind`` older than ``age``; tells how many."""
        sql = _FORGET[kind]
        if not sql.startswith("WITH"):
            sql = f"WITH gone AS ({sql} RETURNING 1) SELECT count(*) FROM gone"

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(sql, age, limit)
            return count

        return await self._door.write(actor, None, None, write, single=True)

    async def forget_blobs(self, actor: Actor, limit: int) -> int:
        """Remove rows of octets that nothing uses; tells how many."""

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(
                "WITH gone AS (DELETE FROM blobs WHERE ctid = ANY (ARRAY("
                "SELECT ctid FROM blobs WHERE uses <= 0 LIMIT $1)) RETURNING 1)"
                " SELECT count(*) FROM gone",
                limit,
            )
            return count

        return await self._door.write(actor, None, None, write, single=True)

    async def ended_uploads(self, actor: Actor, limit: int) -> tuple[str, ...]:
        """Keys of files that have ended an hour ago: nobody reads one of them any longer."""

        async def read(connection: Connection, _: Scope) -> tuple[str, ...]:
            found = await connection.rows(
                "SELECT id FROM uploads WHERE expires_at < now() - interval '1 hour'"
                " ORDER BY expires_at LIMIT $1",
                limit,
            )
            return tuple(row["id"] for row in found)

        return await self._door.read(actor, None, None, read)

    async def forget_uploads(self, actor: Actor, keys: Sequence[str]) -> int:
        """Remove the rows of files; tells how many."""

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(
                "WITH gone AS (DELETE FROM uploads WHERE id = ANY ($1::text[]) RETURNING 1)"
                " SELECT count(*) FROM gone",
                list(keys),
            )
            return count

        return await self._door.write(actor, None, None, write, single=True)

    async def remove_uploads(self, actor: Actor, limit: int) -> int:
        """Remove files that have ended, their octets before their rows; tells how many."""
        keys = await self.ended_uploads(actor, limit)
        for key in keys:
            await self._blobs.remove(location_of(key))
        return await self.forget_uploads(actor, keys) if keys else 0

    async def ended_exports(self, actor: Actor, limit: int) -> tuple[tuple[str, str | None], ...]:
        """Exports that have ended an hour ago, each with its file."""

        async def read(connection: Connection, _: Scope) -> tuple[tuple[str, str | None], ...]:
            found = await connection.rows(
                "SELECT id, file FROM exports WHERE expires_at < now() - interval '1 hour'"
                " ORDER BY expires_at LIMIT $1",
                limit,
            )
            return tuple((row["id"], row["file"]) for row in found)

        return await self._door.read(actor, None, None, read)

    async def forget_exports(self, actor: Actor, exports: Sequence[str]) -> int:
        """Remove the rows of exports; tells how many."""

        async def write(connection: Connection, _: Scope) -> int:
            count: int = await connection.value(
                "WITH gone AS (DELETE FROM exports WHERE id = ANY ($1::text[]) RETURNING 1)"
                " SELECT count(*) FROM gone",
                list(exports),
            )
            return count

        return await self._door.write(actor, None, None, write, single=True)

    async def remove_exports(self, actor: Actor, limit: int) -> int:
        """Remove exports that have ended, their files before their rows; tells how many."""
        ended = await self.ended_exports(actor, limit)
        for _, file in ended:
            if file is not None:
                await self._blobs.remove(location_of(file))
        return await self.forget_exports(actor, [name for name, _ in ended]) if ended else 0

    async def orphans(self, actor: Actor, locations: Sequence[str]) -> tuple[str, ...]:
        """Those of the files' ``locations`` that no row speaks of."""

        async def read(connection: Connection, _: Scope) -> tuple[str, ...]:
            found = await connection.rows(
                "SELECT f AS location FROM unnest($1::text[]) AS f"
                " WHERE NOT EXISTS (SELECT 1 FROM blobs b"
                "  WHERE b.id = split_part(f, '/', 2) AND b.location = f)"
                " AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.id = split_part(f, '/', 2))"
                " AND NOT EXISTS (SELECT 1 FROM exports e WHERE e.file = split_part(f, '/', 2))",
                list(locations),
            )
            return tuple(row["location"] for row in found)

        return await self._door.read(actor, None, None, read)

    async def remove_orphans(self, actor: Actor, age: timedelta, batch: int) -> int:
        """Remove files last written more than ``age`` ago that no row speaks of; how many.

        They are left by deleted messages, and by writers that died before their row: a row
        comes right after its file, so an old file without one will never get one.
        """
        removed = 0
        after: str | None = None
        while True:
            old = await self._blobs.older_than(age, after)
            for start in range(0, len(old.locations), batch):
                for location in await self.orphans(actor, old.locations[start : start + batch]):
                    await self._blobs.remove(location)
                    removed += 1
            after = old.after
            if after is None:
                return removed
