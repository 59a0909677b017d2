"""Custom domains: claimed, verified, given up (R46, R47, R69; API.md, Domains)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.auth.domainnames import u_labels
from agentpost.clock import rfc3339
from agentpost.errors import (
    AlreadyExists,
    Conflict,
    Limit,
    NotFound,
    PreconditionFailed,
    RateLimited,
    UnknownField,
)
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    ClientId,
    Timestamp,
    allowed_versions,
    page_of,
    when,
)
from agentpost.mail.domains import finding_of, records_of, zone_file
from agentpost.model.domain import Domain, Record
from agentpost.store.domains import DomainChange, DomainFilter, DomainRequest

routes = Routes("Domains")

ZONE: Final = "text/dns"
"""RFC 4027."""

Status = Literal["pending", "verifying", "verified", "failed", "suspended"]
CatchAll = Annotated[
    str | None,
    Meta(description="An inbox of the same environment that gets mail to unknown addresses"),
]
Inbound = Annotated[bool, Meta(description="Whether mail to the domain comes here")]
Subdomains = Annotated[bool, Meta(description="Whether addresses at every subdomain belong to it")]


class NewDomainBody(Body, frozen=True, forbid_unknown_fields=True):
    """A domain to add."""

    domain: Annotated[str, Meta(min_length=3, max_length=253, description="Also in other scripts")]
    client_id: ClientId | None = None
    inbound: Inbound = True
    catch_all_inbox_id: CatchAll = None
    subdomains: Subdomains = False


class ChangedDomainBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; the name never does."""

    inbound: Inbound | UnsetType = UNSET
    catch_all_inbox_id: CatchAll | UnsetType = UNSET
    subdomains: Subdomains | UnsetType = UNSET


class CatchAllBody(Body, frozen=True, forbid_unknown_fields=True):
    """Who gets mail to unknown addresses; null refuses it."""

    inbox_id: CatchAll


class RecordBody(msgspec.Struct, frozen=True):
    """A DNS record to publish, and what stands in its place."""

    type: Literal["MX", "TXT", "CNAME", "SRV"]
    name: Annotated[str, Meta(description="Whole, without the final dot")]
    value: Annotated[str, Meta(description="A TXT over 255 octets is published in several strings")]
    priority: Annotated[int | None, Meta(description="Of an MX")]
    purpose: Literal["challenge", "mx", "subdomains_mx", "spf", "dkim", "dmarc", "srv"]
    required: bool
    status: Literal["pending", "found", "wrong", "missing"]
    found: Annotated[list[str], Meta(description="What stood there at the last look")]
    reason: Annotated[str | None, Meta(description="What is wrong with it")]


class DomainBody(msgspec.Struct, frozen=True):
    """A custom domain."""

    id: str
    domain: Annotated[str, Meta(description="As DNS has it: A-labels in lower case")]
    display_domain: Annotated[str, Meta(description="As people read it")]
    environment_id: str
    client_id: str | None
    inbound: Inbound
    subdomains: Subdomains
    catch_all_inbox_id: CatchAll
    status: Status
    reason: Annotated[str | None, Meta(description="Why it is not, or soon not, verified")]
    records: list[RecordBody]
    checked_at: Annotated[Timestamp | None, Meta(description="The last look")]
    next_check_at: Annotated[Timestamp | None, Meta(description="The next one by itself")]
    created_at: Timestamp
    updated_at: Timestamp


class DomainsQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of domains is narrowed to."""

    domain: str | None = None
    status: Status | None = None


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "dom_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "domain": "acme.example",
    "display_domain": "acme.example",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "client_id": None,
    "inbound": True,
    "subdomains": False,
    "catch_all_inbox_id": None,
    "status": "pending",
    "reason": None,
    "records": [
        {
            "type": "TXT",
            "name": "_agentpost-challenge.acme.example",
            "value": "agentpost-verification=Zm9vYmFyYmF6cXV1eA",
            "priority": None,
            "purpose": "challenge",
            "required": True,
            "status": "pending",
            "found": [],
            "reason": None,
        }
    ],
    "checked_at": None,
    "next_check_at": EXAMPLE_TIME,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}


def domain_body(domain: Domain, records: tuple[Record, ...]) -> DomainBody:
    """A domain as the API shows it."""
    return DomainBody(
        id=domain.id,
        domain=domain.name,
        display_domain=u_labels(domain.name),
        environment_id=domain.environment,
        client_id=domain.client_id,
        inbound=domain.inbound,
        subdomains=domain.subdomains,
        catch_all_inbox_id=domain.catch_all,
        status=domain.status,
        reason=domain.reason,
        records=[_record_body(domain, record) for record in records],
        checked_at=when(domain.checked_at),
        next_check_at=when(domain.check_at),
        created_at=rfc3339(domain.created_at),
        updated_at=rfc3339(domain.updated_at),
    )


def _record_body(domain: Domain, record: Record) -> RecordBody:
    finding = finding_of(domain, record)
    return RecordBody(
        type=record.type,
        name=record.name,
        value=record.value,
        priority=record.priority,
        purpose=record.purpose,
        required=record.required,
        status=finding.status,
        found=list(finding.found),
        reason=finding.reason,
    )


def _body(desk: Desk, domain: Domain) -> DomainBody:
    return domain_body(domain, records_of(domain, desk.domain_terms))


def _shown(desk: Desk, domain: Domain, status: int | None = None) -> Response:
    return Response(_body(desk, domain), status=status, version=domain.version)


@routes.post(
    "/domains",
    scope="domains:write",
    body=NewDomainBody,
    answer=DomainBody,
    status=201,
    summary="Add a domain",
    also={200: "It was added before with the same client_id"},
    raises=(UnknownField, NotFound, AlreadyExists, Limit),
    examples={"request": {"domain": "acme.example"}, "response": _EXAMPLE},
)
async def create_domain(request: Request[NewDomainBody, None]) -> Response:
    """Adds a domain to the environment and says which records to publish for it.

    It is looked for in DNS by itself, with growing pauses for a week, and when you ask.  Nobody
    else can have it verified without control of its zone.  With a ``client_id`` that was used
    before, the existing domain is answered with status 200.
    """
    desk, body = desk_of(request), request.body
    wanted = DomainRequest(
        domain=body.domain,
        client_id=body.client_id,
        inbound=body.inbound,
        subdomains=body.subdomains,
        catch_all=body.catch_all_inbox_id,
    )
    domain, created = await desk.store.domains.create(request.actor, wanted)
    return _shown(desk, domain, 201 if created else 200)


@routes.get(
    "/domains",
    scope="domains:read",
    query=DomainsQuery,
    answer=ListBody[DomainBody],
    summary="List domains",
    raises=(UnknownField,),
    examples=page_of(_EXAMPLE),
)
async def list_domains(request: Request[None, DomainsQuery]) -> Response:
    """The domains that the key covers, newest first unless asked otherwise."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "domains")
    page = await desk.store.domains.page(
        request.actor,
        DomainFilter(query.domain, query.status),
        desk.cursors.page(query, *place),
    )
    return Response(desk.cursors.body(page, lambda one: _body(desk, one), query, *place))


