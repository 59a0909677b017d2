"""Drafts: written over REST or IMAP, then sent (R45, R68; API.md, Drafts and approvals).

A draft is a message in the Drafts folder: what a mail program saves there is listed here, and
what is written here lies there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from msgspec import UNSET, UnsetType

from agentpost.errors import (
    AddressSyntax,
    AlreadyExists,
    Conflict,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    MessageUnacceptable,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    RecipientNotAllowed,
    RecipientSuppressed,
    RecipientUnknown,
    SendBlocked,
    SendingPaused,
    TooLarge,
    TooManyHeld,
    TooManyRecipients,
    UnknownField,
)
from agentpost.http.conditional import check_match
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.once import once
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.attached import with_files
from agentpost.http.resources.drafted import (
    EXAMPLE,
    ChangedDraftBody,
    DraftBody,
    NewDraftBody,
    SendDraftBody,
    SentDraftBody,
    draft_body,
)
from agentpost.http.resources.letters import addresses, files
from agentpost.http.resources.shapes import allowed_versions, page_of
from agentpost.ids import MessageId
from agentpost.limits import IdentityLimits
from agentpost.mail.composing import Answer, Beside, Origin, sender_of
from agentpost.mail.reading import read
from agentpost.mime.answer import Words
from agentpost.mime.compose import Composition
from agentpost.model.actor import Actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Draft, IdempotentRequest
from agentpost.store import checks
from agentpost.store.pool import Duplicate
from agentpost.store.store import Place

routes = Routes("Drafts")

_SCHEDULING: Final = (
    SendingPaused,
    SendBlocked,
    RecipientNotAllowed,
    RecipientSuppressed,
    RecipientUnknown,
    TooManyRecipients,
    TooManyHeld,
    MessageUnacceptable,
    QuotaExceeded,
)
"""What a draft with send_at can be refused for, beside what any draft can."""


@routes.post(
    "/inboxes/{inbox}/drafts",
    scope="drafts:write",
    body=NewDraftBody,
    answer=DraftBody,
    status=201,
    summary="Write a draft",
    also={200: "It was made before with the same client_id"},
    raises=(UnknownField, AddressSyntax, NotFound, TooLarge, AlreadyExists, *_SCHEDULING),
    carries_mail=True,
    examples={
        "request": {
            "to": [{"email": "ada@example.org", "name": "Ada"}],
            "subject": "Your invoice",
            "text_body": "Here it is.",
        },
        "response": EXAMPLE,
    },
)
async def create_draft(request: Request[NewDraftBody, None]) -> Response:
    """Keeps a draft, which mail programs see in the Drafts folder.

    With ``in_reply_to``, ``reply_all`` or ``forward_of`` recipients, subject and quotation follow
    from that message; the key then needs messages:reply, or messages:send to forward.  With a
    ``client_id`` that was used before, the existing draft is answered with status 200.
    """
    desk, actor, body = desk_of(request), request.actor, request.body
    local = await desk.store.directory.reach(actor, "drafts:write", request.params["inbox"])
    if body.client_id is not None:
        known = await _known(desk, actor, local, body.client_id)
        if known is not None:
            return await _shown(desk, actor, known, 200)
    origin = _origin(body)
    labels = checks.labels(tuple(body.labels), IdentityLimits())
    metadata = checks.metadata(body.metadata, IdentityLimits())
    extra = Beside(labels, metadata, send_at=body.send_at)
    keep = desk.composing.save if body.send_at is None else desk.composing.schedule
    try:
        async with with_files(desk, actor, "drafts:write", local.scope, body) as whole:
            letter = await _letter(desk, actor, local, whole, origin)
            made = await keep(actor, local, letter, extra, origin)
    except Duplicate:
        assert body.client_id is not None
        known = await _known(desk, actor, local, body.client_id)
        if known is None:
            raise AlreadyExists("Another draft was made with this client_id.") from None
        return await _shown(desk, actor, known, 200)
    return await _shown(desk, actor, await _get(desk, actor, made), 201)


@routes.get(
    "/inboxes/{inbox}/drafts",
    scope="drafts:read",
    query=TimedListQuery,
    answer=ListBody[DraftBody],
    summary="List an inbox's drafts",
    examples=page_of(EXAMPLE),
)
async def list_inbox_drafts(request: Request[None, TimedListQuery]) -> Response:
    """The drafts of one inbox, also those of mail programs, the latest version first."""
    return await _page(request, checks.place("inbox", request.params["inbox"]))


@routes.get(
    "/drafts",
    scope="drafts:read",
    query=TimedListQuery,
    answer=ListBody[DraftBody],
    summary="List drafts",
    examples=page_of(EXAMPLE),
)
async def list_drafts(request: Request[None, TimedListQuery]) -> Response:
    """The drafts of all inboxes that the key covers, the latest version first."""
    return await _page(request, None)


async def _page(request: Request[None, TimedListQuery], where: Place | None) -> Response:
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "drafts", request.params.get("inbox", ""))
    page = await desk.store.drafts.page(request.actor, desk.cursors.page(query, *place), where)
    return Response(desk.cursors.body(page, draft_body, query, *place))


@routes.get(
    "/drafts/{draft}",
    scope="drafts:read",
    answer=DraftBody,
    summary="Get a draft",
    examples={"response": EXAMPLE},
)
async def get_draft(request: Request[None, None]) -> Response:
    """One draft with its texts and files."""
    desk, actor = desk_of(request), request.actor
    draft = await _get(desk, actor, request.params["draft"], "drafts:read")
    return await _shown(desk, actor, draft, 200, "drafts:read")


@routes.patch(
    "/drafts/{draft}",
    scope="drafts:write",
    body=ChangedDraftBody,
    answer=DraftBody,
    summary="Change a draft",
    raises=(UnknownField, AddressSyntax, TooLarge, Conflict, PreconditionFailed, *_SCHEDULING),
    conditional=True,
    carries_mail=True,
    examples={"request": {"subject": "Your invoice, again"}, "response": EXAMPLE},
)
async def update_draft(request: Request[ChangedDraftBody, None]) -> Response:
    """Replaces the draft by its next version, also one that a mail program saved.

    With ``send_at`` it moves to Scheduled and is sent at that time; null takes it back to Drafts.
    """
    desk, actor, body = desk_of(request), request.actor, request.body
    draft = await _changeable(desk, actor, request.params["draft"])
    check_match(allowed_versions(request), draft.message.modseq)
    local = await _home(desk, draft)
    labels = draft.message.keywords
    if not isinstance(body.labels, UnsetType):
        labels = checks.labels(tuple(body.labels), IdentityLimits())
    origin = Origin(draft.client_id, draft.in_reply_to, draft.reply_all, draft.forward_of)
    send_at = draft.send_at if isinstance(body.send_at, UnsetType) else body.send_at
    extra = Beside(labels, draft.message.metadata, send_at=send_at)
    keep = desk.composing.save if send_at is None else desk.composing.schedule
    adds = with_files(desk, actor, "drafts:write", local.scope, body, "add_attachments")
    async with adds as whole:
        letter = await _changed(desk, actor, local, draft, whole)
        saved = await keep(actor, local, letter, extra, origin, draft)
    return await _shown(desk, actor, await _get(desk, actor, saved), 200)


@routes.delete(
    "/drafts/{draft}",
    scope="drafts:write",
    status=204,
    summary="Delete a draft",
    raises=(PreconditionFailed,),
    conditional=True,
)
async def delete_draft(request: Request[None, None]) -> Response:
    """Deletes a draft for ever."""
    desk, actor = desk_of(request), request.actor
    draft = await _get(desk, actor, request.params["draft"])
    allowed = allowed_versions(request)
    check_match(allowed, draft.message.modseq)
    version = None if allowed is None else draft.version
    await desk.store.drafts.discard(actor, draft.id, version)
    return Response()


@routes.post(
    "/drafts/{draft}/send",
    scope="drafts:write",
    body=SendDraftBody,
    answer=SentDraftBody,
    status=202,
    summary="Send a draft",
    raises=(
        UnknownField,
        Conflict,
        IdempotencyInFlight,
        IdempotencyKeyReuse,
        QuotaExceeded,
        SendingPaused,
        SendBlocked,
        RecipientNotAllowed,
        RecipientSuppressed,
        RecipientUnknown,
        TooManyRecipients,
        TooManyHeld,
        MessageUnacceptable,
        PreconditionFailed,
    ),
    idempotent=True,
    conditional=True,
    examples={
        "request": {},
        "response": {
            "id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
            "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
            "status": "queued",
        },
    },
)
async def send_draft(request: Request[SendDraftBody, None]) -> Response:
    """Sends the draft as it stands; it leaves Drafts, and its id is dead, in the same commit.

    With ``hold_for_approval``, and in an inbox that demands it, it waits in Approvals until somebody
    else approves it.
    """
    desk, actor = desk_of(request), request.actor

    async def execute(idempotency: IdempotentRequest | None) -> Response:
        draft = await _changeable(desk, actor, request.params["draft"])
        check_match(allowed_versions(request), draft.message.modseq)
        local = await _home(desk, draft)
        receipt = await desk.composing.send_draft(
            actor, local, draft, idempotency, hold_for_approval=request.body.hold_for_approval
        )
        suppressed = list(receipt.suppressed) or UNSET
        return Response(
            SentDraftBody(
                receipt.message_id, receipt.thread_id, receipt.status, suppressed=suppressed
            )
        )

    return await once(request, execute)


async def _get(desk: Desk, actor: Actor, name: str, scope: str = "drafts:write") -> Draft:
    return await desk.store.drafts.get(actor, checks.identifier(name), scope)


async def _changeable(desk: Desk, actor: Actor, name: str) -> Draft:
    """A draft that its writer may change or send.  Raises: Conflict for one that is held."""
    draft = await _get(desk, actor, name)
    if draft.message.state == "held":
        raise Conflict(
            "The draft waits for an approval; what is looked at must not change.",
            fix="Cancel its message, or wait for the decision.",
        )
    return draft


async def _known(desk: Desk, actor: Actor, local: LocalAddress, client_id: str) -> Draft | None:
    name = await desk.store.drafts.by_client_id(actor, local.scope, client_id, "drafts:write")
    if name is None:
        return None
    try:
        return await _get(desk, actor, name)
    except NotFound:
        return None


async def _shown(
    desk: Desk, actor: Actor, draft: Draft, status: int, scope: str = "drafts:write"
) -> Response:
    content = await desk.store.messages.content(actor, draft.message.id, scope)
    body = draft_body(draft, await read(content))
    return Response(body, status=status, version=draft.message.modseq)


async def _home(desk: Desk, draft: Draft) -> LocalAddress:
    """The inbox of a draft.  Raises: NotFound when it is deleted."""
    local = await desk.store.directory.by_id(draft.message.inbox)
    if local is None or local.deleted:
        raise NotFound("The inbox of this draft is deleted.")
    return local


def _origin(body: NewDraftBody) -> Origin:
    """What the draft answers or forwards.  Raises: UnknownField when it is more than one thing."""
    answers = body.in_reply_to
    to_all = body.reply_all is not False
    if isinstance(body.reply_all, str):
        if answers is not None:
            raise checks.refuse("reply_all", "names a message; leave in_reply_to out")
        answers = body.reply_all
    elif to_all and answers is None:
        raise checks.refuse("reply_all", "needs the message: its id, or true beside in_reply_to")
    if answers is not None and body.forward_of is not None:
        raise checks.refuse("forward_of", "does not go with in_reply_to or reply_all")
    return Origin(
        body.client_id,
        None if answers is None else MessageId(answers),
        to_all,
        None if body.forward_of is None else MessageId(body.forward_of),
    )


async def _letter(
    desk: Desk, actor: Actor, local: LocalAddress, body: NewDraftBody, origin: Origin
) -> Composition:
    to, cc = addresses("to", body.to), addresses("cc", body.cc)
    bcc, reply_to = addresses("bcc", body.bcc), addresses("reply_to", body.reply_to)
    attached = files(body.attachments)
    answered = origin.in_reply_to or origin.forward_of
    if answered is None:
        return Composition(
            from_=sender_of(local),
            to=to,
            cc=cc,
            bcc=bcc,
            reply_to=reply_to,
            subject=body.subject or "",
            text=body.text_body,
            html=body.html_body,
            attachments=attached,
        )
    answer = Answer(
        message=answered,
        kind="forward" if origin.forward_of else "reply_all" if origin.reply_all else "reply",
        words=Words(body.text_body, body.html_body, attached),
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        subject=body.subject,
    )
    whose, letter = await desk.composing.answer(actor, answer)
    if whose.inbox != local.inbox:
        raise checks.refuse(
            "forward_of" if origin.forward_of else "in_reply_to", "is in another inbox"
        )
    return letter


async def _changed(
    desk: Desk, actor: Actor, local: LocalAddress, draft: Draft, body: ChangedDraftBody
) -> Composition:
    letter = await desk.composing.read_draft(actor, draft)
    changes: dict[str, Any] = {"from_": sender_of(local)}
    for name in ("to", "cc", "bcc", "reply_to"):
        given = getattr(body, name)
        if given is not UNSET:
            changes[name] = addresses(name, given)
    for name, field in (("subject", "subject"), ("text_body", "text"), ("html_body", "html")):
        given = getattr(body, name)
        if given is not UNSET:
            changes[field] = given
    kept = letter.attachments
    if body.remove_attachments:
        content = await desk.store.messages.content(actor, draft.message.id, "drafts:write")
        listed = [file.id for file in (await read(content)).files]
        for number, name in enumerate(body.remove_attachments):
            if name not in listed:
                raise checks.refuse(f"remove_attachments[{number}]", "is no file of this draft")
        gone = set(body.remove_attachments)
        kept = tuple(file for file, name in zip(kept, listed, strict=True) if name not in gone)
    changes["attachments"] = (*kept, *files(body.add_attachments))
    return replace(letter, **changes)
