"""Events over the WebSocket: what happened, in order, told to who may know it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from agentpost.mail.delivery import Delivery
from agentpost.mail.policy import make_policy
from agentpost.model.actor import system_actor
from agentpost.model.inbox import Inbox
from agentpost.model.mailbox import Placed
from agentpost.model.message import MessageChange
from agentpost.model.relay import NewEvent, Settlement
from agentpost.store.relays import Relays
from tests.http.resources.conftest import Api, Tenant, letter

LETTER = {"to": "ada@elsewhere.example", "subject": "Hello", "text_body": "Good morning."}


class Socket:
    """A WebSocket client."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._wire = WSConnection(ConnectionType.CLIENT)
        self._told: list[Any] = []
        self.closed: int | None = None

    async def open(self, key: str) -> None:
        request = Request(
            "api.test", "/ws", extra_headers=[(b"authorization", b"Bearer " + key.encode())]
        )
        await self._stream.send_all(self._wire.send(request))
        while not isinstance(await self._event(), AcceptConnection):
            pass

    async def say(self, **frame: Any) -> None:
        await self._stream.send_all(self._wire.send(TextMessage(json.dumps(frame))))

    async def hear(self) -> Any:
        with trio.fail_after(5):
            text = ""
            while True:
                event = await self._event()
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        return json.loads(text)
                elif isinstance(event, CloseConnection):
                    self.closed = event.code
                    return None
                elif isinstance(event, Ping):
                    await self._stream.send_all(self._wire.send(event.response()))

    async def subscribe(self, **frame: Any) -> Any:
        await self.say(type="subscribe", **frame)
        answer = await self.hear()
        assert answer["type"] == "subscribed", answer
        return answer

    async def event(self) -> Any:
        frame = await self.hear()
        assert frame["type"] == "event", frame
        return frame["data"]

    async def events(self, count: int) -> list[str]:
        return [(await self.event())["type"] for _ in range(count)]

    async def _event(self) -> Any:
        while not self._told:
            self._wire.receive_data(await self._stream.receive_some(65536) or None)
            self._told += list(self._wire.events())
        return self._told.pop(0)


@asynccontextmanager
async def socket(tenant: Tenant, *scopes: str, **bounds: Any) -> AsyncIterator[Socket]:
    """A WebSocket of a key with these scopes; with everything when none is named."""
    caller = await tenant.caller(*scopes, **bounds) if scopes else tenant.call
    assert caller.key is not None
    async with await trio.open_tcp_stream("127.0.0.1", caller.port) as stream:
        client = Socket(stream)
        await client.open(caller.key)
        yield client


async def deliver_event(acme: Tenant, inbox: Inbox, octets: bytes | None = None) -> Placed:
    """A delivery as it comes from outside, with its event."""
    policy = make_policy(acme.store, frozenset())
    delivery = Delivery(acme.store.messages, acme.store.directory, policy)
    placed = await delivery.deliver(inbox.address, octets or letter(), "smtp")
    assert placed is not None
    return placed


@pytest.mark.proves("R110", "R118")
async def test_a_message_is_told_with_its_text(acme: Tenant) -> None:
    inbox = await acme.inbox()
    async with socket(acme) as client:
        await client.subscribe()
        sender = await acme.inbox("sender")
        body = {
            "to": inbox.address.replace("@", "+ticket42@"),
            "subject": "Hello",
            "text": "New.\n\n> Old.",
            "attachments": [{"filename": "a.txt", "content": "aGk="}],
        }
        sent = (await acme.call("POST", f"/inboxes/{sender.id}/messages", body)).json
        told = {event["type"]: event for event in [await client.event() for _ in range(3)]}
        assert set(told) == {"message.sent", "message.delivered", "message.received"}
        received = told["message.received"]
        assert received["org_id"] == acme.organization.id
        assert received["env_id"] == acme.environment.id
        assert (received["inbox_id"], received["schema_version"]) == (inbox.id, "1")
        data = received["data"]
        assert (data["inbox_id"], data["direction"]) == (inbox.id, "inbound")
        assert data["from_address"] == {"email": sender.address, "name": None}
        assert (data["subject"], data["extracted_text"]) == ("Hello", "New.")
        assert data["text_body"].startswith("New.")
        assert data["tag"] == "ticket42"
        assert data["delivered_to"] == body["to"]
        assert (data["labels"], data["folder"], data["truncated"]) == ([], "INBOX", False)
        assert [file["filename"] for file in data["attachments"]] == ["a.txt"]
        assert data["thread"] == {"id": data["thread_id"], "subject": "Hello", "message_count": 1}
        whole = (await acme.call("GET", f"/messages/{data['message_id']}")).json
        assert whole["attachments"] == data["attachments"]
        assert (whole["rfc_message_id"], whole["size"]) == (data["rfc_message_id"], data["size"])
        mine = told["message.sent"]["data"]
        assert (mine["message_id"], mine["thread_id"]) == (sent["id"], sent["thread_id"])
        assert (mine["provider"], mine["source"]) == ("loopback", "rest")
        assert told["message.delivered"]["data"]["recipients"] == [body["to"]]
        assert [event["seq"] for event in told.values()] == sorted(
            event["seq"] for event in told.values()
        )


