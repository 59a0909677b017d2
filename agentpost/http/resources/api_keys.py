"""API keys: made, listed, narrowed, rotated, revoked (R76-R95; API.md, Environments and keys)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import Conflict, Limit, PreconditionFailed, UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, Moment, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    ClientId,
    Timestamp,
    allowed_versions,
    coming,
    page_of,
    when,
)
from agentpost.ids import EnvironmentId, InboxId
from agentpost.model.organization import ApiKey, NewApiKey
from agentpost.store.keys import DEFAULT_OVERLAP_S, KeyChange, KeyRequest

routes = Routes("API keys")

Scopes = Annotated[
    list[str],
    Meta(min_length=1, max_length=100, description="What it may do, such as inboxes:read"),
]
Places = Annotated[list[str], Meta(min_length=1, max_length=1000)]
Networks = Annotated[
    list[str], Meta(max_length=100, description="Addresses and networks it works from; [] for any")
]


class NewKeyBody(Body, frozen=True, forbid_unknown_fields=True):
    """A key to make.  It can hold no more than the key that makes it."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Scopes
    environment_ids: Annotated[
        Places | None, Meta(description="null: all that the key which asks covers")
    ] = None
    inbox_ids: Annotated[
        Places | None, Meta(description="null: all that the key which asks covers")
    ] = None
    expires_at: Moment | None = None
    ip_allow: Networks = msgspec.field(default_factory=list)
    client_id: ClientId | None = None


class ChangedKeyBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; the secret stays (rotate the key to change it)."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    environment_ids: Places | UnsetType | None = UNSET
    inbox_ids: Places | UnsetType | None = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    ip_allow: Networks | UnsetType = UNSET


class RotateKeyBody(Body, frozen=True, forbid_unknown_fields=True):
    """How the old secret ends."""

    overlap_s: Annotated[
        int, Meta(ge=0, description="Seconds that the old key works on; 0 revokes it at once")
    ] = DEFAULT_OVERLAP_S


class KeyBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key; null for an id list means all."""

    id: str
    organization_id: str
    name: str
    prefix: Annotated[str, Meta(description="How the key begins, to recognise it by")]
    scopes: list[str]
    environment_ids: list[str] | None
    inbox_ids: list[str] | None
    ip_allow: list[str]
    client_id: str | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp
    key: Annotated[
        str | None, Meta(description="Only in the answer that made it: the key itself")
    ] = None


class KeysQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """Whether revoked keys are listed too."""

    include_revoked: bool = False


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "key_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "organization_id": "org_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "name": "Support agent",
    "prefix": "ap_sk_live_x3Fq",
    "scopes": ["inboxes:read", "messages:read", "messages:write"],
    "environment_ids": None,
    "inbox_ids": ["inb_01JQ8X5K2M3N4P5R6S7T8V9W00"],
    "ip_allow": [],
    "client_id": None,
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
    "created_at": EXAMPLE_TIME,
}


def key_body(key: ApiKey, secret: str | None = None) -> KeyBody:
    """A key as the API shows it; ``secret`` once, where it was made."""
    return KeyBody(
        id=key.id,
        organization_id=key.organization,
        name=key.name,
        prefix=key.prefix,
        scopes=list(key.scopes),
        environment_ids=None if key.environments is None else list(key.environments),
        inbox_ids=None if key.inboxes is None else list(key.inboxes),
        ip_allow=list(key.ip_allow),
        client_id=key.client_id,
        expires_at=when(key.expires_at),
        revoked_at=when(key.revoked_at),
        last_used_at=when(key.last_used_at),
        created_at=rfc3339(key.created_at),
        key=secret,
    )


def _shown(key: ApiKey) -> Response:
    return Response(key_body(key), version=key.version)


def _made(made: NewApiKey) -> Response:
    return Response(key_body(made.key, made.secret), status=201, version=made.key.version)


@routes.post(
    "/api-keys",
    scope="keys:write",
    body=NewKeyBody,
    answer=KeyBody,
    status=201,
    summary="Make an API key",
    also={200: "It was made before with the same client_id"},
    raises=(UnknownField, Limit),
    examples={
        "request": {
            "name": "Support agent",
            "scopes": ["inboxes:read", "messages:read", "messages:write"],
            "inbox_ids": ["inb_01JQ8X5K2M3N4P5R6S7T8V9W00"],
        },
        "response": {**_EXAMPLE, "key": "ap_sk_live_" + "x" * 32},
    },
)
async def create_api_key(request: Request[NewKeyBody, None]) -> Response:
    """Makes a key; ``key`` holds it in clear, this once: only its hash is kept.

    It may do no more than the key that asks, in no more places, from no other networks, and ends
    no later; what is left out is as that key has it.

    With a ``client_id`` that was used before, the existing key is answered with status 200 and
    without its secret.
    """
    body = request.body
    wanted = KeyRequest(
        name=body.name,
        scopes=tuple(body.scopes),
        environments=_environments(body.environment_ids),
        inboxes=_inboxes(body.inbox_ids),
        ip_allow=tuple(body.ip_allow),
        expires_at=coming("expires_at", body.expires_at),
        client_id=body.client_id,
    )
    made, _ = await desk_of(request).store.keys.create(request.actor, wanted)
    return _made(made) if isinstance(made, NewApiKey) else _again(made)


def _again(key: ApiKey) -> Response:
    return Response(key_body(key), status=200, version=key.version)


@routes.get(
    "/api-keys",
    scope="keys:read",
    query=KeysQuery,
    answer=ListBody[KeyBody],
    summary="List API keys",
    examples=page_of(_EXAMPLE),
)
async def list_api_keys(request: Request[None, KeysQuery]) -> Response:
    """The keys that reach no further than the key that asks, newest first unless asked otherwise."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "api-keys")
    page = await desk.store.keys.page(
        request.actor, desk.cursors.page(query, *place), include_revoked=query.include_revoked
    )
    return Response(desk.cursors.body(page, key_body, query, *place))


