"""Messages found by a query: all of them and no others, whatever is indexed, in pages (R44)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from agentpost.errors import Forbidden
from agentpost.http.querying import parse
from agentpost.ids import InboxId, MessageId, new_id
from agentpost.jobs.indexing import IndexingWork
from agentpost.limits import IndexingLimits, SearchLimits
from agentpost.mail.searching import Found, Searching
from agentpost.mime.matching import Content, words_of
from agentpost.model.actor import Actor, Scope, system_actor, widen
from agentpost.model.message import MessageChange
from agentpost.model.query import (
    FIELDS,
    HasAttachment,
    InFolder,
    Is,
    Query,
    State,
    Term,
    Words,
    holds,
)
from agentpost.store.naming import make_special
from agentpost.store.pool import Connection, Database
from agentpost.store.search_messages import Asked, MessageSearch
from agentpost.store.store import Door
from agentpost.store.texts import MessageTexts
from tests.jobs.world import World, make_world
from tests.store.test_search import LETTERS

WRAPPED = (
    b"From: Zoe <zoe@example.com>\r\nTo: agent@agentpost.example\r\nSubject: Re: plan\r\n"
    b"Message-ID: <plan-2@example.com>\r\nIn-Reply-To: <plan-1@example.com>\r\n\r\n"
    b"The quarterly\r\nfigures are late. " + b"Words and more words. " * 40 + b"the end\r\n"
)
FIRST = (
    b"From: Adam <adam@example.com>\r\nTo: (a comment) zoe (of ours) @ example.com\r\n"
    b"Subject: plan\r\nMessage-ID: <plan-1@example.com>\r\n\r\nA plan of quarterly walks.\r\n"
)
ALL = (*LETTERS, FIRST, WRAPPED)

QUERIES = (
    "rechnung",
    "RECHNUNG märz",
    '"für märz"',
    "quarterly",
    '"quarterly figures"',
    '"quarterly  report"',
    "quarterly -figures",
    "-quarterly",
    "quarterly OR 会議",
    "(rechnung OR 会议) from:example.com",
    "from:zoe",
    "from:joerg",
    "to:agent",
    "to:zoe@example.com",
    "to:carla",
    "cc:carla",
    "cc:agent",
    "subject:plan",
    "subject:plan from:adam OR subject:report",
    "会",
    '"0%_d"',
    "is:unread quarterly",
    "is:read",
    "is:read -is:flagged",
    "has:attachment",
    "-has:attachment plan",
    "-(plan OR quarterly)",
    "end",
    "-end",
    "x-priority",
    '"the end"',
    "after:2020-01-01 plan",
    "before:2020-01-01",
    "-before:2020-01-01 after:2020-01-01 to:agent",
    "in:inbox plan",
    "in:trash",
    "nowhere",
)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    return await make_world(database, tmp_path / "blobs")


def reader(world: World, *scopes: str) -> Actor:
    """Somebody whom row level security shows one organization."""
    return Actor(world.where.organization, "key", widen(frozenset({"messages:read", *scopes})))


def searching(world: World, **limits: int) -> Searching:
    door = Door(world.database, world.woken.append)
    return Searching(MessageSearch(door, world.blobs), SearchLimits(**limits))


async def index_all(world: World, **limits: int) -> None:
    texts = MessageTexts(Door(world.database, world.woken.append), world.blobs)
    work = IndexingWork(texts, trio.Event(), IndexingLimits(rest=0, **limits))
    assert await work.index()


async def find(
    world: World, query: str, where: Scope | None = None, *, limit: int = 100, **limits: int
) -> list[MessageId]:
    """All that is found, page by page."""
    pages = [one async for one in paged(world, query, where, limit=limit, **limits)]
    return [message for page in pages for message in page.messages]


async def paged(
    world: World, query: str, where: Scope | None, *, limit: int, **limits: int
) -> AsyncIterator[Found]:
    """The same, page after page."""
    search, asked, position = searching(world, **limits), Asked(parse(query)), None
    actor = reader(world, "trash:read", "spam:read")
    while True:
        page = await search.messages(actor, where, asked, limit, position)
        yield page
        position = page.position
        if position is None:
            return


def says(octets: bytes, query: Query, seen: bool) -> bool:
    """Whether a message in INBOX is what ``query`` asks for: the long way."""

    def of_term(term: Term) -> bool:
        match term:
            case Words(text, part):
                return Content(octets).has_words(words_of(text), FIELDS[part])
            case Is(state):
                return {State.READ: seen, State.UNREAD: not seen}.get(state, False)
            case HasAttachment():
                return b"application/pdf" in octets
            case InFolder(folder):
                return folder == "INBOX"
            case _:
                return type(term).__name__ == "Since"

    return holds(query, of_term) is True


async def received(world: World, letters: Sequence[bytes] = ALL) -> dict[MessageId, bytes]:
    return {await world.receive(octets): octets for octets in letters}


@pytest.mark.parametrize("indexed", ["nothing", "all", "packed", "cut", "some"])
async def test_all_that_is_asked_for_is_found_and_nothing_else(world: World, indexed: str) -> None:
    messages = await received(world, ALL[:4] if indexed == "some" else ALL)
    limits = {"packed": {"pack_messages": 3}, "cut": {"max_text_characters": 300}}
    if indexed != "nothing":
        await index_all(world, **limits.get(indexed, {"pack_messages": 256}))
    if indexed == "some":
        messages |= await received(world, ALL[4:])
    seen = list(messages)[2]
    await world.messages.update(system_actor(), seen, MessageChange(seen=True))
    for query in QUERIES:
        wanted = [
            message
            for message, octets in messages.items()
            if says(octets, parse(query), message == seen)
        ]
        for where in (world.where, None):
            for limit, looks in ((100, 100), (1, 100), (2, 3)):
                bounds = {"first_looks": looks, "near_messages": looks, "inbox_messages": 1}
                found = await find(world, query, where, limit=limit, **bounds)
                assert found == wanted[::-1], (query, where, limit)


async def test_a_page_ends_when_much_was_looked_at_and_the_next_goes_on(world: World) -> None:
    messages = list(await received(world))
    await index_all(world, pack_messages=3)
    bounds = {"max_looks": 2, "first_looks": 2, "looks_at_once": 2}
    pages = [one async for one in paged(world, "-nowhere", None, limit=5, **bounds)]
    assert [len(page.messages) for page in pages] == [2, 2, 2, 1]
    assert [page.incomplete for page in pages] == [True, True, True, False]
    assert [one for page in pages for one in page.messages] == messages[::-1]


async def test_a_page_ends_after_so_many_operations(world: World) -> None:
    messages = list(await received(world))
    await index_all(world, pack_messages=3)
    bounds = {"max_operations": 2, "first_looks": 1, "looks_at_once": 1}
    pages = [one async for one in paged(world, "-nowhere", None, limit=5, **bounds)]
    assert [len(page.messages) for page in pages] == [2, 2, 2, 1]
    assert [one for page in pages for one in page.messages] == messages[::-1]


async def test_octets_are_read_within_bounds(world: World) -> None:
    messages = await received(world)
    bounds = {"max_octets": 1, "octets_at_once": 1}
    pages = [one async for one in paged(world, "plan", world.where, limit=5, **bounds)]
    assert len(pages) == len(messages) - 1  # An empty one costs nothing.
    assert all(page.incomplete for page in pages[:-1])
    assert [one for page in pages for one in page.messages] == list(messages)[:4:-1]


async def test_a_thread_is_found_once_however_it_is_paged(world: World) -> None:
    messages = list(await received(world))
    await index_all(world)
    search, asked = searching(world), Asked(parse("-nowhere"))
    threads: list[str] = []
    latest: list[str] = []
    position: str | None = None
    while True:
        page = await search.threads(reader(world), None, asked, 1, position)
        threads += page.threads
        latest += page.messages
        if (position := page.position) is None:
            break
    assert len(threads) == len(set(threads)) == len(messages) - 1
    assert latest == [messages[-1], *messages[:-2][::-1]]


async def test_what_lists_hide_is_found_where_it_is_named(world: World) -> None:
    (plan, walk) = await received(world, [FIRST, WRAPPED])
    await index_all(world)
    await world.messages.update(system_actor(), plan, MessageChange(folder="Trash"))
    everything = reader(world, "trash:read")
    search = searching(world)

    async def found(query: str, *include: str, actor: Actor = everything) -> Found:
        asked = Asked(parse(query), frozenset(include))
        return await search.messages(actor, world.where, asked, 10, None)

    assert (await found("plan")).messages == (walk,)
    assert (await found("plan", "trash")).messages == (walk, plan)
    assert (await found("in:trash")).messages == (plan,)
    assert (await found("in:trash OR subject:plan")).messages == (walk, plan)
    assert (await found("-in:trash")).messages == (walk,)
    for query, include in (("in:trash", ()), ("plan", ("trash",))):
        with pytest.raises(Forbidden):
            await found(query, *include, actor=reader(world))
    assert (await found("-in:trash", actor=reader(world))).messages == (walk,)


async def test_labels_and_flags_are_found_whatever_their_case(world: World) -> None:
    (plan, walk) = await received(world, [FIRST, WRAPPED])
    change = MessageChange(add_labels=("Billing",), flagged=True, answered=True)
    await world.messages.update(system_actor(), plan, change)
    assert await find(world, "label:BILLING") == [plan]
    assert await find(world, "-label:billing") == [walk]
    assert await find(world, "is:flagged is:answered is:received") == [plan]
    for query in ("label:billing", "is:flagged", "in:inbox is:answered", "plan label:billing"):
        assert await find(world, query, first_looks=1) == [plan]
    assert await find(world, "is:unflagged is:unanswered -is:sent -is:automated") == [walk]


async def test_nobody_finds_the_mail_of_others(
    world: World, database: Database, tmp_path: Path
) -> None:
    other = await make_world(database, tmp_path / "other")
    mine = list(await received(world))
    await received(other)
    for _ in range(2):
        assert await find(world, "quarterly") == [mine[6], mine[5], mine[1]]
        assert await find(world, "-nowhere") == mine[::-1]
        await index_all(world, pack_messages=3)
    bound = replace(reader(world), inboxes=frozenset({InboxId(new_id("inb"))}))
    page = await searching(world).messages(bound, None, Asked(parse("plan")), 10, None)
    assert page.messages == ()


async def test_many_inboxes_are_searched_as_one(world: World) -> None:
    others = [await _another_inbox(world) for _ in range(5)]
    messages: list[MessageId] = []
    for round_ in range(3):
        for inbox in (world, *others):
            messages += await received(inbox, [FIRST, WRAPPED])
        if round_ == 1:
            await index_all(world, pack_messages=3)
    for query in ("-nowhere", "plan", "is:unread"):
        for looks in (1, 4, 100):
            bounds = {"first_looks": looks, "looks_at_once": looks, "near_messages": looks}
            bounds |= {"inbox_messages": 1, "max_operations": 100}
            assert await find(world, query, None, limit=7, **bounds) == messages[::-1]
    assert len(await find(world, "plan", others[0].where)) == 6
    bound = replace(reader(world), inboxes=frozenset({others[1].inbox, others[2].inbox}))
    page = await searching(world).messages(bound, None, Asked(parse("plan")), 100, None)
    assert len(page.messages) == 12


async def _another_inbox(world: World) -> World:
    where = replace(world.where, inbox=InboxId(new_id("inb")))
    address = f"{new_id('inb').lower()}@agentpost.localhost"

    async def make(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO inboxes (id, organization_id, environment_id, address, username, domain)"
            " VALUES ($1, $2, $3, $4, 'agent', 'agentpost.localhost')",
            where.inbox,
            where.organization,
            where.environment,
            address,
        )
        await make_special(connection, where)

    await world.database.run("*", make, atomic=True)
    return replace(world, where=where, address=address)


async def test_facets_count_what_was_found(world: World) -> None:
    (plan, walk) = await received(world, [FIRST, WRAPPED])
    await world.messages.update(system_actor(), plan, MessageChange(add_labels=("a", "b")))
    await world.messages.update(system_actor(), walk, MessageChange(add_labels=("B",)))
    asked = Asked(parse("plan"))
    facets, hits, complete = await searching(world).facets(reader(world), world.where, asked)
    assert (hits, complete) == (2, True)
    assert [(one.value, one.messages) for one in facets.labels] == [("b", 2), ("a", 1)]
    assert [(one.value, one.messages) for one in facets.folders] == [("INBOX", 2)]
    senders = {one.value: one.messages for one in facets.senders}
    assert senders == {"adam@example.com": 1, "zoe@example.com": 1}
    assert [(one.value, one.messages) for one in facets.inboxes] == [(world.inbox, 2)]
    bounded = searching(world, facet_hits=1, facet_values=1)
    facets, hits, complete = await bounded.facets(reader(world), world.where, asked)
    assert (hits, complete, len(facets.labels)) == (1, False, 1)


async def test_what_is_lost_is_found_by_what_is_known_of_it(world: World) -> None:
    large = FIRST + b"plan of it " * 30_000
    (message,) = await received(world, [large])
    location = await world.value("SELECT location FROM blobs")
    await world.blobs.remove(location)
    assert await find(world, "plan") == []
    assert await find(world, "-plan") == [message]
    await index_all(world)
    assert await find(world, "is:unread") == [message]


def test_times_narrow_the_ids_that_are_looked_at() -> None:
    from agentpost.store.search_messages import Span, _ends

    day = datetime(2026, 3, 8, tzinfo=UTC)
    low, high = _ends(parse("plan after:2026-03-08 before:2026-03-09"), Span())
    assert low < f"msg_{new_id('x')[2:]}"
    assert len(low) == len("msg_") + 10
    assert _ends(parse("plan OR after:2026-03-08"), Span()) == (Span().start, Span().below)
    assert _ends(parse(f"after:{day.isoformat()}"), Span()) == (low, Span().below)
    assert high < Span().below
