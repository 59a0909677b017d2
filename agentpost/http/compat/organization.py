"""Who asks, and for whom: AgentMail's identity and organization."""

from __future__ import annotations

from typing import Any

from agentpost.clock import rfc3339
from agentpost.events.spelling import compact
from agentpost.http.compat.mount import Anything, addresses, mounted
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response

routes = mounted("Identity")


@routes.get("/auth/me", answer=Anything, summary="Who am I")
async def get_identity(request: Request[None, None]) -> Response:
    """The narrowest place that the key is bound to: an inbox, a pod, or the organization."""
    actor = request.actor
    inbox = pod = None
    if actor.inboxes is not None and len(actor.inboxes) == 1:
        inbox = next(iter((await addresses(desk_of(request), actor.inboxes)).values()))
    if actor.environments is not None and len(actor.environments) == 1:
        pod = next(iter(actor.environments))
    kind: Any = "inbox" if inbox else "pod" if pod else "organization"
    return Response(
        compact(
            {
                "scope_type": kind,
                "scope_id": inbox or pod or actor.organization,
                "organization_id": actor.organization,
                "pod_id": pod,
                "inbox_id": inbox,
                "api_key_id": actor.credential,
            }
        )
    )


@routes.get("/organizations", scope="org:read", answer=Anything, summary="Get the organization")
async def get_organization(request: Request[None, None]) -> Response:
    """The organization of the key, and how much of everything it has."""
    organizations = desk_of(request).store.organizations
    found = await organizations.get(request.actor)
    usage = await organizations.usage(request.actor)
    moment = rfc3339(found.created_at)
    return Response(
        {
            "organization_id": found.id,
            "inbox_count": usage.inboxes,
            "domain_count": usage.domains,
            "updated_at": moment,
            "created_at": moment,
        }
    )