@routes.get(
    "/domains/{domain}",
    scope="domains:read",
    answer=DomainBody,
    summary="Get a domain",
    examples={"response": _EXAMPLE},
)
async def get_domain(request: Request[None, None]) -> Response:
    """One domain with its records and what was found of them."""
    desk = desk_of(request)
    return _shown(desk, await desk.store.domains.get(request.actor, request.params["domain"]))


@routes.patch(
    "/domains/{domain}",
    scope="domains:write",
    body=ChangedDomainBody,
    answer=DomainBody,
    summary="Change a domain",
    raises=(UnknownField, PreconditionFailed),
    conditional=True,
    examples={"request": {"subdomains": True}, "response": {**_EXAMPLE, "subdomains": True}},
)
async def update_domain(request: Request[ChangedDomainBody, None]) -> Response:
    """Changes how the domain receives.  What is to be published may change with it."""
    desk, body = desk_of(request), request.body
    change = DomainChange(body.inbound, body.subdomains, body.catch_all_inbox_id)
    domain = await desk.store.domains.update(
        request.actor, request.params["domain"], change, allowed_versions(request)
    )
    return _shown(desk, domain)


@routes.delete(
    "/domains/{domain}",
    scope="domains:write",
    status=204,
    summary="Remove a domain",
    raises=(Conflict, PreconditionFailed),
    conditional=True,
)
async def delete_domain(request: Request[None, None]) -> Response:
    """Removes a domain at which no inbox lives any longer, with its keys.

    Deleted inboxes keep their mail; they can be restored only when the domain is verified again.
    """
    await desk_of(request).store.domains.delete(
        request.actor, request.params["domain"], allowed_versions(request)
    )
    return Response()


@routes.post(
    "/domains/{domain}/verify",
    scope="domains:write",
    answer=DomainBody,
    summary="Look at a domain's records now",
    raises=(Conflict, RateLimited),
    examples={"response": _EXAMPLE},
)
async def verify_domain(request: Request[None, None]) -> Response:
    """Asks DNS for every record and answers with what was found; once in five seconds at most.

    A domain is verified when everything required is found.  It is looked at again daily, and is
    no longer verified only when something was gone for more than a day.
    """
    desk = desk_of(request)
    domain = await desk.verification.asked(request.actor, request.params["domain"])
    if domain is None:
        raise NotFound("There is no such domain.")
    return _shown(desk, domain)


@routes.get(
    "/domains/{domain}/zone-file",
    scope="domains:read",
    answer=bytes,
    produces=(ZONE,),
    summary="Get the records as a zone file",
)
async def get_zone_file(request: Request[None, None]) -> Response:
    """The records in the form that BIND and most providers of DNS read."""
    desk = desk_of(request)
    domain = await desk.store.domains.get(request.actor, request.params["domain"])
    text = zone_file(domain, records_of(domain, desk.domain_terms))
    fields = (("content-disposition", f'attachment; filename="{domain.name}.zone"'),)
    return Response(text.encode(), fields=fields, media=f"{ZONE}; charset=us-ascii")


@routes.put(
    "/domains/{domain}/catch-all",
    scope="domains:write",
    body=CatchAllBody,
    answer=DomainBody,
    summary="Choose who gets mail to unknown addresses",
    raises=(UnknownField, PreconditionFailed),
    conditional=True,
    examples={"request": {"inbox_id": None}, "response": _EXAMPLE},
)
async def put_catch_all(request: Request[CatchAllBody, None]) -> Response:
    """Lets an inbox of the environment get what is written to unknown addresses of the domain.

    A message says in ``delivered_to`` where it was written to.  Without a catch-all such mail is
    refused.  The shared domain has none.
    """
    desk = desk_of(request)
    change = DomainChange(catch_all=request.body.inbox_id)
    domain = await desk.store.domains.update(
        request.actor, request.params["domain"], change, allowed_versions(request)
    )
    return _shown(desk, domain)
