"""Threads: conversations inside an inbox (R41-R44; API.md, Threads, labels, search)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import (
    Forbidden,
    MailboxNotFound,
    NotFound,
    PreconditionFailed,
    UnknownField,
)
from agentpost.http.conditional import check_match
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery, Moment
from agentpost.http.resources.marks import Folder, folder_in
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    AddressBody,
    Label,
    Labels,
    Timestamp,
    allowed_versions,
    page_of,
    people,
    when,
)
from agentpost.http.resources.shown import (
    DEFAULT_CHARS,
    MaxChars,
    MessageBody,
    View,
    labels_of,
)
from agentpost.http.resources.views import viewed
from agentpost.ids import ThreadId
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor
from agentpost.model.message import MessageChange, MessageFilter, Thread
from agentpost.store import checks
from agentpost.store.store import Place

routes = Routes("Threads")

Hidden = Literal["spam", "trash", "blocked"]
Include = Annotated[
    list[Hidden], Meta(description="Also what is in Junk or Trash; needs spam:read, trash:read")
]


class ThreadsQuery(ListQuery, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What a list of threads is narrowed to; every given condition must hold."""

    direction: Annotated[
        Literal["inbound", "outbound"] | None, Meta(description="It has a message of this kind")
    ] = None
    folder: Annotated[Folder | None, Meta(description="It has a message in this folder")] = None
    thread_id: str | None = None
    labels: Annotated[list[str], Meta(description="It has all of them")] = msgspec.field(
        default_factory=list
    )
    not_labels: Annotated[list[str], Meta(description="It has none of them")] = msgspec.field(
        default_factory=list
    )
    seen: Annotated[bool | None, Meta(description="All of its messages are seen")] = None
    flagged: Annotated[bool | None, Meta(description="Some of its messages are flagged")] = None
    from_: Annotated[str | None, Meta(description="Part of a sender's name or address")] = None
    to: Annotated[str | None, Meta(description="Part of a recipient's name or address")] = None
    subject: Annotated[str | None, Meta(description="Part of the subject")] = None
    has_attachments: bool | None = None
    after: Moment | None = None
    before: Moment | None = None
    include: Include = msgspec.field(default_factory=list)
    include_deleted: Annotated[bool, Meta(description="Also what is in deleted inboxes")] = False


class ThreadQuery(ListQuery, frozen=True, forbid_unknown_fields=True):
    """Which page of the thread's messages is shown."""

    order: Annotated[Literal["desc", "asc"], Meta(description="asc: oldest first")] = "asc"
    include: Include = msgspec.field(default_factory=list)
    view: View = "summary"
    max_chars: MaxChars = DEFAULT_CHARS


class DeleteThreadQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Whether its messages go past Trash."""

    permanent: Annotated[bool, Meta(description="Destroy its messages, for ever")] = False


class ChangedThreadBody(Body, frozen=True, forbid_unknown_fields=True):
    """Labels of the thread itself; what is seen and where it lies concerns all its messages."""

    add_labels: Labels = msgspec.field(default_factory=list)
    remove_labels: Labels = msgspec.field(default_factory=list)
    seen: bool | UnsetType = UNSET
    folder: Annotated[str, Meta(min_length=1, max_length=1024)] | UnsetType = UNSET


class ThreadLabelsBody(Body, frozen=True, forbid_unknown_fields=True):
    """Labels of the thread itself, in whatever case."""

    labels: Annotated[list[Label], Meta(min_length=1, max_length=50)]


class ThreadBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A conversation; ``labels`` are its own, ``message_labels`` those of its messages."""

    id: str
    thread_id: str
    inbox_id: str
    environment_id: str
    subject: str
    participants: list[AddressBody]
    senders: list[AddressBody]
    recipients: list[AddressBody]
    preview: Annotated[str, Meta(description="How its latest message begins; for who may read it")]
    message_count: int
    unread_count: int
    has_attachments: bool
    labels: list[str]
    message_labels: list[str]
    last_message_at: Timestamp
    received_at: Timestamp | None
    sent_at: Timestamp | None
    created_at: Timestamp
    messages: Annotated[
        ListBody[MessageBody] | None,
        Meta(description="Only where one thread is read, by a key with messages:read"),
    ] = None


