"""Streamable HTTP by hand: versions, sessions, and octets that no client would send."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from agentpost.http.mcp import wire
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.organization import NewApiKey
from agentpost.store.keys import KeyRequest
from tests.http.mcp.conftest import Hand, by_hand, request
from tests.http.resources.conftest import Api, Caller, Tenant

UNKNOWN = "mcp_" + "A" * 24


@pytest.mark.parametrize("version", wire.VERSIONS)
async def test_each_version_is_spoken_as_it_was_asked_for(acme: Tenant, version: str) -> None:
    hand = Hand(acme.call)
    begun = await hand.begin(version)
    assert begun.json["result"]["protocolVersion"] == version
    assert begun.json["result"]["serverInfo"]["name"] == "agentpost"
    assert hand.session is not None
    told = await hand.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (told.status, told.octets) == (202, b"")
    listed = await hand.post(request("tools/list"), mcp_protocol_version=version)
    assert listed.status == 200
    assert listed.json["id"] == 1


@pytest.mark.parametrize("version", ["2024-11-05", "2099-01-01", "x" * 1000, ""])
async def test_another_version_is_answered_with_the_newest_that_is_spoken(
    acme: Tenant, version: str
) -> None:
    begun = await Hand(acme.call).begin(version)
    assert begun.json["result"]["protocolVersion"] == wire.VERSIONS[0]


async def test_a_request_in_a_version_that_is_not_spoken_is_refused(acme: Tenant) -> None:
    """A client that tries the newest first falls back to initialize."""
    hand = Hand(acme.call)
    answer = await hand.post(request("server/discover"), mcp_protocol_version="2026-07-28")
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32022
    assert answer.json["error"]["data"]["supported"] == list(wire.VERSIONS)


HOSTILE: dict[str, tuple[bytes, int]] = {
    "no JSON": (b"{", wire.PARSE_ERROR),
    "nothing": (b"", wire.PARSE_ERROR),
    "no UTF-8": (b'{"jsonrpc":"2.0","id":"\xff","method":"ping"}', wire.PARSE_ERROR),
    "depth": (b"[" * 100_000, wire.PARSE_ERROR),
    "no object": (b"7", wire.INVALID_REQUEST),
    "no version": (b'{"id":1,"method":"ping"}', wire.INVALID_REQUEST),
    "version 1": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', wire.INVALID_REQUEST),
    "no method": (b'{"jsonrpc":"2.0","id":1}', wire.INVALID_REQUEST),
    "method 7": (b'{"jsonrpc":"2.0","id":1,"method":7}', wire.INVALID_REQUEST),
    "id null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', wire.INVALID_REQUEST),
    "id true": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', wire.INVALID_REQUEST),
    "id object": (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', wire.INVALID_REQUEST),
    "id 1.5": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', wire.INVALID_REQUEST),
    "long id": (
        b'{"jsonrpc":"2.0","id":"' + b"a" * 10_000 + b'","method":"ping"}',
        wire.INVALID_REQUEST,
    ),
    "params list": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', wire.INVALID_REQUEST),
    "empty batch": (b"[]", wire.INVALID_REQUEST),
    "huge batch": (
        b"[" + b",".join([b'{"jsonrpc":"2.0","id":1,"method":"ping"}'] * 51) + b"]",
        wire.INVALID_REQUEST,
    ),
}


@pytest.mark.parametrize(("octets", "code"), HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_message_is_refused(acme: Tenant, octets: bytes, code: int) -> None:
    hand = await by_hand(acme)
    answer = await hand.post(octets)
    assert answer.status == 400
    assert answer.json["error"]["code"] == code
    assert answer.json["id"] is None
    assert (await hand.post(request("ping"))).json == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (request("tools/destroy"), wire.METHOD_NOT_FOUND),
        (request("logging/setLevel", level="debug"), wire.METHOD_NOT_FOUND),
        (request("tools/call"), wire.INVALID_PARAMS),
        (request("tools/call", name="format_disk", arguments={}), wire.INVALID_PARAMS),
        (request("tools/call", name={"a": 1}), wire.INVALID_PARAMS),
        (request("resources/read"), wire.INVALID_PARAMS),
        (request("resources/read", uri="file:///etc/passwd"), wire.RESOURCE_NOT_FOUND),
        (request("resources/read", uri="agentpost://inbox/..%2F.."), wire.RESOURCE_NOT_FOUND),
        (request("resources/subscribe", uri="agentpost://thread/x"), wire.RESOURCE_NOT_FOUND),
        (request("prompts/get", name="nothing"), wire.INVALID_PARAMS),
        (request("prompts/get", name="triage-inbox"), wire.INVALID_PARAMS),
        (request("prompts/get", name="triage-inbox", arguments={"inbox": 7}), wire.INVALID_PARAMS),
    ],
)
async def test_what_cannot_be_done_is_an_error_of_the_protocol(
    acme: Tenant, body: dict[str, Any], code: int
) -> None:
    hand = await by_hand(acme)
    answer = await hand.post(body)
    assert answer.status == 200
    assert answer.json["error"]["code"] == code


async def test_an_answer_of_the_client_is_taken_and_forgotten(acme: Tenant) -> None:
    hand = await by_hand(acme)
    answers: list[dict[str, Any]] = [{"result": {}}, {"error": {"code": 1, "message": "no"}}]
    for answer in answers:
        assert (await hand.post({"jsonrpc": "2.0", "id": 1} | answer)).status == 202


async def test_batches_are_of_the_version_that_had_them(acme: Tenant) -> None:
    old = await by_hand(acme, version=wire.WITH_BATCHES)
    batch = [request("ping", 1), {"jsonrpc": "2.0", "method": "x"}, request("nothing", "b")]
    answer = await old.post(batch)
    assert [one["id"] for one in answer.json] == [1, "b"]
    assert "result" in answer.json[0]
    assert "error" in answer.json[1]
    alone = await old.post([request("initialize", protocolVersion=wire.WITH_BATCHES)])
    assert alone.status == 400
    new = await by_hand(acme)
    assert (await new.post(batch)).status == 400


async def test_a_session_is_needed_and_belongs_to_its_key(acme: Tenant, globex: Tenant) -> None:
    bare = Hand(acme.call)
    missing = await bare.post(request("ping"))
    assert (missing.status, missing.code) == (400, "invalid_request")
    hand = await by_hand(acme)
    assert hand.session is not None
    colleague = await acme.caller("inboxes:read")
    for call, name in (
        (globex.call, hand.session),
        (colleague, hand.session),
        (acme.call, UNKNOWN),
        (acme.call, "x" * 5000),
        (acme.call, "' OR 1=1 --"),
    ):
        stranger = Hand(call, name)
        answer = await stranger.post(request("ping"))
        assert (answer.status, answer.code) == (404, "not_found"), name
        ended = await call("DELETE", "/mcp", mcp_session_id=name)
        assert ended.status == 404
    assert (await hand.post(request("ping"))).status == 200


async def test_a_session_that_was_ended_is_gone(acme: Tenant) -> None:
    hand = await by_hand(acme)
    assert hand.session is not None
    ended = await acme.call("DELETE", "/mcp", mcp_session_id=hand.session)
    assert (ended.status, ended.octets) == (204, b"")
    assert (await hand.post(request("ping"))).status == 404


async def test_sessions_of_a_key_are_bounded(acme: Tenant) -> None:
    first = await by_hand(acme)
    last = first
    for _ in range(acme.store.mcp.limits.max_sessions):
        last = await by_hand(acme)
    assert (await first.post(request("ping"))).status == 404
    assert (await last.post(request("ping"))).status == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", "http://127.0.0.1:1", "null", "http://", "https://[", "file://x"],
)
async def test_a_web_page_of_elsewhere_is_refused(acme: Tenant, origin: str) -> None:
    hand = await by_hand(acme)
    assert hand.session is not None
    refused = await hand.post(request("tools/list"), origin=origin)
    assert (refused.status, refused.code) == (403, "forbidden")
    for method in ("GET", "DELETE"):
        call = await acme.call(method, "/mcp", origin=origin, mcp_session_id=hand.session)
        assert call.status == 403


async def test_this_server_s_own_pages_may_connect(acme: Tenant) -> None:
    hand = await by_hand(acme)
    assert (await hand.post(request("ping"), origin="http://127.0.0.1:8080")).status == 200


async def test_a_key_comes_as_bearer_or_in_its_own_field(api: Api, acme: Tenant) -> None:
    caller = api.stranger()
    assert acme.call.key is not None
    body = request("initialize", protocolVersion="2025-11-25")
    begun = await Hand(caller).post(body, x_api_key=acme.call.key)
    assert begun.status == 200
    for fields in ({}, {"x_api_key": acme.call.key[:-1]}, {"x_api_key": "a b"}):
        refused = await Hand(caller).post(body, **fields)
        assert (refused.status, refused.code) == (401, "unauthenticated")
        assert "www-authenticate" in refused.fields
    elsewhere = await caller("GET", "/me", x_api_key=acme.call.key)
    assert elsewhere.status == 401


async def test_media_types_are_what_the_transport_says(acme: Tenant) -> None:
    hand = await by_hand(acme)
    assert (await hand.post(request("ping"), content_type="text/plain")).status == 415
    assert (await hand.post(request("ping"), accept="text/html")).status == 406
    assert (await hand.post(request("ping"), accept="text/event-stream")).status == 400
    assert (await hand.post(request("ping"), accept="application/json")).status == 200
    assert (await hand.post(request("ping"), accept="*/*")).status == 200
    assert (await hand.post(request("ping"), path="/mcp?toolset=few")).status == 400


async def test_a_client_without_streams_is_answered_at_the_end(acme: Tenant) -> None:
    hand = await by_hand(acme)
    inbox = await acme.inbox()
    arguments = {"inbox": inbox.id, "timeout_s": 1}
    body = request("tools/call", name="wait_for_message", arguments=arguments)
    answer = await hand.post(body, accept="application/json")
    assert answer.fields["content-type"] == "application/json"
    assert answer.json["result"]["structuredContent"]["content"] == {"matched": False}


async def test_a_body_over_the_bound_is_not_read(acme: Tenant) -> None:
    hand = await by_hand(acme)
    async with await trio.open_tcp_stream("127.0.0.1", acme.call.port) as stream:
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.call.key}\r\n"
            f"Content-Type: application/json\r\nMcp-Session-Id: {hand.session}\r\n"
            f"Content-Length: {100 * 1024 * 1024}\r\n\r\n"
        )
        await stream.send_all(head.encode() + b"{" * 65_536)
        with trio.fail_after(5):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 413 ")


async def _opened(tenant: Tenant, hand: Hand) -> trio.SocketStream:
    """The stream of a session, its head read."""
    stream = await trio.open_tcp_stream("127.0.0.1", tenant.call.port)
    head = (
        f"GET /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hand.call.key}\r\n"
        f"Accept: text/event-stream\r\nMcp-Session-Id: {hand.session}\r\n\r\n"
    )
    await stream.send_all(head.encode())
    received = b""
    while b": still here" not in received:
        octets = await stream.receive_some()
        assert octets, received
        received += octets
    assert received.startswith(b"HTTP/1.1 200 ")
    return stream


async def _ended(stream: trio.SocketStream) -> None:
    """Wait until the answer has its end; the connection may go on."""
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        octets = await stream.receive_some()
        assert octets, received
        received += octets
    await stream.aclose()


async def test_a_session_has_one_stream_the_newest(acme: Tenant) -> None:
    hand = await by_hand(acme)
    with trio.fail_after(10):
        older = await _opened(acme, hand)
        newer = await _opened(acme, hand)
        await _ended(older)
        assert hand.session is not None
        await acme.call("DELETE", "/mcp", mcp_session_id=hand.session)
        await _ended(newer)


async def test_a_stream_ends_with_its_key(acme: Tenant) -> None:
    call = await acme.caller("inboxes:read", "inboxes:write", "messages:read")
    hand = Hand(call)
    await hand.begin()
    inbox = await acme.inbox()
    with trio.fail_after(10):
        await hand.post(request("resources/subscribe", uri=f"agentpost://inbox/{inbox.id}"))
        stream = await _opened(acme, hand)
        key = (await call("GET", "/me")).json["key_id"]
        await acme.store.keys.revoke(acme.actor, key)
        acme.store.committed(inbox.id)
        await _ended(stream)


async def test_a_client_that_hangs_up_ends_its_wait(api: Api, acme: Tenant) -> None:
    """Also one that never reads: nothing of it stays at the server."""
    hand = await by_hand(acme)
    inbox = await acme.inbox()
    arguments = {"inbox": inbox.id, "timeout_s": 300}
    body = json.dumps(request("tools/call", name="wait_for_message", arguments=arguments)).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.call.key}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        f"Mcp-Session-Id: {hand.session}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    watched = api.bus._watches
    with trio.fail_after(10):
        stream = await trio.open_tcp_stream("127.0.0.1", acme.call.port)
        await stream.send_all(head.encode() + body)
        while not watched.get(inbox.id):
            await trio.sleep(0.01)
        await trio.aclose_forcefully(stream)
        while watched.get(inbox.id):
            await trio.sleep(0.01)


async def test_each_message_of_a_batch_counts_as_a_request(api: Api) -> None:
    organization, environment = await api.store.organizations.create(
        system_actor(), "Small", "small", "free"
    )
    actor = Actor(organization.id, "key_setup", widen(SCOPES), environment=environment.id)
    made, _ = await api.store.keys.create(actor, KeyRequest("small", ("inboxes:read",)))
    assert isinstance(made, NewApiKey)
    caller = Caller(api.port, made.secret)
    api.callers.append(caller)
    hand = Hand(caller)
    await hand.begin(wire.WITH_BATCHES)
    batch = [request("ping", number) for number in range(45)]
    assert (await hand.post(batch)).status == 200
    refused = await hand.post(batch)
    assert refused.status == 429
    assert refused.json["error"]["code"] == wire.REFUSED
