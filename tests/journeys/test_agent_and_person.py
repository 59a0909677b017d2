"""An agent by the official MCP client and a person who decides, on a server of two workers.

Create an inbox, send, wait, extract the code, reply, be approved: over Streamable HTTP and over stdio,
decided over REST and by moving a message in a mail program.
"""

from __future__ import annotations

import http.client
import imaplib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio
from mcp.client.session import ClientSession
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.http.mcp.conftest import CLIENT_LEAVES_GENERATORS, content, refusal
from tests.journeys.test_mcp import parameters
from tests.server import Server, serving

pytestmark = CLIENT_LEAVES_GENERATORS

AGENT = [
    *("inboxes:read", "inboxes:write", "messages:read", "messages:send", "messages:reply"),
    *("threads:read", "labels:write", "drafts:read", "drafts:write", "approvals:read"),
]
"""What an agent may that does not decide about its own mail."""
BEGIN = {"protocolVersion": "2025-11-25", "capabilities": {}}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("pair"), AGENTPOST_WORKERS="2") as running:
        yield running


@asynccontextmanager
async def over_http(server: Server, key: str) -> AsyncIterator[ClientSession]:
    url = f"http://127.0.0.1:{server.port('http')}/mcp"
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as client,
        streamable_http_client(url, http_client=client) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def over_stdio(server: Server, key: str) -> AsyncIterator[ClientSession]:
    async with (
        stdio_client(parameters(server, key=key)) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def over_rest(server: Server, inbox: dict[str, Any], approval: dict[str, Any]) -> None:
    """A colleague approves with a key of their own."""
    body = {"name": "human", "scopes": ["approvals:read", "approvals:decide"]}
    key = server.call("POST", "/api/v1/api-keys", body).json["key"]
    path = f"/api/v1/approvals/{approval['id']}/approve"
    assert server.call("POST", path, {}, key=key).status == 200


def in_a_mail_program(server: Server, inbox: dict[str, Any], approval: dict[str, Any]) -> None:
    """A colleague moves the message to Approvals/Approved."""
    body = {"name": "Ada", "approver": True}
    made = server.call("POST", f"/api/v1/inboxes/{inbox['id']}/credentials", body)
    port = server.port("imaps")
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=server.tls, timeout=20) as client:
        client.login(inbox["email"], made.json["password"])
        assert client.select("Approvals") == ("OK", [b"1"])
        assert client._simple_command("MOVE", "1", "Approvals/Approved")[0] == "OK"


class Agent:
    """One who calls tools."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def use(self, tool: str, **arguments: Any) -> Any:
        """What the tool gives."""
        return content(await self.session.call_tool(tool, arguments))

    async def arrival(self, begin: Callable[[], object], **wanted: Any) -> Any:
        """The message that comes after the wait has begun, for which ``begin`` sees."""
        begun = trio.Event()
        found: list[Any] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            begun.set()

        async def wait() -> None:
            found.append(
                await self.session.call_tool("wait_for_message", wanted, progress_callback=progress)
            )
            begun.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await begun.wait()
            await trio.to_thread.run_sync(begin)
        told = content(found[0])
        assert told["matched"] is True
        return told["message"]


@pytest.mark.parametrize(
    ("way", "decide"),
    [(over_http, in_a_mail_program), (over_stdio, over_rest)],
    ids=["http and IMAP", "stdio and REST"],
)
async def test_r139_from_an_inbox_to_an_approved_reply(pair: Server, way: Any, decide: Any) -> None:
    name = way.__name__.replace("_", "-")
    service = pair.make_inbox(f"service-{name}")
    key = pair.call("POST", "/api/v1/api-keys", {"name": name, "scopes": AGENT}).json["key"]
    with trio.fail_after(90):
        async with way(pair, key) as session:
            agent = Agent(session)
            listed = {tool.name for tool in (await session.list_tools()).tools}
            assert not [tool for tool in listed if tool.startswith(("approve", "reject"))]
            mine = await agent.use("create_inbox", username=f"agent-{name}", client_id=name)
            sent = await agent.use(
                "send_message", inbox=mine["id"], to=service["email"], subject="Sign up", text="Me!"
            )
            assert sent["status"] == "delivered"

            def answer() -> None:
                path = f"/api/v1/inboxes/{service['id']}/messages"
                [first] = [
                    one
                    for one in pair.call("GET", path).json["data"]
                    if one["subject"] == "Sign up"
                ]
                words = {"text": "Your code is 482913. It is good for ten minutes."}
                reply = pair.call("POST", f"/api/v1/messages/{first['id']}/reply", words)
                assert reply.status == 202

            arrived = await agent.arrival(answer, inbox=mine["email"], subject_contains="sign up")
            assert arrived["thread_id"] == sent["thread_id"]
            message = arrived["message_id"]
            codes = await agent.use("extract_codes", message_id=message, consume=True)
            assert (codes["otp"], codes["consumed"]) == (["482913"], True)

            draft = await agent.use(
                "reply_to_message", message_id=message, text="Thank you.", save_as_draft=True
            )
            held = await agent.use("request_approval", draft_id=draft["id"])
            assert held["status"] == "held"
            [waiting] = (await agent.use("list_approvals", status="pending", inbox=mine["id"]))[
                "data"
            ]
            path = f"/api/v1/approvals/{waiting['id']}/approve"
            assert pair.call("POST", path, {}, key=key).status == 403

            def approve() -> None:
                decide(pair, mine, waiting)

            await trio.to_thread.run_sync(approve)
            while True:
                state = await agent.use("get_delivery_status", message_id=held["id"])
                if state["recipients"][0]["state"] == "delivered":
                    break
                await trio.sleep(0.1)
            thread = await agent.use("get_transcript", thread_id=sent["thread_id"])
            assert [one["text"].strip() for one in thread["messages"]][-1] == "Thank you."
            gone = refusal(await session.call_tool("send_draft", {"draft_id": draft["id"]}))
            assert (gone["code"], bool(gone["fix"])) == ("not_found", True)


def test_a_wait_is_cancelled_whichever_worker_runs_it(pair: Server) -> None:
    """Each request is a connection of its own, which either worker may get."""
    fields = {"Content_Type": "application/json"}
    begun = pair.call("POST", "/mcp", request("initialize", 0, BEGIN), **fields)
    names = {name.lower(): value for name, value in begun.fields.items()}
    fields["Mcp_Session_Id"] = names["mcp-session-id"]
    inbox = pair.make_inbox("canceled")
    waits = [
        streamed(pair, waiting(inbox["id"], number), names["mcp-session-id"]) for number in range(8)
    ]
    for number in range(8):
        params = {"requestId": number}
        body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        assert pair.call("POST", "/mcp", body, **fields).status == 202
    for answer in waits:
        assert answer.status == 200
        assert b'"id"' not in answer.read()


def request(method: str, identity: int, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def waiting(inbox: str, identity: int) -> dict[str, Any]:
    arguments = {"inbox": inbox, "timeout_s": 300}
    call: dict[str, Any] = {"name": "wait_for_message", "arguments": arguments}
    return request("tools/call", identity, call)


def streamed(server: Server, body: dict[str, Any], session: str) -> http.client.HTTPResponse:
    """The answer to a request at work, on a connection of its own, its head read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=20)
    headers = {
        "Authorization": f"Bearer {server.key}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": session,
        "Connection": "close",
    }
    connection.request("POST", "/mcp", json.dumps(body).encode(), headers)
    return connection.getresponse()
