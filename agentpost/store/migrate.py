"""Numbered SQL files, applied once each, in order, under an advisory lock."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib import resources

from agentpost.store.epoch import keep_ahead
from agentpost.store.pool import Connection, Database

log = logging.getLogger(__name__)

_LOCK = 0x6167656E74706F73
"""Key of the advisory lock under which one process migrates at a time."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its number, its name and the SQL that makes it."""

    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done: the steps that were applied, and whether numbers of events had to leap."""

    steps: tuple[Migration, ...]
    leapt: bool


def migrations() -> tuple[Migration, ...]:
    """All steps that this release knows, in order."""
    found = []
    for entry in resources.files("agentpost.store").joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, entry.read_text("utf-8")))
    return tuple(sorted(found, key=lambda step: step.number))


async def missing(database: Database) -> tuple[Migration, ...]:
    """The steps that the schema of ``database`` lacks; changes nothing.

    Raises: RuntimeError when the database was made by a newer release.
    """

    async def ask(connection: Connection) -> int:
        if await connection.value("SELECT to_regclass('migrations')") is None:
            return 0
        number: int = await connection.value("SELECT coalesce(max(number), 0) FROM migrations")
        return number

    return _after(await database.run("*", ask))


async def migrate(database: Database, *, restored: bool = False) -> Migrated:
    """Bring the schema up to this release.

    In another cluster than before, or when the data is said to be ``restored`` from a copy, events
    are numbered ahead of all that were there (``store/epoch.py``).
    Raises: RuntimeError when the database was made by a newer release.
    """

    async def apply(connection: Connection) -> Migrated:
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations ("
            "number integer PRIMARY KEY, name text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        present = await connection.value("SELECT coalesce(max(number), 0) FROM migrations")
        pending = _after(present)
        for step in pending:
            await connection.execute(step.sql)
            await connection.execute(
                "INSERT INTO migrations (number, name) VALUES ($1, $2)", step.number, step.name
            )
            log.info("schema step %d: %s", step.number, step.name)
        return Migrated(pending, await keep_ahead(connection, restored=restored))

    return await database.run("*", apply, atomic=True)


def _after(present: int) -> tuple[Migration, ...]:
    known = migrations()
    if present > known[-1].number:
        raise RuntimeError(
            f"the database is at schema {present}, this release knows {known[-1].number}: "
            "start a newer release of AgentPost on it"
        )
    return tuple(step for step in known if step.number > present)
