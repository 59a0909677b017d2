"""Submission: a message from one of our inboxes to anyone (RFC 6409).

SMTP DATA, REST send and a sent draft join here.  In one commit the message is filed in Sent,
delivered to recipients that live here, and queued for the relay towards all others; or it is put
away until somebody approves it or its time has come (``releasing`` lets it go then).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agentpost import clock
from agentpost.auth.addresses import canonical
from agentpost.config import TIER_NAMES, Config
from agentpost.errors import (
    OwnApproval,
    Problem,
    SenderNotAllowed,
    SendingPaused,
    TooManyHeld,
    TooManyRecipients,
)
from agentpost.ids import DraftId, MessageId, new_id
from agentpost.limits import HoldLimits, MessageLimits, PolicyLimits
from agentpost.mail import holding
from agentpost.mail.arriving import arrival, blocked, summarised
from agentpost.mail.filing import (
    answer_of,
    deliveries_of,
    envelope_to,
    fingerprint_of,
    jobs_of,
    options_of,
    told_at_once,
)
from agentpost.mail.holding import Waiting
from agentpost.mail.identity import check_submission
from agentpost.mail.logins import Logins
from agentpost.mail.policy import Decision, Kind, Policy
from agentpost.mail.relay import outside_id
from agentpost.mime.summary import MessageSummary
from agentpost.model.actor import Actor, Scope
from agentpost.model.approval import Approval
from agentpost.model.envelope import Envelope
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import Flag, Placed, Role
from agentpost.model.message import (
    Address,
    Arrival,
    IdempotentRequest,
    Meter,
    NewDraft,
    NewRelay,
    Receipt,
)
from agentpost.store.approvals import Approvals
from agentpost.store.depositing import Deposit
from agentpost.store.deposits import DuplicateSubmission
from agentpost.store.directory import Directory
from agentpost.store.messages import Messages
from agentpost.store.opening import Store


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """What the deployment decides about sending."""

    mails_a_day: dict[str, int | None]
    """Bound by tier; None is unlimited (R102-R105)."""
    limits: MessageLimits = MessageLimits()
    policy: PolicyLimits = PolicyLimits()
    holds: HoldLimits = HoldLimits()
    approval_s: int = HoldLimits().approval_s
    """For somebody to approve a message, unless its inbox says otherwise."""


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
    send_at: datetime | None = None
    hold_for_approval: bool = False
    stays: NewDraft | None = None
    """The draft that the message is until it is sent, when that is later."""
    counted: bool = False
    """Whether it has been counted against the day's quota before."""
    sends: DraftId | None = None
    """The draft that is sent by it."""


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
        approvals: Approvals,
        settings: SubmissionSettings,
        take: Callable[[Actor], object] = _unbounded,
    ) -> None:
        self._messages = messages
        self._directory = directory
        self._logins = logins
        self._policy = policy
        self._approvals = approvals
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

    async def hold(self, actor: Actor) -> None:
        """Whether the session's inbox may let one more message wait.  Raises: TooManyHeld.

        Source: RFC 4865 section 6, items 2 to 5.
        """
        assert actor.at is not None
        if await self._approvals.waiting(actor, actor.at) >= self._settings.holds.max_held:
            raise TooManyHeld

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
            decision = await self._awaited(actor, sender, envelope, octets, outgoing, decision)
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
        self,
        actor: Actor,
        address: str,
        envelope: Envelope,
        octets: bytes,
        outgoing: Outgoing = Outgoing(),
    ) -> Decision:
        """What ``send`` would do for each recipient; refuses what it would refuse.

        Nothing is written, and the day's quota is not asked.  Raises: as ``send``.
        """
        _, decision, sender = await self._checked(actor, address, envelope, octets)
        decision.check()
        return await self._awaited(actor, sender, envelope, octets, outgoing, decision)

    async def consider(self, actor: Actor, address: str, recipients: Sequence[str]) -> Decision:
        """What would become of a message to these, before there is one.

        What is decided about recipients is in the decision.  Raises: as ``send`` for the inbox and
        their number.
        """
        sender = await self._sender(address)
        if len(recipients) > self._settings.limits.max_recipients:
            raise TooManyRecipients
        decision = await self._policy.decide(sender, recipients)
        return replace(decision, waiting=Waiting(await self._rule(actor, sender, decision)))

    async def revise(
        self,
        actor: Actor,
        approval: Approval,
        recipients: Sequence[str],
        octets: bytes,
        bcc: tuple[Address, ...] = (),
    ) -> Placed:
        """Put ``octets`` in the place of the message that waits for this approval.

        It goes to ``recipients`` then.  Raises: what ``send`` refuses; OwnApproval for who wants
        it sent, or the message would change under the eyes of who decides; Forbidden; Conflict
        when it does not wait any longer.
        """
        if actor.credential == approval.requested_by:
            raise OwnApproval("Only others may change a message that waits for approval.")
        place = Scope(approval.organization, approval.environment, approval.inbox)
        envelope = envelope_to(await self.address_of(place), recipients)
        summary, decision, sender = await self._checked(
            actor, envelope.reverse_path, envelope, octets
        )
        decision.check()
        waiting = replace(decision, waiting=Waiting(approval.rule, approval.send_at))
        outgoing = Outgoing(draft=approval.message, bcc=bcc)
        deposit = self._deposit(actor, sender, envelope, octets, summary, outgoing, waiting)
        hold = holding.revision(
            approval.message, actor.credential, sender.address, options_of(envelope)
        )
        deposit = replace(deposit, hold=hold, meter=None)
        placed = await self._messages.deposit(actor, "approvals:decide", sender.scope, deposit)
        return placed[0]

    async def check_waiting(self, actor: Actor, approval: Approval) -> None:
        """Refuse, before it is approved, what could not be sent now.  Raises: as ``send``."""
        place = Scope(approval.organization, approval.environment, approval.inbox)
        sender = await self._sender(await self.address_of(place))
        (await self._policy.decide(sender, approval.recipients, "unknown")).check()

    async def address_of(self, where: Scope) -> str:
        """The address of the inbox ``where``.  Raises: SenderNotAllowed when it is gone."""
        assert where.inbox is not None
        local = await self._directory.by_id(where.inbox)
        if local is None:
            raise SenderNotAllowed("The inbox does not exist any longer.")
        return local.address

    async def waiting_as(self, actor: Actor, where: Scope, message_id: str) -> Approval | None:
        """The approval that the message with this Message-ID waits for, if it does."""
        return await self._approvals.of_message_id(actor, where, message_id)

    async def _awaited(
        self,
        actor: Actor,
        sender: LocalAddress,
        envelope: Envelope,
        octets: bytes,
        outgoing: Outgoing,
        decision: Decision,
    ) -> Decision:
        """The decision together with what the message waits for before it goes.

        Raises: UnknownField for a time that no message can be sent at.
        """
        limits, now = self._settings.holds, clock.now()
        send_at = holding.when(outgoing.send_at, envelope.release, octets, now, limits)
        rule = await self._rule(actor, sender, decision, asked=outgoing.hold_for_approval)
        return replace(decision, waiting=Waiting(rule, send_at))

    async def _rule(
        self, actor: Actor, sender: LocalAddress, decision: Decision, *, asked: bool = False
    ) -> str | None:
        """The rule by which the message needs an approval; None when it needs none."""
        new: frozenset[str] = frozenset()
        if sender.approval == "new_recipients":
            served = {one.recipient.lower() for one in decision.verdicts if one.problem is None}
            new = await self._approvals.unapproved(actor, sender.scope, sorted(served))
        return holding.rule_of(sender, asked=asked, new=sorted(new))

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
        deliveries = deliveries_of(envelope, decision)
        remote = any(one.state == "queued" for one in deliveries)
        state = decision.waiting.state or ("queued" if remote else "delivered")
        message = MessageId(new_id("msg"))
        if outgoing.stays is not None and outgoing.draft is None:
            # A draft is named after its first message, so that a repeated request is told it.
            message = MessageId("msg_" + outgoing.stays.id[4:])
        fingerprint = fingerprint_of(envelope, summary, octets)
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
            events=told_at_once(remote, bool(local)),
            jobs=jobs_of(envelope, deliveries),
            fingerprint=fingerprint,
            metadata=dict(outgoing.metadata or {}),
            bcc=outgoing.bcc,
        )
        arrivals = (arrival(here, to, actor.source) for here, to in local.values())
        counted = 0 if outgoing.counted else len(deliveries) - len(decision.refused)
        deposit = Deposit(
            octets,
            summary,
            (first, *arrivals),
            deliveries=deliveries,
            relay=NewRelay(envelope.reverse_path, options_of(envelope)) if remote else None,
            replaces=outgoing.draft,
            idempotency=answer_of(outgoing.idempotency, state, decision.refused),
            meter=self._meter(sender, actor.tier, counted),
            sends=outgoing.sends,
        )
        if decision.waiting.state is None:
            return deposit
        return self._held(actor, sender, envelope, outgoing, decision.waiting, deposit)

    def _held(
        self,
        actor: Actor,
        sender: LocalAddress,
        envelope: Envelope,
        outgoing: Outgoing,
        waiting: Waiting,
        deposit: Deposit,
    ) -> Deposit:
        """The deposit of a message that waits: nothing has left yet, and nobody has got it."""
        state = waiting.state
        assert state is not None
        # An approver's mail program shows as new what waits for him.
        flags = Flag(0) if state == "held" else Flag.SEEN
        role: Role = "approvals" if state == "held" else "scheduled"
        stays = outgoing.stays
        first = replace(
            deposit.arrivals[0],
            role=role,
            flags=flags if stays is None else flags | Flag.DRAFT,
            events=(),
            jobs=(),
        )
        hold = holding.hold_of(
            waiting,
            sender,
            actor.credential,
            envelope.reverse_path,
            options_of(envelope),
            clock.now(),
            self._settings.holds,
            approval_s=self._settings.approval_s,
            draft=None if stays is None else stays.id,
        )
        asked = deposit.idempotency
        if asked is not None and stays is not None:
            asked = replace(asked, answer="draft")
        return replace(
            deposit,
            arrivals=(first,),
            idempotency=asked,
            deliveries=tuple(
                one if one.state == "rejected" else replace(one, state=state, local=False)
                for one in deposit.deliveries
            ),
            relay=None,
            draft=stays,
            hold=hold,
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
    policy: Policy,
    limits: MessageLimits,
    take: Callable[[Actor], object] = _unbounded,
) -> Submission:
    """The submission desk of a worker, as the operator wants it."""
    return Submission(
        store.messages,
        store.directory,
        logins,
        policy,
        store.approvals,
        SubmissionSettings(
            mails_a_day={name: settings.tiers.named(name).mails_per_day for name in TIER_NAMES},
            limits=limits,
            approval_s=settings.approval_expires_s,
        ),
        take,
    )
