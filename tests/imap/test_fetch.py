"""FETCH over a store: every data item, its octets exactly (RFC 9051 section 6.4.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from agentpost.model.mailbox import Flag, InternalDate
from tests.imap.harness import Client, Place
from tests.mailgen.sized import sized

PLAIN = (
    b"Date: Sun, 08 Mar 2026 15:30:00 +0100\r\n"
    b"From: Alice <alice@example.com>\r\n"
    b"To: agent@shared.test\r\n"
    b"Subject: Hello\r\n"
    b"Message-ID: <one@example.com>\r\n"
    b"\r\n"
    b"Hello there.\r\nBye.\r\n"
)
NESTED = (
    b"From: bob@example.com\r\nSubject: Parts\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"preamble\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"AGhpAA==\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: Inner\r\nX-Percent: 100%\r\n\r\ninner text\r\n--b\r\n"
    b"Content-Transfer-Encoding: x-strange\r\n\r\nodd\r\n--b--\r\n"
)


async def shown(client: Client, command: str) -> bytes:
    """The one FETCH response of a command, without its frame."""
    answer = await client.ok(command)
    match = re.fullmatch(rb"\* 1 FETCH \((.*)\)\r\n", answer, re.DOTALL)
    assert match is not None, answer
    return match[1]


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


async def test_plain_items_come_from_the_index(place: Place) -> None:
    await place.put(PLAIN, flags=Flag.FLAGGED, keywords=("Work",))
    client = await place.selected()
    assert await shown(client, "FETCH 1 (UID FLAGS)") == b"UID 1 FLAGS (\\Flagged \\Recent Work)"
    assert await shown(client, "UID FETCH 1 FLAGS") == b"UID 1 FLAGS (\\Flagged \\Recent Work)"
    fast = b'FLAGS (\\Flagged \\Recent Work) INTERNALDATE " 8-Mar-2026 15:30:05 +0100" RFC822.SIZE '
    assert await shown(client, "FETCH 1 FAST") == fast + b"%d" % len(PLAIN)
    assert await shown(client, "UID FETCH 1:* RFC822.SIZE") == b"UID 1 RFC822.SIZE %d" % len(PLAIN)


async def test_macros_are_what_the_rfc_says(place: Place) -> None:
    await place.put(PLAIN)
    client = await place.selected()
    envelope = await shown(client, "FETCH 1 ENVELOPE")
    assert envelope.startswith(b'ENVELOPE ("Sun, 08 Mar 2026 15:30:00 +0100" "Hello" ')
    fast = await shown(client, "FETCH 1 FAST")
    assert await shown(client, "FETCH 1 ALL") == fast + b" " + envelope
    body = await shown(client, "FETCH 1 BODY")
    assert body == b'BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 20 2)'
    assert await shown(client, "FETCH 1 FULL") == fast + b" " + envelope + b" " + body
    structure = await shown(client, "FETCH 1 BODYSTRUCTURE")
    assert structure.endswith(b'"7bit" 20 2 NIL NIL NIL NIL)')


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("", NESTED),
        ("HEADER", NESTED[: NESTED.index(b"preamble")]),
        ("TEXT", NESTED[NESTED.index(b"preamble") :]),
        ("HEADER.FIELDS (subject X-None)", b"Subject: Parts\r\n\r\n"),
        ("1", b"AGhpAA=="),
        ("1.MIME", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
        ("2", b"Subject: Inner\r\nX-Percent: 100%\r\n\r\ninner text"),
        ("2.HEADER", b"Subject: Inner\r\nX-Percent: 100%\r\n\r\n"),
        ("2.HEADER.FIELDS.NOT (Subject)", b"X-Percent: 100%\r\n\r\n"),
        ('2.HEADER.FIELDS ("X-Percent%")', b"\r\n"),
        ("2.TEXT", b"inner text"),
        ("2.1", b"inner text"),
        ("4", None),
        ("1.HEADER", None),
    ],
)
async def test_sections_are_slices_of_the_message(
    place: Place, section: str, expected: bytes | None
) -> None:
    await place.put(NESTED)
    client = await place.selected()
    wanted = b"NIL" if expected is None else literal(expected)
    name = f"BODY[{section}]".encode()
    assert await shown(client, f"FETCH 1 BODY.PEEK[{section}]") == name + b" " + wanted
    wanted = b"NIL" if expected is None else literal(expected[3:8])
    assert await shown(client, f"FETCH 1 BODY.PEEK[{section}]<3.5>") == name + b"<3> " + wanted


async def test_a_range_beyond_the_end_is_empty(place: Place) -> None:
    await place.put(PLAIN)
    client = await place.selected()
    answer = await shown(client, "FETCH 1 BODY.PEEK[]<4294967295.4294967295>")
    assert answer == b"BODY[]<4294967295> {0}\r\n"


async def test_the_obsolete_items_keep_their_names(place: Place) -> None:
    await place.put(PLAIN, flags=Flag.SEEN)
    client = await place.selected()
    assert await shown(client, "FETCH 1 RFC822") == b"RFC822 " + literal(PLAIN)
    head, _, text = PLAIN.partition(b"\r\n\r\n")
    answer = await shown(client, "FETCH 1 (RFC822.HEADER RFC822.TEXT)")
    assert answer == (
        b"RFC822.HEADER " + literal(head + b"\r\n\r\n") + b" RFC822.TEXT " + literal(text)
    )


async def test_binary_takes_the_transfer_encoding_off(place: Place) -> None:
    await place.put(NESTED)
    client = await place.selected()
    assert await shown(client, "FETCH 1 BINARY.PEEK[1]") == b"BINARY[1] ~{4}\r\n\x00hi\x00"
    assert await shown(client, "FETCH 1 BINARY.PEEK[1]<1.2>") == b"BINARY[1]<1> {2}\r\nhi"
    assert await shown(client, "FETCH 1 BINARY.SIZE[1]") == b"BINARY.SIZE[1] 4"
    assert await shown(client, "FETCH 1 BINARY.PEEK[1]<1>") == b"BINARY[1]<1> ~{3}\r\nhi\x00"
    assert await shown(client, "FETCH 1 BINARY.PEEK[9]") == b"BINARY[9] NIL"
    head = NESTED.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    size = b"BINARY.SIZE[HEADER] %d" % len(head)
    assert await shown(client, "FETCH 1 BINARY.SIZE[HEADER]") == size
    answer = await client.command("FETCH 1 BINARY[3]")
    assert b"NO [UNKNOWN-CTE] " in answer
    assert b"* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n" in answer


async def test_a_body_sets_seen_and_tells_it(place: Place) -> None:
    await place.put(PLAIN, PLAIN.replace(b"one@", b"two@"), flags=Flag(0))
    await place.put(PLAIN.replace(b"one@", b"three@"), flags=Flag.SEEN)
    client, other = await place.selected(), await place.selected()
    answer = await client.ok("FETCH 1:3 BODY[]<0.1>")
    seen = b"* %d FETCH (FLAGS (\\Seen \\Recent) BODY[]<0> {1}\r\nD)\r\n"
    assert answer == seen % 1 + seen % 2 + b"* 3 FETCH (BODY[]<0> {1}\r\nD)\r\n"
    told = await other.ok("NOOP")
    assert told == b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
    assert b"FLAGS" not in await client.ok("FETCH 1 BODY[]")


async def test_reading_only_sets_nothing(place: Place) -> None:
    await place.put(PLAIN)
    client = place.client()
    await client.ok("EXAMINE INBOX")
    assert b"FLAGS" not in await client.ok("FETCH 1 BODY[]")
    reader = place.client(scopes=["messages:read"])
    await reader.ok("SELECT INBOX")
    assert b"FLAGS" not in await reader.ok("FETCH 1 BODY[]")
    assert await shown(client, "FETCH 1 FLAGS") == b"FLAGS (\\Recent)"


async def test_internal_dates_keep_their_zone(place: Place) -> None:
    for zone in (-570, 0, 60, 845):
        date = InternalDate(datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC), zone)
        await place.put(PLAIN.replace(b"one@", b"%d@" % abs(zone)), date=date)
    client = await place.selected()
    assert re.findall(rb'"(.*)"', await client.ok("FETCH 1:* INTERNALDATE")) == [
        b"29-Feb-2024 14:29:58 -0930",
        b"29-Feb-2024 23:59:58 +0000",
        b" 1-Mar-2024 00:59:58 +0100",
        b" 1-Mar-2024 14:04:58 +1405",
    ]


async def test_identifiers_preview_and_save_date(place: Place) -> None:
    await place.put(PLAIN)
    client = await place.selected()
    await client.ok("COPY 1 Archive")
    answer = await shown(client, "FETCH 1 (EMAILID THREADID)")
    assert re.fullmatch(rb"EMAILID \(M[0-9A-Z]{26}\) THREADID \(T[0-9A-Z]{26}\)", answer)
    assert await shown(client, "FETCH 1 PREVIEW") == b'PREVIEW "Hello there. Bye."'
    assert await shown(client, "FETCH 1 (PREVIEW (LAZY))") == b'PREVIEW "Hello there. Bye."'
    assert re.fullmatch(rb'SAVEDATE "[ 123][0-9]-\w{3}-\d{4} [0-9:]{8} \+0000"',
                        await shown(client, "FETCH 1 SAVEDATE"))  # fmt: skip
    copied = await place.selected("Archive")
    assert await shown(copied, "FETCH 1 (EMAILID THREADID)") == answer


async def test_messages_gone_are_passed_over(place: Place) -> None:
    await place.put(PLAIN, PLAIN.replace(b"one@", b"two@"), PLAIN.replace(b"one@", b"three@"))
    client, other = await place.selected(), await place.selected()
    await other.ok("STORE 2 +FLAGS (\\Deleted)")
    await other.ok("EXPUNGE")
    answer = await client.command("FETCH 1:3 (UID BODY.PEEK[]<0.1>)")
    line = b"* %d FETCH (UID %d BODY[]<0> {1}\r\nD)\r\n"
    assert answer.startswith(line % (1, 1) + line % (3, 3))
    assert b"OK [EXPUNGEISSUED]" in answer
    assert b"EXPUNGE\r\n" not in answer
    # Now it is a ghost: what the index remembered of it is still answered.
    answer = await client.ok("FETCH 1:3 (UID RFC822.SIZE)")
    assert re.findall(rb"\* (\d) FETCH \(UID (\d)", answer) == [
        (b"1",) * 2,
        (b"2",) * 2,
        (b"3",) * 2,
    ]
    answer = await client.ok("UID FETCH 1:3 (BODY.PEEK[]<0.1>)")
    assert answer.startswith(line % (1, 1) + line % (3, 3) + b"* 2 EXPUNGE\r\n")


async def test_long_headers_are_whole(place: Place) -> None:
    long = b"X-Long: " + b" ".join([b"x" * 60] * 400)
    message = long.replace(b" x", b"\r\n x") + b"\r\nSubject: late\r\n\r\nbody\r\n"
    await place.put(message, PLAIN)
    client = await place.selected()
    answer = await client.ok("FETCH 1:2 BODY.PEEK[HEADER.FIELDS (Subject)]")
    assert b"Subject: late\r\n\r\n" in answer
    assert b"Subject: Hello\r\n\r\n" in answer


async def test_large_messages_are_exact(place: Place) -> None:
    large, larger = sized(200_000, 1), sized(1_500_000, 2)
    await place.put(PLAIN, large, larger)
    client = await place.selected()
    answer = await client.ok("FETCH 1:3 (UID BODY.PEEK[] BODY.PEEK[TEXT])")
    line = b"* %d FETCH (UID %d BODY[] %b BODY[TEXT] %b)\r\n"
    assert answer == b"".join(
        line % (number, number, literal(octets), literal(octets.partition(b"\r\n\r\n")[2]))
        for number, octets in enumerate((PLAIN, large, larger), 1)
    )
    assert max(map(len, client.pieces)) <= 512 * 1024


async def test_many_messages_come_in_order_and_in_pieces(place: Place) -> None:
    messages = [sized(30_000, seed) for seed in range(40)]
    await place.put(*messages)
    client = await place.selected()
    answer = await client.ok("UID FETCH 1:* BODY.PEEK[]")
    expected = [
        b"* %d FETCH (UID %d BODY[] %b)\r\n" % (number, number, literal(octets))
        for number, octets in enumerate(messages, 1)
    ]
    assert answer == b"".join(expected)
    assert max(map(len, client.pieces)) <= 512 * 1024
    answer = await client.ok("FETCH 40,3:4,1 RFC822.SIZE")
    assert re.findall(rb"\* (\d+) ", answer) == [b"1", b"3", b"4", b"40"]


async def test_rev2_shows_no_recent(place: Place) -> None:
    await place.put(PLAIN)
    client = await place.selected(rev2=True)
    assert await shown(client, "FETCH 1 FLAGS") == b"FLAGS ()"
    assert await shown(client, "FETCH 1 (FLAGS RFC822.SIZE)") == b"FLAGS () RFC822.SIZE 164"


@pytest.mark.parametrize("items", ["NONSENSE", "(ALL)", "()", "BODY[", "BODY[MIME]", "FLAGS FLAGS"])
async def test_what_is_no_item_is_refused(place: Place, items: str) -> None:
    client = await place.selected()
    assert (await client.command(f"UID FETCH 1 {items}")).startswith(b"a2 BAD ")


async def test_ranges_of_a_message_are_read_as_such(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail programs read a large message in a hundred pieces: each costs what it is long."""
    large, small = sized(600_000), sized(3_000)
    await place.put(large, small)
    client = await place.selected()
    blobs = place.store.blobs
    asked: list[int] = []
    piece = blobs.piece

    async def counting(location: str, start: int, length: int) -> bytes:
        found = await piece(location, start, length)
        asked.append(len(found))
        return found

    async def never(location: str, most: int | None = None) -> bytes:
        raise AssertionError("the whole message was read")

    monkeypatch.setattr(blobs, "piece", counting)
    with monkeypatch.context() as patch:
        patch.setattr(blobs, "get", never)
        for start, length in ((0, 1), (5, 70_000), (599_990, 100), (2**40, 7), (9, 2**40)):
            answer = await client.ok(f"FETCH 1:2 (BODY.PEEK[]<{start}.{length}> UID)")
            for number, message in enumerate((large, small), 1):
                wanted = message[start : start + length]
                line = b"* %d FETCH (BODY[]<%d> {%d}\r\n" % (number, start, len(wanted))
                assert line + wanted + b" UID" in answer
        assert sum(asked) == sum(len(large[a : a + n]) for a, n in
                                 ((0, 1), (5, 70_000), (599_990, 100), (2**40, 7), (9, 2**40)))  # fmt: skip
    both = await client.ok("FETCH 1 (BODY.PEEK[]<1.2> BODY.PEEK[]<7.3> BODY.PEEK[HEADER])")
    assert b"BODY[]<1> {2}\r\n" + large[1:3] + b" BODY[]<7> {3}\r\n" + large[7:10] in both
    head = await client.ok("FETCH 1:2 (BODY.PEEK[]<1.2> BODY.PEEK[HEADER])")
    assert head.count(b"BODY[]<1> {2}") == head.count(b"BODY[HEADER] {") == 2
