"""Inboxes: made, found, changed, paused, deleted (R36-R70; API.md, Inboxes and credentials)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.errors import (
    AlreadyExists,
    Conflict,
    DeliverabilityCritical,
    NotFound,
    PreconditionFailed,
    UnknownField,
)
from agentpost.http.desk import Terms, desk_of
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.paging import ListBody, TimedListQuery
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    ClientId,
    Labels,
    Line,
    Metadata,
    Timestamp,
    allowed_versions,
    page_of,
    when,
)
from agentpost.model.inbox import Inbox
from agentpost.model.organization import NewMailCredential
from agentpost.store.inboxes import InboxChange, InboxFilter, InboxRequest

routes = Routes("Inboxes")


class NewInboxBody(Body, frozen=True, forbid_unknown_fields=True):
    """An inbox to make; every field may be left out."""

    username: Annotated[
        str | None,
        Meta(
            description="1 to 64 of a-z 0-9 - . _ ; a readable one is made when it is left out",
            extra_json_schema={"pattern": r"^(?!.*(\.\.|--))[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"},
        ),
    ] = None
    domain: Annotated[
        str | None, Meta(description="A verified domain; the shared one when it is left out")
    ] = None
    display_name: Annotated[str | None, Meta(description="Stands in From of what it sends")] = None
    client_id: ClientId | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    labels: Labels = msgspec.field(default_factory=list)
    settings: Annotated[
        dict[str, Any], Meta(description="max_imap_connections: IMAP connections at once")
    ] = msgspec.field(default_factory=dict)
    signature: Annotated[str | None, Meta(description="Text for your program's use")] = None


class ChangedInboxBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; null removes where that is possible, and the address never changes."""

    display_name: str | UnsetType | None = UNSET
    metadata: Annotated[
        dict[str, Any] | UnsetType,
        Meta(description="Merged with the present keys; a key with null is removed"),
    ] = UNSET
    labels: Labels | UnsetType = UNSET
    settings: Annotated[dict[str, Any] | UnsetType, Meta(description="Merged like metadata")] = (
        UNSET
    )
    signature: str | UnsetType | None = UNSET


class PauseBody(Body, frozen=True, forbid_unknown_fields=True):
    """Why sending is to stop."""

    reason: Annotated[Line, Meta(min_length=1, max_length=500)] = "manual"


class ResumeBody(Body, frozen=True, forbid_unknown_fields=True):
    """Whether bounces and complaints are to be forgiven."""

    force: Annotated[
        bool,
        Meta(description="Also against its bounces and complaints; needs the scope org:write"),
    ] = False


class ServerBody(msgspec.Struct, frozen=True):
    """A mail server over implicit TLS."""

    host: str
    port: int


class NewCredentialBody(msgspec.Struct, frozen=True):
    """A mail credential with its password, which is shown this once."""

    id: str
    name: str
    username: str
    password: str
    protocols: list[str]
    read_only: bool
    approver: bool
    expires_at: Timestamp | None
    imap: ServerBody
    smtp: ServerBody


class InboxBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An inbox."""

    id: str
    email: str
    username: str
    domain: str
    display_name: str | None
    environment_id: str
    client_id: str | None
    metadata: dict[str, Any]
    labels: list[str]
    settings: dict[str, Any]
    signature: str | None
    send_paused: bool
    paused_reason: str | None
    paused_at: Timestamp | None
    paused_by: str | None
    deleted_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    credential: Annotated[
        NewCredentialBody | None,
        Meta(description="Only in the answer that made the inbox: its first mail credential"),
    ] = None


class InboxesQuery(TimedListQuery, frozen=True, forbid_unknown_fields=True):
    """What a list of inboxes is narrowed to."""

    q: Annotated[str | None, Meta(description="Part of address or display name")] = None
    domain: str | None = None
    send_paused: bool | None = None
    metadata: Annotated[dict[str, str], Meta(description="metadata[key]=value")] = msgspec.field(
        default_factory=dict
    )
    labels: list[str] = msgspec.field(default_factory=list)
    include_deleted: bool = False


class InboxQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Whether a deleted inbox is found too."""

    include_deleted: bool = False


class DeleteInboxQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Whether the inbox is destroyed with its mail."""

    purge: Annotated[bool, Meta(description="Destroy it and all its mail, for ever")] = False


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "email": "support-a1b2c3@shared.agentpost.example",
    "username": "support",
    "domain": "shared.agentpost.example",
    "display_name": "Acme Support",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "client_id": "support-inbox",
    "metadata": {},
    "labels": [],
    "settings": {},
    "signature": None,
    "send_paused": False,
    "paused_reason": None,
    "paused_at": None,
    "paused_by": None,
    "deleted_at": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}
_PAUSED: Final = {
    **_EXAMPLE,
    "send_paused": True,
    "paused_reason": "bounces",
    "paused_at": EXAMPLE_TIME,
    "paused_by": "key_01JQ8X5K2M3N4P5R6S7T8V9W00",
}


def inbox_body(inbox: Inbox, credential: NewCredentialBody | None = None) -> InboxBody:
    """An inbox as the API shows it."""
    return InboxBody(
        id=inbox.id,
        email=inbox.address,
        username=inbox.username,
        domain=inbox.domain,
        display_name=inbox.display_name,
        environment_id=inbox.environment,
        client_id=inbox.client_id,
        metadata=inbox.metadata,
        labels=list(inbox.labels),
        settings=inbox.settings,
        signature=inbox.signature,
        send_paused=inbox.send_paused,
        paused_reason=inbox.paused_reason,
        paused_at=when(inbox.paused_at),
        paused_by=inbox.paused_by,
        deleted_at=when(inbox.deleted_at),
        created_at=rfc3339(inbox.created_at),
        updated_at=rfc3339(inbox.updated_at),
        credential=credential,
    )


def new_credential_body(made: NewMailCredential, address: str, terms: Terms) -> NewCredentialBody:
    """A new mail credential with its password and the servers it is for."""
    credential = made.credential
    return NewCredentialBody(
        id=credential.id,
        name=credential.name,
        username=address,
        password=made.secret,
        protocols=list(credential.protocols),
        read_only=credential.read_only,
        approver=credential.approver,
        expires_at=when(credential.expires_at),
        imap=ServerBody(terms.imap.host, terms.imap.port),
        smtp=ServerBody(terms.smtp.host, terms.smtp.port),
    )


def _shown(inbox: Inbox) -> Response:
    return Response(inbox_body(inbox), version=inbox.version)


@routes.post(
    "/inboxes",
    scope="inboxes:write",
    body=NewInboxBody,
    answer=InboxBody,
    status=201,
    summary="Make an inbox",
    also={200: "It was made before with the same client_id"},
    raises=(UnknownField, NotFound, Conflict, AlreadyExists),
    examples={
        "request": {"username": "support", "display_name": "Acme Support"},
        "response": _EXAMPLE,
    },
)
async def create_inbox(request: Request[NewInboxBody, None]) -> Response:
    """Makes an inbox and its first mail credential, whose password is shown only here.

    With a ``client_id`` that was used before, the existing inbox is answered with status 200.
    """
    desk, body = desk_of(request), request.body
    wanted = InboxRequest(
        username=body.username,
        domain=body.domain,
        display_name=body.display_name,
        client_id=body.client_id,
        metadata=body.metadata,
        labels=tuple(body.labels),
        settings=body.settings,
        signature=body.signature,
    )
    made, created = await desk.store.inboxes.create(request.actor, wanted)
    credential = None
    if made.credential is not None:
        credential = new_credential_body(made.credential, made.inbox.address, desk.terms)
    body_ = inbox_body(made.inbox, credential)
    return Response(body_, status=201 if created else 200, version=made.inbox.version)


@routes.get(
    "/inboxes",
    scope="inboxes:read",
    query=InboxesQuery,
    answer=ListBody[InboxBody],
    raises=(UnknownField,),
    summary="List inboxes",
    examples=page_of(_EXAMPLE),
)
async def list_inboxes(request: Request[None, InboxesQuery]) -> Response:
    """The inboxes that the key covers, newest first unless asked otherwise."""
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "inboxes")
    page = await desk.store.inboxes.page(
        request.actor,
        InboxFilter(
            q=query.q,
            domain=query.domain,
            send_paused=query.send_paused,
            metadata=query.metadata,
            labels=tuple(query.labels),
            include_deleted=query.include_deleted,
        ),
        desk.cursors.page(query, *place),
    )
    return Response(desk.cursors.body(page, inbox_body, query, *place))


@routes.get(
    "/inboxes/{inbox}",
    scope="inboxes:read",
    query=InboxQuery,
    answer=InboxBody,
    summary="Get an inbox",
    examples={"response": _EXAMPLE},
)
async def get_inbox(request: Request[None, InboxQuery]) -> Response:
    """One inbox by its id or its address."""
    inbox = await desk_of(request).store.inboxes.get(
        request.actor, request.params["inbox"], include_deleted=request.query.include_deleted
    )
    return _shown(inbox)


@routes.patch(
    "/inboxes/{inbox}",
    scope="inboxes:write",
    body=ChangedInboxBody,
    answer=InboxBody,
    summary="Change an inbox",
    examples={"request": {"display_name": "Acme Support"}, "response": _EXAMPLE},
    raises=(UnknownField, PreconditionFailed),
    conditional=True,
)
async def update_inbox(request: Request[ChangedInboxBody, None]) -> Response:
    """Changes what is named; the address is for ever (make a new inbox to have another)."""
    body = request.body
    labels: tuple[str, ...] | UnsetType = UNSET
    if not isinstance(body.labels, UnsetType):
        labels = tuple(body.labels)
    change = InboxChange(
        display_name=body.display_name,
        metadata=body.metadata,
        labels=labels,
        settings=body.settings,
        signature=body.signature,
    )
    inbox = await desk_of(request).store.inboxes.update(
        request.actor, request.params["inbox"], change, allowed_versions(request)
    )
    return _shown(inbox)


@routes.delete(
    "/inboxes/{inbox}",
    scope="inboxes:write",
    query=DeleteInboxQuery,
    status=204,
    summary="Delete an inbox",
    raises=(PreconditionFailed,),
    conditional=True,
)
async def delete_inbox(request: Request[None, DeleteInboxQuery]) -> Response:
    """Deletes an inbox softly: it receives no mail, its messages are kept, it can be restored.

    With ``purge=true`` it is destroyed with all its mail, also when it was deleted before; its
    address is never given out again.
    """
    inboxes = desk_of(request).store.inboxes
    remove = inboxes.purge if request.query.purge else inboxes.delete
    await remove(request.actor, request.params["inbox"], allowed_versions(request))
    return Response()


@routes.post(
    "/inboxes/{inbox}/restore",
    scope="inboxes:write",
    answer=InboxBody,
    summary="Restore a deleted inbox",
    raises=(Conflict,),
    examples={"response": _EXAMPLE},
)
async def restore_inbox(request: Request[None, None]) -> Response:
    """Brings a deleted inbox back; one that is not deleted stays as it is.

    At a custom domain that needs the domain to be verified in this environment.
    """
    inboxes = desk_of(request).store.inboxes
    return _shown(await inboxes.restore(request.actor, request.params["inbox"]))


@routes.post(
    "/inboxes/{inbox}/pause",
    scope="inboxes:write",
    body=PauseBody,
    answer=InboxBody,
    summary="Stop sending from an inbox",
    examples={"request": {"reason": "bounces"}, "response": _PAUSED},
    raises=(UnknownField,),
)
async def pause_inbox(request: Request[PauseBody, None]) -> Response:
    """Stops sending from the inbox, over every protocol; it goes on receiving."""
    inboxes = desk_of(request).store.inboxes
    return _shown(await inboxes.pause(request.actor, request.params["inbox"], request.body.reason))


@routes.post(
    "/inboxes/{inbox}/resume",
    scope="inboxes:write",
    body=ResumeBody,
    answer=InboxBody,
    summary="Let an inbox send again",
    examples={"request": {"force": False}, "response": _EXAMPLE},
    raises=(DeliverabilityCritical, UnknownField),
)
async def resume_inbox(request: Request[ResumeBody, None]) -> Response:
    """Lets the inbox send again; one that is not paused stays as it is.

    While its bounces or complaints are above what pauses an inbox this is refused, unless it is
    forced; then only what comes later counts towards the next pause.
    """
    inboxes = desk_of(request).store.inboxes
    return _shown(
        await inboxes.resume(request.actor, request.params["inbox"], force=request.body.force)
    )
