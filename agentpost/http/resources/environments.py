"""Environments: tenant isolation inside an organization (R32-R35; API.md, Environments and keys)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import AlreadyExists, Conflict, Limit, PreconditionFailed, UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    ClientId,
    Line,
    Timestamp,
    allowed_versions,
    page_of,
)
from agentpost.model.organization import Environment, Kind, RelayName

routes = Routes("Environments")

_SLUG: Final = "1 to 63 of a-z 0-9 - ; unique in the organization"
_SLUG_PATTERN: Final = {"pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}


class NewEnvironmentBody(Body, frozen=True, forbid_unknown_fields=True):
    """An environment to make."""

    name: Annotated[Line, Meta(min_length=1, max_length=100)]
    slug: Annotated[
        str | None,
        Meta(
            description=_SLUG + "; made from the name when it is left out",
            extra_json_schema=_SLUG_PATTERN,
        ),
    ] = None
    kind: Annotated[
        Kind, Meta(description="test: mail goes to a simulator, nothing leaves the server")
    ] = "live"
    client_id: ClientId | None = None


class ChangedEnvironmentBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; the kind never does."""

    name: Annotated[Line, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    slug: Annotated[str, Meta(description=_SLUG, extra_json_schema=_SLUG_PATTERN)] | UnsetType = (
        UNSET
    )
    is_default: Annotated[
        bool | UnsetType, Meta(description="true makes it the default instead of another")
    ] = UNSET
    relay: Annotated[
        RelayName | UnsetType | None,
        Meta(
            description="how its mail leaves, of what the operator has set up; null: as the"
            " deployment's own"
        ),
    ] = UNSET


class EnvironmentBody(msgspec.Struct, frozen=True):
    """An environment."""

    id: str
    organization_id: str
    name: str
    slug: str
    kind: Kind
    is_default: bool
    relay: Annotated[
        RelayName | None,
        Meta(description="how its mail leaves this server; null: as the deployment's own"),
    ]
    client_id: str | None
    created_at: Timestamp
    updated_at: Timestamp


class DeleteEnvironmentQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Whether the environment is destroyed with all that is in it."""

    purge: Annotated[bool, Meta(description="Destroy its inboxes and their mail, for ever")] = False


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "organization_id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "name": "Staging",
    "slug": "staging",
    "kind": "test",
    "is_default": False,
    "relay": None,
    "client_id": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}


def environment_body(environment: Environment) -> EnvironmentBody:
    """An environment as the API shows it."""
    return EnvironmentBody(
        id=environment.id,
        organization_id=environment.organization,
        name=environment.name,
        slug=environment.slug,
        kind=environment.kind,
        is_default=environment.is_default,
        relay=environment.relay,
        client_id=environment.client_id,
        created_at=rfc3339(environment.created_at),
        updated_at=rfc3339(environment.updated_at),
    )


def _shown(environment: Environment, status: int | None = None) -> Response:
    return Response(environment_body(environment), status=status, version=environment.version)


@routes.post(
    "/environments",
    scope="environments:write",
    body=NewEnvironmentBody,
    answer=EnvironmentBody,
    status=201,
    summary="Make an environment",
    also={200: "It was made before with the same client_id"},
    raises=(UnknownField, AlreadyExists, Limit),
    examples={"request": {"name": "Staging", "kind": "test"}, "response": _EXAMPLE},
)
async def create_environment(request: Request[NewEnvironmentBody, None]) -> Response:
    """Makes an environment: inboxes, mail and keys of their own, invisible to the others.

    With a ``client_id`` that was used before, the existing one is answered with status 200.
    """
    body = request.body
    environment, created = await desk_of(request).store.environments.create(
        request.actor, body.name, slug=body.slug, kind=body.kind, client_id=body.client_id
    )
    return _shown(environment, 201 if created else 200)


@routes.get(
    "/environments",
    scope="environments:read",
    query=TimedListQuery,
    answer=ListBody[EnvironmentBody],
    summary="List environments",
    examples=page_of(_EXAMPLE),
)
async def list_environments(request: Request[None, TimedListQuery]) -> Response:
    """The environments that the key covers, newest first unless asked otherwise."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "environments")
    page = await desk.store.environments.page(request.actor, desk.cursors.page(query, *place))
    return Response(desk.cursors.body(page, environment_body, query, *place))


@routes.get(
    "/environments/{environment}",
    scope="environments:read",
    answer=EnvironmentBody,
    summary="Get an environment",
    examples={"response": _EXAMPLE},
)
async def get_environment(request: Request[None, None]) -> Response:
    """One environment by its id."""
    environments = desk_of(request).store.environments
    return _shown(await environments.get(request.actor, request.params["environment"]))


@routes.patch(
    "/environments/{environment}",
    scope="environments:write",
    body=ChangedEnvironmentBody,
    answer=EnvironmentBody,
    summary="Change an environment",
    examples={"request": {"name": "Staging 2"}, "response": _EXAMPLE},
    raises=(UnknownField, AlreadyExists, Conflict, PreconditionFailed),
    conditional=True,
)
async def update_environment(request: Request[ChangedEnvironmentBody, None]) -> Response:
    """Changes name, slug or relay, or makes it the default; there is always exactly one default.

    A relay counts for mail that is taken up from then on.  A test environment has none: its mail
    never leaves the server.
    """
    body = request.body
    environment = await desk_of(request).store.environments.update(
        request.actor,
        request.params["environment"],
        name=None if isinstance(body.name, UnsetType) else body.name,
        slug=None if isinstance(body.slug, UnsetType) else body.slug,
        is_default=None if isinstance(body.is_default, UnsetType) else body.is_default,
        relay=body.relay,
        if_match=allowed_versions(request),
    )
    return _shown(environment)


@routes.delete(
    "/environments/{environment}",
    scope="environments:write",
    query=DeleteEnvironmentQuery,
    status=204,
    summary="Delete an environment",
    raises=(Conflict, PreconditionFailed),
    conditional=True,
)
async def delete_environment(request: Request[None, DeleteEnvironmentQuery]) -> Response:
    """Deletes an environment without inboxes, or with ``purge=true`` everything in it, for ever.

    Deleted inboxes count as long as their mail is retained.  The default environment stays.  Keys
    that were bound to it alone are revoked.
    """
    await desk_of(request).store.environments.delete(
        request.actor,
        request.params["environment"],
        purge_all=request.query.purge,
        if_match=allowed_versions(request),
    )
    return Response()
