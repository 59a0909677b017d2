"""SEARCH over the content of messages: complete, exact, alike in index and octets."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.ids import MailboxId, MessageId
from agentpost.jobs.indexing import IndexingWork
from agentpost.limits import IndexingLimits
from agentpost.mime.grams import many, terms_of, word_of
from agentpost.mime.matching import Content, fold, texts_of
from agentpost.model.actor import Actor, system_actor
from agentpost.model.search import Day, IdLeaf, Leaf, SentLeaf, TextField, TextLeaf
from agentpost.store.pool import Connection, Database
from agentpost.store.search import Search
from agentpost.store.store import Door
from agentpost.store.texts import MessageTexts
from tests.jobs.world import World, make_world

LETTERS = (
    (
        b"From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <joerg@example.com>\r\nTo: agent@agentpost.example\r\n"
        b"Cc: Carla <carla@example.org>\r\nSubject: =?iso-8859-1?q?Rechnung_f=FCr_M=E4rz?=\r\n"
        b"Date: Sun, 8 Mar 2026 23:30:00 -0500\r\nX-Priority: 1 (Highest)\r\n"
        b"Message-ID: <unique-1234@mail.example.com>\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"R3LDvMOfZSBhdXMgS8O2bG4sIGRpZSBSRUNITlVORyBsaWVndCBiZWku\r\n"
    ),
    (
        b"From: alice@example.com\r\nTo: bob@example.net, agent@agentpost.example\r\n"
        b"Subject: quarterly\r\n report\r\nDate: Mon, 9 Mar 2026 00:10:00 +0900\r\n"
        b"X-Priority: 3\r\nX-Note: highest\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n"
        b"X-Part-Field: hidden-in-part\r\n\r\n<p>The <b>quar</b>terly figures &amp; more</p>\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: forwarded letter\r\n"
        b"From: zoe@example.com\r\n\r\ninner words\r\n--b\r\nContent-Type: application/pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nc2VjcmV0c2VjcmV0\r\n--b--\r\n"
    ),
    (
        b"Subject: \xe4\xbc\x9a\xe8\xae\xae\xe7\xba\xaa\xe8\xa6\x81\r\nFrom: c@example.com\r\n\r\n"
        b"\xe4\xbb\x8a\xe6\x97\xa5\xe3\x81\xae\xe4\xbc\x9a\xe8\xad\xb0 100%_done\\ 50\r\n"
    ),
    b"no header at all\x00\xff\r\n",
    b"",
)

LEAVES: dict[Leaf, list[int]] = {
    TextLeaf(TextField.FROM, "jörg MÜLLER"): [1],
    TextLeaf(TextField.FROM, "example.com"): [1, 2, 3],
    TextLeaf(TextField.FROM, "agent"): [],
    TextLeaf(TextField.TO, "AGENT@"): [1, 2],
    TextLeaf(TextField.CC, "carla"): [1],
    TextLeaf(TextField.BCC, "x"): [],
    TextLeaf(TextField.SUBJECT, "für märz"): [1],
    TextLeaf(TextField.SUBJECT, "quarterly report"): [2],
    TextLeaf(TextField.SUBJECT, "会议"): [3],
    TextLeaf(TextField.HEADER, "", "x-priority"): [1, 2],
    TextLeaf(TextField.HEADER, "highest", "X-Priority"): [1],
    TextLeaf(TextField.HEADER, "highest", "X-Note"): [2],
    TextLeaf(TextField.HEADER, "<unique-1234@mail.example.com>", "Message-ID"): [1],
    TextLeaf(TextField.HEADER, "1234", "Message"): [],
    TextLeaf(TextField.HEADER, "(H", "x-priority"): [1],
    TextLeaf(TextField.HEADER, "hidden", "x-part-field"): [],
    TextLeaf(TextField.HEADER, "x", "x.*"): [],
    TextLeaf(TextField.BODY, "grüSSe aus"): [1],
    TextLeaf(TextField.BODY, "rechnung"): [1],
    TextLeaf(TextField.BODY, "quarterly figures & more"): [2],
    TextLeaf(TextField.BODY, "inner WORDS"): [2],
    TextLeaf(TextField.BODY, "forwarded letter"): [2],
    TextLeaf(TextField.BODY, "secret"): [],
    TextLeaf(TextField.BODY, "hidden-in-part"): [],
    TextLeaf(TextField.BODY, "0%_d"): [3],
    TextLeaf(TextField.BODY, "e\\ 5"): [3],
    TextLeaf(TextField.BODY, "会議"): [3],
    TextLeaf(TextField.BODY, "議"): [3],
    TextLeaf(TextField.TEXT, "rechnung"): [1],
    TextLeaf(TextField.TEXT, "hidden-in-part"): [2],
    TextLeaf(TextField.TEXT, "highest"): [1, 2],
    TextLeaf(TextField.TEXT, "example.com"): [1, 2, 3],
    TextLeaf(TextField.TEXT, "qu"): [1, 2],
    TextLeaf(TextField.TEXT, "nowhere to be found"): [],
    TextLeaf(TextField.TEXT, ""): [1, 2, 3, 4, 5],
    SentLeaf(Day.ON, date(2026, 3, 8)): [1],
    SentLeaf(Day.ON, date(2026, 3, 9)): [2],
    SentLeaf(Day.SINCE, date(2026, 3, 9)): [2],
    SentLeaf(Day.BEFORE, date(2026, 3, 9)): [1],
    SentLeaf(Day.BEFORE, date(2026, 3, 8)): [],
}


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    return await make_world(database, tmp_path / "blobs")


def searching(world: World) -> Search:
    return Search(Door(world.database, world.woken.append))


def indexing(world: World, **limits: int) -> IndexingWork:
    texts = MessageTexts(Door(world.database, world.woken.append), world.blobs)
    return IndexingWork(texts, IndexingLimits(rest=0, **limits))


async def index_all(world: World, **limits: int) -> None:
    assert not await indexing(world, **limits)._index(None, float("inf"))


async def inbox_mailbox(world: World) -> MailboxId:
    return MailboxId(
        await world.value(
            "SELECT id FROM mailboxes WHERE inbox_id = $1 AND role = 'inbox'", world.inbox
        )
    )


async def receive_all(world: World) -> list[MessageId]:
    return [await world.receive(octets) for octets in LETTERS]


def own_actor(world: World) -> Actor:
    """Somebody whom row level security shows one organization."""
    return Actor(world.where.organization, "key", frozenset({"messages:read"}))


@pytest.mark.parametrize("few", [False, True])
async def test_the_index_finds_what_is_there(world: World, few: bool) -> None:
    await receive_all(world)
    await index_all(world)
    mailbox = await inbox_mailbox(world)
    among = [1, 2, 3, 4, 5] if few else None
    found = await searching(world).matching(
        own_actor(world), world.where, mailbox, list(LEAVES), among
    )
    for leaf, matches in zip(LEAVES, found, strict=True):
        assert list(matches.found) == LEAVES[leaf], leaf
        assert not matches.unsure


def test_octets_say_the_same_as_the_index() -> None:
    for leaf, expected in LEAVES.items():
        found = [n for n, octets in enumerate(LETTERS, 1) if Content(octets).matches(leaf)]
        assert found == expected, leaf


async def test_only_those_asked_about_are_looked_at(world: World) -> None:
    await receive_all(world)
    await index_all(world)
    mailbox = await inbox_mailbox(world)
    leaf = TextLeaf(TextField.TEXT, "example.com")
    (matches,) = await searching(world).matching(
        own_actor(world), world.where, mailbox, [leaf], [2, 4]
    )
    assert list(matches.found) == [2]


async def test_what_is_not_indexed_is_unsure(world: World) -> None:
    await receive_all(world)
    mailbox = await inbox_mailbox(world)
    leaves: list[Leaf] = [TextLeaf(TextField.TEXT, "rechnung"), SentLeaf(Day.ON, date(2026, 3, 8))]
    for matches in await searching(world).matching(own_actor(world), world.where, mailbox, leaves):
        assert list(matches.found) == []
        assert list(matches.unsure) == [1, 2, 3, 4, 5]


async def test_a_text_that_was_cut_is_unsure_where_nothing_was_found(world: World) -> None:
    await world.receive(b"Subject: x\r\n\r\nbeginning " + b"and so on " * 100 + b"the end\r\n")
    await index_all(world, max_text_characters=200)
    mailbox = await inbox_mailbox(world)
    leaves: list[Leaf] = [
        TextLeaf(TextField.BODY, "beginning"),
        TextLeaf(TextField.BODY, "the end"),
    ]
    first, second = await searching(world).matching(own_actor(world), world.where, mailbox, leaves)
    assert (list(first.found), list(first.unsure)) == ([1], [])
    assert (list(second.found), list(second.unsure)) == ([], [1])


async def test_a_text_with_too_many_grams_is_still_found(world: World) -> None:
    await receive_all(world)
    await index_all(world, max_grams=3)
    mailbox = await inbox_mailbox(world)
    found = await searching(world).matching(own_actor(world), world.where, mailbox, list(LEAVES))
    for leaf, matches in zip(LEAVES, found, strict=True):
        assert list(matches.found) == LEAVES[leaf], leaf


async def test_ids_are_found_at_once(world: World) -> None:
    first, *_ = await receive_all(world)
    thread = await world.value("SELECT thread_id FROM messages WHERE id = $1", first)
    mailbox = await inbox_mailbox(world)
    leaves: list[Leaf] = [IdLeaf(first), IdLeaf(thread, thread=True), IdLeaf("msg_x")]
    found = await searching(world).matching(own_actor(world), world.where, mailbox, leaves)
    assert [list(one.found) for one in found] == [[1], [1], []]
    assert not any(one.unsure for one in found)


async def test_nobody_finds_the_mail_of_others(
    world: World, database: Database, tmp_path: Path
) -> None:
    other = await make_world(database, tmp_path / "other")
    await receive_all(world)
    await receive_all(other)
    await index_all(world)
    theirs = await inbox_mailbox(other)
    search = searching(world)
    for where in (world.where, other.where):
        if where is other.where:
            # Even when authorization were forgotten, row level security shows nothing.
            search._door.allow = lambda *_: None  # type: ignore[method-assign]
        found = await search.matching(own_actor(world), where, theirs, list(LEAVES))
        assert all(not one.found and not one.unsure for one in found)


async def test_a_deleted_message_leaves_nothing_behind(world: World) -> None:
    messages = await receive_all(world)
    await index_all(world)
    for message in messages:
        await world.messages.delete(system_actor(), message, permanent=True)
    for table in ("message_texts", "message_fields", "message_grams"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 0


async def test_a_message_deleted_while_it_is_indexed_leaves_nothing_behind(world: World) -> None:
    (message, *_) = await receive_all(world)
    work = indexing(world)
    batch = await work._texts.unindexed(system_actor(), None, 100, 10**9)
    await world.messages.delete(system_actor(), message, permanent=True)
    assert await work._texts.write(system_actor(), [await work._indexed(one) for one in batch]) == 4
    assert await work._texts.write(system_actor(), [await work._indexed(one) for one in batch]) == 0
    assert await world.value("SELECT count(*) FROM message_grams") == 4


async def test_the_trigram_index_is_used_under_row_level_security(world: World) -> None:
    await receive_all(world)
    await index_all(world)

    async def explain(connection: Connection, sql: str, *arguments: object) -> str:
        await connection.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(row[0] for row in await connection.rows(f"EXPLAIN {sql}", *arguments))

    async def plan(sql: str, *arguments: object) -> str:
        seen = world.where.organization
        return await world.database.run(seen, lambda c: explain(c, sql, *arguments), atomic=True)

    grams = "SELECT message_id FROM message_grams WHERE body_grams @> $1"
    found = await plan(grams, [1, 2, 3])
    assert "Bitmap Index Scan on message_grams_body" in found
    assert "InitPlan" not in found
    texts = "SELECT message_id FROM message_texts WHERE position($1 IN body) > 0"
    # The policy asks once a statement what may be seen.
    assert "InitPlan" in await plan(texts, b"x")


@given(st.text(max_size=40), st.text(max_size=12), st.text(max_size=40))
def test_what_contains_a_text_has_its_terms(before: str, text: str, after: str) -> None:
    whole, needle = fold(before + text + after), fold(text)
    terms = terms_of((whole,), "s", 1000)
    if needle in whole:
        assert set(terms_of((needle,), "s", 1000).grams) <= set(terms.grams)
    word = word_of(needle, "s")
    if word is not None and word in terms.words:
        assert needle in whole


@given(st.text())
def test_folding_is_stable_and_storable(text: str) -> None:
    folded = fold(text)
    assert "\0" not in folded
    folded.encode()
    assert fold(folded) == folded


def test_terms_are_salted_bounded_and_fit_their_columns() -> None:
    one, other = terms_of(("hello",), "a", 100), terms_of(("hello",), "b", 100)
    assert set(one.grams).isdisjoint(other.grams)
    assert set(one.words).isdisjoint(other.words)
    assert word_of("hello", "a") == one.words[0]
    assert word_of("two words", "a") is None
    assert terms_of(("abcdefgh",), "a", 3).grams == (many("a"),)
    assert terms_of(("abcdefgh",), "a", 3).words == ()
    assert all(-(2**31) <= gram < 2**31 for gram in one.grams)
    assert all(-(2**63) <= word < 2**63 for word in one.words)
    assert terms_of(("a b c d",), "a", 100).grams == ()


_PIECES = st.sampled_from(
    [
        b"Subject: ", b"a", b"b", b"ab", b"\r\n", b"\r\n ", b"\n", b" ", b"=?utf-8?q?a_b?=", b"\0",
        b"Content-Type: text/plain; format=flowed; delsp=yes\r\n", b"Content-Type: text/html\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n", b"=61", b"&#97;", b"<b>", b"\xc3\xa4",
        b"Content-Type: text/plain; charset=utf-7\r\n", b"+AGE-", b"\r\n\r\n", b"\t", b"\r",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"\r\n--x\r\n", b"~{", b"Content-Type: text/plain; charset=hz-gb-2312\r\n",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=12), st.text("abA ", min_size=1, max_size=4))
def test_the_quick_look_never_misses(pieces: list[bytes], text: str) -> None:
    octets = b"".join(pieces)
    for field in (TextField.TEXT, TextField.BODY, TextField.SUBJECT):
        leaf = TextLeaf(field, text)
        slow = Content(octets)
        slow._texts = texts_of(octets)
        assert Content(octets).matches(leaf) == slow.matches(leaf)


@given(st.binary(max_size=300))
def test_any_octets_have_texts(octets: bytes) -> None:
    texts = texts_of(octets)
    for text in dataclasses.astuple(texts)[:3]:
        text.encode()
        assert "\0" not in text


def test_the_corpus_has_texts(corpus: Path) -> None:
    for path in sorted(corpus.glob("**/*.eml"))[:60]:
        octets = path.read_bytes()
        texts = texts_of(octets)
        assert texts.headers.startswith("\n")
        texts.body.encode()
