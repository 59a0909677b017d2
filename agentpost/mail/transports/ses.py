"""Amazon SES: mail leaves by SESv2's SendEmail, as octets that are ready.

The envelope is the call's: SES sends to its destinations and no others, so that a Bcc recipient
needs no field.  Every call carries the message and the number of the attempt as tags, which SES's
events repeat.  An answer that says no is an outcome; a call that was not handed over is made again
later; one that was handed over and not answered leaves its recipients in doubt (``sending``),
because SES cannot be asked what became of it.

Everything an attempt does ends well before its doubt does, so that no call is still on its way when
another attempt begins.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import trio

from agentpost.limits import SesLimits
from agentpost.mail.aws import Access, Client, Doubt, Refused, Unreached, open_client
from agentpost.mail.transports import wire
from agentpost.mail.transports.pace import Pace
from agentpost.mime.fields import wire_email
from agentpost.model.relay import OutcomeState, Outgoing, RecipientOutcome, RelayRecipient

log = logging.getLogger(__name__)

MESSAGE_TAG: Final = "agentpost_message"
ATTEMPT_TAG: Final = "agentpost_attempt"
"""Names of the tags that SES's events repeat."""

_THROTTLED: Final = frozenset(
    {
        "TooManyRequestsException",
        "LimitExceededException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "SlowDown",
    }
)
_DAILY: Final = "daily"
"""In the words of a refusal: the quota of a day is used up, which no slower pace cures."""
_OUTCOMES: Final[dict[str, tuple[OutcomeState, str]]] = {
    # The message as it is, or who sends it, is not taken.
    "MessageRejected": ("rejected", "5.7.1"),
    "BadRequestException": ("rejected", "5.6.0"),
    "ValidationException": ("rejected", "5.6.0"),
    "MailFromDomainNotVerifiedException": ("rejected", "5.7.1"),
    "AccountSuspendedException": ("rejected", "5.7.1"),
    "RequestEntityTooLargeException": ("rejected", "5.3.4"),
    # Whoever runs this server can mend it while the message waits.
    "SendingPausedException": ("deferred", "4.3.2"),
    "ServiceUnavailable": ("deferred", "4.3.2"),
    "NotFoundException": ("deferred", "4.3.5"),
}
_OTHERWISE: Final[tuple[OutcomeState, str]] = ("deferred", "4.3.5")
"""Credentials, permissions, and whatever SES will refuse with one day."""
_QUOTA_EVERY_S: Final = 3600.0
_OPEN_AGAIN_S: Final = 60.0


