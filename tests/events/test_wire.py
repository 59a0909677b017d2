"""Events as JSON: the envelope that API.md shows, and what each type says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from agentpost.events import wire
from agentpost.ids import (
    EnvironmentId,
    EventId,
    InboxId,
    MessageId,
    ModSeq,
    OrganizationId,
    ThreadId,
)
from agentpost.model.event import Event, Told
from agentpost.model.mailbox import Flag
from agentpost.model.message import Address, Correspondents, Message
from agentpost.model.reading import File, Reading

MOMENT = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
MESSAGE = Message(
    id=MessageId("msg_1"),
    organization=OrganizationId("org_1"),
    environment=EnvironmentId("env_1"),
    inbox=InboxId("inb_1"),
    thread=ThreadId("thr_1"),
    direction="inbound",
    source="smtp",
    state="received",
    size=4321,
    subject="Grüße",
    correspondents=Correspondents(
        from_=(Address("a@b.c", "A"),),
        to=(Address("support@acme.example"),),
        cc=(Address("c@d.e", "C"),),
        bcc=(Address("secret@x.y"),),
    ),
    rfc_message_id="abc@x",
    in_reply_to="q@x",
    references=("p@x", "q@x"),
    sent_at=MOMENT,
    preview="Hello",
    attachments=1,
    automated=False,
    delivered_to="support+Ticket42@acme.example",
    authentication={"spf": "pass"},
    metadata={"secret": 1},
    flags=Flag.SEEN,
    keywords=("Urgent", "urgent", "billing"),
    folder="INBOX",
    modseq=ModSeq(9),
    created_at=MOMENT,
)
FILE = File("att_1", "2", "q.pdf", "application/pdf", 9, False, None)
TOLD = Told(
    MESSAGE,
    "Grüße",
    3,
    ("support@acme.example",),
    Reading("Text", "<p>", "New", None, (FILE,)),
)


def event(kind: str = "message.received", **data: object) -> Event:
    known = {"message_id": "msg_1", "thread_id": "thr_1"} | data
    return Event(
        EventId("evt_1"),
        kind,
        OrganizationId("org_1"),
        EnvironmentId("env_1"),
        InboxId("inb_1"),
        48211,
        ModSeq(9017),
        known,
        MOMENT,
    )


def envelope(one: Event, told: Told | None, *, full: bool = True) -> Any:
    return msgspec.json.decode(wire.envelope(one, told, full=full))


def test_the_envelope_is_api_md_s() -> None:
    shown = envelope(event(), TOLD)
    assert list(shown) == [
        "id",
        "type",
        "schema_version",
        "timestamp",
        "org_id",
        "env_id",
        "inbox_id",
        "seq",
        "modseq",
        "data",
    ]
    assert shown | {"data": None} == {
        "id": "evt_1",
        "type": "message.received",
        "schema_version": "1",
        "timestamp": "2026-03-08T14:30:00.000Z",
        "org_id": "org_1",
        "env_id": "env_1",
        "inbox_id": "inb_1",
        "seq": 48211,
        "modseq": 9017,
        "data": None,
    }


@pytest.mark.proves("R110")
def test_a_received_message_is_told_as_api_md_has_it() -> None:
    assert envelope(event(), TOLD)["data"] == {
        "message_id": "msg_1",
        "thread_id": "thr_1",
        "inbox_id": "inb_1",
        "direction": "inbound",
        "rfc_message_id": "<abc@x>",
        "in_reply_to": "<q@x>",
        "references": ["<p@x>", "<q@x>"],
        "from_address": {"email": "a@b.c", "name": "A"},
        "to_addresses": [{"email": "support@acme.example", "name": None}],
        "cc_addresses": [{"email": "c@d.e", "name": "C"}],
        "reply_to": [],
        "delivered_to": "support+Ticket42@acme.example",
        "tag": "Ticket42",
        "subject": "Grüße",
        "preview": "Hello",
        "text_body": "Text",
        "html_body": "<p>",
        "extracted_text": "New",
        "labels": ["billing", "urgent"],
        "folder": "INBOX",
        "size": 4321,
        "has_attachments": True,
        "attachments": [
            {
                "id": "att_1",
                "filename": "q.pdf",
                "mime_type": "application/pdf",
                "size": 9,
                "inline": False,
                "content_id": None,
            }
        ],
        "authentication": {"spf": "pass"},
        "automated": False,
        "received_at": "2026-03-08T14:30:00.000Z",
        "truncated": False,
        "thread": {"id": "thr_1", "subject": "Grüße", "message_count": 3},
    }


def test_thin_keeps_ids_and_what_programs_decide_by() -> None:
    assert envelope(event(), replace(TOLD, reading=None), full=False)["data"] == {
        "message_id": "msg_1",
        "thread_id": "thr_1",
        "inbox_id": "inb_1",
        "from_address": {"email": "a@b.c", "name": "A"},
        "subject": "Grüße",
        "has_attachments": True,
    }


@pytest.mark.proves("R111", "R112", "R113", "R114", "R115", "R116")
@pytest.mark.parametrize(
    ("kind", "said", "fields"),
    [
        (
            "message.sent",
            {"provider": "smtp", "provider_message_id": "x", "sent_at": "t"},
            {"rfc_message_id", "from_address", "to_addresses", "cc_addresses", "subject", "source"},
        ),
        ("message.delivered", {}, {"recipients", "smtp_response", "delivered_at"}),
        (
            "message.bounced",
            {"bounce_type": "permanent", "bounced_recipients": [], "bounced_at": "t"},
            {"suppressed"},
        ),
        ("message.complained", {"complained_recipients": ["a@b.c"]}, set()),
        ("message.rejected", {"reason_code": "quota", "reason": "no", "recipients": []}, set()),
        ("domain.verified", {"domain_id": "dom_1", "status": "verified"}, set()),
    ],
)
def test_what_the_event_knows_is_told_and_completed(
    kind: str, said: dict[str, object], fields: set[str]
) -> None:
    told = None if kind.startswith("domain") else TOLD
    data = envelope(event(kind, **said), told)["data"]
    assert said.items() <= data.items()
    assert fields <= set(data)
    assert (data["message_id"], data["inbox_id"]) == ("msg_1", "inb_1")
    assert "secret" not in str(data)


def test_texts_beyond_the_bound_are_left_out() -> None:
    long = replace(TOLD, reading=Reading("x" * 600_000, "y" * 600_000, "x" * 600_000, None, ()))
    octets = wire.envelope(event(), long, full=True)
    data = msgspec.json.decode(octets)["data"]
    assert len(octets) < wire.MAX_OCTETS
    assert (data["text_body"], data["html_body"], data["truncated"]) == (None, None, True)
    assert data["preview"] == "Hello"


def test_a_message_that_is_gone_leaves_what_the_event_knows() -> None:
    data = envelope(event(), None)["data"]
    assert data == {"message_id": "msg_1", "thread_id": "thr_1", "inbox_id": "inb_1"}
