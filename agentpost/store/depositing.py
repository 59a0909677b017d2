"""What a deposit is, and a batch of them as the arguments of ``deposit`` in PostgreSQL.

Each argument is an array of rows of a type of its own (migrations/0002_deposit.sql); a row's
values stand in the order in which its type names them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from agentpost import clock
from agentpost.ids import DraftId, MessageId, OrganizationId, new_id
from agentpost.mime.summary import MessageSummary
from agentpost.model.approval import NewHold
from agentpost.model.event import SCOPE_OF
from agentpost.model.message import (
    OWN_SOURCES,
    Address,
    Arrival,
    IdempotentRequest,
    Meter,
    NewDelivery,
    NewDraft,
    NewRelay,
)

_encode = msgspec.json.Encoder().encode
_MAX_ATTACHMENTS = 32_767

DEPOSIT = "SELECT * FROM deposit({})".format(", ".join(f"${n + 1}" for n in range(14)))


@dataclass(frozen=True, slots=True)
class Deposit:
    """One set of octets and every mailbox it goes to; stored entirely or not at all."""

    octets: bytes
    summary: MessageSummary
    arrivals: tuple[Arrival, ...]
    deliveries: tuple[NewDelivery, ...] = ()
    relay: NewRelay | None = None
    draft: NewDraft | None = None
    replaces: MessageId | None = None
    idempotency: IdempotentRequest | None = None
    meter: Meter | None = None
    hold: NewHold | None = None
    sends: DraftId | None = None
    """The draft that the first arrival was, which is sent by it."""


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """Where the octets are kept for one organization: in the row itself without a location."""

    id: str
    location: str | None


_Row = tuple[Any, ...]


@dataclass(slots=True)
class Rows:
    """Rows for ``deposit``, in the order in which it declares its arguments."""

    inboxes: list[str] = field(default_factory=list)
    messages: list[_Row] = field(default_factory=list)
    blobs: list[_Row] = field(default_factory=list)
    deliveries: list[_Row] = field(default_factory=list)
    fingerprints: list[_Row] = field(default_factory=list)
    jobs: list[_Row] = field(default_factory=list)
    relays: list[_Row] = field(default_factory=list)
    drafts: list[_Row] = field(default_factory=list)
    replacements: list[_Row] = field(default_factory=list)
    keys: list[_Row] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    holds: list[_Row] = field(default_factory=list)
    keyworded: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


def rows_of(
    deposit: Deposit, places: Mapping[OrganizationId, BlobPlace], refs: Sequence[bytes]
) -> Rows:
    """What ``deposit`` writes for one deposit; ``refs`` as ``refs_of`` tells them."""
    rows = Rows()
    _add_blobs(rows, deposit, places)
    _add_messages(rows, deposit, places, refs)
    _add_sending(rows, deposit, places)
    _add_draft(rows, deposit)
    return rows


def arguments_of(batch: Sequence[Rows]) -> tuple[Sequence[Any], ...]:
    """The arguments of ``deposit`` for a batch; its answer has one row for each arrival."""
    return (
        sorted({inbox for rows in batch for inbox in rows.inboxes}),
        *(
            list(chain.from_iterable(getattr(rows, name) for rows in batch))
            for name in _PLAIN_COLUMNS
        ),
        _counted(chain.from_iterable(rows.meters for rows in batch)),
        [message for rows in batch for message in rows.keyworded],
        [message for rows in batch for message in rows.rejected],
        [hold for rows in batch for hold in rows.holds],
    )


_PLAIN_COLUMNS = (
    "messages",
    "blobs",
    "deliveries",
    "fingerprints",
    "jobs",
    "relays",
    "drafts",
    "replacements",
    "keys",
)


def _counted(meters: Iterable[Meter]) -> list[_Row]:
    """The mails of each organization in all, and its bound."""
    counted: dict[OrganizationId, _Row] = {}
    for meter in meters:
        before = counted.get(meter.organization)
        mails = meter.mails + (0 if before is None else before[1])
        bounds = (meter.bound, meter.near, meter.environment)
        counted[meter.organization] = (meter.organization, mails, *bounds)
    return list(counted.values())


def _add_blobs(rows: Rows, deposit: Deposit, places: Mapping[OrganizationId, BlobPlace]) -> None:
    octets = deposit.octets
    digest = hashlib.sha256(octets).digest()
    for organization, place in places.items():
        inline = octets if place.location is None else None
        uses = sum(arrival.organization == organization for arrival in deposit.arrivals)
        if deposit.relay is not None and organization == deposit.arrivals[0].organization:
            uses += 1
        rows.blobs.append(
            (place.id, organization, digest, len(octets), inline, place.location, uses)
        )


def _add_messages(
    rows: Rows,
    deposit: Deposit,
    places: Mapping[OrganizationId, BlobPlace],
    refs: Sequence[bytes],
) -> None:
    summary = deposit.summary
    sender = _sender(summary)
    recipients = _recipients(summary, summary.bcc)
    for arrival in deposit.arrivals:
        rows.inboxes.append(arrival.inbox)
        own = _recipients(summary, arrival.bcc) if arrival.bcc else recipients
        blob = places[arrival.organization].id
        told = _told(arrival, deposit)
        rows.messages.append(_message(arrival, summary, blob, sender, own, refs, told))
        for kind in _jobs_of(arrival, summary):
            rows.jobs.append((arrival.organization, kind, arrival.message))
        if arrival.keywords:
            rows.keyworded.append(arrival.message)
        if arrival.fingerprint is not None:
            rows.fingerprints.append((arrival.inbox, refs[0], arrival.fingerprint))


def _told(arrival: Arrival, deposit: Deposit) -> tuple[tuple[str, ...], str]:
    """The types of what is told of an arrival, and what of it is not read from the message.

    ``thread`` is a conversation that begins or goes on; a draft is not said in one yet.
    """
    first = arrival is deposit.arrivals[0]
    if arrival.role == "junk" or any(kind in SCOPE_OF for kind in arrival.events):
        # Whoever may not hear of it is told nothing of its conversation either.
        return arrival.events, "{}"
    if deposit.draft is not None and first:
        kind = "draft.created" if deposit.replaces is None else "draft.updated"
        return (*arrival.events, kind), _json({"draft_id": deposit.draft.id})
    if arrival.state == "draft":
        draft = "drf_" + arrival.message[4:]
        return (*arrival.events, "draft.created"), _json({"draft_id": draft})
    if deposit.sends is not None and first and deposit.hold is None:
        return (*arrival.events, "draft.sent", "thread"), _json({"draft_id": deposit.sends})
    return (*arrival.events, "thread"), "{}"


def _jobs_of(arrival: Arrival, summary: MessageSummary) -> tuple[str, ...]:
    """The arrival's jobs, and a look at what comes from outside and may report on sent mail.

    What inboxes here send each other, and what this server reports itself, tells it nothing new;
    and whoever lives here could say anything of his neighbour's mail.
    """
    outside = arrival.state == "received" and arrival.source not in OWN_SOURCES
    if summary.may_report and outside and arrival.direction == "inbound":
        return (*arrival.jobs, "bounce")
    return arrival.jobs


def _add_sending(rows: Rows, deposit: Deposit, places: Mapping[OrganizationId, BlobPlace]) -> None:
    first = deposit.arrivals[0]
    where = (first.message, first.organization, first.inbox)
    for each in deposit.deliveries:
        options = _json(each.options) if each.options else "{}"
        rows.deliveries.append((*where, each.recipient, each.state, each.local, options))
    if any(each.state == "rejected" for each in deposit.deliveries):
        rows.rejected.append(first.message)
    if deposit.relay is not None:
        blob = places[first.organization].id
        path, options = deposit.relay.reverse_path, _json(deposit.relay.options)
        rows.relays.append((first.message, first.inbox, blob, path, options))
    if deposit.meter is not None:
        rows.meters.append(deposit.meter)
    if deposit.hold is not None:
        rows.holds.append(_hold(first, deposit.hold))


def _add_draft(rows: Rows, deposit: Deposit) -> None:
    first = deposit.arrivals[0]
    draft, key = deposit.draft, deposit.idempotency
    if draft is not None:
        answers = (draft.in_reply_to, draft.reply_all, draft.forward_of)
        rows.drafts.append((first.message, first.inbox, draft.id, draft.client_id, *answers))
    if deposit.replaces is not None:
        rows.replacements.append((first.inbox, deposit.replaces))
    if key is not None:
        answer = (key.request_hash, key.status, key.answer, _json(key.told))
        rows.keys.append((first.message, first.inbox, key.key, *answer))


def _hold(first: Arrival, hold: NewHold) -> _Row:
    return (
        first.message,
        first.inbox,
        hold.kind,
        hold.credential,
        hold.reverse_path,
        _json(hold.options) if hold.options else "{}",
        hold.send_at,
        hold.due_at,
        hold.draft,
        hold.approval,
        hold.rule,
        hold.revises,
        hold.most,
    )


def ref_of(message_id: str) -> bytes:
    """The key of a Message-ID in ``thread_refs``: 16 octets of its SHA-256."""
    return hashlib.sha256(message_id.encode("utf-8", "surrogateescape")).digest()[:16]


def refs_of(summary: MessageSummary) -> tuple[bytes, ...]:
    """What a message threads by: its own Message-ID, then its ancestors, the nearest first."""
    own = () if summary.message_id is None else (summary.message_id,)
    ids = dict.fromkeys((*own, *reversed(summary.references)))
    if summary.in_reply_to is not None:
        ids.setdefault(summary.in_reply_to)
    return tuple(ref_of(message_id) for message_id in ids)


def _message(
    arrival: Arrival,
    summary: MessageSummary,
    blob: str,
    sender: str,
    recipients: str,
    refs: Sequence[bytes],
    told: tuple[tuple[str, ...], str],
) -> _Row:
    date = arrival.date
    types, data = told
    return (
        arrival.inbox,
        arrival.mailbox,
        arrival.role,
        arrival.message,
        blob,
        arrival.direction,
        arrival.source,
        summary.size,
        summary.subject,
        sender,
        recipients,
        summary.message_id,
        summary.in_reply_to,
        summary.references,
        summary.date,
        summary.envelope,
        summary.body,
        summary.bodystructure,
        summary.parts,
        summary.preview,
        min(summary.attachment_count, _MAX_ATTACHMENTS),
        summary.automated,
        arrival.delivered_to,
        _json(arrival.authentication) if arrival.authentication else "{}",
        _json(arrival.metadata) if arrival.metadata else "{}",
        arrival.state,
        arrival.fingerprint,
        int(arrival.flags),
        arrival.keywords,
        clock.now() if date is None else date.moment,
        0 if date is None else date.zone,
        refs,
        [new_id("evt") for _ in types],
        types,
        data,
    )


def _sender(summary: MessageSummary) -> str:
    return _json(
        {"from": summary.from_, "sender": summary.sender, "reply_to": summary.reply_to},
    )


def _recipients(summary: MessageSummary, bcc: Sequence[Address]) -> str:
    return _json({"to": summary.to, "cc": summary.cc, "bcc": bcc})


def _json(value: object) -> str:
    return _encode(value).decode()