class Ses:
    """See the module's text."""

    name = "ses"
    once = True

    def __init__(
        self,
        access: Access,
        configuration_set: str | None,
        doubt_s: float,
        limits: SesLimits | None = None,
    ) -> None:
        """``doubt_s`` is after which an attempt without an answer may be followed by another."""
        self._access = access
        self._configuration_set = configuration_set
        self._limits = limits or SesLimits()
        self._begin_s = min(self._limits.begin_s, doubt_s / 4)
        self._call_s = min(self._limits.call_s, doubt_s / 2)
        self._pace: Pace | None = None
        self._client: Client | None = None
        self._opened = trio.Event()

    async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
        """Give the message to SES, in as many calls as its recipients take."""
        # Nothing is called after this: another attempt may have begun by the time of the answer.
        until = trio.current_time() + self._begin_s
        outcomes: list[RecipientOutcome] = []
        refusal = self._refusal(outgoing)
        if refusal is not None:
            return _all(outgoing.recipients, "rejected", *refusal)
        waiting: list[RelayRecipient] = []
        for one in outgoing.recipients:
            if wire.is_sendable(one.address) and wire_email(one.address).isascii():
                waiting.append(one)
            else:
                text = "Amazon SES takes no such address."
                outcomes.append(RecipientOutcome(one.address, "rejected", "5.1.3", text))
        client = await self._ready(until)
        while waiting:
            batch = waiting[: self._limits.max_recipients]
            waiting = waiting[len(batch) :]
            if client is None:
                outcomes += _all(batch, "deferred", "4.3.2", "Amazon SES cannot be spoken to.")
            else:
                outcomes += await self._batch(client, outgoing, batch, until)
        return tuple(outcomes)

    async def settled(self, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]) -> None:
        """Nothing follows."""

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (self._hold,)

    async def _hold(self) -> None:
        """Keep a client open, and know SES's quota."""
        while True:
            try:
                await self._serve()
            except ValueError as error:
                log.error("Amazon SES cannot be used: %s", error)
            await trio.sleep(_OPEN_AGAIN_S)

    async def _serve(self) -> None:
        async with open_client("sesv2", self._access) as client:
            self._client = client
            self._opened.set()
            try:
                while True:
                    await self._learn_quota(client)
                    await trio.sleep(_QUOTA_EVERY_S)
            finally:
                self._client, self._opened = None, trio.Event()

    async def _learn_quota(self, client: Client) -> None:
        try:
            account = await client.ask("get_account")
        except (Refused, Unreached, Doubt) as error:
            # The permission may be missing: then refusals teach the pace.
            log.info("the quota of Amazon SES is not known: %s", _short(error))
            return
        rate = account.get("SendQuota", {}).get("MaxSendRate", 0.0)
        if rate > 0:
            self._paced().quota(min(rate, self._limits.max_rate))

    def _paced(self) -> Pace:
        if self._pace is None:
            limits = self._limits
            self._pace = Pace(trio.current_time, least=limits.min_rate, most=limits.max_rate)
        return self._pace

    async def _ready(self, until: float) -> Client | None:
        with trio.move_on_at(min(until, trio.current_time() + self._limits.open_s)):
            await self._opened.wait()
        return self._client

    def _refusal(self, outgoing: Outgoing) -> tuple[str, str] | None:
        """Why SES cannot take this message at all: status and text."""
        most = self._limits.max_octets
        if len(outgoing.octets) > most:
            return "5.3.4", f"Amazon SES takes messages of up to {most} octets."
        sender = outgoing.reverse_path
        if sender and not (wire.is_sendable(sender) and wire_email(sender).isascii()):
            return "5.1.7", "Amazon SES takes no such sender's address."
        return None

    async def _batch(
        self, client: Client, outgoing: Outgoing, batch: Sequence[RelayRecipient], until: float
    ) -> tuple[RecipientOutcome, ...]:
        """One call, again when SES finds it too early; every recipient has an outcome then."""
        pace = self._paced()
        for _ in range(self._limits.max_refusals):
            wait = pace.turn(len(batch), min(self._limits.turn_s, until - trio.current_time()))
            if wait is None:
                break
            await trio.sleep(wait)
            if trio.current_time() >= until:
                break
            try:
                answer = await client.ask(
                    "send_email", self._call_s, **self._parameters(outgoing, batch)
                )
            except Refused as refused:
                if refused.code not in _THROTTLED:
                    return await self._refused(client, outgoing, batch, until, refused)
                if _DAILY in refused.text.lower():
                    return _all(batch, "deferred", "4.7.0", _words(refused))
                pace.refused()
            except Unreached as error:
                log.warning("Amazon SES cannot be reached: %s", error)
                return _all(batch, "deferred", "4.4.1", f"Amazon SES cannot be reached: {error}")
            except Doubt as error:
                log.warning(
                    "attempt %d for %s is in doubt: %s", outgoing.attempt, outgoing.message, error
                )
                return _all(batch, "sending", "4.4.2", f"Amazon SES's answer was lost: {error}")
            else:
                pace.accepted(len(batch))
                return _all(batch, "sent", "2.0.0", None, answer.get("MessageId"))
        late = _all(batch, "deferred", "4.3.2", "Amazon SES takes no more for the moment.")
        return tuple(replace(one, retry_after_s=self._limits.throttled_s) for one in late)

    async def _refused(
        self,
        client: Client,
        outgoing: Outgoing,
        batch: Sequence[RelayRecipient],
        until: float,
        refused: Refused,
    ) -> tuple[RecipientOutcome, ...]:
        """What a refusal means; one address that SES cannot read must not keep the others."""
        if refused.code == "BadRequestException" and len(batch) > 1:
            middle = len(batch) // 2
            first = await self._batch(client, outgoing, batch[:middle], until)
            return first + await self._batch(client, outgoing, batch[middle:], until)
        state, status = _OUTCOMES.get(refused.code, _OTHERWISE)
        if state == "deferred":
            log.error("Amazon SES refuses to send: %s", _short(refused))
        return _all(batch, state, status, _words(refused))

    def _parameters(self, outgoing: Outgoing, batch: Sequence[RelayRecipient]) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "Destination": {"ToAddresses": [wire_email(one.address) for one in batch]},
            "Content": {"Raw": {"Data": outgoing.octets}},
            "EmailTags": [
                {"Name": MESSAGE_TAG, "Value": outgoing.message},
                {"Name": ATTEMPT_TAG, "Value": str(outgoing.attempt)},
            ],
        }
        if outgoing.reverse_path:
            parameters["FromEmailAddress"] = wire_email(outgoing.reverse_path)
        if self._configuration_set is not None:
            parameters["ConfigurationSetName"] = self._configuration_set
        return parameters


def _all(
    recipients: Sequence[RelayRecipient],
    state: OutcomeState,
    status: str,
    text: str | None,
    provider_id: str | None = None,
) -> tuple[RecipientOutcome, ...]:
    make = partial(RecipientOutcome, state=state, status=status, diagnostic=text)
    return tuple(make(one.address, provider_id=provider_id) for one in recipients)


def _words(refused: Refused) -> str:
    return f"Amazon SES: {refused.code}: {refused.text}"


def _short(error: Exception) -> str:
    """Without SES's words, which may repeat addresses."""
    return error.code if isinstance(error, Refused) else str(error)
