"""Filter rules: whom inboxes may write to and whose mail they take (API.md, Filters)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import AlreadyExists, Limit, NotFound, PreconditionFailed, UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    ClientId,
    Line,
    Timestamp,
    allowed_versions,
    page_of,
)
from agentpost.mail.rules import written
from agentpost.mime.fields import fault_of_email
from agentpost.model.rule import (
    EVERYONE,
    FilterRule,
    MatchType,
    RuleAction,
    RuleDirection,
    RuleScope,
)
from agentpost.store import checks
from agentpost.store.rules import RuleFilter, RuleRequest

routes = Routes("Filter rules")

AskedScope = Literal["org", "organization", "env", "environment", "inbox"]
_SCOPES: Final[dict[AskedScope, RuleScope]] = {
    "org": "organization",
    "organization": "organization",
    "env": "environment",
    "environment": "environment",
    "inbox": "inbox",
}

Direction = Annotated[
    RuleDirection,
    Meta(description="send: to whom; receive: from whom; reply: to whom as an answer"),
]
Match = Annotated[
    MatchType, Meta(description="The more specific wins: address, domain, subdomain_wildcard")
]
Value = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=320,
        description="ada@example.org; example.org; *.example.org, or * for everyone",
    ),
]
Note = Annotated[Line, Meta(min_length=1, max_length=500, description="Why, for people")]


class NewRuleBody(Body, frozen=True, forbid_unknown_fields=True):
    """A rule to make."""

    direction: Direction
    action: RuleAction
    match_type: Match
    value: Value
    scope: Annotated[
        AskedScope | None,
        Meta(description="What it is about; inbox when one is named, else the environment"),
    ] = None
    inbox: Annotated[str | None, Meta(description="Id or address, for a rule of one inbox")] = None
    note: Note | None = None
    client_id: ClientId | None = None


class ChangedRuleBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; what it matches is another rule."""

    action: RuleAction | UnsetType = UNSET
    note: Note | UnsetType | None = UNSET


class CheckBody(Body, frozen=True, forbid_unknown_fields=True):
    """Who writes to whom."""

    direction: Direction
    address: Annotated[str, Meta(min_length=3, max_length=320)]
    inbox: Annotated[str, Meta(description="Id or address of the inbox that sends or receives")]


class RuleBody(msgspec.Struct, frozen=True):
    """A filter rule; null for an id means all of them."""

    id: str
    organization_id: str
    environment_id: str | None
    inbox_id: str | None
    scope: RuleScope
    direction: RuleDirection
    action: RuleAction
    match_type: MatchType
    value: str
    note: str | None
    client_id: str | None
    created_at: Timestamp
    updated_at: Timestamp


class CheckedBody(msgspec.Struct, frozen=True):
    """Whether mail goes, and which rule says so."""

    allowed: bool
    direction: RuleDirection
    address: str
    inbox_id: str
    rule: Annotated[RuleBody | None, Meta(description="The one that decides; null for none")]
    reason: str
    suppressed: Annotated[
        bool, Meta(description="On the suppression list, which refuses it as well")
    ]
    matches: Annotated[list[RuleBody], Meta(description="All that match, in their order")]


class RulesQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of rules is narrowed to; every given condition must hold."""

    direction: RuleDirection | None = None
    action: RuleAction | None = None
    scope: AskedScope | None = None
    inbox: Annotated[str | None, Meta(description="Rules of this inbox alone")] = None
    value: Annotated[str | None, Meta(description="Exactly as the rule shows it")] = None


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "fr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "organization_id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": None,
    "scope": "environment",
    "direction": "send",
    "action": "block",
    "match_type": "domain",
    "value": "competitor.example",
    "note": "Nothing to tell them",
    "client_id": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}
_REQUEST: Final = {
    name: _EXAMPLE[name] for name in ("direction", "action", "match_type", "value", "note")
}


def rule_body(rule: FilterRule) -> RuleBody:
    """A rule as the API shows it."""
    return RuleBody(
        id=rule.id,
        organization_id=rule.organization,
        environment_id=rule.environment,
        inbox_id=rule.inbox,
        scope=rule.scope,
        direction=rule.direction,
        action=rule.action,
        match_type=rule.match_type,
        value=rule.value,
        note=rule.note,
        client_id=rule.client_id,
        created_at=rfc3339(rule.created_at),
        updated_at=rfc3339(rule.updated_at),
    )


def _shown(rule: FilterRule, status: int | None = None) -> Response:
    return Response(rule_body(rule), status=status, version=rule.version)


@routes.post(
    "/filter-rules",
    scope="filters:write",
    body=NewRuleBody,
    answer=RuleBody,
    status=201,
    summary="Make a filter rule",
    also={200: "It was made before with the same client_id"},
    raises=(UnknownField, NotFound, AlreadyExists, Limit),
    examples={"request": _REQUEST, "response": _EXAMPLE},
)
async def create_rule(request: Request[NewRuleBody, None]) -> Response:
    """Makes a rule.  It holds within seconds, over every protocol.

    Where no rule matches, mail goes.  An allow rule makes an exception from a block; to allow only
    some, block ``*`` beside it.  With a ``client_id`` that was used before, the existing rule is
    answered with status 200.
    """
    body = request.body
    asked: AskedScope = body.scope or ("inbox" if body.inbox is not None else "environment")
    rule, created = await desk_of(request).store.rules.create(
        request.actor,
        RuleRequest(
            body.direction,
            body.action,
            body.match_type,
            canonical(body.match_type, body.value),
            _SCOPES[asked],
            body.inbox,
            body.note,
            body.client_id,
        ),
    )
    return _shown(rule, 201 if created else 200)


@routes.get(
    "/filter-rules",
    scope="filters:read",
    query=RulesQuery,
    answer=ListBody[RuleBody],
    summary="List filter rules",
    raises=(
        UnknownField,
        NotFound,
    ),
    examples=page_of(_EXAMPLE),
)
async def list_rules(request: Request[None, RulesQuery]) -> Response:
    """The rules that reach into what the key covers, newest first unless asked otherwise."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "filter-rules")
    inbox = None
    if query.inbox is not None:
        local = await desk.store.directory.reach(request.actor, "filters:read", query.inbox)
        inbox = local.inbox
    wanted = RuleFilter(
        query.direction,
        query.action,
        None if query.scope is None else _SCOPES[query.scope],
        inbox,
        query.value,
    )
    page = await desk.store.rules.page(request.actor, wanted, desk.cursors.page(query, *place))
    return Response(desk.cursors.body(page, rule_body, query, *place))


