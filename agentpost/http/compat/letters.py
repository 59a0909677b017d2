"""Messages and files as AgentMail shows and takes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from agentpost.clock import rfc3339
from agentpost.events import spelling
from agentpost.events.agentmail import people, written
from agentpost.events.spelling import compact
from agentpost.http.compat.mount import (
    Anything,
    as_list,
    bracketed,
    message_name,
)
from agentpost.http.desk import Desk
from agentpost.http.resources.letters import FileBody, RecipientBody
from agentpost.mail.reading import files, read
from agentpost.model.actor import Actor
from agentpost.model.message import Message
from agentpost.model.reading import File


class SentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file to attach."""

    filename: str | None = None
    content_type: str | None = None
    content_disposition: Literal["inline", "attachment"] | None = None
    content_id: str | None = None
    content: Annotated[bytes | None, Meta(description="Base64")] = None
    url: str | None = None


Addresses = str | list[str] | None
"""One address or several, each perhaps with a name."""


def recipients(given: Addresses) -> list[RecipientBody | str]:
    """Addresses as our endpoints take them."""
    return list(as_list(given))


def given_files(given: list[SentFile] | None) -> list[FileBody]:
    """Files as our endpoints take them."""
    return [
        FileBody(
            content=msgspec.UNSET if file.content is None else file.content,
            url=file.url,
            filename=file.filename,
            mime_type=file.content_type,
            inline=file.content_disposition == "inline",
            content_id=file.content_id,
        )
        for file in given or []
    ]


def shown_file(file: File) -> Anything:
    """A file of a message or a draft."""
    return compact(
        {
            "attachment_id": file.id,
            "filename": file.filename,
            "size": file.size,
            "content_type": file.mime_type,
            "content_disposition": "inline" if file.inline else "attachment",
            "content_id": file.content_id,
        }
    )


def shown_link(file: Any, link: Any) -> Anything:
    """A file with the URL that gives it; both as our endpoints answer them."""
    return {**shown_file(file), "download_url": link.url, "expires_at": link.expires_at}


def item(message: Message, inbox: str, attached: tuple[File, ...] = ()) -> Anything:
    """A message in a list; ``inbox`` is the address of its inbox."""
    who = message.correspondents
    moment = rfc3339(message.created_at)
    bcc = [] if message.direction == "inbound" else people(who.bcc)
    return compact(
        {
            "inbox_id": inbox,
            "thread_id": message.thread,
            "message_id": message_name(message.id, message.rfc_message_id),
            "labels": spelling.labels(message),
            "timestamp": moment,
            "from": written(who.from_[0]) if who.from_ else "",
            "to": people(who.to),
            "cc": people(who.cc) or None,
            "bcc": bcc or None,
            "subject": message.subject,
            "preview": message.preview,
            "attachments": [shown_file(file) for file in attached] or None,
            "in_reply_to": None if message.in_reply_to is None else f"<{message.in_reply_to}>",
            "references": bracketed(message.references) or None,
            "size": message.size,
            "updated_at": moment,
            "created_at": moment,
        }
    )


async def listed_item(desk: Desk, actor: Actor, message: Message, inbox: str) -> Anything:
    """A message in a list with the names of its files, for which it is read.

    Raises: NotFound when it was destroyed meanwhile.
    """
    if not message.attachments:
        return item(message, inbox)
    content = await desk.store.messages.content(actor, message.id)
    return item(message, inbox, await files(content))


async def whole(desk: Desk, actor: Actor, message: str, inbox: str) -> Anything:
    """A message with everything that is in it.  Raises: NotFound."""
    content = await desk.store.messages.content(actor, message)
    reading = await read(content, headers=True)
    body = item(content.message, inbox, reading.files)
    headers: dict[str, str] = {}
    for name, value in reading.headers:
        headers.setdefault(name, value)
    return compact(
        {
            **body,
            "reply_to": people(content.message.correspondents.reply_to) or None,
            "text": reading.text,
            "html": reading.html,
            "extracted_text": reading.extracted_text,
            "extracted_html": reading.extracted_html,
            "headers": headers,
        }
    )
