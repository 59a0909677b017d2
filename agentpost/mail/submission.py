"""Submission: a message from one of our inboxes to anyone (RFC 6409).

SMTP DATA, REST send and a sent draft join here.  In one commit the message is filed in Sent,
delivered to recipients that live here, and queued for the relay towards all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import trio

from agentpost.auth.addresses import canonical
from agentpost.config import TIER_NAMES, Config
from agentpost.errors import (
    AddressSyntax,
    RecipientUnknown,
    SenderNotAllowed,
    SendingPaused,
    TooManyRecipients,
)
from agentpost.ids import MessageId, OrganizationId, new_id
from agentpost.limits import MessageLimits
from agentpost.mail.logins import Logins
from agentpost.mail.policy import check_submission
from agentpost.mail.relay import outside_id
from agentpost.mime.summary import MessageSummary, summarise
from agentpost.model.actor import Actor, Scope
from agentpost.model.envelope import Envelope, ForwardPath, Notify
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import Flag
from agentpost.model.message import (
    Address,
    Arrival,
    IdempotentRequest,
    Meter,
    NewDelivery,
    NewRelay,
    Receipt,
)
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import DuplicateSubmission
from agentpost.store.directory import Directory
from agentpost.store.messages import Messages
from agentpost.store.opening import Store

_SCAN_INLINE_OCTETS = 256 * 1024
"""Larger messages are scanned in a thread, so that other connections do not wait for them."""


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """What the deployment decides about sending."""

    domains: frozenset[str]
    """Domains whose addresses live here: an unknown local part there is refused at once."""
    mails_a_day: dict[str, int | None]
    """Bound by tier; None is unlimited (R102-R105)."""
    limits: MessageLimits = MessageLimits()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What REST adds to a submission: labels, metadata, the draft it was, its idempotency key."""

    keywords: tuple[str, ...] = ()
    metadata: dict[str, object] | None = None
    draft: MessageId | None = None
    idempotency: IdempotentRequest | None = None
    bcc: tuple[Address, ...] = ()
    """Who gets a blind copy: kept with the sender's own message, and nowhere in the octets."""


