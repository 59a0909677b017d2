"""What holds for every list (API.md, Conventions)."""

from __future__ import annotations

import pytest

from tests.http.resources.conftest import Tenant, deliver

TIMED = (
    "/environments",
    "/api-keys",
    "/inboxes",
    "/messages",
    "/threads",
    "/drafts",
    "/inboxes/{}/messages",
    "/inboxes/{}/threads",
    "/inboxes/{}/drafts",
)
UNTIMED = ("/labels", "/inboxes/{}/folders", "/inboxes/{}/credentials")


@pytest.fixture
async def inbox(acme: Tenant) -> str:
    """An inbox with something of everything in it."""
    made = await acme.inbox()
    placed = await deliver(acme.store, made)
    await acme.call("POST", f"/messages/{placed.message}/labels", {"labels": ["a"]})
    await acme.call("POST", f"/inboxes/{made.id}/drafts", {"text": "x"})
    return str(made.id)


async def test_lists_are_narrowed_by_time(acme: Tenant, inbox: str) -> None:
    for path in TIMED:
        where = path.format(inbox)

        async def count(query: str, where: str = where) -> int:
            return len((await acme.call("GET", where + query)).json["data"])

        every = await count("")
        assert every >= 1, path
        assert (
            await count("?after=2020-01-01T00:00:00Z&before=2999-01-01T00:00:00%2B01:00") == every
        )
        assert await count("?before=2020-01-01T00:00:00Z") == 0
        assert await count("?after=2999-01-01T00:00:00Z") == 0


async def test_parameters_of_lists_are_bounded_and_written_in_one_way(
    acme: Tenant, inbox: str
) -> None:
    for path in TIMED + UNTIMED:
        for query, wrong in (
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=1e1", "limit"),
            ("limit=%2B5", "limit"),
            ("limit=", "limit"),
            ("limit=1&limit=2", "limit"),
            ("order=up", "order"),
            ("colour=red", "colour"),
            *((("after=2020", "after"), ("after=2020-01-01T00:00:00", "after")) * (path in TIMED)),
        ):
            answer = await acme.call("GET", f"{path.format(inbox)}?{query}")
            assert (answer.status, answer.paths) == (400, [wrong]), (path, query)
        refused = await acme.call("GET", path.format(inbox) + "?page_token=AAAA")
        assert (refused.status, refused.code) == (400, "invalid_cursor")
