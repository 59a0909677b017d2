"""Every example that a reader would try works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import PAGES, ROOT, Reader, examples
from tests.server import Server, serving

pytestmark = pytest.mark.slow

_WITH_EXAMPLES = [page for page in PAGES if any(each.reason is None for each in examples(page))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server for all pages; each reader makes inboxes of its own."""
    with serving(tmp_path_factory.mktemp("docs")) as running:
        yield running


@pytest.mark.parametrize("page", _WITH_EXAMPLES, ids=lambda page: page.name)
def test_the_examples_of_a_page_work(server: Server, tmp_path: Path, page: Path) -> None:
    if "agentpost org create" in page.read_text("utf-8"):
        # Another organization would be in the way of readers of other pages.
        with serving(tmp_path) as own:
            _read(page, own, tmp_path)
    else:
        _read(page, server, tmp_path)


def _read(page: Path, server: Server, directory: Path) -> None:
    reader = Reader(server, directory)
    made = server.make_inbox("reader")
    reader.address, reader.password = made["email"], made["credential"]["password"]
    for example in examples(page):
        if example.reason is None:
            reader.run(example)


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_what_is_not_run_says_why() -> None:
    reasons = [each.reason for page in PAGES for each in examples(page) if each.reason is not None]
    assert all(len(reason) > 10 for reason in reasons)


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"({name})" not in index} == set()
