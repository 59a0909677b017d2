"""Submission: a message from one of our inboxes to anyone (RFC 6409).

SMTP DATA, REST send and a sent draft join here.  In one commit the message is filed in Sent,
delivered to recipients that live here, and queued for the relay towards all others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import trio

from agentpost.auth.addresses import canonical
from agentpost.config import TIER_NAMES, Config
from agentpost.errors import Problem, SenderNotAllowed, SendingPaused, TooManyRecipients
from agentpost.ids import MessageId, new_id
from agentpost.limits import MessageLimits, PolicyLimits
from agentpost.mail.identity import check_submission
from agentpost.mail.logins import Logins
from agentpost.mail.policy import REASONS, Decision, Kind, Policy, Verdict, make_policy
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

    mails_a_day: dict[str, int | None]
    """Bound by tier; None is unlimited (R102-R105)."""
    limits: MessageLimits = MessageLimits()
    policy: PolicyLimits = PolicyLimits()


def _unbounded(_: Actor) -> None:
    """How often somebody may submit who is counted elsewhere."""


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
    """The desk behind SMTP sessions and REST sends.

    ``take`` counts each message of an SMTP session as a request of its actor, and refuses too many
    (R130); REST counts its requests itself.
    """

    def __init__(
        self,
        messages: Messages,
        directory: Directory,
        logins: Logins,
        policy: Policy,
        settings: SubmissionSettings,
        take: Callable[[Actor], object] = _unbounded,
    ) -> None:
        self._messages = messages
        self._directory = directory
        self._logins = logins
        self._policy = policy
        self._settings = settings
        self._take = take

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
        try:
            await self._sender(actor.address)
        except SendingPaused as problem:
            await self._refuse_early(actor, problem)
            raise

    async def forward_path(self, actor: Actor, address: str) -> None:
        """Whether mail may go to ``address``.

        Raises: RecipientUnknown, AddressSyntax, SendBlocked, RecipientNotAllowed,
        RecipientSuppressed; SendingPaused.
        """
        assert actor.address is not None
        try:
            sender = await self._sender(actor.address)
            (await self._policy.decide(sender, (address,), "unknown")).check()
        except Problem as problem:
            await self._refuse_early(actor, problem, address)
            raise

    async def _refuse_early(self, actor: Actor, problem: Problem, *recipients: str) -> None:
        assert actor.at is not None
        await self._policy.refused(
            actor, "messages:send", actor.at, problem, recipients, early=True
        )

    async def submit(self, actor: Actor, envelope: Envelope, octets: bytes) -> Receipt:
        """Accept a message over SMTP; when this returns it is on disk.

        Raises: what ``check_submission`` raises; Problem for the policy's refusals; RateLimited.
        """
        assert actor.at is not None
        assert actor.address is not None
        self._take(actor)
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
        named = tuple(path.address for path in envelope.forward_paths)
        try:
            summary, decision, sender = await self._checked(actor, address, envelope, octets)
            named = decision.refused or named
            decision.check()
            deposit = self._deposit(actor, sender, envelope, octets, summary, outgoing, decision)
            deposit = replace(deposit, arrivals=await self._admitted(sender, deposit))
            return await self._store(actor, scope, where, deposit)
        except Problem as problem:
            quota = self._settings.mails_a_day.get(actor.tier)
            await self._policy.refused(actor, scope, where, problem, named, quota=quota)
            raise

    async def _store(self, actor: Actor, scope: str, where: Scope, deposit: Deposit) -> Receipt:
        first = deposit.arrivals[0]
        try:
            placed = await self._messages.deposit(actor, scope, where, deposit)
        except DuplicateSubmission:
            assert first.fingerprint is not None
            assert deposit.summary.message_id is not None
            return await self._messages.submitted_before(
                actor, where, deposit.summary.message_id, first.fingerprint
            )
        suppressed = tuple(one.recipient for one in deposit.deliveries if one.state == "rejected")
        return Receipt(
            placed[0].message, placed[0].thread, status=first.state, suppressed=suppressed
        )

    async def rehearse(
        self, actor: Actor, address: str, envelope: Envelope, octets: bytes
    ) -> Decision:
        """What ``send`` would do for each recipient; refuses what it would refuse.

        Nothing is written, and the day's quota is not asked.  Raises: as ``send``.
        """
        _, decision, _ = await self._checked(actor, address, envelope, octets)
        decision.check()
        return decision

    async def _checked(
        self, actor: Actor, address: str, envelope: Envelope, octets: bytes
    ) -> tuple[MessageSummary, Decision, LocalAddress]:
        """Everything that is decided before a message is written down.

        Raises: as ``send`` for the message as a whole; what is decided about its recipients is in
        the decision.
        """
        check_submission(octets, frozenset({address}), self._settings.limits)
        sender = await self._sender(address)
        recipients = [path.address for path in envelope.forward_paths]
        if len(recipients) > self._settings.limits.max_recipients:
            raise TooManyRecipients
        summary = await summarised(octets)
        answers = summary.in_reply_to or (summary.references[-1] if summary.references else None)
        conversation = await self._policy.conversation(actor, sender, answers)
        kind: Kind = "reply" if conversation.people else "send"
        decision = await self._policy.decide(sender, recipients, kind, conversation)
        return summary, decision, sender

    def _deposit(
        self,
        actor: Actor,
        sender: LocalAddress,
        envelope: Envelope,
        octets: bytes,
        summary: MessageSummary,
        outgoing: Outgoing,
        decision: Decision,
    ) -> Deposit:
        local: dict[str, tuple[LocalAddress, str]] = {}
        for one in decision.verdicts:
            if one.outcome == "send" and one.local is not None:
                local.setdefault(one.local.inbox, (one.local, one.recipient))
        deliveries = _deliveries(envelope, decision)
        remote = any(one.state == "queued" for one in deliveries)
        state = "queued" if remote else "delivered"
        message = MessageId(new_id("msg"))
        fingerprint = _fingerprint(envelope, summary, octets)
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
            fingerprint=fingerprint,
            metadata=dict(outgoing.metadata or {}),
            bcc=outgoing.bcc,
        )
        arrivals = (arrival(here, to, actor.source) for here, to in local.values())
        return Deposit(
            octets,
            summary,
            (first, *arrivals),
            deliveries=deliveries,
            relay=NewRelay(envelope.reverse_path, _options(envelope)) if remote else None,
            replaces=outgoing.draft,
            idempotency=_answer(outgoing.idempotency, state, decision.refused),
            meter=self._meter(sender, actor.tier, len(deliveries) - len(decision.refused)),
        )

    async def _admitted(self, sender: LocalAddress, deposit: Deposit) -> tuple[Arrival, ...]:
        """The arrivals of a message, those where its sender is blocked as such."""
        first, *here = deposit.arrivals
        admitted: list[Arrival] = [first]
        for one in here:
            local = await self._directory.by_id(one.inbox)
            takes = local is None or await self._policy.admits(local, (sender.address,))
            admitted.append(one if takes else blocked(one))
        return tuple(admitted)

    def _meter(self, sender: LocalAddress, tier: str, mails: int) -> Meter | None:
        bound = self._settings.mails_a_day.get(tier)
        if bound is None:
            return None
        near = math.ceil(bound * self._settings.policy.near_quota)
        return Meter(sender.organization, mails, bound, near, sender.environment)

    async def _sender(self, address: str) -> LocalAddress:
        local = await self._directory.sender(address)
        if local is None or local.deleted:
            raise SenderNotAllowed("The inbox does not exist any longer, or has lost its domain.")
        if local.send_paused:
            raise SendingPaused
        return local


def make_submission(
    settings: Config,
    store: Store,
    logins: Logins,
    limits: MessageLimits,
    take: Callable[[Actor], object] = _unbounded,
) -> Submission:
    """The submission desk of a worker, as the operator wants it."""
    return Submission(
        store.messages,
        store.directory,
        logins,
        make_policy(store, frozenset({settings.shared_domain})),
        SubmissionSettings(
            mails_a_day={name: settings.tiers.named(name).mails_per_day for name in TIER_NAMES},
            limits=limits,
        ),
        take,
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


def blocked(arriving: Arrival) -> Arrival:
    """The same arrival of a sender whom a filter rule of its inbox blocks.

    It lies in Junk, where mail programs may look at it; REST shows it to who asks for what is
    blocked.
    """
    return replace(
        arriving,
        state="blocked",
        role="junk",
        keywords=(*arriving.keywords, "blocked"),
        events=("message.received.blocked",),
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
    jobs = ("relay",) if any(one.state == "queued" for one in deliveries) else ()
    asked = any(one.local and Notify.SUCCESS in one.options.get("notify", ()) for one in deliveries)
    return (*jobs, "report") if asked and envelope.reverse_path else jobs


def _deliveries(envelope: Envelope, decision: Decision) -> tuple[NewDelivery, ...]:
    """What becomes of each recipient at once."""
    verdicts = {one.recipient: one for one in decision.verdicts}
    return tuple(
        _delivery(path, verdicts[path.address], envelope.envid) for path in envelope.forward_paths
    )


def _delivery(path: ForwardPath, verdict: Verdict, envid: str | None) -> NewDelivery:
    if verdict.problem is not None:
        why = {"reason_code": REASONS[type(verdict.problem)], "reason": verdict.problem.message}
        return NewDelivery(path.address, False, "rejected", why)
    local = verdict.local is not None
    options: dict[str, object] = {}
    if path.notify:
        options["notify"] = sorted(path.notify)
    if path.orcpt is not None:
        options["orcpt"] = path.orcpt
    if local and envid is not None:
        # What leaves keeps it with the relay; success here is told from the delivery.
        options["envid"] = envid
    return NewDelivery(path.address, local, "delivered" if local else "queued", options)


def _answer(
    asked: IdempotentRequest | None, state: str, suppressed: Sequence[str]
) -> IdempotentRequest | None:
    """The idempotency row of a request that is answered like this."""
    if asked is None:
        return None
    return replace(asked, answer=state, told={"suppressed": suppressed} if suppressed else {})


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
