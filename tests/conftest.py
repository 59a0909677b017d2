"""What every test may use: a PostgreSQL of its own, and empty databases cloned from a template.

The server starts when the first test asks for it, once a test process, and dies with it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import trio
from hypothesis import HealthCheck, settings

from agentpost.store import embedded
from agentpost.store.migrate import migrate
from agentpost.store.pool import Database

_QUIRKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("quick", max_examples=50, deadline=None, suppress_health_check=_QUIRKS)
settings.register_profile("soak", max_examples=5_000, deadline=None, suppress_health_check=_QUIRKS)
settings.load_profile(os.environ.get("AGENTPOST_TEST_PROFILE", "quick"))

_numbers = itertools.count(1)
_TEMPLATE = "template_agentpost"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own AGENTPOST_ variables must not decide what a test sees."""
    for name in [name for name in os.environ if name.startswith("AGENTPOST_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The directory of collected mail beside the checkout; skips the test when it is not there."""
    path = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    if not path.is_dir():
        pytest.skip("the mail corpus is not here")
    return path


class Databases:
    """Makes and drops databases of one test server, over one connection of its own."""

    def __init__(self, server: embedded.Embedded) -> None:
        self.server = server
        self._used: list[str] = []
        self._loop = asyncio.new_event_loop()
        url = server.url_of("postgres")
        self._connection = self._loop.run_until_complete(asyncpg.connect(url))
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        trio.run(_migrate, server.url_of(_TEMPLATE))

    def create(self) -> str:
        """The name of a new database with our schema and nothing in it."""
        # Only now: right after a test PostgreSQL would wait 0.1 s for the test's connections.
        self._used = [used for used in self._used if not self._dropped(used)]
        name = f"test_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return name

    def _dropped(self, name: str) -> bool:
        """Drop a database; not yet when PostgreSQL itself is at work in it (autovacuum)."""
        try:
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectInUseError):
            return False
        return True

    def drop(self, name: str) -> None:
        """Have it dropped before the next one is made."""
        self._used.append(name)

    def close(self) -> None:
        """Close the connection."""
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()

    def _execute(self, sql: str) -> None:
        self._loop.run_until_complete(self._connection.execute(sql))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Embedded]:
    """A running PostgreSQL of this test process, without fsync."""
    directory = tmp_path_factory.mktemp("pg")
    server = embedded.start(directory, durable=False)
    try:
        yield server
    finally:
        server.stop(2.0)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(postgres: embedded.Embedded) -> Iterator[Databases]:
    """Makes databases with our schema."""
    made = Databases(postgres)
    yield made
    made.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """Address of an empty database with our schema, for one test."""
    name = databases.create()
    yield databases.server.url_of(name)
    databases.drop(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A connected, empty database with our schema, for one test."""
    opened = await Database.open(database_url)
    yield opened
    await opened.aclose()


async def _migrate(url: str) -> None:
    database = await Database.open(url)
    await migrate(database)
    await database.aclose()
