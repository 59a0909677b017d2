"""Whether what is stored fits together: the rules, and the walk that holds every row to them.

Each part of the walk goes through one table in the order of its key, a bounded batch at a time.
A batch is one statement, hence one snapshot: on a server that works meanwhile a change is seen
whole or not at all, and nothing is reported that was merely under way.  Nothing is written.

Who uses a blob is found without an index on ``messages.blob_id`` (which every delivery would pay
for): octets and the messages made of them are stored together, so their ids begin with nearly the
same time.  Only where the count over that span differs is the whole table asked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from agentpost.errors import Overloaded
from agentpost.ids import ulid_time
from agentpost.model.actor import Actor, Scope
from agentpost.store.blobs import Blobs
from agentpost.store.consistency_rules import BLOBS, LOCATIONS, PARTS, miscounted
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_BASE32: Final = {letter: value for value, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_READ_OCTETS: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """Bounds of one look at the store."""

    rows: int = 2_000
    """Rows of one batch: some tens of milliseconds of the database's time."""
    blobs_with_octets: int = 100
    """Blobs of one batch whose octets are read: tens of megabytes."""
    apart_ms: int = 5 * 60_000
    """Between the ids of a message and of its octets; a deposit waits far less."""
    orphan_hours: float = 26.0
    """Files younger than this may still get their row, or wait for the sweep."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not fit: the rule it breaks, what breaks it, and how."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look found; ``after`` is where the next one begins, None at the end."""

    rows: int
    faults: tuple[Fault, ...]
    after: tuple[str, ...] | None


class Consistency:
    """Looks at everything that is stored; only the server itself may."""

    def __init__(self, door: Door, blobs: Blobs, limits: CheckLimits | None = None) -> None:
        self._door = door
        self._blobs = blobs
        self._limits = limits or CheckLimits()

    async def sizes(self, actor: Actor) -> dict[str, int]:
        """About how many rows each part has, as the database's statistics say."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT relname, greatest(reltuples, 0)::bigint AS rows FROM pg_class"
                " WHERE oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)",
                [*PARTS, "blobs", "audit", "audit_chains"],
            )

        return {
            row["relname"]: row["rows"] for row in await self._door.read(actor, None, None, read)
        }

    async def batch(self, actor: Actor, name: str, after: tuple[str, ...] | None) -> Batch:
        """Hold the rows of one part that follow the key ``after`` to the rules."""
        part = PARTS[name]
        limit = self._limits.rows

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(part.statement(first=after is None), limit, *(after or ()))

        rows = await self._door.read(actor, None, None, read)
        faults = tuple(
            Fault(row["rule"], row["subject"], row["detail"])
            for row in rows
            if row["rule"] is not None
        )
        return Batch(rows[0]["rows"], faults, _next(rows[0], limit))

    async def blobs(
        self, actor: Actor, after: tuple[str, ...] | None, *, octets: bool = False
    ) -> Batch:
        """Hold blobs to their users and files; with ``octets`` to their SHA-256 as well."""
        limit = self._limits.blobs_with_octets if octets else self._limits.rows
        statement = BLOBS.format(where="" if after is None else "WHERE b.id > $3::text")

        async def read(connection: Connection, _: Scope) -> tuple[list[Row], list[Row]]:
            found = await connection.rows(statement, limit, octets, *(after or ()))
            return found, await self._miscounted(connection, [row["id"] for row in found])

        found, miscounted_rows = await self._door.read(actor, None, None, read)
        faults = [
            Fault("blob_uses", row["id"], f"it counts {row['uses']} uses and has {row['users']}")
            for row in miscounted_rows
        ]
        faults += [fault for row in found for fault in _row_faults(row)]
        for row in found:
            if row["location"] is not None:
                fault = await self._file_fault(row, octets)
                if fault is not None and await self._still_there(actor, row["id"]):
                    faults.append(fault)
        more = len(found) == limit
        return Batch(len(found), tuple(faults), (found[-1]["id"],) if more else None)

    async def files(self, actor: Actor, after: tuple[str, ...] | None) -> Batch:
        """Look for files that no row speaks of, one page of the store a batch."""
        age = timedelta(hours=self._limits.orphan_hours)
        page = await self._blobs.older_than(age, None if after is None else after[0])
        old = page.locations

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(LOCATIONS, list(old))

        rows = await self._door.read(actor, None, None, read)
        known = {row["location"] for row in rows}
        faults = tuple(
            Fault("file_without_row", name, "no row speaks of this file; it only takes up space")
            for name in old
            if name not in known
        )
        return Batch(len(old), faults, None if page.after is None else (page.after,))

    async def _miscounted(self, connection: Connection, ids: list[str]) -> list[Row]:
        if not ids:
            return []
        apart = self._limits.apart_ms
        span = ("msg_" + _moved(ids[0], -apart), "msg_" + _moved(ids[-1], apart) + "~")
        doubtful = await connection.rows(miscounted(near=True), ids, *span)
        if not doubtful:
            return []
        return await connection.rows(miscounted(near=False), [row["id"] for row in doubtful])

    async def _still_there(self, actor: Actor, blob: str) -> bool:
        async def read(connection: Connection, _: Scope) -> bool:
            there = await connection.value("SELECT true FROM blobs WHERE id = $1", blob)
            return there is not None

        return await self._door.read(actor, None, None, read)

    async def _file_fault(self, row: Row, octets: bool) -> Fault | None:
        where = row["location"]
        try:
            size = await self._blobs.size(where)
            if size != row["size"]:
                text = f"{where} has {size} octets and should have {row['size']}"
                return Fault("file_size", row["id"], text)
            if octets and await self._sha256(where, size) != row["sha256"]:
                return Fault("blob_octets", row["id"], f"the octets of {where} have changed")
        except FileNotFoundError:
            return Fault("file_missing", row["id"], f"{where} is not there")
        except Overloaded as error:
            return Fault("file_unreadable", row["id"], f"{where}: {error.message}")
        return None

    async def _sha256(self, location: str, size: int) -> bytes:
        digest = hashlib.sha256()
        for start in range(0, size, _READ_OCTETS):
            digest.update(await self._blobs.piece(location, start, _READ_OCTETS))
        return digest.digest()


def _row_faults(row: Row) -> list[Fault]:
    faults = []
    if row["held"] is not None and row["held"] != row["size"]:
        text = f"it holds {row['held']} octets and should hold {row['size']}"
        faults.append(Fault("blob_size", row["id"], text))
    if row["intact"] is False:
        faults.append(Fault("blob_octets", row["id"], "its octets have changed"))
    return faults


def _next(row: Row, limit: int) -> tuple[str, ...] | None:
    return tuple(row["last"]) if row["rows"] == limit else None


def _moved(identifier: str, milliseconds: int) -> str:
    """The first ten characters of a ULID so much later than that of ``identifier``."""
    time = 0
    for letter in identifier.partition("_")[2][:10]:
        time = time * 32 + _BASE32.get(letter, 0)
    return ulid_time(max(0, time + milliseconds))
