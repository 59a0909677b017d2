from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.isolation.matrix import Matrix, matrix_of
from tests.isolation.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two organizations in a database of their own."""
    async with open_world(database_url, tmp_path / "blobs") as opened:
        yield opened


@pytest.fixture
async def matrix(database_url: str, tmp_path: Path) -> AsyncIterator[Matrix]:
    """The running API, and one of everything in one of its two organizations."""
    async with matrix_of(database_url, tmp_path) as made:
        yield made
