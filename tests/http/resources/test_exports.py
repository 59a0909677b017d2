"""Exports over REST (R7): what is in the files, who may have them, and that they are made once."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tarfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentpost import clock
from agentpost.http.exported import exported_line
from agentpost.ids import new_id
from agentpost.jobs.export import ExportWork
from agentpost.limits import ExportLimits
from agentpost.mail.exporting import Exporting
from agentpost.mime import mbox
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Verdict
from agentpost.model.message import MessageChange
from agentpost.store.blobs import location_of
from agentpost.store.exports import Exports
from tests.http.resources.conftest import Api, Tenant, deliver, letter

SYSTEM = system_actor("test")
SMALL = ExportLimits(page=2, octets=300)


def work_of(tenant: Tenant, limits: ExportLimits = SMALL) -> ExportWork:
    store = tenant.store
    exports = Exports(store.door, limits)
    made = Exporting(exports, store.audit, store.blobs, exported_line, SYSTEM, limits)
    return ExportWork(exports, made, limits)


async def run(tenant: Tenant, limits: ExportLimits = SMALL, attempts: int = 1) -> list[Verdict]:
    """Run the export jobs that wait."""
    work = work_of(tenant, limits)
    jobs = await tenant.store.jobs.claim(SYSTEM, [("export", 10)], 60.0)
    verdicts = [await work.run(replace(job, attempts=attempts)) for job in jobs]
    await tenant.store.jobs.finish(SYSTEM, jobs)
    return verdicts


async def ask(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = await tenant.call("POST", "/exports", body)
    assert answer.status == 202, answer.octets
    shown: dict[str, Any] = answer.json
    return shown


async def fetched(tenant: Tenant, name: str) -> bytes:
    """The file of an export that is done, as whoever has its link gets it."""
    shown = (await tenant.call("GET", f"/exports/{name}")).json
    assert shown["status"] == "done", shown
    url = shown["download"]["url"]
    stranger = replace(tenant.call, key=None, _stream=None, _wire=None)
    tenant.callers.append(stranger)
    answer = await stranger("GET", "/files/" + url.partition("/files/")[2])
    assert answer.status == 200, answer.octets
    assert answer.fields["content-type"] == shown["download"]["mime_type"]
    assert shown["download"]["filename"] in answer.fields["content-disposition"]
    assert len(answer.octets) == shown["size"]
    assert hashlib.sha256(answer.octets).hexdigest() == shown["sha256"]
    return answer.octets


async def export(tenant: Tenant, **body: Any) -> bytes:
    name = (await ask(tenant, **body))["id"]
    assert await run(tenant) == [Done()]
    return await fetched(tenant, name)


def messages_in(file: bytes) -> list[bytes]:
    """What a reader of mboxrd finds."""
    parts = re.split(rb"^From [^\n]*\n", file, flags=re.MULTILINE)[1:]
    return [re.sub(rb"^>(>*From )", rb"\1", part[:-1], flags=re.MULTILINE) for part in parts]


LETTERS = [
    letter("one", text="From here\r\n>From there"),
    letter("two") + b"no line end",
    letter("three", text="x" * 700),
    b"Subject: eight \xff bit\n\nbare\nlines\n",
    letter("five"),
]


async def test_an_mbox_holds_every_octet_of_every_message(acme: Tenant) -> None:
    inbox = await acme.inbox()
    for each in LETTERS:
        await deliver(acme.store, inbox, each)
    waiting = await ask(acme, kind="mbox", inbox_id=inbox.address)
    assert (waiting["status"], waiting["done"], waiting["download"]) == ("pending", 0, None)
    assert waiting["inbox_id"] == inbox.id
    assert await run(acme) == [Done()]
    shown = (await acme.call("GET", f"/exports/{waiting['id']}")).json
    assert (shown["status"], shown["done"], shown["total"]) == ("done", 5, 5)
    assert messages_in(await fetched(acme, waiting["id"])) == LETTERS


async def test_the_large_and_the_small_are_exported_alike(acme: Tenant) -> None:
    inbox = await acme.inbox()
    large = letter("large", text="\r\n".join(["From me"] * 40_000))
    await deliver(acme.store, inbox, large)
    assert messages_in(await export(acme, kind="mbox")) == [large]


async def test_a_maildir_holds_folders_and_flags(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(acme.store, inbox, LETTERS[0])
    change = MessageChange(seen=True, flagged=True)
    await acme.store.messages.update(acme.actor, placed.message, change)
    await deliver(acme.store, inbox, LETTERS[1], role="sent")
    file = await export(acme, kind="maildir")
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(file)) as archive:
        for member in archive.getmembers():
            octets = archive.extractfile(member)
            if octets is not None:
                found[member.name] = octets.read()
    (first, second) = sorted(found, key=lambda name: "/.Sent/" in name)
    assert first.startswith(f"{inbox.address}/cur/")
    assert first.endswith(f"{placed.message},S={len(LETTERS[0])}:2,FS")
    assert second.startswith(f"{inbox.address}/.Sent/cur/")
    assert list(map(found.get, (first, second))) == LETTERS[:2]


async def test_jsonl_holds_what_the_api_shows_and_the_raw_message(acme: Tenant) -> None:
    inbox = await acme.inbox()
    for each in LETTERS:
        await deliver(acme.store, inbox, each)
    lines = [json.loads(line) for line in (await export(acme, kind="jsonl")).splitlines()]
    assert [base64.b64decode(line.pop("raw")) for line in lines] == LETTERS
    listed = (await acme.call("GET", f"/inboxes/{inbox.id}/messages?order=asc")).json["data"]
    assert lines == listed


async def test_the_audit_log_is_exported_as_it_is_told(acme: Tenant) -> None:
    await acme.inbox()
    file = await export(acme, kind="audit")
    listed = (await acme.call("GET", "/audit-log?order=asc&limit=100")).json["data"]
    assert [json.loads(line) for line in file.splitlines()] == listed
    assert [line["action"] for line in listed][-1] == "export.created"


async def test_filters_narrow_what_is_exported(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    await deliver(acme.store, inbox, LETTERS[0])
    await deliver(acme.store, inbox, LETTERS[1], role="sent")
    await deliver(acme.store, other, LETTERS[4])
    now, hour = clock.now(), timedelta(hours=1)
    past, coming = (now - hour).isoformat(), (now + hour).isoformat()
    three = [LETTERS[0], LETTERS[1], LETTERS[4]]
    cases: list[tuple[dict[str, Any], list[bytes]]] = [
        ({}, three),
        ({"inbox_id": other.id}, [LETTERS[4]]),
        ({"folder": "Sent"}, [LETTERS[1]]),
        ({"folder": "nowhere"}, []),
        ({"after": coming}, []),
        ({"before": past}, []),
        ({"after": past, "before": coming}, three),
    ]
    for body, expected in cases:
        found = messages_in(await export(acme, kind="mbox", **body))
        assert sorted(found) == sorted(expected), body


async def test_what_the_key_may_not_see_is_not_exported(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, LETTERS[0])
    await deliver(acme.store, inbox, LETTERS[1], role="trash")
    await deliver(acme.store, inbox, LETTERS[2], role="junk")
    for more, expected in (
        ((), LETTERS[:1]),
        (("trash:read",), LETTERS[:2]),
        (("spam:read", "trash:read"), LETTERS[:3]),
    ):
        caller = await acme.caller("exports:write", "messages:read", *more)
        name = (await caller("POST", "/exports", {"kind": "mbox"})).json["id"]
        await run(acme)
        assert messages_in(await fetched(acme, name)) == expected
    caller = await acme.caller("exports:write", "messages:read")
    refused = await caller("POST", "/exports", {"kind": "mbox", "folder": "Trash"})
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_an_export_needs_the_scope_of_what_is_in_it(acme: Tenant) -> None:
    limited = await acme.caller("exports:write", "audit:read")
    for kind, status in (("mbox", 403), ("audit", 202)):
        assert (await limited("POST", "/exports", {"kind": kind})).status == status
    await acme.inbox()
    name = (await ask(acme, kind="mbox"))["id"]
    await run(acme)
    shown = (await limited("GET", f"/exports/{name}")).json
    assert (shown["status"], shown["download"]) == ("done", None)


async def test_a_bound_key_exports_and_sees_what_it_is_bound_to(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    await deliver(acme.store, inbox, LETTERS[0])
    await deliver(acme.store, other, LETTERS[1])
    whole = (await ask(acme, kind="mbox"))["id"]
    bound = await acme.caller("exports:write", "messages:read", inboxes=(inbox.id,))
    own = (await bound("POST", "/exports", {"kind": "mbox"})).json["id"]
    await run(acme)
    assert messages_in(await fetched(acme, own)) == [LETTERS[0]]
    assert (await bound("GET", f"/exports/{whole}")).status == 404
    assert [one["id"] for one in (await bound("GET", "/exports")).json["data"]] == [own]
    listed = (await acme.call("GET", "/exports")).json["data"]
    assert [one["id"] for one in listed] == [own, whole]
    refused = await bound("POST", "/exports", {"kind": "mbox", "inbox_id": other.id})
    assert refused.status == 404


async def test_deleted_inboxes_are_exported_when_they_are_named(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, LETTERS[0])
    await acme.call("DELETE", f"/inboxes/{inbox.id}")
    assert messages_in(await export(acme, kind="mbox")) == []
    assert messages_in(await export(acme, kind="mbox", inbox_id=inbox.id)) == [LETTERS[0]]


async def test_the_same_client_id_is_the_same_export(acme: Tenant) -> None:
    first = await acme.call("POST", "/exports", {"kind": "mbox", "client_id": "nightly"})
    again = await acme.call("POST", "/exports", {"kind": "mbox", "client_id": "nightly"})
    assert (first.status, again.status) == (202, 200)
    assert first.json["id"] == again.json["id"]
    assert len(await run(acme)) == 1


async def test_what_makes_no_sense_is_refused(acme: Tenant) -> None:
    inbox = await acme.inbox()
    for body, path in (
        ({"kind": "zip"}, "kind"),
        ({"kind": "audit", "inbox_id": inbox.id}, "inbox_id"),
        ({"kind": "audit", "folder": "Sent"}, "folder"),
        ({"kind": "mbox", "after": "2026-03-08T14:30:00Z", "before": "2026-03-08T14:30:00Z"},
         "before"),
    ):  # fmt: skip
        answer = await acme.call("POST", "/exports", body)
        assert answer.status in (400, 422)
        assert answer.paths == [path]


async def test_few_exports_wait_at_a_time(acme: Tenant) -> None:
    for _ in range(ExportLimits().waiting):
        await ask(acme, kind="mbox")
    assert (await acme.call("POST", "/exports", {"kind": "mbox"})).code == "limit_reached"
    await run(acme)
    await ask(acme, kind="mbox")


async def test_a_killed_attempt_is_made_again_and_only_the_latest_counts(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, LETTERS[0])
    name = (await ask(acme, kind="mbox"))["id"]
    exports = acme.store.exports
    dead = await exports.begin(SYSTEM, name)
    assert dead is not None
    assert await run(acme) == [Done()]
    file = await fetched(acme, name)
    # The first worker was only slow: it comes to its end now, and nothing of it counts.
    assert not await exports.note(SYSTEM, dead, 1, 1)
    await exports.finish(SYSTEM, dead, 9, 9, bytes(32))
    assert await fetched(acme, name) == file
    assert await exports.begin(SYSTEM, name) is None


async def test_an_export_that_cannot_be_made_says_so(acme: Tenant, api: Api) -> None:
    inbox = await acme.inbox()
    large = letter("large", text="x" * 600_000)
    placed = await deliver(acme.store, inbox, large)
    name = (await ask(acme, kind="mbox"))["id"]
    stored = await acme.store.messages.octets(acme.actor, placed.message)
    assert stored.location is not None
    await acme.store.blobs.remove(stored.location)
    work = work_of(acme)
    (job,) = await acme.store.jobs.claim(SYSTEM, [("export", 10)], 60.0)
    with pytest.raises(FileNotFoundError):
        await work.run(job)
    last = await work.run(replace(job, attempts=SMALL.attempts))
    assert isinstance(last, GivenUp)
    shown = (await acme.call("GET", f"/exports/{name}")).json
    assert (shown["status"], shown["download"]) == ("failed", None)
    assert "log" in shown["error"]


async def test_a_file_has_a_bound(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, LETTERS[2])
    name = (await ask(acme, kind="mbox"))["id"]
    (verdict,) = await run(acme, replace(SMALL, max_octets=100))
    assert isinstance(verdict, GivenUp)
    assert "too large" in (await acme.call("GET", f"/exports/{name}")).json["error"]


async def test_a_job_without_an_export_ends(acme: Tenant) -> None:
    job = Job(1, "export", {"export_id": new_id("exp")}, 1, None, clock.now())
    assert await work_of(acme).run(job) == Done()
    assert isinstance(await work_of(acme).run(replace(job, payload={})), GivenUp)


async def test_a_link_opens_its_export_until_it_ends(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, LETTERS[0])
    name = (await ask(acme, kind="mbox"))["id"]
    await run(acme)
    url = (await acme.call("GET", f"/exports/{name}")).json["download"]["url"]
    path = "/files/" + url.partition("/files/")[2]
    part = await acme.call("GET", path, range="bytes=0-4")
    assert (part.status, part.octets) == (206, b"From ")
    await acme.store.database.run(
        "*", lambda c: c.execute("UPDATE exports SET expires_at = now() - interval '1 second'")
    )
    assert (await acme.call("GET", path)).status == 404
    assert (await acme.call("GET", f"/exports/{name}")).status == 404
    assert (await acme.call("GET", "/exports")).json["data"] == []


async def test_another_organization_learns_nothing(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    name = (await ask(acme, kind="mbox", client_id="same"))["id"]
    assert (await globex.call("GET", f"/exports/{name}")).status == 404
    assert (await globex.call("GET", "/exports")).json["data"] == []
    body = {"kind": "mbox", "inbox_id": inbox.id}
    assert (await globex.call("POST", "/exports", body)).status == 404
    other = await globex.call("POST", "/exports", {"kind": "mbox", "client_id": "same"})
    assert other.json["id"] != name


async def test_the_file_is_where_files_of_exports_are(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, LETTERS[0])
    name = (await ask(acme, kind="mbox"))["id"]
    await run(acme)
    made = await acme.store.exports.get(acme.actor, name)
    assert made.file is not None
    octets = await acme.store.blobs.get(location_of(made.file))
    senders = (await acme.store.exports.get(acme.actor, name)).created_by
    assert senders.startswith("key_")
    assert octets.startswith(mbox.from_line("ada@example.org", made.created_at)[:22])