_ADA: Final = {"email": "ada@example.org", "name": "Ada"}
_US: Final = {"email": "support@acme.example", "name": None}
EXAMPLE: Final[dict[str, Any]] = {
    "id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "subject": "Invoice 1042",
    "participants": [_ADA, _US],
    "senders": [_ADA],
    "recipients": [_US],
    "preview": "Could you send the invoice again?",
    "message_count": 1,
    "unread_count": 1,
    "has_attachments": False,
    "labels": ["billing"],
    "message_labels": [],
    "last_message_at": EXAMPLE_TIME,
    "received_at": EXAMPLE_TIME,
    "sent_at": None,
    "created_at": EXAMPLE_TIME,
}


def thread_body(thread: Thread, messages: ListBody[MessageBody] | None = None) -> ThreadBody:
    """A thread as the API shows it."""
    known = {person.email.lower() for person in thread.senders}
    others = tuple(one for one in thread.recipients if one.email.lower() not in known)
    return ThreadBody(
        id=thread.id,
        thread_id=thread.id,
        inbox_id=thread.inbox,
        environment_id=thread.environment,
        subject=thread.subject,
        participants=people((*thread.senders, *others)),
        senders=people(thread.senders),
        recipients=people(thread.recipients),
        preview=thread.preview,
        message_count=thread.message_count,
        unread_count=thread.unread_count,
        has_attachments=thread.attachments > 0,
        labels=list(thread.labels),
        message_labels=labels_of(thread.message_labels),
        last_message_at=rfc3339(thread.last_message_at),
        received_at=when(thread.received_at),
        sent_at=when(thread.sent_at),
        created_at=rfc3339(thread.created_at),
        messages=messages,
    )


def _shown(actor: Actor, thread: Thread) -> Response:
    """A thread as who has changed it is told of it; how a text begins, only who may read it."""
    body = thread_body(thread)
    if not actor.may("threads:read"):
        body = msgspec.structs.replace(body, preview="")
    return Response(body, version=thread.version)


@routes.get(
    "/threads",
    scope="threads:read",
    query=ThreadsQuery,
    answer=ListBody[ThreadBody],
    summary="List threads",
    examples=page_of(EXAMPLE),
    raises=(UnknownField, Forbidden),
)
async def list_threads(request: Request[None, ThreadsQuery]) -> Response:
    """The threads of all inboxes that the key covers, the latest message first unless asked
    otherwise."""
    return await _page(request, None)


@routes.get(
    "/inboxes/{inbox}/threads",
    scope="threads:read",
    query=ThreadsQuery,
    answer=ListBody[ThreadBody],
    summary="List an inbox's threads",
    examples=page_of(EXAMPLE),
    raises=(UnknownField, Forbidden),
)
async def list_inbox_threads(request: Request[None, ThreadsQuery]) -> Response:
    """The threads of one inbox, the latest message first unless asked otherwise."""
    kind: checks.InboxKind = "any_inbox" if request.query.include_deleted else "inbox"
    return await _page(request, checks.place(kind, request.params["inbox"]))


async def _page(request: Request[None, ThreadsQuery], where: Place | None) -> Response:
    desk, query = desk_of(request), request.query
    wanted = filter_of(request.actor, query)
    place = (request.actor.organization, "threads", request.params.get("inbox", ""))
    page = await desk.store.threads.page(
        request.actor, wanted, desk.cursors.page(query, *place), where
    )
    return Response(desk.cursors.body(page, thread_body, query, *place))


