"""Cursors: one list's is none of another list, another filter, another key or another tenant.

Every list that the server has is in here: what takes a cursor is known by its type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from agentpost.http.endpoint import Endpoint
from agentpost.http.mcp.tools import TOOLS
from agentpost.store.rules import RuleRequest
from tests.http.mcp.conftest import Hand, request
from tests.http.resources.conftest import Caller, deliver, letter
from tests.isolation.matrix import MESSAGE, ROUTES, Matrix, one_of_everything, variables

_NAMES: Final = ("cursor", "page_token")


def _parameter(endpoint: Endpoint) -> str | None:
    """The name of the parameter that takes a cursor."""
    if endpoint.query is None:
        return None
    return next((name for name in _NAMES if name in endpoint.query.__struct_fields__), None)


LISTS: Final = [endpoint for endpoint in ROUTES if _parameter(endpoint) is not None]


async def _cursor(matrix: Matrix, caller: Caller, endpoint: Endpoint) -> str | None:
    """The cursor of the second page of a list, if it has one."""
    answer = await matrix.ask(caller, endpoint, query="limit=1")
    assert answer.status == 200, (endpoint.path, answer.octets)
    body: Any = answer.json
    cursor = body.get("next_cursor") or body.get("next_page_token")
    if cursor is None and isinstance(body.get("messages"), dict):
        cursor = body["messages"]["next_cursor"]
    return None if cursor is None else str(cursor)


async def _refused(
    matrix: Matrix, caller: Caller, endpoint: Endpoint, cursor: str, query: str = ""
) -> bool:
    asked = "&".join(filter(None, (query, f"{_parameter(endpoint)}={cursor}")))
    answer = await matrix.ask(caller, endpoint, query=asked)
    return (answer.status, answer.json.get("code")) == (400, "invalid_cursor")


def _otherwise(endpoint: Endpoint) -> list[str]:
    """The parameter that turns a list round."""
    assert endpoint.query is not None
    usual = {field.name: field.default for field in msgspec.structs.fields(endpoint.query)}
    if "ascending" in usual:
        return ["ascending=true"]
    if "order" in usual:
        return ["order=desc" if usual["order"] == "asc" else "order=asc"]
    return []


async def _second_of_everything(matrix: Matrix) -> None:
    """Let every list of Acme's have a second row."""
    acme, names = matrix.acme, matrix.names
    await one_of_everything(acme, "secret-other", MESSAGE)
    inbox = await acme.store.inboxes.get(acme.actor, names["inbox"])
    await deliver(acme.store, inbox, letter(answers="plan", message_id="second"))
    await deliver(acme.store, inbox, letter("Re: The secret plan", to="x@y.example"))
    await deliver(acme.store, inbox, MESSAGE, role="drafts")
    bound = {"environments": (inbox.environment,), "inboxes": (inbox.id,)}
    await acme.caller("inboxes:read", **bound)
    for path, body in (
        (f"/inboxes/{inbox.id}/credentials", {"name": "Second"}),
        (f"/webhooks/{names['webhook']}/test", {}),
        ("/webhooks", {"url": "https://second.example/", "inbox_ids": [inbox.id]}),
        (f"/messages/{names['message']}/labels", {"labels": ["one", "two"]}),
        (f"/messages/{names['message']}/reply", {"text_body": "Yes."}),
        ("/domains", {"domain": "second.example"}),
    ):
        made = await acme.call("POST", path, body)
        assert made.status < 300, made.octets
    reader = {"client_id": "second", "event_types": ["message.received"]}
    for place in ("", f"/pods/{names['pod']}", f"/inboxes/{inbox.id}"):
        reader["client_id"] = f"second{place.count('/')}-{place[1:4]}"
        made = await acme.call("POST", f"/v0{place}/webhooks/polling", reader)
        assert made.status < 300, made.octets
    partner = RuleRequest("send", "block", "domain", "second.example")
    for rule in (
        partner,
        replace(partner, scope="organization"),
        replace(partner, scope="inbox", inbox=inbox.id),
    ):
        await acme.store.rules.create(acme.actor, rule)


async def test_a_cursor_is_of_one_list_one_order_and_one_tenant(matrix: Matrix) -> None:
    """R02.01: for each list, with a cursor of its own."""
    await _second_of_everything(matrix)
    acme, globex = matrix.acme, matrix.globex
    audit = (await acme.call("GET", "/audit-log?limit=1")).json["next_cursor"]
    wrong = []
    for endpoint in LISTS:
        own = await _cursor(matrix, acme.call, endpoint)
        assert own is not None, endpoint.path
        # The cursor of changes goes with the modseq that it came with: see test_changes.py.
        if not endpoint.path.endswith("/changes"):
            assert not await _refused(matrix, acme.call, endpoint, own), endpoint.path
        bent = own[:-2] + ("AA" if own[-2:] != "AA" else "BB")
        tries = [(acme.call, bent, ""), (acme.call, own[:20], ""), (acme.call, own * 50, "")]
        if not variables(endpoint):  # What the path names is absent for them.
            tries.append((globex.call, own, ""))
        if endpoint.path != "/api/v1/audit-log":
            tries.append((acme.call, audit, ""))
        tries += [(acme.call, own, query) for query in _otherwise(endpoint)]
        wrong += [
            (endpoint.path, number)
            for number, (caller, cursor, query) in enumerate(tries)
            if not await _refused(matrix, caller, endpoint, cursor, query)
        ]
    assert wrong == []


async def test_no_list_takes_the_cursor_of_another(matrix: Matrix) -> None:
    await _second_of_everything(matrix)
    call = matrix.acme.call
    lists = [endpoint for endpoint in LISTS if endpoint.path.startswith("/api/v1/")]
    cursors = [(each.path, await _cursor(matrix, call, each)) for each in lists]
    taken = [
        (endpoint.path, path)
        for endpoint in lists
        for path, cursor in cursors
        if path != endpoint.path and not await _refused(matrix, call, endpoint, str(cursor))
    ]
    assert taken == []


async def test_a_tool_takes_no_cursor_of_another_list(matrix: Matrix) -> None:
    await _second_of_everything(matrix)
    inboxes = await matrix.acme.call("GET", "/inboxes?limit=1")
    webhooks = await matrix.acme.call("GET", "/webhooks?limit=1")
    for caller, cursor in (
        (matrix.globex.call, inboxes.json["next_cursor"]),
        (matrix.acme.call, webhooks.json["next_cursor"]),
    ):
        hand = Hand(caller)
        await hand.begin()
        for tool in TOOLS.values():
            if "cursor" not in tool.listing["inputSchema"]["properties"]:
                continue
            arguments = {"cursor": cursor}
            required = tool.listing["inputSchema"].get("required", ())
            if "query" in required:
                arguments["query"] = "plan"
            if "thread_id" in required:
                if caller is matrix.globex.call:
                    continue
                arguments["thread_id"] = matrix.names["thread"]
            answer = await hand.post(request("tools/call", name=tool.name, arguments=arguments))
            assert '\\"code\\":\\"invalid_cursor\\"' in answer.octets.decode(), tool.name
