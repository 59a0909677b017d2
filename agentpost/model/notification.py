"""What Amazon SES tells: mail that came for us, and what became of mail that we sent.

Sources: Amazon SES Developer Guide, "Contents of notifications for Amazon SES email receiving",
"Amazon SNS notification contents for Amazon SES" (the kind in ``notificationType``) and "Contents
of event data that Amazon SES publishes to Amazon SNS" (the kind in ``eventType``).  The last two
tell the same in nearly the same words; whoever has set up both hears everything twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from agentpost.ids import MessageId


class SesVerdict(msgspec.Struct, frozen=True):
    """One of SES's looks at a mail: PASS, FAIL, GRAY, PROCESSING_FAILED or DISABLED."""

    status: str = ""


class SesAction(msgspec.Struct, frozen=True, rename="camel"):
    """Where the receipt rule put the mail."""

    type: str = ""
    encoding: str | None = None
    bucket_name: str | None = None
    object_key: str | None = None


class SesReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """What SES knows of a mail that came; ``recipients`` are of the envelope."""

    recipients: list[str] = []
    spam_verdict: SesVerdict | None = None
    virus_verdict: SesVerdict | None = None
    spf_verdict: SesVerdict | None = None
    dkim_verdict: SesVerdict | None = None
    dmarc_verdict: SesVerdict | None = None
    action: SesAction = SesAction()


class SesMail(msgspec.Struct, frozen=True, rename="camel"):
    """The mail that is spoken of; ``message_id`` is SES's own name for it."""

    message_id: str
    source: str = ""
    destination: list[str] = []
    tags: dict[str, list[str]] = {}


class SesBouncedRecipient(msgspec.Struct, frozen=True, rename="camel"):
    """A recipient in the words of the server that refused it, or that has not taken it yet."""

    email_address: str
    status: str | None = None
    diagnostic_code: str | None = None


class SesBounce(msgspec.Struct, frozen=True, rename="camel"):
    """Permanent, Transient or Undetermined."""

    bounce_type: str
    bounce_sub_type: str = ""
    bounced_recipients: list[SesBouncedRecipient] = []
    timestamp: str | None = None


class SesComplaint(msgspec.Struct, frozen=True, rename="camel"):
    """Recipients of whom one called the mail spam (RFC 5965 has the types)."""

    complained_recipients: list[SesBouncedRecipient] = []
    complaint_feedback_type: str | None = None
    user_agent: str | None = None
    timestamp: str | None = None


class SesDelivery(msgspec.Struct, frozen=True, rename="camel"):
    """Recipients whose server took the mail."""

    recipients: list[str] = []
    smtp_response: str | None = None
    timestamp: str | None = None


class SesDelay(msgspec.Struct, frozen=True, rename="camel"):
    """Recipients whose server has not taken the mail yet; SES goes on trying."""

    delayed_recipients: list[SesBouncedRecipient] = []
    delay_type: str = ""
    timestamp: str | None = None


class SesReject(msgspec.Struct, frozen=True, rename="camel"):
    """SES took the mail and then would not send it: it holds a virus."""

    reason: str = ""


class SesFailure(msgspec.Struct, frozen=True, rename="camel"):
    """SES could not make the mail from its template."""

    error_message: str = ""


class SesNotification(msgspec.Struct, frozen=True, rename="camel"):
    """One notification, with the one part that belongs to its kind."""

    mail: SesMail | None = None
    notification_type: str | None = None
    event_type: str | None = None
    receipt: SesReceipt | None = None
    content: str | None = None
    bounce: SesBounce | None = None
    complaint: SesComplaint | None = None
    delivery: SesDelivery | None = None
    delivery_delay: SesDelay | None = None
    reject: SesReject | None = None
    failure: SesFailure | None = None

    @property
    def kind(self) -> str:
        """``Received``, ``Bounce``, ``RenderingFailure`` and so on; empty when it does not say."""
        return (self.event_type or self.notification_type or "").replace(" ", "")


Result = Literal["pass", "fail", "gray", "none"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a provider that we trust found out about a mail; ``none``: it did not look."""

    spam: Result = "none"
    virus: Result = "none"
    spf: Result = "none"
    dkim: Result = "none"
    dmarc: Result = "none"


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail that a provider took for us.

    ``id`` is the provider's name for it; ``object_key`` where its octets are kept, if they are;
    ``notification`` the one that told of it.  ``assumed`` are recipients of whom the header
    speaks, while nobody knows whether they were in the envelope.  ``ip`` and ``helo`` are of the
    server that brought it.
    """

    id: str
    octets: bytes
    recipients: tuple[str, ...]
    verdicts: Verdicts
    reverse_path: str = ""
    ip: str | None = None
    helo: str | None = None
    assumed: tuple[str, ...] = ()
    object_key: str | None = None
    notification: str | None = None


MailOutcome = Literal["delivered", "unknown", "loop", "too_large", "unacceptable"]
"""What a received mail came to; ``unknown``: none of its recipients lives here;
``unacceptable``: it cannot be stored."""

FeedbackState = Literal["delivered", "deferred", "bounced", "failed", "complained", "rejected"]


@dataclass(frozen=True, slots=True)
class FeedbackRecipient:
    """A recipient, what its server said, and what the event says of it."""

    address: str
    status: str | None
    diagnostic: str | None
    item: object


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a provider says became of some recipients of one message.

    ``message`` and ``attempt`` are what the relay tagged it with; ``provider_id`` is what the
    provider calls it.  ``kind`` refines ``state`` (``permanent``, ``transient``, ``abuse``).  The
    event of type ``event`` is ``data`` with the recipients' items under the name ``items``.
    """

    notification: str
    provider_id: str
    message: MessageId | None
    attempt: int | None
    state: FeedbackState
    kind: str
    at: datetime
    recipients: tuple[FeedbackRecipient, ...]
    event: str
    items: str
    data: dict[str, object]


FeedbackOutcome = Literal["settled", "repeated", "unknown", "in_doubt"]
