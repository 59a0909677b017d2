"""Approvals: messages that wait until a person lets them go (API.md, Drafts and approvals).

The same is decided by moving the message in a mail program; see docs/approvals.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import (
    AddressSyntax,
    ApprovalOver,
    Conflict,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    MessageUnacceptable,
    NotFound,
    OwnApproval,
    PreconditionFailed,
    RecipientNotAllowed,
    RecipientSuppressed,
    RecipientUnknown,
    SendBlocked,
    SendingPaused,
    TooLarge,
    TooManyRecipients,
    UnknownField,
)
from agentpost.http.conditional import check_match
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.once import once
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.letters import Recipients, addresses
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    AddressBody,
    Timestamp,
    allowed_versions,
    page_of,
    people,
    when,
)
from agentpost.mail.reading import read
from agentpost.mime.compose import Composition
from agentpost.model.actor import Actor
from agentpost.model.approval import Approval, Decision
from agentpost.model.message import IdempotentRequest
from agentpost.model.reading import Reading
from agentpost.store import checks

routes = Routes("Approvals")

State = Literal["pending", "approved", "rejected", "expired", "canceled"]


class ApprovalsQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of approvals is narrowed to."""

    status: Annotated[State | None, Meta(description="Only those in this state")] = None
    inbox_id: Annotated[str | None, Meta(description="Only those of this inbox")] = None


class EditsBody(Body, frozen=True, forbid_unknown_fields=True):
    """What is changed before the message goes; null empties a text."""

    aliases: ClassVar[dict[str, str]] = {"text": "text_body", "html": "html_body"}

    to: Recipients | UnsetType = UNSET
    cc: Recipients | UnsetType = UNSET
    bcc: Recipients | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    text_body: str | UnsetType | None = UNSET
    html_body: str | UnsetType | None = UNSET


class ApproveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An approval, perhaps of something a little different."""

    edits: Annotated[
        EditsBody | None, Meta(description="Makes another version, with a message_id of its own")
    ] = None
    reason: Annotated[str, Meta(max_length=500)] | None = None


class RejectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refusal."""

    reason: Annotated[str, Meta(max_length=500, description="Told to who wanted it")] | None = None


class ApprovalBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message that waits for an approval, and what was decided."""

    id: str
    inbox_id: str
    environment_id: str
    message_id: Annotated[str, Meta(description="The present version")]
    thread_id: str
    draft_id: Annotated[str | None, Meta(description="The scheduled draft that it is")]
    status: State
    rule: Annotated[str, Meta(description="hold_for_approval, or the setting of the inbox")]
    subject: str
    preview: str
    from_address: AddressBody | None
    to_addresses: list[AddressBody]
    cc_addresses: list[AddressBody]
    recipients: Annotated[list[str], Meta(description="Everyone who would get it")]
    requested_by: Annotated[str, Meta(description="The credential that wants it sent")]
    send_at: Annotated[Timestamp | None, Meta(description="When it goes once it is approved")]
    expires_at: Timestamp
    on_expiry: Annotated[str, Meta(description="reject")]
    decided_at: Timestamp | None
    decided_by: str | None
    reason: str | None
    created_at: Timestamp
    updated_at: Timestamp
    text_body: Annotated[
        str | UnsetType | None, Meta(description="Where one is read, and its message is there")
    ] = UNSET
    html_body: str | UnsetType | None = UNSET


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "apr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "draft_id": None,
    "status": "pending",
    "rule": "inbox.approval=always",
    "subject": "Your invoice",
    "preview": "Here it is.",
    "from_address": {"email": "support@acme.example", "name": "Acme Support"},
    "to_addresses": [{"email": "ada@example.org", "name": "Ada"}],
    "cc_addresses": [],
    "recipients": ["ada@example.org"],
    "requested_by": "key_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "send_at": None,
    "expires_at": "2026-03-11T14:30:00.000Z",
    "on_expiry": "reject",
    "decided_at": None,
    "decided_by": None,
    "reason": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}
_DECIDED: Final[dict[str, Any]] = {
    **_EXAMPLE,
    "decided_at": "2026-03-08T15:00:00.000Z",
    "decided_by": "key_01JQ8X5K2M3N4P5R6S7T8V9W01",
    "updated_at": "2026-03-08T15:00:00.000Z",
}
_DECIDING: Final = (
    OwnApproval,
    ApprovalOver,
    PreconditionFailed,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
)


def approval_body(approval: Approval, reading: Reading | None = None) -> ApprovalBody:
    """An approval as the API shows it, with its message's texts when they were read."""
    body = ApprovalBody(
        id=approval.id,
        inbox_id=approval.inbox,
        environment_id=approval.environment,
        message_id=approval.message,
        thread_id=approval.thread,
        draft_id=approval.draft,
        status=approval.state,
        rule=approval.rule,
        subject=approval.subject,
        preview=approval.preview,
        from_address=None if approval.from_ is None else people((approval.from_,))[0],
        to_addresses=people(approval.to),
        cc_addresses=people(approval.cc),
        recipients=list(approval.recipients),
        requested_by=approval.requested_by,
        send_at=when(approval.send_at),
        expires_at=rfc3339(approval.expires_at),
        on_expiry="reject",
        decided_at=when(approval.decided_at),
        decided_by=approval.decided_by,
        reason=approval.reason,
        created_at=rfc3339(approval.created_at),
        updated_at=rfc3339(approval.updated_at),
    )
    if reading is None:
        return body
    return msgspec.structs.replace(body, text_body=reading.text, html_body=reading.html)


