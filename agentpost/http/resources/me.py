"""Who the caller is (API.md, Identity)."""

from __future__ import annotations

from typing import Final

import msgspec

from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.model.actor import SCOPES

routes = Routes("Identity")


class OwnOrganizationBody(msgspec.Struct, frozen=True):
    """The organization that the key belongs to."""

    id: str
    name: str
    slug: str
    tier: str


class OwnEnvironmentBody(msgspec.Struct, frozen=True):
    """The environment that creations go to."""

    id: str
    name: str
    slug: str
    kind: str


class OwnLimitsBody(msgspec.Struct, frozen=True):
    """What the tier allows; null is unlimited."""

    requests_per_minute: int | None
    mails_per_day: int | None
    max_message_octets: int


class OwnUsageBody(msgspec.Struct, frozen=True):
    """What was used of it."""

    mails_today: int


class MeBody(msgspec.Struct, frozen=True):
    """The caller; null for an id list means that the key covers all."""

    key_id: str
    organization: OwnOrganizationBody
    environment: OwnEnvironmentBody | None
    environment_ids: list[str] | None
    inbox_ids: list[str] | None
    scopes: list[str]
    limits: OwnLimitsBody
    usage: OwnUsageBody


_EXAMPLE: Final = {
    "key_id": "key_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "organization": {
        "id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "name": "Acme",
        "slug": "acme",
        "tier": "team",
    },
    "environment": {
        "id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "name": "Default",
        "slug": "default",
        "kind": "live",
    },
    "environment_ids": None,
    "inbox_ids": None,
    "scopes": ["inboxes:read", "messages:read"],
    "limits": {
        "requests_per_minute": 600,
        "mails_per_day": 50000,
        "max_message_octets": 10485760,
    },
    "usage": {"mails_today": 1200},
}


@routes.get("/me", answer=MeBody, summary="Who am I", examples={"response": _EXAMPLE})
async def get_me(request: Request[None, None]) -> Response:
    """The organization, environment, scopes, bindings, limits and usage of the key itself.

    ``environment`` is where creations go; it is null when the key covers several environments
    and none of them is the default: name one in the header AgentPost-Environment.
    """
    desk, actor = desk_of(request), request.actor
    organization = await desk.store.organizations.get(actor, scope=None)
    environment = None
    if actor.environment is not None:
        found = await desk.store.environments.get(actor, actor.environment, scope=None)
        environment = OwnEnvironmentBody(found.id, found.name, found.slug, found.kind)
    tier = desk.terms.tiers.named(organization.tier)
    mails = await desk.store.organizations.mails_today(actor)
    body = MeBody(
        key_id=actor.credential,
        organization=OwnOrganizationBody(
            organization.id, organization.name, organization.slug, organization.tier
        ),
        environment=environment,
        environment_ids=_sorted(actor.environments),
        inbox_ids=_sorted(actor.inboxes),
        scopes=sorted(actor.scopes & SCOPES),
        limits=OwnLimitsBody(
            tier.requests_per_minute, tier.mails_per_day, desk.terms.message.max_octets
        ),
        usage=OwnUsageBody(mails),
    )
    return Response(body)


def _sorted(ids: frozenset[str] | None) -> list[str] | None:
    return None if ids is None else sorted(ids)
