"""What a worker's connections do when PostgreSQL ends them: nothing but "come again", and soon not
even that."""

from __future__ import annotations

import pytest
import trio

from agentpost.errors import Overloaded
from agentpost.store.pool import Connection, Database


async def _one(connection: Connection) -> int:
    value: int = await connection.value("SELECT 1")
    return value


async def _ended_by_postgresql(database: Database) -> None:
    async def end_all_others(connection: Connection) -> None:
        await connection.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND usename = current_user"  # Autovacuum is not ours to end.
        )

    await database.run("*", end_all_others)


async def _busy(database: Database, operations: int = 8) -> list[int | Overloaded]:
    outcomes: list[int | Overloaded] = []

    async def ask() -> None:
        try:
            outcomes.append(await database.run("*", _one))
        except Overloaded as error:
            outcomes.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(operations):
            nursery.start_soon(ask)
    return outcomes


async def test_connections_that_were_ended_are_said_to_be_busy_or_replaced(
    database: Database, database_url: str
) -> None:
    other = await Database.open(database_url)
    for _ in range(20):
        await _busy(database)
        await _ended_by_postgresql(other)
        # At once, while some connections have been told FATAL and not yet seen their end.
        assert len(await _busy(database)) == 8
        await trio.sleep(0.01)
        assert await _busy(database) == [1] * 8
    await other.aclose()


async def test_idle_connections_that_ended_cost_nobody_an_error(
    database: Database, database_url: str
) -> None:
    other = await Database.open(database_url)
    await _busy(database)
    await _ended_by_postgresql(other)
    await trio.sleep(0.1)
    assert await _busy(database) == [1] * 8
    await other.aclose()


async def test_an_operation_that_is_ended_leaves_no_broken_connection(database: Database) -> None:
    async def end_itself(connection: Connection) -> None:
        await connection.value("SELECT pg_terminate_backend(pg_backend_pid())")

    for atomic in (False, True):
        with pytest.raises(Overloaded):
            await database.run("*", end_itself, atomic=atomic)
        assert await _busy(database) == [1] * 8
