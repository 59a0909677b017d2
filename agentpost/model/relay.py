"""A message on its way out of this server, and what the next one said about it.

Sources: RFC 5321 section 4.2 (replies), RFC 3463 (enhanced status codes), RFC 3461 (what the
sender asked to be told).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agentpost.ids import EnvironmentId, InboxId, MessageId, OrganizationId, ThreadId
from agentpost.model.envelope import Notify, Ret

OutcomeState = Literal[
    "sent", "delivered", "deferred", "bounced", "complained", "rejected", "failed"
]
"""What a delivery comes to.

``sent``: the next server took it.  ``delivered``: it reached the recipient.  ``deferred``: not
now.  ``bounced``: refused for ever.  ``complained``: the recipient called it spam.  ``rejected``:
it cannot be sent as it is.  ``failed``: given up after days of ``deferred``.
"""


@dataclass(frozen=True, slots=True)
class RelayRecipient:
    """A recipient still to be served; ``attempts`` counts the present one too."""

    address: str
    attempts: int
    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for the recipients that have not been served yet.

    ``thread`` is None when the sender has deleted the message meanwhile; it is sent all the same.
    ``simulated`` is true in environments of kind ``test``.
    """

    message: MessageId
    organization: OrganizationId
    environment: EnvironmentId
    inbox: InboxId
    thread: ThreadId | None
    simulated: bool
    reverse_path: str
    recipients: tuple[RelayRecipient, ...]
    octets: bytes
    accepted_at: datetime
    ret: Ret | None = None
    envid: str | None = None
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """What happened to one recipient; several about one follow each other in time.

    ``status`` is an enhanced status code such as ``5.1.1``; ``diagnostic`` what the other server
    said, such as ``smtp; 550 5.1.1 no such user``; ``provider_id`` its name for the message.
    ``retry_after_s`` asks for a time of the next attempt other than the usual one.
    ``notifies`` when the server that took the message sees to its notifications too (RFC 3461
    section 5.2.1).
    """

    recipient: str
    state: OutcomeState
    status: str | None = None
    diagnostic: str | None = None
    provider_id: str | None = None
    retry_after_s: float | None = None
    notifies: bool = False


Action = Literal["failed", "delayed", "delivered", "relayed"]
"""What a sender is told of a recipient (RFC 3464 section 2.3.3), the worst first."""


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What a sender is told of one recipient.

    ``diagnostic`` is ``smtp; text`` in another server's words, or text of our own; ``original``
    the sender's ORCPT, ``type;address``.
    """

    address: str
    action: Action
    status: str
    diagnostic: str | None = None
    original: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the sender of a message is to be told: a delivery status notification to be written.

    ``at`` is when it happened, ``accepted_at`` when the message was submitted.
    """

    reverse_path: str
    recipients: tuple[RecipientStatus, ...]
    at: datetime
    accepted_at: datetime
    retry_until: datetime | None = None
    ret: Ret | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that a settlement writes; ids and thread are added where it is stored."""

    type: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of one attempt to relay, written in one transaction.

    ``job`` and ``attempt`` name the claim under which it was made.
    ``accepted`` when some server took the message in this attempt, which is told once.
    ``again_at`` when recipients are left to be tried; None ends the relay.
    ``report`` when the sender is to be told by mail.
    """

    message: MessageId
    job: int
    attempt: int
    outcomes: tuple[RecipientOutcome, ...]
    events: tuple[NewEvent, ...]
    accepted: bool
    again_at: datetime | None = None
    report: Report | None = None
