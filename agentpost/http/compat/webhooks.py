"""AgentMail's webhooks, of the organization, of a pod and of an inbox."""

from __future__ import annotations

from typing import Any, Final

from agentpost.events.spelling import compact
from agentpost.http.compat.mount import (
    Anything,
    PageQuery,
    addresses,
    asked,
    at,
    bound,
    listed,
    mounted,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.paging import TimedListQuery
from agentpost.http.resources import webhooks
from agentpost.http.resources.webhook_bodies import (
    ChangedWebhookBody,
    NewWebhookBody,
    WebhookBody,
    webhook_body,
)
from agentpost.ids import InboxId
from agentpost.model.actor import Actor
from agentpost.model.page import PageRequest
from agentpost.model.webhook import Webhook

routes = mounted("Webhooks")

_MANY: Final = ("/webhooks", "/pods/{pod}/webhooks", "/inboxes/{inbox}/webhooks")
_ONE: Final = tuple(path + "/{webhook}" for path in _MANY)
_HEADERS: Final = tuple(path + "/headers" for path in _ONE)
_MAX_PODS: Final = 100

Names = list[str] | None


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """A webhook to make; without pods and inboxes it is told of all pods that there are."""

    url: str
    event_types: Names = None
    pod_ids: Names = None
    inbox_ids: Names = None
    client_id: str | None = None
    headers: dict[str, str] | None = None


class ChangedBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes."""

    event_types: Names = None
    enabled: bool | None = None
    add_pod_ids: Names = None
    remove_pod_ids: Names = None
    add_inbox_ids: Names = None
    remove_inbox_ids: Names = None


class HeadersBody(Body, frozen=True, forbid_unknown_fields=True):
    """Header fields to add or replace, and names of those to take away."""

    headers: dict[str, str] | None = None
    remove_headers: Names = None


async def _shape(request: Request[Any, Any], webhook: WebhookBody) -> Anything:
    """A webhook as AgentMail shows it."""
    bound_to = None if webhook.inbox_ids is None else list(map(InboxId, webhook.inbox_ids))
    known = await addresses(desk_of(request), bound_to or ())
    inboxes = None if bound_to is None else [known[one] for one in bound_to]
    pods = webhook.environment_ids
    return compact(
        {
            "webhook_id": webhook.id,
            "url": webhook.url,
            "event_types": webhook.event_types,
            "pod_ids": pods,
            "inbox_ids": inboxes,
            "pod_id": pods[0] if len(pods) == 1 else None,
            "inbox_id": inboxes[0] if inboxes is not None and len(inboxes) == 1 else None,
            "secret": webhook.secret or "",
            "enabled": webhook.enabled,
            "client_id": webhook.client_id,
            "updated_at": webhook.updated_at,
            "created_at": webhook.created_at,
        }
    )


def _told(actor: Actor, webhook: Webhook) -> WebhookBody:
    """A webhook with its secret for whoever may replace it, as AgentMail's clients expect."""
    return webhook_body(webhook, secret=actor.may("webhooks:write"))


@at(
    routes,
    "GET",
    *_MANY,
    scope="webhooks:read",
    query=PageQuery,
    answer=Anything,
    summary="List webhooks",
)
async def list_webhooks(request: Request[None, PageQuery]) -> Response:
    """The webhooks that are told of nothing outside the place in the path."""
    request = await bound(request)
    desk, actor = desk_of(request), request.actor
    query = TimedListQuery(**request.query.paging())
    place = (actor.organization, "v0 webhooks", *request.params.values())
    page = await desk.store.webhooks.page(actor, desk.cursors.page(query, *place))
    rows = [await _shape(request, _told(actor, webhook)) for webhook in page.rows]
    return listed(desk, "webhooks", rows, page, query, *place)


@at(routes, "GET", *_ONE, scope="webhooks:read", answer=Anything, summary="Get a webhook")
async def get_webhook(request: Request[None, None]) -> Response:
    """One webhook."""
    request = await bound(request)
    webhook = _told(request.actor, await _present(request))
    return Response(await _shape(request, webhook))


@at(
    routes,
    "POST",
    *_MANY,
    scope="webhooks:write",
    body=NewBody,
    answer=Anything,
    summary="Make a webhook",
)
async def create_webhook(request: Request[NewBody, None]) -> Response:
    """Has a URL told what happens from now on, in AgentMail's spelling."""
    request, body = await bound(request), request.body
    inboxes = body.inbox_ids or None
    if "inbox" in request.params:
        inboxes = [request.params["inbox"]]
    new = NewWebhookBody(
        url=body.url,
        event_types=body.event_types or None,
        inbox_ids=inboxes,
        environment_ids=body.pod_ids or await _pods(request, inboxes),
        payload="agentmail",
        headers=body.headers,
        client_id=body.client_id,
    )
    made: Any = (await webhooks.create_webhook(asked(request, body=new))).body
    if made.secret is None:  # It was made before.
        made = _told(request.actor, await _present(request, made.id))
    return Response(await _shape(request, made))


async def _pods(request: Request[Any, Any], inboxes: list[str] | None) -> list[str] | None:
    """The environments of the inboxes, or all that the request covers and may know of.

    Raises: NotFound.
    """
    store, actor = desk_of(request).store, request.actor
    if inboxes is not None:
        found = [await store.directory.reach(actor, None, name) for name in inboxes]
        return sorted({local.environment for local in found})
    if actor.environments is not None:
        return sorted(actor.environments)
    if not actor.may("environments:read"):
        return None
    page = await store.environments.page(actor, PageRequest(_MAX_PODS))
    return [environment.id for environment in page.rows]


@at(
    routes,
    "PATCH",
    *_ONE,
    scope="webhooks:write",
    body=ChangedBody,
    answer=Anything,
    summary="Change a webhook",
)
async def update_webhook(request: Request[ChangedBody, None]) -> Response:
    """Changes what a webhook is told, or pauses it."""
    request, body = await bound(request), request.body
    present = await _present(request)
    given: dict[str, Any] = {"event_types": body.event_types, "enabled": body.enabled}
    if body.add_pod_ids or body.remove_pod_ids:
        given["environment_ids"] = _joined(
            present.environments, body.add_pod_ids, body.remove_pod_ids
        )
    if body.add_inbox_ids or body.remove_inbox_ids:
        add = [await _inbox(request, name) for name in body.add_inbox_ids or []]
        remove = [await _inbox(request, name) for name in body.remove_inbox_ids or []]
        given["inbox_ids"] = _joined(present.inboxes or (), add, remove)
    change = ChangedWebhookBody(**compact(given))
    await webhooks.update_webhook(asked(request, body=change))
    changed = _told(request.actor, await _present(request))
    return Response(await _shape(request, changed))


async def _inbox(request: Request[Any, Any], name: str) -> InboxId:
    """The id of an inbox that is named by its address.  Raises: NotFound."""
    local = await desk_of(request).store.directory.reach(request.actor, None, name, deleted=True)
    return local.inbox


def _joined(present: tuple[str, ...], add: Any, remove: Any) -> list[str]:
    """What is there, with some added and some taken away."""
    kept = [one for one in present if one not in (remove or ())]
    return [*kept, *(one for one in add or () if one not in kept)]


@at(
    routes,
    "DELETE",
    *_ONE,
    scope="webhooks:write",
    status=204,
    summary="Delete a webhook",
)
async def delete_webhook(request: Request[None, None]) -> Response:
    """Ends a webhook."""
    request = await bound(request)
    await _present(request)
    return await webhooks.delete_webhook(asked(request))


@at(
    routes,
    "GET",
    *_HEADERS,
    scope="webhooks:read",
    answer=Anything,
    summary="Names of a webhook's header fields",
)
async def get_headers(request: Request[None, None]) -> Response:
    """The names of the header fields that are added; their values are secret."""
    request = await bound(request)
    return Response({"header_names": list((await _present(request)).header_names)})


@at(
    routes,
    "PATCH",
    *_HEADERS,
    scope="webhooks:write",
    body=HeadersBody,
    status=204,
    summary="Change a webhook's header fields",
)
async def update_headers(request: Request[HeadersBody, None]) -> Response:
    """Adds, replaces and removes header fields; the others stay."""
    request, body = await bound(request), request.body
    present = await _present(request)
    new = body.headers or {}
    gone = {name.lower() for name in (*new, *(body.remove_headers or ()))}
    kept = {name: value for name, value in present.headers if name.lower() not in gone}
    change = ChangedWebhookBody(headers={**kept, **new})
    await webhooks.update_webhook(asked(request, body=change))
    return Response()


async def _present(request: Request[Any, Any], name: str | None = None) -> Webhook:
    """The webhook in the path, or the one named, within its place.  Raises: NotFound."""
    store = desk_of(request).store.webhooks
    return await store.get(request.actor, name or request.params["webhook"])
