"""Letting go what has waited: the policy is asked again, and the rest is one transaction.

Between a message's acceptance and its time its inbox may have been paused, a recipient suppressed
or a filter rule made; what was decided then does not count any longer.  A draft that cannot be sent
goes back to Drafts; of any other message its sender is told as of one that was refused at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentpost.errors import Problem, SenderNotAllowed, SendingPaused
from agentpost.ids import MessageId
from agentpost.mail.arriving import arrival, blocked, summarised
from agentpost.mail.policy import REASONS, Decision, Kind, Policy, Verdict
from agentpost.mime.outgoing import strip_bcc
from agentpost.mime.summary import MessageSummary
from agentpost.model.actor import Actor, system_actor
from agentpost.model.approval import Held, Released
from agentpost.model.envelope import Notify
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Arrival
from agentpost.model.relay import NewEvent
from agentpost.store.depositing import Deposit
from agentpost.store.holds import Holds


@dataclass(frozen=True, slots=True)
class NotYet:
    """The message waits on, for so many seconds by the database's clock."""

    seconds: float


class Releasing:
    """Releases, returns or expires one message at a time; each happens once."""

    def __init__(self, holds: Holds, policy: Policy) -> None:
        self._holds = holds
        self._policy = policy

    async def run(self, message: MessageId) -> NotYet | None:
        """Do what is due with a message; None when there is nothing left to do.

        Raises: Overloaded when the database cannot say now.
        """
        actor = system_actor("release")
        held = await self._holds.held(actor, message)
        if held is None:
            return None
        if not held.due:
            return NotYet(held.due_in_s)
        if held.kind == "approval":
            await self._holds.expire(actor, message)
            return None
        octets = await self._holds.octets(actor, message)
        if octets is None:
            return None
        octets = strip_bcc(octets)
        summary = await summarised(octets)
        try:
            decision = await self._decided(actor, held, summary)
            decision.check()
        except Problem as problem:
            if type(problem) not in REASONS and not isinstance(problem, SenderNotAllowed):
                raise
            await self._refuse(actor, held, problem)
            return None
        await self._release(actor, held, decision, octets, summary)
        return None

    async def _decided(self, actor: Actor, held: Held, summary: MessageSummary) -> Decision:
        sender = held.sender
        if sender.deleted:
            raise SenderNotAllowed("The inbox does not exist any longer.")
        if sender.send_paused:
            raise SendingPaused
        answers = summary.in_reply_to or (summary.references[-1] if summary.references else None)
        conversation = await self._policy.conversation(actor, sender, answers)
        kind: Kind = "reply" if conversation.people else "send"
        recipients = [one.address for one in held.recipients]
        return await self._policy.decide(sender, recipients, kind, conversation)

    async def _refuse(self, actor: Actor, held: Held, problem: Problem) -> None:
        why: dict[str, object] = {
            "reason_code": REASONS.get(type(problem), "policy"),
            "reason": problem.message,
        }
        # The sender has gone long ago; what is left of it is to pause an inbox that answers itself.
        await self._policy.refused(actor, None, held.sender.scope, problem, ())
        if held.draft is not None:
            await self._holds.give_back(actor, held, {"draft_id": held.draft, **why})
            return
        recipients = [
            Released(one.address, "rejected", False, "5.7.1", problem.message)
            for one in held.recipients
        ]
        named = [one.recipient for one in recipients]
        events = [NewEvent("message.rejected", {**why, "recipients": named})]
        await self._holds.release(actor, held, "rejected", recipients, (), events, None)

    async def _release(
        self, actor: Actor, held: Held, decision: Decision, octets: bytes, summary: MessageSummary
    ) -> None:
        recipients = [_released(one) for one in decision.verdicts]
        remote = any(one.state == "queued" for one in recipients)
        asked = {one.address: one.options.get("notify", ()) for one in held.recipients}
        jobs = ["relay"] if remote else []
        if held.reverse_path and any(
            one.local and Notify.SUCCESS in asked[one.recipient] for one in recipients
        ):
            jobs.append("report")
        arrivals = await self._arrivals(held, decision)
        here = Deposit(octets, summary, arrivals) if arrivals else None
        state = "queued" if remote else "delivered"
        await self._holds.release(
            actor, held, state, recipients, jobs, _events(held, decision, recipients), here
        )

    async def _arrivals(self, held: Held, decision: Decision) -> tuple[Arrival, ...]:
        """The message's ways into inboxes that live here."""
        local: dict[str, tuple[LocalAddress, str]] = {}
        for one in decision.verdicts:
            if one.problem is None and one.local is not None:
                local.setdefault(one.local.inbox, (one.local, one.recipient))
        arrivals: list[Arrival] = []
        for here, to in local.values():
            arriving = arrival(here, to, held.source)
            admitted = await self._policy.admits(here, (held.sender.address,))
            arrivals.append(arriving if admitted else blocked(arriving))
        return tuple(arrivals)


def _released(verdict: Verdict) -> Released:
    if verdict.problem is not None:
        return Released(verdict.recipient, "rejected", False, "5.7.1", verdict.problem.message)
    local = verdict.local is not None
    return Released(verdict.recipient, "delivered" if local else "queued", local)


def _events(held: Held, decision: Decision, recipients: list[Released]) -> list[NewEvent]:
    """What is true at the commit; the relay tells the rest."""
    events: list[NewEvent] = []
    if held.draft is not None:
        events.append(NewEvent("draft.sent", {"draft_id": held.draft}))
    if any(one.state == "queued" for one in recipients):
        events.append(NewEvent("message.queued", {"source": "schedule"}))
    else:
        events.append(NewEvent("message.sent", {"source": "schedule"}))
    if any(one.local for one in recipients):
        events.append(NewEvent("message.delivered", {}))
    refused = [one for one in decision.verdicts if one.problem is not None]
    for reason in dict.fromkeys(_reason(one) for one in refused):
        named = [one for one in refused if _reason(one) == reason]
        problem = named[0].problem
        assert problem is not None
        events.append(
            NewEvent(
                "message.rejected",
                {
                    "reason_code": reason,
                    "reason": problem.message,
                    "recipients": [one.recipient for one in named],
                },
            )
        )
    return events


def _reason(verdict: Verdict) -> str:
    assert verdict.problem is not None
    return REASONS.get(type(verdict.problem), "policy")
