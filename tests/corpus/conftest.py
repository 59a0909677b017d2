from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.samples import Sample, samples
from tests.server import Server, serving


@pytest.fixture(scope="package")
def mail() -> list[Sample]:
    """Every message that goes round."""
    return samples()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server."""
    with serving(tmp_path_factory.mktemp("corpus")) as running:
        yield running
