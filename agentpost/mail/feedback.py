"""What SES says became of mail that left, as outcomes of our deliveries and events (R74, R75).

SES tags every notification with what the relay tagged the message with, which names our message
and the attempt; mail that went out without tags is known by the name that SES gave it.

``Send`` is no outcome of a recipient: it proves that an attempt reached SES, which settles one
whose answer was lost.  Any other news proves the same, and settles the attempt first where it is
still open.  ``Open``, ``Click`` and ``Subscription`` are nobody's concern here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from agentpost import clock
from agentpost.clock import rfc3339
from agentpost.ids import MessageId, is_id
from agentpost.limits import InboundLimits
from agentpost.mime.fields import shown_email
from agentpost.model.actor import system_actor
from agentpost.model.notification import (
    Feedback,
    FeedbackRecipient,
    FeedbackState,
    SesBouncedRecipient,
    SesMail,
    SesNotification,
)
from agentpost.store.feedback import FeedbackLog

MESSAGE_TAG: Final = "agentpost_message"
ATTEMPT_TAG: Final = "agentpost_attempt"

_ATTEMPT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_ANGLED: Final = re.compile(r"[^<>]*<([^<>]+)>[ \t]*")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MAX_WORD: Final = 64
"""Characters of an enhanced status code or of a kind."""
_BOUNCES: Final[dict[str, tuple[FeedbackState, str]]] = {
    "Permanent": ("bounced", "permanent"),
    # SES has tried for hours before it says so.
    "Transient": ("failed", "transient"),
}


class Confirm(Protocol):
    """Settles an attempt that has reached SES, whatever became of its answer."""

    async def __call__(
        self, message: MessageId, attempt: int, provider_id: str, recipients: Sequence[str]
    ) -> object:
        """The same again does nothing."""
        ...


async def nothing_to_confirm(
    message: MessageId, attempt: int, provider_id: str, recipients: Sequence[str]
) -> None:
    """For relays whose attempts are settled by their answers alone."""


class FeedbackDesk:
    """Takes what SES says of mail that left.  A ``Listener`` of the kinds in ``KINDS``."""

    def __init__(
        self,
        feedback: FeedbackLog,
        confirm: Confirm = nothing_to_confirm,
        limits: InboundLimits | None = None,
    ) -> None:
        self._feedback = feedback
        self._confirm = confirm
        self._limits = limits or InboundLimits()
        self._actor = system_actor("ses")

    async def __call__(self, notification: str, said: SesNotification) -> str:
        """See ``Listener``."""
        mail, limits = said.mail, self._limits
        if mail is None or not 0 < len(mail.message_id) <= limits.max_id_characters:
            return "unreadable"
        if "\0" in mail.message_id:
            return "unreadable"
        tags = _tags(mail)
        if said.kind == "Send":
            if tags is None:
                return "unknown"
            await self._confirm(*tags, mail.message_id, _addresses(mail.destination))
            return "confirmed"
        feedback = _feedback(notification, said, mail, limits)
        if feedback is None:
            return "unreadable"
        outcome = await self._feedback.settle(self._actor, feedback, confirmed=tags is None)
        if outcome == "in_doubt" and tags is not None:
            await self._confirm(*tags, mail.message_id, _addresses(mail.destination))
            outcome = await self._feedback.settle(self._actor, feedback, confirmed=True)
        return outcome


@dataclass(frozen=True, slots=True)
class _News:
    """One notification in our words; ``told`` is each recipient's item in the event."""

    state: FeedbackState
    kind: str
    moment: str | None
    recipients: Sequence[SesBouncedRecipient]
    event: str
    items: str
    told: Callable[[SesBouncedRecipient], object]
    data: Callable[[str], dict[str, object]]


def _feedback(
    notification: str, said: SesNotification, mail: SesMail, limits: InboundLimits
) -> Feedback | None:
    """What ``said`` means; None when it lacks the part or the people that belong to its kind."""
    read = _READERS.get(said.kind)
    news = None if read is None else read(said, mail)
    if news is None:
        return None
    at = _moment(news.moment)
    people = {one.email_address.lower(): one for one in _bounded(news.recipients, limits)}
    if not people:
        return None
    tags = _tags(mail)
    return Feedback(
        notification=notification,
        provider_id=mail.message_id,
        message=None if tags is None else tags[0],
        attempt=None if tags is None else tags[1],
        state=news.state,
        kind=news.kind,
        at=at,
        recipients=tuple(
            FeedbackRecipient(one.email_address, one.status, one.diagnostic_code, news.told(one))
            for one in people.values()
        ),
        event=news.event,
        items=news.items,
        data=news.data(rfc3339(at)),
    )


def _bounded(
    people: Sequence[SesBouncedRecipient], limits: InboundLimits
) -> Iterable[SesBouncedRecipient]:
    """At most so many recipients, each with a plain address and words of bounded length."""
    for one in people[: limits.max_recipients]:
        status = _cut(one.status, _MAX_WORD)
        words = _cut(one.diagnostic_code, limits.max_words_characters)
        for address in _forms(_plain(one.email_address)):
            yield SesBouncedRecipient(address, status, words)