def filter_of(actor: Actor, query: ThreadsQuery) -> MessageFilter:
    """What the query narrows a list to.  Raises: UnknownField, Forbidden."""
    texts = {name: getattr(query, name) for name in ("from_", "to", "subject", "thread_id")}
    for name, text in texts.items():
        if text is not None:
            checks.searchable(name.rstrip("_"), text)
    wanted = MessageFilter(
        direction=query.direction,
        folder=None if query.folder is None else folder_in(query.folder),
        thread=None if query.thread_id is None else ThreadId(query.thread_id),
        labels=_lowered(query.labels),
        not_labels=_lowered(query.not_labels),
        seen=query.seen,
        flagged=query.flagged,
        from_=query.from_,
        to=query.to,
        subject=query.subject,
        has_attachments=query.has_attachments,
        after=query.after,
        before=query.before,
        include=frozenset(query.include),
        include_deleted=query.include_deleted,
    )
    checks.visible(actor, wanted.include, wanted.folder)
    return wanted


@routes.get(
    "/threads/{thread}",
    scope="threads:read",
    query=ThreadQuery,
    answer=ThreadBody,
    summary="Get a thread",
    raises=(Forbidden,),
    examples={"response": EXAMPLE},
)
async def get_thread(request: Request[None, ThreadQuery]) -> Response:
    """One thread with a page of its messages, oldest first unless asked otherwise.

    ``view=llm`` shows their new texts, which is how to read a conversation at once.
    """
    desk, query, actor = desk_of(request), request.query, request.actor
    checks.visible(actor, frozenset(query.include), None)
    thread = await _present(request)
    if not actor.may("messages:read"):
        return _shown(actor, thread)
    place = (actor.organization, "thread", thread.id)
    wanted = MessageFilter(thread=ThreadId(thread.id), include=frozenset(query.include))
    where = Place("thread", thread.id)
    page = await desk.store.messages.page(actor, wanted, desk.cursors.page(query, *place), where)
    bodies = {
        message.id: await viewed(desk, actor, message, query.view, query.max_chars)
        for message in page.rows
    }
    messages = desk.cursors.body(page, lambda message: bodies[message.id], query, *place)
    return Response(thread_body(thread, messages), version=thread.version)


@routes.patch(
    "/threads/{thread}",
    scope="labels:write",
    body=ChangedThreadBody,
    answer=ThreadBody,
    summary="Change a thread",
    raises=(UnknownField, MailboxNotFound, PreconditionFailed),
    conditional=True,
    examples={"request": {"add_labels": ["billing"], "seen": True}, "response": EXAMPLE},
)
async def update_thread(request: Request[ChangedThreadBody, None]) -> Response:
    """Labels the thread; marks all its messages as seen or not, moves them all to a folder.

    What lies in Trash stays there, unseen or not.
    """
    store, actor, body = desk_of(request).store, request.actor, request.body
    thread = await _present(request, "labels:write")
    check_match(allowed_versions(request), thread.version)
    add, remove = _labels(thread, body.add_labels, body.remove_labels)
    seen = None if isinstance(body.seen, UnsetType) else body.seen
    folder = None if isinstance(body.folder, UnsetType) else folder_in(body.folder)
    if seen is not None or folder is not None:
        change = MessageChange(seen=seen, folder=folder)
        ids = await store.threads.message_ids(actor, thread.id, "labels:write")
        await _each(
            ids, lambda message: store.messages.update(actor, message, change, "labels:write")
        )
        thread = await _present(request, "labels:write")
    if add or remove:
        thread = await store.threads.label(actor, thread.id, add, remove, _exactly(request, thread))
    return _shown(actor, thread)


@routes.post(
    "/threads/{thread}/labels",
    scope="labels:write",
    body=ThreadLabelsBody,
    answer=ThreadBody,
    summary="Label a thread",
    raises=(UnknownField, PreconditionFailed),
    conditional=True,
    examples={"request": {"labels": ["billing"]}, "response": EXAMPLE},
)
async def label_thread(request: Request[ThreadLabelsBody, None]) -> Response:
    """Adds labels to the thread, in lower case; its messages keep their own."""
    return await _label(request, request.body.labels, [])