class Submission:
    """The desk behind SMTP sessions and REST sends."""

    def __init__(
        self,
        messages: Messages,
        directory: Directory,
        logins: Logins,
        settings: SubmissionSettings,
    ) -> None:
        self._messages = messages
        self._directory = directory
        self._logins = logins
        self._settings = settings

    async def authenticate(self, username: str, password: str, peer: str) -> Actor:
        """The actor of an SMTP session, bound to the inbox that ``username`` names.

        Raises: AuthenticationFailed, Expired, Forbidden, RateLimited.
        """
        actor, where, local = await self._logins.login(
            username, password, protocol="smtp", peer=peer
        )
        return replace(actor, at=where, address=local.address)

    async def reverse_path(self, actor: Actor, address: str) -> None:
        """Whether the session's inbox may send with this reverse-path.

        Raises: SenderNotAllowed; SendingPaused.
        """
        assert actor.address is not None
        if canonical(address) != actor.address:
            raise SenderNotAllowed(f"This session sends only as {actor.address}.")
        await self._sender(actor.address)

    async def forward_path(self, actor: Actor, address: str) -> None:
        """Whether mail may go to ``address``.  Raises: RecipientUnknown; AddressSyntax."""
        await self._recipient(address)

    async def submit(self, actor: Actor, envelope: Envelope, octets: bytes) -> Receipt:
        """Accept a message over SMTP; when this returns it is on disk.

        Raises: what ``check_submission`` raises; Problem for the policy's refusals.
        """
        assert actor.at is not None
        assert actor.address is not None
        return await self.send(actor, actor.at, actor.address, envelope, octets, Outgoing())

    async def send(
        self,
        actor: Actor,
        where: Scope,
        address: str,
        envelope: Envelope,
        octets: bytes,
        outgoing: Outgoing,
        scope: str = "messages:send",
    ) -> Receipt:
        """Send ``octets`` from the inbox ``where``, whose address is ``address``.

        They are kept as they came, a Bcc field that a client left in them too; the relay takes it
        out of what goes to other servers, and what REST composes never has one.

        Raises: as ``submit``; ReplayedRequest when the idempotency key was used meanwhile.
        """
        check_submission(octets, frozenset({address}), self._settings.limits)
        sender = await self._sender(address)
        if len(envelope.forward_paths) > self._settings.limits.max_recipients:
            raise TooManyRecipients
        summary = await summarised(octets)
        deposit = await self._deposit(actor, sender, envelope, octets, summary, outgoing)
        try:
            placed = await self._messages.deposit(actor, scope, where, deposit)
        except DuplicateSubmission:
            fingerprint = deposit.arrivals[0].fingerprint
            assert fingerprint is not None
            assert summary.message_id is not None
            return await self._messages.submitted_before(
                actor, where, summary.message_id, fingerprint
            )
        return Receipt(placed[0].message, placed[0].thread, status=deposit.arrivals[0].state)

    async def rehearse(
        self, actor: Actor, address: str, envelope: Envelope, octets: bytes
    ) -> tuple[tuple[str, bool], ...]:
        """Refuse what ``send`` would refuse; each recipient, and whether it lives here.

        Nothing is written, and the day's quota is not asked.  Raises: as ``send``.
        """
        check_submission(octets, frozenset({address}), self._settings.limits)
        await self._sender(address)
        if len(envelope.forward_paths) > self._settings.limits.max_recipients:
            raise TooManyRecipients
        return tuple(
            [
                (path.address, await self._recipient(path.address) is not None)
                for path in envelope.forward_paths
            ]
        )

    async def _deposit(
        self,
        actor: Actor,
        sender: LocalAddress,
        envelope: Envelope,
        octets: bytes,
        summary: MessageSummary,
        outgoing: Outgoing,
    ) -> Deposit:
        local: dict[str, tuple[LocalAddress, str]] = {}
        deliveries: list[NewDelivery] = []
        for path in envelope.forward_paths:
            here = await self._recipient(path.address)
            if here is not None:
                local.setdefault(here.inbox, (here, path.address))
            deliveries.append(_delivery(path, here is not None, envelope.envid))
        remote = any(not delivery.local for delivery in deliveries)
        state = "queued" if remote else "delivered"
        idempotency = outgoing.idempotency
        if idempotency is not None:
            idempotency = replace(idempotency, answer=state)
        message = MessageId(new_id("msg"))
        if summary.message_id is None:
            # The relay gives it this one; answers find back to the conversation by it.
            own = outside_id(message, sender.address, "localhost")
            summary = replace(summary, message_id=own)
        first = Arrival(
            organization=sender.organization,
            inbox=sender.inbox,
            message=message,
            direction="outbound",
            source=actor.source,
            state=state,
            role="sent",
            flags=Flag.SEEN,
            keywords=outgoing.keywords,
            events=_told_at_once(remote, bool(local)),
            jobs=_jobs(envelope, deliveries),
            fingerprint=_fingerprint(envelope, summary, octets),
            metadata=dict(outgoing.metadata or {}),
            bcc=outgoing.bcc,
        )
        return Deposit(
            octets,
            summary,
            (first, *(arrival(here, to, actor.source) for here, to in local.values())),
            deliveries=tuple(deliveries),
            relay=NewRelay(envelope.reverse_path, _options(envelope)) if remote else None,
            replaces=outgoing.draft,
            idempotency=idempotency,
            meter=self._meter(sender.organization, actor.tier, len(deliveries)),
        )

    def _meter(self, organization: OrganizationId, tier: str, mails: int) -> Meter | None:
        bound = self._settings.mails_a_day.get(tier)
        return None if bound is None else Meter(organization, mails, bound)

    async def _sender(self, address: str) -> LocalAddress:
        local = await self._directory.resolve(address)
        if local is None or local.deleted:
            raise SenderNotAllowed("The inbox does not exist any longer.")
        if local.send_paused:
            raise SendingPaused
        return local

    async def _recipient(self, address: str) -> LocalAddress | None:
        """Who ``address`` is here; None when it lives elsewhere."""
        domain = address.rpartition("@")[2]
        if not domain:
            raise AddressSyntax
        local = await self._directory.resolve(address)
        if local is not None and not local.deleted:
            return local
        if local is not None or canonical(address).rpartition("@")[2] in self._settings.domains:
            raise RecipientUnknown(f"There is no inbox {address} here.")
        return None


