"""The official client of the protocol, and octets by hand, against the running API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.http.resources.conftest import Answer, Caller, Tenant, acme, api, globex

__all__ = ("acme", "api", "globex")

CLIENT_LEAVES_GENERATORS = [
    pytest.mark.filterwarnings(f"ignore:.*{one}")
    for one in (
        "Async generator 'httpx",
        "async_generator object (Response|EventSource|PoolByteStream|HTTP11ConnectionByteStream)",
    )
]
"""The official client does not close its streams' generators, of which Trio warns."""
JSON_AND_STREAM = "application/json, text/event-stream"


@dataclass
class Heard:
    """What the server told without being asked."""

    messages: list[Any] = field(default_factory=list)

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)

    def updated(self) -> list[str]:
        """URIs of resources that changed."""
        return [
            str(one.params.uri)
            for one in self.messages
            if isinstance(one, types.ResourceUpdatedNotification)
        ]


@asynccontextmanager
async def connected(
    port: int, key: str, *, query: str = "", heard: Heard | None = None, initialize: bool = True
) -> AsyncIterator[ClientSession]:
    """A session of the official client."""
    headers = {"authorization": f"Bearer {key}"}
    url = f"http://127.0.0.1:{port}/mcp{query}"
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as client,
        streamable_http_client(url, http_client=client) as (read, write),
        ClientSession(read, write, message_handler=heard) as session,
    ):
        if initialize:
            await session.initialize()
        yield session


def content(result: types.CallToolResult) -> Any:
    """What a tool gave, out of its wrapping."""
    assert not result.is_error, result.content
    structured = result.structured_content
    assert structured is not None
    return structured["content"] if structured.get("untrusted") else structured


def text(result: types.CallToolResult) -> str:
    """The text form of what a tool gave."""
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def refusal(result: types.CallToolResult) -> dict[str, Any]:
    """The error that a tool gave."""
    assert result.is_error
    told: dict[str, Any] = json.loads(text(result))["error"]
    return told


@dataclass
class Hand:
    """A client made of octets."""

    call: Caller
    session: str | None = None
    fields: dict[str, str] = field(default_factory=dict)

    async def post(self, body: object, path: str = "/mcp", **fields: str) -> Answer:
        """One POST; a value goes as JSON, octets as they are."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content_type": "application/json", "accept": JSON_AND_STREAM}
        if self.session is not None:
            headers["mcp_session_id"] = self.session
        return await self.call("POST", path, octets, **(headers | self.fields | fields))

    async def begin(self, version: str = "2025-11-25") -> Answer:
        """Initialize, and keep the session."""
        answer = await self.post(request("initialize", protocolVersion=version, capabilities={}))
        self.session = answer.fields.get("mcp-session-id")
        return answer


def request(method: str, identity: Any = 1, **params: Any) -> dict[str, Any]:
    """A request as it goes over the wire."""
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


async def by_hand(tenant: Tenant, *scopes: str, version: str = "2025-11-25") -> Hand:
    """A client with a session, and with a key of these scopes if there are any."""
    call = await tenant.caller(*scopes) if scopes else tenant.call
    hand = Hand(call)
    await hand.begin(version)
    return hand
