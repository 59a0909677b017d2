"""Letters of REST clients: composed, sent, answered, forwarded, kept as drafts.

What a letter says becomes octets by :mod:`agentpost.mime.compose`; from there on it goes the way
of every submission.  A draft is a message in Drafts, so that mail programs see and change it; each
new version takes the place of the one before in one commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from agentpost import clock
from agentpost.errors import FieldError, NotFound, TooLarge, UnknownField
from agentpost.ids import DraftId, MessageId, new_id
from agentpost.limits import MessageLimits
from agentpost.mail.arriving import summarised
from agentpost.mail.filing import envelope_to
from agentpost.mail.holding import Waiting, blind
from agentpost.mail.policy import Decision, Verdict
from agentpost.mail.reading import beside
from agentpost.mail.submission import Outgoing, Submission
from agentpost.mime import fields
from agentpost.mime.answer import Words, forward, reply, reply_all
from agentpost.mime.compose import Attachment, Composition, compose, needs_smtputf8
from agentpost.mime.original import read_original
from agentpost.mime.outgoing import redated
from agentpost.model.actor import Actor
from agentpost.model.approval import Approval
from agentpost.model.envelope import Envelope
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import Flag
from agentpost.model.message import (
    Address,
    Arrival,
    Draft,
    IdempotentRequest,
    MessageChange,
    MessageContent,
    NewDraft,
    Receipt,
)
from agentpost.store.depositing import Deposit
from agentpost.store.directory import Directory
from agentpost.store.messages import Messages

AnswerKind = Literal["reply", "reply_all", "forward"]

SCOPES: Final[dict[AnswerKind, str]] = {
    "reply": "messages:reply",
    "reply_all": "messages:reply",
    "forward": "messages:send",
}
_FORWARDED: Final = "$Forwarded"
"""RFC 5788: the keyword by which mail programs mark what was forwarded."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What goes with a letter without being part of it."""

    labels: tuple[str, ...] = ()
    metadata: dict[str, object] | None = None
    idempotency: IdempotentRequest | None = None
    send_at: datetime | None = None
    hold_for_approval: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer or a forward: to which message, how, and what it adds.

    ``to`` is for forwards, where it is needed; ``cc`` and ``bcc`` are added to what follows from
    the message.  ``reply_to`` and ``subject`` take the place of what would stand there.
    """

    message: str
    kind: AnswerKind
    words: Words
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str | None = None
    quote: bool = True
    as_attachment: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a draft comes from: who named it, and the message that it answers or forwards."""

    client_id: str | None = None
    in_reply_to: MessageId | None = None
    reply_all: bool = False
    forward_of: MessageId | None = None


