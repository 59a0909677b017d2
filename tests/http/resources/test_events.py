"""The event log by page, one by one, and as a stream; told to who may know it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from agentpost import AgentPost, clock
from agentpost.http.resources import events as events_module
from agentpost.model.actor import system_actor
from agentpost.store.pool import Connection
from agentpost.store.store import Door
from agentpost.store.sweeps import Sweeps
from tests.http.resources.conftest import ALL, Api, Caller, Tenant, letter, running, write_event
from tests.http.resources.test_socket import deliver_event, socket

ABSENT = "evt_01JQ8X5K2M3N4P5R6S7T8V9W00"


class Stream:
    """A client of ``/stream``."""

    def __init__(self, connection: trio.SocketStream) -> None:
        self._connection = connection
        self._octets = b""
        self.status = 0
        self.fields: dict[str, str] = {}
        self.last = ""

    async def open(self, key: str, query: str = "", **fields: str) -> None:
        lines = [f"GET /api/v1/stream{query} HTTP/1.1", "host: api.test"]
        lines.append(f"authorization: Bearer {key}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        await self._connection.send_all("\r\n".join((*lines, "", "")).encode())
        head = (await self._until(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(head[0].split()[1])
        pairs = [line.partition(": ") for line in head[1:] if line]
        self.fields = {name: value for name, _, value in pairs}

    async def frame(self) -> dict[str, str] | None:
        """The next frame with its id; None when the stream has ended."""
        piece = await self._chunk()
        if piece is None:
            return None
        assert piece.endswith(b"\n\n"), piece
        found: dict[str, str] = {}
        for line in piece.decode().strip("\n").split("\n"):
            name, _, value = line.partition(": ")
            found[name] = value
        self.last = found.get("id", self.last)
        return found

    async def event(self) -> Any:
        while True:
            frame = await self.frame()
            assert frame is not None
            if "data" in frame:
                envelope = json.loads(frame["data"])
                assert (frame["id"], frame["event"]) == (str(envelope["seq"]), envelope["type"])
                return envelope

    async def body(self) -> Any:
        length = int(self.fields["content-length"])
        while len(self._octets) < length:
            self._octets += await self._some()
        return json.loads(self._octets[:length])

    async def _chunk(self) -> bytes | None:
        length = int((await self._until(b"\r\n"))[:-2], 16)
        while len(self._octets) < length + 2:
            self._octets += await self._some()
        piece, self._octets = self._octets[:length], self._octets[length + 2 :]
        return piece or None

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._octets:
            self._octets += await self._some()
        found, _, self._octets = self._octets.partition(mark)
        return found + mark

    async def _some(self) -> bytes:
        with trio.fail_after(5):
            octets = await self._connection.receive_some(65536)
        assert octets, "the server closed"
        return octets


@asynccontextmanager
async def stream(
    tenant: Tenant, query: str = "", caller: Caller | None = None, **fields: str
) -> AsyncIterator[Stream]:
    """An open stream."""
    key = (caller or tenant.call).key
    assert key is not None
    async with await trio.open_tcp_stream("127.0.0.1", tenant.call.port) as connection:
        client = Stream(connection)
        await client.open(key, query, **fields)
        yield client


@pytest.mark.proves("R117", "R118")
async def test_a_stream_tells_what_happens(acme: Tenant) -> None:
    inbox = await acme.inbox()
    async with stream(acme) as client:
        assert client.status == 200
        assert client.fields["content-type"] == "text/event-stream"
        assert client.fields["cache-control"] == "no-store"
        assert client.fields["x-accel-buffering"] == "no"
        first = await client.frame()
        assert first is not None
        assert (first["retry"], set(first)) == ("2000", {"retry", "id"})
        placed = await deliver_event(acme, inbox, letter("Hello\nThere"))
        event = await client.event()
        assert (event["type"], event["data"]["message_id"]) == ("message.received", placed.message)
        assert event["data"]["text_body"].startswith("Good morning.")
        assert (await acme.call("GET", f"/events/{event['id']}")).json == event


async def test_a_stream_goes_on_where_it_broke(acme: Tenant) -> None:
    inbox = await acme.inbox()
    async with stream(acme) as client:
        await client.frame()
        begin = client.last
    first = await deliver_event(acme, inbox)
    second = await deliver_event(acme, inbox)
    async with stream(acme, last_event_id=begin) as client:
        told = [await client.event(), await client.event()]
        assert [one["data"]["message_id"] for one in told] == [first.message, second.message]
    async with stream(acme, f"?from_seq={begin}", last_event_id=str(told[0]["seq"])) as client:
        assert await client.event() == told[1]
    async with stream(acme, f"?from_seq={told[0]['seq']}&payload=thin") as client:
        event = await client.event()
        assert (event["id"], "text_body" in event["data"]) == (told[1]["id"], False)


async def test_a_stream_is_narrowed_as_a_subscription_is(acme: Tenant, globex: Tenant) -> None:
    one, two = await acme.inbox("one"), await acme.inbox("two")
    start = (await acme.store.events.span(acme.actor)).head
    await deliver_event(acme, one)
    await deliver_event(acme, two)
    sent = await write_event(acme, "message.sent", two.id)
    await acme.store.environments.create(acme.actor, "Other")
    for query, kinds in (
        ("", ["message.received", "message.received", "message.sent"]),
        (f"&inbox_id={two.address}", ["message.received", "message.sent"]),
        (f"&inbox_ids={one.id}&inbox_id={two.id}&event_types=message.sent", ["message.sent"]),
        (f"&environment_ids={acme.environment.id}&event_types=message.sent", ["message.sent"]),
    ):
        async with stream(acme, f"?from_seq={start}{query}") as client:
            assert [(await client.event())["type"] for _ in kinds] == kinds
    async with stream(acme, f"?from_seq={start}&event_types=*&labels=vip") as client:
        await client.frame()
        await acme.call(
            "POST", f"/messages/{await _first(acme, one.id)}/labels", {"labels": ["VIP"]}
        )
        placed = await deliver_event(acme, one)
        await acme.store.database.run("*", lambda c: _label(c, placed.message))
        last = await write_event(acme, "message.sent", one.id)
        assert last != sent
    async with stream(globex, "?from_seq=0&event_types=*") as client:
        own = await deliver_event(globex, await globex.inbox())
        heard = await client.event()
        while heard["type"] != "message.received":
            assert heard["org_id"] == globex.organization.id
            heard = await client.event()
        assert heard["data"]["message_id"] == own.message


async def _first(tenant: Tenant, inbox: str) -> str:
    listed = (await tenant.call("GET", f"/inboxes/{inbox}/messages?order=asc")).json
    return str(listed["data"][0]["id"])


async def _label(connection: Connection, message: str) -> None:
    await connection.execute(
        "UPDATE placements SET keywords = '{vip}' WHERE message_id = $1", message
    )


async def test_what_a_stream_cannot_tell_is_refused_before_it_begins(
    acme: Tenant, globex: Tenant
) -> None:
    foreign = await globex.inbox()
    narrow = await acme.caller("events:read")
    for query, status, code, path in (
        ("?event_types=message.received,nonsense", 422, "validation_failed", "event_types[1]"),
        (f"?inbox_id={foreign.id}", 404, "not_found", None),
        (f"?inbox_ids={foreign.address}", 404, "not_found", None),
        ("?inbox_id=inb_01JQ8X5K2M3N4P5R6S7T8V9W00", 404, "not_found", None),
        (f"?environment_ids={globex.environment.id}", 404, "not_found", None),
        ("?from_seq=4611686018427387904", 422, "validation_failed", "from_seq"),
        ("?from_seq=-1", 400, "invalid_request", "from_seq"),
        ("?event_types=message.received.spam", 403, "forbidden", None),
        ("?nonsense=1", 400, "invalid_request", "nonsense"),
    ):
        caller = narrow if status == 403 else acme.call
        async with stream(acme, query, caller) as client:
            answer = await client.body()
            assert (client.status, answer["code"]) == (status, code), query
            assert bool(answer["fix"])
            if path is not None:
                assert answer["errors"][0]["path"] == path
    for field, status in (
        ("x", 400),
        ("-5", 400),
        ("99999999999999999999", 400),
        ("4611686018427387904", 422),
    ):
        async with stream(acme, last_event_id=field) as client:
            assert client.status == status


async def test_a_stream_that_was_away_for_too_long_is_told(acme: Tenant) -> None:
    seqs = []
    for days in (40, 35, 0):
        await write_event(acme, "message.sent", days_ago=days)
        seqs.append((await acme.store.events.span(acme.actor)).head)
    sweeps = Sweeps(acme.store.door, acme.store.blobs)
    assert await sweeps.forget(system_actor(), "events", timedelta(days=30), 100) == 2
    async with stream(acme, last_event_id=str(seqs[0] - 2**20)) as client:
        assert (client.status, (await client.body())["code"]) == (410, "events_forgotten")
    for last in (0, seqs[1]):
        async with stream(acme, last_event_id=str(last)) as client:
            assert client.status == 200
            assert (await client.event())["type"] == "message.sent"


async def test_a_stream_of_a_bound_key_hears_of_its_inbox_only(acme: Tenant) -> None:
    one, two = await acme.inbox("one"), await acme.inbox("two")
    bound = await acme.caller(*ALL, inboxes=(one.id,))
    start = (await acme.store.events.span(acme.actor)).head
    async with stream(acme, f"?from_seq={start}&event_types=*", bound) as client:
        await write_event(acme, "domain.verified")
        await deliver_event(acme, two)
        await deliver_event(acme, one)
        heard = await client.event()
        assert heard["inbox_id"] == one.id


async def test_a_header_that_narrows_the_key_narrows_the_stream(acme: Tenant) -> None:
    second, _ = await acme.store.environments.create(acme.actor, "Second")
    async with stream(acme, "?from_seq=0&event_types=*", agentpost_environment=second.id) as client:
        await client.frame()
        await deliver_event(acme, await acme.inbox())
        with trio.move_on_after(0.3) as quiet:
            await client.frame()
        assert quiet.cancelled_caught


async def test_a_type_needs_the_scope_of_what_it_tells(acme: Tenant) -> None:
    narrow = await acme.caller("events:read", "messages:read")
    start = (await acme.store.events.span(acme.actor)).head
    for kind in ("message.received.spam", "api_key.created", "credential.revoked"):
        await write_event(acme, kind)
    last = await write_event(acme, "domain.verified")
    async with stream(acme, f"?from_seq={start}&event_types=*", narrow) as client:
        assert (await client.event())["id"] == last
    listed = (await narrow("GET", f"/events?after_seq={start}")).json
    assert [event["id"] for event in listed["data"]] == [last]
    whole = (await acme.call("GET", f"/events?after_seq={start}")).json
    assert len(whole["data"]) == 4
    for event in whole["data"]:
        status = 200 if event["id"] == last else 404
        assert (await narrow("GET", f"/events/{event['id']}")).status == status


async def test_a_revoked_key_ends_its_stream(acme: Tenant) -> None:
    caller = await acme.caller(*ALL)
    key = (await caller("GET", "/me")).json["key_id"]
    async with stream(acme, caller=caller) as client:
        await client.frame()
        await acme.store.keys.revoke(acme.actor, key)
        await deliver_event(acme, await acme.inbox())
        assert await client.frame() == {"": "key_revoked"}
        assert await client.frame() is None


async def test_a_stream_ends_when_the_server_does(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as api:
        acme = await api.tenant("acme")
        context = stream(acme)
        client = await context.__aenter__()
        await client.frame()
    assert await client.frame() is None
    await context.__aexit__(None, None, None)


@pytest.mark.proves("R22")
async def test_two_instances_tell_what_either_commits(database_url: str, tmp_path: Path) -> None:
    """No sticky sessions: a client resumes at another instance, by another channel."""
    async with running(database_url, tmp_path) as one, running(database_url, tmp_path) as two:
        acme = await one.tenant("acme")
        inbox = await acme.inbox()
        there = Tenant(
            two.store,
            acme.organization,
            acme.environment,
            acme.actor,
            Caller(two.port, acme.call.key),
            acme.callers,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_carry, one, two)
            nursery.start_soon(_carry, two, one)
            async with socket(acme) as here, stream(there) as other:
                await here.subscribe()
                await other.frame()
                placed = [
                    await deliver_event(acme, inbox),
                    await deliver_event(there, inbox),
                ]
                heard = [(await here.event(), await other.event()) for _ in placed]
                assert all(a == b for a, b in heard)
                assert [a["data"]["message_id"] for a, _ in heard] == [
                    each.message for each in placed
                ]
                last = heard[-1][0]["seq"]
                async with socket(there) as later:
                    await later.subscribe(from_seq=last)
                    third = await deliver_event(acme, inbox)
                    assert (await later.event())["data"]["message_id"] == third.message
            nursery.cancel_scope.cancel()


async def _carry(source: Api, target: Api) -> None:
    """What NOTIFY does between workers."""
    while True:
        for payload in await source.bus.unsent():
            target.bus.heard(payload)


async def test_the_log_is_listed_in_order_and_without_a_gap(acme: Tenant) -> None:
    inbox = await acme.inbox()
    start = (await acme.store.events.span(acme.actor)).head
    written = [await write_event(acme, "message.sent", inbox.id) for _ in range(5)]
    ascending: list[str] = []
    cursor = ""
    while True:
        page = (await acme.call("GET", f"/events?order=asc&limit=2&after_seq={start}{cursor}")).json
        ascending += [event["id"] for event in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
        written.append(await write_event(acme, "message.sent", inbox.id))
        if len(written) > 8:
            break
    assert ascending == written[: len(ascending)]
    newest = (await acme.call("GET", "/events?limit=3")).json
    assert [event["id"] for event in newest["data"]] == written[:-4:-1]
    seqs = [event["seq"] for event in newest["data"]]
    assert seqs == sorted(seqs, reverse=True)


async def test_the_log_is_narrowed(acme: Tenant, globex: Tenant) -> None:
    one, two = await acme.inbox("one"), await acme.inbox("two")
    old = [await write_event(acme, "message.sent", one.id, days_ago=day) for day in (9, 5, 3)]
    sent = await write_event(acme, "message.sent", one.id)
    bounced = await write_event(acme, "message.bounced", two.id)
    await write_event(globex, "message.sent")

    async def ids(query: str) -> list[str]:
        answer = await acme.call("GET", f"/events?order=asc&limit=100&{query}")
        assert answer.status == 200, answer.octets
        kinds = {"message.sent", "message.bounced"}
        return [each["id"] for each in answer.json["data"] if each["type"] in kinds]

    assert await ids(f"inbox_id={one.id}") == [*old, sent]
    assert await ids(f"inbox_id={two.address}") == [bounced]
    assert await ids("type=message.bounced") == [bounced]
    assert await ids("type=message.bounced,message.sent") == [*old, sent, bounced]
    days = {day: (clock.now() - timedelta(days=day)).isoformat() for day in (8, 4)}
    moment = {day: text.replace("+", "%2B") for day, text in days.items()}
    assert await ids(f"after={moment[8]}") == [*old[1:], sent, bounced]
    assert await ids(f"after={moment[8]}&before={moment[4]}") == [old[1]]
    refused = await acme.call("GET", "/events?type=message.nonsense")
    assert (refused.status, refused.paths) == (422, ["type[0]"])
    assert (await acme.call("GET", "/events?inbox_id=inb_x")).status == 404


async def test_an_inbox_tells_its_history(acme: Tenant, globex: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    await deliver_event(acme, inbox)
    await deliver_event(acme, other)
    messages = (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"]
    message = messages[0]["id"]
    await acme.call("PATCH", f"/messages/{message}", {"add_labels": ["a"], "seen": True})
    await acme.call("PATCH", f"/messages/{message}", {"folder": "Archive"})
    path = f"/inboxes/{inbox.address}/events"
    listed = (await acme.call("GET", path)).json["data"]
    assert {event["inbox_id"] for event in listed} == {inbox.id}
    moved, marked = listed[:2]
    assert moved["data"]["changes"] == {"folder": {"from": "INBOX", "to": "Archive"}}
    assert marked["data"]["changes"] == {
        "seen": True,
        "labels": {"added": ["a"], "removed": []},
    }
    assert marked["data"]["actor"]["type"] == "api_key"
    received = next(event for event in listed if event["type"] == "message.received")
    assert "text_body" not in received["data"]
    upwards: list[Any] = []
    asked = f"{path}?order=asc&limit=2"
    while asked:
        page = (await acme.call("GET", asked)).json
        upwards += page["data"]
        more = page["next_cursor"]
        asked = f"{path}?order=asc&limit=2&cursor={more}" if more else ""
    assert upwards == listed[::-1]
    updated = (await acme.call("GET", f"{path}?type=message.updated")).json["data"]
    assert updated == [moved, marked]
    first = (await acme.call("GET", f"{path}?limit=1")).json["next_cursor"]
    assert (await acme.call("GET", f"/inboxes/{other.id}/events?cursor={first}")).status == 400
    assert (await globex.call("GET", path)).status == 404
    assert (await (await acme.caller("messages:read"))("GET", path)).status == 403
    await acme.store.inboxes.delete(acme.actor, inbox.id)
    assert (await acme.call("GET", path)).json["data"][0]["type"] == "inbox.deleted"


async def test_a_page_of_large_events_is_cut_and_goes_on(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await acme.inbox()
    start = (await acme.store.events.span(acme.actor)).head
    for _ in range(3):
        await deliver_event(acme, inbox, letter(text="long " * 200))
    monkeypatch.setattr(events_module, "MAX_PAGE_OCTETS", 4000)
    path = f"/events?order=asc&type=message.received&after_seq={start}"
    first = (await acme.call("GET", path)).json
    assert (len(first["data"]), first["has_more"]) == (2, True)
    rest = (await acme.call("GET", f"{path}&cursor={first['next_cursor']}")).json
    assert (len(rest["data"]), rest["has_more"], rest["next_cursor"]) == (1, False, None)
    thin = (await acme.call("GET", f"{path}&payload=thin")).json
    assert len(thin["data"]) == 3
    assert "text_body" not in thin["data"][0]["data"]


async def test_one_event_is_told_to_who_may_hear_of_it(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    event = await write_event(acme, "message.sent", inbox.id)
    found = await acme.call("GET", f"/events/{event}")
    assert (found.json["id"], found.json["inbox_id"]) == (event, inbox.id)
    for caller, name in ((acme.call, ABSENT), (globex.call, event), (acme.call, "evt_x")):
        answer = await caller("GET", f"/events/{name}")
        assert (answer.status, answer.code) == (404, "not_found")


async def test_a_moment_is_found_in_the_log_wherever_it_lies(acme: Tenant) -> None:
    """`after` leaves out nothing, also where events are sparse or all of one side."""
    # What the organization's making has told is newer than what is written below.
    await acme.store.database.run("*", lambda c: c.execute("DELETE FROM events"))
    days = [40, 30.5, 30, 29, 29, 3, 2, 0.001, 0, 0]
    written = [await write_event(acme, "message.sent", days_ago=day) for day in days]

    async def before(day: float) -> list[str]:
        async def ask(connection: Connection, _: Any) -> list[str]:
            rows = await connection.rows(
                "SELECT id FROM events WHERE organization_id = $1 AND type = 'message.sent'"
                " AND seq > seq_before($1, now() - $2::interval) ORDER BY seq",
                acme.organization.id,
                timedelta(days=day),
            )
            return [row["id"] for row in rows]

        door: Door = acme.store.door
        return await door.read(system_actor(), None, None, ask)

    for day in (50, 40, 35, 30.2, 29.5, 10, 2.5, 1, 0.5, 0.0005, -1):
        wanted = [event for event, age in zip(written, days, strict=True) if age <= day]
        found = await before(day)
        assert set(wanted) <= set(found)
        spare = [event for event, age in zip(written, days, strict=True) if age <= day + 0.001]
        assert set(found) <= set(spare)


async def test_the_client_library_hears_the_stream(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver_event(acme, inbox)

    def program() -> None:
        url = f"http://127.0.0.1:{acme.call.port}"
        with AgentPost(acme.call.key, base_url=url) as client:
            kinds = ["message.received"]
            stream = client.realtime.stream(kinds, inbox_id=inbox.address, from_seq=0)
            event = next(stream)
            assert event.data["message_id"] == placed.message
            assert [each.id for each in client.events.list(type=kinds)] == [event.id]

    await trio.to_thread.run_sync(program)
