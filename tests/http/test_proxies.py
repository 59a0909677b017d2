"""Whose word is taken about who asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.proxies import Proxies
from agentpost.http.ratelimit import Governor
from agentpost.http.wire import parse_head
from agentpost.net import Peer
from agentpost.net.networks import covers, networks
from tests.http.conftest import running

TRUSTED = ("10.0.0.0/8", "::1/128")
PROXY = Peer("10.0.0.1", 4711)


def client(forwarded: str | None, peer: Peer = PROXY, trusted: tuple[str, ...] = TRUSTED) -> str:
    """The client's address by this X-Forwarded-For."""
    field = b"" if forwarded is None else b"\r\nX-Forwarded-For: " + forwarded.encode()
    head = parse_head(b"GET / HTTP/1.1\r\nHost: x" + field)
    return Proxies(trusted).client(head, peer).address


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (None, "10.0.0.1"),
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.2", "203.0.113.7"),
        # What a client wrote itself stands before what the proxy added.
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("203.0.113.7:5000", "203.0.113.7"),
        ("10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.7,", "10.0.0.1"),
        ("203.0.113.999", "10.0.0.1"),
        ("0x7f.1", "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_asks(forwarded: str | None, expected: str) -> None:
    assert client(forwarded) == expected


@pytest.mark.parametrize("address", ["203.0.113.9", "::2", "11.0.0.1"])
def test_a_stranger_is_not_believed(address: str) -> None:
    assert client("198.51.100.1", Peer(address, 1)) == address
    assert client("198.51.100.1", trusted=()) == "10.0.0.1"


def test_a_proxy_may_come_over_a_socket_of_both_families() -> None:
    assert client("203.0.113.7", Peer("::ffff:10.0.0.1", 1)) == "203.0.113.7"
    assert client("::ffff:203.0.113.7") == "203.0.113.7"


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=80))
def test_whatever_is_written_leads_to_an_address(written: str) -> None:
    assert Peer(client(written), 0).network


@given(st.lists(st.ip_addresses(), min_size=1, max_size=6))
def test_nothing_before_the_client_matters(hops: list[object]) -> None:
    found = client(", ".join(map(str, hops)))
    assert client(", ".join(["203.0.113.77", *map(str, hops)])) in (found, "203.0.113.77")
    if not covers(networks(TRUSTED), found):
        assert client(", ".join(["203.0.113.77", *map(str, hops)])) == found


routes = Routes("Where")


@routes.get("/where", public=True, answer=dict[str, str], summary="Where from")
async def where(request: Request[None, None]) -> Response:
    """Who asks."""
    return Response({"client": request.peer.address})


async def _socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    body = str(scope["client"][0]).encode()
    fields = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("path", ["/api/v1/where", "/elsewhere"])
async def test_it_holds_for_all_that_is_served(path: str) -> None:
    """R02.06: REST, and what goes through the gate to Quart."""
    ask = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    for trusted, expected in (((), b"127.0.0.1"), (("127.0.0.0/8",), b"203.0.113.7")):
        async with running(
            routes.endpoints, asgi=_socket, foreign=["/elsewhere"], proxies=Proxies(trusted)
        ) as server:
            assert expected in await server.ask(ask)


async def test_strangers_are_counted_by_client_and_not_by_proxy() -> None:
    guarded = Routes("Guarded")

    @guarded.get("/guarded", answer=dict[str, str], summary="Guarded")
    async def get(request: Request[None, None]) -> Response:
        """For a key only."""
        return Response({})

    async with running(
        guarded.endpoints,
        governor=Governor(strangers_per_minute=3),
        proxies=Proxies(["127.0.0.0/8"]),
    ) as server:

        async def status(address: str) -> bytes:
            answer = await server.ask(
                b"GET /api/v1/guarded HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"X-Forwarded-For: %b\r\n\r\n" % address.encode()
            )
            return answer.split(b" ")[1]

        statuses = [await status("203.0.113.7") for _ in range(4)]
        assert statuses == [b"401", b"401", b"401", b"429"]
        assert await status("203.0.113.8") == b"401"
