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
    "sending", "sent", "delivered", "deferred", "bounced", "complained", "rejected", "failed"
]
"""What a delivery comes to.

``sending``: in doubt, for the next server was given it and its answer was lost.  ``sent``: the
next server took it.  ``delivered``: it reached the recipient.  ``deferred``: not
now.  ``bounced``: refused for ever.  ``complained``: the recipient called it spam.  ``rejected``:
it cannot be sent as it is.  ``failed``: given up after days of ``deferred``.
"""


Resend = Literal["always", "proven", "never"]
"""When an attempt in doubt is followed by another."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """What follows when an answer was lost, or a worker died while it waited for one.

    After ``wait_s`` the message is sent again: ``always``, which may deliver it twice; when it is
    ``proven`` that it was not sent; or ``never``.  What is not sent again is given up after
    ``patience_s`` more, and its sender told that it may have arrived.  ``recheck_s`` is between
    two looks for a proof.
    """

    wait_s: float = 600.0
    resend: Resend = "proven"
    patience_s: float = 3 * 24 * 3600.0
    recheck_s: float = 150.0


@dataclass(frozen=True, slots=True)
class Routing:
    """How messages are taken up: ``relay`` is the deployment's transport, for environments
    without one of their own; an attempt by one of ``once`` is not repeated while in doubt."""

    relay: str
    once: tuple[str, ...]
    doubts: Doubts


@dataclass(frozen=True, slots=True)
class RelayRecipient:
    """A recipient still to be served; ``attempts`` is the number of the attempt it is part of,
    which counts the attempts for the whole message, the present one too."""

    address: str
    attempts: int
    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A recipient of which nobody knows whether it was served, since its attempt began."""

    recipient: RelayRecipient
    since: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for the recipients that have not been served yet.

    ``thread`` is None when the sender has deleted the message meanwhile; it is sent all the same.
    ``simulated`` is true in environments of kind ``test``.
    ``relay`` is the name of its transport, ``attempt`` the number of this attempt.
    ``in_doubt`` are the recipients that must not be offered to anybody now.
    ``release`` is how its sender asked for a later time (``for;seconds`` or ``until;moment``,
    RFC 4865 section 5.1.2).
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
    relay: str = ""
    attempt: int = 1
    in_doubt: tuple[InDoubt, ...] = ()
    release: str | None = None


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """What happened to one recipient; several about one follow each other in time.

    ``status`` is an enhanced status code such as ``5.1.1``; ``diagnostic`` what the other server
    said, such as ``smtp; 550 5.1.1 no such user``; ``provider_id`` its name for the message.
    ``retry_after_s`` asks for a time of the next attempt other than the usual one.
    ``notifies`` when the server that took the message sees to its notifications too (RFC 3461
    section 5.2.1).
    ``attempt`` is the number of the attempt that came to this; an outcome of any other than the
    recipient's last has no effect.
    """

    recipient: str
    state: OutcomeState
    status: str | None = None
    diagnostic: str | None = None
    provider_id: str | None = None
    retry_after_s: float | None = None
    notifies: bool = False
    attempt: int = 0


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
    release: str | None = None


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
