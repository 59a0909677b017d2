"""Events in AgentMail's spelling, for receivers that were written for it (API.md, ``agentmail``).

There an inbox is its address and a message is its Message-ID; one envelope holds the event and the
object that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from agentpost.clock import rfc3339
from agentpost.events import spelling
from agentpost.events.wire import MAX_OCTETS
from agentpost.model.event import Event, Told
from agentpost.model.message import Address
from agentpost.model.reading import File

Data = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode
_SPECIAL: Final = re.compile(r'[()<>@,;:\\".\[\]]')
_TEXTS: Final = ("text", "html", "extracted_text", "extracted_html")


def envelope(event: Event, told: Told | None, address: str | None) -> bytes:
    """The body that AgentMail would send.  ``address`` is the inbox's.

    What AgentMail has no type for is told with its data as they are.
    """
    about = _About(event, told, address or event.inbox or "")
    tell = _TYPES.get(event.type)
    body: Data = {"type": "event", "event_type": event.type, "event_id": event.id}
    content = {"data": event.data} if tell is None else tell(about)
    octets = _encode(body | content)
    if len(octets) > MAX_OCTETS and "message" in content:
        content["message"] = {**content["message"], **dict.fromkeys(_TEXTS)}
        octets = _encode(body | content)
    return octets


class _About:
    """An event with what its parts have in common."""

    def __init__(self, event: Event, told: Told | None, address: str) -> None:
        self.event = event
        self.told = told
        self.address = address

    def common(self) -> Data:
        data, told = self.event.data, self.told
        rfc = None if told is None else told.message.rfc_message_id
        return {
            "inbox_id": self.address,
            "thread_id": data.get("thread_id"),
            "message_id": data.get("message_id") if rfc is None else f"<{rfc}>",
            "timestamp": rfc3339(self.event.created_at),
        }


def _received(about: _About) -> Data:
    told = about.told
    if told is None:
        return {"message": about.common(), "thread": None}
    message, who, reading = told.message, told.message.correspondents, told.reading
    labels = spelling.labels(message)
    moment = rfc3339(message.created_at)
    files = () if reading is None else reading.files
    body: Data = about.common() | {
        "labels": labels,
        "from": written(who.from_[0]) if who.from_ else "",
        "reply_to": people(who.reply_to),
        "to": people(who.to),
        "cc": people(who.cc),
        "subject": message.subject,
        "preview": message.preview,
        "text": None if reading is None else reading.text,
        "html": None if reading is None else reading.html,
        "extracted_text": None if reading is None else reading.extracted_text,
        "extracted_html": None if reading is None else reading.extracted_html,
        "attachments": [_file(each) for each in files],
        "in_reply_to": None if message.in_reply_to is None else f"<{message.in_reply_to}>",
        "references": [f"<{each}>" for each in message.references],
        "size": message.size,
        "created_at": moment,
        "updated_at": moment,
    }
    thread: Data = {
        "inbox_id": about.address,
        "thread_id": message.thread,
        "labels": labels,
        "timestamp": moment,
        "received_timestamp": moment,
        "senders": people(who.from_),
        "recipients": people(who.to),
        "subject": told.thread_subject,
        "preview": message.preview,
        "last_message_id": body["message_id"],
        "message_count": told.thread_messages,
        "size": message.size,
        "created_at": moment,
        "updated_at": moment,
    }
    return {"message": body, "thread": thread}


def _sent(about: _About) -> Data:
    told = about.told
    who = None if told is None else told.message.correspondents
    to = [] if who is None else [*who.to, *who.cc]
    return {"send": about.common() | {"recipients": [one.email for one in to]}}


def _delivered(about: _About) -> Data:
    local = [] if about.told is None else list(about.told.local)
    recipients = about.event.data.get("recipients", local)
    return {"delivery": about.common() | {"recipients": recipients}}


def _bounced(about: _About) -> Data:
    data = about.event.data
    return {
        "bounce": about.common()
        | {
            "type": data.get("bounce_type") or "undetermined",
            "sub_type": data.get("bounce_sub_type") or "general",
            "recipients": [
                {"address": one.get("email_address"), "status": one.get("status")}
                for one in data.get("bounced_recipients", [])
            ],
        }
    }


def _complained(about: _About) -> Data:
    data = about.event.data
    return {
        "complaint": about.common()
        | {
            "type": data.get("complaint_type") or "abuse",
            "sub_type": "general",
            "recipients": data.get("complained_recipients", []),
        }
    }


def _rejected(about: _About) -> Data:
    return {"reject": about.common() | {"reason": about.event.data.get("reason") or ""}}


def _domain(about: _About) -> Data:
    event = about.event
    told = {"environment_id": event.environment, **event.data}
    return {"domain": spelling.whole_domain(told)}


_TYPES: Final[dict[str, Callable[[_About], Data]]] = {
    "message.received": _received,
    "message.received.spam": _received,
    "message.received.blocked": _received,
    "message.received.unauthenticated": _received,
    "message.sent": _sent,
    "message.delivered": _delivered,
    "message.bounced": _bounced,
    "message.complained": _complained,
    "message.rejected": _rejected,
    "domain.verified": _domain,
}


def written(address: Address) -> str:
    """An address with its display name as one text, quoted where a reader of addresses would
    stumble (RFC 5322 sections 3.2.5 and 3.4)."""
    name = address.name
    if not name:
        return address.email
    if _SPECIAL.search(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address.email}>"


def people(addresses: Iterable[Address]) -> list[str]:
    """Addresses as AgentMail lists them."""
    return [written(one) for one in addresses]


def _file(file: File) -> Data:
    return {
        "attachment_id": file.id,
        "filename": file.filename,
        "size": file.size,
        "content_type": file.mime_type,
        "content_disposition": "inline" if file.inline else "attachment",
        "content_id": file.content_id,
    }
