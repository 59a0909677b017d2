"""One attempt to tell one webhook one event: what is sent, and what its answer means.

Sources: API.md, Webhook delivery; RFC 9110 section 10.2.3 for Retry-After.
"""

from __future__ import annotations

import email.utils
import logging
import random
import re
from collections.abc import Callable
from datetime import UTC
from typing import Final

import trio

from agentpost import clock
from agentpost.auth.signatures import signed
from agentpost.events import agentmail
from agentpost.limits import WebhookLimits
from agentpost.mail.telling import Telling
from agentpost.metrics import WEBHOOKS
from agentpost.model.actor import system_actor
from agentpost.model.event import Event
from agentpost.model.webhook import Due, Outcome, Webhook
from agentpost.net.egress import Answer, Egress, EgressFailed, EgressRefused
from agentpost.version import version

log = logging.getLogger(__name__)

HIDDEN: Final = "(hidden)"
_SECRET_FIELDS: Final = frozenset(
    {"webhook-signature", "svix-signature", "x-agentpost-signature", "set-cookie", "set-cookie2"}
)
_RENDERED_AT_ONCE: Final = 8
"""Messages that are read together: one may take tens of megabytes meanwhile."""
_LARGE_OCTETS: Final = 64 * 1024
_LARGE_AT_ONCE: Final = 64
"""Larger bodies under way: at most 64 MB, however many receivers hang."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Attempting:
    """Makes attempts."""

    def __init__(
        self,
        telling: Telling,
        egress: Egress,
        limits: WebhookLimits | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """``spread`` gives numbers from 0 to 1 for pauses."""
        self._telling = telling
        self._egress = egress
        self._limits = limits or WebhookLimits()
        self._spread = spread
        self._actor = system_actor("webhooks")
        self._rendering = trio.CapacityLimiter(_RENDERED_AT_ONCE)
        self._large = trio.CapacityLimiter(_LARGE_AT_ONCE)

    async def attempt(self, webhook: Webhook, due: Due) -> Outcome:
        """Tell ``webhook`` what is due, once."""
        if due.event is None:
            return Outcome(due.id, due.attempts, False, None, error="event_gone", counts=False)
        try:
            async with self._rendering:
                body = await self._body(webhook, due.event, due.address)
        except Exception:
            log.exception("event %s could not be written for a webhook", due.event.id)
            return self._again(due, "internal", counts=False)
        if len(body) <= _LARGE_OCTETS:
            return await self._post(webhook, due, due.event, body)
        async with self._large:
            return await self._post(webhook, due, due.event, body)

    async def _body(self, webhook: Webhook, event: Event, address: str | None) -> bytes:
        if webhook.payload == "agentmail":
            told = await self._telling.told(self._actor, event, full=True)
            return agentmail.envelope(event, told, address)
        return await self._telling.envelope(self._actor, event, full=webhook.payload == "full")

    async def _post(self, webhook: Webhook, due: Due, event: Event, body: bytes) -> Outcome:
        own = (
            ("content-type", "application/json"),
            ("user-agent", f"AgentPost/{version()}"),
            *signed(webhook.secrets, event.id, int(clock.now().timestamp()), body),
            ("x-agentpost-event", event.type),
            ("x-agentpost-attempt", str(due.attempts + 1)),
        )
        shown = {name: HIDDEN if name in _SECRET_FIELDS else value for name, value in own}
        shown |= {name.lower(): HIDDEN for name, _ in webhook.headers}
        try:
            answer = await self._egress.post(
                webhook.url, (*own, *webhook.headers), body, float(webhook.timeout_s)
            )
        except EgressRefused:
            return self._again(due, "address_refused", shown)
        except EgressFailed as error:
            return self._again(due, error.reason, shown)
        return self._judged(due, answer, shown)

    def _judged(self, due: Due, answer: Answer, shown: dict[str, str]) -> Outcome:
        ok = 200 <= answer.status < 300
        WEBHOOKS.labels(f"{answer.status // 100}xx").inc()
        return Outcome(
            due.id,
            due.attempts,
            ok,
            None if ok else self._pause(due, retry_after(answer.field("retry-after"))),
            status=answer.status,
            error=None if ok else "status",
            took_ms=answer.took_ms,
            request_headers=shown,
            response_headers={
                name: HIDDEN if name in _SECRET_FIELDS else value for name, value in answer.fields
            },
            response_body=answer.body.decode("utf-8", "replace").replace("\0", ""),
            gone=answer.status == 410,
        )

    def _again(
        self, due: Due, error: str, shown: dict[str, str] | None = None, *, counts: bool = True
    ) -> Outcome:
        WEBHOOKS.labels(error).inc()
        return Outcome(
            due.id,
            due.attempts,
            False,
            self._pause(due),
            error=error,
            request_headers=shown or {},
            counts=counts,
        )

    def _pause(self, due: Due, asked_s: float = 0.0) -> float | None:
        """Until the next attempt; None after the last."""
        limits = self._limits
        if due.attempts >= len(limits.pauses_s):
            return None
        varied = 1 + limits.jitter * (2 * self._spread() - 1)
        return max(limits.pauses_s[due.attempts] * varied, min(asked_s, limits.max_retry_after_s))


def retry_after(text: str | None) -> float:
    """The seconds that Retry-After asks for; 0 when it asks for nothing that can be read."""
    if text is None:
        return 0.0
    text = text.strip(" \t")
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text[:100])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - clock.now()).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
