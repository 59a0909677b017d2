"""What must hold before mail may be sent or taken in: one place for SMTP, REST, IMAP and drafts.

``Policy.decide`` says for each recipient what becomes of a message; ``Policy.admits`` whether an
inbox takes mail from somebody.  They read and write nothing down; ``Policy.refused`` tells the
customer's programs of what was refused.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agentpost.auth.addresses import canonical
from agentpost.errors import (
    AddressSyntax,
    BareLineEnding,
    FromNotAllowed,
    MessageUnacceptable,
    Overloaded,
    Problem,
    QuotaExceeded,
    RecipientNotAllowed,
    RecipientSuppressed,
    RecipientUnknown,
    RoutingLoop,
    SendBlocked,
    SendingPaused,
    TooLarge,
    TooManyRecipients,
)
from agentpost.ids import RuleId
from agentpost.limits import PolicyLimits
from agentpost.mail.holding import Waiting
from agentpost.mail.rules import deciding, matching, written
from agentpost.model.actor import Actor, Scope, system_actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.rule import EVERYONE, FilterRule, RuleBook, RuleDirection
from agentpost.store.conversations import NONE, Conversation, Conversations
from agentpost.store.directory import Directory
from agentpost.store.fresh import Fresh
from agentpost.store.opening import Store
from agentpost.store.refusals import Refusal, Refusals
from agentpost.store.rules import Rules
from agentpost.store.suppressions import Suppressions

log = logging.getLogger(__name__)

Kind = Literal["send", "reply", "unknown"]
"""What a message is: ``unknown`` before its octets have come, when it may turn out to be either."""


class MailLoop(SendingPaused):
    """Two programs answer each other: the inbox is about to be paused."""


REASONS: Final[dict[type[Problem], str]] = {
    RecipientSuppressed: "suppressed",
    SendBlocked: "send_block",
    RecipientNotAllowed: "not_allowed",
    SendingPaused: "inbox_paused",
    MailLoop: "inbox_paused",
    QuotaExceeded: "quota",
    TooLarge: "too_large",
    RecipientUnknown: "invalid_recipient",
    AddressSyntax: "invalid_recipient",
    TooManyRecipients: "policy",
    MessageUnacceptable: "policy",
    BareLineEnding: "policy",
    RoutingLoop: "policy",
    FromNotAllowed: "policy",
}
"""The reason_code of message.rejected for what a sender is refused (API.md, data by type)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message towards one recipient.

    ``local`` is who it is here, None when it lives elsewhere.  ``problem`` is why it is refused,
    ``rule`` the filter rule that decided, if one did.
    """

    recipient: str
    outcome: Literal["send", "refuse"]
    local: LocalAddress | None = None
    problem: Problem | None = None
    rule: RuleId | None = None

    @property
    def suppressed(self) -> bool:
        """Whether it is only left out, and the others are served."""
        return isinstance(self.problem, RecipientSuppressed)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdicts on a message's recipients, in their order, and what it waits for first."""

    verdicts: tuple[Verdict, ...]
    waiting: Waiting = Waiting()

    @property
    def refused(self) -> tuple[str, ...]:
        """Who must not be written to."""
        return tuple(one.recipient for one in self.verdicts if one.problem is not None)

    def check(self) -> None:
        """Refuse the message unless it can go, without those who are suppressed.

        Raises: the first recipient's problem that concerns the whole message;
        RecipientSuppressed when nobody is left.
        """
        for verdict in self.verdicts:
            if verdict.problem is not None and not verdict.suppressed:
                raise verdict.problem
        if self.verdicts and all(one.suppressed for one in self.verdicts):
            problem = self.verdicts[0].problem
            assert problem is not None
            raise problem


