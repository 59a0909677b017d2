"""The chain of the audit log: sealed after the commit, so that its writers never wait for it (R31).

Lines are sealed in the order in which they are found, which is nearly that of their ids: one whose
transaction ended late stands later.  A chain shows what was changed or taken out since it was
sealed.  Whoever can write all of the database can also make a new chain: to notice that, keep a
hash elsewhere now and then, or an export.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agentpost.ids import OrganizationId
from agentpost.model.actor import Actor, Scope
from agentpost.model.audit import FIRST, digest
from agentpost.store.audit import entry
from agentpost.store.consistency import Batch, Fault
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_UNSEALED: Final = """
WITH RECURSIVE found AS (
    (SELECT a.organization_id FROM audit a WHERE a.place IS NULL
        ORDER BY a.organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT a.organization_id FROM audit a
        WHERE a.place IS NULL AND a.organization_id > f.organization_id
        ORDER BY a.organization_id LIMIT 1)
    FROM found f WHERE f.organization_id IS NOT NULL
)
SELECT organization_id FROM found WHERE organization_id IS NOT NULL LIMIT $1
"""
_SEAL: Final = """
UPDATE audit a SET place = s.place, previous = s.previous, hash = s.hash
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) AS s (id, place, previous, hash)
WHERE a.id = s.id
"""
_WALK: Final = """
SELECT * FROM audit WHERE place IS NOT NULL AND (organization_id, place) > ($1::text, $2::bigint)
ORDER BY organization_id, place LIMIT $3
"""
_HEADS: Final = """
SELECT c.organization_id, c.place, c.hash = a.hash AS same,
    (SELECT max(l.place) FROM audit l
        WHERE l.organization_id = c.organization_id AND l.place IS NOT NULL) AS last
FROM audit_chains c LEFT JOIN audit a
    ON a.organization_id = c.organization_id AND a.place = c.place
WHERE c.organization_id > $1 ORDER BY c.organization_id LIMIT $2
"""


class AuditChain:
    """Seals and checks the chains of all organizations; only the server itself may."""

    def __init__(self, door: Door, rows: int = 2_000) -> None:
        """``rows`` bounds one step of the check."""
        self._door = door
        self._rows = rows

    async def unsealed(self, actor: Actor, limit: int) -> tuple[OrganizationId, ...]:
        """Organizations with lines that are not sealed, at most ``limit``."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_UNSEALED, limit)

        found = await self._door.read(actor, None, None, read)
        return tuple(OrganizationId(row["organization_id"]) for row in found)

    async def seal(self, actor: Actor, organization: OrganizationId, limit: int) -> int:
        """Seal the next lines of one organization, at most ``limit``; tells how many."""

        async def write(connection: Connection, _: Scope) -> int:
            await connection.execute(
                "INSERT INTO audit_chains (organization_id, hash) VALUES ($1, $2)"
                " ON CONFLICT DO NOTHING",
                organization,
                FIRST,
            )
            head = await connection.row(
                "SELECT place, hash FROM audit_chains WHERE organization_id = $1 FOR UPDATE",
                organization,
            )
            assert head is not None
            rows = await connection.rows(
                "SELECT * FROM audit WHERE organization_id = $1 AND place IS NULL"
                " ORDER BY id LIMIT $2",
                organization,
                limit,
            )
            if rows:
                await _sealed(connection, organization, head, rows)
            return len(rows)

        return await self._door.write(actor, None, None, write)

    async def batch(self, actor: Actor, after: tuple[str, ...] | None) -> Batch:
        """Hold the sealed lines that follow ``after`` to their hashes.

        ``after`` is organization, place and hash of the line before them.
        """
        organization, place, hash_ = after or ("", "0", FIRST.hex())

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_WALK, organization, int(place), self._rows)

        rows = await self._door.read(actor, None, None, read)
        faults = _broken(rows, organization, int(place), bytes.fromhex(hash_))
        if len(rows) < self._rows:
            return Batch(len(rows), tuple(faults), None)
        last = rows[-1]
        key = (last["organization_id"], str(last["place"]), last["hash"].hex())
        return Batch(len(rows), tuple(faults), key)

    async def heads(self, actor: Actor, after: tuple[str, ...] | None) -> Batch:
        """Hold the ends of the chains to the lines that are there."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_HEADS, "" if after is None else after[0], self._rows)

        rows = await self._door.read(actor, None, None, read)
        faults = tuple(
            Fault(
                "audit_end",
                row["organization_id"],
                f"the log ends at line {row['last'] or 0}, its chain at {row['place']}",
            )
            for row in rows
            if row["place"] != (row["last"] or 0) or row["same"] is False
        )
        more = len(rows) == self._rows
        return Batch(len(rows), faults, (rows[-1]["organization_id"],) if more else None)


async def _sealed(
    connection: Connection, organization: str, head: Row, rows: Sequence[Row]
) -> None:
    place, previous = head["place"], head["hash"]
    ids, places, before, hashes = [], [], [], []
    for row in rows:
        place += 1
        ids.append(row["id"])
        places.append(place)
        before.append(previous)
        previous = digest(previous, place, entry(row))
        hashes.append(previous)
    await connection.execute(_SEAL, ids, places, before, hashes)
    await connection.execute(
        "UPDATE audit_chains SET place = $2, hash = $3 WHERE organization_id = $1",
        organization,
        place,
        previous,
    )


def _broken(rows: Sequence[Row], organization: str, place: int, hash_: bytes) -> list[Fault]:
    """What does not follow from the line before it, or from what it says itself."""
    faults = []
    for row in rows:
        if row["organization_id"] != organization:
            organization, place, hash_ = row["organization_id"], 0, FIRST
        subject = f"{organization} line {row['place']}"
        if row["place"] != place + 1:
            missing = f"{place + 1} to {row['place'] - 1}"
            faults.append(Fault("audit_missing", subject, f"lines {missing} before it are gone"))
        elif row["previous"] != hash_:
            faults.append(Fault("audit_order", subject, "it follows another line than it did"))
        if digest(row["previous"], row["place"], entry(row)) != row["hash"]:
            faults.append(Fault("audit_changed", subject, "it is not what was sealed"))
        place, hash_ = row["place"], row["hash"]
    return faults
