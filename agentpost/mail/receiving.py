"""Everything that hears what Amazon SES says, put together as the operator wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentpost.config import Config
from agentpost.limits import MessageLimits
from agentpost.mail.authentication import authenticate, given_by_ses, shown
from agentpost.mail.aws import Access
from agentpost.mail.feedback import KINDS, Confirm, FeedbackDesk, nothing_to_confirm
from agentpost.mail.inbound import Admits, Authenticate, Inbound, as_given, from_everybody
from agentpost.mail.notifications import Fetch, Fetcher, Listener, Notifications
from agentpost.mail.objects import ObjectSource, source_of
from agentpost.model.dns import Dns
from agentpost.model.notification import Verdicts
from agentpost.store.feedback import FeedbackLog
from agentpost.store.inbound import InboundMails
from agentpost.store.opening import Store

_RECEIVED = "Received"


def by_ourselves(resolver: Dns) -> Authenticate:
    """Our own evaluation of SPF, DKIM, DMARC and ARC; what it cannot know it takes from SES."""

    async def judged(
        octets: bytes, *, ip: str | None, helo: str | None, reverse_path: str, given: Verdicts
    ) -> dict[str, Any]:
        found = await authenticate(
            octets,
            ip=ip,
            helo=helo or "",
            reverse_path=reverse_path,
            resolver=resolver,
            given=given_by_ses(given.spf.upper(), given.dmarc.upper()),
        )
        return shown(found)

    return judged


@dataclass(frozen=True, slots=True)
class Receiving:
    """What a worker needs of it: the door for SNS, and the bucket with what takes its mail in.

    ``source`` is None when no bucket is configured.
    """

    notifications: Notifications
    inbound: Inbound
    mails: InboundMails
    source: ObjectSource | None


def make_receiving(
    settings: Config,
    store: Store,
    message: MessageLimits,
    *,
    confirm: Confirm = nothing_to_confirm,
    judge: Authenticate = as_given,
    admits: Admits = from_everybody,
    fetch: Fetch | None = None,
    source: ObjectSource | None = None,
) -> Receiving:
    """``fetch`` and ``source`` stand in for Amazon where a test does not want it."""
    if source is None and settings.inbound_s3 is not None:
        access = Access(settings.aws_region, settings.aws_endpoint_url)
        source = source_of(settings.inbound_s3, access)
    mails = InboundMails(store.door, store.committer)
    inbound = Inbound(mails, store.directory, source, message.max_octets, judge, admits)
    desk = FeedbackDesk(FeedbackLog(store.door, store.committed, store.forget), confirm)
    listeners: dict[str, Listener] = {_RECEIVED: inbound, **dict.fromkeys(KINDS, desk)}
    topics = frozenset(settings.sns_topic_arns)
    notifications = Notifications(topics, fetch or Fetcher(), listeners)
    return Receiving(notifications, inbound, mails, source)