class Policy:
    """See the module's text.  ``domains`` are those whose unknown addresses are refused at once."""

    def __init__(
        self,
        directory: Directory,
        rules: Rules,
        suppressions: Suppressions,
        conversations: Conversations,
        refusals: Refusals,
        domains: frozenset[str],
        limits: PolicyLimits | None = None,
    ) -> None:
        self._directory = directory
        self._rules = rules
        self._suppressions = suppressions
        self._conversations = conversations
        self._refusals = refusals
        self._domains = domains
        self._limits = limits or PolicyLimits()
        self._told: Fresh[tuple[str, str, str], bool] = Fresh(
            self._limits.retold_s, self._limits.cached_addresses
        )

    async def decide(
        self,
        sender: LocalAddress,
        recipients: Sequence[str],
        kind: Kind = "send",
        conversation: Conversation = NONE,
    ) -> Decision:
        """What becomes of a message of this kind from ``sender`` to each of the recipients.

        A ``reply`` is one towards the people of its ``conversation``: about them the rules for
        replies decide, and where none matches, as about everyone else, the rules for sending.
        """
        forms = {address: (canonical(address), written(address)) for address in recipients}
        suppressed = await self._suppressions.among(
            sender.environment, list(dict.fromkeys(forms.values()))
        )
        book = await self._rules.book(sender.organization)
        verdicts: list[Verdict] = []
        for address in recipients:
            rule = _rule_for(book, sender, address, kind, conversation)
            try:
                local = await self._recipient(address)
                _check(address, rule, suppressed=forms[address][1] in suppressed)
            except Problem as problem:
                name = None if rule is None else rule.id
                verdicts.append(Verdict(address, "refuse", problem=problem, rule=name))
            else:
                name = None if rule is None else rule.id
                verdicts.append(Verdict(address, "send", local, rule=name))
        return Decision(tuple(verdicts))

    async def explain(
        self, local: LocalAddress, direction: RuleDirection, address: str
    ) -> tuple[FilterRule, ...]:
        """The rules that match, the one that decides first; none when nothing forbids it.

        For replies those for sending follow, which decide where no rule for replies matches.
        """
        book = await self._rules.book(local.organization)
        directions: tuple[RuleDirection, ...] = (direction,)
        if direction == "reply":
            directions = ("reply", "send")
        return tuple(
            rule
            for one in directions
            for rule in matching(book, one, address, local.environment, local.inbox)
        )

    async def suppressed(self, local: LocalAddress, address: str) -> bool:
        """Whether the inbox's environment does not write to ``address`` any longer."""
        form = (canonical(address), written(address))
        return bool(await self._suppressions.among(local.environment, [form]))

    async def admits(self, local: LocalAddress, senders: Sequence[str]) -> bool:
        """Whether the inbox takes mail from these: no filter rule blocks any of them."""
        book = await self._rules.book(local.organization)
        for sender in senders:
            rule = deciding(book, "receive", sender, local.environment, local.inbox)
            if rule is not None and rule.action == "block":
                return False
        return True

    async def conversation(
        self, actor: Actor, sender: LocalAddress, answers: str | None
    ) -> Conversation:
        """What the message that ``answers`` this Message-ID goes on with.

        Raises: MailLoop when two programs answer each other here (RFC 3834 section 2: an answer
        must not lead to another), for which the inbox is to be paused.
        """
        limits = self._limits
        if answers is None:
            return NONE
        found = await self._conversations.answered(actor, sender.scope, answers, limits.loop_s)
        received = found.messages - found.sent
        if (
            found.messages >= limits.loop_messages
            and 3 * min(found.sent, received) >= found.messages
        ):
            raise MailLoop(
                f"{found.messages} messages went back and forth in this conversation within"
                f" {limits.loop_s / 60:g} minutes; the inbox is paused.",
                fix="Stop the program that answers every message, then resume the inbox.",
            )
        return found

    async def refused(
        self,
        actor: Actor,
        scope: str | None,
        where: Scope,
        problem: Problem,
        recipients: Sequence[str],
        *,
        quota: int | None = None,
        early: bool = False,
    ) -> None:
        """Tell the customer's programs that a message was refused, when that is to be told, and
        pause the inbox when it was for a loop.

        ``early``, before the message itself, a client may ask again and again: it is told once a
        minute.  Raises: Forbidden when ``actor`` may not send at all.
        """
        reason_code = REASONS.get(type(problem))
        if isinstance(problem, MailLoop):
            await self._refusals.pause(system_actor(), where, "mail_loop")
        if reason_code is None or actor.system:
            return
        if early:
            key = (where.inbox or "", reason_code, ",".join(recipients))
            if self._told.get(key):
                return
            self._told.put(key, True, (), self._told.generation)
        named = tuple(recipients[: self._limits.max_told_recipients])
        bound = quota if isinstance(problem, QuotaExceeded) else None
        refusal = Refusal(reason_code, problem.message, named, bound)
        try:
            await self._refusals.tell(actor, scope, where, refusal)
        except Overloaded:
            log.warning("could not tell that a message was refused", exc_info=True)

    async def _recipient(self, address: str) -> LocalAddress | None:
        """Who ``address`` is here; None when it lives elsewhere.

        Raises: AddressSyntax; RecipientUnknown.
        """
        domain = address.rpartition("@")[2]
        if not domain:
            raise AddressSyntax
        local = await self._directory.resolve(address)
        if local is not None and not local.deleted:
            return local
        ours = local is not None or canonical(domain) in self._domains
        if ours or await self._directory.takes(address):
            raise RecipientUnknown(f"There is no inbox {address} here.")
        return None


def make_policy(store: Store, domains: frozenset[str]) -> Policy:
    """The policy over the parts of a store."""
    return Policy(
        store.directory,
        store.rules,
        store.suppressions,
        store.conversations,
        store.refusals,
        domains,
    )


def _rule_for(
    book: RuleBook, sender: LocalAddress, address: str, kind: Kind, conversation: Conversation
) -> FilterRule | None:
    """The rule that decides about writing to ``address``; of what is unknown the kinder one."""

    def of(direction: RuleDirection) -> FilterRule | None:
        return deciding(book, direction, address, sender.environment, sender.inbox)

    sends = of("send")
    if kind == "send":
        return sends
    replies = of("reply")
    if kind == "unknown":
        blocks = sends is not None and sends.action == "block"
        return replies if blocks and replies is not None else sends
    return replies if replies is not None and canonical(address) in conversation.people else sends


def _check(address: str, rule: FilterRule | None, *, suppressed: bool) -> None:
    """Raises: RecipientNotAllowed, SendBlocked, RecipientSuppressed."""
    if rule is not None and rule.action == "block":
        if rule.value == EVERYONE:
            raise RecipientNotAllowed(f"{address} is not among the recipients that are allowed.")
        raise SendBlocked(f"The filter rule {rule.id} blocks mail to {address}.")
    if suppressed:
        raise RecipientSuppressed(f"{address} is on the suppression list.")
