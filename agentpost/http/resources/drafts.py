"""Drafts: written over REST or IMAP, then sent (R45, R68; API.md, Drafts and approvals).

A draft is a message in the Drafts folder: what a mail program saves there is listed here, and
what is written here lies there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import (
    AddressSyntax,
    AlreadyExists,
    Conflict,
    FieldError,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    SendingPaused,
    TooLarge,
    UnknownField,
)
from agentpost.http.answer import JSON
from agentpost.http.conditional import check_match
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Body, Idempotency, Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    AddressBody,
    ClientId,
    Labels,
    Metadata,
    Timestamp,
    allowed_versions,
    people,
)
from agentpost.ids import MessageId
from agentpost.limits import IdentityLimits
from agentpost.mail.composing import Answer, Beside, Origin, sender_of
from agentpost.mail.reading import read
from agentpost.mime.address import parse_one_address
from agentpost.mime.answer import Words
from agentpost.mime.compose import Attachment, Composition
from agentpost.model.actor import Actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Address, Draft, IdempotentRequest
from agentpost.model.reading import File, Reading
from agentpost.store import checks
from agentpost.store.deposits import ReplayedRequest
from agentpost.store.idempotency import StoredAnswer
from agentpost.store.pool import Duplicate
from agentpost.store.store import Place

routes = Routes("Drafts")

_REPLAYED: Final = ("idempotent-replayed", "true")


class PersonBody(Body, frozen=True, forbid_unknown_fields=True):
    """Someone mail goes to."""

    email: Annotated[str, Meta(min_length=1, max_length=320)]
    name: str | None = None


People = Annotated[
    list[PersonBody | str], Meta(max_length=50, description='Or strings: "Name <a@b.example>"')
]
MessageName = Annotated[str, Meta(pattern=r"^msg_[0-9A-Z]{26}$", description="Id of a message")]


class DraftFileBody(Body, frozen=True, forbid_unknown_fields=True):
    """A file to attach."""

    filename: Annotated[str, Meta(min_length=1, max_length=200)]
    content: Annotated[bytes, Meta(description="base64")]
    mime_type: str = "application/octet-stream"
    content_id: Annotated[str | None, Meta(description="For images that the HTML shows")] = None


Files = Annotated[list[DraftFileBody], Meta(max_length=100)]


class NewDraftBody(Body, frozen=True, forbid_unknown_fields=True):
    """A draft to write; an answer or a forward names its message, and the rest follows from it."""

    aliases: ClassVar[dict[str, str]] = {"text": "text_body", "html": "html_body"}

    to: People = msgspec.field(default_factory=list)
    cc: People = msgspec.field(default_factory=list)
    bcc: People = msgspec.field(default_factory=list)
    reply_to: People = msgspec.field(default_factory=list)
    subject: str | None = None
    text_body: Annotated[str | None, Meta(description="Alias text")] = None
    html_body: Annotated[str | None, Meta(description="Alias html")] = None
    attachments: Files = msgspec.field(default_factory=list)
    labels: Labels = msgspec.field(default_factory=list)
    metadata: Metadata = msgspec.field(default_factory=dict)
    in_reply_to: MessageName | None = None
    reply_all: Annotated[
        bool | MessageName, Meta(description="The message to answer to all; or true to in_reply_to")
    ] = False
    forward_of: MessageName | None = None
    client_id: ClientId | None = None


class ChangedDraftBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; null empties a field."""

    aliases: ClassVar[dict[str, str]] = {"text": "text_body", "html": "html_body"}

    to: People | UnsetType = UNSET
    cc: People | UnsetType = UNSET
    bcc: People | UnsetType = UNSET
    reply_to: People | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    text_body: str | UnsetType | None = UNSET
    html_body: str | UnsetType | None = UNSET
    add_attachments: Files = msgspec.field(default_factory=list)
    remove_attachments: Annotated[
        list[str], Meta(max_length=100, description="Ids; each version gives new ones")
    ] = msgspec.field(default_factory=list)
    labels: Labels | UnsetType = UNSET


class DraftAttachmentBody(msgspec.Struct, frozen=True):
    """A file of a draft."""

    id: str
    filename: str | None
    mime_type: str
    size: int
    inline: bool
    content_id: str | None


class DraftBody(msgspec.Struct, frozen=True):
    """A draft; its texts and files stand only where one draft is read."""

    id: str
    inbox_id: str
    environment_id: str
    thread_id: str
    message_id: Annotated[str, Meta(description="The message in Drafts; each version has its own")]
    client_id: str | None
    in_reply_to: str | None
    reply_all: bool
    forward_of: str | None
    from_address: AddressBody | None
    to_addresses: list[AddressBody]
    cc_addresses: list[AddressBody]
    bcc_addresses: list[AddressBody]
    reply_to: list[AddressBody]
    subject: str
    preview: str
    labels: list[str]
    metadata: dict[str, Any]
    has_attachments: bool
    created_at: Timestamp
    updated_at: Timestamp
    text_body: str | UnsetType | None = UNSET
    html_body: str | UnsetType | None = UNSET
    attachments: list[DraftAttachmentBody] | UnsetType = UNSET


