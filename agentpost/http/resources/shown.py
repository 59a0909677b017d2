"""Messages as the API shows them: in lists, whole, and for language models (API.md, Messages)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType, structs

from agentpost.auth.addresses import split_tag
from agentpost.clock import rfc3339
from agentpost.http.resources.shapes import EXAMPLE_TIME, AddressBody, Timestamp, people, when
from agentpost.model.actor import Actor
from agentpost.model.mailbox import Flag
from agentpost.model.message import DeliveryState, Listed, Message
from agentpost.model.reading import File, NewText, Reading

View = Annotated[
    Literal["summary", "full", "llm"],
    Meta(description="llm: the new text only, without quotations and signatures"),
]
MaxChars = Annotated[
    int, Meta(ge=1, le=1_000_000, description="Characters of extracted_text with view=llm")
]
DEFAULT_CHARS: Final = 20_000


class AttachmentBody(msgspec.Struct, frozen=True):
    """A file of a message; its id holds as long as the message is what it is."""

    id: str
    filename: str | None
    mime_type: str
    size: Annotated[int, Meta(description="Octets, decoded")]
    inline: bool
    content_id: str | None


class FieldBody(msgspec.Struct, frozen=True):
    """A header field, decoded."""

    name: str
    value: str


_NOT_SENT: Final = frozenset({"draft", "held", "scheduled", "canceled"})
"""States of a message that has not been sent, or not yet."""


class RecipientStateBody(msgspec.Struct, frozen=True):
    """How far a message has come on its way to one recipient."""

    email: str
    state: str
    local: Annotated[bool, Meta(description="The recipient is an inbox of this server")]
    attempts: int
    status: Annotated[str | None, Meta(description="Enhanced status code, such as 5.1.1")]
    diagnostic: Annotated[str | None, Meta(description="What the other server said")]
    history: list[dict[str, Any]]
    updated_at: Timestamp


class DeliveryBody(msgspec.Struct, frozen=True):
    """A message on its way, recipient by recipient."""

    recipients: list[RecipientStateBody]


class MessageBody(msgspec.Struct, frozen=True, kw_only=True):
    """A message.  Fields that the view does not show are left out."""

    id: str
    inbox_id: str
    thread_id: str
    environment_id: str
    direction: Literal["inbound", "outbound"]
    status: Annotated[
        str,
        Meta(
            description="received, draft, stored, queued, sent, delivered, bounced, complained,"
            " rejected or failed"
        ),
    ]
    subject: str
    from_address: AddressBody | None
    to_addresses: list[AddressBody]
    cc_addresses: list[AddressBody]
    labels: list[str]
    folder: str | None
    seen: bool
    has_attachments: bool
    created_at: Timestamp
    bcc_addresses: Annotated[
        list[AddressBody] | UnsetType, Meta(description="Of what this inbox sent")
    ] = UNSET
    reply_to: list[AddressBody] | UnsetType = UNSET
    preview: Annotated[
        str | UnsetType, Meta(description="How the text begins; for who may read it")
    ] = UNSET
    flagged: bool | UnsetType = UNSET
    answered: bool | UnsetType = UNSET
    source: Annotated[
        str | UnsetType, Meta(description="rest, smtp, imap, simulator: the way it came in")
    ] = UNSET
    size: Annotated[int | UnsetType, Meta(description="Octets of the raw message")] = UNSET
    rfc_message_id: Annotated[
        str | UnsetType | None, Meta(description="Message-ID with its angle brackets")
    ] = UNSET
    in_reply_to: str | UnsetType | None = UNSET
    automated: Annotated[
        bool | UnsetType, Meta(description="A machine sent it: answering it may loop")
    ] = UNSET
    delivered_to: Annotated[
        str | UnsetType | None, Meta(description="The envelope's recipient, with its +tag")
    ] = UNSET
    tag: Annotated[
        str | UnsetType | None, Meta(description="What follows the + in delivered_to")
    ] = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    modseq: Annotated[
        int | UnsetType, Meta(description="Version; what IMAP and changes call modseq")
    ] = UNSET
    received_at: Timestamp | UnsetType | None = UNSET
    sent_at: Timestamp | UnsetType | None = UNSET
    references: list[str] | UnsetType = UNSET
    date: Annotated[
        Timestamp | UnsetType | None, Meta(description="What the sender's Date field says")
    ] = UNSET
    authentication: dict[str, Any] | UnsetType = UNSET
    text_body: str | UnsetType | None = UNSET
    html_body: Annotated[
        str | UnsetType | None, Meta(description="As the sender wrote it: sanitise before showing")
    ] = UNSET
    extracted_text: Annotated[
        str | UnsetType | None, Meta(description="Without quotations and signatures")
    ] = UNSET
    extracted_html: Annotated[str | UnsetType | None, Meta(description="The same, sanitised")] = (
        UNSET
    )
    hidden_text_removed: Annotated[
        bool | UnsetType,
        Meta(
            description="The message holds text that people do not see: in no size or colour, off the"
            " screen, in invisible characters. It is left out here, and is in html_body and raw"
        ),
    ] = UNSET
    truncated: Annotated[
        bool | UnsetType, Meta(description="extracted_text is longer than max_chars")
    ] = UNSET
    headers: list[FieldBody] | UnsetType = UNSET
    attachments: list[AttachmentBody] | UnsetType = UNSET
    delivery: Annotated[
        DeliveryBody | UnsetType | None, Meta(description="Of what this inbox sent")
    ] = UNSET


EXAMPLE: Final[dict[str, Any]] = {
    "id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "thread_id": "thr_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "environment_id": "env_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "direction": "inbound",
    "status": "received",
    "subject": "Where is my parcel?",
    "from_address": {"email": "ada@example.org", "name": "Ada"},
    "to_addresses": [{"email": "support@acme.example", "name": None}],
    "cc_addresses": [],
    "labels": ["billing"],
    "folder": "INBOX",
    "seen": False,
    "has_attachments": False,
    "created_at": EXAMPLE_TIME,
}


def labels_of(keywords: tuple[str, ...] | list[str] | None) -> list[str]:
    """Keywords as labels: in lower case, each once, in order."""
    return sorted({keyword.lower() for keyword in keywords}) if keywords else []


def listed_body(row: Listed) -> MessageBody:
    """A message of a list, its addresses as they are stored."""
    flags, moment = row.flags, rfc3339(row.created_at)
    inbound = row.direction == "inbound"
    return MessageBody(
        id=row.id,
        inbox_id=row.inbox,
        thread_id=row.thread,
        environment_id=row.environment,
        direction=row.direction,
        status=row.state,
        subject=row.subject,
        from_address=_stored(row.from_),
        to_addresses=_stored(row.to),
        cc_addresses=_stored(row.cc),
        bcc_addresses=_NOBODY if inbound else _stored(row.bcc),
        reply_to=_stored(row.reply_to),
        labels=labels_of(row.keywords),
        folder=row.folder,
        seen=flags & 1 != 0,
        flagged=flags & 4 != 0,
        answered=flags & 2 != 0,
        has_attachments=row.attachments > 0,
        preview=row.preview,
        source=row.source,
        size=row.size,
        rfc_message_id=_bracketed(row.rfc_message_id),
        in_reply_to=_bracketed(row.in_reply_to),
        automated=row.automated,
        delivered_to=row.delivered_to,
        tag=_tag(row.delivered_to),
        metadata=_stored(row.metadata),
        modseq=row.modseq,
        created_at=moment,
        received_at=moment if inbound else None,
        sent_at=None if inbound or row.state in _NOT_SENT else moment,
    )


def summary_body(message: Message, **more: Any) -> MessageBody:
    """A message as lists show it; ``more`` are further fields."""
    who, flags = message.correspondents, message.flags
    inbound = message.direction == "inbound"
    moment = rfc3339(message.created_at)
    return MessageBody(
        **_common(message),
        bcc_addresses=[] if inbound else people(who.bcc),
        reply_to=people(who.reply_to),
        flagged=Flag.FLAGGED in flags,
        answered=Flag.ANSWERED in flags,
        preview=message.preview,
        source=message.source,
        size=message.size,
        rfc_message_id=_bracketed(message.rfc_message_id),
        in_reply_to=_bracketed(message.in_reply_to),
        automated=message.automated,
        delivered_to=message.delivered_to,
        tag=_tag(message.delivered_to),
        metadata=message.metadata,
        modseq=message.modseq,
        received_at=moment if inbound else None,
        sent_at=None if inbound or message.state in _NOT_SENT else moment,
        **more,
    )


def changed_body(actor: Actor, message: Message) -> MessageBody:
    """A message as who has changed it is told of it; how its text begins, only who may read it."""
    body = summary_body(message)
    return body if actor.may("messages:read") else structs.replace(body, preview=UNSET)


def whole_body(
    message: Message, reading: Reading, deliveries: tuple[DeliveryState, ...] | None
) -> MessageBody:
    """A message with everything that is in it; ``deliveries`` of what was sent."""
    return summary_body(
        message,
        references=[f"<{one}>" for one in message.references],
        date=when(message.sent_at),
        authentication=message.authentication,
        text_body=reading.text,
        html_body=reading.html,
        extracted_text=reading.extracted_text,
        extracted_html=reading.extracted_html,
        hidden_text_removed=reading.hidden_text_removed,
        headers=[FieldBody(name, value) for name, value in reading.headers],
        attachments=[file_body(file) for file in reading.files],
        delivery=None if deliveries is None else delivery_body(deliveries),
    )


def llm_body(
    message: Message, new: NewText, files: tuple[File, ...], max_chars: int
) -> MessageBody:
    """A message as a language model reads it: its new text, bounded."""
    return MessageBody(
        **_common(message),
        extracted_text=new.text[:max_chars],
        hidden_text_removed=new.hidden_text_removed,
        truncated=len(new.text) > max_chars,
        attachments=[file_body(file) for file in files],
    )


def file_body(file: File) -> AttachmentBody:
    """A file of a message."""
    return AttachmentBody(
        file.id, file.filename, file.mime_type, file.size, file.inline, file.content_id
    )


def delivery_body(deliveries: tuple[DeliveryState, ...]) -> DeliveryBody:
    """How far a message has come."""
    return DeliveryBody(
        [
            RecipientStateBody(
                email=one.recipient,
                state=one.state,
                local=one.local,
                attempts=one.attempts,
                status=one.status,
                diagnostic=one.diagnostic,
                history=list(one.history),
                updated_at=rfc3339(one.updated_at),
            )
            for one in deliveries
        ]
    )


def _common(message: Message) -> dict[str, Any]:
    who = message.correspondents
    return {
        "id": message.id,
        "inbox_id": message.inbox,
        "thread_id": message.thread,
        "environment_id": message.environment,
        "direction": message.direction,
        "status": message.state,
        "subject": message.subject,
        "from_address": next(iter(people(who.from_)), None),
        "to_addresses": people(who.to),
        "cc_addresses": people(who.cc),
        "labels": labels_of(message.keywords),
        "folder": message.folder,
        "seen": Flag.SEEN in message.flags,
        "has_attachments": message.attachments > 0,
        "created_at": rfc3339(message.created_at),
    }


def _stored(json: str | None) -> Any:
    """JSON of the database, put into an answer as it is."""
    return None if json is None else Raw(json.encode())


_NOBODY: Final[Any] = Raw(b"[]")


def _tag(address: str | None) -> str | None:
    return split_tag(address)[1] if address is not None and "+" in address else None


def _bracketed(identifier: str | None) -> str | None:
    return None if identifier is None else f"<{identifier}>"
