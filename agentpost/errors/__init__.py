"""Every way a request can fail, and what each protocol says about it.

One table, three columns: the IMAP response code (RFC 9051 section 7.1, RFC 5530), the SMTP
reply with its enhanced code (RFC 5321, RFC 3463, RFC 5248) and the HTTP status with our
``code``.  A failure is raised where it is known and caught once per edge.  An exception that is
not a :class:`Problem` is a bug: logged with its traceback, answered ``NO [SERVERBUG]``,
``451 4.3.0`` or 500, and the server lives on.
"""

from __future__ import annotations

from agentpost.errors.access import (
    AuthenticationFailed,
    Expired,
    Forbidden,
    LinkExpired,
    LinkInvalid,
    OwnApproval,
)
from agentpost.errors.bounds import (
    Limit,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    TooLarge,
    TooManyConnections,
)
from agentpost.errors.mail import (
    AddressSyntax,
    BareLineEnding,
    DeliverabilityCritical,
    FromNotAllowed,
    MessageUnacceptable,
    RecipientNotAllowed,
    RecipientSuppressed,
    RecipientUnknown,
    RoutingLoop,
    SendBlocked,
    SenderNotAllowed,
    SendingPaused,
    TooManyRecipients,
)
from agentpost.errors.problem import Column, FieldError, Problem
from agentpost.errors.request import (
    BadCharset,
    InvalidCursor,
    InvalidRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotSupported,
    RangeNotSatisfiable,
    UnknownField,
    UnsupportedMediaType,
)
from agentpost.errors.state import (
    AlreadyExists,
    ApprovalOver,
    ChangesForgotten,
    ClaimLost,
    Conflict,
    ConsumerBusy,
    DestinationNotFound,
    EventsForgotten,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    MailboxNotFound,
    NotFound,
    PreconditionFailed,
    TooManyHeld,
    UnderWay,
)

__all__ = [
    "TABLE",
    "AddressSyntax",
    "AlreadyExists",
    "ApprovalOver",
    "AuthenticationFailed",
    "BadCharset",
    "BareLineEnding",
    "ChangesForgotten",
    "ClaimLost",
    "Column",
    "Conflict",
    "ConsumerBusy",
    "DeliverabilityCritical",
    "DestinationNotFound",
    "EventsForgotten",
    "Expired",
    "FieldError",
    "Forbidden",
    "FromNotAllowed",
    "IdempotencyInFlight",
    "IdempotencyKeyReuse",
    "InvalidCursor",
    "InvalidRequest",
    "Limit",
    "LinkExpired",
    "LinkInvalid",
    "MailboxNotFound",
    "MessageUnacceptable",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "NotSupported",
    "Overloaded",
    "OwnApproval",
    "PreconditionFailed",
    "Problem",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "RateLimited",
    "RecipientNotAllowed",
    "RecipientSuppressed",
    "RecipientUnknown",
    "RoutingLoop",
    "SendBlocked",
    "SenderNotAllowed",
    "SendingPaused",
    "TooLarge",
    "TooManyConnections",
    "TooManyHeld",
    "TooManyRecipients",
    "UnderWay",
    "UnknownField",
    "UnsupportedMediaType",
]

TABLE: dict[str, type[Problem]] = {kind.column.code: kind for kind in Problem.__subclasses__()}
"""Every kind of failure by its code; documentation and tests walk it."""
