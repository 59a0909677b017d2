"""Folders over REST: the same mailboxes that IMAP shows."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from agentpost.model.actor import Scope
from tests.http.resources.conftest import Api, Tenant, deliver

SPECIAL = {
    "Archive": "archive",
    "Drafts": "drafts",
    "INBOX": None,
    "Junk": "junk",
    "Sent": "sent",
    "Trash": "trash",
}


async def test_every_inbox_has_its_special_folders(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(api.store, inbox)
    listed = (await acme.call("GET", f"/inboxes/{inbox.address}/folders")).json
    assert {each["name"]: each["special_use"] for each in listed["data"]} == SPECIAL
    assert listed["has_more"] is False
    there = next(each for each in listed["data"] if each["name"] == "INBOX")
    assert (there["message_count"], there["unseen_count"], there["uidnext"]) == (1, 1, 2)
    assert there["size"] > 0
    assert there["uidvalidity"] > 0
    changes = (await acme.call("GET", f"/inboxes/{inbox.id}/changes?since=0")).json
    assert there["highestmodseq"] == changes["modseq"]


async def test_a_folder_is_made_renamed_and_deleted(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/folders"
    made = await acme.call("POST", path, {"name": "Kunden/Müller"})
    assert made.status == 201
    assert made.json["name"] == "Kunden/Müller"
    assert made.json["subscribed"] is True
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    names = {mailbox.name for mailbox in await api.store.mailboxes.all(acme.actor, where)}
    assert {"Kunden", "Kunden/Müller"} <= names
    one = f"{path}/{quote('Kunden/Müller', safe='')}"
    renamed = await acme.call("PATCH", one, {"name": "Alt/Müller", "subscribed": False})
    assert (renamed.json["name"], renamed.json["subscribed"]) == ("Alt/Müller", False)
    assert (await acme.call("PATCH", one, {"name": "X"})).code == "folder_not_found"
    gone = f"{path}/Alt%2FM%C3%BCller"
    assert (await acme.call("DELETE", gone)).status == 204
    assert (await acme.call("DELETE", gone)).code == "folder_not_found"
    subscribed = await api.store.mailboxes.subscriptions(acme.actor, where)
    assert "Alt/Müller" not in subscribed


async def test_a_renamed_folder_stays_shown(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/folders"
    await acme.call("POST", path, {"name": "A"})
    assert (await acme.call("PATCH", f"{path}/A", {"name": "B"})).json["subscribed"] is True


async def test_special_folders_stay(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/folders"
    for name in ("INBOX", "inbox", "Trash"):
        assert (await acme.call("DELETE", f"{path}/{name}")).status == 409
    assert (await acme.call("PATCH", f"{path}/Sent", {"name": "Gone"})).status == 409
    assert (await acme.call("POST", path, {"name": "inbox"})).code == "already_exists"
    assert (await acme.call("POST", path, {"name": "inBox/A"})).json["name"] == "INBOX/A"


async def test_pages_follow_each_other_by_name(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/folders?limit=4"
    first = (await acme.call("GET", path)).json
    second = (await acme.call("GET", f"{path}&cursor={first['next_cursor']}")).json
    assert [each["name"] for each in first["data"] + second["data"]] == list(SPECIAL)
    assert second["next_cursor"] is None
    other = await acme.inbox("other")
    moved = f"/inboxes/{other.id}/folders?limit=4&cursor={first['next_cursor']}"
    assert (await acme.call("GET", moved)).code == "invalid_cursor"


async def test_what_is_foreign_is_not_there(acme: Tenant, globex: Tenant) -> None:
    path = f"/inboxes/{(await globex.inbox()).id}/folders"
    for method, where, body in (
        ("GET", path, None),
        ("POST", path, {"name": "A"}),
        ("PATCH", path + "/Sent", {"name": "A"}),
        ("DELETE", path + "/Sent", None),
    ):
        assert (await acme.call(method, where, body)).code == "not_found"


async def test_the_scopes_are_needed(acme: Tenant) -> None:
    path = f"/inboxes/{(await acme.inbox()).id}/folders"
    reader = await acme.caller("messages:read")
    assert (await reader("GET", path)).status == 200
    assert (await reader("POST", path, {"name": "A"})).status == 403
    assert (await reader("PATCH", path + "/A", {"name": "B"})).status == 403
    assert (await reader("DELETE", path + "/A")).status == 403
    assert (await (await acme.caller("inboxes:read"))("GET", path)).status == 403


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "A", "colour": "red"}, "colour"),
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "A//B"}, "name"),
        ({"name": "A\nB"}, "name"),
        ({"name": "/".join("abcdefghij" * 4)}, "name"),
        ({"name": "ü" * 600}, "name"),
    ],
)
async def test_a_wrong_name_is_refused(acme: Tenant, body: dict[str, object], path: str) -> None:
    inbox = await acme.inbox()
    answer = await acme.call("POST", f"/inboxes/{inbox.id}/folders", body)
    assert (answer.status, answer.paths) == (422, [path])
