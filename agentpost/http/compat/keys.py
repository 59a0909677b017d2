"""AgentMail's API keys, of the organization, of a pod and of an inbox."""

from __future__ import annotations

from typing import Any, Final, Literal

from agentpost.errors import NotSupported
from agentpost.events.spelling import compact
from agentpost.http.compat.mount import (
    Anything,
    PageQuery,
    addresses,
    asked,
    at,
    bound,
    mounted,
    relisted,
)
from agentpost.http.compat.permissions import as_permissions, as_scopes
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.paging import Moment
from agentpost.http.resources import api_keys
from agentpost.ids import InboxId
from agentpost.model.actor import SCOPES

routes = mounted("API keys")

_MANY: Final = ("/api-keys", "/pods/{pod}/api-keys", "/inboxes/{inbox}/api-keys")
_ONE: Final = tuple(path + "/{key}" for path in _MANY)

Permissions = dict[str, bool | None]


class KeysQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of keys is narrowed to."""

    type: Literal["bearer", "public_key"] | None = None


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """A key to make."""

    name: str | None = None
    permissions: Permissions | None = None
    expires_at: Moment | None = None
    public_key: dict[str, Any] | None = None
    client_id: str | None = None


class ChangedBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes."""

    name: str | None = None
    permissions: Permissions | None = None


def _shape(key: api_keys.KeyBody, known: dict[InboxId, str]) -> Anything:
    """A key; one that is bound to several pods or inboxes shows none of them."""
    pods, inboxes = key.environment_ids or [], key.inbox_ids or []
    inbox = InboxId(inboxes[0]) if len(inboxes) == 1 else None
    return compact(
        {
            "type": "bearer",
            "api_key_id": key.id,
            "prefix": key.prefix,
            "name": key.name,
            "pod_id": pods[0] if len(pods) == 1 else None,
            "inbox_id": None if inbox is None else known.get(inbox, inbox),
            "used_at": key.last_used_at,
            "permissions": as_permissions(key.scopes),
            "created_at": key.created_at,
            "updated_at": key.created_at,
            "expires_at": key.expires_at,
        }
    )


async def _shown(request: Request[Any, Any], key: api_keys.KeyBody) -> Anything:
    known = await addresses(desk_of(request), map(InboxId, key.inbox_ids or []))
    return _shape(key, known)


@at(
    routes,
    "GET",
    *_MANY,
    scope="keys:read",
    query=KeysQuery,
    answer=Anything,
    summary="List API keys",
)
async def list_keys(request: Request[None, KeysQuery]) -> Response:
    """The keys that reach no further than the key that asks; those of the pod or the inbox."""
    request, query = await bound(request), request.query
    ours = api_keys.KeysQuery(**query.paging())
    inner = await api_keys.list_api_keys(asked(request, ours))
    page: Any = inner.body
    # No key is a public one.
    rows = [await _shown(request, key) for key in page.data if query.type != "public_key"]
    answer: Any = relisted(inner, "api_keys", lambda key: None, ours.limit).body
    return Response({**answer, "api_keys": rows, "count": len(rows)})


@routes.get("/api-keys/{key}", scope="keys:read", answer=Anything, summary="Get an API key")
async def get_key(request: Request[None, None]) -> Response:
    """One key; never its secret."""
    found: Any = (await api_keys.get_api_key(asked(request))).body
    return Response(await _shown(request, found))


@at(
    routes,
    "POST",
    *_MANY,
    scope="keys:write",
    body=NewBody,
    answer=Anything,
    summary="Make an API key",
)
async def create_key(request: Request[NewBody, None]) -> Response:
    """Makes a key; without permissions it may do what the key that asks may."""
    request, body = await bound(request), request.body
    if body.public_key is not None:
        raise NotSupported(
            "Keys are secrets here, not public keys.", fix="Make a key without public_key."
        )
    scopes = sorted(request.actor.scopes & SCOPES)
    if body.permissions is not None:
        scopes = list(as_scopes(body.permissions))
    actor = request.actor
    wanted = api_keys.NewKeyBody(
        name=body.name or "API key",
        scopes=scopes,
        environment_ids=_ids(request, actor.environments),
        inbox_ids=_ids(request, actor.inboxes),
        expires_at=body.expires_at,
    )
    made: Any = (await api_keys.create_api_key(asked(request, body=wanted))).body
    shown = await _shown(request, made)
    del shown["type"], shown["updated_at"]
    return Response({**shown, "api_key": made.key})


@at(
    routes,
    "PATCH",
    *_ONE,
    scope="keys:write",
    body=ChangedBody,
    answer=Anything,
    summary="Change an API key",
)
async def update_key(request: Request[ChangedBody, None]) -> Response:
    """Changes the name of a key, or what it may do."""
    request, body = await bound(request), request.body
    scopes = None if body.permissions is None else list(as_scopes(body.permissions))
    change = api_keys.ChangedKeyBody(**compact({"name": body.name, "scopes": scopes}))
    changed: Any = (await api_keys.update_api_key(asked(request, body=change))).body
    return Response(await _shown(request, changed))


@at(routes, "DELETE", *_ONE, scope="keys:write", status=204, summary="Revoke an API key")
async def delete_key(request: Request[None, None]) -> Response:
    """Ends a key at once."""
    request = await bound(request)
    return await api_keys.revoke_api_key(asked(request))


def _ids(request: Request[Any, Any], covered: frozenset[Any] | None) -> list[str] | None:
    """What a key of the pod or the inbox in the path is bound to."""
    bound = "pod" in request.params or "inbox" in request.params
    return sorted(covered) if bound and covered is not None else None
