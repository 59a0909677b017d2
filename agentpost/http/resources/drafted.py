"""What drafts look like, as they are written and as they are shown (API.md, Drafts)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.clock import rfc3339
from agentpost.http.endpoint import Body
from agentpost.http.paging import Moment
from agentpost.http.resources.letters import Files, Recipients, SendAt
from agentpost.http.resources.shapes import (
    EXAMPLE_TIME,
    AddressBody,
    ClientId,
    Labels,
    Metadata,
    Timestamp,
    people,
    when,
)
from agentpost.http.resources.shown import labels_of
from agentpost.model.message import Draft
from agentpost.model.reading import File, Reading

MessageName = Annotated[str, Meta(pattern=r"^msg_[0-9A-Z]{26}$", description="Id of a message")]


class NewDraftBody(Body, frozen=True, forbid_unknown_fields=True):
    """A draft to write; an answer or a forward names its message, and the rest follows from it."""

    aliases: ClassVar[dict[str, str]] = {"text": "text_body", "html": "html_body"}

    to: Recipients = msgspec.field(default_factory=list)
    cc: Recipients = msgspec.field(default_factory=list)
    bcc: Recipients = msgspec.field(default_factory=list)
    reply_to: Recipients = msgspec.field(default_factory=list)
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
    send_at: SendAt = None


class ChangedDraftBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes; null empties a field."""

    aliases: ClassVar[dict[str, str]] = {"text": "text_body", "html": "html_body"}

    to: Recipients | UnsetType = UNSET
    cc: Recipients | UnsetType = UNSET
    bcc: Recipients | UnsetType = UNSET
    reply_to: Recipients | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    text_body: str | UnsetType | None = UNSET
    html_body: str | UnsetType | None = UNSET
    add_attachments: Files = msgspec.field(default_factory=list)
    remove_attachments: Annotated[
        list[str], Meta(max_length=100, description="Ids; each version gives new ones")
    ] = msgspec.field(default_factory=list)
    labels: Labels | UnsetType = UNSET
    send_at: Annotated[
        Moment | UnsetType | None, Meta(description="null takes it out of Scheduled")
    ] = UNSET


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
    send_at: Annotated[Timestamp | None, Meta(description="When it will be sent by itself")]
    send_status: Annotated[
        Literal["scheduled", "held"] | None,
        Meta(description="held: it needs an approval before its time"),
    ]
    created_at: Timestamp
    updated_at: Timestamp
    text_body: str | UnsetType | None = UNSET
    html_body: str | UnsetType | None = UNSET
    attachments: list[DraftAttachmentBody] | UnsetType = UNSET


class SendDraftBody(Body, frozen=True, forbid_unknown_fields=True):
    """How a draft is sent; the body may be left out."""

    hold_for_approval: Annotated[
        bool,
        Meta(description="Only when somebody else approves it; its send_at is kept if it has one"),
    ] = False


class SentDraftBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The message that the draft became."""

    id: str
    thread_id: str
    status: Annotated[str, Meta(description="queued, delivered when all live here, or held")]
    suppressed: Annotated[
        list[str] | UnsetType,
        Meta(description="Recipients on the suppression list, whom it does not go to"),
    ] = UNSET


EXAMPLE: Final[dict[str, Any]] = {
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
    "send_at": None,
    "send_status": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "text_body": "Here it is.",
    "html_body": None,
    "attachments": [],
}


_STATUS: Final[dict[str, Literal["scheduled", "held"]]] = {
    "scheduled": "scheduled",
    "held": "held",
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
        labels=labels_of(message.keywords),
        metadata=message.metadata,
        has_attachments=message.attachments > 0,
        send_at=when(draft.send_at),
        send_status=_STATUS.get(message.state),
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