async def test_thin_and_unread_payloads_hold_no_text(acme: Tenant) -> None:
    inbox = await acme.inbox()
    async with socket(acme) as thin, socket(acme, "events:read") as blind:
        await thin.subscribe(payload="thin")
        await blind.subscribe(payload="full")
        placed = await deliver_event(acme, inbox)
        for client in (thin, blind):
            data = (await client.event())["data"]
            assert data == {
                "message_id": placed.message,
                "thread_id": placed.thread,
                "inbox_id": inbox.id,
                "from_address": {"email": "ada@example.org", "name": "Ada"},
                "subject": "Hello",
                "has_attachments": False,
            }


async def test_a_subscription_is_narrowed(acme: Tenant, globex: Tenant) -> None:
    one, two = await acme.inbox("one"), await acme.inbox("two")
    stranger = await globex.inbox()
    async with socket(acme) as client:
        await client.subscribe(id="by-id", inbox_id=one.id)
        await client.subscribe(id="by-address", inbox_ids=[two.address])
        await client.subscribe(id="labels", labels=["VIP"], event_types=["*"])
        await client.subscribe(id="types", event_types=["message.bounced"])
        await deliver_event(globex, stranger)
        first = await deliver_event(acme, one)
        frame = await client.hear()
        assert (frame["sub"], frame["data"]["data"]["message_id"]) == ("by-id", first.message)
        second = await deliver_event(acme, two)
        frame = await client.hear()
        assert (frame["sub"], frame["data"]["data"]["message_id"]) == ("by-address", second.message)
        await client.say(type="ping")
        assert await client.hear() == {"type": "pong"}
        await client.say(type="unsubscribe", id="by-id")
        await acme.store.messages.update(
            acme.actor, first.message, MessageChange(add_labels=("vip",))
        )
        resumed = await client.subscribe(id="labels", labels=["VIP"], from_seq=0)
        assert resumed["resumed_from"] == 0
        frame = await client.hear()
        assert (frame["sub"], frame["data"]["data"]["message_id"]) == ("labels", first.message)


async def test_resuming_misses_nothing_and_repeats_nothing(acme: Tenant) -> None:
    inbox = await acme.inbox()
    async with socket(acme) as client:
        head = (await client.subscribe())["head_seq"]
        first = await deliver_event(acme, inbox)
        seq = (await client.event())["seq"]
        assert seq > head
    missed = [(await deliver_event(acme, inbox)).message for _ in range(3)]
    async with socket(acme) as client:
        await client.subscribe(from_seq=seq)
        told = [(await client.event())["data"]["message_id"] for _ in range(3)]
        assert told == missed
    async with socket(acme) as client:
        await client.subscribe(from_seq=0)
        assert (await client.event())["data"]["message_id"] == first.message


async def test_what_is_gone_is_told_by_what_the_event_knows(acme: Tenant) -> None:
    inbox = await acme.inbox()
    placed = await deliver_event(acme, inbox)
    await acme.store.messages.delete(acme.actor, placed.message, permanent=True)
    async with socket(acme) as client:
        await client.subscribe(from_seq=0)
        assert (await client.event())["data"] == {
            "message_id": placed.message,
            "thread_id": placed.thread,
            "inbox_id": inbox.id,
        }


async def test_a_text_beyond_measure_is_left_out(acme: Tenant) -> None:
    inbox = await acme.inbox()
    async with socket(acme) as client:
        await client.subscribe()
        await deliver_event(acme, inbox, letter(text="0123456789 " * 100_000))
        data = (await client.event())["data"]
        assert (data["truncated"], data["text_body"], data["html_body"]) == (True, None, None)
        assert data["preview"].startswith("0123456789")