def _forms(address: str) -> tuple[str, ...]:
    """``address`` as SES was told it, and as people write it where that differs.

    A delivery has one of them.
    """
    shown = shown_email(address)
    if shown == address or _SURROGATE.search(shown):
        return (address,) if address else ()
    return (address, shown)


def _delivery(said: SesNotification, mail: SesMail) -> _News | None:
    one = said.delivery
    if one is None:
        return None
    response = _cut(one.smtp_response)
    return _News(
        state="delivered",
        kind="",
        moment=one.timestamp,
        recipients=[
            SesBouncedRecipient(address, None, f"smtp; {response}" if response else None)
            for address in one.recipients
        ],
        event="message.delivered",
        items="recipients",
        told=_address,
        data=lambda at: {"smtp_response": response, "delivered_at": at},
    )


def _bounce(said: SesNotification, mail: SesMail) -> _News | None:
    one = said.bounce
    if one is None:
        return None
    state, kind = _BOUNCES.get(one.bounce_type, ("bounced", "undetermined"))
    sub_type = _HUMP.sub("_", _cut(one.bounce_sub_type, _MAX_WORD) or "general").lower()
    return _News(
        state=state,
        kind=kind,
        moment=one.timestamp,
        recipients=one.bounced_recipients,
        event="message.bounced",
        items="bounced_recipients",
        told=lambda who: _refusal(who, "failed"),
        data=lambda at: {"bounce_type": kind, "bounce_sub_type": sub_type, "bounced_at": at},
    )


def _complaint(said: SesNotification, mail: SesMail) -> _News | None:
    one = said.complaint
    if one is None:
        return None
    kind = _cut(one.complaint_feedback_type, _MAX_WORD) or "abuse"
    agent = _cut(one.user_agent)
    return _News(
        state="complained",
        kind=kind,
        moment=one.timestamp,
        recipients=one.complained_recipients,
        event="message.complained",
        items="complained_recipients",
        told=_address,
        data=lambda at: {"complaint_type": kind, "feedback_agent": agent, "complained_at": at},
    )


def _delay(said: SesNotification, mail: SesMail) -> _News | None:
    one = said.delivery_delay
    if one is None:
        return None
    return _News(
        state="deferred",
        kind=_cut(one.delay_type, _MAX_WORD) or "",
        moment=one.timestamp,
        recipients=one.delayed_recipients,
        event="message.deferred",
        items="deferred_recipients",
        told=lambda who: _refusal(who, "delayed"),
        data=lambda at: {"deferred_at": at},
    )


def _reject(said: SesNotification, mail: SesMail) -> _News | None:
    return None if said.reject is None else _rejected(said.reject.reason, mail)


def _failure(said: SesNotification, mail: SesMail) -> _News | None:
    return None if said.failure is None else _rejected(said.failure.error_message, mail)


def _rejected(reason: str, mail: SesMail) -> _News:
    words = _cut(reason) or None
    return _News(
        state="rejected",
        kind="",
        moment=None,
        recipients=[SesBouncedRecipient(one, None, words) for one in mail.destination],
        event="message.rejected",
        items="recipients",
        told=_address,
        data=lambda at: {"reason_code": "provider_reject", "reason": words},
    )


_READERS: Final[dict[str, Callable[[SesNotification, SesMail], _News | None]]] = {
    "Delivery": _delivery,
    "Bounce": _bounce,
    "Complaint": _complaint,
    "DeliveryDelay": _delay,
    "Reject": _reject,
    "RenderingFailure": _failure,
}
KINDS: Final = ("Send", *_READERS)
"""What is listened to."""


def _address(one: SesBouncedRecipient) -> object:
    return one.email_address


def _refusal(one: SesBouncedRecipient, action: str) -> object:
    return {
        "email_address": one.email_address,
        "status": one.status,
        "diagnostic_code": one.diagnostic_code,
        "action": action,
    }


def _tags(mail: SesMail) -> tuple[MessageId, int] | None:
    """The message and the attempt that the relay tagged it with."""
    message = next(iter(mail.tags.get(MESSAGE_TAG, ())), "")
    attempt = next(iter(mail.tags.get(ATTEMPT_TAG, ())), "")
    if not is_id(message, "msg") or _ATTEMPT.fullmatch(attempt) is None:
        return None
    return MessageId(message), int(attempt)


def _addresses(written: Sequence[str]) -> tuple[str, ...]:
    return tuple(address for address in map(_plain, written) if address)


def _plain(written: str) -> str:
    """The address in ``written``, which may have a name before it; empty when there is none."""
    angled = _ANGLED.fullmatch(written)
    address = written if angled is None else angled[1]
    return "" if "\0" in address or "@" not in address else address.strip(" \t")


def _cut(text: str | None, most: int = 998) -> str | None:
    return None if text is None else text.replace("\0", "")[:most]


def _moment(text: str | None) -> datetime:
    """When it happened, as SES says; now when it says nothing that can be read."""
    if text is not None and _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    return clock.now()
