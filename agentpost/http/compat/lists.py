"""AgentMail's lists of those who may be written to and received from: filter rules.

There a list of who is allowed shuts out everyone else; here a rule that blocks everyone does that.
It is made before the first entry of such a list, and goes after the last.
"""

from __future__ import annotations

from typing import Any, Final

from agentpost.errors import AlreadyExists, Conflict, NotFound
from agentpost.events.spelling import compact
from agentpost.http.compat.mount import (
    Anything,
    PageQuery,
    addresses,
    asked,
    at,
    inbox_of,
    mounted,
    relisted,
    within,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.resources import filter_rules
from agentpost.http.resources.filter_rules import RuleBody
from agentpost.ids import InboxId
from agentpost.model.rule import ACTIONS, DIRECTIONS, EVERYONE

routes = mounted("Lists")

_MANY: Final = tuple(
    place + "/lists/{direction}/{list_type}" for place in ("", "/pods/{pod}", "/inboxes/{inbox}")
)
_ONE: Final = tuple(path + "/{entry}" for path in _MANY)
_SHUT: Final = "Everyone but those in the list"
"""The note of the rule that shuts out everyone beside a list of who is allowed."""


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """An address or a domain."""

    entry: str
    reason: str | None = None


def _shape(rule: RuleBody, inboxes: dict[InboxId, str]) -> Anything:
    inbox = None if rule.inbox_id is None else inboxes.get(InboxId(rule.inbox_id), rule.inbox_id)
    return compact(
        {
            "entry": rule.value,
            "organization_id": rule.organization_id,
            "reason": rule.note,
            "direction": rule.direction,
            "list_type": rule.action,
            "entry_type": "email" if rule.match_type == "address" else "domain",
            "created_at": rule.created_at,
            "read_only": True if _shuts(rule) else None,
            "pod_id": rule.environment_id,
            "inbox_id": inbox,
        }
    )


def _shuts(rule: RuleBody) -> bool:
    """Whether the rule belongs to a list of who is allowed."""
    return rule.value == EVERYONE and rule.action == "block" and rule.note == _SHUT


async def _placed(request: Request[Any, Any]) -> tuple[Request[Any, Any], dict[str, Any]]:
    """The request narrowed to its pod, and which rules its path names, as fields of ours.

    Raises: NotFound.
    """
    request = await within(request)
    direction, action = request.params["direction"], request.params["list_type"]
    if direction not in DIRECTIONS or action not in ACTIONS:
        raise NotFound(
            "There is no such list.", fix="Lists are send, receive, reply; allow, block."
        )
    place: dict[str, Any] = {"direction": direction, "action": action}
    if "inbox" in request.params:
        local = await inbox_of(request, None)
        return request, {**place, "scope": "inbox", "inbox": local.inbox}
    scope = "environment" if "pod" in request.params else "organization"
    return request, {**place, "scope": scope}


async def _found(
    request: Request[Any, Any], place: dict[str, Any], value: str, **other: Any
) -> RuleBody | None:
    """The rule of a list with exactly this value; ``other`` fields replace those of the list."""
    query = filter_rules.RulesQuery(**{**place, **other}, value=value, limit=1)
    page: Any = (await filter_rules.list_rules(asked(request, query))).body
    return page.data[0] if page.data else None


async def _shown(request: Request[Any, Any], *rules: RuleBody) -> list[Anything]:
    named = (InboxId(rule.inbox_id) for rule in rules if rule.inbox_id is not None)
    known = await addresses(desk_of(request), named)
    return [_shape(rule, known) for rule in rules]


@at(
    routes,
    "GET",
    *_MANY,
    scope="filters:read",
    query=PageQuery,
    answer=Anything,
    summary="List the entries of a list",
)
async def list_entries(request: Request[None, PageQuery]) -> Response:
    """The entries of a list, newest first."""
    request, place = await _placed(request)
    query = filter_rules.RulesQuery(**request.query.paging(), **place)
    inner = await filter_rules.list_rules(asked(request, query))
    page: Any = inner.body
    answer: Any = relisted(inner, "entries", lambda rule: None, query.limit).body
    return Response({**answer, "entries": await _shown(request, *page.data)})


@at(routes, "GET", *_ONE, scope="filters:read", answer=Anything, summary="Get an entry")
async def get_entry(request: Request[None, None]) -> Response:
    """One entry by its address or domain."""
    request, place = await _placed(request)
    rule = await _found(request, place, _canonical(request.params["entry"]))
    if rule is None:
        raise NotFound("There is no such entry in this list.")
    return Response((await _shown(request, rule))[0])


@at(
    routes,
    "POST",
    *_MANY,
    scope="filters:write",
    body=NewBody,
    answer=Anything,
    summary="Add an entry",
)
async def create_entry(request: Request[NewBody, None]) -> Response:
    """Adds an address, a domain, or ``*.domain`` for its subdomains.

    With the first entry of who is allowed, everyone else is shut out.
    """
    body = request.body
    request, place = await _placed(request)
    if place["action"] == "allow":
        # Before the entry: what fails between the two must not let anyone in.
        await _shut(request, place)
    value = _canonical(body.entry)
    rule = filter_rules.NewRuleBody(
        **place, match_type=_kind(value), value=value, note=body.reason or None
    )
    made: Any = (await filter_rules.create_rule(asked(request, body=rule))).body
    return Response((await _shown(request, made))[0])


@at(routes, "DELETE", *_ONE, scope="filters:write", status=204, summary="Remove an entry")
async def delete_entry(request: Request[None, None]) -> Response:
    """Removes an entry.  With the last of who is allowed, everyone is let in again."""
    request, place = await _placed(request)
    rule = await _found(request, place, _canonical(request.params["entry"]))
    if rule is None:
        raise NotFound("There is no such entry in this list.")
    if _shuts(rule):
        raise Conflict("This entry goes with the list of who is allowed.")
    await filter_rules.delete_rule(asked(request, rule=rule.id))
    if place["action"] == "allow" and not await _anyone(request, place):
        await _open(request, place)
        if await _anyone(request, place):
            # Somebody was allowed meanwhile, and relied on the rule that is gone.
            await _shut(request, place)
    return Response()


async def _anyone(request: Request[Any, Any], place: dict[str, Any]) -> bool:
    """Whether a list has an entry."""
    query = filter_rules.RulesQuery(**place, limit=1)
    page: Any = (await filter_rules.list_rules(asked(request, query))).body
    return bool(page.data)


async def _shut(request: Request[Any, Any], place: dict[str, Any]) -> None:
    """Block everyone where a list says who is allowed, unless that is so."""
    block: dict[str, Any] = {**place, "action": "block"}
    rule = filter_rules.NewRuleBody(
        **block, match_type="subdomain_wildcard", value=EVERYONE, note=_SHUT
    )
    try:
        await filter_rules.create_rule(asked(request, body=rule))
    except AlreadyExists:
        return


async def _open(request: Request[Any, Any], place: dict[str, Any]) -> None:
    """Take back what shut out everyone; a block that somebody made himself stays."""
    rule = await _found(request, place, EVERYONE, action="block")
    if rule is not None and _shuts(rule):
        try:
            await filter_rules.delete_rule(asked(request, rule=rule.id))
        except NotFound:
            return


def _kind(value: str) -> Any:
    if "@" in value:
        return "address"
    return "subdomain_wildcard" if value.startswith("*") else "domain"


def _canonical(value: str) -> str:
    """The value as rules keep it, so that an entry is found however it is written."""
    return filter_rules.canonical(_kind(value), value)
