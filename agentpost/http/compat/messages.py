"""AgentMail's messages: listed, read, labelled, deleted."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from agentpost.errors import NotFound
from agentpost.events import spelling
from agentpost.http.compat import labels, letters
from agentpost.http.compat.mount import (
    Anything,
    TimedPageQuery,
    as_list,
    asked,
    inbox_of,
    listed,
    message_name,
    message_of,
    messages_of,
    mounted,
    several,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.resources import contents, messages
from agentpost.http.resources.marks import MarksBody, change_of
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Message
from agentpost.store import checks

routes = mounted("Messages")

_MANY: Final = "/inboxes/{inbox}/messages"
_ONE: Final = "/inboxes/{inbox}/messages/{message}"

Names = Annotated[list[str], Meta(min_length=1, max_length=100)]
GivenLabels = str | list[str] | None


class MessagesQuery(
    TimedPageQuery, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """What a list of messages is narrowed to."""

    labels: list[str] = field(default_factory=list)
    include_spam: bool = False
    include_blocked: bool = False
    include_unauthenticated: bool = False
    include_trash: bool = False
    from_: list[str] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    subject: list[str] = field(default_factory=list)


class MarkedBody(Body, frozen=True, forbid_unknown_fields=True):
    """Labels to add and to take away."""

    add_labels: GivenLabels = None
    remove_labels: GivenLabels = None


class NamesBody(Body, frozen=True, forbid_unknown_fields=True):
    """Messages to read."""

    message_ids: Names


class MarkedManyBody(MarkedBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Messages to change, all in the same way."""

    message_ids: Names


def included(query: Any) -> list[Literal["spam", "trash", "blocked"]]:
    """What a list shows that it leaves out otherwise.

    Mail that fails authentication is not left out here, so including it changes nothing.
    """
    chosen: list[Literal["spam", "trash", "blocked"]] = []
    if query.include_spam:
        chosen.append("spam")
    if query.include_trash:
        chosen.append("trash")
    if query.include_blocked:
        chosen.append("blocked")
    return chosen


def single(path: str, values: list[str]) -> str | None:
    """The one text that a list is narrowed by.  Raises: UnknownField for several."""
    texts = several(path, values)
    if len(texts) > 1:
        raise checks.refuse(path, "can be given once")
    return texts[0] if texts else None


@routes.get(
    _MANY,
    scope="messages:read",
    query=MessagesQuery,
    answer=Anything,
    summary="List messages",
)
async def list_messages(request: Request[None, MessagesQuery]) -> Response:
    """The messages of an inbox, newest first unless asked otherwise."""
    desk, query, actor = desk_of(request), request.query, request.actor
    local = await inbox_of(request, "messages:read")
    ours = messages.MessagesQuery(
        **query.paging(),
        **labels.as_filter(several("labels", query.labels)),
        from_=single("from", query.from_),
        to=single("to", query.to),
        subject=single("subject", query.subject),
        include=included(query),
    )
    place = (actor.organization, "v0 messages", local.inbox)
    asked_for = desk.cursors.page(ours, *place)
    page = await desk.store.messages.page(actor, messages.filter_of(ours), asked_for, local.scope)
    rows = []
    for message in page.rows:
        try:
            rows.append(await letters.listed_item(desk, actor, message, local.address))
        except NotFound:  # Destroyed since the page was read.
            continue
    return listed(desk, "messages", rows, page, ours, *place)


@routes.get(_ONE, scope="messages:read", answer=Anything, summary="Get a message")
async def get_message(request: Request[None, None]) -> Response:
    """One message with its texts and files."""
    local = await inbox_of(request, "messages:read")
    message = await message_of(request, "messages:read", local)
    desk = desk_of(request)
    return Response(await letters.whole(desk, request.actor, message, local.address))


