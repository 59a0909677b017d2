"""Searching messages: one inbox of many messages, and an environment of many inboxes.

    python -m benchmarks search [messages of the inbox] [inboxes] [messages of each of them]

A PostgreSQL of its own is filled through the store and indexed; then pages of twenty are searched
for, without the HTTP around them.  Texts are sentences of a small dictionary, hence worse than mail:
most words are in most of them.  One in a thousand has a word of its own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from agentpost.http.querying import parse
from agentpost.ids import MessageId, new_id
from agentpost.jobs.indexing import IndexingWork
from agentpost.limits import IndexingLimits
from agentpost.mail.highlights import Highlighter
from agentpost.mail.searching import Found, Searching
from agentpost.mime.summary import summarise
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.message import Arrival
from agentpost.store import embedded
from agentpost.store.depositing import Deposit
from agentpost.store.inboxes import InboxRequest
from agentpost.store.migrate import migrate
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Database
from agentpost.store.search_messages import Asked
from agentpost.store.settings import StoreSettings
from agentpost.store.texts import MessageTexts
from tests.mailgen.sized import sized

QUERIES: Final = (
    "quixotic",
    "nowhere-in-any",
    "alice",
    "meeting",
    '"the meeting"',
    "quixotic -meeting",
    "from:rarely@example.org",
    "is:flagged",
    "is:unread",
    "zq",
)
_PAGE: Final = 20
_TIMES: Final = 5
_RARE: Final = 1_000
_AT_ONCE: Final = 64


def main() -> None:
    """Measure and print one row a query."""
    sizes = [int(one) for one in sys.argv[1:]]
    messages, inboxes, each = [*sizes, *(10_000, 100, 100)[len(sizes) :]]
    with tempfile.TemporaryDirectory(prefix="bench") as temporary:
        server = embedded.start(Path(temporary) / "pg", durable=False)
        try:
            trio.run(_measure, server.url, Path(temporary), messages, inboxes, each)
        finally:
            server.stop(5.0)


async def _measure(url: str, directory: Path, messages: int, inboxes: int, each: int) -> None:
    database = await Database.open(url)
    await migrate(database)
    await database.aclose()
    settings = StoreSettings(shared_domain="bench.test", master_key=bytes(32))
    async with open_store(url, directory / "blobs", settings, alone=True) as store:
        system = system_actor()
        organization, environment = await store.organizations.create(system, "o", "o", "enterprise")
        actor = Actor(organization.id, "key", widen(SCOPES), environment=environment.id)
        large = await _inbox(store, actor, "large", messages)
        many = replace(actor, inboxes=None)
        await _index(store)
        print(f"one inbox of {messages}:")
        await _ask(store, actor, large)
        for number in range(inboxes):
            await _inbox(store, actor, f"small{number}", each)
        await _index(store)
        await store.database.run("*", lambda c: c.execute("VACUUM ANALYZE"))
        print(f"the same beside {inboxes} inboxes of {each}, and all of them together:")
        await _ask(store, actor, large)
        await _ask(store, many, None)


async def _inbox(store: Store, actor: Actor, name: str, messages: int) -> Scope:
    made, _ = await store.inboxes.create(actor, InboxRequest(name))
    where = Scope(actor.organization, made.inbox.environment, made.inbox.id)
    pending = list(range(messages))

    async def deposit() -> None:
        while pending:
            number = pending.pop()
            rare = number % _RARE == 0
            octets = sized(
                4096, number, sender="rarely@example.org" if rare else "alice@example.com"
            )
            if rare:
                octets += b"A quixotic plan.\r\n"
            arrival = Arrival(
                organization=actor.organization,
                inbox=made.inbox.id,
                message=MessageId(new_id("msg")),
                direction="inbound",
                source="smtp",
                state="received",
                role="inbox",
            )
            whole = Deposit(octets, summarise(octets), (arrival,))
            await store.messages.deposit(system_actor(), None, where, whole)

    async with trio.open_nursery() as nursery:
        for _ in range(_AT_ONCE):
            nursery.start_soon(deposit)
    return where


async def _index(store: Store) -> None:
    texts = MessageTexts(store.door, store.blobs)
    began = time.perf_counter()
    await IndexingWork(texts, trio.Event(), IndexingLimits(rest=0)).index()
    await store.database.run("*", lambda c: c.execute("VACUUM ANALYZE"))
    print(f"  indexed in {time.perf_counter() - began:.0f} s", flush=True)


async def _ask(store: Store, actor: Actor, where: Scope | None) -> None:
    searching = Searching(store.message_search)
    for text in QUERIES:
        asked = Asked(parse(text))
        found = Found((), (), None, incomplete=False)
        taken: list[float] = []
        shown: list[float] = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            found = await searching.messages(actor, where, asked, _PAGE, None)
            taken.append((time.perf_counter() - began) * 1000)
            messages = await store.messages.some(actor, found.messages)
            contents = await store.message_search.contents(actor, found.messages, 4 << 20)
            await Highlighter(asked.query, searching.limits).shown(
                [messages[one] for one in found.messages], contents
            )
            shown.append((time.perf_counter() - began) * 1000)
        note = " incomplete" if found.incomplete else ""
        print(
            f"  {text:28} {statistics.median(taken):9.1f} ms, with highlights"
            f" {statistics.median(shown):9.1f} ms, {len(found.messages)} found{note}",
            flush=True,
        )
