"""What a mail that reports on another one says: bounces, delays, receipts, complaints.

Sources: RFC 3464 section 2.3.3 (actions), RFC 3463 (status codes), RFC 5965 (complaints).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReportedAction = Literal["failed", "complained", "delayed", "delivered", "relayed", "expanded"]
"""What is said of a recipient, the worst first; ``complained`` is a complaint's, the others are
RFC 3464's."""

BounceType = Literal["permanent", "transient", "undetermined"]
"""Whether another attempt could succeed, as far as the report says."""


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """What a report says of one recipient.

    ``addresses`` are the names it gives him, the final one first: a server that passed the mail on
    knows him by another one.  ``status`` is an enhanced status code such as ``5.1.1``;
    ``diagnostic`` the other server's words, on one line and bounded.
    """

    addresses: tuple[str, ...]
    action: ReportedAction
    status: str | None = None
    diagnostic: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report on a message that somebody sent, as it was understood; nothing of it is proven.

    ``form`` names the way it was written: ``dsn``, ``arf``, or a free form such as ``qmail``.
    ``original_ids`` are Message-IDs that may be the message's, without brackets, the best first.
    ``envid`` is the envelope identifier that its sender gave.
    """

    form: str
    recipients: tuple[ReportedRecipient, ...]
    original_ids: tuple[str, ...] = ()
    envid: str | None = None
    reporting_mta: str | None = None
    feedback_type: str | None = None
    feedback_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a report on one of our messages means for one recipient.

    ``state`` is the delivery's new state; None leaves it and only adds to its history, where
    ``noted`` stands.  ``bounce_type`` and ``sub_type`` are told with a bounce.
    """

    addresses: tuple[str, ...]
    noted: str
    state: str | None
    status: str | None = None
    diagnostic: str | None = None
    bounce_type: BounceType | None = None
    sub_type: str | None = None
