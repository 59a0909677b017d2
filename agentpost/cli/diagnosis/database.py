"""The database: reachable, fit to hold mail, of this release's schema, with the right time."""

from __future__ import annotations

import logging
import time
from typing import Final

import trio

from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.cli.output import Failure
from agentpost.cli.session import database_address, reach
from agentpost.config import Config
from agentpost.errors import Problem
from agentpost.store import embedded
from agentpost.store.fitness import why_unfit
from agentpost.store.migrate import missing
from agentpost.store.pool import Connection, Database, PoolLimits, Row
from agentpost.store.programs import find_programs

AREA: Final = "database"
CLOCK: Final = "clock"
_OFF_S: Final = 2.0
"""Between two clocks that are kept: NTP holds them within milliseconds."""
_FAR_OFF_S: Final = 60.0
_SPARE: Final = 4
"""Connections besides those of the pools: listening, and one for the operator."""
_READ: Final = "Do what the text says; postgres.log in the data directory tells more."

_ASK: Final = """
SELECT current_setting('server_version') AS version,
    current_setting('max_connections')::int AS connections,
    (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS above_rls,
    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm') AS trigrams,
    pg_database_size(current_database()) AS octets
"""


def look(settings: Config) -> list[Finding]:
    """The configured database; the embedded one is started for the moment when it does not run."""
    # What is warned of here is said as a finding.
    logging.getLogger("agentpost.store").setLevel(logging.ERROR)
    try:
        if settings.database_url is None and not embedded.exists(settings.data_dir):
            programs = find_programs(settings.pg_bin)
            text = f"none yet: the first start makes one with PostgreSQL {programs.version}"
            return [ok(AREA, text)]
        with database_address(settings) as url:
            return trio.run(_ask, url, settings)
    except embedded.EmbeddedError as error:
        return [problem(AREA, str(error), _READ)]
    except Failure as failure:
        return [problem(AREA, failure.reason, failure.mend or _READ)]


async def _ask(url: str, settings: Config) -> list[Finding]:
    database = await reach(url)
    try:
        unfit = await why_unfit(database)
        findings = [problem(AREA, unfit, "Mend that before any mail arrives.")] if unfit else []
        row = await database.run("*", _facts)
        return [*findings, *_judge(row, settings), await _schema(database), await _clock(database)]
    except Problem as error:
        return [problem(AREA, error.message, error.fix)]
    finally:
        await database.aclose()


async def _facts(connection: Connection) -> Row:
    row = await connection.row(_ASK)
    assert row is not None
    return row


def _judge(row: Row, settings: Config) -> list[Finding]:
    kind = "embedded" if settings.database_url is None else "yours"
    size = row["octets"] / 1024**2
    findings = [ok(AREA, f"PostgreSQL {row['version']} ({kind}), {size:,.0f} MiB, answers")]
    if row["above_rls"]:
        text = "its role is a superuser or bypasses row level security"
        mend = "Use a plain role that owns the database: the second wall between tenants needs it."
        findings.append(warning(AREA, text, mend))
    if not row["trigrams"]:
        mend = "Install PostgreSQL's contrib package, which brings it."
        findings.append(problem(AREA, "the extension pg_trgm is not available", mend))
    needed = settings.workers * (PoolLimits().connections + 1) + _SPARE
    if row["connections"] < needed:
        text = f"max_connections is {row['connections']}; {settings.workers} workers use {needed}"
        findings.append(warning(AREA, text, f"Set it to {needed} or more, or lower workers."))
    return findings


async def _schema(database: Database) -> Finding:
    try:
        steps = await missing(database)
    except RuntimeError as error:
        return problem(AREA, str(error), "Start the newer release, or restore a backup.")
    if steps:
        text = f"the schema lacks {len(steps)} steps of this release"
        return warning(AREA, text, "Run 'agentpost migrate'; 'agentpost serve' does it as well.")
    return ok(AREA, "the schema is that of this release")


async def _clock(database: Database) -> Finding:
    """Compare this machine's clock with the database's, which writes most times."""

    async def ask(connection: Connection) -> tuple[float, float]:
        before = time.time()
        theirs = await connection.value("SELECT extract(epoch FROM clock_timestamp())::float8")
        return theirs - (before + time.time()) / 2, time.time() - before

    off, took = await database.run("*", ask)
    text = f"this machine's clock and the database's differ by {abs(off):.1f} s"
    mend = "Keep the clocks of both machines with NTP (chrony, systemd-timesyncd)."
    if abs(off) > _FAR_OFF_S + took:
        return problem(CLOCK, text, mend)
    if abs(off) > _OFF_S + took:
        return warning(CLOCK, text, mend)
    return ok(CLOCK, text)
