"""Rows of messages as values: one list of columns and one reading of them."""

from __future__ import annotations

from typing import Any

import msgspec

from agentpost.ids import (
    EnvironmentId,
    InboxId,
    MessageId,
    ModSeq,
    OrganizationId,
    ThreadId,
)
from agentpost.model.mailbox import Flag
from agentpost.model.message import Address, Correspondents, DeliveryState, Message
from agentpost.store.pool import Row

MESSAGE_COLUMNS = """
    m.id, m.organization_id, m.environment_id, m.inbox_id, m.thread_id, m.direction, m.source,
    m.state, m.size, m.subject, m.sender, m.recipients, m.rfc_message_id, m.in_reply_to,
    m.reference_ids, m.sent_at, m.preview, m.attachments, m.automated, m.delivered_to,
    m.authentication, m.metadata, m.created_at, p.flags, p.keywords, p.folder, p.modseq
"""

PLACEMENT = """
    LATERAL (
        SELECT bit_or(q.flags) AS flags, max(q.modseq) AS modseq,
            (array_agg(b.name ORDER BY q.save_date, q.mailbox_id))[1] AS folder,
            array_agg(b.role) AS roles, array_agg(b.name) AS folders,
            ARRAY(SELECT DISTINCT k FROM placements r, unnest(r.keywords) AS k
                WHERE r.message_id = m.id ORDER BY k) AS keywords
        FROM placements q JOIN mailboxes b ON b.id = q.mailbox_id WHERE q.message_id = m.id
    ) p
"""
"""A message's placements as one: flags of any, keywords of all, the folder it came to first."""


def message(row: Row) -> Message:
    """A row of ``MESSAGE_COLUMNS`` as a Message."""
    sender: dict[str, Any] = msgspec.json.decode(row["sender"])
    recipients: dict[str, Any] = msgspec.json.decode(row["recipients"])
    return Message(
        id=MessageId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        inbox=InboxId(row["inbox_id"]),
        thread=ThreadId(row["thread_id"]),
        direction=row["direction"],
        source=row["source"],
        state=row["state"],
        size=row["size"],
        subject=row["subject"],
        correspondents=Correspondents(
            from_=addresses(sender["from"]),
            sender=addresses(sender["sender"]),
            reply_to=addresses(sender["reply_to"]),
            to=addresses(recipients["to"]),
            cc=addresses(recipients["cc"]),
            bcc=addresses(recipients["bcc"]),
        ),
        rfc_message_id=row["rfc_message_id"],
        in_reply_to=row["in_reply_to"],
        references=tuple(row["reference_ids"]),
        sent_at=row["sent_at"],
        preview=row["preview"],
        attachments=row["attachments"],
        automated=row["automated"],
        delivered_to=row["delivered_to"],
        authentication=msgspec.json.decode(row["authentication"]),
        metadata=msgspec.json.decode(row["metadata"]),
        flags=Flag(row["flags"] or 0),
        keywords=tuple(row["keywords"]),
        folder=row["folder"],
        modseq=ModSeq(row["modseq"] or 0),
        created_at=row["created_at"],
    )


def addresses(items: list[dict[str, Any]]) -> tuple[Address, ...]:
    """Addresses as they are kept in a row."""
    return tuple(Address(item["email"], item["name"]) for item in items)


def delivery(row: Row) -> DeliveryState:
    """A row of ``deliveries`` as a value."""
    return DeliveryState(
        recipient=row["recipient"],
        state=row["state"],
        local=row["local"],
        attempts=row["attempts"],
        status=row["status"],
        diagnostic=row["diagnostic"],
        history=tuple(msgspec.json.decode(row["history"])),
        updated_at=row["updated_at"],
    )
