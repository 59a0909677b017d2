"""Messages brought along: what IMAP APPEND does, over REST (API.md, Messages)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from agentpost.errors import MailboxNotFound, MessageUnacceptable, TooLarge, UnknownField
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Query, Request, Response, Routes
from agentpost.http.paging import Moment
from agentpost.http.resources.marks import Folder, folder_in, labels_in
from agentpost.http.resources.shown import EXAMPLE, MessageBody, changed_body
from agentpost.model.mailbox import Flag, InternalDate

routes = Routes("Messages")


class ImportQuery(Query, frozen=True, forbid_unknown_fields=True):
    """Where an imported message goes, and how it is marked."""

    folder: Folder = "INBOX"
    labels: list[str] = msgspec.field(default_factory=list)
    seen: bool = False
    flagged: bool = False
    answered: bool = False
    internaldate: Annotated[
        Moment | None, Meta(description="When it was received; now when left out")
    ] = None


@routes.post(
    "/inboxes/{inbox}/messages/import",
    scope="messages:write",
    body=bytes,
    accepts=("message/rfc822",),
    query=ImportQuery,
    answer=MessageBody,
    status=201,
    summary="Import a message",
    examples={"response": EXAMPLE},
    raises=(UnknownField, MailboxNotFound, MessageUnacceptable, TooLarge),
    carries_mail=True,
)
async def import_message(request: Request[bytes, ImportQuery]) -> Response:
    """Puts a raw message (RFC 5322) into a folder without sending it, as IMAP APPEND does."""
    desk, query, actor = desk_of(request), request.query, request.actor
    if not request.body:
        raise MessageUnacceptable("An empty message cannot be stored.")
    local = await desk.store.directory.reach(actor, "messages:write", request.params["inbox"])
    flags = Flag(0)
    for flag, wanted in (
        (Flag.SEEN, query.seen),
        (Flag.FLAGGED, query.flagged),
        (Flag.ANSWERED, query.answered),
    ):
        flags |= flag if wanted else Flag(0)
    date = None
    if query.internaldate is not None:
        zone = query.internaldate.utcoffset() or timedelta()
        date = InternalDate(query.internaldate, zone // timedelta(minutes=1))
    name = folder_in(query.folder)
    mailbox = await desk.store.mailboxes.find(actor, local.scope, name, "messages:write")
    placed = await desk.appending.append(
        actor, local.scope, mailbox, request.body, flags, labels_in(query.labels), date
    )
    message = await desk.store.messages.get(actor, placed.message, "messages:write")
    return Response(changed_body(request.actor, message), version=message.modseq)
