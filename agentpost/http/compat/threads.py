"""AgentMail's threads, of the organization, of a pod and of an inbox."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from agentpost.clock import rfc3339
from agentpost.errors import NotFound
from agentpost.events import spelling
from agentpost.events.agentmail import people
from agentpost.events.spelling import compact
from agentpost.http.compat import labels, letters
from agentpost.http.compat.messages import attachment_of, included, single
from agentpost.http.compat.mount import (
    MAX_PAGE,
    Anything,
    TimedPageQuery,
    addresses,
    asked,
    at,
    inbox_of,
    listed,
    message_name,
    mounted,
    several,
    within,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Query, Request, Response
from agentpost.http.resources import threads
from agentpost.http.resources.shapes import Labels
from agentpost.ids import ThreadId
from agentpost.mail.reading import files
from agentpost.model.message import MessageChange, MessageFilter, Thread, ThreadTail
from agentpost.store import checks
from agentpost.store.store import Place

routes = mounted("Threads")

_MANY: Final = ("/threads", "/pods/{pod}/threads", "/inboxes/{inbox}/threads")
_ONE: Final = tuple(path + "/{thread}" for path in _MANY)
_FILE: Final = tuple(path + "/attachments/{attachment}" for path in _ONE)


class ThreadsQuery(TimedPageQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of threads is narrowed to."""

    labels: list[str] = field(default_factory=list)
    include_spam: bool = False
    include_blocked: bool = False
    include_unauthenticated: bool = False
    include_trash: bool = False
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    subject: list[str] = field(default_factory=list)


class ThreadQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Which page of a thread's messages is shown; without one, the first hundred."""

    limit: Annotated[int, Meta(ge=1)] | None = None
    page_token: str | None = None


class LabelledBody(Body, frozen=True, forbid_unknown_fields=True):
    """Labels to add and to take away."""

    add_labels: Labels | None = None
    remove_labels: Labels | None = None


def shape(thread: Thread, tail: ThreadTail, inbox: str) -> Anything:
    """A thread in a list; ``inbox`` is the address of its inbox."""
    moment = rfc3339(thread.last_message_at)
    received, sent = thread.received_at, thread.sent_at
    return compact(
        {
            "inbox_id": inbox,
            "thread_id": thread.id,
            "labels": labels.of_thread(thread),
            "timestamp": moment,
            "received_timestamp": None if received is None else rfc3339(received),
            "sent_timestamp": None if sent is None else rfc3339(sent),
            "senders": people(thread.senders),
            "recipients": people(thread.recipients),
            "subject": thread.subject,
            "preview": thread.preview,
            "last_message_id": message_name(tail.message, tail.rfc_message_id),
            "message_count": thread.message_count,
            "size": tail.size,
            "updated_at": moment,
            "created_at": rfc3339(thread.created_at),
        }
    )


@at(
    routes,
    "GET",
    *_MANY,
    scope="threads:read",
    query=ThreadsQuery,
    answer=Anything,
    summary="List threads",
)
async def list_threads(request: Request[None, ThreadsQuery]) -> Response:
    """Threads, the latest message first unless asked otherwise."""
    request = await within(request)
    desk, query, actor = desk_of(request), request.query, request.actor
    where: Place | None = None
    inbox = ""
    if "inbox" in request.params:
        local = await inbox_of(request, "threads:read")
        where, inbox = Place("inbox", local.inbox), local.inbox
    wanted: dict[str, Any] = {
        **labels.as_filter(several("labels", query.labels)),
        "from_": single("senders", query.senders),
        "to": single("recipients", query.recipients),
        "subject": single("subject", query.subject),
        "include": included(query),
    }
    ours = threads.ThreadsQuery(**query.paging(), **wanted)
    place = (actor.organization, "v0 threads", request.params.get("pod", ""), inbox)
    page = await desk.store.threads.page(
        actor, threads.filter_of(request.actor, ours), desk.cursors.page(ours, *place), where
    )
    tails = await desk.store.threads.tails(actor, [thread.id for thread in page.rows])
    known = await addresses(desk, (thread.inbox for thread in page.rows))
    rows = [
        shape(thread, tails[thread.id], known[thread.inbox])
        for thread in page.rows
        if thread.id in tails
    ]
    return listed(desk, "threads", rows, page, ours, *place)


