"""AgentMail's polling webhooks, of the organization, of a pod and of an inbox.

The token that one is made with is for the ``AutoConfigConsumer`` of Svix's SDKs, which finds in it
where to read (``consuming.py``).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

import msgspec

from agentpost.auth.keys import Secret
from agentpost.auth.signatures import new_secret
from agentpost.clock import rfc3339
from agentpost.events.spelling import compact
from agentpost.http.compat.mount import (
    Anything,
    PageQuery,
    addresses,
    at,
    bound,
    inbox_of,
    listed,
    mounted,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.paging import TimedListQuery
from agentpost.http.resources.webhooks import event_types
from agentpost.ids import EnvironmentId
from agentpost.model.actor import Scope
from agentpost.model.polling import PollingWebhook
from agentpost.store import checks
from agentpost.store.polling import PollingRequest

routes = mounted("Polling webhooks")

_MANY: Final = (
    "/webhooks/polling",
    "/pods/{pod}/webhooks/polling",
    "/inboxes/{inbox}/webhooks/polling",
)
_ONE: Final = tuple(path + "/{polling}" for path in _MANY)
_FORM: Final = "auto_v1_"
"""Of the form that says where to read; all of Svix's SDKs that know such tokens know this one."""

Names = list[str] | None


class NewInboxBody(Body, frozen=True, forbid_unknown_fields=True):
    """A polling webhook of an inbox to make, or to get a token for again."""

    client_id: str
    event_types: list[str]


class NewPodBody(NewInboxBody, frozen=True, forbid_unknown_fields=True):
    """One of a pod, which may tell of some of its inboxes only."""

    inbox_ids: Names = None


class NewBody(NewPodBody, frozen=True, forbid_unknown_fields=True):
    """One of the organization, which may tell of some pods and inboxes only."""

    pod_ids: Names = None


@at(
    routes,
    "GET",
    *_MANY,
    scope="webhooks:read",
    query=PageQuery,
    answer=Anything,
    summary="List polling webhooks",
)
async def list_polling_webhooks(request: Request[None, PageQuery]) -> Response:
    """Those that were made at the place in the path."""
    request, place = await _placed(request)
    desk, actor = desk_of(request), request.actor
    query = TimedListQuery(**request.query.paging())
    name = (actor.organization, "v0 polling", *request.params.values())
    page = await desk.store.polling.page(actor, place, desk.cursors.page(query, *name))
    rows = [await _shape(request, webhook) for webhook in page.rows]
    return listed(desk, "polling_webhooks", rows, page, query, *name)


async def create_polling_webhook(request: Request[NewInboxBody, None]) -> Response:
    """Keeps what happens from now on for whoever has the token, which is shown this once.

    With a ``client_id`` that is known at this place the existing one is answered as it is, with a
    new token; the one before ends.
    """
    request, place = await _placed(request)
    desk, body = desk_of(request), request.body
    if not body.event_types:
        raise checks.refuse("event_types", "must name a type of event")
    wanted = PollingRequest(
        body.client_id,
        event_types(body.event_types),
        tuple(dict.fromkeys((isinstance(body, NewBody) and body.pod_ids) or ())),
        tuple((isinstance(body, NewPodBody) and body.inbox_ids) or ()),
    )
    made, token, _ = await desk.store.polling.create(request.actor, place, wanted)
    shown = await _shape(request, made)
    return Response({**shown, "token": _token(made, token, desk.terms.http_url)})


for _path, _body in zip(_MANY, (NewBody, NewPodBody, NewInboxBody), strict=True):
    routes.post(
        _path,
        scope="webhooks:write",
        body=_body,
        answer=Anything,
        summary="Make a polling webhook",
    )(create_polling_webhook)


@at(routes, "GET", *_ONE, scope="webhooks:read", answer=Anything, summary="Get a polling webhook")
async def get_polling_webhook(request: Request[None, None]) -> Response:
    """One polling webhook, by its id or ``client_id``."""
    request, place = await _placed(request)
    store = desk_of(request).store.polling
    found = await store.get(request.actor, place, request.params["polling"])
    return Response(await _shape(request, found))


@at(
    routes,
    "DELETE",
    *_ONE,
    scope="webhooks:write",
    status=204,
    summary="Delete a polling webhook",
)
async def delete_polling_webhook(request: Request[None, None]) -> Response:
    """Ends a polling webhook and its token."""
    request, place = await _placed(request)
    store = desk_of(request).store.polling
    await store.delete(request.actor, place, request.params["polling"])
    return Response()


async def _placed(request: Request[Any, Any]) -> tuple[Request[Any, Any], Scope]:
    """The request narrowed to the place in its path, and this place.  Raises: NotFound."""
    request = await bound(request)
    actor = request.actor
    if "inbox" in request.params:
        return request, (await inbox_of(request, None)).scope
    pod = request.params.get("pod")
    return request, Scope(actor.organization, None if pod is None else EnvironmentId(pod))


async def _shape(request: Request[Any, Any], webhook: PollingWebhook) -> Anything:
    known = await addresses(desk_of(request), webhook.inboxes or ())
    inboxes = None if webhook.inboxes is None else [known[one] for one in webhook.inboxes]
    return compact(
        {
            "webhook_id": webhook.id,
            "client_id": webhook.client_id,
            "event_types": webhook.event_types,
            "pod_ids": webhook.environments,
            "inbox_ids": inboxes,
            "pod_id": webhook.environment,
            "inbox_id": None if webhook.inbox is None else known[webhook.inbox],
            "updated_at": rfc3339(webhook.updated_at),
            "created_at": rfc3339(webhook.created_at),
        }
    )


def _token(webhook: PollingWebhook, token: Secret, url: str) -> str:
    """What a consumer is made of: where to read, and the secret to read with.

    The form has a place for a secret that deliveries are signed with.  Here nothing is delivered, so
    that nobody keeps the one that stands there.
    """
    content = {
        "aid": webhook.organization,
        "eid": webhook.id,
        "surl": url,
        "esec": new_secret(),
        "tok": token.text,
    }
    return _FORM + b64encode(msgspec.json.encode(content)).decode().rstrip("=")
