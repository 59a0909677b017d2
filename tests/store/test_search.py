"""SEARCH over the content of messages: complete, exact, alike in index and octets."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from agentpost.ids import MailboxId, MessageId
from agentpost.jobs.indexing import IndexingWork
from agentpost.limits import IndexingLimits
from agentpost.mime.matching import FIELD_ORDER, Content, fold, header_prefix, texts_of
from agentpost.mime.packs import pack_of
from agentpost.model.actor import Actor, system_actor
from agentpost.model.search import Day, IdLeaf, Leaf, SentLeaf, TextField, TextLeaf
from agentpost.store.pool import Connection, Database
from agentpost.store.search import Search
from agentpost.store.store import Door
from agentpost.store.texts import MessageTexts
from tests.jobs.world import World, make_world
from tests.mime.test_packs import finished

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
    return IndexingWork(texts, trio.Event(), IndexingLimits(rest=0, **limits))


async def index_all(world: World, **limits: int) -> None:
    assert await indexing(world, **limits).index()


async def inbox_mailbox(world: World) -> MailboxId:
    return MailboxId(
        await world.value(
            "SELECT id FROM mailboxes WHERE inbox_id = $1 AND role = 'inbox'", world.inbox
        )
    )


async def receive_all(world: World) -> list[MessageId]:
    return [await world.receive(octets) for octets in LETTERS]


def in_texts(octets: bytes, leaf: TextLeaf) -> bool:
    """Whether the texts that the index keeps have what ``leaf`` asks for."""
    texts, needle = texts_of(octets), fold(leaf.text)
    if leaf.field is TextField.BODY:
        return needle in texts.body
    if leaf.field is TextField.TEXT:
        return any(needle in text for text in (texts.body, texts.headers, texts.parts))
    if leaf.field is TextField.HEADER:
        prefix = header_prefix(leaf.name)[1:]
        lines = texts.headers.split("\n")
        return any(line.startswith(prefix) and needle in line[len(prefix) :] for line in lines)
    return needle in dict(zip(FIELD_ORDER, texts.fields, strict=True))[leaf.field]


def own_actor(world: World) -> Actor:
    """Somebody whom row level security shows one organization."""
    return Actor(world.where.organization, "key", frozenset({"messages:read"}))


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("pack_messages", [256, 5, 2])
async def test_the_index_finds_what_is_there(world: World, few: bool, pack_messages: int) -> None:
    await receive_all(world)
    await index_all(world, pack_messages=pack_messages)
    assert await world.value("SELECT count(*) FROM message_packs") == len(LETTERS) // pack_messages
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


@pytest.mark.parametrize("way", ["place_few", "place_many"])
async def test_messages_are_placed_alike_however_many(world: World, way: str) -> None:
    messages = await receive_all(world)
    mailbox = await inbox_mailbox(world)
    packed = await world.value(
        f"SELECT {way}($1, $2, $3)", world.inbox, mailbox, [*messages[1:4], "msg_x"]
    )
    assert {packed[at : at + 4] for at in range(0, len(packed), 4)} == {
        uid.to_bytes(4, "big") for uid in (2, 3, 4)
    }


async def test_what_is_not_indexed_is_unsure(world: World) -> None:
    await receive_all(world)
    mailbox = await inbox_mailbox(world)
    leaves: list[Leaf] = [TextLeaf(TextField.TEXT, "rechnung"), SentLeaf(Day.ON, date(2026, 3, 8))]
    for matches in await searching(world).matching(own_actor(world), world.where, mailbox, leaves):
        assert list(matches.found) == []
        assert {tuple(uids) for uids in matches.unsure} == {(1,), (2,), (3,), (4,), (5,)}


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
    assert (list(second.found), list(second.unsure)) == ([], [(1,)])


async def test_frequent_words_need_no_look(world: World) -> None:
    for n in range(40):
        await world.receive(b"Subject: note %d\r\n\r\nfrequent %d\r\n" % (n, n))
    await index_all(world, pack_messages=40)
    # A text that would be looked at has nothing any more.
    await world.execute("UPDATE message_texts SET headers = '', body = ''")
    mailbox = await inbox_mailbox(world)
    leaves: list[Leaf] = [
        TextLeaf(TextField.TEXT, "Frequent"),
        TextLeaf(TextField.BODY, "frequent"),
        TextLeaf(TextField.TEXT, "note"),
        TextLeaf(TextField.BODY, "note"),
        TextLeaf(TextField.TEXT, "frequen"),
    ]
    found = await searching(world).matching(own_actor(world), world.where, mailbox, leaves)
    assert [len(one.found) for one in found] == [40, 40, 40, 0, 0]


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
    await index_all(world, pack_messages=4)
    assert await world.value("SELECT count(DISTINCT organization_id) FROM message_packs") == 2
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
    await index_all(world, pack_messages=5)
    for message in messages:
        await world.messages.delete(system_actor(), message, permanent=True)
    for table in ("message_texts", "message_fields", "message_packs"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 0


async def test_what_is_left_of_a_pack_is_packed_again(world: World) -> None:
    messages = await receive_all(world)
    await index_all(world, pack_messages=5)
    mailbox = await inbox_mailbox(world)
    leaf = TextLeaf(TextField.TEXT, "rechnung")
    for left, packs in ((4, 1), (3, 1), (2, 1), (1, 0)):
        await world.messages.delete(system_actor(), messages.pop(), permanent=True)
        assert await world.value("SELECT count(*) FROM message_packs") == packs
        loose = "SELECT count(*) FROM message_fields WHERE pack IS NULL"
        assert await world.value(loose) == (0 if packs else left)
        (found,) = await searching(world).matching(own_actor(world), world.where, mailbox, [leaf])
        assert list(found.found) == [1]
    await world.receive(LETTERS[1])
    await index_all(world, pack_messages=2)
    assert await world.value("SELECT min(cardinality(messages)) FROM message_packs") == 2


async def test_a_message_is_in_one_pack(world: World) -> None:
    await receive_all(world)
    await index_all(world)
    texts = indexing(world)._texts
    first = await texts.unpacked(system_actor(), [world.inbox], 4, 10**9)
    other = await texts.unpacked(system_actor(), [world.inbox], 5, 10**9)
    assert first is not None
    assert other is not None
    assert await texts.pack(system_actor(), first.messages, finished(pack_of(first.texts))) == 4
    assert await texts.pack(system_actor(), first.messages, finished(pack_of(first.texts))) == 0
    assert await texts.pack(system_actor(), other.messages, finished(pack_of(other.texts))) == 1
    mailbox = await inbox_mailbox(world)
    found = await searching(world).matching(own_actor(world), world.where, mailbox, list(LEAVES))
    for leaf, matches in zip(LEAVES, found, strict=True):
        assert list(matches.found) == LEAVES[leaf], leaf


async def test_packs_are_bounded_in_octets(world: World) -> None:
    for _ in range(4):
        await world.receive(b"Subject: x\r\n\r\n" + b"words " * 1000)
    await index_all(world, pack_octets=10_000)
    sizes = await world.rows("SELECT cardinality(messages) AS size FROM message_packs")
    assert [row["size"] for row in sizes] == [2, 2]


async def test_a_message_deleted_while_it_is_indexed_leaves_nothing_behind(world: World) -> None:
    (message, *_) = await receive_all(world)
    work = indexing(world)
    batch = await work._texts.unindexed(system_actor(), None, 100, 10**9)
    await world.messages.delete(system_actor(), message, permanent=True)
    assert await work._texts.write(system_actor(), [await work._indexed(one) for one in batch]) == 4
    assert await work._texts.write(system_actor(), [await work._indexed(one) for one in batch]) == 0
    assert await world.value("SELECT count(*) FROM message_fields") == 4


async def test_packs_are_found_by_an_index_under_row_level_security(world: World) -> None:
    await receive_all(world)
    await index_all(world, pack_messages=5)

    async def explain(connection: Connection, sql: str, *arguments: object) -> str:
        await connection.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(row[0] for row in await connection.rows(f"EXPLAIN {sql}", *arguments))

    seen = world.where.organization
    sql = "SELECT messages FROM message_packs WHERE inbox_id = $1"
    plan = await world.database.run(seen, lambda c: explain(c, sql, world.inbox), atomic=True)
    assert "message_packs_by_inbox" in plan
    # The policy asks once a statement what may be seen.
    assert "InitPlan" in plan


@given(st.text())
def test_folding_is_stable_and_storable(text: str) -> None:
    folded = fold(text)
    assert "\0" not in folded
    folded.encode()
    assert fold(folded) == folded


_PIECES = st.sampled_from(
    [
        b"Subject: ", b"From:", b"a", b"b", b"ab", b"\r\n", b"\r\n ", b"\n", b" ", b"=?utf-8?q?a_b?=",
        b"Content-Type: text/plain; format=flowed; delsp=yes\r\n", b"Content-Type: text/html\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n", b"=61", b"&#97;", b"<b>", b"\xc3\xa4",
        b"Content-Type: text/plain; charset=utf-7\r\n", b"+AGE-", b"\r\n\r\n", b"\t", b"\r", b"\0",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"\r\n--x\r\n", b"~{", b"Content-Type: text/plain; charset=hz-gb-2312\r\n", b":", b"junk\r\n",
        b'Content-Type: text/plain; charset="utf-8"\r\n', b"Content-Type: text/plain\r\n", b"\x01",
        b"Content-Transfer-Encoding: 7bit\r\n", b"Content-Type: image/gif\r\n", b"Date: 8 Mar 2026",
    ]
)  # fmt: skip
_FIELD_LEAVES = st.builds(
    TextLeaf, st.sampled_from(TextField), st.text("abAj: \r\n\tä\0", max_size=4), st.just("subject")
)


@given(st.lists(_PIECES, max_size=12), _FIELD_LEAVES)
@example([b"Subject:", b"a", b"\r\n ", b"b"], TextLeaf(TextField.SUBJECT, "a b"))
@example([b"Subject: a\r\n", b"junk\r\n", b"From: b"], TextLeaf(TextField.TEXT, "a\nfrom"))
@example([b"Content-Type: image/gif\r\n\r\nab"], TextLeaf(TextField.TEXT, "ab"))
@example(
    [b"Content-Type: text/plain;\r\n format=flowed\r\n\r\na \r\nb"], TextLeaf(TextField.BODY, "a b")
)
def test_a_look_at_the_octets_tells_what_the_texts_tell(
    pieces: list[bytes], leaf: TextLeaf
) -> None:
    octets = b"".join(pieces)
    assert Content(octets).matches(leaf) == in_texts(octets, leaf)


@given(st.lists(_PIECES, max_size=12))
def test_the_header_alone_tells_the_sent_day(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    day = texts_of(octets).sent_day
    leaf = SentLeaf(Day.ON, date(2026, 3, 8))
    assert Content(octets).matches(leaf) == (day == leaf.day)


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
        for text in (texts.headers, texts.body):
            needle = text[len(text) // 2 :][:9]
            for field in (TextField.TEXT, TextField.BODY, TextField.SUBJECT):
                leaf = TextLeaf(field, needle)
                assert Content(octets).matches(leaf) == in_texts(octets, leaf), (path, leaf)
