"""A client puts a message into a mailbox: IMAP APPEND and REST import (RFC 9051 section 6.3.12).

The octets are stored as they are.  A client that files its own copy of a message it has just
submitted is answered with the copy that is there already, so that Sent shows one.
"""

from __future__ import annotations

from agentpost.errors import BareLineEnding, TooLarge
from agentpost.ids import MessageId, new_id
from agentpost.limits import MessageLimits
from agentpost.mail.arriving import summarised
from agentpost.mail.filing import envelope_to
from agentpost.mail.holding import blind, sent_at
from agentpost.mail.submission import Outgoing, Submission
from agentpost.mime.summary import MessageSummary
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Flag, FlagChange, InternalDate, Mailbox, Placed, Role
from agentpost.model.message import Arrival
from agentpost.store.depositing import Deposit
from agentpost.store.mailboxes import Mailboxes
from agentpost.store.messages import Messages


class Appending:
    """Files messages that clients bring along."""

    def __init__(
        self,
        messages: Messages,
        mailboxes: Mailboxes,
        limits: MessageLimits,
        submission: Submission | None = None,
    ) -> None:
        """Without ``submission`` what is put into Approvals or Scheduled is only kept there."""
        self._messages = messages
        self._mailboxes = mailboxes
        self._limits = limits
        self._submission = submission

    async def append(
        self,
        actor: Actor,
        where: Scope,
        mailbox: Mailbox,
        octets: bytes,
        flags: Flag,
        keywords: tuple[str, ...],
        date: InternalDate | None,
    ) -> Placed:
        """Store ``octets`` in ``mailbox``; when this returns they are on disk.

        In Approvals the next version of a message that waits there takes its place; in Scheduled a
        message that says when it is to be sent is submitted.
        Raises: TooLarge; BareLineEnding for NUL octets; MailboxNotFound when it went away; what
        submission refuses.
        """
        if len(octets) > self._limits.max_octets:
            raise TooLarge
        if b"\0" in octets:
            raise BareLineEnding("The message holds a NUL octet.")
        summary = await summarised(octets)
        if mailbox.role == "sent" and summary.message_id is not None:
            there = await self._messages.sent_copy(actor, where, mailbox.id, summary.message_id)
            if there is not None:
                change = FlagChange("add", flags, keywords)
                await self._mailboxes.store_flags(actor, where, mailbox.id, [there.uid], change)
                return there
        if mailbox.role in ("approvals", "scheduled"):
            submitted = await self._submitted(actor, where, mailbox.role, octets, summary)
            if submitted is not None:
                return submitted
        assert where.inbox is not None
        outbound = mailbox.role in ("sent", "drafts")
        deposit = Deposit(
            octets,
            summary,
            (
                Arrival(
                    organization=where.organization,
                    inbox=where.inbox,
                    message=MessageId(new_id("msg")),
                    direction="outbound" if outbound else "inbound",
                    source=actor.source,
                    state="draft" if mailbox.role == "drafts" else "stored",
                    mailbox=mailbox.id,
                    flags=flags,
                    keywords=keywords,
                    date=date,
                ),
            ),
        )
        return (await self._messages.deposit(actor, "messages:write", where, deposit))[0]

    async def _submitted(
        self, actor: Actor, where: Scope, role: Role, octets: bytes, summary: MessageSummary
    ) -> Placed | None:
        """What is more than kept in a mailbox of messages that wait; None for anything else.

        Raises: as ``Submission.revise`` and ``Submission.send``.
        """
        submission = self._submission
        if submission is None:
            return None
        named = [one.email for one in (*summary.to, *summary.cc, *summary.bcc)]
        if role == "approvals":
            if summary.message_id is None:
                return None
            approval = await submission.waiting_as(actor, where, summary.message_id)
            if approval is None:
                return None
            before = [one.email for one in (*approval.to, *approval.cc)]
            recipients = dict.fromkeys((*named, *blind(before, approval.recipients)))
            return await submission.revise(actor, approval, tuple(recipients), octets)
        if sent_at(octets) is None:
            return None
        address = await submission.address_of(where)
        envelope = envelope_to(address, named)
        receipt = await submission.send(actor, where, address, envelope, octets, Outgoing())
        return await self._messages.placed(actor, receipt.message_id)
