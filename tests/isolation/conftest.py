from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.isolation.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two organizations in a database of their own."""
    async with open_world(database_url, tmp_path / "blobs") as opened:
        yield opened
