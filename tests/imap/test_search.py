"""SEARCH over a store: every key, every way to answer (RFC 9051 section 6.4.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from agentpost import clock
from agentpost.mime.matching import texts_of
from agentpost.mime.packs import pack_of
from agentpost.model.actor import system_actor
from agentpost.model.mailbox import Flag, FlagChange, InternalDate
from agentpost.store.texts import Indexed, MessageTexts
from tests.imap.harness import Client, Place
from tests.mime.test_packs import finished


def message(*fields: bytes, body: bytes = b"text\r\n") -> bytes:
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


ONE = message(
    b"From: Alice Liddell <alice@wonderland.example>",
    b"To: agent@shared.test, =?utf-8?q?J=C3=BCrgen?= <j@example.com>",
    b"Cc: cc@example.com",
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?= from here",
    b"Date: Fri, 01 Mar 2024 00:30:00 +0200",
    b"X-Flag: =?iso-8859-1?q?caf=E9?=",
    body=b"The quick brown fox\r\njumps.\r\n",
)
TWO = message(
    b"From: Bob <bob@example.com>",
    b"Bcc: hidden@example.com",
    b"Subject: second",
    b"Date: Thu, 29 Feb 2024 23:30:00 -0800",
    b"MIME-Version: 1.0",
    b"Content-Type: multipart/mixed; boundary=b",
    body=(
        b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve d=\r\nog\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: deeper\r\n\r\nburied treasure\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Description: a picture of it\r\n\r\n"
        b"PGI+cGVuZ3VpbjwvYj4=\r\n--b--\r\n"
    ),
)
THREE = message(b"From: carol (me) @ (home) example.com", b"Subject:", body=b"x" * 3000 + b"\r\n")


@pytest.fixture
async def client(place: Place) -> Client:
    """A session on three messages: 1 plain, 2 \\Seen with keywords, 3 \\Deleted."""
    days = (datetime(2024, 3, 1, 23, 30, tzinfo=UTC), datetime(2024, 3, 2, 1, 0, tzinfo=UTC))
    await place.put(ONE, date=InternalDate(days[0], 0))
    await place.put(
        TWO, date=InternalDate(days[1], -120), flags=Flag.SEEN, keywords=("Work", "$Junk")
    )
    await place.put(
        THREE, date=InternalDate(clock.now() - timedelta(seconds=100)), flags=Flag.DELETED
    )
    return await place.selected()


async def found(client: Client, keys: str) -> list[int]:
    """What SEARCH answers to these keys."""
    answer = await client.ok(f"SEARCH {keys}")
    match = re.fullmatch(rb"\* SEARCH((?: \d+)*)\r\n", answer)
    assert match is not None, answer
    return [int(number) for number in match[1].split()]


KEYS = [
    ("ALL", [1, 2, 3]),
    ("SEEN", [2]),
    ("UNSEEN", [1, 3]),
    ("DELETED", [3]),
    ("UNDELETED UNSEEN", [1]),
    ("ANSWERED", []),
    ("UNFLAGGED UNDRAFT UNANSWERED", [1, 2, 3]),
    ("KEYWORD work", [2]),
    ("UNKEYWORD WORK", [1, 3]),
    ("KEYWORD unheard", []),
    ("NEW", [1, 3]),
    ("RECENT SEEN", [2]),
    ("OLD", []),
    ("2:*", [2, 3]),
    ("1,3", [1, 3]),
    ("2:7", [2, 3]),
    ("9", []),
    ("UID 2:4294967295", [2, 3]),
    ("UID 9", []),
    ("LARGER 3000", [3]),
    ("SMALLER 300 LARGER 200", [1]),
    ("ON 1-Mar-2024", [1, 2]),
    ("BEFORE 2-Mar-2024", [1, 2]),
    ("BEFORE 1-Mar-2024", []),
    ("SINCE 2-Mar-2024", [3]),
    ('SINCE "1-Mar-2024"', [1, 2, 3]),
    ("YOUNGER 3600", [3]),
    ("YOUNGER 10", []),
    ("OLDER 3600", [1, 2]),
    ("SENTON 1-Mar-2024", [1]),
    ("SENTON 29-Feb-2024", [2]),
    ("SENTBEFORE 1-Mar-2024", [2]),
    ("SENTSINCE 1-Jan-2020", [1, 2]),
    ("SAVEDBEFORE 1-Jan-2024", []),
    ("SAVEDSINCE 1-Jan-2024", [1, 2, 3]),
    ("SAVEDATESUPPORTED", [1, 2, 3]),
    ("FROM alice", [1]),
    ("FROM LIDDELL", [1]),
    ("FROM example", [1, 2, 3]),
    ("FROM carol@example.com", [3]),
    ('FROM "(home)"', [3]),
    ('TO "jürgen"', [1]),
    ("CC cc@", [1]),
    ("BCC hidden", [2]),
    ('SUBJECT "GRÜSSE"', [1]),
    ('SUBJECT "from here"', [1]),
    ("SUBJECT fox", []),
    ('HEADER X-Flag "CAFÉ"', [1]),
    ('HEADER x-flag ""', [1]),
    ('HEADER Subject ""', [1, 2, 3]),
    ("BODY QUICK", [1]),
    ("BODY alice", []),
    ('BODY "naïve"', [2]),
    ('BODY "naïve dog"', [2]),
    ("BODY treasure", [2]),
    ("BODY penguin", [2]),
    ("TEXT alice", [1]),
    ("TEXT fox", [1]),
    ("TEXT deeper", [2]),
    ("NOT TEXT fox", [2, 3]),
    ("OR FROM alice SUBJECT second", [1, 2]),
    ("OR SEEN TEXT fox", [1, 2]),
    ("NOT (OR SEEN TEXT fox)", [3]),
    ("(1:2 NOT SEEN) BODY fox", [1]),
    ("NOT NOT NOT ALL", []),
    ("CHARSET UTF-8 TEXT fox", [1]),
    ("CHARSET us-ascii TEXT fox", [1]),
    ("OR OR 1 2 3", [1, 2, 3]),
]


async def test_every_key_finds_what_it_says(client: Client) -> None:
    for keys, expected in KEYS:
        assert await found(client, keys) == expected, keys


async def test_a_key_and_its_opposite_share_the_mailbox(client: Client) -> None:
    for keys, expected in KEYS:
        if not keys.startswith("CHARSET"):
            rest = [number for number in (1, 2, 3) if number not in expected]
            assert await found(client, f"NOT ({keys})") == rest, keys


async def test_literals_are_search_strings(client: Client) -> None:
    text = "GRÜSSE".encode()
    answer = await client.ok(b"SEARCH CHARSET UTF-8 SUBJECT {%d}\r\n%b" % (len(text), text))
    assert answer == b"* SEARCH 1\r\n"


async def test_the_charsets_of_mail_are_those_of_search(client: Client) -> None:
    text = "grüße".encode("iso-8859-1")
    answer = await client.ok(b"SEARCH CHARSET ISO-8859-1 SUBJECT {%d}\r\n%b" % (len(text), text))
    assert answer == b"* SEARCH 1\r\n"


async def test_an_unknown_charset_is_refused_with_those_we_know(client: Client) -> None:
    answer = await client.command("SEARCH CHARSET X-OURS TEXT fox")
    assert b" NO [BADCHARSET (UTF-8 US-ASCII)] " in answer


async def test_uid_search_tells_uids(place: Place) -> None:
    await place.put(ONE, TWO, THREE)
    client = await place.selected()
    await client.ok("STORE 1 +FLAGS (\\Deleted)")
    await client.ok("EXPUNGE")
    assert await client.ok("SEARCH ALL") == b"* SEARCH 1 2\r\n"
    assert await client.ok("UID SEARCH ALL") == b"* SEARCH 2 3\r\n"
    assert await client.ok("UID SEARCH 1 UID 2:3") == b"* SEARCH 2\r\n"
    assert await client.ok("UID SEARCH RETURN (ALL) 1:2") == (
        b'* ESEARCH (TAG "a7") UID ALL 2:3\r\n'
    )


@pytest.mark.parametrize(
    ("options", "keys", "items"),
    [
        ("", "ALL", b" ALL 1:3"),
        ("MIN", "ALL", b" MIN 1"),
        ("MIN MAX", "NOT 2", b" MIN 1 MAX 3"),
        ("COUNT ALL", "NOT 2", b" ALL 1,3 COUNT 2"),
        ("MIN MAX ALL COUNT", "ANSWERED", b" COUNT 0"),
        ("ALL", "ANSWERED", b""),
    ],
)
async def test_return_options_answer_by_esearch(
    client: Client, options: str, keys: str, items: bytes
) -> None:
    answer = await client.ok(f"SEARCH RETURN ({options}) {keys}")
    assert answer == b'* ESEARCH (TAG "a2")' + items + b"\r\n"


async def test_rev2_answers_by_esearch_unasked(place: Place) -> None:
    await place.put(ONE, TWO)
    client = await place.selected(rev2=True)
    assert await client.ok("SEARCH ALL") == b'* ESEARCH (TAG "a3") ALL 1:2\r\n'
    assert await client.ok("UID SEARCH SEEN") == b'* ESEARCH (TAG "a4") UID\r\n'


async def test_a_saved_result_is_used_and_follows_the_mailbox(client: Client) -> None:
    assert await client.ok("SEARCH RETURN (SAVE) NOT 2") == b""
    assert await found(client, "$") == [1, 3]
    assert await found(client, "UID $ UNDELETED") == [1]
    assert re.findall(rb"\* (\d) ", await client.ok("FETCH $ FLAGS")) == [b"1", b"3"]
    await client.ok("EXPUNGE")
    assert re.findall(rb"\* (\d) ", await client.ok("FETCH $ FLAGS")) == [b"1"]
    await client.ok("SEARCH RETURN (SAVE MAX) ALL")
    assert await found(client, "$") == [2]
    await client.ok("SEARCH RETURN (SAVE MIN MAX) ALL")
    assert await found(client, "$") == [1, 2]
    await client.ok("SEARCH RETURN (SAVE MIN COUNT) ALL")
    assert await found(client, "$") == [1, 2]
    await client.ok("SEARCH RETURN (SAVE) ANSWERED")
    assert await found(client, "$") == []
    assert await client.ok("FETCH $ FLAGS") == b""


async def test_messages_gone_are_not_found(place: Place) -> None:
    await place.put(ONE, TWO, THREE)
    client, other = await place.selected(), await place.selected()
    await other.ok("STORE 2 +FLAGS (\\Deleted)")
    await other.ok("EXPUNGE")
    assert await client.ok("SEARCH TEXT e") == b"* SEARCH 1 3\r\n"
    # The number of a message that is gone stays, and finds nothing.
    assert await client.ok("SEARCH ALL") == b"* SEARCH 1 3\r\n"
    assert await client.ok("SEARCH 2") == b"* SEARCH\r\n"
    assert await client.ok("SEARCH 3") == b"* SEARCH 3\r\n"
    assert b"* 2 EXPUNGE" in await client.ok("NOOP")
    assert await client.ok("SEARCH ALL") == b"* SEARCH 1 2\r\n"


async def test_modseq_is_found_and_told(place: Place) -> None:
    await place.put(ONE, TWO)
    client = await place.selected()
    state = place.store.mailboxes
    box = await state.find(place.actor, place.where, "INBOX")
    await state.store_flags(place.actor, place.where, box.id, [2], FlagChange("add", Flag.SEEN))
    modseq = (await place.store.index.snapshot(place.actor, place.where, box.id)).modseqs[1]
    await client.ok("NOOP")
    answer = await client.ok(f"SEARCH MODSEQ {modseq}")
    assert answer == b"* SEARCH 2 (MODSEQ %d)\r\n" % modseq
    assert await client.ok(f"SEARCH MODSEQ {modseq + 1}") == b"* SEARCH\r\n"


async def test_identifiers_are_found(client: Client) -> None:
    answer = await client.ok("FETCH 2 (EMAILID THREADID)")
    match = re.search(rb"EMAILID \((\w+)\) THREADID \((\w+)\)", answer)
    assert match is not None
    assert await found(client, f"EMAILID {match[1].decode()}") == [2]
    assert await found(client, f"THREADID {match[2].decode()}") == [2]
    assert await found(client, "EMAILID M0") == []


async def test_an_empty_mailbox_answers(place: Place) -> None:
    client = await place.selected()
    for keys in ("ALL", "1:*", "TEXT x", "NOT TEXT x", "UID *", "LARGER 1"):
        assert await found(client, keys) == []


@pytest.mark.parametrize("packed", [False, True])
async def test_the_index_answers_as_the_octets_do(
    place: Place, client: Client, packed: bool
) -> None:
    texts = MessageTexts(place.store.door, place.store.blobs)
    for message in await texts.unindexed(system_actor(), None, 100, 1 << 20):
        assert message.octets is not None
        await texts.write(system_actor(), [Indexed(message.message, texts_of(message.octets))])
    assert not await texts.unindexed(system_actor(), None, 100, 1 << 20)
    if packed:
        assert place.where.inbox is not None
        loose = await texts.unpacked(system_actor(), [place.where.inbox], 3, 1 << 20)
        assert loose is not None
        assert await texts.pack(system_actor(), loose.messages, finished(pack_of(loose.texts))) == 3
    for keys, expected in KEYS:
        assert await found(client, keys) == expected, keys


async def test_a_message_in_two_places_is_found_in_both(place: Place, client: Client) -> None:
    await client.ok("COPY 1 INBOX")
    await client.ok("NOOP")
    assert await found(client, "TEXT fox") == [1, 4]
    assert await found(client, "2:4 FROM alice") == [4]
    assert await found(client, "NOT TEXT fox") == [2, 3]
