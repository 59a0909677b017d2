"""Sending: letters, answers and forwards (R71-R73; API.md, Messages)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.errors import (
    AddressSyntax,
    Conflict,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    MessageUnacceptable,
    QuotaExceeded,
    RecipientNotAllowed,
    RecipientSuppressed,
    RecipientUnknown,
    SendBlocked,
    SendingPaused,
    TooLarge,
    TooManyHeld,
    TooManyRecipients,
    UnderWay,
    UnknownField,
)
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.once import once
from agentpost.http.resources.attached import with_files
from agentpost.http.resources.letters import (
    LetterBody,
    Recipients,
    SentWordsBody,
    addresses,
    beside,
    composition,
    words,
)
from agentpost.http.resources.shapes import Timestamp, when
from agentpost.ids import MessageId
from agentpost.mail.composing import SCOPES, Answer, AnswerKind, Beside, Origin
from agentpost.mime.compose import Composition
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import IdempotentRequest, Receipt
from agentpost.store import checks
from agentpost.store.store import Place

routes = Routes("Messages")

DryRun = Annotated[bool, Meta(description="Say what would happen, and do nothing")]
SaveAsDraft = Annotated[bool, Meta(description="Keep it in Drafts instead; needs drafts:write")]
Quote = Annotated[bool, Meta(description="Append the message that is answered, quoted")]

REFUSALS: Final = (
    UnknownField,
    AddressSyntax,
    RecipientUnknown,
    TooManyRecipients,
    MessageUnacceptable,
    TooLarge,
    SendingPaused,
    TooManyHeld,
    SendBlocked,
    RecipientNotAllowed,
    RecipientSuppressed,
    QuotaExceeded,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    Conflict,
)


class SendBody(LetterBody, frozen=True, forbid_unknown_fields=True):
    """A message to send; at least one of to, cc and bcc is needed."""

    dry_run: DryRun = False
    save_as_draft: SaveAsDraft = False


class ReplyBody(SentWordsBody, frozen=True, forbid_unknown_fields=True):
    """An answer; to whom follows from the message, cc and bcc are added."""

    to: Annotated[Recipients, Meta(description="Instead of those who follow from the message")] = (
        msgspec.field(default_factory=list)
    )
    subject: Annotated[str | None, Meta(description='"Re: ..." when left out')] = None
    quote: Quote = True
    dry_run: DryRun = False
    save_as_draft: SaveAsDraft = False


class ForwardBody(SentWordsBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message to hand on, with a note above it."""

    to: Recipients
    subject: Annotated[str | None, Meta(description='"Fwd: ..." when left out')] = None
    as_attachment: Annotated[bool, Meta(description="Attach it whole, as message/rfc822")] = False
    dry_run: DryRun = False
    save_as_draft: SaveAsDraft = False


class RehearsedRecipientBody(msgspec.Struct, frozen=True):
    """Someone who would be written to."""

    email: str
    local: Annotated[bool, Meta(description="Lives here: it would arrive at once")]
    verdict: Annotated[
        Literal["send", "suppressed"], Meta(description="suppressed: it would be left out")
    ]
    rule_id: Annotated[str | None, Meta(description="The filter rule that allows it")]


class SentBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a letter."""

    id: Annotated[str | None, Meta(description="Of the message, or of the draft")]
    thread_id: str | None
    status: Annotated[
        str, Meta(description="queued, delivered, held, scheduled, draft, or dry_run")
    ]
    size: Annotated[int | UnsetType, Meta(description="With dry_run: octets")] = UNSET
    recipients: Annotated[
        list[RehearsedRecipientBody] | UnsetType, Meta(description="With dry_run")
    ] = UNSET
    suppressed: Annotated[
        list[str] | UnsetType,
        Meta(description="Recipients on the suppression list, whom it does not go to"),
    ] = UNSET
    would: Annotated[
        Literal["send", "hold", "schedule"] | UnsetType,
        Meta(description="With dry_run: whether it would wait"),
    ] = UNSET
    held_by: Annotated[
        str | UnsetType, Meta(description="With dry_run: the rule that wants an approval")
    ] = UNSET
    send_at: Annotated[
        Timestamp | UnsetType, Meta(description="With dry_run: when it would be sent")
    ] = UNSET


_WOULD: Final[dict[str | None, Literal["send", "hold", "schedule"]]] = {
    None: "send",
    "held": "hold",
    "scheduled": "schedule",
}
_EXAMPLE: Final[dict[str, Any]] = {
    "request": {
        "to": [{"email": "ada@example.org", "name": "Ada"}],
        "subject": "Your parcel",
        "text_body": "It arrives on Monday.",
    },
    "response": {
        "id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "status": "queued",
    },
}
_SENDING: Final[dict[str, Any]] = {
    "answer": SentBody,
    "status": 202,
    "raises": REFUSALS,
    "idempotent": True,
    "carries_mail": True,
    "also": {200: "With dry_run: what would happen", 201: "With save_as_draft: the draft"},
}


@routes.post(
    "/inboxes/{inbox}/messages",
    scope="messages:send",
    body=SendBody,
    summary="Send a message",
    examples=_EXAMPLE,
    **_SENDING,
)
async def send_message(request: Request[SendBody, None]) -> Response:
    """Sends a message from the inbox: filed in Sent, delivered to inboxes of this server at once,
    queued for everyone else.  When the answer comes it is on disk.

    With ``send_at`` it waits in Scheduled until then.  With ``hold_for_approval``, and in an inbox
    that demands it, it waits in Approvals until somebody else approves it.
    """
    return await _send(request)


@routes.post(
    "/inboxes/{inbox}/messages/send",
    scope="messages:send",
    body=SendBody,
    summary="Send a message (other path)",
    examples=_EXAMPLE,
    **_SENDING,
)
async def send_message_alias(request: Request[SendBody, None]) -> Response:
    """The same as ``POST /inboxes/{inbox}/messages``."""
    return await _send(request)


@routes.post(
    "/messages/{message}/reply",
    scope="messages:reply",
    body=ReplyBody,
    summary="Reply to the author",
    examples={"request": {"text_body": "Thank you."}, "response": _EXAMPLE["response"]},
    **_SENDING,
)
async def reply_to_message(request: Request[ReplyBody, None]) -> Response:
    """Answers the author of a message, in its thread."""
    return await _answer(request, "reply")


@routes.post(
    "/messages/{message}/reply-all",
    scope="messages:reply",
    body=ReplyBody,
    summary="Reply to everyone",
    examples={"request": {"text_body": "Thank you all."}, "response": _EXAMPLE["response"]},
    **_SENDING,
)
async def reply_to_all(request: Request[ReplyBody, None]) -> Response:
    """Answers the author and all other recipients of a message, in its thread."""
    return await _answer(request, "reply_all")


@routes.post(
    "/messages/{message}/forward",
    scope="messages:send",
    body=ForwardBody,
    summary="Forward",
    examples={
        "request": {"to": "ada@example.org", "text_body": "For you."},
        "response": _EXAMPLE["response"],
    },
    **_SENDING,
)
async def forward_message(request: Request[ForwardBody, None]) -> Response:
    """Hands a message on, with its files and a note above it, or attached whole."""
    return await _answer(request, "forward")


class CanceledBody(msgspec.Struct, frozen=True):
    """A message that was taken back."""

    id: str
    status: Annotated[str, Meta(description="canceled")]
    was: Annotated[str, Meta(description="Its status before: held, scheduled, queued, canceled")]


@routes.post(
    "/messages/{message}/cancel",
    scope="messages:send",
    answer=CanceledBody,
    summary="Cancel a message",
    raises=(UnderWay, Conflict),
    examples={
        "response": {
            "id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
            "status": "canceled",
            "was": "scheduled",
        }
    },
)
async def cancel_message(request: Request[None, None]) -> Response:
    """Takes back a message that is held, scheduled or queued; it lies in Trash then.

    Once a recipient's server has it, or is being given it, it is too late: ``under_way``.  A message
    that was cancelled before is answered alike.
    """
    desk, message = desk_of(request), request.params["message"]
    was = await desk.store.approvals.cancel(request.actor, message)
    return Response(CanceledBody(message, "canceled", was))


async def _send(request: Request[SendBody, None]) -> Response:
    desk, body = desk_of(request), request.body
    local = await desk.store.directory.reach(
        request.actor, "messages:send", request.params["inbox"]
    )
    if body.dry_run:
        async with with_files(desk, request.actor, "messages:send", local.scope, body) as whole:
            return await _rehearsed(request, local, composition(whole, local), beside(body, None))

    async def execute(idempotency: IdempotentRequest | None) -> Response:
        async with with_files(desk, request.actor, "messages:send", local.scope, body) as whole:
            return await dispatch(composition(whole, local), idempotency)

    async def dispatch(letter: Composition, idempotency: IdempotentRequest | None) -> Response:
        extra = beside(body, idempotency)
        if body.save_as_draft:
            return await _saved(request, local, letter, extra, Origin())
        receipt = await desk.composing.send(request.actor, local, letter, extra)
        return _accepted(receipt)

    return await once(request, execute, 201 if body.save_as_draft else 202)


async def _answer(request: Request[Any, None], kind: AnswerKind) -> Response:
    desk, body, actor = desk_of(request), request.body, request.actor
    message = checks.identifier(request.params["message"])

    async def execute(idempotency: IdempotentRequest | None) -> Response:
        place = Place("message", message)
        async with with_files(desk, actor, SCOPES[kind], place, body) as whole:
            return await dispatch(_as_answer(whole, message, kind), idempotency)

    async def dispatch(answer: Answer, idempotency: IdempotentRequest | None) -> Response:
        local, letter = await desk.composing.answer(actor, answer)
        if body.dry_run:
            return await _rehearsed(request, local, letter, beside(body, None))
        extra = beside(body, idempotency)
        if body.save_as_draft:
            return await _saved(request, local, letter, extra, _origin(MessageId(message), kind))
        receipt = await desk.composing.send(actor, local, letter, extra, SCOPES[kind])
        await desk.composing.mark_answered(actor, message, kind)
        return _accepted(receipt)

    if body.dry_run:
        return await execute(None)
    return await once(request, execute, 201 if body.save_as_draft else 202)


def _as_answer(body: Any, message: str, kind: AnswerKind) -> Answer:
    return Answer(
        message,
        kind,
        words(body),
        to=addresses("to", body.to),
        cc=addresses("cc", body.cc),
        bcc=addresses("bcc", body.bcc),
        reply_to=addresses("reply_to", body.reply_to),
        subject=body.subject,
        quote=kind == "forward" or body.quote,
        as_attachment=kind == "forward" and body.as_attachment,
    )


def _origin(original: MessageId, kind: AnswerKind) -> Origin:
    if kind == "forward":
        return Origin(forward_of=original)
    return Origin(in_reply_to=original, reply_all=kind == "reply_all")


async def _saved(
    request: Request[Any, None],
    local: LocalAddress,
    letter: Composition,
    extra: Beside,
    origin: Origin,
) -> Response:
    desk = desk_of(request)
    keep = desk.composing.save if extra.send_at is None else desk.composing.schedule
    name = await keep(request.actor, local, letter, extra, origin)
    draft = await desk.store.drafts.get(request.actor, name, "drafts:write")
    return Response(SentBody(draft.id, draft.message.thread, "draft"), status=201)


async def _rehearsed(
    request: Request[Any, None], local: LocalAddress, letter: Composition, extra: Beside
) -> Response:
    found = await desk_of(request).composing.rehearse(request.actor, local, letter, extra)
    waiting = found.waiting
    recipients = [
        RehearsedRecipientBody(
            one.recipient,
            one.local is not None,
            "suppressed" if one.suppressed else "send",
            one.rule,
        )
        for one in found.recipients
    ]
    body = SentBody(
        None,
        None,
        "dry_run",
        size=found.size,
        recipients=recipients,
        would=_WOULD[waiting.state],
        held_by=waiting.rule or UNSET,
        send_at=when(waiting.send_at) or UNSET,
    )
    return Response(body, status=200)


def _accepted(receipt: Receipt) -> Response:
    suppressed = list(receipt.suppressed) or UNSET
    return Response(
        SentBody(receipt.message_id, receipt.thread_id, receipt.status, suppressed=suppressed)
    )
