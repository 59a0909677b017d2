"""Messages brought along: stored octet for octet, and sent to nobody."""

from __future__ import annotations

from tests.http.resources.conftest import Tenant, letter

TYPE = "message/rfc822"


async def test_an_imported_message_is_what_it_was(acme: Tenant) -> None:
    inbox = await acme.inbox()
    octets = letter("Old mail", text="bare\nline ends")
    path = f"/inboxes/{inbox.id}/messages/import"
    query = "?folder=Archive&labels=Old,Kept&seen=true&internaldate=2020-02-03T04:05:06%2B01:00"
    made = await acme.call("POST", path + query, octets, content_type=TYPE)
    assert made.status == 201, made.octets
    assert made.json["folder"] == "Archive"
    assert (made.json["labels"], made.json["seen"]) == (["kept", "old"], True)
    raw = await acme.call("GET", f"/messages/{made.json['id']}/raw")
    assert raw.octets == octets
    where = (await acme.store.directory.reach(acme.actor, None, inbox.id)).scope
    archive = await acme.store.mailboxes.find(acme.actor, where, "Archive")
    snapshot = await acme.store.index.snapshot(acme.actor, where, archive.id)
    assert (snapshot.dates[0], snapshot.zones[0]) == (1580699106, 60)
    jobs = await acme.store.database.run(
        "*", lambda connection: connection.value("SELECT count(*) FROM jobs WHERE kind = 'relay'")
    )
    assert jobs == 0


async def test_what_cannot_be_imported_is_told(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages/import"
    empty = await acme.call("POST", path, b"", content_type=TYPE)
    assert (empty.status, empty.code) == (422, "message_unacceptable")
    nul = await acme.call("POST", path, b"Subject: a\r\n\r\n\0", content_type=TYPE)
    assert (nul.status, nul.code) == (422, "bare_line_ending")
    nowhere = await acme.call("POST", f"{path}?folder=Nowhere", letter(), content_type=TYPE)
    assert (nowhere.status, nowhere.code) == (404, "folder_not_found")
    json = await acme.call("POST", path, {"raw": "x"})
    assert (json.status, json.code) == (415, "unsupported_media_type")
    large = await acme.call("POST", path, b"x" * (11 * 1024 * 1024), content_type=TYPE)
    assert (large.status, large.code) == (413, "too_large")
    foreign = await globex.call("POST", path, letter(), content_type=TYPE)
    assert foreign.status == 404
    reader = await acme.caller("messages:read")
    assert (await reader("POST", path, letter(), content_type=TYPE)).status == 403
    writer = await acme.caller("messages:write")
    assert (await writer("POST", path, letter(), content_type=TYPE)).status == 201
