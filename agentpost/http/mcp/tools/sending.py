"""Tools that send."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import Arguments, People, Text, Texts, Tools, Truth
from agentpost.http.resources import sending

tools = Tools()


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file to attach."""

    filename: str
    content: Annotated[Text, Meta(description="Base64")] = UNSET
    key: Annotated[Text, Meta(description="Of an upload")] = UNSET
    mime_type: Text = UNSET


Files = list[File] | UnsetType
Key = Annotated[Text, Meta(description="Repeating it sends once")]


class Letter(Arguments, frozen=True):
    """A message to send."""

    inbox: Annotated[str, Meta(description="Id or address")]
    to: str | list[str]
    subject: Text = UNSET
    text: Text = UNSET
    html: Text = UNSET
    cc: People = UNSET
    bcc: People = UNSET
    reply_to: People = UNSET
    attachments: Files = UNSET
    labels: Texts = UNSET
    send_at: Annotated[Text, Meta(description="RFC 3339")] = UNSET
    hold_for_approval: Truth = UNSET
    idempotency_key: Key = UNSET
    dry_run: Truth = UNSET


class Reply(Arguments, frozen=True):
    """An answer to a message."""

    message_id: str
    text: Text = UNSET
    html: Text = UNSET
    reply_all: Truth = UNSET
    cc: People = UNSET
    bcc: People = UNSET
    attachments: Files = UNSET
    labels: Texts = UNSET
    save_as_draft: Truth = UNSET
    hold_for_approval: Truth = UNSET
    idempotency_key: Key = UNSET


class Forward(Arguments, frozen=True):
    """A message to hand on."""

    message_id: str
    to: str | list[str]
    text: Text = UNSET
    cc: People = UNSET
    idempotency_key: Key = UNSET


def key_of(arguments: Any) -> str | None:
    """The idempotency key among a tool's arguments."""
    key = arguments.idempotency_key
    return key if isinstance(key, str) else None


@tools.add(
    "Send a message. hold_for_approval: a person decides first. dry_run: only say what would happen.",
    Letter,
    "messages:send",
    hints="DO",
    returns=of_fields("status"),
    essential=True,
)
async def send_message(call: Calling, arguments: Letter) -> Any:
    """A letter of its own."""
    names = ("to", "subject", "text", "html", "cc", "bcc", "reply_to", "attachments", "labels")
    body = arguments.given(*names, "send_at", "hold_for_approval", "dry_run")
    return await call(
        sending.send_message, {"inbox": arguments.inbox}, body=body, key=key_of(arguments)
    )


@tools.add(
    "Reply to a message, in its thread.",
    Reply,
    "messages:reply",
    hints="DO",
    returns=of_fields("status"),
    essential=True,
)
async def reply_to_message(call: Calling, arguments: Reply) -> Any:
    """To its author, or to all."""
    handler = sending.reply_to_all if arguments.reply_all is True else sending.reply_to_message
    names = ("text", "html", "cc", "bcc", "attachments", "labels", "save_as_draft")
    body = arguments.given(*names, "hold_for_approval")
    place = {"message": arguments.message_id}
    return await call(handler, place, body=body, key=key_of(arguments))


@tools.add(
    "Forward a message with its files.",
    Forward,
    "messages:send",
    hints="DO",
    returns=of_fields("status"),
)
async def forward_message(call: Calling, arguments: Forward) -> Any:
    """With a note above it."""
    place = {"message": arguments.message_id}
    body = arguments.given("to", "text", "cc")
    return await call(sending.forward_message, place, body=body, key=key_of(arguments))
