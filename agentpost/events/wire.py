"""Events as JSON: one envelope for WebSocket, event streams, webhooks and the event log (API.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from agentpost.auth.addresses import split_tag
from agentpost.clock import rfc3339
from agentpost.model.event import Event, Told
from agentpost.model.message import Address
from agentpost.model.reading import File, Reading

SCHEMA_VERSION: Final = "1"
MAX_OCTETS: Final = 1_000_000
"""Of one envelope; texts that would make it larger are left out, and ``truncated`` says so."""
RECEIVED: Final = (
    "message.received",
    "message.received.spam",
    "message.received.blocked",
    "message.received.unauthenticated",
)
WITH_TEXT: Final = frozenset(RECEIVED)
"""The types that tell what a message says."""

Data = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode


def envelope(event: Event, told: Told | None, *, full: bool) -> bytes:
    """The envelope of ``event``.

    ``told`` is its message, None when there is none any longer; ``full`` tells more than ids and
    what a program decides by.
    """
    data = data_of(event, told, full=full)
    octets = _envelope(event, data)
    if len(octets) > MAX_OCTETS:
        texts = dict.fromkeys(("text_body", "html_body", "extracted_text"))
        octets = _envelope(event, {**data, **texts, "truncated": True})
    return octets


def data_of(event: Event, told: Told | None, *, full: bool) -> Data:
    """What an event says (API.md, ``data`` by type)."""
    data: Data = dict(event.data)
    if event.inbox is not None:
        data["inbox_id"] = event.inbox
    tell = _TYPES.get(event.type)
    if told is None or tell is None:
        return data
    # What was true when it happened goes before what the message says now.
    return {**tell(event, told, full), **data}


def _envelope(event: Event, data: Data) -> bytes:
    return _encode(
        {
            "id": event.id,
            "type": event.type,
            "schema_version": SCHEMA_VERSION,
            "timestamp": rfc3339(event.created_at),
            "org_id": event.organization,
            "env_id": event.environment,
            "inbox_id": event.inbox,
            "seq": event.seq,
            "modseq": event.modseq,
            "data": data,
        }
    )


def _received(event: Event, told: Told, full: bool) -> Data:
    message = told.message
    data: Data = {
        "from_address": _first(message.correspondents.from_),
        "subject": message.subject,
        "has_attachments": message.attachments > 0,
    }
    if not full:
        return data
    who = message.correspondents
    return data | {
        "direction": message.direction,
        "rfc_message_id": _bracketed(message.rfc_message_id),
        "in_reply_to": _bracketed(message.in_reply_to),
        "references": [f"<{one}>" for one in message.references],
        "to_addresses": _people(who.to),
        "cc_addresses": _people(who.cc),
        "reply_to": _people(who.reply_to),
        "delivered_to": message.delivered_to,
        "tag": None if message.delivered_to is None else split_tag(message.delivered_to)[1],
        "preview": message.preview,
        "labels": sorted({keyword.lower() for keyword in message.keywords}),
        "folder": message.folder,
        "size": message.size,
        "authentication": message.authentication,
        "automated": message.automated,
        "received_at": rfc3339(message.created_at),
        "thread": {
            "id": message.thread,
            "subject": told.thread_subject,
            "message_count": told.thread_messages,
        },
        **_texts(told.reading),
    }


def _texts(reading: Reading | None) -> Data:
    if reading is None:
        return {"truncated": False}
    return {
        "text_body": reading.text,
        "html_body": reading.html,
        "extracted_text": reading.extracted_text,
        "attachments": [_file(file) for file in reading.files],
        "truncated": False,
    }


def _letter(told: Told) -> Data:
    message, who = told.message, told.message.correspondents
    return {
        "from_address": _first(who.from_),
        "to_addresses": _people(who.to),
        "cc_addresses": _people(who.cc),
        "subject": message.subject,
    }


def _outgoing(told: Told, full: bool, more: Data) -> Data:
    data: Data = {
        "rfc_message_id": _bracketed(told.message.rfc_message_id),
        "source": told.message.source,
        **more,
    }
    return data | _letter(told) if full else data


def _queued(event: Event, told: Told, full: bool) -> Data:
    return _outgoing(told, full, {"queued_at": rfc3339(event.created_at)})


def _sent(event: Event, told: Told, full: bool) -> Data:
    # What another server took says so itself; nothing else has left this one.
    way = {"provider": "loopback", "provider_message_id": None}
    return _outgoing(told, full, {**way, "sent_at": rfc3339(event.created_at)})


def _draft(event: Event, told: Told, full: bool) -> Data:
    message = told.message
    data: Data = {"subject": message.subject, "source": message.source}
    if full:
        data |= {**_letter(told), "preview": message.preview}
    return data


def _thread(event: Event, told: Told, full: bool) -> Data:
    data: Data = {"subject": told.thread_subject, "message_count": told.thread_messages}
    if full:
        message = told.message
        data |= {
            "direction": message.direction,
            "from_address": _first(message.correspondents.from_),
            "preview": message.preview,
        }
    return data


def _delivered(event: Event, told: Told, full: bool) -> Data:
    return {
        "recipients": list(told.local),
        "smtp_response": None,
        "delivered_at": rfc3339(event.created_at),
    }


def _bounced(event: Event, told: Told, full: bool) -> Data:
    return {"suppressed": False}


_TYPES: Final[dict[str, Callable[[Event, Told, bool], Data]]] = {
    **dict.fromkeys(RECEIVED, _received),
    "message.queued": _queued,
    "message.sent": _sent,
    "message.delivered": _delivered,
    "message.bounced": _bounced,
    "draft.created": _draft,
    "draft.updated": _draft,
    "draft.sent": _draft,
    "thread.created": _thread,
    "thread.updated": _thread,
}


def _first(addresses: Sequence[Address]) -> Data | None:
    return _people(addresses[:1])[0] if addresses else None


def _people(addresses: Sequence[Address]) -> list[Data]:
    return [{"email": one.email, "name": one.name} for one in addresses]


def _file(file: File) -> Data:
    return {
        "id": file.id,
        "filename": file.filename,
        "mime_type": file.mime_type,
        "size": file.size,
        "inline": file.inline,
        "content_id": file.content_id,
    }


def _bracketed(identifier: str | None) -> str | None:
    return None if identifier is None else f"<{identifier}>"