class SentDraftBody(msgspec.Struct, frozen=True):
    """The message that the draft became."""

    id: str
    thread_id: str
    status: Annotated[str, Meta(description="queued, or delivered when all live here")]


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "drf_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "client_id": None,
    "in_reply_to": None,
    "reply_all": False,
    "forward_of": None,
    "from_address": {"email": "support@acme.example", "name": "Acme Support"},
    "to_addresses": [{"email": "ada@example.org", "name": "Ada"}],
    "cc_addresses": [],
    "bcc_addresses": [],
    "reply_to": [],
    "subject": "Your invoice",
    "preview": "Here it is.",
    "labels": [],
    "metadata": {},
    "has_attachments": False,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "text_body": "Here it is.",
    "html_body": None,
    "attachments": [],
}


def draft_body(draft: Draft, reading: Reading | None = None) -> DraftBody:
    """A draft as the API shows it, with its texts and files when they were read."""
    message = draft.message
    who = message.correspondents
    body = DraftBody(
        id=draft.id,
        inbox_id=message.inbox,
        environment_id=message.environment,
        thread_id=message.thread,
        message_id=message.id,
        client_id=draft.client_id,
        in_reply_to=draft.in_reply_to,
        reply_all=draft.reply_all,
        forward_of=draft.forward_of,
        from_address=next(iter(people(who.from_)), None),
        to_addresses=people(who.to),
        cc_addresses=people(who.cc),
        bcc_addresses=people(who.bcc),
        reply_to=people(who.reply_to),
        subject=message.subject,
        preview=message.preview,
        labels=list(message.keywords),
        metadata=message.metadata,
        has_attachments=message.attachments > 0,
        created_at=rfc3339(draft.created_at),
        updated_at=rfc3339(draft.updated_at),
    )
    if reading is None:
        return body
    return msgspec.structs.replace(
        body,
        text_body=reading.text,
        html_body=reading.html,
        attachments=[_file_body(file) for file in reading.files],
    )


def _file_body(file: File) -> DraftAttachmentBody:
    return DraftAttachmentBody(
        file.id, file.filename, file.mime_type, file.size, file.inline, file.content_id
    )


@routes.post(
    "/inboxes/{inbox}/drafts",
    scope="drafts:write",
    body=NewDraftBody,
    answer=DraftBody,
    status=201,
    summary="Write a draft",
    raises=(UnknownField, AddressSyntax, NotFound, TooLarge, AlreadyExists),
    carries_mail=True,
    examples={
        "request": {
            "to": [{"email": "ada@example.org", "name": "Ada"}],
            "subject": "Your invoice",
            "text_body": "Here it is.",
        },
        "response": _EXAMPLE,
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
    letter = await _letter(desk, actor, local, body, origin)
    labels = checks.labels(tuple(body.labels), IdentityLimits())
    metadata = checks.metadata(body.metadata, IdentityLimits())
    try:
        made = await desk.composing.save(actor, local, letter, Beside(labels, metadata), origin)
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
    query=ListQuery,
    answer=ListBody[DraftBody],
    summary="List an inbox's drafts",
)
async def list_inbox_drafts(request: Request[None, ListQuery]) -> Response:
    """The drafts of one inbox, also those of mail programs, the latest version first."""
    return await _page(request, checks.place("inbox", request.params["inbox"]))


@routes.get(
    "/drafts",
    scope="drafts:read",
    query=ListQuery,
    answer=ListBody[DraftBody],
    summary="List drafts",
)
async def list_drafts(request: Request[None, ListQuery]) -> Response:
    """The drafts of all inboxes that the key covers, the latest version first."""
    return await _page(request, None)


async def _page(request: Request[None, ListQuery], where: Place | None) -> Response:
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "drafts", request.params.get("inbox", ""))
    page = await desk.store.drafts.page(request.actor, desk.cursors.page(query, *place), where)
    return Response(desk.cursors.body(page, draft_body, query, *place))


