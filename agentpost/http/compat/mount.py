"""What all resources of the façade share: paths, pods, pages, names and labels.

AgentMail's pods are environments, its ``inbox_id`` is the address, its ``message_id`` the
Message-ID.  A handler translates a request to what the REST endpoint of the same thing does, so
that rules and rights are decided there; only spelling lives here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from agentpost.errors import NotFound
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Handler, Method, Query, Request, Response, Routes
from agentpost.http.narrowing import narrowed
from agentpost.http.paging import Moment
from agentpost.ids import InboxId, MessageId, is_id
from agentpost.model.inbox import LocalAddress
from agentpost.model.page import Page
from agentpost.store import checks

R = TypeVar("R")

ROOT: Final = "/v0"
MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 20
_PLAIN_ID: Final = re.compile(r"[!$&-.0-;=@-\[\]^-~]{1,900}", re.ASCII)
"""Message-IDs that stay one segment of a path: clients put them there as they are."""


def mounted(tag: str) -> Routes:
    """The routes of one resource of the façade."""
    return Routes(tag, root=ROOT)


def at(routes: Routes, method: Method, *paths: str, **options: Any) -> Callable[[Handler], Handler]:
    """Declare a handler on several paths: AgentMail has most things below pods and inboxes too."""

    def declare(handler: Handler) -> Handler:
        for path in paths:
            routes.add(method, path, **options)(handler)
        return handler

    return declare


class PageQuery(Query, frozen=True, forbid_unknown_fields=True):
    """The parameters of AgentMail's lists."""

    limit: Annotated[int, Meta(ge=1)] | None = None
    page_token: str | None = None
    ascending: bool = False

    def paging(self) -> dict[str, Any]:
        """The same for a list of ours; more than it gives is answered by what it gives."""
        order: Literal["asc", "desc"] = "asc" if self.ascending else "desc"
        return {"limit": self.size, "cursor": self.page_token, "order": order}

    @property
    def size(self) -> int:
        """Rows of the page."""
        return min(self.limit or DEFAULT_PAGE, MAX_PAGE)


class TimedPageQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """A list of what was made at some time."""

    before: Moment | None = None
    after: Moment | None = None

    def paging(self) -> dict[str, Any]:
        return {**super().paging(), "before": self.before, "after": self.after}


def asked(request: Request[Any, Any], query: Any = None, body: Any = None, **params: str) -> Any:
    """The request that the REST endpoint of the same thing would get."""
    return replace(request, query=query, body=body, params={**request.params, **params})


async def within(request: Request[Any, Any]) -> Request[Any, Any]:
    """The request narrowed to the pod and with the inbox that its path names.

    Raises: NotFound when there is none, or the key does not reach it.
    """
    pod = request.params.get("pod")
    if pod is not None:
        if not is_id(pod, "env"):
            raise NotFound("There is no such pod.")
        actor = await narrowed(request.services.authenticator, request.actor, pod)
        request = replace(request, actor=actor)
    return request


async def inbox_of(request: Request[Any, Any], scope: str | None) -> LocalAddress:
    """The inbox in the path.  Raises: NotFound, Forbidden."""
    desk = desk_of(request)
    return await desk.store.directory.reach(request.actor, scope, request.params["inbox"])


async def bound(request: Request[Any, Any]) -> Request[Any, Any]:
    """The request narrowed to the pod or the inbox in its path, so that it sees and makes what is
    bound to that place alone.  Raises: NotFound.
    """
    request = await within(request)
    if "inbox" not in request.params:
        return request
    local = await inbox_of(request, None)
    actor = replace(
        request.actor,
        environment=local.environment,
        environments=frozenset({local.environment}),
        inboxes=frozenset({local.inbox}),
    )
    return replace(request, actor=actor)


async def addresses(desk: Desk, inboxes: Iterable[InboxId]) -> dict[InboxId, str]:
    """The addresses of inboxes that the actor was shown already."""
    found = {}
    for inbox in set(inboxes):
        local = await desk.store.directory.by_id(inbox)
        found[inbox] = inbox if local is None else local.address
    return found


def listed(
    desk: Desk, name: str, rows: list[Any], page: Page[R], query: Any, *place: str, **more: Any
) -> Response:
    """A page in AgentMail's form; ``query`` is that of our list, ``place`` names it."""
    token = desk.cursors.following(page, query, *place)
    body: dict[str, Any] = {"count": len(rows), "limit": query.limit}
    if token is not None:
        body["next_page_token"] = token
    return Response({**body, name: rows, **more})


def relisted(inner: Response, name: str, shape: Callable[[Any], Any], limit: int) -> Response:
    """A list that a REST endpoint answered, in AgentMail's form."""
    page: Any = inner.body
    rows = [shape(row) for row in page.data]
    body: dict[str, Any] = {"count": len(rows), "limit": limit}
    if page.next_cursor is not None:
        body["next_page_token"] = page.next_cursor
    return Response({**body, name: rows})


def message_name(message: MessageId | str, rfc_message_id: str | None) -> str:
    """What AgentMail calls a message: its Message-ID, or our id where that cannot be in a path."""
    if rfc_message_id is None or _PLAIN_ID.fullmatch(rfc_message_id) is None:
        return message
    return f"<{rfc_message_id}>"


async def message_of(
    request: Request[Any, Any], scope: str, local: LocalAddress | None = None
) -> MessageId:
    """The id of the message in the path, of the inbox in the path.

    Raises: NotFound, Forbidden.
    """
    local = local or await inbox_of(request, scope)
    name = request.params["message"]
    found = await messages_of(request, local, [name], scope)
    if name not in found:
        raise NotFound("There is no such message.")
    return found[name]


async def messages_of(
    request: Request[Any, Any], local: LocalAddress, names: list[str], scope: str
) -> dict[str, MessageId]:
    """Ids of messages of an inbox by the names that AgentMail has for them; absent ones are not
    among them.  Raises: Forbidden.
    """
    messages = desk_of(request).store.message_names
    found = {}
    bare = {}
    for name in names:
        if is_id(name, "msg"):
            message = await messages.within(request.actor, local.scope, name, scope)
            if message is not None:
                found[name] = message
        elif "\0" not in name:
            bare[name.removeprefix("<").removesuffix(">")] = name
    for rfc, message in (
        await messages.named(request.actor, local.scope, list(bare), scope) if bare else {}
    ).items():
        found[bare[rfc]] = message
    return found


def bracketed(message_ids: Iterable[str]) -> list[str]:
    """Message-IDs as header fields have them."""
    return [f"<{one}>" for one in message_ids]


def as_list(given: str | list[str] | None) -> list[str]:
    """One or several, as a list."""
    if given is None:
        return []
    return [given] if isinstance(given, str) else given


def later(first: datetime | None, second: datetime) -> datetime:
    """The later of two moments, the first of which may be absent."""
    return second if first is None else max(first, second)


def several(path: str, given: list[str]) -> list[str]:
    """The texts of a query parameter: repeated, with commas, or as the SDK does, a JSON array.

    Raises: UnknownField.
    """
    joined = ",".join(given)  # An array was taken apart at its commas.
    if not joined.startswith("["):
        return given
    try:
        return msgspec.json.decode(joined, type=list[str])
    except (msgspec.DecodeError, RecursionError):
        raise checks.refuse(path, "is no JSON array of texts") from None


Anything = dict[str, Any]
"""What the façade answers; the shapes are AgentMail's, and its SDK is the test of them."""
Text = str | msgspec.UnsetType | None
