"""Fixtures for jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpost.store.pool import Database
from tests.jobs.world import World, make_world


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    return await make_world(database, tmp_path / "blobs")
