"""Every tool and every resource of MCP against foreign ids and missing scopes.

The tools come from the catalogue that the server offers; a new argument needs a line in one of the
two tables, or the first test fails.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from agentpost.http.mcp import wire
from agentpost.http.mcp.tool import Tool
from agentpost.http.mcp.tools import TOOLS
from agentpost.model.actor import SCOPES, UMBRELLAS, widen
from tests.http.mcp.conftest import Hand, request
from tests.http.resources.conftest import ALL
from tests.isolation.matrix import ABSENT, MESSAGE, WORDS, Matrix, one_of_everything

REFERENCES: Final = {
    "attachment_id": "attachment",
    "attachments": "upload",
    "claim_id": "claim",
    "draft_id": "draft",
    "forward_of": "message",
    "in_reply_to": "message",
    "inbox": "inbox",
    "message_id": "message",
    "thread_id": "thread",
}
"""Arguments that name something of somebody's."""
GIVEN: Final[dict[str, Any]] = {
    "confirm": True,
    "domain": "another.example",
    "outcome": "retry",
    "to": ["ada@elsewhere.example"],
    "query": "x",
}
"""What the other required arguments are."""
PLAIN: Final = {
    "add_labels", "after", "after_seq", "as", "bcc", "before", "cc", "client_id", "consume",
    "cursor", "display_name", "dry_run", "extract", "flagged", "folder", "from",
    "hold_for_approval", "html", "idempotency_key", "include_authentication", "include_headers",
    "kinds", "labels", "lease_s", "limit", "max", "max_chars", "max_tokens", "metadata", "mode",
    "remove_labels", "reply_all", "reply_to", "save_as_draft", "seen", "send_at", "send_paused",
    "status", "subject", "subject_contains", "text", "timeout_s", "type", "unread", "username",
    "view",
}  # fmt: skip
"""Arguments that name nothing."""


def test_every_argument_is_known() -> None:
    used = {name for tool in TOOLS.values() for name in _properties(tool)}
    assert used <= REFERENCES.keys() | GIVEN.keys() | PLAIN, used - REFERENCES.keys() - PLAIN


def _properties(tool: Tool) -> dict[str, Any]:
    found: dict[str, Any] = tool.listing["inputSchema"]["properties"]
    return found


@dataclass
class Agent:
    """An MCP session, with one of everything that it may name."""

    hand: Hand
    names: dict[str, str]

    async def use(self, tool: Tool, name: str, value: str) -> Any:
        """The result of a good call but for what one argument names."""
        arguments = {}
        for each in tool.listing["inputSchema"].get("required", []):
            kind = REFERENCES.get(each)
            arguments[each] = GIVEN[each] if kind is None else self.names[kind]
        if tool.name == "verify_domain":
            arguments["domain"] = self.names["domain"]
        if "timeout_s" in _properties(tool):
            arguments["timeout_s"] = 1
        arguments[name] = [{"filename": "x.txt", "key": value}] if name == "attachments" else value
        return await self.call(tool.name, arguments)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        answer = await self.hand.post(
            request("tools/call", name=tool, arguments=arguments), accept="application/json"
        )
        assert answer.status == 200, answer.octets
        return answer.json.get("result", answer.json)

    async def ask(self, method: str, **params: Any) -> Any:
        return (await self.hand.post(request(method, **params))).json


@pytest.fixture(params=["another organization", "another inbox"])
async def agent(request: pytest.FixtureRequest, matrix: Matrix) -> Agent:
    plain = MESSAGE
    for word in WORDS:
        plain = plain.replace(word, b"plain.csv")
    tenant = matrix.globex if request.param == "another organization" else matrix.acme
    names = await one_of_everything(tenant, "other", plain)
    caller = tenant.call
    if tenant is matrix.acme:
        caller = await tenant.caller(*ALL, inboxes=(names["inbox"],))
        names |= {"upload": matrix.names["upload"]}
    hand = Hand(caller)
    await hand.begin()
    return Agent(hand, names)


def _error(result: Any) -> Any:
    """What a refusal says, without what differs between any two."""
    if not result.get("isError"):
        return None
    told = json.loads(result["content"][0]["text"])["error"]
    return {name: told.get(name) for name in ("code", "message", "fix")}


