"""AgentMail's inboxes, of the organization and of a pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Literal

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
from agentpost.http.resources import inboxes

routes = mounted("Inboxes")

_MANY: Final = ("/inboxes", "/pods/{pod}/inboxes")
_SEARCH: Final = ("/inboxes/search", "/pods/{pod}/inboxes/search")
_ONE: Final = ("/inboxes/{inbox}", "/pods/{pod}/inboxes/{inbox}")

Status = Literal["active", "paused"]


class SearchQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is looked for in address and display name."""

    q: str


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """An inbox to make."""

    username: str | None = None
    domain: str | None = None
    display_name: str | None = None
    client_id: str | None = None
    status: Status | None = None
    metadata: dict[str, Any] | None = None


class ChangedBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; a key of metadata with null is removed."""

    display_name: str | None = None
    status: Status | None = None
    metadata: dict[str, Any] | None = None


def shape(inbox: inboxes.InboxBody) -> Anything:
    """An inbox as AgentMail shows it."""
    return compact(
        {
            "pod_id": inbox.environment_id,
            "inbox_id": inbox.email,
            "email": inbox.email,
            "display_name": inbox.display_name,
            "client_id": inbox.client_id,
            "status": "paused" if inbox.send_paused else "active",
            "metadata": inbox.metadata or None,
            "updated_at": inbox.updated_at,
            "created_at": inbox.created_at,
        }
    )


@at(
    routes,
    "GET",
    *_MANY,
    scope="inboxes:read",
    query=PageQuery,
    answer=Anything,
    summary="List inboxes",
)
async def list_inboxes(request: Request[None, PageQuery]) -> Response:
    """The inboxes of the organization, or of a pod."""
    return await _page(request, None)


@at(
    routes,
    "GET",
    *_SEARCH,
    scope="inboxes:read",
    query=SearchQuery,
    answer=Anything,
    summary="Search inboxes",
)
async def search_inboxes(request: Request[None, SearchQuery]) -> Response:
    """The inboxes whose address or display name holds a text."""
    return await _page(request, request.query.q)


async def _page(request: Request[Any, Any], text: str | None) -> Response:
    request = await within(request)
    query = inboxes.InboxesQuery(q=text, **request.query.paging())
    found = await inboxes.list_inboxes(asked(request, query))
    return relisted(found, "inboxes", shape, query.limit)


@at(
    routes,
    "GET",
    *_ONE,
    scope="inboxes:read",
    answer=Anything,
    summary="Get an inbox",
)
async def get_inbox(request: Request[None, None]) -> Response:
    """One inbox by its address."""
    request = await within(request)
    return _shown(await inboxes.get_inbox(asked(request, inboxes.InboxQuery())))


@at(
    routes,
    "POST",
    *_MANY,
    scope="inboxes:write",
    body=NewBody,
    answer=Anything,
    summary="Make an inbox",
)
async def create_inbox(request: Request[NewBody, None]) -> Response:
    """Makes an inbox in the pod, or where the key's creations go."""
    request, body = await within(request), request.body
    wanted = inboxes.NewInboxBody(
        username=body.username,
        domain=body.domain,
        display_name=body.display_name,
        client_id=body.client_id,
        metadata=body.metadata or {},
    )
    made = await inboxes.create_inbox(asked(request, body=wanted))
    if body.status is not None and made.status == 201:
        made = await _set_status(request, made, body.status)
    return _shown(made)


@at(
    routes,
    "PATCH",
    *_ONE,
    scope="inboxes:write",
    body=ChangedBody,
    answer=Anything,
    summary="Change an inbox",
)
async def update_inbox(request: Request[ChangedBody, None]) -> Response:
    """Changes display name, status or metadata."""
    request, body = await within(request), request.body
    given = {"display_name": body.display_name, "metadata": body.metadata}
    change = inboxes.ChangedInboxBody(**compact(given))
    changed = await inboxes.update_inbox(asked(request, body=change))
    if body.status is not None:
        changed = await _set_status(request, changed, body.status)
    return _shown(changed)


async def _set_status(request: Request[Any, Any], shown: Response, status: Status) -> Response:
    """Pause or resume an inbox that a REST endpoint has just answered."""
    inbox: Any = shown.body
    if inbox.send_paused == (status == "paused"):
        return shown
    if status == "paused":
        return await inboxes.pause_inbox(asked(request, body=inboxes.PauseBody(), inbox=inbox.id))
    return await inboxes.resume_inbox(asked(request, body=inboxes.ResumeBody(), inbox=inbox.id))


@at(
    routes,
    "DELETE",
    *_ONE,
    scope="inboxes:write",
    status=204,
    summary="Delete an inbox",
)
async def delete_inbox(request: Request[None, None]) -> Response:
    """Deletes an inbox; over REST it can be restored."""
    request = await within(request)
    return await inboxes.delete_inbox(asked(request, inboxes.DeleteInboxQuery()))


def _shown(inner: Response) -> Response:
    body: Any = inner.body
    return replace(inner, body=shape(body), status=200)
