"""Files handed in before their messages, and links that need no key (R6, R8; API.md, Attachments)."""

from __future__ import annotations

import base64
import hashlib
import logging
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from agentpost import clock
from agentpost.errors import Limit
from agentpost.ids import new_id
from agentpost.limits import FileLimits, MessageLimits
from agentpost.mail.attaching import Attaching
from agentpost.model.upload import NewUpload
from agentpost.store.blobs import location_of
from agentpost.store.store import Door
from agentpost.store.uploads import Uploads
from tests.http.resources.conftest import Answer, Api, Caller, Tenant, deliver, letter
from tests.http.resources.test_contents import FILES

PDF = b"%PDF-1.4 " + bytes(range(256)) * 8
FORM = "multipart/form-data; boundary=XyZ"


def path_of(url: str) -> str:
    """The path of one of our own links."""
    base = "http://127.0.0.1:8080"
    assert url.startswith(base + "/files/")
    return url.removeprefix(base)


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form of parts, each with the rest of its Content-Disposition line and further fields."""
    made = b"".join(
        b"--XyZ\r\nContent-Disposition: form-data; "
        + head.encode()
        + b"\r\n\r\n"
        + octets
        + b"\r\n"
        for head, octets in parts
    )
    return made + b"--XyZ--\r\n"


async def announce(caller: Caller, octets: bytes = PDF, **more: Any) -> dict[str, Any]:
    body = {"filename": "q.pdf", "mime_type": "application/pdf", "size": len(octets), **more}
    answer = await caller("POST", "/attachments/upload-url", body)
    assert answer.status == 201, answer.octets
    made: dict[str, Any] = answer.json
    return made


async def put(caller: Caller, made: dict[str, Any], octets: bytes = PDF) -> Answer:
    fields = {name.lower().replace("-", "_"): value for name, value in made["headers"].items()}
    return await caller("PUT", path_of(made["upload_url"]), octets, **fields)


async def upload(api: Api, tenant: Tenant, octets: bytes = PDF, **more: Any) -> str:
    made = await announce(tenant.call, octets, **more)
    assert (await put(api.stranger(), made, octets)).status == 200
    return str(made["key"])


async def files_of(tenant: Tenant, message: str) -> list[tuple[str | None, str, bytes]]:
    """Name, type and octets of the files in a message."""
    found = []
    for file in (await tenant.call("GET", f"/messages/{message}")).json["attachments"]:
        path = f"/messages/{message}/attachments/{file['id']}/content"
        octets = (await tenant.call("GET", path)).octets
        found.append((file["filename"], file["mime_type"], octets))
    return found


async def test_a_file_is_announced_put_without_a_key_and_sent(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    made = await announce(acme.call, sha256=hashlib.sha256(PDF).hexdigest())
    assert made["headers"] == {"Content-Type": "application/pdf"}
    assert made["key"].startswith("upl_")
    received = await put(api.stranger(), made)
    assert (received.status, received.json["key"]) == (200, made["key"])
    sent = await acme.call(
        "POST",
        f"/inboxes/{inbox.id}/messages",
        {
            "to": "ada@elsewhere.example",
            "subject": "Files",
            "attachments": [
                {"key": made["key"]},
                {"key": made["key"], "filename": "again.bin", "mime_type": "x/y"},
                {"content": base64.b64encode(b"hi").decode(), "filename": "hi.txt"},
            ],
        },
    )
    assert sent.status == 202, sent.octets
    assert await files_of(acme, sent.json["id"]) == [
        ("q.pdf", "application/pdf", PDF),
        ("again.bin", "x/y", PDF),
        ("hi.txt", "text/plain", b"hi"),
    ]


async def test_a_form_uploads_in_one_step(acme: Tenant) -> None:
    body = form(
        ('name="file"; filename="Bericht \u00e4.pdf"\r\nContent-Type: application/pdf', PDF)
    )
    made = await acme.call("POST", "/attachments", body, content_type=FORM)
    assert made.status == 201, made.octets
    assert (made.json["filename"], made.json["mime_type"], made.json["size"]) == (
        "Bericht \u00e4.pdf",
        "application/pdf",
        len(PDF),
    )
    inbox = await acme.inbox()
    draft = await acme.call(
        "POST", f"/inboxes/{inbox.id}/drafts", {"attachments": [{"key": made.json["key"]}]}
    )
    assert draft.status == 201, draft.octets
    changed = await acme.call(
        "PATCH", f"/drafts/{draft.json['id']}", {"add_attachments": [{"key": made.json["key"]}]}
    )
    assert [file["size"] for file in changed.json["attachments"]] == [len(PDF)] * 2


async def test_fields_beside_the_file(acme: Tenant) -> None:
    fields = (
        ('name="filename"', b"other.csv"),
        ('name="sha256"', hashlib.sha256(PDF).hexdigest().encode()),
    )
    body = form(*fields, ('name="file"; filename="x.pdf"', PDF))
    made = await acme.call("POST", "/attachments", body, content_type=FORM)
    assert (made.json["filename"], made.json["mime_type"]) == ("other.csv", "text/csv")
    body = form(('name="sha256"', b"0" * 64), ('name="file"', PDF))
    wrong = await acme.call("POST", "/attachments", body, content_type=FORM)
    assert (wrong.status, wrong.code) == (422, "validation_failed")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XyZ--\r\n",
        form(('name="file"', b"x"))[:-9],
        form(('name="other"', b"x")),
        form(('name="file"', b"x"), ('name="file"', b"y")),
        form(('name="file"; filename="a\x01b"', b"x")),
        form(('name="file"\r\nContent-Type: text/html <script>', b"x"), ('name="sha256"', b"q")),
        form(('name="file"\r\nContent-Transfer-Encoding: base64', b"eA==")),
        form(*[('name="filename"', b"x")] * 17),
    ],
)
async def test_a_form_that_is_none_is_refused(acme: Tenant, body: bytes) -> None:
    answer = await acme.call("POST", "/attachments", body, content_type=FORM)
    assert (answer.status, answer.code) == (422, "validation_failed"), answer.octets


async def test_only_the_announced_file_is_taken(api: Api, acme: Tenant) -> None:
    stranger = api.stranger()
    made = await announce(acme.call, sha256=hashlib.sha256(PDF).hexdigest())
    for octets in (PDF[:-1], PDF[:-1] + b"x", b""):
        refused = await put(stranger, made, octets)
        assert (refused.status, refused.code) == (422, "validation_failed")
    # One octet more is refused before it is read.
    assert (await put(stranger, made, PDF + b"x")).status == 413
    inbox = await acme.inbox()
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": made["key"]}]}
    early = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
    assert (early.status, early.paths) == (422, ["attachments[0].key"])
    assert (await put(stranger, made)).status == 200
    assert (await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)).status == 202


async def test_a_file_that_lies_there_changed_is_not_sent(
    api: Api, acme: Tenant, tmp_path: Path
) -> None:
    """Whoever may write to the store by himself cannot slip another file into a message."""
    inbox = await acme.inbox()
    key = await upload(api, acme, sha256=hashlib.sha256(PDF).hexdigest())
    file = tmp_path / "blobs" / location_of(key)
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": key}]}
    for octets in (PDF + b"x" * 100_000, b"x" * len(PDF)):
        file.write_bytes(octets)
        answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
        assert (answer.status, answer.paths) == (422, ["attachments[0].key"])


async def test_a_file_too_large_for_a_message_is_refused_at_once(api: Api, acme: Tenant) -> None:
    body = {"filename": "x", "size": 9_000_000}
    answer = await acme.call("POST", "/attachments/upload-url", body)
    assert (answer.status, answer.code) == (413, "too_large")
    # Each of them fits, and all of them do not.
    inbox = await acme.inbox()
    key = await upload(api, acme, b"x" * 4_000_000)
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": key}, {"key": key}]}
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    "body",
    [
        {"filename": "", "size": 1},
        {"filename": "a\r\nb", "size": 1},
        {"filename": "a", "size": -1},
        {"filename": "a", "size": 1, "mime_type": "text"},
        {"filename": "a", "size": 1, "mime_type": "text/html\r\nX: y"},
        {"filename": "a", "size": 1, "sha256": "abc"},
        {"size": 1},
        {"filename": "a"},
    ],
)
async def test_what_is_announced_is_checked(acme: Tenant, body: dict[str, object]) -> None:
    answer = await acme.call("POST", "/attachments/upload-url", body)
    assert (answer.status, answer.code) == (422, "validation_failed")


async def test_a_key_means_nothing_in_another_environment(
    api: Api, acme: Tenant, globex: Tenant
) -> None:
    key = await upload(api, acme)
    second, _ = await acme.store.environments.create(acme.actor, "Second")
    there = await acme.caller("messages:send", "inboxes:write", environments=(second.id,))
    made = await there("POST", "/inboxes", {"username": "there"})
    theirs = await globex.inbox("theirs")
    nowhere = new_id("upl")
    told = set()
    for caller, inbox, named in (
        (there, made.json["id"], key),
        (globex.call, theirs.id, key),
        (globex.call, theirs.id, nowhere),
        (globex.call, theirs.id, "../../etc/passwd"),
    ):
        send = {"to": "ada@elsewhere.example", "attachments": [{"key": named}]}
        answer = await caller("POST", f"/inboxes/{inbox}/messages", send)
        assert (answer.status, answer.paths) == (422, ["attachments[0].key"])
        told.add(answer.json["message"])
    assert len(told) == 1  # It is not told which of them exist elsewhere.


async def test_sending_by_key_needs_no_right_to_upload(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    key = await upload(api, acme)
    sender = await acme.caller("messages:send")
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": key}], "dry_run": True}
    answer = await sender("POST", f"/inboxes/{inbox.id}/messages", send)
    assert (answer.status, answer.json["status"]) == (200, "dry_run")
    assert answer.json["size"] > len(PDF)
    assert (await sender("POST", "/attachments/upload-url", {})).status == 403


async def test_answers_carry_uploaded_files(api: Api, acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox())
    key = await upload(api, acme)
    for how, extra in (("reply", {}), ("forward", {"to": "x@elsewhere.example"})):
        body = {"text_body": "Here.", "attachments": [{"key": key}], **extra}
        sent = await acme.call("POST", f"/messages/{placed.message}/{how}", body)
        assert sent.status == 202, sent.octets
        assert (await files_of(acme, sent.json["id"]))[-1] == ("q.pdf", "application/pdf", PDF)


@pytest.mark.parametrize("file", [{}, {"filename": "x"}, {"key": "k", "content": "eA=="}])
async def test_a_file_is_named_in_one_way(acme: Tenant, file: dict[str, str]) -> None:
    inbox = await acme.inbox()
    send = {"to": "ada@elsewhere.example", "attachments": [file]}
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
    assert (answer.status, answer.paths) == (422, ["attachments[0]"])


async def test_a_key_ends_after_a_day(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    made = await announce(acme.call)
    assert (await put(api.stranger(), made)).status == 200
    await acme.store.database.run(
        "*", lambda c: c.execute("UPDATE uploads SET expires_at = now() - interval '1 second'")
    )
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": made["key"]}]}
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/messages", send)
    assert (answer.status, answer.paths) == (422, ["attachments[0].key"])
    assert (await put(api.stranger(), made)).status == 404


async def test_a_repeated_request_needs_its_files_no_longer(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    key = await upload(api, acme)
    send = {"to": "ada@elsewhere.example", "attachments": [{"key": key}]}
    path = f"/inboxes/{inbox.id}/messages"
    first = await acme.call("POST", path, send, idempotency_key="once")
    await acme.store.database.run("*", lambda c: c.execute("DELETE FROM uploads"))
    again = await acme.call("POST", path, send, idempotency_key="once")
    assert (again.status, again.json) == (202, first.json)


async def test_files_that_wait_are_bounded(acme: Tenant) -> None:
    limits = FileLimits(waiting=2, waiting_octets=100)
    uploads = Uploads(Door(acme.store.database, lambda _: None), limits)
    attaching = Attaching(uploads, acme.store.blobs, MessageLimits(), limits)
    for size, fits in ((60, True), (60, False), (40, True), (0, False)):
        with nullcontext() if fits else pytest.raises(Limit):
            await attaching.announce(acme.actor, NewUpload("x", "text/plain", size))


async def test_the_messages_octets_by_link(api: Api, acme: Tenant) -> None:
    """R8: secure, time-limited access."""
    octets = letter(text="x" * 300_000)
    for content in (letter(), octets):
        placed = await deliver(acme.store, await acme.inbox(new_id("x").lower()[4:]), content)
        answer = await acme.call("GET", f"/messages/{placed.message}/raw?presigned=true")
        assert answer.status == 200
        assert (answer.json["mime_type"], answer.json["size"]) == ("message/rfc822", len(content))
        path = path_of(answer.json["url"])
        stranger = api.stranger()
        got = await stranger("GET", path)
        assert (got.status, got.octets) == (200, content)
        assert got.fields["content-disposition"].startswith("attachment;")
        assert got.fields["x-content-type-options"] == "nosniff"
        assert got.fields["cache-control"] == "private, no-store"
        assert got.fields["referrer-policy"] == "no-referrer"
        part = await stranger("GET", path, range="bytes=3-9")
        assert (part.status, part.octets) == (206, content[3:10])
        head = await stranger("HEAD", path)
        assert (head.status, head.fields["content-length"]) == (200, str(len(content)))


async def test_an_attachment_by_link(api: Api, acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox(), FILES)
    base = f"/messages/{placed.message}/attachments"
    pdf = (await acme.call("GET", base)).json["data"][0]
    answer = await acme.call("GET", f"{base}/{pdf['id']}/content?presigned=true")
    assert answer.json | {"url": "", "expires_at": ""} == {
        "url": "",
        "expires_at": "",
        "filename": pdf["filename"],
        "mime_type": "application/pdf",
        "size": 8,
    }
    got = await api.stranger()("GET", path_of(answer.json["url"]))
    assert (got.status, got.octets) == (200, b"%PDF-1.4")
    assert "sandbox" in got.fields["content-security-policy"]


async def test_a_link_opens_one_thing_for_a_while(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R8: expired, damaged and misused links are refused, each in words of its own."""
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox)
    answer = await acme.call("GET", f"/messages/{placed.message}/raw?presigned=true")
    path = path_of(answer.json["url"])
    stranger = api.stranger()
    damaged = path[:-1] + ("A" if path[-1] != "A" else "B")
    for wrong in (damaged, "/files/x", path + "x", path[:40]):
        refused = await stranger("GET", wrong)
        assert (refused.status, refused.code) == (403, "link_invalid")
    put_there = await stranger("PUT", path, b"x", content_type="text/plain")
    assert (put_there.status, put_there.code) == (403, "link_invalid")
    made = await announce(acme.call)
    got_there = await stranger("GET", path_of(made["upload_url"]))
    assert (got_there.status, got_there.code) == (403, "link_invalid")
    later = clock.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    for method, ended in (("GET", path), ("PUT", path_of(made["upload_url"]))):
        refused = await stranger(method, ended, b"x" if method == "PUT" else None)
        assert (refused.status, refused.code) == (403, "link_expired")


