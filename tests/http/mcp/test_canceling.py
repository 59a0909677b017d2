"""Requests that their client takes back: the work ends, and there is no answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio

from agentpost.http.mcp import wire
from agentpost.ids import InboxId
from agentpost.model.inbox import Inbox
from tests.http.mcp.conftest import JSON_AND_STREAM, Hand, by_hand, request
from tests.http.resources.conftest import Api, Tenant, deliver

METHOD = "notifications/cancelled"


def cancellation(identity: Any) -> dict[str, Any]:
    params = {"requestId": identity, "reason": "The user has changed their mind."}
    return {"jsonrpc": "2.0", "method": METHOD, "params": params}


def waiting(inbox: Inbox, identity: Any = 1, timeout_s: int = 300) -> dict[str, Any]:
    arguments = {"inbox": inbox.id, "timeout_s": timeout_s}
    return request("tools/call", identity, name="wait_for_message", arguments=arguments)


@asynccontextmanager
async def streamed(hand: Hand, body: dict[str, Any]) -> AsyncIterator[trio.SocketStream]:
    """An answer that is being waited for, its first octets read."""
    octets = json.dumps(body).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hand.call.key}\r\n"
        f"Content-Type: application/json\r\nAccept: {JSON_AND_STREAM}\r\n"
        f"Mcp-Session-Id: {hand.session}\r\nContent-Length: {len(octets)}\r\n\r\n"
    )
    async with await trio.open_tcp_stream("127.0.0.1", hand.call.port) as stream:
        await stream.send_all(head.encode() + octets)
        received = b""
        while b": waiting" not in received:
            octets = await stream.receive_some()
            assert octets, received
            received += octets
        yield stream


async def rest(stream: trio.SocketStream) -> bytes:
    """The answer's octets up to its end."""
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        octets = await stream.receive_some()
        assert octets, received
        received += octets
    return received


@pytest.mark.parametrize("identity", [7, "7", "é\0'\"", "x" * wire.MAX_ID_CHARACTERS, -1])
async def test_a_wait_ends_without_an_answer_when_it_is_cancelled(
    api: Api, acme: Tenant, identity: Any
) -> None:
    hand = await by_hand(acme)
    inbox = await acme.inbox()
    with trio.fail_after(10):
        async with streamed(hand, waiting(inbox, identity)) as stream:
            told = await hand.post(cancellation(identity))
            assert (told.status, told.octets) == (202, b"")
            assert b'"id"' not in await rest(stream)
        while api.bus._watches.get(inbox.id):
            await trio.sleep(0.01)
    assert not api.bus._watches.get(InboxId(hand.session or ""))


async def test_a_client_without_streams_is_told_that_there_is_no_answer(
    api: Api, acme: Tenant
) -> None:
    hand = await by_hand(acme)
    other = Hand(api.stranger(), hand.session)
    other.call.key = acme.call.key
    inbox = await acme.inbox()
    answers: list[Any] = []

    async def wait() -> None:
        answers.append(await other.post(waiting(inbox), accept="application/json"))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            while not api.bus._watches.get(InboxId(hand.session or "")):
                await trio.sleep(0.01)
            await hand.post(cancellation(1))
    assert [(one.status, one.octets) for one in answers] == [(202, b"")]


async def test_only_the_request_that_is_named_is_cancelled(
    api: Api, acme: Tenant, globex: Tenant
) -> None:
    """Not one of another type of id, nor of another session, nor by another key."""
    hand, beside, stranger = await by_hand(acme), await by_hand(acme), await by_hand(globex)
    inbox = await acme.inbox()
    with trio.fail_after(10):
        async with streamed(hand, waiting(inbox, 7)) as stream:
            others: list[Any] = ["7", 8, None, True, {}, [7], "x" * 10_000]
            for nothing in others:
                assert (await hand.post(cancellation(nothing))).status == 202
            bare: dict[str, Any] = {"jsonrpc": "2.0", "method": METHOD}
            assert (await hand.post(bare)).status == 202
            assert (await beside.post(cancellation(7))).status == 202
            assert (await stranger.post(cancellation(7))).status == 202
            stranger.session = hand.session
            assert (await stranger.post(cancellation(7))).status == 404
            await deliver(api.store, inbox)
            told = await rest(stream)
    assert b'"matched":true' in told


async def test_an_id_that_was_cancelled_may_be_used_again(acme: Tenant) -> None:
    """Programs made by hand number all their requests alike."""
    hand = await by_hand(acme)
    inbox = await acme.inbox()
    await hand.post(cancellation(1))
    answer = await hand.post(waiting(inbox, 1, timeout_s=1), accept="application/json")
    assert answer.json["result"]["structuredContent"]["content"] == {"matched": False}


async def test_a_batch_can_take_back_what_it_asks_for(acme: Tenant) -> None:
    hand = await by_hand(acme, version=wire.WITH_BATCHES)
    inbox = await acme.inbox()
    batch = [waiting(inbox, 1), request("ping", 2), cancellation(1)]
    answer = await hand.post(batch, accept="application/json")
    assert [one["id"] for one in answer.json] == [2]


async def test_a_session_that_ends_ends_what_waits_in_it(acme: Tenant) -> None:
    hand = await by_hand(acme)
    assert hand.session is not None
    inbox = await acme.inbox()
    with trio.fail_after(10):
        async with streamed(hand, waiting(inbox)) as stream:
            await acme.call("DELETE", "/mcp", mcp_session_id=hand.session)
            assert b'"id"' not in await rest(stream)


async def test_what_a_session_remembers_is_bounded(acme: Tenant) -> None:
    hand = await by_hand(acme)
    assert hand.session is not None
    actor = replace(acme.actor, credential=(await acme.call("GET", "/me")).json["key_id"])
    sessions = acme.store.mcp
    for number in range(sessions.limits.max_canceled + 3):
        await sessions.cancel(actor, hand.session, str(number))
    await sessions.cancel(actor, hand.session, "5")
    known = list((await sessions.get(actor, hand.session)).canceled)
    assert len(known) == sessions.limits.max_canceled
    assert (known[0], known[-1]) == ("3", "5")


async def test_a_wait_ends_with_its_key(acme: Tenant) -> None:
    """At its next sign of life, though nothing comes that it could be told."""
    hand = await by_hand(acme, "messages:read", "inboxes:read")
    key = (await hand.call("GET", "/me")).json["key_id"]
    with trio.fail_after(10):
        async with streamed(hand, waiting(await acme.inbox())) as stream:
            assert (await acme.call("DELETE", f"/api-keys/{key}")).status == 204
            answer = await rest(stream)
    assert b'"isError":true' in answer
    assert b"unauthenticated" in answer