async def test_what_the_relay_tells_keeps_its_own_words(acme: Tenant) -> None:
    inbox = await acme.inbox()
    sent = (await acme.call("POST", f"/inboxes/{inbox.id}/messages", LETTER)).json
    job = await acme.store.database.run("*", lambda c: c.row("SELECT id, attempts FROM jobs"))
    assert job is not None
    relays = Relays(acme.store.door, acme.store.blobs, acme.store.committed, lambda: None)
    bounced: dict[str, object] = {
        "bounce_type": "permanent",
        "bounced_recipients": [{"email_address": "ada@elsewhere.example", "status": "5.1.1"}],
    }
    events = (
        NewEvent("message.sent", {"provider": "smtp", "provider_message_id": "q1"}),
        NewEvent("message.bounced", bounced),
        NewEvent("message.complained", {"complained_recipients": ["ada@elsewhere.example"]}),
        NewEvent("message.rejected", {"reason_code": "provider_reject", "reason": "no"}),
    )
    settlement = Settlement(sent["id"], job["id"], job["attempts"], (), events, accepted=True)
    await relays.settle(system_actor(), [settlement])
    async with socket(acme) as client:
        await client.subscribe(from_seq=0)
        told = [await client.event() for _ in events]
        assert [event["type"] for event in told] == [event.type for event in events]
        first = told[0]["data"]
        assert (first["provider"], first["provider_message_id"]) == ("smtp", "q1")
        assert first["to_addresses"] == [{"email": "ada@elsewhere.example", "name": None}]
        assert told[1]["data"]["bounce_type"] == "permanent"
        assert told[1]["data"]["suppressed"] is True
        for event in told:
            assert event["data"]["message_id"] == sent["id"]
            assert event["data"]["inbox_id"] == inbox.id


async def test_a_bound_key_hears_of_its_inbox_only(acme: Tenant) -> None:
    one, two = await acme.inbox("one"), await acme.inbox("two")
    async with socket(acme, "events:read", "messages:read", inboxes=(one.id,)) as client:
        await client.subscribe(event_types=["*"])
        await deliver_event(acme, two)
        placed = await deliver_event(acme, one)
        assert (await client.event())["data"]["message_id"] == placed.message


async def test_a_key_without_the_scope_hears_nothing(acme: Tenant) -> None:
    async with socket(acme, "messages:read") as client:
        assert await client.hear() is None
        assert client.closed == 4003


async def test_a_message_can_be_waited_for(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    await deliver_event(acme, inbox, letter("Before"))
    async with socket(acme) as client:
        await client.say(
            type="wait", id="w", inbox_id=inbox.address, subject_contains="code", **{"from": "ADA"}
        )
        await client.say(type="wait", id="none", inbox_id=(await globex.inbox()).id)
        refused = await client.hear()
        assert (refused["type"], refused["id"], refused["code"]) == ("error", "none", "not_found")
        await deliver_event(acme, inbox, letter("Other"))
        await deliver_event(acme, inbox, letter("Your code", sender="eve@x.example"))
        placed = await deliver_event(acme, inbox, letter("Your CODE"))
        found = await client.hear()
        assert (found["id"], found["status"]) == ("w", "matched")
        assert found["data"]["message_id"] == placed.message
        await client.say(type="wait", id="t", inbox_id=inbox.id, timeout_s=0.05)
        late = await client.hear()
        assert (late["id"], late["status"], late["data"]) == ("t", "timeout", None)


async def test_a_plain_request_is_told_to_upgrade(api: Api, acme: Tenant) -> None:
    for path in ("/ws", "/api/v1/ws"):
        answer = await acme.call("GET", path)
        assert (answer.status, answer.code) == (426, "upgrade_required")
        assert answer.fields["upgrade"] == "websocket"
        assert answer.json["request_id"] == answer.fields["x-request-id"]
    assert (await acme.call("POST", "/api/v1/ws")).status == 405


async def test_a_subscription_that_could_never_tell_anything_is_refused(
    acme: Tenant, globex: Tenant
) -> None:
    foreign = await globex.inbox()
    async with socket(acme) as client:
        for frame, code, path in (
            ({"event_types": ["message.received", "message.gone"]}, "validation_failed", 1),
            ({"inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00"}, "not_found", None),
            ({"inbox_ids": [foreign.address]}, "not_found", None),
            ({"environment_ids": [globex.environment.id]}, "not_found", None),
            ({"from_seq": 2**62}, "validation_failed", "from_seq"),
        ):
            await client.say(type="subscribe", id="s", **frame)
            error = await client.hear()
            assert (error["type"], error["code"], error["id"]) == ("error", code, "s")
            if path is not None:
                expected = "event_types[1]" if path == 1 else path
                assert error["errors"][0]["path"] == expected
        assert (await client.subscribe(id="s", event_types=["*"]))["id"] == "s"
