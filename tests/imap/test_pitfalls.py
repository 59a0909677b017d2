"""What mail servers get wrong again and again, each seen in one or more of them.

What one connection shows is in the transcripts; here is what takes several sessions at once.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import trio

from agentpost.mail.policy import make_policy
from agentpost.mail.submission import Submission, SubmissionSettings
from agentpost.model.envelope import Envelope, ForwardPath
from agentpost.model.mailbox import Flag, FlagChange
from tests.imap.harness import Client, Place
from tests.imap.serving import Serving, Talker, serving

LETTER = b"From: %b\r\nTo: %b\r\nSubject: %b\r\nMessage-ID: <%b@x>\r\n\r\nhi\r\n"


def letter(name: bytes, sender: str = "someone@shared.test") -> bytes:
    return LETTER % (sender.encode(), sender.encode(), name, name)


def submission(place: Place) -> Submission:
    return Submission(
        place.store.messages,
        place.store.directory,
        place.desk.logins,
        make_policy(place.store, frozenset({"shared.test"})),
        place.store.approvals,
        SubmissionSettings({"enterprise": None}),
    )


async def send_to_self(place: Place, octets: bytes) -> None:
    """As a mail program does over SMTP."""
    address = str(place.actor.address)
    sender = replace(place.actor, source="smtp")
    await submission(place).submit(sender, Envelope(address, (ForwardPath(address),)), octets)


async def idling(
    running: Serving, place: Place, mailbox: str = "INBOX", *, rev2: bool = False
) -> Talker:
    client = await running.logged_in(str(place.actor.address), place.password)
    if rev2:
        await client.ok("ENABLE IMAP4rev2")
    await client.ok(f"SELECT {mailbox}")
    await client.send(b"i IDLE\r\n")
    assert (await client.response()).startswith(b"+")
    return client


# Identity of messages


async def test_no_uid_is_given_twice_under_one_name(place: Place) -> None:
    client = place.client()
    seen: set[tuple[bytes, bytes]] = set()
    for step in (
        "CREATE box", "DELETE box", "CREATE box", "RENAME box other", "CREATE box",
        "DELETE box", "RENAME other box", "DELETE box", "CREATE box/child", "DELETE box",
        "CREATE box",
    ):  # fmt: skip
        await client.ok(step)
        answer = await client.command(b"APPEND box {5+}\r\nA: b\n")
        placed = re.search(rb"APPENDUID ([0-9]+) ([0-9]+)", answer)
        if placed is None:
            assert b"TRYCREATE" in answer
            continue
        found = placed[1], placed[2]
        assert found not in seen
        seen.add(found)
    validities = [int(validity) for validity, _ in seen]
    assert len(seen) >= 5
    assert max(validities) < 2**32


async def test_uids_of_what_is_gone_do_not_come_back(place: Place) -> None:
    uids = await place.put(letter(b"a"), letter(b"b"))
    client = await place.selected()
    await client.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    await client.ok("EXPUNGE")
    assert await place.put(letter(b"c")) == [uids[-1] + 1]


# Several sessions on one mailbox


async def test_recent_is_shown_to_one_session_only(place: Place) -> None:
    await place.put(*[letter(b"%d" % n) for n in range(5)])
    clients = [place.client() for _ in range(8)]
    answers: list[bytes] = []

    async def select(client: Client) -> None:
        answers.append(await client.ok("SELECT INBOX"))

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(select, client)
    counts = [int(number) for each in answers for number in re.findall(rb"(\d+) RECENT", each)]
    assert sorted(counts) == [0] * 7 + [5]

    await place.put(letter(b"late"), letter(b"later"))

    async def look(client: Client) -> None:
        answers.append(await client.ok("NOOP"))
        answers.append(await client.ok("FETCH 6:7 FLAGS"))

    answers.clear()
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(look, client)
    assert sum(each.count(b"\\Recent") for each in answers) == 2


async def test_recent_is_nothing_to_imap4rev2_and_stays_for_others(place: Place) -> None:
    await place.put(letter(b"a"))
    modern = place.client()
    await modern.ok("ENABLE IMAP4rev2")
    assert b"RECENT" not in await modern.ok("SELECT INBOX")
    assert b"Recent" not in await modern.ok("FETCH 1 FLAGS")
    assert b"* ESEARCH" in await modern.ok("SEARCH ALL")
    old = place.client()
    assert b"* 1 RECENT" in await old.ok("SELECT INBOX")
    assert b"* SEARCH 1\r\n" in await old.ok("SEARCH ALL")


async def test_expunges_are_told_only_where_numbers_may_move(place: Place) -> None:
    await place.put(*[letter(b"%d" % n) for n in range(6)])
    one, other = await place.selected(), await place.selected()
    await other.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    await one.ok("NOOP")
    await other.ok("EXPUNGE")
    for command in (
        "FETCH 3 UID", "STORE 3 +FLAGS (\\Seen)", "STORE 3 -FLAGS.SILENT (\\Seen)", "SEARCH ALL",
        "COPY 3 Archive",
    ):  # fmt: skip
        assert b"EXPUNGE" not in await one.ok(command)
    assert b"* 3 FETCH (UID 3)" in await one.ok("FETCH 3 UID")
    assert b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n" in await one.ok("UID SEARCH ALL")
    assert b"* 1 FETCH (UID 3)" in await one.ok("FETCH 1 UID")


async def test_modseqs_rise_whoever_changes_what(place: Place) -> None:
    uids = await place.put(*[letter(b"%d" % n) for n in range(4)])
    box = await place.store.mailboxes.find(place.actor, place.where, "INBOX")

    async def change(uid: int, flag: Flag) -> None:
        for mode in ("add", "remove"):
            await place.store.mailboxes.store_flags(
                place.actor,
                place.where,
                box.id,
                [uid],
                FlagChange(mode, flag),
            )

    first = await place.store.index.snapshot(place.actor, place.where, box.id)
    seen: list[int] = []
    stop = trio.Event()

    async def watch() -> None:
        while not stop.is_set():
            snapshot = await place.store.index.snapshot(place.actor, place.where, box.id)
            assert max(snapshot.modseqs) <= snapshot.modseq
            seen.append(snapshot.modseq)
            await trio.sleep(0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        async with trio.open_nursery() as writers:
            for uid in uids:
                for flag in (Flag.SEEN, Flag.FLAGGED):
                    writers.start_soon(change, uid, flag)
        stop.set()
    last = await place.store.index.snapshot(place.actor, place.where, box.id)
    assert all(low <= high for low, high in pairwise(seen))
    assert last.modseq == first.modseq + 16
    assert len(set(last.modseqs)) == 4


async def test_a_new_keyword_is_announced_before_it_is_shown_in_the_case_first_seen(
    place: Place,
) -> None:
    await place.put(letter(b"a"), letter(b"b"))
    one, other = await place.selected(), await place.selected()
    await one.ok("STORE 1 +FLAGS (ToDo)")
    answer = await other.ok("FETCH 1 FLAGS")
    answer += await other.ok("NOOP")
    announced = answer.index(b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft ToDo)")
    assert b"PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft ToDo \\*)" in answer
    shown = re.search(rb"FETCH \([^\r]*ToDo", answer)
    assert shown is not None
    assert announced < shown.start()
    assert b"FLAGS (\\Recent ToDo)" in await one.ok("STORE 2 +FLAGS (todo)")
    assert b"* FLAGS" not in await other.ok("NOOP")


async def test_appended_mail_has_no_keywords_of_ours(place: Place) -> None:
    client = await place.selected()
    await client.ok(b"APPEND INBOX {12+}\r\nSubject: x\r\n")
    assert b"(FLAGS (\\Recent))" in await client.ok("FETCH 1 FLAGS")


async def test_copies_keep_date_flags_and_keywords(place: Place) -> None:
    client = await place.selected()
    octets = letter(b"a")
    await client.ok(
        b'APPEND INBOX (\\Flagged Kept) "17-Jul-1996 02:44:25 -0730" {%d+}\r\n%b'
        % (len(octets), octets)
    )
    await client.ok("COPY 1 Archive")
    await client.ok("MOVE 1 Trash")
    for mailbox in ("Archive", "Trash"):
        await client.ok(f"EXAMINE {mailbox}")
        answer = await client.ok("FETCH 1 (INTERNALDATE FLAGS)")
        assert b'"17-Jul-1996 02:44:25 -0730"' in answer
        assert b"\\Flagged" in answer
        assert b"Kept" in answer


# Sent


async def test_a_client_that_files_its_copy_after_sending_finds_one_in_sent(place: Place) -> None:
    octets = letter(b"sent", str(place.actor.address))
    await send_to_self(place, octets)
    client = await place.selected("Sent")
    first = await client.command(b"APPEND Sent (\\Seen) {%d+}\r\n%b" % (len(octets), octets))
    assert b"APPENDUID" in first
    assert b"* 1 EXISTS" not in first
    assert b"* 1 FETCH (FLAGS (\\Seen" in await client.ok("FETCH 1 FLAGS")
    # Elsewhere it is a message like any other, and so is one that was never sent.
    await client.ok(b"APPEND Archive {%d+}\r\n%b" % (len(octets), octets))
    other = letter(b"never-sent")
    assert b"* 2 EXISTS" in await client.ok(b"APPEND Sent {%d+}\r\n%b" % (len(other), other))


# IDLE


async def test_idle_hears_of_every_way_a_mailbox_changes(place: Place) -> None:
    await place.put(letter(b"there"))
    async with serving(place.desk) as running:
        client = await idling(running, place)
        other = await place.selected()
        with trio.fail_after(5):
            await other.ok("STORE 1 +FLAGS (\\Flagged)")
            assert b"\\Flagged" in await client.response()
            await other.ok(b"APPEND INBOX {12+}\r\nSubject: x\r\n")
            assert await client.response() == b"* 2 EXISTS\r\n"
            await send_to_self(place, letter(b"mail", str(place.actor.address)))
            while await client.response() != b"* 3 EXISTS\r\n":
                pass
            await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            await other.ok("EXPUNGE")
            while await client.response() != b"* 1 EXPUNGE\r\n":
                pass


async def test_a_thousand_watchers_of_one_mailbox_cost_one_look(place: Place) -> None:
    async with serving(replace(place.desk, limits=replace(
        place.desk.limits, connections_per_inbox=100))) as running:  # fmt: skip
        clients = [await idling(running, place) for _ in range(40)]
        started = place.store.database
        asked = 0
        run = type(started).run

        async def counted(self: object, *args: object, **named: object) -> object:
            nonlocal asked
            asked += 1
            return await run(self, *args, **named)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(started), "run", counted)
            await place.put(letter(b"news"))
            for client in clients:
                while await client.response() != b"* 1 EXISTS\r\n":
                    pass
        # Finding the mailbox, the message, one look at the index, one claim of \Recent, and what
        # a second wake-up may add; not forty of anything.
        assert asked <= 8


async def test_one_of_those_that_idle_together_is_given_recent(place: Place) -> None:
    async with serving(place.desk) as running:
        # The first to be roused may not show \\Recent, the others may.
        modern = await idling(running, place, rev2=True)
        clients = [await idling(running, place) for _ in range(3)]
        with trio.fail_after(10):
            for count in (1, 2):
                await place.put(letter(b"news"))
                for client in (modern, *clients):
                    while await client.response() != b"* %d EXISTS\r\n" % count:
                        pass
            await modern.send(b"DONE\r\n")
            assert not any(b"RECENT" in line for line in await modern.until(b"i"))
            shown = []
            for client in clients:
                await client.send(b"DONE\r\n")
                await client.until(b"i")
                shown += await client.ok("FETCH 1:* FLAGS")
        assert sum(b"\\Recent" in line for line in shown) == 2


async def test_all_who_idle_in_a_mailbox_hear_that_it_is_gone(place: Place) -> None:
    async with serving(place.desk) as running:
        other = await place.selected()
        await other.ok("CREATE gone")
        clients = [await idling(running, place, "gone") for _ in range(3)]
        await other.ok("DELETE gone")
        with trio.fail_after(10):
            for client in clients:
                assert (await client.response()).startswith(b"* BYE")


# Clients that do not read


async def test_a_client_that_does_not_read_holds_up_nobody(place: Place) -> None:
    await place.put(*[b"Subject: b\r\n\r\n" + (b"y" * 998 + b"\r\n") * 500] * 8)
    async with serving(place.desk) as running:
        client = await running.logged_in(str(place.actor.address), place.password)
        await client.ok("SELECT INBOX")
        client.server.room = 100_000
        await client.send(b"a FETCH 1:* BODY.PEEK[]\r\n")
        await trio.sleep(0.05)
        other = await place.selected()
        with trio.fail_after(5):
            await other.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            await other.ok("EXPUNGE")
            await place.put(letter(b"after"))
        assert sum(client.server.writes) < 8 * 1024 * 1024
        client.server.abort()
        await client.ended.wait()
        assert running.server.open == 0


# Names


@pytest.mark.parametrize(
    "name",
    [
        b'"&"', b'"&AGE-"', b'"&2D0-"', b'"&AC8-"', b'"&Jjo"', b'"&Jjo-&Jjo-"',
        b'"\xff\xfe"', b'"a\x00b"', b"{3+}\r\na\x00b", b'"a\r"', b"{2+}\r\n\xc3(",
    ],
)  # fmt: skip
async def test_a_name_that_is_no_name_is_refused_everywhere(name: bytes, place: Place) -> None:
    client = place.client()
    for command in (b"SELECT", b"CREATE", b"DELETE", b"SUBSCRIBE", b"RENAME INBOX", b'LIST ""'):
        answer = await client.command(command + b" " + name)
        assert b" BAD " in answer or b" NO " in answer, answer
    assert b"INBOX" in await client.ok('LIST "" *')


async def test_only_ascii_letters_make_inbox(place: Place) -> None:
    client = place.client()
    await client.ok("ENABLE UTF8=ACCEPT")
    assert b"NONEXISTENT" in await client.command('SELECT "ıNBOX"')
    assert b"NONEXISTENT" in await client.command('SELECT "INBOX "')
    await client.ok('SELECT "iNbOx"')


async def test_every_attribute_is_told_without_being_asked_for(place: Place) -> None:
    answer = await place.client().ok('LIST "" *')
    for name in (b"\\Sent", b"\\Drafts", b"\\Trash", b"\\Junk", b"\\Archive"):
        assert name in answer


# Limits


async def test_many_sessions_open_one_mailbox_and_leave(place: Place) -> None:
    async with serving(place.desk) as running:
        async with trio.open_nursery() as nursery:
            for _ in range(60):
                nursery.start_soon(_visit, running, place)
        assert running.server.open == 0
    assert place.desk.connections == {}


async def _visit(running: Serving, place: Place) -> None:
    client = await running.logged_in(str(place.actor.address), place.password)
    await client.ok("SELECT INBOX")
    await client.ok("LOGOUT")
    await client.ended.wait()
