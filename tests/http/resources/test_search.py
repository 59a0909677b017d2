"""Searching over REST (R44): the language, the places, the pages, what is told of a hit."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from agentpost.http.querying import parse
from agentpost.ids import new_id
from agentpost.model.inbox import Inbox
from agentpost.model.query import terms
from tests.http.resources.conftest import Answer, Api, Caller, Tenant, deliver, letter


async def search(call: Caller, q: str, path: str = "/search", **more: Any) -> Answer:
    """The same by GET and by POST, which must agree."""
    query = "".join(f"&{name}={quote(str(value))}" for name, value in more.items())
    got = await call("GET", f"{path}?q={quote(q)}{query.replace('True', 'true')}")
    body = {name: value.split(",") if name == "include" else value for name, value in more.items()}
    posted = await call("POST", path, {"q": q, **body})
    assert got.status == posted.status, (got.octets, posted.octets)
    if got.status == 200:
        assert {**got.json, "next_cursor": None} == {**posted.json, "next_cursor": None}
    return got


async def found(call: Caller, q: str, **more: Any) -> list[str]:
    answer = await search(call, q, **more)
    assert answer.status == 200, answer.octets
    return [each["subject"] for each in answer.json["data"]]


async def filled(api: Api, inbox: Inbox) -> None:
    await deliver(api.store, inbox, letter("Parcel", text="Where is\r\nmy parcel? Größe: klein."))
    await deliver(api.store, inbox, letter("Invoice", sender="Bob <bob@example.net>"))
    await deliver(api.store, inbox, letter("Offer", text="A parcel of land."), role="junk")


async def test_a_search_tells_messages_and_where_they_were_found(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await filled(api, inbox)
    answer = await search(acme.call, '"is my" parcel from:ada')
    (hit,) = answer.json["data"]
    assert hit["inbox_id"] == inbox.id
    assert hit["preview"] == "Where is my parcel? Größe: klein."
    assert {name: answer.json[name] for name in ("next_cursor", "has_more", "incomplete")} == {
        "next_cursor": None,
        "has_more": False,
        "incomplete": False,
    }
    shown = {
        each["field"]: [each["fragment"][span["start"] : span["end"]] for span in each["spans"]]
        for each in hit["highlights"]
    }
    assert shown == {"subject": ["Parcel"], "from": ["Ada", "ada"], "text": ["is my", "parcel"]}
    (hit,) = (await search(acme.call, "GRÖSSE")).json["data"]
    (why,) = hit["highlights"]
    assert why["fragment"] == "Where is my parcel? Größe: klein."
    (hit,) = (await search(acme.call, "invoice", highlights=False)).json["data"]
    assert "highlights" not in hit


async def test_a_search_sees_what_lists_see(api: Api, acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    other = await acme.inbox("other")
    theirs = await globex.inbox("theirs")
    await filled(api, inbox)
    await deliver(api.store, other, letter("Another parcel"))
    await deliver(api.store, theirs, letter("Their parcel"))
    call = acme.call
    assert await found(call, "parcel") == ["Another parcel", "Parcel"]
    assert await found(call, "parcel", inbox=inbox.address) == ["Parcel"]
    assert await found(call, "parcel", include="spam") == ["Another parcel", "Offer", "Parcel"]
    assert await found(call, "in:spam") == ["Offer"]
    assert (await search(call, "parcel", inbox=theirs.id)).status == 404
    assert (await search(call, "parcel", inbox=new_id("inb"))).status == 404
    bound = await acme.caller("messages:read", inboxes=(other.id,))
    assert await found(bound, "parcel") == ["Another parcel"]
    assert (await search(bound, "parcel", inbox=inbox.id)).status == 404
    assert (await search(bound, "in:spam")).code == "forbidden"
    assert (await search(bound, "parcel", include="spam")).code == "forbidden"
    assert (await search(await acme.caller("threads:read"), "parcel")).code == "forbidden"


async def test_environments_are_searched_apart(api: Api, acme: Tenant) -> None:
    await deliver(api.store, await acme.inbox(), letter("Parcel"))
    made = await acme.call("POST", "/environments", {"name": "Other"})
    path = "/search?q=parcel"
    field = {"agentpost_environment": made.json["id"]}
    assert (await acme.call("GET", path, **field)).json["data"] == []
    field = {"agentpost_environment": acme.environment.id}
    assert len((await acme.call("GET", path, **field)).json["data"]) == 1


@pytest.mark.parametrize(
    ("q", "path", "told"),
    [
        ("form:ada", "q", "at character 1: there is no operator form:"),
        ("a after:monday", "q", "at character 3: this is no date"),
        ("", "q", "must not be empty"),
        ("x" * 1001, "q", "at most 1000 characters"),
    ],
)
async def test_a_mistake_is_told_with_its_place(acme: Tenant, q: str, path: str, told: str) -> None:
    answer = await search(acme.call, q)
    assert (answer.status, answer.code, answer.paths) == (422, "validation_failed", [path])
    assert told in answer.json["errors"][0]["message"]
    assert answer.json["fix"]


@pytest.mark.parametrize("mode", ["semantic", "hybrid", "x"])
async def test_there_is_no_other_mode(acme: Tenant, mode: str) -> None:
    answer = await search(acme.call, "parcel", mode=mode)
    assert (answer.status, answer.paths) == (422, ["mode"])
    assert (await search(acme.call, "parcel", mode="text")).status == 200


async def test_pages_follow_one_another_and_cursors_belong_to_their_search(
    api: Api, acme: Tenant
) -> None:
    inbox = await acme.inbox()
    for number in range(5):
        await deliver(api.store, inbox, letter(f"Parcel {number}"))
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await acme.call("GET", f"/search?q=parcel&limit=2{cursor}")).json
        seen += [each["subject"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"Parcel {number}" for number in (4, 3, 2, 1, 0)]
    posted = await acme.call("POST", "/search", {"q": "parcel", "cursor": cursor[8:], "limit": 1})
    assert posted.json["data"][0]["subject"] == "Parcel 0"
    for path in (f"/search?q=other{cursor}", f"/search/threads?q=parcel{cursor}"):
        assert (await acme.call("GET", path)).code == "invalid_cursor"


async def test_facets_are_told_when_asked_for(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver(api.store, inbox, letter("Parcel"))
    await acme.call("PATCH", f"/messages/{placed.message}", {"add_labels": ["Post"]})
    answer = (await search(acme.call, "parcel", facets=True)).json
    assert answer["facets"] == {
        "labels": [{"value": "post", "message_count": 1}],
        "folders": [{"value": "INBOX", "message_count": 1}],
        "senders": [{"value": "ada@example.org", "message_count": 1}],
        "inboxes": [{"value": inbox.id, "message_count": 1}],
        "counted": 1,
        "complete": True,
    }
    assert "facets" not in (await search(acme.call, "parcel")).json


async def test_threads_are_found_once_each(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    for number in range(2):
        answers = f"a{number - 1}" if number else None
        octets = letter("Parcel", message_id=f"a{number}", answers=answers, text=f"No {number}.")
        await deliver(api.store, inbox, octets)
    await deliver(api.store, inbox, letter("Another parcel"))
    answer = await search(acme.call, "parcel", "/search/threads")
    assert [(each["subject"], each["message_count"]) for each in answer.json["data"]] == [
        ("Another parcel", 1),
        ("Parcel", 2),
    ]
    first = (await acme.call("GET", "/search/threads?q=parcel&limit=1")).json
    rest = (await acme.call("GET", f"/search/threads?q=parcel&cursor={first['next_cursor']}")).json
    assert [each["subject"] for each in rest["data"]] == ["Parcel"]
    assert not rest["has_more"]
    (hit,) = (await search(acme.call, '"no 1" subject:parcel', "/search/threads")).json["data"]
    (message,) = (await search(acme.call, '"no 1"')).json["data"]
    assert hit["message_id"] == message["id"]
    (why,) = [each for each in hit["highlights"] if each["field"] == "text"]
    assert why["fragment"] == "No 1."
    only_threads = await acme.caller("threads:read")
    assert (await search(only_threads, "parcel", "/search/threads")).code == "forbidden"


async def test_times_narrow_a_search(api: Api, acme: Tenant) -> None:
    await deliver(api.store, await acme.inbox(), letter("Parcel"))
    long_ago = "2020-01-01T00:00:00Z"
    assert await found(acme.call, "parcel", after=long_ago) == ["Parcel"]
    assert await found(acme.call, "parcel", before=long_ago) == []
    assert await found(acme.call, "parcel OR x", before=long_ago) == []


async def test_a_deleted_inbox_is_searched_no_longer(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver(api.store, inbox, letter("Parcel"))
    await acme.call("DELETE", f"/inboxes/{inbox.id}")
    assert await found(acme.call, "parcel") == []
    assert (await search(acme.call, "parcel", inbox=inbox.id)).status == 404


def test_the_example_of_the_documentation_is_right() -> None:
    assert len(list(terms(parse("from:ada@example.org invoice -paid")))) == 3
