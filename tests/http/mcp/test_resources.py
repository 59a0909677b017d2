"""Resources: read, watched, and told of when IMAP and REST would tell of the same change."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
import trio

from agentpost.http.mcp import wire
from agentpost.model.message import MessageChange
from tests.http.mcp.conftest import (
    CLIENT_LEAVES_GENERATORS,
    Heard,
    by_hand,
    connected,
    request,
)
from tests.http.resources.conftest import Api, Tenant, deliver, letter

pytestmark = [
    *CLIENT_LEAVES_GENERATORS,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed"),
]


async def _until(heard: Heard, uris: list[str]) -> None:
    with trio.fail_after(10):
        while heard.updated() != uris:
            await trio.sleep(0.01)


async def test_an_inbox_and_a_thread_are_read_between_marks(api: Api, acme: Tenant) -> None:
    hand = await by_hand(acme)
    inbox = await acme.inbox()
    placed = await deliver(api.store, inbox, letter("Where is my parcel?"))
    listed = (await hand.post(request("resources/list"))).json["result"]["resources"]
    assert [one["uri"] for one in listed] == [f"agentpost://inbox/{inbox.id}"]
    templates = (await hand.post(request("resources/templates/list"))).json["result"]
    assert len(templates["resourceTemplates"]) == 2
    for uri in (
        listed[0]["uri"],
        f"agentpost://inbox/{quote(inbox.address, '')}",
        f"agentpost://inbox/{inbox.address}",
        f"agentpost://thread/{placed.thread}",
    ):
        (content,) = (await hand.post(request("resources/read", uri=uri))).json["result"][
            "contents"
        ]
        assert content["uri"] == uri
        assert "Where is my parcel?" in content["text"]
        assert re.search(r"\n<<<end of untrusted [0-9a-f]{32}>>>\Z", content["text"])


async def test_resources_need_what_they_show(acme: Tenant) -> None:
    hand = await by_hand(acme, "events:read")
    inbox = await acme.inbox()
    assert (await hand.post(request("resources/list"))).json["result"] == {"resources": []}
    for method in ("resources/read", "resources/subscribe"):
        answer = await hand.post(request(method, uri=f"agentpost://inbox/{inbox.id}"))
        assert answer.json["error"]["data"]["code"] == "forbidden"


async def test_a_subscription_tells_of_each_change_and_of_nothing_else(
    api: Api, acme: Tenant
) -> None:
    inbox, other = await acme.inbox("watched"), await acme.inbox("other")
    placed = await deliver(api.store, inbox, letter(message_id="first"))
    uris = [f"agentpost://inbox/{inbox.id}", f"agentpost://thread/{placed.thread}"]
    heard = Heard()
    assert acme.call.key is not None
    async with connected(api.port, acme.call.key, heard=heard) as session:
        for uri in uris:
            await session.subscribe_resource(uri)
        await deliver(api.store, other)
        await deliver(api.store, inbox, letter("Another conversation"))
        await _until(heard, uris[:1])
        answer = letter("Re: Hello", answers="first")
        await deliver(api.store, inbox, answer)
        await _until(heard, [uris[0], *uris])
        await session.unsubscribe_resource(uris[0])
        change = MessageChange(seen=True)
        await api.store.messages.update(acme.actor, placed.message, change)
        await _until(heard, [uris[0], *uris, uris[1]])


async def test_what_changed_while_nobody_listened_is_told_afterwards(
    api: Api, acme: Tenant
) -> None:
    hand = await by_hand(acme)
    inbox = await acme.inbox()
    uri = f"agentpost://inbox/{inbox.id}"
    await hand.post(request("resources/subscribe", uri=uri))
    await deliver(api.store, inbox)
    async with await trio.open_tcp_stream("127.0.0.1", api.port) as stream:
        head = (
            f"GET /mcp HTTP/1.1\r\nHost: x\r\nX-Api-Key: {acme.call.key}\r\n"
            f"Accept: text/event-stream\r\nMcp-Session-Id: {hand.session}\r\n\r\n"
        )
        await stream.send_all(head.encode())
        received = b""
        with trio.fail_after(10):
            while b"notifications/resources/updated" not in received:
                received += await stream.receive_some()
    assert uri.encode() in received


def _spelt(address: str, number: int) -> str:
    """One of many URIs of the same inbox: each of its first letters plain or percent-encoded."""
    first = (c if number >> at & 1 else f"%{ord(c):02X}" for at, c in enumerate(address[:7]))
    return "agentpost://inbox/" + "".join(first) + address[7:]


async def test_subscriptions_of_a_session_are_bounded(acme: Tenant) -> None:
    hand = await by_hand(acme)
    inbox = await acme.inbox("support")
    most = acme.store.mcp.limits.max_subscriptions
    uris = [_spelt(inbox.address, number) for number in range(most + 1)]
    for uri in uris[:-1]:
        assert (await hand.post(request("resources/subscribe", uri=uri))).json["result"] == {}
    refused = await hand.post(request("resources/subscribe", uri=uris[-1]))
    assert refused.json["error"]["code"] == wire.REFUSED
    assert refused.json["error"]["data"]["code"] == "limit_reached"
    assert (await hand.post(request("resources/unsubscribe", uri=uris[0]))).json["result"] == {}
    assert (await hand.post(request("resources/subscribe", uri=uris[-1]))).json["result"] == {}
