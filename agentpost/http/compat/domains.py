"""AgentMail's domains, of the organization and of a pod."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agentpost.events import spelling
from agentpost.events.spelling import compact
from agentpost.http.compat.mount import (
    Anything,
    PageQuery,
    asked,
    at,
    mounted,
    relisted,
    within,
)
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.resources import domains

routes = mounted("Domains")

_MANY: Final = ("/domains", "/pods/{pod}/domains")
_ONE: Final = tuple(path + "/{domain}" for path in _MANY)


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """A domain to add.  The answer says of ``feedback`` and ``tracking`` what holds here."""

    domain: str
    allow_conflicting_provider: bool | None = None
    feedback_enabled: bool | None = None
    inbound_enabled: bool | None = None
    subdomains_enabled: bool | None = None
    tracking_enabled: bool | None = None


class ChangedBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes."""

    feedback_enabled: bool | None = None
    inbound_enabled: bool | None = None
    subdomains_enabled: bool | None = None
    tracking_enabled: bool | None = None


def item(domain: domains.DomainBody) -> Anything:
    """A domain in a list."""
    return spelling.domain(_told(domain))


def shape(domain: domains.DomainBody) -> Anything:
    """A domain with its records."""
    return spelling.whole_domain(_told(domain))


def _told(domain: domains.DomainBody) -> Anything:
    """A domain as events tell it."""
    return {**msgspec.to_builtins(domain), "domain_id": domain.id}


@at(
    routes,
    "GET",
    *_MANY,
    scope="domains:read",
    query=PageQuery,
    answer=Anything,
    summary="List domains",
)
async def list_domains(request: Request[None, PageQuery]) -> Response:
    """The domains of the organization, or of a pod."""
    request = await within(request)
    query = domains.DomainsQuery(**request.query.paging())
    return relisted(await domains.list_domains(asked(request, query)), "domains", item, query.limit)


@at(routes, "GET", *_ONE, scope="domains:read", answer=Anything, summary="Get a domain")
async def get_domain(request: Request[None, None]) -> Response:
    """One domain with its records and what was found of them."""
    request = await within(request)
    return _shown(await domains.get_domain(asked(request)))


@at(
    routes,
    "POST",
    *_MANY,
    scope="domains:write",
    body=NewBody,
    answer=Anything,
    summary="Add a domain",
)
async def create_domain(request: Request[NewBody, None]) -> Response:
    """Adds a domain and says which records to publish for it."""
    request, body = await within(request), request.body
    wanted = domains.NewDomainBody(
        domain=body.domain,
        inbound=body.inbound_enabled is not False,
        subdomains=bool(body.subdomains_enabled),
    )
    return _shown(await domains.create_domain(asked(request, body=wanted)))


@at(
    routes,
    "PATCH",
    *_ONE,
    scope="domains:write",
    body=ChangedBody,
    answer=Anything,
    summary="Change a domain",
)
async def update_domain(request: Request[ChangedBody, None]) -> Response:
    """Changes how the domain receives."""
    request, body = await within(request), request.body
    given = {"inbound": body.inbound_enabled, "subdomains": body.subdomains_enabled}
    change = domains.ChangedDomainBody(**compact(given))
    return _shown(await domains.update_domain(asked(request, body=change)))


@at(routes, "DELETE", *_ONE, scope="domains:write", status=204, summary="Remove a domain")
async def delete_domain(request: Request[None, None]) -> Response:
    """Removes a domain at which no inbox lives any longer."""
    return await domains.delete_domain(asked(await within(request)))


@at(
    routes,
    "POST",
    *(path + "/verify" for path in _ONE),
    scope="domains:write",
    status=204,
    summary="Look at a domain's records now",
)
async def verify_domain(request: Request[None, None]) -> Response:
    """Asks DNS for every record; what was found stands in the domain then."""
    await domains.verify_domain(asked(await within(request)))
    return Response()


@at(
    routes,
    "GET",
    *(path + "/zone-file" for path in _ONE),
    scope="domains:read",
    answer=bytes,
    produces=("*/*",),
    summary="Get the records as a zone file",
)
async def get_zone_file(request: Request[None, None]) -> Response:
    """The records in the form that BIND and most providers of DNS read."""
    return await domains.get_zone_file(asked(await within(request)))


@routes.get(
    "/domains/{domain}/setup-link",
    scope="domains:read",
    answer=Anything,
    summary="Ask for a provider's set-up page",
)
async def get_setup_link(request: Request[None, None]) -> Response:
    """Says that no provider of DNS is set up from here; publish the records, or the zone file."""
    await domains.get_domain(asked(request))
    return Response({"supported": False})


def _shown(inner: Response) -> Response:
    body: Any = inner.body
    return Response(shape(body))
