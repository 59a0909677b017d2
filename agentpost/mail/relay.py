"""Relay: how a message leaves this server (the MTA of RFC 5598, in its simplest form).

Knows what a transport is, which one a message takes, what its octets must look like outside, and
what an attempt's outcome means for the customer: events, and when to try again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from agentpost.clock import rfc3339
from agentpost.ids import MessageId
from agentpost.limits import RelayLimits
from agentpost.mime.fields import ascii_domain, is_message_id
from agentpost.mime.outgoing import outgoing as outside
from agentpost.model.relay import Doubts, NewEvent, Outgoing, RecipientOutcome

_ACCEPTED = ("sent", "delivered", "complained")


class Transport(Protocol):
    """A way out of this server."""

    @property
    def name(self) -> str:
        """What events and environments call it: ``smtp``, ``ses``, ``simulator``."""
        ...

    @property
    def once(self) -> bool:
        """Whether nothing may be repeated whose outcome is unknown: events tell of it later."""
        ...

    async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
        """Offer the message to the next server; at least one outcome for each recipient.

        Temporary and permanent failures are outcomes.  What is raised is a fault of ours, and
        counts as ``deferred`` for all recipients; where a message goes out ``once``, as in doubt.
        """
        ...

    async def settled(self, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]) -> None:
        """The outcomes have been written."""
        ...

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """Tasks that run while the transport is in use; they close it when cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Ways:
    """The transports of this deployment; what is made in a test environment never leaves it.

    ``configured`` is for environments that have not chosen one; they may choose any.
    """

    configured: Transport
    simulator: Transport
    others: tuple[Transport, ...] = ()

    def all(self) -> Mapping[str, Transport]:
        """Every transport by its name."""
        return {one.name: one for one in (self.configured, self.simulator, *self.others)}

    def of(self, outgoing: Outgoing) -> Transport | None:
        """The transport that ``outgoing`` takes; None when it is not set up here any more."""
        if outgoing.simulated:
            return self.simulator
        return self.all().get(outgoing.relay or self.configured.name)

    def once(self) -> tuple[str, ...]:
        """The names of the transports that repeat nothing while it is in doubt."""
        return tuple(name for name, one in self.all().items() if one.once)

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """The tasks of all transports."""
        return [task for one in self.all().values() for task in one.beside()]


def prepared(outgoing: Outgoing, domain: str) -> Outgoing:
    """``outgoing`` as it may be seen outside, the same at every attempt.

    Without Bcc and what steers this server, lines ended by CRLF, and with Message-ID and Date
    when they are missing.  ``domain`` names the server in a Message-ID when the reverse-path has
    no domain.
    """
    own = outside_id(outgoing.message, outgoing.reverse_path, domain)
    octets = outside(outgoing.octets, message_id=own, date=outgoing.accepted_at)
    return replace(outgoing, octets=octets)


def outside_id(message: MessageId, sender: str, domain: str) -> str:
    """The Message-ID by which a message without one is known outside, without brackets."""
    local = message.partition("_")[2].lower()
    return f"{local}@{_written(sender.rpartition('@')[2]) or domain}"


def _written(domain: str) -> str:
    """``domain`` as a Message-ID may name it; empty when it cannot."""
    written = ascii_domain(domain)
    return written if is_message_id(f"x@{written}") else ""


def again_at(
    outgoing: Outgoing,
    outcomes: Sequence[RecipientOutcome],
    now: datetime,
    limits: RelayLimits,
    spread: float,
) -> datetime | None:
    """When to try the deferred recipients again; None when it is over, for them as well.

    ``spread`` is a number from 0 to 1 that varies the pause.
    """
    deferred = [one for one in outcomes if one.state == "deferred"]
    if not deferred:
        return None
    asked = [one.retry_after_s for one in deferred if one.retry_after_s is not None]
    if asked:
        pause = min(asked)
    else:
        attempts = max((one.attempts for one in outgoing.recipients), default=1)
        pause = min(limits.first_retry_s * 2.0 ** min(attempts - 1, 30), limits.max_retry_s)
        pause *= 1 + limits.jitter * (2 * spread - 1)
    when = now + timedelta(seconds=pause)
    return when if when < outgoing.accepted_at + timedelta(seconds=limits.give_up_s) else None


def look_at(
    outgoing: Outgoing, outcomes: Sequence[RecipientOutcome], now: datetime, doubts: Doubts
) -> datetime | None:
    """When to look what has become of those in doubt; None when nobody is."""
    looks = [one.since + timedelta(seconds=doubts.wait_s) for one in outgoing.in_doubt]
    later = now + timedelta(seconds=doubts.recheck_s)
    looks = [look if look > now else later for look in looks]
    if any(one.state == "sending" for one in outcomes):
        looks.append(now + timedelta(seconds=doubts.wait_s))
    return min(looks, default=None)