@routes.get(
    "/approvals",
    scope="approvals:read",
    query=ApprovalsQuery,
    answer=ListBody[ApprovalBody],
    summary="List approvals",
    examples=page_of(_EXAMPLE),
)
async def list_approvals(request: Request[None, ApprovalsQuery]) -> Response:
    """What waits for an approval in the inboxes that the key covers, and what was decided."""
    desk, query, actor = desk_of(request), request.query, request.actor
    where = None if query.inbox_id is None else checks.place("inbox", query.inbox_id)
    place = (actor.organization, "approvals")
    page = await desk.store.approvals.page(
        actor, desk.cursors.page(query, *place), where, query.status
    )
    return Response(desk.cursors.body(page, approval_body, query, *place))


@routes.get(
    "/approvals/{approval}",
    scope="approvals:read",
    answer=ApprovalBody,
    summary="Get an approval",
    examples={"response": {**_EXAMPLE, "text_body": "Here it is.", "html_body": None}},
)
async def get_approval(request: Request[None, None]) -> Response:
    """One approval with the texts of its message.  ``If-Match`` with its ETag makes sure that what
    is approved is what was read."""
    desk, actor = desk_of(request), request.actor
    approval = await desk.store.approvals.get(actor, request.params["approval"])
    try:
        content = await desk.store.messages.content(actor, approval.message, "approvals:read")
    except NotFound:
        return Response(approval_body(approval), version=approval.version)
    return Response(approval_body(approval, await read(content)), version=approval.version)


@routes.post(
    "/approvals/{approval}/approve",
    scope="approvals:decide",
    body=ApproveBody,
    answer=ApprovalBody,
    summary="Approve",
    raises=(
        *_DECIDING,
        UnknownField,
        AddressSyntax,
        Conflict,
        MessageUnacceptable,
        TooLarge,
        TooManyRecipients,
        RecipientUnknown,
        RecipientNotAllowed,
        RecipientSuppressed,
        SendBlocked,
        SendingPaused,
    ),
    idempotent=True,
    conditional=True,
    examples={"request": {}, "response": {**_DECIDED, "status": "approved"}},
)
async def approve(request: Request[ApproveBody, None]) -> Response:
    """Lets the message go: at once, or at its ``send_at``.

    The credential that wants it sent cannot approve it.  With ``edits`` the message is changed
    before.  What the policy would refuse now is refused, and the approval stays pending.
    """
    desk, actor, body = desk_of(request), request.actor, request.body
    name = request.params["approval"]

    async def execute(idempotency: IdempotentRequest | None) -> Response:
        allowed = allowed_versions(request)
        approval = await desk.store.approvals.get(actor, name, "approvals:decide")
        check_match(allowed, approval.version)
        if approval.state != "pending":
            raise ApprovalOver
        if approval.requested_by == actor.credential:
            raise OwnApproval
        if body.edits is None:
            await desk.composing.check_held(actor, approval)
        else:
            await _edit(desk, actor, approval, body.edits)
            allowed = None
        return await _decided(request, "approved", body.reason, allowed, idempotency)

    return await once(request, execute, 200, ApprovalBody)


@routes.post(
    "/approvals/{approval}/reject",
    scope="approvals:decide",
    body=RejectBody,
    answer=ApprovalBody,
    summary="Reject",
    raises=(*_DECIDING, UnknownField),
    idempotent=True,
    conditional=True,
    examples={
        "request": {"reason": "Not before the contract is signed."},
        "response": {
            **_DECIDED,
            "status": "rejected",
            "reason": "Not before the contract is signed.",
        },
    },
)
async def reject(request: Request[RejectBody, None]) -> Response:
    """Refuses the message; it lies in Approvals/Rejected then, and is never sent."""
    body = request.body

    async def execute(idempotency: IdempotentRequest | None) -> Response:
        allowed = allowed_versions(request)
        return await _decided(request, "rejected", body.reason, allowed, idempotency)

    return await once(request, execute, 200, ApprovalBody)


async def _edit(desk: Desk, actor: Actor, approval: Approval, edits: EditsBody) -> None:
    present = await desk.composing.read_held(actor, approval)
    await desk.composing.revise(actor, approval, present, _edited(present, edits))


def _edited(letter: Composition, edits: EditsBody) -> Composition:
    changes: dict[str, Any] = {}
    for name in ("to", "cc", "bcc"):
        given = getattr(edits, name)
        if given is not UNSET:
            changes[name] = addresses(f"edits.{name}", given)
    for name, field in (("subject", "subject"), ("text_body", "text"), ("html_body", "html")):
        given = getattr(edits, name)
        if given is not UNSET:
            changes[field] = given
    return replace(letter, **changes)


async def _decided(
    request: Request[Any, None],
    decision: Decision,
    reason: str | None,
    allowed: frozenset[str] | None,
    idempotency: IdempotentRequest | None,
) -> Response:
    approval = await desk_of(request).store.approvals.decide(
        request.actor,
        request.params["approval"],
        decision,
        reason,
        allowed,
        idempotency,
        lambda decided: msgspec.json.encode(approval_body(decided)),
    )
    return Response(approval_body(approval), version=approval.version)