_UNRELATED: Final = Origin()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What sending would do: octets, what becomes of each recipient, what it would wait for."""

    size: int
    recipients: tuple[Verdict, ...]
    waiting: Waiting


class Composing:
    """The desk where letters are written."""

    def __init__(
        self,
        messages: Messages,
        directory: Directory,
        submission: Submission,
        limits: MessageLimits,
    ) -> None:
        self._messages = messages
        self._directory = directory
        self._submission = submission
        self._limits = limits

    async def send(
        self,
        actor: Actor,
        local: LocalAddress,
        letter: Composition,
        extra: Beside,
        scope: str = "messages:send",
    ) -> Receipt:
        """Send ``letter`` from the inbox ``local``; when this returns it is on disk.

        Raises: UnknownField, AddressSyntax (what cannot be written), what submission refuses, and
        ReplayedRequest when the idempotency key was used before.
        """
        octets = await _composed(_dated(letter, extra))
        return await self._submission.send(
            actor,
            local.scope,
            local.address,
            envelope_of(local, letter),
            octets,
            _outgoing(letter, extra),
            scope,
        )

    async def rehearse(
        self, actor: Actor, local: LocalAddress, letter: Composition, extra: Beside
    ) -> Rehearsed:
        """What :meth:`send` would do, and whether it would be refused, without doing it.

        The day's quota is not asked.  Raises: as ``send``.
        """
        octets = await _composed(_dated(letter, extra))
        envelope = envelope_of(local, letter)
        decision = await self._submission.rehearse(
            actor, local.address, envelope, octets, _outgoing(letter, extra)
        )
        return Rehearsed(len(octets), decision.verdicts, decision.waiting)

    async def consider(
        self, actor: Actor, local: LocalAddress, people: Iterable[Address]
    ) -> Decision:
        """What would become of a letter to these people, whatever it says.

        Raises: UnknownField for nobody; as ``send`` for what concerns the inbox.
        """
        envelope = _envelope(local, people)
        named = [path.address for path in envelope.forward_paths]
        return await self._submission.consider(actor, local.address, named)

    async def answer(self, actor: Actor, answer: Answer) -> tuple[LocalAddress, Composition]:
        """The inbox that answers a message, and the letter that does.

        Who is named in ``to`` takes the place of those who follow from the message.
        Raises: NotFound, Forbidden.
        """
        content = await self._messages.content(actor, answer.message, SCOPES[answer.kind])
        local = await self._directory.by_id(content.message.inbox)
        if local is None or local.deleted:
            raise NotFound("The inbox of this message is deleted.")
        letter = await beside(len(content.octets), lambda: _answered(content, answer, local))
        letter = replace(
            letter,
            to=answer.to or letter.to,
            cc=_joined(letter.cc, answer.cc),
            bcc=_joined(letter.bcc, answer.bcc),
            reply_to=answer.reply_to,
            subject=letter.subject if answer.subject is None else answer.subject,
        )
        return local, letter

    async def mark_answered(
        self, actor: Actor, message: str, kind: AnswerKind, scope: str | None = None
    ) -> None:
        """Show in the inbox that a message was answered or forwarded, if it is still there."""
        change = MessageChange(answered=True)
        if kind == "forward":
            change = MessageChange(add_labels=(_FORWARDED,))
        try:
            await self._messages.update(actor, message, change, scope or SCOPES[kind])
        except NotFound:
            return

    async def save(
        self,
        actor: Actor,
        local: LocalAddress,
        letter: Composition,
        extra: Beside,
        origin: Origin = _UNRELATED,
        present: Draft | None = None,
    ) -> DraftId:
        """Keep ``letter`` as a new draft, or as the next version of ``present``.

        A new one is named after its message, so that the answer to a repeated request names it.
        Raises: UnknownField, AddressSyntax, TooLarge, ReplayedRequest; Conflict when ``present``
        is no draft any longer; Duplicate when the client_id is taken.
        """
        octets = await _composed(letter, with_bcc=True)
        if len(octets) > self._limits.max_octets:
            raise TooLarge
        message = MessageId(new_id("msg"))
        name = DraftId("drf_" + message[4:]) if present is None else present.id
        arrival = Arrival(
            organization=local.organization,
            inbox=local.inbox,
            message=message,
            direction="outbound",
            source=actor.source,
            state="draft",
            role="drafts",
            flags=Flag.DRAFT | Flag.SEEN,
            keywords=extra.labels,
            metadata=dict(extra.metadata or {}),
        )
        idempotency = extra.idempotency
        if idempotency is not None:
            idempotency = replace(idempotency, answer="draft")
        deposit = Deposit(
            octets,
            await summarised(octets),
            (arrival,),
            draft=NewDraft(
                name, origin.client_id, origin.in_reply_to, origin.reply_all, origin.forward_of
            ),
            replaces=None if present is None else present.message.id,
            idempotency=idempotency,
        )
        await self._messages.deposit(actor, "drafts:write", local.scope, deposit)
        return name

    async def schedule(
        self,
        actor: Actor,
        local: LocalAddress,
        letter: Composition,
        extra: Beside,
        origin: Origin = _UNRELATED,
        present: Draft | None = None,
    ) -> DraftId:
        """As ``save``, as a draft that is sent by itself at ``extra.send_at``.

        It lies in Scheduled, or in Approvals when it needs an approval before.
        Raises: as ``save`` and ``send``.
        """
        octets = await _composed(_dated(letter, extra), with_bcc=True)
        name = DraftId(new_id("drf")) if present is None else present.id
        outgoing = replace(
            _outgoing(letter, extra),
            bcc=(),
            draft=None if present is None else present.message.id,
            stays=NewDraft(
                name, origin.client_id, origin.in_reply_to, origin.reply_all, origin.forward_of
            ),
            counted=present is not None and present.send_at is not None,
        )
        await self._submission.send(
            actor,
            local.scope,
            local.address,
            envelope_of(local, letter),
            octets,
            outgoing,
            "drafts:write",
        )
        return name

    async def read_held(self, actor: Actor, approval: Approval) -> Composition:
        """What a message that waits for approval says, as a letter that can be changed."""
        content = await self._messages.content(actor, approval.message, "approvals:decide")
        letter = await beside(len(content.octets), lambda: _as_letter(content))
        return replace(letter, message_id=content.message.rfc_message_id)

    async def check_held(self, actor: Actor, approval: Approval) -> None:
        """Refuse, before it is approved, what could not be sent now.  Raises: as ``send``."""
        await self._submission.check_waiting(actor, approval)

    async def revise(
        self, actor: Actor, approval: Approval, present: Composition, letter: Composition
    ) -> None:
        """Put ``letter`` in the place of the message that waits, which says ``present``.

        Recipients that the present one does not name stay, unless the letter names blind ones.
        Raises: what submission refuses; OwnApproval; Conflict.
        """
        octets = await _composed(letter)
        named = [fields.wire_email(one.email) for one in (*letter.to, *letter.cc, *letter.bcc)]
        before = [one.email for one in (*present.to, *present.cc, *present.bcc)]
        recipients = (*named, *blind(before, approval.recipients))
        await self._submission.revise(actor, approval, recipients, octets, letter.bcc)

    async def read_draft(self, actor: Actor, draft: Draft) -> Composition:
        """What a draft says, whoever wrote it, as a letter that can be changed and saved again."""
        content = await self._messages.content(actor, draft.message.id, "drafts:write")
        return await beside(len(content.octets), lambda: _as_letter(content))

    async def send_draft(
        self,
        actor: Actor,
        local: LocalAddress,
        draft: Draft,
        idempotency: IdempotentRequest | None,
        *,
        hold_for_approval: bool = False,
    ) -> Receipt:
        """Send a draft as it stands, with today's date; it leaves Drafts in the same commit.

        One that is to be approved first keeps the time at which it is sent then, if it has one.
        Raises: UnknownField without recipients; what submission refuses; Conflict when it was
        sent or deleted meanwhile; ReplayedRequest.
        """
        content = await self._messages.content(actor, draft.message.id, "drafts:write")
        who = draft.message.correspondents
        now, send_at = clock.now(), None
        if hold_for_approval and draft.send_at is not None and draft.send_at > now:
            send_at = draft.send_at
        octets = await beside(
            len(content.octets), lambda: redated(content.octets, date=send_at or now)
        )
        receipt = await self._submission.send(
            actor,
            local.scope,
            local.address,
            _envelope(local, (*who.to, *who.cc, *who.bcc)),
            octets,
            Outgoing(
                draft.message.keywords,
                draft.message.metadata,
                draft.message.id,
                idempotency,
                send_at=send_at,
                hold_for_approval=hold_for_approval,
                counted=draft.send_at is not None,
                sends=draft.id,
            ),
            "drafts:write",
        )
        if draft.in_reply_to is not None:
            await self.mark_answered(actor, draft.in_reply_to, "reply", "drafts:write")
        if draft.forward_of is not None:
            await self.mark_answered(actor, draft.forward_of, "forward", "drafts:write")
        return receipt


def sender_of(local: LocalAddress) -> Address:
    """What stands in From: the inbox's address with its display name."""
    return Address(local.address, local.display_name)


