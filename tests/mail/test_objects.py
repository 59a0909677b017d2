"""Reading a bucket: S3 as moto's server speaks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import trio
from moto.server import ThreadedMotoServer

from agentpost.errors import Overloaded
from agentpost.limits import InboundLimits
from agentpost.mail.aws import Access, Client, open_client
from agentpost.mail.objects import ObjectGone, ObjectTooLarge, S3Source, StoredObject, source_of

BUCKET = "mail-of-test-objects"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with open_client("s3", Access("us-east-1", endpoint)) as client:
        await client.ask("create_bucket", Bucket=BUCKET)
        yield client
        listed = await client.ask("list_objects_v2", Bucket=BUCKET)
        for one in listed.get("Contents", ()):
            await client.ask("delete_object", Bucket=BUCKET, Key=one["Key"])
        await client.ask("delete_bucket", Bucket=BUCKET)


@pytest.fixture
async def source(bucket: Client, endpoint: str) -> AsyncIterator[S3Source]:
    async with trio.open_nursery() as nursery:
        made = source_of(f"s3://{BUCKET}/in/", Access("us-east-1", endpoint))
        for task in made.beside():
            nursery.start_soon(task)
        yield made
        nursery.cancel_scope.cancel()


async def put(bucket: Client, key: str, octets: bytes = b"x") -> None:
    await bucket.ask("put_object", Bucket=BUCKET, Key=key, Body=octets)


async def test_objects_come_in_pages_behind_the_prefix(bucket: Client, source: S3Source) -> None:
    names = ["in/AMAZON_SES_SETUP_NOTIFICATION", "in/", *(f"in/m{n}" for n in range(5)), "out/m9"]
    for name in names:
        await put(bucket, name)
    found: list[StoredObject] = []
    key = ""
    while page := await source.after(key, 2):
        found += page
        key = page[-1].key
    assert [one.key for one in found] == [f"in/m{n}" for n in range(5)]
    assert [one.mail_id for one in found] == [f"m{n}" for n in range(5)]
    assert found[0].size == 1
    assert found[0].put_at.tzinfo is not None


async def test_octets_come_as_they_are(bucket: Client, source: S3Source) -> None:
    octets = bytes(range(256)) * 5_000
    await put(bucket, "in/m", octets)
    assert await source.get("in/m", len(octets)) == octets
    with pytest.raises(ObjectTooLarge):
        await source.get("in/m", len(octets) - 1)


async def test_an_object_is_deleted_once_or_twice(bucket: Client, source: S3Source) -> None:
    await put(bucket, "in/m")
    await source.delete("in/m")
    await source.delete("in/m")
    with pytest.raises(ObjectGone):
        await source.get("in/m", 10)
    assert await source.after("", 10) == []


def test_what_a_notification_may_name() -> None:
    source = source_of(f"s3://{BUCKET}/in/", Access())
    assert source.holds(BUCKET, "in/m")
    assert not source.holds(BUCKET, "other/m")
    assert not source.holds("another", "in/m")
    assert not source.holds(None, "in/m")
    for url in ("http://bucket/x", "s3://", "s3:///x", "s3://UPPER/x"):
        with pytest.raises(ValueError, match="s3://bucket/prefix"):
            source_of(url, Access())


async def test_a_bucket_that_is_not_there_or_does_not_answer(endpoint: str, bucket: Client) -> None:
    for url, at in ((f"s3://{BUCKET}-none", endpoint), (f"s3://{BUCKET}", "http://127.0.0.1:9")):
        async with trio.open_nursery() as nursery:
            source = source_of(url, Access("us-east-1", at))
            for task in source.beside():
                nursery.start_soon(task)
            with pytest.raises(Overloaded):
                await source.after("", 1)
            with pytest.raises(Overloaded):
                await source.get("in/m", 1)
            nursery.cancel_scope.cancel()


async def test_a_source_that_is_not_open_yet_is_waited_for_a_while() -> None:
    source = source_of("s3://bucket", Access("us-east-1"), InboundLimits(object_s=0.01))
    with pytest.raises(Overloaded):
        await source.after("", 1)
