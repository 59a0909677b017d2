"""Whether a PostgreSQL server keeps the promise that an acknowledged message is not lost."""

from __future__ import annotations

import logging
from typing import Final

from agentpost.store.pool import Connection, Database, Row

logger = logging.getLogger("agentpost.store.fitness")

_OLDEST: Final = 160_000
_QUESTION: Final = """
    SELECT current_setting('server_version_num')::int AS number,
           current_setting('server_version') AS version,
           current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes,
           current_setting('synchronous_commit') AS synchronous_commit,
           current_setting('server_encoding') AS encoding,
           (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS above_rls
"""
_WHY: Final = {
    "fsync": "a crash of the machine can destroy the whole database",
    "full_page_writes": "a crash of the machine can leave pages half written",
    "synchronous_commit": "a crash can lose mail that was already acknowledged",
}


async def why_unfit(database: Database) -> str | None:
    """Why this server must not hold mail, or None when it may. Says what to change."""

    async def ask(connection: Connection) -> Row | None:
        return await connection.row(_QUESTION)

    row = await database.run("*", ask)
    assert row is not None
    if row["number"] < _OLDEST:
        return f"the database is PostgreSQL {row['version']}; AgentPost needs 16 or later"
    for setting, consequence in _WHY.items():
        if row[setting] == "off":
            return (
                f"the database runs with {setting} = off: {consequence}; "
                f"set {setting} = on in its postgresql.conf (or for this role)"
            )
    if row["encoding"] != "UTF8":
        return f"the database's encoding is {row['encoding']}; create it with ENCODING 'UTF8'"
    if row["above_rls"]:
        logger.warning(
            "the database role is a superuser or bypasses row level security: the second wall "
            "between tenants does not stand; use a plain role that owns the database"
        )
    return None
