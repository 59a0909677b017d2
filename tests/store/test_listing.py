"""Lists of messages are read in index order, however many messages there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from agentpost.errors import InvalidRequest
from agentpost.ids import ThreadId
from agentpost.model.actor import Scope
from agentpost.model.message import MessageFilter
from agentpost.model.page import PageRequest
from agentpost.store.listing import Listing
from tests.store.conftest import Parts, Tenant, make_inbox


async def plan(parts: Parts, acme: Tenant, wanted: MessageFilter, page: PageRequest) -> str:
    inbox = await make_inbox(parts, acme)
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    listing = Listing(acme.actor, where, wanted, page)
    rows = await parts.database.run(
        "*", lambda c: c.rows("EXPLAIN " + listing.sql(whole=False), *listing.arguments)
    )
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("position", [None, ("msg_01JQ8X5K2M3N4P5R6S7T8V9W00",)])
async def test_a_page_walks_the_index_of_its_inbox(
    parts: Parts, acme: Tenant, descending: bool, position: tuple[str, ...] | None
) -> None:
    shown = await plan(parts, acme, MessageFilter(), PageRequest(20, descending, position))
    assert "messages_by_inbox" in shown
    assert "Sort" not in shown.split("messages_by_inbox", maxsplit=1)[0]


async def test_a_thread_is_read_by_its_own_index(parts: Parts, acme: Tenant) -> None:
    wanted = MessageFilter(thread=ThreadId("thr_01JQ8X5K2M3N4P5R6S7T8V9W00"))
    shown = await plan(parts, acme, wanted, PageRequest())
    assert "messages_by_thread" in shown


@pytest.mark.parametrize(
    ("after", "before"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), None),
        (None, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (datetime(2030, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
async def test_times_beyond_all_ids_are_no_error(
    parts: Parts, acme: Tenant, after: datetime | None, before: datetime | None
) -> None:
    shown = await plan(parts, acme, MessageFilter(after=after, before=before), PageRequest())
    assert "messages_by_inbox" in shown


async def test_what_no_clock_shows_is_refused(parts: Parts, acme: Tenant) -> None:
    beyond = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    with pytest.raises(InvalidRequest):
        await plan(parts, acme, MessageFilter(after=beyond), PageRequest())