@routes.delete(
    "/threads/{thread}/labels",
    scope="labels:write",
    body=ThreadLabelsBody,
    answer=ThreadBody,
    summary="Unlabel a thread",
    raises=(UnknownField, PreconditionFailed),
    conditional=True,
    examples={"request": {"labels": ["billing"]}, "response": EXAMPLE},
)
async def unlabel_thread(request: Request[ThreadLabelsBody, None]) -> Response:
    """Takes labels from the thread; its messages keep their own."""
    return await _label(request, [], request.body.labels)


@routes.delete(
    "/threads/{thread}",
    scope="threads:delete",
    query=DeleteThreadQuery,
    status=204,
    summary="Delete a thread",
    raises=(PreconditionFailed,),
    conditional=True,
)
async def delete_thread(request: Request[None, DeleteThreadQuery]) -> Response:
    """Moves all messages of the thread to Trash.

    When all lie there, or with ``permanent=true``, they are destroyed for ever.
    """
    store, actor = desk_of(request).store, request.actor
    thread = await _present(request, "threads:delete")
    check_match(allowed_versions(request), thread.version)
    scope = "threads:delete"
    ids = await store.threads.message_ids(actor, thread.id, scope)
    permanent = request.query.permanent or not ids
    if permanent:
        ids += await store.threads.message_ids(actor, thread.id, scope, trashed=True)
    await _each(
        ids,
        lambda message: store.messages.delete(actor, message, permanent=permanent, scope=scope),
    )
    return Response()


@routes.post(
    "/threads/{thread}/restore",
    scope="threads:delete",
    answer=ThreadBody,
    summary="Restore a thread",
    examples={"response": EXAMPLE},
)
async def restore_thread(request: Request[None, None]) -> Response:
    """Takes the thread's messages out of Trash: to INBOX, or to Sent what was sent."""
    store, actor = desk_of(request).store, request.actor
    thread = await _present(request, "threads:delete")
    scope = "threads:delete"
    ids = await store.threads.message_ids(actor, thread.id, scope, trashed=True)
    await _each(ids, lambda message: store.messages.restore(actor, message, scope))
    return _shown(actor, await _present(request, scope))


async def _present(request: Request[Any, Any], scope: str = "threads:read") -> Thread:
    """The thread that a path names, when it holds messages.  Raises: NotFound."""
    name = checks.identifier(request.params["thread"])
    thread = await desk_of(request).store.threads.get(request.actor, name, scope)
    if thread.message_count == 0:
        raise NotFound("There is no such thread.")
    return thread


async def _label(request: Request[Any, Any], add: list[str], remove: list[str]) -> Response:
    thread = await _present(request, "labels:write")
    check_match(allowed_versions(request), thread.version)
    added, removed = _labels(thread, add, remove)
    threads = desk_of(request).store.threads
    exactly = _exactly(request, thread)
    changed = await threads.label(request.actor, thread.id, added, removed, exactly)
    return _shown(request.actor, changed)


def _labels(
    thread: Thread, add: list[str], remove: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both lists in the one spelling of labels.  Raises: UnknownField."""
    limits = IdentityLimits()
    added = checks.labels(tuple(add), limits)
    removed = checks.labels(tuple(remove), limits)
    if len({*thread.labels, *added} - set(removed)) > limits.max_labels:
        raise checks.refuse("labels", f"a thread has at most {limits.max_labels} labels")
    return added, removed


def _exactly(request: Request[Any, Any], thread: Thread) -> int | None:
    """The version that a conditional change is still to find when it is written."""
    return None if allowed_versions(request) is None else thread.version


async def _each(ids: Iterable[str], change: Callable[[str], Any]) -> None:
    """Change messages one after the other; what went away meanwhile needs no change."""
    for identity in ids:
        try:
            await change(identity)
        except NotFound:
            continue


def _lowered(labels: list[str]) -> tuple[str, ...]:
    return tuple(checks.searchable("labels", label).lower() for label in labels)