@routes.get(
    "/api-keys/{key}",
    scope="keys:read",
    answer=KeyBody,
    summary="Get an API key",
    examples={"response": _EXAMPLE},
)
async def get_api_key(request: Request[None, None]) -> Response:
    """One key by its id, also one that was revoked; never its secret."""
    return _shown(await desk_of(request).store.keys.get(request.actor, request.params["key"]))


@routes.patch(
    "/api-keys/{key}",
    scope="keys:write",
    body=ChangedKeyBody,
    answer=KeyBody,
    summary="Change an API key",
    examples={"request": {"scopes": ["messages:read"]}, "response": _EXAMPLE},
    raises=(UnknownField, Conflict, PreconditionFailed),
    conditional=True,
)
async def update_api_key(request: Request[ChangedKeyBody, None]) -> Response:
    """Changes what a key may do and where, within what the key that asks holds itself."""
    body = request.body
    unset = UnsetType
    change = KeyChange(
        name=body.name,
        scopes=body.scopes if isinstance(body.scopes, unset) else tuple(body.scopes),
        environments=(
            UNSET
            if isinstance(body.environment_ids, unset)
            else _environments(body.environment_ids)
        ),
        inboxes=UNSET if isinstance(body.inbox_ids, unset) else _inboxes(body.inbox_ids),
        ip_allow=body.ip_allow if isinstance(body.ip_allow, unset) else tuple(body.ip_allow),
        expires_at=body.expires_at,
    )
    key = await desk_of(request).store.keys.update(
        request.actor, request.params["key"], change, allowed_versions(request)
    )
    return _shown(key)


@routes.delete(
    "/api-keys/{key}",
    scope="keys:write",
    status=204,
    summary="Revoke an API key",
    raises=(PreconditionFailed,),
    conditional=True,
)
async def revoke_api_key(request: Request[None, None]) -> Response:
    """Ends a key at once, also one that may do more than the key that asks; it stays readable."""
    await desk_of(request).store.keys.revoke(
        request.actor, request.params["key"], allowed_versions(request)
    )
    return Response()


@routes.post(
    "/api-keys/{key}/rotate",
    scope="keys:write",
    body=RotateKeyBody,
    answer=KeyBody,
    status=201,
    summary="Rotate an API key",
    examples={
        "request": {"overlap_s": 3600},
        "response": {**_EXAMPLE, "key": "ap_sk_live_" + "x" * 32},
    },
    raises=(UnknownField, Conflict),
)
async def rotate_api_key(request: Request[RotateKeyBody, None]) -> Response:
    """Makes a new key with the same rights; the old one works on for ``overlap_s`` seconds."""
    made = await desk_of(request).store.keys.rotate(
        request.actor, request.params["key"], request.body.overlap_s
    )
    return _made(made)


def _environments(ids: list[str] | None) -> tuple[EnvironmentId, ...] | None:
    return None if ids is None else tuple(map(EnvironmentId, ids))


def _inboxes(ids: list[str] | None) -> tuple[InboxId, ...] | None:
    return None if ids is None else tuple(map(InboxId, ids))
