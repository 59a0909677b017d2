"""Which reports that arrive as mail count, and what they mean for our messages (R48, R75).

Anyone can write a bounce, so a report counts only when all of this holds:

- it came from outside: what inboxes here send each other is known without reports;
- its authentication, where it is known, did not fail;
- it names a message that this very inbox sent, by an identifier only that message bears;
- it names an address which that message was sent to and which is not an inbox here.

Sources: RFC 3464 sections 2.3 and 4 (confidence in reports), RFC 3463 (what a status means),
RFC 3461 section 4.4 (the envelope identifier, which is our message's id where a client gave none).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from agentpost.auth.addresses import canonical
from agentpost.ids import MessageId, is_id
from agentpost.limits import BounceLimits
from agentpost.mail.reading import beside
from agentpost.mail.relay import sub_type_of
from agentpost.mime.bounce import received_report
from agentpost.mime.bouncefields import class_in
from agentpost.mime.fields import cleaned
from agentpost.mime.scan import unpack
from agentpost.model.actor import Actor, Scope
from agentpost.model.bounce import BounceType, Finding, ReceivedReport, ReportedRecipient
from agentpost.model.message import MessageContent
from agentpost.store.bounces import Bounces, Outcome

_PASSING: Final = frozenset(("2.2", "2.3", "3.1", "3.4", "4.7"))
"""Subjects and details by which even a final failure says nothing against the address: mailbox
full, message too large, system full, expired (RFC 3463 sections 3.3 to 3.5)."""
_EXPIRED: Final = "4.7"
_PROVIDER_DOMAIN: Final = ".amazonses.com"
"""SES gives each message a Message-ID at this domain, made of its own name for it."""


class Reports:
    """Reads mail that may report on what an inbox has sent."""

    def __init__(self, bounces: Bounces, limits: BounceLimits | None = None) -> None:
        self._bounces = bounces
        self._limits = limits or BounceLimits()

    async def take(self, actor: Actor, content: MessageContent, *, waits: bool) -> Outcome | None:
        """Write what the received message reports; None when it reports nothing that counts."""
        message = content.message
        if has_failed(message.authentication):
            return None
        report = await beside(
            len(content.octets),
            lambda: received_report(content.octets, unpack(content.parts), self._limits),
        )
        if report is None:
            return None
        findings = tuple(finding_of(one) for one in report.recipients)
        if not findings:
            return None
        envid = report.envid
        return await self._bounces.record(
            actor,
            Scope(message.organization, message.environment, message.inbox),
            message.id,
            messages=[MessageId(envid)] if envid is not None and is_id(envid, "msg") else [],
            message_ids=report.original_ids,
            provider_ids=_provider_ids(report.original_ids),
            findings=findings,
            feedback=_feedback(report),
            waits=waits,
        )


def has_failed(authentication: Mapping[str, Any]) -> bool:
    """Whether a message's authentication is known to have failed.

    DMARC decides where it passed or failed (RFC 7489 section 6.6.2); else SPF, which for a report
    judges the name that its server gave (RFC 7208 section 2.3), unless a signature is good.
    """
    dmarc = _word(authentication.get("dmarc"))
    if dmarc in ("pass", "fail"):
        return dmarc == "fail"
    signatures = authentication.get("dkim")
    results = signatures if isinstance(signatures, list) else [signatures]
    if any(_word(one) == "pass" for one in results):
        return False
    return _word(authentication.get("spf")) == "fail"


def finding_of(said: ReportedRecipient) -> Finding:
    """What a report says of a recipient, in the words of deliveries and events."""
    addresses = tuple(dict.fromkeys(_spellings(said.addresses)))
    status, diagnostic = said.status, said.diagnostic
    match said.action:
        case "failed":
            kind = _bounce_type(status, diagnostic)
            state = "failed" if _is_expired(status) else "bounced"
            sub_type = sub_type_of(status)
            return Finding(addresses, state, state, status, diagnostic, kind, sub_type)
        case "complained":
            return Finding(addresses, "complained", "complained")
        case "delivered":
            return Finding(addresses, "delivered", "delivered", status, diagnostic)
        case "delayed":
            # The next server has it and goes on trying: were it ours again, we would send it twice.
            return Finding(addresses, "deferred", None, status, diagnostic)
        case "relayed" | "expanded" as noted:
            return Finding(addresses, noted, None, status, diagnostic)


def _bounce_type(status: str | None, diagnostic: str | None) -> BounceType:
    severity = (status or class_in(diagnostic or "") or "")[:1]
    if severity == "4" or (status or "").partition(".")[2] in _PASSING:
        return "transient"
    return "permanent" if severity == "5" else "undetermined"


def _is_expired(status: str | None) -> bool:
    """Whether it was given up after a while, as we do ourselves (``failed``)."""
    return status is not None and (status[0] == "4" or status.partition(".")[2] == _EXPIRED)


def _spellings(addresses: Iterable[str]) -> Iterable[str]:
    """Addresses in one case; a domain in A-labels in letters as well (RFC 5890)."""
    for address in addresses:
        yield canonical(address)
        local, _, domain = canonical(address).rpartition("@")
        if "xn--" in domain:
            yield f"{local}@{'.'.join(_letters(label) for label in domain.split('.'))}"


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _provider_ids(message_ids: Iterable[str]) -> list[str]:
    """The provider's names for messages that Message-IDs of its own making hold."""
    found = []
    for one in message_ids:
        local, _, domain = one.rpartition("@")
        if local and f".{domain.lower()}".endswith(_PROVIDER_DOMAIN):
            found.append(local)
    return found


def _feedback(report: ReceivedReport) -> dict[str, str | None]:
    agent = report.feedback_agent
    return {
        "complaint_type": report.feedback_type,
        "feedback_agent": None if agent is None else cleaned(agent, 100),
    }


def _word(result: object) -> str:
    """A result as it is stored: a word, or an object that holds one."""
    if isinstance(result, Mapping):
        # Of one signature among several, or with a reason beside the result.
        return _word(result.get("result"))
    return result.lower() if isinstance(result, str) else ""