def make_submission(
    settings: Config, store: Store, logins: Logins, limits: MessageLimits
) -> Submission:
    """The submission desk of a worker, as the operator wants it."""
    return Submission(
        store.messages,
        store.directory,
        logins,
        SubmissionSettings(
            domains=frozenset({settings.shared_domain}),
            mails_a_day={name: settings.tiers.named(name).mails_per_day for name in TIER_NAMES},
            limits=limits,
        ),
    )


def arrival(local: LocalAddress, delivered_to: str, source: str) -> Arrival:
    """A message's way into the INBOX of someone who lives here."""
    return Arrival(
        organization=local.organization,
        inbox=local.inbox,
        message=MessageId(new_id("msg")),
        direction="inbound",
        source=source,
        state="received",
        role="inbox",
        delivered_to=delivered_to,
        events=("message.received",),
    )


async def summarised(octets: bytes) -> MessageSummary:
    """Everything arrival needs to know of a message; large ones are scanned in a thread."""
    if len(octets) <= _SCAN_INLINE_OCTETS:
        return summarise(octets)
    return await trio.to_thread.run_sync(summarise, octets)


def _told_at_once(remote: bool, local: bool) -> tuple[str, ...]:
    """The events of the sender that are true at the commit; the relay tells the others."""
    sent = () if remote else ("message.sent",)
    return (*sent, "message.delivered") if local else sent


def _jobs(envelope: Envelope, deliveries: Sequence[NewDelivery]) -> tuple[str, ...]:
    """What is left to do: the way to other servers, and to tell of success here (RFC 3461)."""
    jobs = ("relay",) if any(not one.local for one in deliveries) else ()
    asked = any(one.local and Notify.SUCCESS in one.options.get("notify", ()) for one in deliveries)
    return (*jobs, "report") if asked and envelope.reverse_path else jobs


def _delivery(path: ForwardPath, local: bool, envid: str | None) -> NewDelivery:
    options: dict[str, object] = {}
    if path.notify:
        options["notify"] = sorted(path.notify)
    if path.orcpt is not None:
        options["orcpt"] = path.orcpt
    if local and envid is not None:
        # What leaves keeps it with the relay; success here is told from the delivery.
        options["envid"] = envid
    return NewDelivery(path.address, local, "delivered" if local else "queued", options)


def _options(envelope: Envelope) -> dict[str, object]:
    options: dict[str, object] = {}
    if envelope.ret is not None:
        options["ret"] = envelope.ret
    if envelope.envid is not None:
        options["envid"] = envelope.envid
    if envelope.smtputf8:
        options["smtputf8"] = True
    return options


def _fingerprint(envelope: Envelope, summary: MessageSummary, octets: bytes) -> bytes | None:
    """What makes a repetition of this submission recognisable; None without a Message-ID.

    The octets count too: a program that reuses a Message-ID for another text loses no mail.
    """
    if summary.message_id is None:
        return None
    digest = hashlib.sha256(octets)
    for recipient in sorted(path.address for path in envelope.forward_paths):
        digest.update(b"\0" + recipient.encode("utf-8", "surrogateescape"))
    return digest.digest()
