"""The job that tells a sender by mail what became of a message (RFC 3464).

The outcome that it tells was committed together with this job.  The notification and the fact that
it was written are one transaction too: a job that runs again, because its worker died before it
could say that it was done, finds that and writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from agentpost.errors import NotFound
from agentpost.ids import InboxId, MessageId
from agentpost.mail.delivery import Delivery
from agentpost.mail.reports import written
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Verdict
from agentpost.model.message import IdempotentRequest, MessageContent
from agentpost.model.relay import Report
from agentpost.store.messages import Messages
from agentpost.store.relays import Relays


class _Payload(msgspec.Struct, frozen=True):
    """What to tell; without a report, that deliveries on this server succeeded."""

    message_id: str
    inbox_id: str | None = None
    report: Report | None = None


class ReportWork:
    """See the module's text."""

    kind = "report"
    standing = False
    concurrency = 4
    deadline_s = 300.0

    def __init__(self, relays: Relays, messages: Messages, delivery: Delivery, host: str) -> None:
        """``host`` is this server's own name."""
        self._relays = relays
        self._messages = messages
        self._delivery = delivery
        self._host = host
        self._actor = system_actor("relay")

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    async def run(self, job: Job) -> Verdict:
        """Write one notification, unless its reader or what it would tell is gone."""
        try:
            asked = msgspec.convert(job.payload, _Payload)
        except msgspec.ValidationError as error:
            return GivenUp(f"the job does not say what to tell: {error}")
        message = MessageId(asked.message_id)
        content = await self._content(message)
        report, inbox = asked.report, asked.inbox_id
        if report is None:
            report = await self._relays.local_successes(self._actor, message)
        if inbox is None and content is not None:
            inbox = content.message.inbox
        if report is None or inbox is None:
            return Done()
        name = f"report.{job.id}.{message.partition('_')[2].lower()}"
        octets = written(report, message, content, name, self._host)
        await self._delivery.deliver_once(
            InboxId(inbox),
            report.reverse_path,
            octets,
            "relay",
            # A customer's keys have no colon.
            IdempotentRequest(f"report:{name}", hashlib.sha256(name.encode()).digest()),
        )
        return Done()

    async def _content(self, message: MessageId) -> MessageContent | None:
        try:
            return await self._messages.content(self._actor, message)
        except NotFound:
            return None
