"""AgentMail's drafts: written in an inbox; read there, in a pod and everywhere."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, field

from agentpost.errors import NotFound
from agentpost.events.agentmail import written
from agentpost.events.spelling import compact
from agentpost.http.compat import labels, letters
from agentpost.http.compat.letters import Addresses, SentFile, given_files, recipients
from agentpost.http.compat.messages import GivenLabels, attachment_of
from agentpost.http.compat.mount import (
    Anything,
    TimedPageQuery,
    addresses,
    as_list,
    asked,
    at,
    inbox_of,
    message_name,
    messages_of,
    mounted,
    relisted,
    several,
    within,
)
from agentpost.http.compat.sending import answered
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.paging import Moment, TimedListQuery
from agentpost.http.resources import drafts
from agentpost.http.resources.drafted import (
    ChangedDraftBody,
    DraftBody,
    NewDraftBody,
    SendDraftBody,
    draft_body,
)
from agentpost.http.resources.shapes import AddressBody
from agentpost.ids import InboxId
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Address, MessageChange
from agentpost.model.reading import File
from agentpost.store import checks

routes = mounted("Drafts")

_INBOX: Final = "/inboxes/{inbox}/drafts"
_MANY: Final = ("/drafts", "/pods/{pod}/drafts", _INBOX)
_ONE: Final = tuple(path + "/{draft}" for path in _MANY)
_FILE: Final = tuple(path + "/attachments/{attachment}" for path in _ONE)


class DraftsQuery(TimedPageQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of drafts is narrowed to."""

    labels: list[str] = field(default_factory=list)


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """A draft to write."""

    labels: list[str] | None = None
    reply_to: Addresses = None
    to: Addresses = None
    cc: Addresses = None
    bcc: Addresses = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    attachments: list[SentFile] | None = None
    in_reply_to: str | None = None
    forward_of: str | None = None
    reply_all: bool | None = None
    send_at: Moment | None = None
    client_id: str | None = None


class ChangedBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; null leaves a thing as it is."""

    reply_to: Addresses = None
    to: Addresses = None
    cc: Addresses = None
    bcc: Addresses = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    add_attachments: list[SentFile] | None = None
    remove_attachments: list[str] | None = None
    add_labels: list[str] | None = None
    remove_labels: list[str] | None = None
    send_at: Moment | None = None


class SendBody(Body, frozen=True, forbid_unknown_fields=True):
    """Labels that the sent message gets and loses."""

    add_labels: GivenLabels = None
    remove_labels: GivenLabels = None


def _people(given: list[AddressBody]) -> list[str] | None:
    return [written(Address(one.email, one.name)) for one in given] or None


async def _shape(request: Request[Any, Any], draft: DraftBody, inbox: str) -> Anything:
    attached = draft.attachments or []
    files = [
        File(one.id, "", one.filename, one.mime_type, one.size, one.inline, one.content_id)
        for one in attached
    ]
    return compact(
        {
            "inbox_id": inbox,
            "draft_id": draft.id,
            "client_id": draft.client_id,
            "labels": draft.labels,
            "reply_to": _people(draft.reply_to),
            "to": _people(draft.to_addresses),
            "cc": _people(draft.cc_addresses),
            "bcc": _people(draft.bcc_addresses),
            "subject": draft.subject,
            "preview": draft.preview,
            "text": draft.text_body or None,
            "html": draft.html_body or None,
            "attachments": [letters.shown_file(file) for file in files] or None,
            "in_reply_to": await _rfc_name(request, draft.in_reply_to),
            "forward_of": await _rfc_name(request, draft.forward_of),
            "send_status": None if draft.send_status is None else "scheduled",
            "send_at": draft.send_at,
            "updated_at": draft.updated_at,
            "created_at": draft.created_at,
        }
    )


async def _rfc_name(request: Request[Any, Any], message: str | None) -> str | None:
    """What AgentMail calls the message that a draft answers; our id when it is gone."""
    if message is None:
        return None
    try:
        found = await desk_of(request).store.messages.get(request.actor, message, None)
    except NotFound:
        return message
    return message_name(found.id, found.rfc_message_id)


@at(
    routes,
    "GET",
    *_MANY,
    scope="drafts:read",
    query=DraftsQuery,
    answer=Anything,
    summary="List drafts",
)
async def list_drafts(request: Request[None, DraftsQuery]) -> Response:
    """Drafts, the latest version first unless asked otherwise."""
    request, query = await within(request), request.query
    ours = TimedListQuery(**query.paging())
    handler = drafts.list_inbox_drafts if "inbox" in request.params else drafts.list_drafts
    inner = await handler(asked(request, ours))
    page: Any = inner.body
    known = await addresses(desk_of(request), (InboxId(one.inbox_id) for one in page.data))
    wanted = {label.lower() for label in several("labels", query.labels)}
    shown = {
        one.id: await _shape(request, one, known[InboxId(one.inbox_id)])
        for one in page.data
        if wanted <= set(one.labels)
    }
    answer: Any = relisted(inner, "drafts", lambda one: shown.get(one.id), ours.limit).body
    rows = [row for row in answer["drafts"] if row is not None]
    return Response({**answer, "drafts": rows, "count": len(rows)})


@at(routes, "GET", *_ONE, scope="drafts:read", answer=Anything, summary="Get a draft")
async def get_draft(request: Request[None, None]) -> Response:
    """One draft with its texts and files."""
    request = await within(request)
    return await _shown(request, await _present(request, "drafts:read"))


@at(
    routes,
    "GET",
    *_FILE,
    scope="drafts:read",
    answer=Anything,
    summary="Get an attachment of a draft",
)
async def get_attachment(request: Request[None, None]) -> Response:
    """A URL that gives a file of the draft; needs messages:read as well."""
    request = await within(request)
    draft = await _present(request, "drafts:read")
    return await attachment_of(request, draft.message_id)


@routes.post(
    _INBOX,
    scope="drafts:write",
    body=NewBody,
    answer=Anything,
    carries_mail=True,
    summary="Write a draft",
)
async def create_draft(request: Request[NewBody, None]) -> Response:
    """Keeps a draft; with ``send_at`` it is sent by itself at that time."""
    body = request.body
    local = await inbox_of(request, "drafts:write")
    new = NewDraftBody(
        to=recipients(body.to),
        cc=recipients(body.cc),
        bcc=recipients(body.bcc),
        reply_to=recipients(body.reply_to),
        subject=body.subject,
        text_body=body.text,
        html_body=body.html,
        attachments=given_files(body.attachments),
        labels=body.labels or [],
        in_reply_to=await _named(request, local, "in_reply_to", body.in_reply_to),
        forward_of=await _named(request, local, "forward_of", body.forward_of),
        reply_all=bool(body.reply_all),
        send_at=body.send_at,
        client_id=body.client_id,
    )
    made = await drafts.create_draft(asked(request, body=new))
    return await _shown(request, made.body)


@routes.patch(
    _INBOX + "/{draft}",
    scope="drafts:write",
    body=ChangedBody,
    answer=Anything,
    carries_mail=True,
    summary="Change a draft",
)
async def update_draft(request: Request[ChangedBody, None]) -> Response:
    """Replaces the draft by its next version."""
    body = request.body
    present = await _present(request, "drafts:write")
    kept: Any = UNSET
    if body.add_labels or body.remove_labels:
        gone = {label.lower() for label in body.remove_labels or []}
        added = [label for label in body.add_labels or [] if label not in present.labels]
        kept = [label for label in (*present.labels, *added) if label.lower() not in gone]
    given = {
        "to": body.to,
        "cc": body.cc,
        "bcc": body.bcc,
        "reply_to": body.reply_to,
        "subject": body.subject,
        "text_body": body.text,
        "html_body": body.html,
        "send_at": body.send_at,
        "remove_attachments": body.remove_attachments,
    }
    change = ChangedDraftBody(
        **compact(given), add_attachments=given_files(body.add_attachments), labels=kept
    )
    changed = await drafts.update_draft(asked(request, body=change))
    return await _shown(request, changed.body)


@routes.delete(_INBOX + "/{draft}", scope="drafts:write", status=204, summary="Delete a draft")
async def delete_draft(request: Request[None, None]) -> Response:
    """Deletes a draft for ever."""
    await _present(request, "drafts:write")
    return await drafts.delete_draft(asked(request))


@routes.post(
    _INBOX + "/{draft}/send",
    scope="drafts:write",
    body=SendBody,
    answer=Anything,
    idempotent=True,
    summary="Send a draft",
)
async def send_draft(request: Request[SendBody, None]) -> Response:
    """Sends the draft as it stands; labels are changed on the message that it becomes."""
    body = request.body
    marks = labels.as_marks(as_list(body.add_labels), as_list(body.remove_labels), "outbound")
    if request.idempotency is None:
        await _present(request, "drafts:write")
    else:
        # A repetition finds no draft; the inbox must be the key's all the same.
        await inbox_of(request, "drafts:write")
    sent = await drafts.send_draft(asked(request, body=SendDraftBody()))
    told: Any = sent.body
    if not marks.nothing:
        change = MessageChange(tuple(marks.add), tuple(marks.remove), marks.seen)
        messages = desk_of(request).store.messages
        await messages.update(request.actor, told.id, change, "drafts:write")
    return await answered(request, sent, "drafts:write")


async def _present(request: Request[Any, Any], scope: str) -> DraftBody:
    """The draft in the path, in the pod and the inbox in the path.  Raises: NotFound."""
    desk = desk_of(request)
    name = checks.identifier(request.params["draft"])
    draft = await desk.store.drafts.get(request.actor, name, scope)
    if "inbox" in request.params:
        local = await inbox_of(request, scope)
        if local.inbox != draft.message.inbox:
            raise NotFound("There is no such draft.")
    if scope == "drafts:read":
        body: Any = (await drafts.get_draft(asked(request))).body
        return body  # type: ignore[no-any-return]
    return draft_body(draft)


async def _shown(request: Request[Any, Any], draft: Any) -> Response:
    inbox = InboxId(draft.inbox_id)
    known = await addresses(desk_of(request), [inbox])
    return Response(await _shape(request, draft, known[inbox]))


async def _named(
    request: Request[Any, Any], local: LocalAddress, field: str, name: str | None
) -> str | None:
    """The id of the message that a draft answers.  Raises: UnknownField."""
    if name is None:
        return None
    found = await messages_of(request, local, [name], "drafts:write")
    if name not in found:
        raise checks.refuse(field, "is no message of this inbox")
    return found[name]