@routes.get(
    "/drafts/{draft}",
    scope="drafts:read",
    answer=DraftBody,
    summary="Get a draft",
    examples={"response": _EXAMPLE},
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
    raises=(UnknownField, AddressSyntax, TooLarge, Conflict, PreconditionFailed),
    conditional=True,
    carries_mail=True,
    examples={"request": {"subject": "Your invoice, again"}, "response": _EXAMPLE},
)
async def update_draft(request: Request[ChangedDraftBody, None]) -> Response:
    """Replaces the draft by its next version, also one that a mail program saved."""
    desk, actor, body = desk_of(request), request.actor, request.body
    draft = await _get(desk, actor, request.params["draft"])
    check_match(allowed_versions(request), draft.message.modseq)
    local = await _home(desk, draft)
    letter = await _changed(desk, actor, local, draft, body)
    labels = draft.message.keywords
    if not isinstance(body.labels, UnsetType):
        labels = checks.labels(tuple(body.labels), IdentityLimits())
    origin = Origin(draft.client_id, draft.in_reply_to, draft.reply_all, draft.forward_of)
    extra = Beside(labels, draft.message.metadata)
    saved = await desk.composing.save(actor, local, letter, extra, origin, draft)
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
        PreconditionFailed,
    ),
    idempotent=True,
    conditional=True,
    examples={
        "response": {
            "id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
            "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
            "status": "queued",
        }
    },
)
async def send_draft(request: Request[None, None]) -> Response:
    """Sends the draft as it stands; it leaves Drafts, and its id is dead, in the same commit."""
    desk, actor, key = desk_of(request), request.actor, request.idempotency
    before = await _repeated(desk, actor, key)
    if before is not None:
        return before
    draft = await _get(desk, actor, request.params["draft"])
    check_match(allowed_versions(request), draft.message.modseq)
    local = await _home(desk, draft)
    repeatable = None
    if key is not None:
        # Raises when the key belongs to another request of this environment.
        await desk.store.idempotency.answered(actor, local.scope, key.key, key.fingerprint)
        repeatable = IdempotentRequest(key.key, key.fingerprint)
    try:
        receipt = await desk.composing.send_draft(actor, local, draft, repeatable)
    except ReplayedRequest:
        before = await _repeated(desk, actor, key)
        if before is None:
            raise IdempotencyKeyReuse from None
        return before
    return Response(SentDraftBody(receipt.message_id, receipt.thread_id, receipt.status))


async def _repeated(desk: Desk, actor: Actor, key: Idempotency | None) -> Response | None:
    if key is None:
        return None
    found: StoredAnswer | None = await desk.store.idempotency.repeated(
        actor, key.key, key.fingerprint
    )
    if found is None:
        return None
    return Response(found.body, status=found.status, fields=(_REPLAYED,), media=JSON)


async def _get(desk: Desk, actor: Actor, name: str, scope: str = "drafts:write") -> Draft:
    return await desk.store.drafts.get(actor, checks.identifier(name), scope)


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
    to, cc = _people("to", body.to), _people("cc", body.cc)
    bcc, reply_to = _people("bcc", body.bcc), _people("reply_to", body.reply_to)
    files = _files(body.attachments)
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
            attachments=files,
        )
    answer = Answer(
        message=answered,
        kind="forward" if origin.forward_of else "reply_all" if origin.reply_all else "reply",
        words=Words(body.text_body, body.html_body, files),
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
    return replace(letter, to=to) if to else letter


async def _changed(
    desk: Desk, actor: Actor, local: LocalAddress, draft: Draft, body: ChangedDraftBody
) -> Composition:
    letter = await desk.composing.read_draft(actor, draft)
    changes: dict[str, Any] = {"from_": sender_of(local)}
    for name in ("to", "cc", "bcc", "reply_to"):
        given = getattr(body, name)
        if given is not UNSET:
            changes[name] = _people(name, given)
    for name, field in (("subject", "subject"), ("text_body", "text"), ("html_body", "html")):
        given = getattr(body, name)
        if given is not UNSET:
            changes[field] = given
    files = letter.attachments
    if body.remove_attachments:
        content = await desk.store.messages.content(actor, draft.message.id, "drafts:write")
        listed = [file.id for file in (await read(content)).files]
        for number, name in enumerate(body.remove_attachments):
            if name not in listed:
                raise checks.refuse(f"remove_attachments[{number}]", "is no file of this draft")
        gone = set(body.remove_attachments)
        files = tuple(file for file, name in zip(files, listed, strict=True) if name not in gone)
    changes["attachments"] = (*files, *_files(body.add_attachments))
    return replace(letter, **changes)


def _people(path: str, given: list[PersonBody | str]) -> tuple[Address, ...]:
    """Addresses from their two spellings.  Raises: AddressSyntax with the path of each bad one."""
    found: list[Address] = []
    errors: list[FieldError] = []
    for number, person in enumerate(given):
        if isinstance(person, PersonBody):
            found.append(Address(person.email, person.name or None))
            continue
        try:
            found.append(parse_one_address(person))
        except AddressSyntax as error:
            errors.append(FieldError(f"{path}[{number}]", error.message))
    if errors:
        raise AddressSyntax(f"{errors[0].path}: {errors[0].message}", errors=tuple(errors))
    return tuple(found)


def _files(given: list[DraftFileBody]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            file.filename,
            file.mime_type,
            file.content,
            file.content_id,
            inline=file.content_id is not None,
        )
        for file in given
    )
