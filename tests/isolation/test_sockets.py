"""WebSockets and event streams: nobody subscribes to, waits for or hears what is another's.

The frames come from their types; a field that names something and stands in none of the tables
fails the first test.
"""

from __future__ import annotations

import json
from typing import Any, Final, get_args

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request

from agentpost.http.compat.socket import FACADE_PATH
from agentpost.http.resources.socket import get_socket
from agentpost.http.websocket import Frame
from tests.http.resources.conftest import ALL, Caller
from tests.http.resources.test_socket import deliver_event, socket
from tests.isolation.matrix import EVERYTHING, STREAMS, WORDS, Matrix

REFERENCES: Final = {
    "inbox_id": "inbox",
    "inbox_ids": "inbox",
    "environment_ids": "environment",
    "thread_id": "thread",
    "in_reply_to": "message",
}
"""Fields of frames that name something, and what."""
FILTERS: Final = {"thread_id", "in_reply_to"}
"""Those that only narrow what an inbox gives."""
PLAIN: Final = {
    "event_types", "extract", "from", "from_seq", "id", "labels", "mark", "payload", "seq", "since",
    "subject_contains", "timeout_s",
}  # fmt: skip
PATHS: Final = sorted(
    {each.path for each in EVERYTHING if each.handler is get_socket} | {FACADE_PATH, "/api/v1/ws"}
)


def _fields(frame: Any) -> set[str]:
    return set(frame.__struct_encode_fields__)


def test_every_field_of_every_frame_is_known() -> None:
    assert {
        name for frame in get_args(Frame) for name in _fields(frame)
    } == REFERENCES.keys() | PLAIN
    assert set(PATHS) == {"/ws", "/api/v1/ws", "/v0"}


async def test_no_frame_reaches_what_is_another_s(matrix: Matrix) -> None:
    other = await matrix.acme.inbox("other")
    own = (await matrix.globex.inbox("globex")).id
    absent = matrix.absent()
    for tenant, bounds, home in (
        (matrix.globex, {}, own),
        (matrix.acme, {"inboxes": (other.id,)}, other.id),
    ):
        async with socket(tenant, *ALL, **bounds) as client:
            for frame in get_args(Frame):
                for name in sorted(_fields(frame) & REFERENCES.keys() - FILTERS):
                    kind = REFERENCES[name]
                    if kind == "environment" and tenant is matrix.acme:
                        continue
                    told = []
                    for value in (matrix.names[kind], absent[kind]):
                        wanted: dict[str, Any] = (
                            {"inbox_id": home} if "inbox_id" in _fields(frame) else {}
                        )
                        wanted[name] = [value] if name.endswith("s") else value
                        await client.say(type=frame.__struct_config__.tag, id="x", **wanted)
                        told.append(await client.hear())
                    assert told[0] == told[1]
                    assert told[0]["code"] == "not_found", (frame, name)


async def test_a_narrowed_wait_finds_nothing_elsewhere(matrix: Matrix) -> None:
    own = await matrix.globex.inbox("globex")
    async with socket(matrix.globex) as client:
        for name in sorted(FILTERS):
            wanted = {"inbox_id": own.id, name: matrix.names[REFERENCES[name]], "timeout_s": 0.05}
            await client.say(type="wait", id="x", **wanted)
            told = await client.hear()
            assert (told.get("status"), told.get("data")) == ("timeout", None), told


async def test_who_may_not_read_mail_waits_for_none(matrix: Matrix) -> None:
    async with socket(matrix.acme, "events:read") as client:
        await client.say(type="wait", id="x", inbox_id=matrix.names["inbox"], since=0)
        assert (await client.hear())["code"] == "forbidden"
        await client.subscribe(from_seq=0, event_types=["*"])
        inbox = await matrix.acme.store.inboxes.get(matrix.acme.actor, matrix.names["inbox"])
        placed = await deliver_event(matrix.acme, inbox)
        while True:
            event = await client.event()
            assert "Good morning." not in json.dumps(event)
            if event["data"].get("message_id") == placed.message:
                break


async def test_nobody_hears_of_another_s_mail(matrix: Matrix) -> None:
    """Another organization, and a key of another inbox, that ask for all there is."""
    other = await matrix.acme.inbox("other")
    inbox = await matrix.acme.store.inboxes.get(matrix.acme.actor, matrix.names["inbox"])
    await deliver_event(matrix.acme, inbox)
    globex = await matrix.globex.inbox("globex")
    for tenant, bounds, mine in (
        (matrix.globex, {}, globex),
        (matrix.acme, {"inboxes": (other.id,)}, other),
    ):
        async with socket(tenant, *ALL, **bounds) as client:
            await client.subscribe(from_seq=0, event_types=["*"])
            await deliver_event(matrix.acme, inbox)
            placed = await deliver_event(tenant, mine)
            while True:
                event = await client.event()
                told = json.dumps(event).encode()
                assert matrix.names["inbox"].encode() not in told
                assert not any(each in told for each in WORDS)
                if event["data"].get("message_id") == placed.message:
                    break


def _handshake(path: str, key: str | None) -> tuple[WSConnection, bytes]:
    wire = WSConnection(ConnectionType.CLIENT)
    fields = [] if key is None else [(b"authorization", b"Bearer " + key.encode())]
    return wire, wire.send(Request("api.test", path, extra_headers=fields))


async def _closed_with(port: int, path: str, key: str | None) -> int:
    """How a handshake with this key ends: the code it is closed with, or the status it gets."""
    wire, octets = _handshake(path, key)
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(octets)
        with trio.fail_after(5):
            while True:
                wire.receive_data(await stream.receive_some(65536) or None)
                for event in wire.events():
                    if isinstance(event, RejectConnection):
                        return event.status_code
                    if isinstance(event, CloseConnection):
                        return event.code
                    assert isinstance(event, AcceptConnection)


@pytest.mark.parametrize("path", PATHS)
async def test_no_wrong_key_opens_a_socket(matrix: Matrix, path: str) -> None:
    revoked = await matrix.acme.caller(*ALL)
    identity = (await revoked("GET", "/me")).json["key_id"]
    await matrix.acme.store.keys.revoke(matrix.acme.actor, identity)
    for key in (None, "ap_sk_live_" + "x" * 32, "ap_mail_" + "x" * 32, revoked.key):
        assert await _closed_with(matrix.api.port, path, key) in (401, 4001), key
    little = await matrix.acme.caller("messages:read")
    assert await _closed_with(matrix.api.port, path, little.key) in (403, 4003)


async def test_no_wrong_key_opens_a_stream(matrix: Matrix) -> None:
    assert STREAMS
    for endpoint in STREAMS:
        for secret in (None, "ap_sk_live_" + "x" * 32):
            caller = Caller(matrix.api.port, secret)
            matrix.acme.callers.append(caller)
            assert (await matrix.ask(caller, endpoint)).status == 401
        little = await matrix.acme.caller("messages:read")
        assert (await matrix.ask(little, endpoint)).status == 403
