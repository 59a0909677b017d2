from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server for all journeys; each makes inboxes of its own."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running