async def test_no_tool_reaches_what_is_another_s(matrix: Matrix, agent: Agent) -> None:
    absent = matrix.absent() | {"upload": f"att_{ABSENT}"}
    wrong = {}
    for tool in TOOLS.values():
        for name in _properties(tool).keys() & REFERENCES.keys():
            kind = REFERENCES[name]
            if matrix.names[kind] == agent.names[kind]:
                continue  # A file that waits is its environment's.
            foreign = await agent.use(tool, name, matrix.names[kind])
            nowhere = await agent.use(tool, name, absent[kind])
            told = json.dumps(foreign).encode().replace(matrix.names[kind].encode(), b"")
            if any(each in told for each in WORDS) or _error(foreign) != _error(nowhere):
                wrong[f"{tool.name} {name}"] = (foreign, nowhere)
            filters = tool.name.startswith(("list_", "wait_"))
            if _error(foreign) is None and not (filters and name != "inbox"):
                wrong[f"{tool.name} {name}"] = (foreign, nowhere)
    assert wrong == {}


async def test_every_tool_may_be_used_with_one_s_own(matrix: Matrix, agent: Agent) -> None:
    """The refusals are for what is named, and for nothing else in these calls."""
    wrong = {}
    last = sorted(TOOLS.values(), key=lambda tool: tool.name.startswith(("delete_", "send_draft")))
    last.sort(key=lambda tool: tool.name == "delete_inbox")
    for tool in last:
        for name in sorted(_properties(tool).keys() & REFERENCES.keys()):
            result = await agent.use(tool, name, agent.names[REFERENCES[name]])
            if result.get("isError"):
                wrong[f"{tool.name} {name}"] = _error(result)
    # The draft has no recipients, so that it is still there for the tools that follow.
    assert wrong.keys() <= {"send_draft draft_id", "request_approval draft_id"}, wrong


async def test_no_list_shows_what_is_another_s(matrix: Matrix, agent: Agent) -> None:
    for tool in TOOLS.values():
        if not tool.listing["inputSchema"].get("required"):
            if not tool.listing["annotations"]["readOnlyHint"]:
                continue
            short = {"timeout_s": 1} if "timeout_s" in _properties(tool) else {}
            told = json.dumps(await agent.call(tool.name, short)).encode()
            assert not any(each in told for each in WORDS), (tool.name, told)
    told = json.dumps(await agent.ask("resources/list")).encode()
    assert not any(each in told for each in matrix.secrets())


async def test_no_resource_is_read_or_watched_that_is_another_s(
    matrix: Matrix, agent: Agent
) -> None:
    absent = matrix.absent()
    address = (await matrix.acme.call("GET", f"/inboxes/{matrix.names['inbox']}")).json["email"]
    for method in ("resources/read", "resources/subscribe"):
        for uri, nowhere in (
            (f"inbox/{matrix.names['inbox']}", f"inbox/{absent['inbox']}"),
            (f"inbox/{address}", "inbox/nobody%40shared.test"),
            (f"thread/{matrix.names['thread']}", f"thread/{absent['thread']}"),
        ):
            refused, unknown = [
                (await agent.ask(method, uri=f"agentpost://{each}"))["error"]
                for each in (uri, nowhere)
            ]
            assert refused["data"]["code"] == "not_found"
            assert refused["message"] == unknown["message"]


@pytest.mark.parametrize("scope", sorted({s for tool in TOOLS.values() for s in tool.scopes}))
async def test_every_tool_needs_its_scopes(matrix: Matrix, scope: str) -> None:
    others = SCOPES - {scope} - {wide for wide, fine in UMBRELLAS.items() if scope in fine}
    assert scope not in widen(frozenset(others))
    hand = Hand(await matrix.acme.caller(*sorted(others)))
    await hand.begin()
    agent = Agent(hand, matrix.names)
    listed = {tool["name"] for tool in (await agent.ask("tools/list"))["result"]["tools"]}
    for tool in TOOLS.values():
        assert (tool.name in listed) == (scope not in tool.scopes), tool.name
        if scope in tool.scopes:
            refused = await agent.call(tool.name, {})
            assert refused["error"]["code"] == wire.INVALID_PARAMS, tool.name


async def test_a_session_is_no_key(matrix: Matrix) -> None:
    """What a session was begun with counts for nothing: each request brings its own key."""
    hand = Hand(matrix.acme.call)
    await hand.begin()
    for caller in (matrix.globex.call, await matrix.acme.caller(*ALL)):
        stolen = replace(hand, call=caller)
        answer = await stolen.post(request("tools/list"))
        assert (answer.status, answer.code) == (404, "not_found")
    answer = await replace(hand, call=matrix.api.stranger()).post(request("tools/list"))
    assert answer.status == 401