def envelope_of(local: LocalAddress, letter: Composition) -> Envelope:
    """The envelope of a letter: everyone it names, each once.  Raises: UnknownField for nobody."""
    envelope = _envelope(local, (*letter.to, *letter.cc, *letter.bcc))
    return replace(envelope, smtputf8=needs_smtputf8(letter))


def _envelope(local: LocalAddress, people: Iterable[Address]) -> Envelope:
    addresses = [fields.wire_email(person.email) for person in people]
    if not addresses:
        error = FieldError("to", "at least one recipient is needed")
        raise UnknownField("The message has no recipients.", errors=(error,))
    return envelope_to(local.address, addresses)


def _outgoing(letter: Composition, extra: Beside) -> Outgoing:
    return Outgoing(
        extra.labels,
        extra.metadata,
        None,
        extra.idempotency,
        letter.bcc,
        extra.send_at,
        extra.hold_for_approval,
    )


def _dated(letter: Composition, extra: Beside) -> Composition:
    """A letter that is sent later bears the date of that moment."""
    return letter if extra.send_at is None else replace(letter, date=extra.send_at)


async def _composed(letter: Composition, *, with_bcc: bool = False) -> bytes:
    size = sum(len(file.content) for file in letter.attachments)
    size += len(letter.text or "") + len(letter.html or "")
    return await beside(size, lambda: compose(letter, with_bcc=with_bcc))


def _answered(content: MessageContent, answer: Answer, local: LocalAddress) -> Composition:
    forwards = answer.kind == "forward"
    with_files = forwards or answer.words.html is not None
    original = read_original(content.octets, with_files=with_files)
    from_ = sender_of(local)
    if answer.kind == "forward":
        return forward(
            original, answer.words, from_=from_, to=answer.to, as_attachment=answer.as_attachment
        )
    compose_answer = reply if answer.kind == "reply" else reply_all
    return compose_answer(original, answer.words, from_=from_, quote=answer.quote)


def _joined(first: tuple[Address, ...], more: tuple[Address, ...]) -> tuple[Address, ...]:
    known = {person.email.lower() for person in first}
    return (*first, *(person for person in more if person.email.lower() not in known))


def _as_letter(content: MessageContent) -> Composition:
    original = read_original(content.octets)
    who = content.message.correspondents
    files = tuple(
        Attachment(one.filename, one.media_type, one.content, one.content_id, one.inline)
        for one in original.attachments
    )
    return Composition(
        from_=who.from_[0] if who.from_ else Address(""),
        to=who.to,
        cc=who.cc,
        bcc=who.bcc,
        reply_to=who.reply_to,
        subject=original.subject,
        text=original.text,
        html=original.html,
        attachments=files,
        in_reply_to=original.in_reply_to,
        references=original.references,
    )
