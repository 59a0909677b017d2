"""Files that a letter names by URL: fetched once, from the public internet only (API.md, Messages)."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.http.resources.conftest import Api, Tenant, running

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


class Site(BaseHTTPRequestHandler):
    """Files, and what is none."""

    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        kind = self.path.partition("?")[0].rpartition("/")[2]
        if kind == "moved":
            self.send_response(302)
            self.send_header("location", "/a%20report.pdf")
            self.end_headers()
            return
        octets = b"x" * 11_000_000 if kind == "large" else PDF
        self.send_response(404 if kind == "gone" else 200)
        self.send_header("content-type", "application/pdf; charset=x")
        # A server that promises more than it gives has given nothing.
        self.send_header("content-length", str(len(octets) + (kind == "torn")))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server on this machine, and what it is asked for."""
    asked: list[str] = []
    handler = type("Asked", (Site,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture
async def near(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An API that may fetch from this machine."""
    async with running(database_url, tmp_path, webhook_allow=("127.0.0.1/32",)) as api:
        yield api


async def _send(tenant: Tenant, *files: dict[str, Any]) -> Any:
    inbox = await tenant.inbox()
    body = {"to": inbox.address, "subject": "s", "text_body": "t", "attachments": list(files)}
    return await tenant.call("POST", f"/inboxes/{inbox.id}/messages", body)


async def test_files_come_from_their_urls(near: Api, site: tuple[str, list[str]]) -> None:
    tenant = await near.tenant("acme")
    url, asked = site
    sent = await _send(
        tenant,
        {"url": f"{url}/a%20report.pdf?x=1"},
        {"url": f"{url}/b", "filename": "own.bin", "mime_type": "application/zip"},
        {"content": "aGk=", "filename": "hi.txt"},
    )
    assert sent.status == 202, sent.json
    files = (await tenant.call("GET", f"/messages/{sent.json['id']}/attachments")).json["data"]
    assert [(one["filename"], one["mime_type"]) for one in files] == [
        ("a report.pdf", "application/pdf"),
        ("own.bin", "application/zip"),
        ("hi.txt", "text/plain"),
    ]
    path = f"/messages/{sent.json['id']}/attachments/{files[0]['id']}/content"
    assert (await tenant.call("GET", path)).octets == PDF
    assert asked == ["/a%20report.pdf?x=1", "/b"]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/gone", "404"),
        ("/moved", "302"),
        ("/large", "more than fits"),
        ("/torn", "gives no file"),
        (":1/x", "must have the port"),
    ],
)
async def test_what_is_no_file_is_named(
    near: Api, site: tuple[str, list[str]], path: str, word: str
) -> None:
    tenant = await near.tenant("acme")
    base = site[0] if path.startswith("/") else "http://127.0.0.1"
    refused = await _send(tenant, {"url": base + path})
    assert (refused.status, refused.code) == (422, "validation_failed"), refused.json
    (error,) = refused.json["errors"]
    assert error["path"] == "attachments[0].url"
    assert word in error["message"]


async def test_the_machine_itself_is_out_of_reach(api: Api, site: tuple[str, list[str]]) -> None:
    tenant = await api.tenant("acme")
    url, asked = site
    for where in (url, "http://[::1]/x", "http://169.254.169.254/x", "file:///etc/passwd", "x"):
        refused = await _send(tenant, {"url": where})
        assert refused.status == 422, where
        assert refused.json["errors"][0]["path"] == "attachments[0].url"
    assert asked == []


async def test_one_place_and_few_urls(near: Api, site: tuple[str, list[str]]) -> None:
    tenant = await near.tenant("acme")
    url, asked = site
    both = await _send(tenant, {"url": url, "content": "aGk="})
    assert both.json["errors"][0]["path"] == "attachments[0]"
    many = await _send(tenant, *[{"url": f"{url}/{n}"} for n in range(11)])
    assert many.status == 422
    assert asked == []


async def test_nothing_is_fetched_for_who_may_not_send(
    near: Api, site: tuple[str, list[str]]
) -> None:
    tenant, other = await near.tenant("acme"), await near.tenant("globex")
    url, asked = site
    first = await _send(tenant, {"content": "aGk="})
    body = {"text_body": "x", "attachments": [{"url": url}]}
    path = f"/messages/{first.json['id']}/reply"
    assert (await other.call("POST", path, body)).status == 404
    reader = await tenant.caller("messages:read")
    assert (await reader("POST", path, body)).status == 403
    assert asked == []
    assert (await tenant.call("POST", path, body)).status == 202
    assert asked == ["/"]


async def test_a_repetition_fetches_nothing(near: Api, site: tuple[str, list[str]]) -> None:
    tenant = await near.tenant("acme")
    inbox = await tenant.inbox()
    url, asked = site
    body = {"to": inbox.address, "text_body": "t", "attachments": [{"url": f"{url}/x"}]}
    for _ in range(2):
        path = f"/inboxes/{inbox.id}/messages"
        sent = await tenant.call("POST", path, body, **{"idempotency-key": "k1"})
        assert sent.status == 202
    assert asked == ["/x"]