def given_up(
    outgoing: Outgoing, now: datetime, doubts: Doubts
) -> tuple[Outgoing, tuple[RecipientOutcome, ...]]:
    """``outgoing`` without those whose doubt is waited for no longer, and their outcomes.

    Source: RFC 3463 section 3.5, X.4.7: delivery time expired.
    """
    patience = timedelta(seconds=doubts.wait_s + doubts.patience_s)
    over = [one for one in outgoing.in_doubt if one.since + patience <= now]
    outcomes = tuple(
        RecipientOutcome(
            one.recipient.address,
            "failed",
            "5.4.7",
            "The message may have been sent, or not: the answer to it was lost, and nothing has"
            " told of it since.",
            attempt=one.recipient.attempts,
        )
        for one in over
    )
    left = tuple(one for one in outgoing.in_doubt if one not in over)
    return replace(outgoing, in_doubt=left), outcomes


def expired(outcomes: Sequence[RecipientOutcome]) -> tuple[RecipientOutcome, ...]:
    """``outcomes`` with every ``deferred`` given up.

    Source: RFC 3463 section 3.5, X.4.7: delivery time expired.
    """
    return tuple(
        replace(
            one,
            state="failed",
            status="5.4.7",
            diagnostic=one.diagnostic or "The message could not be delivered in time.",
        )
        if one.state == "deferred"
        else one
        for one in outcomes
    )


def events_of(
    outgoing: Outgoing, outcomes: Sequence[RecipientOutcome], provider: str, now: datetime
) -> tuple[NewEvent, ...]:
    """What customers are told of an attempt (API.md, data by type), in the order of time."""
    moment = rfc3339(now)
    events: list[NewEvent] = []
    accepted = [one for one in outcomes if one.state in _ACCEPTED]
    if accepted:
        named = next((one.provider_id for one in accepted if one.provider_id is not None), None)
        events.append(
            NewEvent(
                "message.sent",
                {
                    "recipients": list(dict.fromkeys(one.recipient for one in accepted)),
                    "provider": provider,
                    "provider_message_id": named,
                    "sent_at": moment,
                },
            )
        )
    events += _delivered(outcomes, moment)
    events += _deferred(outgoing, outcomes, moment)
    events += _bounced(outcomes, moment)
    events += _rejected(outcomes)
    complained = [one.recipient for one in outcomes if one.state == "complained"]
    if complained:
        events.append(
            NewEvent(
                "message.complained",
                {
                    "complained_recipients": complained,
                    "complaint_type": "abuse",
                    "feedback_agent": provider,
                    "complained_at": moment,
                },
            )
        )
    return tuple(events)


def accepted_now(outcomes: Sequence[RecipientOutcome]) -> bool:
    """Whether some server took the message in this attempt."""
    return any(one.state in _ACCEPTED for one in outcomes)


def _delivered(outcomes: Sequence[RecipientOutcome], moment: str) -> list[NewEvent]:
    delivered = [one for one in outcomes if one.state == "delivered"]
    if not delivered:
        return []
    data: dict[str, object] = {
        "recipients": [one.recipient for one in delivered],
        "smtp_response": delivered[0].diagnostic,
        "delivered_at": moment,
    }
    return [NewEvent("message.delivered", data)]


def _deferred(
    outgoing: Outgoing, outcomes: Sequence[RecipientOutcome], moment: str
) -> list[NewEvent]:
    """Told once for a recipient, at the first attempt."""
    first = {one.address for one in outgoing.recipients if one.attempts == 1}
    deferred = [one for one in outcomes if one.state == "deferred" and one.recipient in first]
    if not deferred:
        return []
    data: dict[str, object] = {
        "deferred_recipients": [_refusal(one, "delayed") for one in deferred],
        "deferred_at": moment,
    }
    return [NewEvent("message.deferred", data)]


def _bounced(outcomes: Sequence[RecipientOutcome], moment: str) -> list[NewEvent]:
    events = []
    for state, kind in (("bounced", "permanent"), ("failed", "transient")):
        bounced = [one for one in outcomes if one.state == state]
        if bounced:
            data: dict[str, object] = {
                "bounce_type": kind,
                "bounce_sub_type": sub_type_of(bounced[0].status),
                "bounced_recipients": [_refusal(one, "failed") for one in bounced],
                "bounced_at": moment,
            }
            events.append(NewEvent("message.bounced", data))
    return events


def _rejected(outcomes: Sequence[RecipientOutcome]) -> list[NewEvent]:
    rejected = [one for one in outcomes if one.state == "rejected"]
    if not rejected:
        return []
    data: dict[str, object] = {
        "reason_code": "provider_reject",
        "reason": rejected[0].diagnostic,
        "recipients": [one.recipient for one in rejected],
    }
    return [NewEvent("message.rejected", data)]


def _refusal(one: RecipientOutcome, action: str) -> dict[str, object]:
    return {
        "email_address": one.recipient,
        "status": one.status,
        "diagnostic_code": one.diagnostic,
        "action": action,
    }


_SUB_TYPES = {
    "1.1": "no_such_address",
    "1.2": "no_such_domain",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "3.4": "message_too_large",
    "4.7": "expired",
    "7.1": "blocked",
}


def sub_type_of(status: str | None) -> str:
    """The kind of a bounce by subject and detail of its status (RFC 3463 section 3)."""
    return _SUB_TYPES.get((status or "").partition(".")[2], "general")