@at(
    routes,
    "GET",
    *_ONE,
    scope="threads:read",
    query=ThreadQuery,
    answer=Anything,
    summary="Get a thread",
)
async def get_thread(request: Request[None, ThreadQuery]) -> Response:
    """One thread with its messages, oldest first."""
    request = await within(request)
    desk, actor, query = desk_of(request), request.actor, request.query
    thread = await _present(request, "threads:read")
    tail = (await desk.store.threads.tails(actor, [thread.id])).get(thread.id)
    if tail is None:
        raise NotFound("There is no such thread.")
    inbox = (await addresses(desk, [thread.inbox]))[thread.inbox]
    ours = threads.ThreadQuery(
        limit=min(query.limit or MAX_PAGE, MAX_PAGE), cursor=query.page_token, order="asc"
    )
    place = (actor.organization, "v0 thread", thread.id)
    page = await desk.store.messages.page(
        actor,
        MessageFilter(thread=ThreadId(thread.id)),
        desk.cursors.page(ours, *place),
        Place("thread", thread.id),
    )
    rows = [await letters.whole(desk, actor, message.id, inbox) for message in page.rows]
    attached = [file for row in rows for file in row.get("attachments", ())]
    more = {**shape(thread, tail, inbox), "attachments": attached}
    return listed(desk, "messages", rows, page, ours, *place, **more)


@at(
    routes,
    "GET",
    *_FILE,
    scope="messages:read",
    answer=Anything,
    summary="Get an attachment of a thread",
)
async def get_attachment(request: Request[None, None]) -> Response:
    """A URL that gives a file of one of the thread's messages."""
    request = await within(request)
    store, actor = desk_of(request).store, request.actor
    thread = await _present(request, "threads:read")
    names = await store.threads.message_ids(actor, thread.id, "threads:read")
    found = await store.messages.some(actor, names)
    for name in reversed(names):
        if name not in found or not found[name].attachments:
            continue
        content = await store.messages.content(actor, name)
        if any(file.id == request.params["attachment"] for file in await files(content)):
            return await attachment_of(request, name)
    raise NotFound("There is no such attachment.")


@at(
    routes,
    "PATCH",
    *_ONE,
    scope="labels:write",
    body=LabelledBody,
    answer=Anything,
    summary="Label a thread",
)
async def update_thread(request: Request[LabelledBody, None]) -> Response:
    """Adds and removes labels; ``unread``, ``spam`` and ``trash`` concern all its messages."""
    request, body = await within(request), request.body
    await _present(request, "labels:write")
    marks = labels.as_marks(body.add_labels or [], body.remove_labels or [])
    away = marks.folder in spelling.FOLDERS.values()
    if marks.folder is not None and not away:
        await _bring_back(request)
    if not marks.nothing:
        change = threads.ChangedThreadBody(
            add_labels=marks.add,
            remove_labels=marks.remove,
            seen=msgspec.UNSET if marks.seen is None else marks.seen,
            folder=marks.folder if away and marks.folder is not None else msgspec.UNSET,
        )
        await threads.update_thread(asked(request, body=change))
    changed = await _present(request, "labels:write")
    return Response({"thread_id": changed.id, "labels": labels.of_thread(changed)})


async def _bring_back(request: Request[Any, Any]) -> None:
    """Take the thread's messages out of Trash and Junk; what lies elsewhere stays."""
    store, actor, thread = desk_of(request).store, request.actor, request.params["thread"]
    for name in await store.threads.message_ids(actor, thread, "labels:write", trashed=True):
        await store.messages.restore(actor, name, "labels:write")
    for name in await store.threads.message_ids(actor, thread, "labels:write"):
        message = await store.messages.get(actor, name, "labels:write")
        if message.folder == spelling.FOLDERS["spam"]:
            change = MessageChange(folder=labels.INBOX)
            await store.messages.update(actor, name, change, "labels:write")


@at(routes, "DELETE", *_ONE, scope="threads:delete", status=204, summary="Delete a thread")
async def delete_thread(request: Request[None, None]) -> Response:
    """Moves the thread to Trash; one that lies there already is destroyed for ever."""
    request = await within(request)
    await _present(request, "threads:delete")
    return await threads.delete_thread(asked(request, threads.DeleteThreadQuery()))


async def _present(request: Request[Any, Any], scope: str) -> Thread:
    """The thread in the path, in the pod and the inbox in the path.  Raises: NotFound."""
    desk = desk_of(request)
    name = checks.identifier(request.params["thread"])
    thread = await desk.store.threads.get(request.actor, name, scope)
    absent = NotFound("There is no such thread.")
    if thread.message_count == 0:
        raise absent
    if "inbox" in request.params and (await inbox_of(request, scope)).inbox != thread.inbox:
        raise absent
    return thread
