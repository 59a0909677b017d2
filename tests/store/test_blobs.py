"""Stores of blobs: every kind keeps the same promises, and fails in one way (R6)."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from agentpost import clock
from agentpost.errors import Overloaded
from agentpost.ids import new_id
from agentpost.limits import BlobLimits
from agentpost.store.blobs import Blobs, BlobsAt, Offer, is_location, location_of, open_blobs
from agentpost.store.blobs_s3 import Body, Recent
from tests.store.bucket import AWS_VARIABLES, answer, bucket, obedient, refusal

OCTETS = os.urandom(100_000)
NONE = f"00/blob_{'0' * 26}"
HOUR = timedelta(hours=1)
QUICK = BlobLimits(operation_s=5.0, connect_s=2.0, read_s=2.0)
BUSY = refusal(503, "SlowDown")


@pytest.fixture(scope="module")
def s3() -> Iterator[BlobsAt]:
    with bucket() as place:
        yield place


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["disk", "s3", "s3 without memory"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, s3: BlobsAt
) -> AsyncIterator[Blobs]:
    place = BlobsAt(tmp_path / "blobs") if request.param == "disk" else s3
    limits = BlobLimits(page=3)
    if request.param == "s3 without memory":
        limits = replace(limits, cached_octets=0)
    async with open_blobs(place, limits) as opened:
        yield opened


async def test_what_was_put_is_given_whole_and_in_pieces(blobs: Blobs) -> None:
    location = await blobs.put(new_id("blob"), OCTETS)
    assert is_location(location)
    for _ in range(2):
        assert await blobs.size(location) == len(OCTETS)
        for start, length in (
            (0, 1),
            (5, 70_000),
            (99_990, 100),
            (100_000, 5),
            (200_000, 1),
            (3, 0),
        ):
            assert await blobs.piece(location, start, length) == OCTETS[start : start + length]
        assert await blobs.get(location, 10) == OCTETS[:10]
        assert await blobs.get(location, 1_000_000) == OCTETS
        assert await blobs.get(location) == OCTETS


async def test_what_is_not_there_is_told_as_such(blobs: Blobs) -> None:
    location = await blobs.put(new_id("blob"), OCTETS)
    assert await blobs.get(location) == OCTETS
    for _ in range(2):
        await blobs.remove(location)
    for gone in (location, NONE):
        with pytest.raises(FileNotFoundError):
            await blobs.get(gone)
        with pytest.raises(FileNotFoundError):
            await blobs.get(gone, 5)
        with pytest.raises(FileNotFoundError):
            await blobs.piece(gone, 0, 5)
        with pytest.raises(FileNotFoundError):
            await blobs.size(gone)


async def test_an_upload_may_be_put_again(blobs: Blobs) -> None:
    key = new_id("upl")
    for octets in (b"one", b"another", b""):
        location = await blobs.put(key, octets)
        assert await blobs.get(location, len(octets) + 1) == octets


async def test_old_ones_are_listed_page_by_page_and_young_ones_are_not(blobs: Blobs) -> None:
    mine = {await blobs.put(new_id(kind), b"x") for kind in ("blob", "upl") * 4}
    found: set[str] = set()
    after: str | None = None
    pages = 0
    while True:
        page = await blobs.older_than(timedelta(seconds=-5), after)
        assert not found & set(page.locations)
        found |= set(page.locations)
        pages += 1
        if (after := page.after) is None:
            break
    assert mine <= found
    assert pages > 1
    assert (await blobs.older_than(HOUR)).locations == ()


async def test_an_empty_store_lists_nothing(tmp_path: Path, s3: BlobsAt) -> None:
    for place in (BlobsAt(tmp_path / "none"), replace(s3, prefix="empty")):
        async with open_blobs(place) as blobs:
            page = await blobs.older_than(timedelta())
            assert (page.locations, page.after) == ((), None)


async def test_what_else_lies_in_the_bucket_is_left_alone(s3: BlobsAt) -> None:
    httpx2.put(f"{s3.endpoint_url}/mail-test/some/where/README", content=b"x").raise_for_status()
    async with open_blobs(s3) as blobs:
        page = await blobs.older_than(timedelta(seconds=-5))
        assert all(is_location(location) for location in page.locations)


async def test_a_download_link_gives_a_file_to_whoever_has_it(s3: BlobsAt) -> None:
    """R8."""
    async with open_blobs(s3) as blobs:
        location = await blobs.put(new_id("blob"), OCTETS)
        url = await blobs.download_url(
            location, "B\u00e4r.eml", "message/rfc822", clock.now() + HOUR
        )
    assert url is not None
    assert "X-Amz-Signature=" in url
    assert 3590 <= int(httpx2.URL(url).params["X-Amz-Expires"]) <= 3600
    got = httpx2.get(url)
    assert got.content == OCTETS
    assert got.headers["content-type"] == "message/rfc822"
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"B_r.eml\"; filename*=UTF-8''B%C3%A4r.eml"
    )


async def test_a_ticket_takes_the_offered_file(s3: BlobsAt) -> None:
    """R8: type, size and hash are part of what is signed."""
    location = location_of(new_id("upl"))
    offer = Offer("text/csv", len(OCTETS), hashlib.sha256(OCTETS).digest())
    async with open_blobs(s3) as blobs:
        ticket = await blobs.ticket(location, offer, clock.now() + HOUR)
        assert ticket is not None
        signed = httpx2.URL(ticket.url).params["X-Amz-SignedHeaders"].split(";")
        assert {"content-length", "content-type"} <= set(signed)
        assert ticket.url not in repr(ticket)
        httpx2.put(ticket.url, content=OCTETS, headers=dict(ticket.headers)).raise_for_status()
        assert await blobs.get(location) == OCTETS


async def test_a_bucket_that_clients_do_not_reach_makes_no_links(s3: BlobsAt) -> None:
    async with open_blobs(replace(s3, direct_links=False)) as blobs:
        assert await blobs.download_url(NONE, "x", "x/y", clock.now() + HOUR) is None
        assert await blobs.ticket(NONE, Offer("x/y", 1, None), clock.now() + HOUR) is None


async def test_a_busy_service_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    async with obedient(BUSY, refusal(500, "InternalError"), answer(200)) as told:
        async with open_blobs(told.place, QUICK) as blobs:
            await blobs.put(new_id("blob"), b"x")
        assert len(told.requests) == 3


async def test_an_answer_that_is_cut_is_asked_for_again() -> None:
    cut = answer(200, b"x" * 100)[:-50]
    async with obedient(cut, answer(200, b"y" * 100)) as told:
        async with open_blobs(told.place, QUICK) as blobs:
            assert await blobs.get(NONE) == b"y" * 100
        assert len(told.requests) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (404, "NoSuchBucket"),
        (405, "MethodNotAllowed"),
    ],
)
async def test_what_an_operator_must_mend_is_an_outage_with_its_code_in_the_log(
    caplog: pytest.LogCaptureFixture, status: int, code: str
) -> None:
    async with obedient(refusal(status, code)) as told:
        async with open_blobs(told.place, QUICK) as blobs:
            with pytest.raises(Overloaded):
                await blobs.put(new_id("blob"), b"x")
        assert len(told.requests) == 1
    assert f"{status} {code}" in caplog.text
    assert AWS_VARIABLES["AWS_SECRET_ACCESS_KEY"] not in caplog.text
    assert AWS_VARIABLES["AWS_ACCESS_KEY_ID"] not in caplog.text


async def test_repetitions_end(autojump_clock: trio.testing.MockClock) -> None:
    async with obedient(BUSY) as told, open_blobs(told.place, QUICK) as blobs:
        with pytest.raises(Overloaded):
            await blobs.get(NONE)
        assert len(told.requests) == QUICK.attempts


async def test_a_service_that_does_not_answer_is_given_up() -> None:
    limits = replace(QUICK, operation_s=0.3)
    async with obedient(hangs=True) as told, open_blobs(told.place, limits) as blobs:
        began = time.monotonic()
        with pytest.raises(Overloaded):
            await blobs.get(NONE)
        assert time.monotonic() - began < 5
        assert len(told.requests) == 1


async def test_no_service_at_all_is_an_outage() -> None:
    nobody = BlobsAt(bucket="mail-test", endpoint_url="http://127.0.0.1:1")
    async with open_blobs(nobody, replace(QUICK, attempts=2)) as blobs:
        with pytest.raises(Overloaded):
            await blobs.put(new_id("blob"), b"x")


async def test_a_directory_that_fails_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("no directory")
    async with open_blobs(BlobsAt(tmp_path / "blobs")) as blobs:
        with pytest.raises(Overloaded):
            await blobs.put(new_id("blob"), b"x")
        with pytest.raises(Overloaded):
            await blobs.get(NONE)


async def test_an_unusable_endpoint_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="ndpoint"):
        async with open_blobs(BlobsAt(bucket="mail-test", endpoint_url="nonsense")):
            pass


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 60)), max_size=60))
def test_memory_never_holds_more_than_it_may(steps: list[tuple[str, int]]) -> None:
    recent = Recent(100)
    held: dict[str, bytes] = {}
    for name, size in steps:
        octets = name.encode() * size
        recent.keep(name, octets)
        held[name] = octets
        kept = {each: recent.get(each) for each in held}
        assert all(found is None or found == held[each] for each, found in kept.items())
        assert sum(len(found) for found in kept.values() if found is not None) <= 100
        assert (recent.get(name) is not None) == (size <= 50)


def test_logs_of_the_client_stay_silent() -> None:
    assert logging.getLogger("botocore").getEffectiveLevel() >= logging.WARNING


@given(st.binary(max_size=2_000), st.integers(0, 300))
def test_a_body_leaves_in_few_pieces_whatever_its_lines(octets: bytes, times: int) -> None:
    """Line by line, as the client would, a megabyte of base64 took two seconds."""
    whole = octets * times
    pieces = list(Body(whole))
    assert b"".join(pieces) == whole
    assert len(pieces) <= len(whole) // 100_000 + 1


async def _in_pieces(octets: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


@pytest.mark.parametrize("size", [0, 1, 7_000_000])
async def test_what_is_written_piece_by_piece_is_there_as_one(
    tmp_path: Path, s3: BlobsAt, size: int
) -> None:
    octets = os.urandom(size)
    limits = BlobLimits(part_octets=5 * 1024 * 1024)
    for place in (BlobsAt(tmp_path), s3):
        async with open_blobs(place, limits) as blobs:
            location = await blobs.write(new_id("exf"), _in_pieces(octets, 300_000))
            assert is_location(location)
            assert await blobs.size(location) == size
            assert await blobs.get(location) == octets


async def test_a_writer_that_fails_leaves_nothing_under_the_name(blobs: Blobs) -> None:
    name = new_id("exf")

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(6 * 1024 * 1024)
        yield bytes(6 * 1024 * 1024)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await blobs.write(name, failing())
    with pytest.raises(FileNotFoundError):
        await blobs.size(location_of(name))
    # And another attempt is as good as the first.
    assert await blobs.get(await blobs.write(name, _in_pieces(OCTETS, 1_000))) == OCTETS


async def test_two_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    name = new_id("exf")
    first, second = bytes(500_000), b"x" * 500_000

    async def slowly(octets: bytes) -> AsyncIterator[bytes]:
        async for piece in _in_pieces(octets, 50_000):
            yield piece
            await trio.lowlevel.checkpoint()

    async with open_blobs(BlobsAt(tmp_path)) as blobs, trio.open_nursery() as nursery:
        nursery.start_soon(blobs.write, name, slowly(first))
        nursery.start_soon(blobs.write, name, slowly(second))
    async with open_blobs(BlobsAt(tmp_path)) as blobs:
        assert await blobs.get(location_of(name)) in (first, second)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