@routes.post(
    _MANY + "/batch-get",
    scope="messages:read",
    body=NamesBody,
    answer=Anything,
    summary="Get several messages",
)
async def get_messages(request: Request[NamesBody, None]) -> Response:
    """Several messages; those that are not there are left out."""
    desk = desk_of(request)
    local = await inbox_of(request, "messages:read")
    names = request.body.message_ids
    found = await messages_of(request, local, names, "messages:read")
    rows = []
    for name in names:
        try:
            if name in found:
                rows.append(await letters.whole(desk, request.actor, found[name], local.address))
        except NotFound:
            continue
    return Response({"limit": len(names), "count": len(rows), "messages": rows})


@routes.patch(
    _ONE,
    scope="labels:write",
    body=MarkedBody,
    answer=Anything,
    summary="Label a message",
)
async def update_message(request: Request[MarkedBody, None]) -> Response:
    """Adds and removes labels; ``unread``, ``spam`` and ``trash`` mark and move it."""
    local = await inbox_of(request, "labels:write")
    message = await message_of(request, "labels:write", local)
    return Response(_update_body(await _changed(request, local, message)))


@routes.post(
    _MANY + "/batch-update",
    scope="labels:write",
    body=MarkedManyBody,
    answer=Anything,
    summary="Label several messages",
)
async def update_messages(request: Request[MarkedManyBody, None]) -> Response:
    """Labels several messages in the same way; those that are not there are left out."""
    local = await inbox_of(request, "labels:write")
    names = request.body.message_ids
    found = await messages_of(request, local, names, "labels:write")
    updates = []
    for name in names:
        try:
            if name in found:
                updates.append(_update_body(await _changed(request, local, found[name])))
        except NotFound:
            continue
    return Response({"limit": len(names), "count": len(updates), "updates": updates})


async def _changed(request: Request[Any, None], local: LocalAddress, message: str) -> Message:
    store, body = desk_of(request).store, request.body
    add, remove = as_list(body.add_labels), as_list(body.remove_labels)
    marks = labels.as_marks(add, remove)
    if marks.folder == "INBOX":
        present = await store.messages.get(request.actor, message, "labels:write")
        marks = labels.as_marks(add, remove, present.direction)
    if marks.nothing:
        return await store.messages.get(request.actor, message, "labels:write")
    change = change_of(
        MarksBody(
            add_labels=marks.add, remove_labels=marks.remove, seen=marks.seen, folder=marks.folder
        )
    )
    return await store.messages.update(request.actor, message, change)


def _update_body(message: Message) -> Anything:
    return {
        "message_id": message_name(message.id, message.rfc_message_id),
        "labels": spelling.labels(message),
    }


@routes.delete(_ONE, scope="messages:delete", status=204, summary="Delete a message")
async def delete_message(request: Request[None, None]) -> Response:
    """Moves a message to Trash; one that lies there already is destroyed for ever."""
    message = await message_of(request, "messages:delete")
    return await messages.delete_message(asked(request, messages.DeleteQuery(), message=message))


@routes.get(_ONE + "/raw", scope="messages:read", answer=Anything, summary="Get the raw message")
async def get_raw(request: Request[None, None]) -> Response:
    """A URL that gives the message exactly as it was received or sent."""
    message = await message_of(request, "messages:read")
    link: Any = (await contents.get_raw(asked(request, _LINK, message=message))).body
    return Response(
        {
            "message_id": request.params["message"],
            "size": link.size,
            "download_url": link.url,
            "expires_at": link.expires_at,
        }
    )


@routes.get(
    _ONE + "/attachments/{attachment}",
    scope="messages:read",
    answer=Anything,
    summary="Get an attachment",
)
async def get_attachment(request: Request[None, None]) -> Response:
    """A URL that gives a file of the message."""
    return await attachment_of(request, await message_of(request, "messages:read"))


_LINK: Final = contents.DownloadQuery(presigned=True)


async def attachment_of(request: Request[Any, Any], message: str) -> Response:
    """The file in the path, of this message.  Raises: NotFound."""
    file = await contents.get_attachment(asked(request, message=message))
    link = await contents.get_attachment_content(asked(request, _LINK, message=message))
    return Response(letters.shown_link(file.body, link.body))
