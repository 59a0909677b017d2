"""Folders: the IMAP mailboxes of an inbox, over REST (API.md, Inboxes and credentials)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.errors import AlreadyExists, Conflict, Limit, MailboxNotFound, UnknownField
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery, cut
from agentpost.limits import GrammarLimits
from agentpost.model.actor import Actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import MailboxStatus
from agentpost.model.mailboxname import canonical, fault_of_name
from agentpost.store import checks

routes = Routes("Folders")

Name = Annotated[
    str,
    Meta(min_length=1, max_length=1024, description="Levels are divided by /", examples=["A/B"]),
]
SpecialUse = Literal[
    "sent",
    "drafts",
    "trash",
    "junk",
    "archive",
    "approvals",
    "approved",
    "rejected",
    "scheduled",
]


class NewFolderBody(Body, frozen=True, forbid_unknown_fields=True):
    """A folder to make; missing levels above it are made too."""

    name: Name


class ChangedFolderBody(Body, frozen=True, forbid_unknown_fields=True):
    """A new name, which the folders below take on too, or whether mail programs show it."""

    name: Name | UnsetType = UNSET
    subscribed: bool | UnsetType = UNSET


class FoldersQuery(ListQuery, frozen=True, forbid_unknown_fields=True):
    """Folders are listed by name."""

    order: Annotated[Literal["desc", "asc"], Meta(description="asc: by name")] = "asc"


class FolderBody(msgspec.Struct, frozen=True):
    """A folder with its counts; what IMAP calls UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ."""

    name: str
    special_use: SpecialUse | None
    subscribed: bool
    message_count: int
    unseen_count: int
    size: Annotated[int, Meta(description="Octets of all its messages")]
    uidvalidity: int
    uidnext: int
    highestmodseq: int


_EXAMPLE: Final[dict[str, Any]] = {
    "name": "Customers/Acme",
    "special_use": None,
    "subscribed": True,
    "message_count": 12,
    "unseen_count": 3,
    "size": 48211,
    "uidvalidity": 1772980200,
    "uidnext": 13,
    "highestmodseq": 9017,
}


def folder_body(status: MailboxStatus) -> FolderBody:
    """A mailbox as the API shows it."""
    mailbox = status.mailbox
    return FolderBody(
        name=mailbox.name,
        special_use=None if mailbox.role == "inbox" else mailbox.role,
        subscribed=mailbox.subscribed,
        message_count=status.messages,
        unseen_count=status.unseen,
        size=status.size,
        uidvalidity=mailbox.uidvalidity,
        uidnext=status.uidnext,
        highestmodseq=status.modseq,
    )


@routes.get(
    "/inboxes/{inbox}/folders",
    scope="messages:read",
    query=FoldersQuery,
    answer=ListBody[FolderBody],
    summary="List folders",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None, "has_more": False}},
)
async def list_folders(request: Request[None, FoldersQuery]) -> Response:
    """The folders of an inbox by name, as mail programs see them."""
    desk, query = desk_of(request), request.query
    local = await _reach(request, "messages:read")
    place = (request.actor.organization, "folders", local.inbox)
    wanted = desk.cursors.page(query, *place)
    found = await desk.store.mailboxes.status(request.actor, local.scope)
    page = cut(found, wanted, lambda status: status.mailbox.name)
    return Response(desk.cursors.body(page, folder_body, query, *place))


@routes.post(
    "/inboxes/{inbox}/folders",
    scope="messages:write",
    body=NewFolderBody,
    answer=FolderBody,
    status=201,
    summary="Make a folder",
    raises=(UnknownField, AlreadyExists, Limit),
    examples={"request": {"name": "Customers/Acme"}, "response": _EXAMPLE},
)
async def create_folder(request: Request[NewFolderBody, None]) -> Response:
    """Makes a folder, which mail programs show from then on."""
    desk, actor = desk_of(request), request.actor
    local = await _reach(request, "messages:write")
    name = _checked(request.body.name)
    await desk.store.mailboxes.create(actor, local.scope, name)
    await desk.store.mailboxes.subscribe(actor, local.scope, name, subscribed=True)
    return Response(await _folder(desk, actor, local, name), status=201)


@routes.patch(
    "/inboxes/{inbox}/folders/{folder}",
    scope="messages:write",
    body=ChangedFolderBody,
    answer=FolderBody,
    summary="Rename a folder",
    raises=(UnknownField, MailboxNotFound, AlreadyExists, Conflict, Limit),
    examples={"request": {"name": "Customers/Acme Corp"}, "response": _EXAMPLE},
)
async def update_folder(request: Request[ChangedFolderBody, None]) -> Response:
    """Renames a folder with all below it, or has mail programs show it or not.

    The special folders keep their names; renaming INBOX moves its messages into a new folder.
    The name in the path is percent-encoded: ``Customers%2FAcme``.
    """
    desk, actor, body = desk_of(request), request.actor, request.body
    local = await _reach(request, "messages:write")
    name = canonical(request.params["folder"])
    present = await _folder(desk, actor, local, name)
    if not isinstance(body.name, UnsetType):
        wanted = _checked(body.name)
        if wanted != name:
            await desk.store.mailboxes.rename(actor, local.scope, name, wanted)
            # To mail programs a subscription belongs to a name; here the folder keeps its own.
            kept = present.subscribed
            await desk.store.mailboxes.subscribe(actor, local.scope, wanted, subscribed=kept)
        name = wanted
    if not isinstance(body.subscribed, UnsetType):
        shown = body.subscribed
        await desk.store.mailboxes.subscribe(actor, local.scope, name, subscribed=shown)
    return Response(await _folder(desk, actor, local, name))


@routes.delete(
    "/inboxes/{inbox}/folders/{folder}",
    scope="messages:write",
    status=204,
    summary="Delete a folder",
    raises=(MailboxNotFound, Conflict),
)
async def delete_folder(request: Request[None, None]) -> Response:
    """Deletes a folder with the messages that are only there, for ever.

    Folders below it stay.  The special folders cannot be deleted.
    """
    desk, actor = desk_of(request), request.actor
    local = await _reach(request, "messages:write")
    name = canonical(request.params["folder"])
    await _folder(desk, actor, local, name)
    await desk.store.mailboxes.delete(actor, local.scope, name)
    await desk.store.mailboxes.subscribe(actor, local.scope, name, subscribed=False)
    return Response()


async def _reach(request: Request[Any, Any], scope: str) -> LocalAddress:
    return await desk_of(request).store.directory.reach(
        request.actor, scope, request.params["inbox"]
    )


async def _folder(desk: Desk, actor: Actor, local: LocalAddress, name: str) -> FolderBody:
    """The folder as it is now.  Raises: MailboxNotFound."""
    for status in await desk.store.mailboxes.status(actor, local.scope):
        if status.mailbox.name == name:
            return folder_body(status)
    raise MailboxNotFound


def _checked(given: str) -> str:
    """A name that a folder may have, in its one spelling.  Raises: UnknownField."""
    name = canonical(given)
    fault = fault_of_name(name, GrammarLimits())
    if fault is not None:
        raise checks.refuse("name", fault)
    return name
