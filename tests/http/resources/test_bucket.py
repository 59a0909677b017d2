"""Files and large messages in a bucket, from the announcement to the download (R6, R8)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from agentpost.jobs.sweep import SweepWork
from agentpost.limits import SweepLimits
from agentpost.store.blobs import BlobsAt
from agentpost.store.sweeps import Sweeps
from tests.http.resources.conftest import Api, Tenant, deliver, letter, running
from tests.http.resources.test_attachments import announce, files_of, path_of, put
from tests.http.resources.test_exports import run as run_exports
from tests.store.bucket import AWS_VARIABLES, bucket

FILE = os.urandom(1_000_000)


@pytest.fixture(scope="module")
def s3() -> Iterator[BlobsAt]:
    with bucket() as place:
        yield place


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def api(database_url: str, tmp_path: Path, s3: BlobsAt) -> AsyncIterator[Api]:
    async with running(database_url, tmp_path, s3) as started:
        yield started


async def test_a_file_goes_past_the_server_into_the_bucket_and_into_a_message(
    api: Api, acme: Tenant, s3: BlobsAt
) -> None:
    inbox = await acme.inbox()
    made = await announce(acme.call, FILE)
    assert made["upload_url"].startswith(f"{s3.endpoint_url}/mail-test/some/where/")
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": made["key"]}]}
    early = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
    assert (early.status, early.paths) == (422, ["attachments[0].key"])
    async with httpx2.AsyncClient() as stranger:
        answer = await stranger.put(made["upload_url"], content=FILE, headers=made["headers"])
        answer.raise_for_status()
        sent = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
        assert sent.status == 202, sent.octets
        assert await files_of(acme, sent.json["id"]) == [("q.pdf", "application/pdf", FILE)]
        # R8: the message itself by a link to the bucket.
        raw = await acme.call("GET", f"/messages/{sent.json['id']}/raw")
        link = await acme.call("GET", f"/messages/{sent.json['id']}/raw?presigned=true")
        assert link.json["url"].startswith(str(s3.endpoint_url))
        got = await stranger.get(link.json["url"])
        assert got.content == raw.octets
        assert got.headers["content-disposition"].startswith("attachment;")


async def test_small_messages_and_files_are_given_by_the_server(api: Api, acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox(), letter())
    link = await acme.call("GET", f"/messages/{placed.message}/raw?presigned=true")
    assert (await api.stranger()("GET", path_of(link.json["url"]))).status == 200


async def test_without_direct_links_everything_goes_by_the_server(
    database_url: str, tmp_path: Path, s3: BlobsAt
) -> None:
    async with running(database_url, tmp_path, replace(s3, direct_links=False)) as api:
        acme = await api.tenant("acme")
        inbox = await acme.inbox()
        made = await announce(acme.call, FILE)
        assert (await put(api.stranger(), made, FILE)).status == 200
        send = {"to": "ada@elsewhere.example", "attachments": [{"key": made["key"]}]}
        sent = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
        assert sent.status == 202, sent.octets
        link = await acme.call("GET", f"/messages/{sent.json['id']}/raw?presigned=true")
        raw = await acme.call("GET", f"/messages/{sent.json['id']}/raw")
        got = await api.stranger()("GET", path_of(link.json["url"]))
        assert got.octets == raw.octets
        part = await api.stranger()("GET", path_of(link.json["url"]), range="bytes=500000-500009")
        assert (part.status, part.octets) == (206, raw.octets[500_000:500_010])


async def test_the_sweep_removes_objects_of_what_has_ended(api: Api, acme: Tenant) -> None:
    store, inbox = acme.store, await acme.inbox()
    placed = await deliver(store, inbox, letter(text="x" * 300_000))
    kept = await deliver(store, inbox, letter(text="y" * 300_000))
    made = await announce(acme.call, b"x")
    async with httpx2.AsyncClient() as stranger:
        await stranger.put(made["upload_url"], content=b"x", headers=made["headers"])
    await acme.call("DELETE", f"/messages/{placed.message}?permanent=true")
    await store.database.run(
        "*", lambda c: c.execute("UPDATE uploads SET expires_at = now() - interval '2 hours'")
    )
    sweep = SweepWork(Sweeps(store.door, store.blobs), SweepLimits(orphan_hours=-1))
    await sweep.run(None)  # type: ignore[arg-type]
    left = await store.blobs.older_than(timedelta(hours=-1))
    location = await store.database.run("*", lambda c: c.value("SELECT location FROM blobs"))
    assert left.locations == (location,)
    assert (await acme.call("GET", f"/messages/{kept.message}/raw")).status == 200


async def test_an_outage_is_a_503_and_nothing_is_kept(database_url: str, tmp_path: Path) -> None:
    nobody = BlobsAt(bucket="mail-test", endpoint_url="http://127.0.0.1:1")
    async with running(database_url, tmp_path, nobody) as api:
        acme = await api.tenant("acme")
        inbox = await acme.inbox()
        body = {"to": "ada@elsewhere.example", "text_body": "x" * 300_000}
        answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", body)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert "retry-after" in answer.fields
        assert (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"] == []


async def test_an_export_is_fetched_from_the_bucket(acme: Tenant, s3: BlobsAt) -> None:
    """R7."""
    inbox = await acme.inbox()
    large = letter(text="x" * 900_000)
    for octets in (large, letter()):
        await deliver(acme.store, inbox, octets)
    made = await acme.call("POST", "/exports", {"kind": "jsonl"})
    await run_exports(acme)
    shown = (await acme.call("GET", f"/exports/{made.json['id']}")).json
    assert shown["download"]["url"].startswith(f"{s3.endpoint_url}/mail-test/some/where/")
    async with httpx2.AsyncClient() as stranger:
        got = await stranger.get(shown["download"]["url"])
    assert len(got.content) == shown["size"]
    assert hashlib.sha256(got.content).hexdigest() == shown["sha256"]
    assert got.headers["content-type"] == "application/x-ndjson"
    assert shown["download"]["filename"] in got.headers["content-disposition"]