@routes.post(
    "/filter-rules/check",
    scope="filters:read",
    body=CheckBody,
    answer=CheckedBody,
    summary="Ask which rule decides",
    raises=(UnknownField, NotFound),
    examples={
        "request": {
            "direction": "send",
            "address": "sales@competitor.example",
            "inbox": "support-a1b2c3@shared.agentpost.example",
        },
        "response": {
            "allowed": False,
            "direction": "send",
            "address": "sales@competitor.example",
            "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
            "rule": _EXAMPLE,
            "reason": "A rule of the environment blocks the domain competitor.example.",
            "suppressed": False,
            "matches": [_EXAMPLE],
        },
    },
)
async def check_rules(request: Request[CheckBody, None]) -> Response:
    """Says whether mail between an inbox and an address goes, and which rule decides.

    For ``reply`` the rules for replies decide, and where none matches those for sending.
    """
    desk, body = desk_of(request), request.body
    fault = fault_of_email(body.address)
    if fault is not None:
        raise checks.refuse("address", fault.rstrip("."))
    local = await desk.store.directory.reach(request.actor, "filters:read", body.inbox)
    found = await desk.policy.explain(local, body.direction, body.address)
    suppressed = body.direction != "receive" and await desk.policy.suppressed(local, body.address)
    rule = found[0] if found else None
    return Response(
        CheckedBody(
            allowed=rule is None or rule.action == "allow",
            direction=body.direction,
            address=written(body.address),
            inbox_id=local.inbox,
            rule=None if rule is None else rule_body(rule),
            reason=_reason(rule),
            suppressed=suppressed,
            matches=[rule_body(each) for each in found],
        )
    )


@routes.get(
    "/filter-rules/{rule}",
    scope="filters:read",
    answer=RuleBody,
    summary="Get a filter rule",
    examples={"response": _EXAMPLE},
)
async def get_rule(request: Request[None, None]) -> Response:
    """One rule by its id."""
    return _shown(await desk_of(request).store.rules.get(request.actor, request.params["rule"]))


@routes.patch(
    "/filter-rules/{rule}",
    scope="filters:write",
    body=ChangedRuleBody,
    answer=RuleBody,
    summary="Change a filter rule",
    raises=(UnknownField, PreconditionFailed),
    conditional=True,
    examples={"request": {"action": "allow"}, "response": {**_EXAMPLE, "action": "allow"}},
)
async def update_rule(request: Request[ChangedRuleBody, None]) -> Response:
    """Changes what the rule does, or its note; make another rule to match something else."""
    rule = await desk_of(request).store.rules.update(
        request.actor,
        request.params["rule"],
        action=request.body.action,
        note=request.body.note,
        if_match=allowed_versions(request),
    )
    return _shown(rule)


@routes.delete(
    "/filter-rules/{rule}",
    scope="filters:write",
    status=204,
    summary="Delete a filter rule",
    raises=(PreconditionFailed,),
    conditional=True,
)
async def delete_rule(request: Request[None, None]) -> Response:
    """Removes the rule; what it decided is decided by the next that matches."""
    await desk_of(request).store.rules.delete(
        request.actor, request.params["rule"], allowed_versions(request)
    )
    return Response()


def canonical(match_type: MatchType, value: str) -> str:
    """The value in the form in which addresses are compared.  Raises: UnknownField."""
    if match_type == "address":
        fault = fault_of_email(value)
        if fault is not None:
            raise checks.refuse("value", fault.rstrip("."))
        return written(value)
    domain = value
    if match_type == "subdomain_wildcard":
        if value == EVERYONE:
            return value
        domain = value.removeprefix("*.")
    if fault_of_email(f"x@{domain}") is not None or domain.startswith("["):
        form = "example.org" if match_type == "domain" else "*.example.org, or * for everyone"
        raise checks.refuse("value", f"must be written like {form}")
    plain = written(f"x@{domain}").removeprefix("x@")
    return plain if match_type == "domain" else f"*.{plain}"


def _reason(rule: FilterRule | None) -> str:
    if rule is None:
        return "No rule matches: mail goes."
    verb = "blocks" if rule.action == "block" else "allows"
    if rule.value == EVERYONE:
        what = "everyone"
    else:
        kind = {"address": "address", "domain": "domain", "subdomain_wildcard": "subdomains"}
        what = f"the {kind[rule.match_type]} {rule.value}"
    return f"A rule of the {rule.scope} {verb} {what}."
