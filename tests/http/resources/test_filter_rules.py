"""Filter rules over REST: made, explained, enforced (API.md, Filters)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentpost.mail.delivery import Delivery
from agentpost.mail.policy import make_policy
from tests.http.resources.conftest import Api, Tenant, letter

RULE = {
    "direction": "send",
    "action": "block",
    "match_type": "domain",
    "value": "Blocked.EXAMPLE",
}
LETTER = {"subject": "x", "text_body": "y"}


async def made(acme: Tenant, **fields: Any) -> Any:
    answer = await acme.call("POST", "/filter-rules", RULE | fields)
    assert answer.status == 201, answer.octets
    return answer.json


async def receive(api: Api, address: str, sender: str, subject: str = "Hello") -> str:
    """Mail from outside; the id of its message."""
    policy = make_policy(api.store, frozenset({"shared.test"}))
    delivery = Delivery(api.store.messages, api.store.directory, policy)
    placed = await delivery.deliver(address, letter(subject, sender=sender, to=address), "smtp")
    assert placed is not None
    return placed.message


async def test_a_rule_is_made_read_changed_and_deleted(acme: Tenant) -> None:
    rule = await made(acme, note="Competitors")
    assert rule["id"].startswith("fr_")
    assert (rule["value"], rule["scope"]) == ("blocked.example", "environment")
    assert rule["environment_id"] == acme.environment.id
    path = f"/filter-rules/{rule['id']}"
    read = await acme.call("GET", path)
    assert read.json == rule
    changed = await acme.call("PATCH", path, {"action": "allow", "note": None})
    assert (changed.json["action"], changed.json["note"]) == ("allow", None)
    stale = await acme.call("PATCH", path, {"action": "block"}, if_match=read.fields["etag"])
    assert stale.code == "precondition_failed"
    assert (await acme.call("DELETE", path)).status == 204
    assert (await acme.call("GET", path)).code == "not_found"


async def test_a_client_id_gives_the_same_rule(acme: Tenant) -> None:
    body = RULE | {"client_id": "no-competitors"}
    first = await acme.call("POST", "/filter-rules", body)
    second = await acme.call("POST", "/filter-rules", body | {"value": "other.example"})
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json


async def test_two_rules_of_a_place_never_match_the_same(acme: Tenant) -> None:
    inbox = await acme.inbox()
    await made(acme)
    again = await acme.call("POST", "/filter-rules", RULE | {"action": "allow"})
    assert (again.status, again.code) == (409, "already_exists")
    await made(acme, action="allow", inbox=inbox.address)
    await made(acme, scope="org")
    await made(acme, direction="receive")


@pytest.mark.parametrize(
    ("match_type", "value", "kept"),
    [
        ("address", "Ada@Example.ORG", "ada@example.org"),
        ("domain", "bücher.example", "xn--bcher-kva.example"),
        ("subdomain_wildcard", "*.Example.org", "*.example.org"),
        ("subdomain_wildcard", "example.org", "*.example.org"),
        ("subdomain_wildcard", "*", "*"),
        ("address", "nobody", None),
        ("domain", "*.example.org", None),
        ("domain", "ada@example.org", None),
        ("domain", "[192.0.2.1]", None),
        ("subdomain_wildcard", "*.*.org", None),
        ("subdomain_wildcard", "**", None),
    ],
)
async def test_what_a_rule_may_match(
    acme: Tenant, match_type: str, value: str, kept: str | None
) -> None:
    body = RULE | {"match_type": match_type, "value": value}
    answer = await acme.call("POST", "/filter-rules", body)
    if kept is None:
        assert (answer.status, answer.paths) == (422, ["value"])
    else:
        assert (answer.status, answer.json["value"]) == (201, kept)


async def test_a_bound_key_makes_rules_for_what_it_covers(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    bound = await acme.caller("filters:read", "filters:write", inboxes=(inbox.id,))
    whole = await made(acme)
    strange = await made(acme, inbox=other.id)
    own = await bound("POST", "/filter-rules", RULE | {"inbox": inbox.id})
    assert own.status == 201
    assert (await bound("POST", "/filter-rules", RULE)).code == "forbidden"
    assert (await bound("POST", "/filter-rules", RULE | {"scope": "org"})).code == "forbidden"
    assert (await bound("POST", "/filter-rules", RULE | {"inbox": other.id})).status == 404
    listed = [one["id"] for one in (await bound("GET", "/filter-rules")).json["data"]]
    assert listed == [own.json["id"], whole["id"]]
    assert (await bound("DELETE", f"/filter-rules/{whole['id']}")).code == "forbidden"
    assert (await bound("DELETE", f"/filter-rules/{strange['id']}")).code == "not_found"


async def test_lists_are_narrowed(acme: Tenant) -> None:
    inbox = await acme.inbox()
    first = await made(acme)
    second = await made(acme, inbox=inbox.id, action="allow")
    third = await made(acme, scope="org", direction="receive")
    for query, expected in (
        ("direction=receive", [third]),
        ("action=allow", [second]),
        ("scope=env", [first]),
        (f"inbox={inbox.address}", [second]),
        ("value=blocked.example&limit=1", [third]),
    ):
        answer = await acme.call("GET", f"/filter-rules?{query}")
        assert answer.json["data"] == expected, query


async def test_check_says_which_rule_decides(acme: Tenant) -> None:
    inbox = await acme.inbox()
    ask = {"direction": "send", "address": "Eve@sub.blocked.example", "inbox": inbox.address}
    answer = (await acme.call("POST", "/filter-rules/check", ask)).json
    assert (answer["allowed"], answer["rule"], answer["matches"]) == (True, None, [])
    assert answer["reason"] == "No rule matches: mail goes."
    wide = await made(acme, match_type="subdomain_wildcard", value="blocked.example")
    answer = (await acme.call("POST", "/filter-rules/check", ask)).json
    assert (answer["allowed"], answer["rule"]) == (False, wide)
    assert answer["reason"] == "A rule of the environment blocks the subdomains *.blocked.example."
    exact = await made(acme, action="allow", match_type="address", value="eve@sub.blocked.example")
    answer = (await acme.call("POST", "/filter-rules/check", ask)).json
    assert (answer["allowed"], answer["matches"]) == (True, [exact, wide])
    await acme.call("POST", "/suppressions", {"address": "eve@sub.blocked.example"})
    answer = (await acme.call("POST", "/filter-rules/check", ask)).json
    assert (answer["allowed"], answer["suppressed"]) == (True, True)
    replying = await acme.call("POST", "/filter-rules/check", ask | {"direction": "reply"})
    assert replying.json["matches"] == [exact, wide]
    receiving = await acme.call("POST", "/filter-rules/check", ask | {"direction": "receive"})
    assert (receiving.json["matches"], receiving.json["suppressed"]) == ([], False)


async def test_a_rule_holds_at_once_for_every_way_of_sending(acme: Tenant) -> None:
    inbox = await acme.inbox()
    path = f"/inboxes/{inbox.id}/messages"
    body = LETTER | {"to": "eve@blocked.example"}
    assert (await acme.call("POST", path, body)).status == 202
    rule = await made(acme)
    for refused in (
        await acme.call("POST", path, body),
        await acme.call("POST", path, body | {"dry_run": True}),
        await acme.call("POST", path, body | {"to": "ada@x.example", "bcc": "eve@blocked.example"}),
    ):
        assert (refused.status, refused.code) == (403, "send_block")
        assert rule["id"] in refused.json["message"]
    draft = await acme.call("POST", f"/inboxes/{inbox.id}/drafts", body)
    sent = await acme.call("POST", f"/drafts/{draft.json['id']}/send")
    assert sent.code == "send_block"
    await acme.call("PATCH", f"/filter-rules/{rule['id']}", {"action": "allow"})
    told = await acme.call("POST", path, body | {"dry_run": True})
    assert told.json["recipients"] == [
        {
            "email": "eve@blocked.example",
            "local": False,
            "verdict": "send",
            "rule_id": rule["id"],
        }
    ]
    assert (await acme.call("POST", f"/drafts/{draft.json['id']}/send")).status == 202


async def test_an_answer_goes_where_only_answers_may(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await made(acme, match_type="subdomain_wildcard", value="*")
    await made(acme, direction="reply", action="allow", match_type="subdomain_wildcard", value="*")
    message = await receive(api, inbox.address, "Ada <ada@example.org>")
    answer = await acme.call("POST", f"/messages/{message}/reply", {"text_body": "Yes."})
    assert answer.status == 202
    onward = {"text_body": "FYI", "to": "bob@example.org"}
    forwarded = await acme.call("POST", f"/messages/{message}/forward", onward)
    assert (forwarded.status, forwarded.code) == (403, "not_allowed")


async def test_blocked_mail_is_shown_to_who_asks_and_may(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await made(acme, direction="receive")
    blocked = await receive(api, inbox.address, "eve@blocked.example", "Buy")
    fine = await receive(api, inbox.address, "ada@example.org")
    path = f"/inboxes/{inbox.id}/messages"

    async def listed(query: str = "") -> set[str]:
        answers = [await acme.call("GET", where + query) for where in (path, "/messages")]
        one, all_of_them = [{row["id"] for row in each.json["data"]} for each in answers]
        assert one == all_of_them
        return one

    assert await listed() == {fine}
    assert await listed("?include=spam") == {fine}
    assert await listed("?folder=Junk") == set()
    assert await listed("?include=blocked") == {fine, blocked}
    assert await listed("?folder=Junk&include=blocked") == {blocked}
    threads = (await acme.call("GET", "/threads?include=spam")).json["data"]
    assert len(threads) == 1
    assert len((await acme.call("GET", "/threads?include=blocked")).json["data"]) == 2
    limited = await acme.caller("messages:read", "spam:read")
    refused = await limited("GET", path + "?include=blocked")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "blocked:read" in refused.json["fix"]
    # Who takes it out of Junk has decided that it is wanted.
    await acme.call("PATCH", f"/messages/{blocked}", {"folder": "INBOX"})
    assert await listed() == {fine, blocked}


async def test_the_event_of_blocked_mail_is_for_who_may_see_it(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await made(acme, direction="receive")
    message = await receive(api, inbox.address, "eve@blocked.example")
    told = await api.store.events.since(acme.actor, 0, 10)
    (event,) = [each for each in told if each.data.get("message_id") == message]
    assert event.type == "message.received.blocked"
    others = acme.actor.scopes - {"blocked:read"}
    blind = replace(acme.actor, scopes=others)
    assert message not in str(await api.store.events.since(blind, 0, 10))
    assert await api.store.events.get(blind, event.id) is None
