"""The look into the bucket: what no notification told of is there within a minute, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from agentpost import clock
from agentpost.jobs.inbound import InboundWork
from agentpost.jobs.runner import Runner
from agentpost.limits import InboundLimits
from agentpost.model.job import Again, Job
from agentpost.store.jobs import Jobs
from tests.receiving import PREFIX, Post, in_bucket, letter, received, receiving

JOB = Job(1, "inbound", {}, 1, None, clock.now())
DAY = timedelta(days=1)


@pytest.fixture
async def post(database_url: str, tmp_path: Path) -> AsyncIterator[Post]:
    async with receiving(database_url, tmp_path) as post:
        yield post


def work(post: Post, *, keep_days: int = 7, notified: bool = True, **limits: Any) -> InboundWork:
    assert post.receiving.source is post.bucket
    return InboundWork(
        post.bucket,
        post.receiving.mails,
        post.receiving.inbound,
        keep_days=keep_days,
        notified=notified,
        limits=InboundLimits(**limits),
    )


async def look(post: Post, **options: Any) -> Again:
    verdict = await work(post, **options).run(JOB)
    assert isinstance(verdict, Again)
    assert verdict.delay_s == 30.0
    return verdict


async def test_a_thousand_mails_of_a_day_away_come_once_within_a_minute(post: Post) -> None:
    """HOUSE 5.10: SNS has long given up; the server starts, and everything is there."""
    for number in range(1_000):
        content = letter(post.inbox.address, str(number))
        post.bucket.put(f"mail{number:04d}", content, DAY - timedelta(seconds=number))
    runner = Runner(Jobs(post.store.door), [work(post, page_objects=300)])
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: runner.run(stopping=stopping))
        with trio.fail_after(60):
            while await post.value("SELECT count(*) FROM messages") < 1_000:
                await trio.sleep(0.1)
        stopping.set()
    # And again, as a second server, or this one after a crash.
    await look(post)
    assert await post.value("SELECT count(DISTINCT rfc_message_id) FROM messages") == 1_000
    assert await post.value("SELECT count(*) FROM messages") == 1_000
    assert await post.value("SELECT count(*) FROM events WHERE type = 'message.received'") == 1_000


async def test_what_a_notification_brought_is_not_taken_in_again(post: Post) -> None:
    first = post.bucket.put("first", letter(post.inbox.address, "1"))
    await post.hear(in_bucket(post.inbox.address, key=first))
    post.bucket.put("second", letter(post.inbox.address, "2"))
    await post.hear(received(post.inbox.address, name="second", content=letter("x@y.z", "2")))
    post.bucket.fetched.clear()
    await look(post)
    assert post.bucket.fetched == []
    assert len(await post.mails()) == 2


async def test_a_rule_may_name_its_objects_as_it_likes(post: Post) -> None:
    key = post.bucket.put("another-name", letter(post.inbox.address))
    said = in_bucket(post.inbox.address, key=key)
    said["mail"]["messageId"] = "mail1"
    await post.hear(said)
    await look(post)
    assert len(await post.mails()) == 1


async def test_a_fresh_object_is_left_to_its_notification(post: Post) -> None:
    post.bucket.put("mail1", letter(post.inbox.address), timedelta(seconds=5))
    await look(post)
    assert await post.mails() == []
    await look(post, notified=False)
    assert len(await post.mails()) == 1


async def test_a_late_notification_brings_who_was_missing(post: Post) -> None:
    """The object names neither blind copies nor, for sure, anyone but one recipient."""
    other = await post.another("sales")
    key = post.bucket.put("mail1", letter(post.inbox.address))
    await look(post)
    await post.hear(in_bucket(post.inbox.address, other.address, key=key))
    assert [mail["inbox_id"] for mail in await post.mails()] == [post.inbox.id, other.id]


async def test_whom_the_header_names_gets_it_too(post: Post) -> None:
    other = await post.another("sales")
    content = letter(post.inbox.address).replace(
        b"\r\nTo: ", f"\r\nCc: {other.address}\r\nTo: ".encode()
    )
    post.bucket.put("mail1", content)
    await look(post)
    assert {mail["inbox_id"] for mail in await post.mails()} == {post.inbox.id, other.id}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_copies_of_one_message_to_each_recipient_are_not_doubled(
    post: Post, order: tuple[int, ...]
) -> None:
    """A sender that gives every recipient a mail of his own, each with both in its header."""
    other = await post.another("sales")
    both = f"{post.inbox.address}, {other.address}".encode()
    for number in order:
        to = (post.inbox.address, other.address)[number]
        header, _, body = letter(to).partition(b"\r\nTo: ")
        content = header + b"\r\nTo: " + both + b"\r\n" + body.partition(b"\r\n")[2]
        post.bucket.put(f"mail{number}", content)
        await look(post)
    assert sorted(mail["inbox_id"] for mail in await post.mails()) == sorted(
        [post.inbox.id, other.id]
    )


async def test_the_same_message_sent_twice_on_purpose_comes_twice(post: Post) -> None:
    """Both were for this inbox for sure."""
    for number in range(2):
        post.bucket.put(f"mail{number}", letter(post.inbox.address))
    await look(post)
    assert len(await post.mails()) == 2


async def test_verdicts_in_the_object_count(post: Post) -> None:
    header, _, rest = letter(post.inbox.address).partition(b"\r\nFrom: ")
    content = header + b"\r\nX-SES-Spam-Verdict: FAIL\r\nFrom: " + rest
    post.bucket.put("mail1", content)
    await look(post)
    assert [mail["folder"] for mail in await post.mails()] == ["Junk"]


async def test_a_bad_object_keeps_no_other(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.bucket.put("bad", letter(post.inbox.address, "bad"))
    post.bucket.put("good", letter(post.inbox.address, "good"))
    get = post.bucket.get

    async def broken(key: str, most: int) -> bytes:
        if key.endswith("bad"):
            raise RuntimeError("a fault of ours")
        return await get(key, most)

    monkeypatch.setattr(post.bucket, "get", broken)
    verdict = await look(post)
    assert verdict.error == "1 objects could not be taken in"
    assert len(await post.mails()) == 1
    monkeypatch.undo()
    assert (await look(post)).error is None
    assert len(await post.mails()) == 2


async def test_a_bucket_that_does_not_answer_is_asked_again_soon(post: Post) -> None:
    post.bucket.down = True
    assert (await look(post)).error is not None


async def test_mail_for_nobody_is_looked_at_once(post: Post) -> None:
    post.bucket.put("mail1", letter("nobody@shared.test"))
    await look(post)
    await look(post)
    assert post.bucket.fetched == [PREFIX + "mail1"]


async def test_what_was_taken_in_long_ago_is_deleted(post: Post) -> None:
    key = post.bucket.put("mail1", letter(post.inbox.address), 9 * DAY)
    await look(post)
    assert key in post.bucket.objects
    await post.execute("UPDATE inbound_mails SET created_at = now() - interval '8 days'")
    await look(post, keep_days=0)
    assert key in post.bucket.objects
    await look(post)
    assert key not in post.bucket.objects
    assert len(await post.mails()) == 1


async def test_what_could_not_be_delivered_stays_where_it_is(post: Post) -> None:
    hop = b"Received: from a by b; Sun, 8 Mar 2026 14:30:00 +0000\r\n"
    key = post.bucket.put("mail1", hop * 101 + letter(post.inbox.address), 9 * DAY)
    await look(post)
    await post.execute("UPDATE inbound_mails SET created_at = now() - interval '8 days'")
    await look(post)
    assert key in post.bucket.objects


async def test_what_is_older_than_our_memory_is_left_alone(post: Post) -> None:
    limits = InboundLimits()
    post.bucket.put(
        "mail1", letter(post.inbox.address), timedelta(days=limits.oldest_days, hours=1)
    )
    await look(post)
    assert await post.mails() == []
    assert post.bucket.fetched == []
