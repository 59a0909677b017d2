"""The organization: its name, its tier, what it uses (R27, R28; API.md, Identity)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import AlreadyExists, UnknownField
from agentpost.http.desk import Terms, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp
from agentpost.model.organization import Organization, Tier

routes = Routes("Organization")


class ChangedOrganizationBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; the tier is the operator's to choose."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    slug: (
        Annotated[str, Meta(description="1 to 63 of a-z 0-9 - ; unique on the server")] | UnsetType
    ) = UNSET


class TierLimitsBody(msgspec.Struct, frozen=True):
    """What the tier allows; null is unlimited."""

    requests_per_minute: int | None
    mails_per_day: int | None
    max_message_octets: int


class OrganizationBody(msgspec.Struct, frozen=True):
    """An organization."""

    id: str
    name: str
    slug: str
    tier: Tier
    limits: TierLimitsBody
    created_at: Timestamp


class UsageBody(msgspec.Struct, frozen=True):
    """What the organization holds, and what it did today (UTC)."""

    tier: Tier
    limits: TierLimitsBody
    mails_today: int
    mails_left_today: Annotated[int | None, Meta(description="null: unlimited")]
    storage_octets: int
    environments: int
    inboxes: int
    api_keys: int
    messages: int


_LIMITS: Final = {
    "requests_per_minute": 600,
    "mails_per_day": 50000,
    "max_message_octets": 10485760,
}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "name": "Acme",
    "slug": "acme",
    "tier": "team",
    "limits": _LIMITS,
    "created_at": EXAMPLE_TIME,
}


def _limits(tier: Tier, terms: Terms) -> TierLimitsBody:
    allowed = terms.tiers.named(tier)
    return TierLimitsBody(
        allowed.requests_per_minute, allowed.mails_per_day, terms.message.max_octets
    )


def _shown(organization: Organization, terms: Terms) -> Response:
    return Response(
        OrganizationBody(
            id=organization.id,
            name=organization.name,
            slug=organization.slug,
            tier=organization.tier,
            limits=_limits(organization.tier, terms),
            created_at=rfc3339(organization.created_at),
        )
    )


@routes.get(
    "/org",
    scope="org:read",
    answer=OrganizationBody,
    summary="Get the organization",
    examples={"response": _EXAMPLE},
)
async def get_organization(request: Request[None, None]) -> Response:
    """The organization that the key belongs to, its tier and what that allows."""
    desk = desk_of(request)
    return _shown(await desk.store.organizations.get(request.actor), desk.terms)


@routes.patch(
    "/org",
    scope="org:write",
    body=ChangedOrganizationBody,
    answer=OrganizationBody,
    summary="Change the organization",
    raises=(UnknownField, AlreadyExists),
    examples={"request": {"name": "Acme Ltd"}, "response": _EXAMPLE},
)
async def update_organization(request: Request[ChangedOrganizationBody, None]) -> Response:
    """Changes name or slug.  The key must be bound to no environment and no inbox."""
    desk, body = desk_of(request), request.body
    organization = await desk.store.organizations.update(
        request.actor,
        name=None if isinstance(body.name, UnsetType) else body.name,
        slug=None if isinstance(body.slug, UnsetType) else body.slug,
    )
    return _shown(organization, desk.terms)


@routes.get(
    "/org/usage",
    scope="org:read",
    answer=UsageBody,
    summary="What the organization uses",
    examples={
        "response": {
            "tier": "team",
            "limits": _LIMITS,
            "mails_today": 1200,
            "mails_left_today": 48800,
            "storage_octets": 7340032,
            "environments": 2,
            "inboxes": 14,
            "api_keys": 5,
            "messages": 3021,
        }
    },
)
async def get_usage(request: Request[None, None]) -> Response:
    """Mails of today against the tier, octets stored, and how much of everything there is.

    The requests of the running minute stand in the RateLimit header fields of every answer.
    """
    desk = desk_of(request)
    organization = await desk.store.organizations.get(request.actor)
    usage = await desk.store.organizations.usage(request.actor)
    limits = _limits(organization.tier, desk.terms)
    bound = limits.mails_per_day
    return Response(
        UsageBody(
            tier=organization.tier,
            limits=limits,
            mails_today=usage.mails_today,
            mails_left_today=None if bound is None else max(0, bound - usage.mails_today),
            storage_octets=usage.octets,
            environments=usage.environments,
            inboxes=usage.inboxes,
            api_keys=usage.keys,
            messages=usage.messages,
        )
    )
