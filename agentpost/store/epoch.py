"""Positions in the event log that stay ahead of all that were given out, in whatever cluster.

``seq`` leads with the transaction id, and a cluster counts its transactions itself.  A dump that is
restored into another one, and a copy of the data that is put back, would number new events behind
positions that readers have had long ago, who then miss them.  So the cluster is remembered; in
another one numbers leap, once, before anything is written: ahead of every position that is stored,
and of those given out between the dump and the end of the former server, which nobody knows.  The
leap is as many transactions as can have been since: that costs nothing but numbers.
"""

from __future__ import annotations

import logging
import math
from typing import Final

from agentpost.store.pool import Connection

log = logging.getLogger(__name__)

TRANSACTIONS_A_SECOND: Final = 4_096
"""More than a server writes on the average of hours: 350 million a day.  Not many times more, so that
after a backup of three weeks ago ``seq`` is still exact in a JSON reader that knows only doubles."""
SPARE: Final = 1 << 20
"""At least so many, for clocks that differ and for transactions that run meanwhile."""
_LONGEST_S: Final = 366 * 86_400.0
"""A clock that is wrong by centuries must not use up all numbers."""

_HIGHEST: Final = """
SELECT greatest(max(o.forgotten_seq), max(e.seq), max(t.seq),
        (SELECT max(position) FROM webhook_logs), (SELECT max(starts_after) FROM webhooks),
        (SELECT max(position) FROM polling_consumers),
        (SELECT max(starts_after) FROM polling_webhooks)) AS seq,
    extract(epoch FROM now() - greatest(max(o.created_at), max(e.created_at)))::float8 AS age_s,
    transaction_seq() >> 20 AS here, pg_current_xact_id()::text::bigint AS transaction
FROM organizations o
LEFT JOIN event_tallies t ON t.organization_id = o.id
LEFT JOIN LATERAL (
    SELECT v.seq, v.created_at FROM events v WHERE v.organization_id = o.id
    ORDER BY v.seq DESC LIMIT 1
) e ON true
"""
"""The highest stored position, and how long ago something happened last."""


async def keep_ahead(connection: Connection, *, restored: bool = False) -> bool:
    """Number what happens from now on ahead of all positions; whether numbers had to leap.

    To be called in a transaction, before a server works.  ``restored`` says that the data is a copy of
    what it was some time ago, which cannot be seen when the whole cluster was put back.
    """
    cluster = await _cluster(connection)
    known = await connection.value("SELECT value FROM deployment WHERE name = 'cluster'")
    if cluster is not None and known == cluster and not restored:
        return False
    leaps = await _leap(connection, restored or None not in (cluster, known))
    if cluster is not None:
        await connection.execute(
            "INSERT INTO deployment (name, value) VALUES ('cluster', $1)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            cluster,
        )
    return leaps


async def _leap(connection: Connection, elsewhere: bool) -> bool:
    """Leap when this is another cluster, or when positions are ahead of it anyway."""
    row = await connection.row(_HIGHEST)
    assert row is not None
    if row["seq"] is None:
        return False
    highest = row["seq"] >> 20
    if not elsewhere and row["here"] > highest:
        return False
    # Whoever writes events at this moment does it before or after; plans are made anew then.
    await connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
    elapsed_s = min(max(0.0, row["age_s"]), _LONGEST_S)
    first = highest + SPARE + math.ceil(elapsed_s * TRANSACTIONS_A_SECOND)
    epoch = max(0, first - row["transaction"])
    await connection.execute(
        "CREATE OR REPLACE FUNCTION event_epoch() RETURNS bigint"
        f" LANGUAGE sql STABLE RETURN {epoch:d}::bigint"
    )
    log.warning("the database is a copy, or in another cluster: seq goes on from %d", first << 20)
    return True


async def _cluster(connection: Connection) -> bytes | None:
    """What only this cluster is called, on this line of its history; None where that is hidden."""
    allowed = await connection.value(
        "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
        " AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"
    )
    if not allowed:
        return None
    name: str = await connection.value(
        "SELECT s.system_identifier || '/' || c.timeline_id"
        " FROM pg_control_system() s, pg_control_checkpoint() c"
    )
    return name.encode()