async def test_a_link_to_what_is_gone_finds_nothing(api: Api, acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox())
    answer = await acme.call("GET", f"/messages/{placed.message}/raw?presigned=true")
    await acme.call("DELETE", f"/messages/{placed.message}?permanent=true")
    gone = await api.stranger()("GET", path_of(answer.json["url"]))
    assert (gone.status, gone.code) == (404, "not_found")


async def test_no_link_is_written_into_the_log(
    api: Api, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    placed = await deliver(acme.store, await acme.inbox())
    answer = await acme.call("GET", f"/messages/{placed.message}/raw?presigned=true")
    token = answer.json["url"].rpartition("/")[2]
    caplog.set_level(logging.DEBUG, "agentpost.http")
    stranger = api.stranger()
    for method in ("GET", "DELETE", "OPTIONS"):
        await stranger(method, f"/files/{token}")
    await stranger("GET", f"/files/{token}/")
    assert [r.path for r in caplog.records if hasattr(r, "path")] == ["/files/..."] * 4
    assert token[:40] not in str([record.__dict__ for record in caplog.records])


async def test_a_stranger_cannot_make_the_server_read_a_body(api: Api) -> None:
    """The link is looked at before the body: a wrong one is refused with megabytes unread."""
    head = b"PUT /files/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    with trio.fail_after(5):
        async with await trio.open_tcp_stream("127.0.0.1", api.port) as stream:
            await stream.send_all(head)
            answer = await stream.receive_some(65_536)
    assert answer.startswith(b"HTTP/1.1 403 ")
