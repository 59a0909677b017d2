"""The official client over stdio: it starts the command that people put into their assistants."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.server import Server, serving

pytestmark = pytest.mark.filterwarnings("ignore:resources/subscribe is removed")


def parameters(server: Server, *, key: str | None = None) -> StdioServerParameters:
    """How an assistant starts the command."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "agentpost", "mcp", "--stdio"],
        env=environment(server, key),
    )


def environment(server: Server, key: str | None = None) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AGENTPOST_API_KEY": key or server.key,
        "AGENTPOST_BASE_URL": f"http://127.0.0.1:{server.port('http')}",
    }


def content(result: Any) -> Any:
    assert not result.is_error, result.content
    structured = result.structured_content
    return structured["content"] if structured.get("untrusted") else structured


async def test_r139_the_whole_journey_over_stdio(server: Server) -> None:
    updated: list[str] = []
    told: list[float] = []

    async def heard(message: Any) -> None:
        if type(message).__name__ == "ResourceUpdatedNotification":
            updated.append(str(message.params.uri))

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    with trio.fail_after(60):
        async with (
            stdio_client(parameters(server)) as (read, write),
            ClientSession(read, write, message_handler=heard) as session,
        ):
            begun = await session.initialize()
            assert begun.protocol_version == "2025-11-25"
            mine = content(await session.call_tool("create_inbox", {"username": "stdio-a"}))
            other = content(await session.call_tool("create_inbox", {"username": "stdio-b"}))
            await session.subscribe_resource(f"agentpost://inbox/{mine['id']}")
            found: list[Any] = []

            async def wait() -> None:
                arguments = {"inbox": mine["id"], "extract": ["otp"], "timeout_s": 30}
                result = await session.call_tool(
                    "wait_for_message", arguments, progress_callback=progress
                )
                found.append(content(result))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                # The wait has begun when it has told how long it lasts.
                while not told:
                    await trio.sleep(0.05)
                letter = {
                    "to": [mine["email"]],
                    "subject": "Your code",
                    "text": "Your code is 482913.",
                }
                sent = await session.call_tool("send_message", {"inbox": other["id"]} | letter)
                assert content(sent)["status"] == "delivered"
            message = found[0]["message"]
            assert message["extract"]["otp"] == ["482913"]
            reply = {"message_id": message["message_id"], "text": "Thank you."}
            assert content(await session.call_tool("reply_to_message", reply))["id"]
            while not updated:
                await trio.sleep(0.05)
            assert updated[0] == f"agentpost://inbox/{mine['id']}"


async def test_a_session_is_known_to_every_worker(tmp_path: Path) -> None:
    """Each request below is a connection of its own, which either worker may get."""
    updated: list[str] = []

    async def heard(message: Any) -> None:
        if type(message).__name__ == "ResourceUpdatedNotification":
            updated.append(str(message.params.uri))

    with serving(tmp_path, AGENTPOST_WORKERS="2") as pair, trio.fail_after(60):
        fields = {"Content_Type": "application/json"}
        begin = {"protocolVersion": "2025-11-25", "capabilities": {}}
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin}
        begun = pair.call("POST", "/mcp", body, **fields)
        names = {name.lower(): value for name, value in begun.fields.items()}
        fields["Mcp_Session_Id"] = names["mcp-session-id"]
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        assert {pair.call("POST", "/mcp", ping, **fields).status for _ in range(20)} == {200}
        inbox, other = pair.make_inbox("watched"), pair.make_inbox("writer")
        letter = {"to": inbox["email"], "subject": "Hi", "text": "Hi."}
        async with (
            stdio_client(parameters(pair)) as (read, write),
            ClientSession(read, write, message_handler=heard) as session,
        ):
            await session.initialize()
            await session.subscribe_resource(f"agentpost://inbox/{inbox['id']}")
            for count in range(1, 6):
                path = f"/api/v1/inboxes/{other['id']}/messages"
                sent = await trio.to_thread.run_sync(pair.call, "POST", path, letter)
                assert sent.status == 202
                while len(updated) < count:
                    await trio.sleep(0.02)


async def test_a_wrong_key_is_told_as_an_error_of_the_protocol(server: Server) -> None:
    process = await trio.run_process(
        [sys.executable, "-m", "agentpost", "mcp", "--stdio"],
        env=environment(server, "ap_sk_test_" + "0" * 32),
        stdin=b'no json\n{"jsonrpc":"2.0","id":7,"method":"initialize","params":{}}\n',
        capture_stdout=True,
        capture_stderr=True,
    )
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert [line["id"] for line in lines] == [None, 7]
    assert lines[0]["error"]["code"] == -32700
    assert lines[1]["error"]["data"]["code"] == "unauthenticated"
    assert b"ap_sk_test_" not in process.stdout + process.stderr


async def test_without_a_server_and_without_a_key_it_says_so() -> None:
    command = [sys.executable, "-m", "agentpost", "mcp", "--stdio"]
    bare = {"PATH": os.environ["PATH"]}
    process = await trio.run_process(command, env=bare, stdin=b"", check=False, capture_stderr=True)
    assert process.returncode == 2
    assert b"AGENTPOST_API_KEY" in process.stderr
    nowhere = bare | {
        "AGENTPOST_API_KEY": "ap_sk_test_" + "0" * 32,
        "AGENTPOST_BASE_URL": "http://127.0.0.1:9",
    }
    process = await trio.run_process(
        command,
        env=nowhere,
        stdin=b'{"jsonrpc":"2.0","id":"a","method":"ping"}\n',
        capture_stdout=True,
    )
    assert json.loads(process.stdout)["error"]["message"].startswith("The server cannot be reached")
