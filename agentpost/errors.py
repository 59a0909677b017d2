"""Every way a request can fail, and what each protocol says about it.

One table, three columns: the IMAP response code (RFC 9051 section 7.1, RFC 5530), the SMTP
reply with its enhanced code (RFC 5321, RFC 3463, RFC 5248) and the HTTP status with our
``code``.  A failure is raised where it is known and caught once per edge.  An exception that is
not a :class:`Problem` is a bug: logged with its traceback, answered ``NO [SERVERBUG]``,
``451 4.3.0`` or 500, and the server lives on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Column:
    """How one kind of failure reads on the three protocols."""

    code: str
    http: int
    imap: str | None
    smtp: tuple[int, str]
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that is wrong; ``path`` is a JSON path such as ``to[0].email``."""

    path: str
    message: str


class Problem(Exception):
    """A failure that a client is told about.

    ``message`` says what is wrong in this case, ``fix`` what the caller can do; both default to
    the table's text and never hold a credential or a body.  ``retry_after`` is in seconds.
    """

    column: ClassVar[Column]

    def __init__(
        self,
        message: str | None = None,
        *,
        fix: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        self.message = message or self.column.message
        self.fix = fix or self.column.fix
        self.errors = errors
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def code(self) -> str:
        return self.column.code


class InvalidRequest(Problem):
    """The request is not well formed."""

    column = Column(
        "invalid_request",
        400,
        "CLIENTBUG",
        (501, "5.5.4"),
        "The request is not well formed.",
        "Compare the request with the API reference and correct the named field.",
    )


class InvalidCursor(Problem):
    """The cursor is not valid for this list."""

    column = Column(
        "invalid_cursor",
        400,
        "CLIENTBUG",
        (501, "5.5.4"),
        "The cursor is not valid for this list.",
        "Use next_cursor of the same list with the same filters, or start without a cursor.",
    )


class ChangesForgotten(Problem):
    """What happened so long ago is not known any longer."""

    column = Column(
        "changes_forgotten",
        410,
        "CLIENTBUG",
        (554, "5.5.0"),
        "Some of what was destroyed after this modseq is not known any longer.",
        "Begin anew with since=0, and drop what you hold of the inbox that is not told again.",
    )


class EventsForgotten(Problem):
    """The event log does not reach back so far any longer."""

    column = Column(
        "events_forgotten",
        410,
        "CLIENTBUG",
        (554, "5.5.0"),
        "Some of what happened after this seq is not in the event log any longer.",
        "Begin anew without a seq, or with 0 for all that is still known, and read what there is.",
    )


class UnknownField(Problem):
    """Some fields of the request are not valid."""

    column = Column(
        "validation_failed",
        422,
        "CLIENTBUG",
        (501, "5.5.4"),
        "Some fields of the request are not valid.",
        "Correct the fields named in errors; their paths say where they are.",
    )


class AuthenticationFailed(Problem):
    """The credentials are missing or not valid."""

    column = Column(
        "unauthenticated",
        401,
        "AUTHENTICATIONFAILED",
        (535, "5.7.8"),
        "The credentials are missing or not valid.",
        "Send a valid, unexpired key as 'Authorization: Bearer ap_sk_...'; over IMAP and SMTP the user name is the inbox address.",
    )


class Forbidden(Problem):
    """The credential does not permit this."""

    column = Column(
        "forbidden",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "The credential does not permit this.",
        "Use a key that holds the scope named in the message.",
    )


class LinkInvalid(Problem):
    """The link is not one of ours, or not for this."""

    column = Column(
        "link_invalid",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "The link is damaged, or was not made by this server.",
        "Use the whole URL exactly as it was given, with the method that it was given for.",
    )


class LinkExpired(Problem):
    """The link has ended."""

    column = Column(
        "link_expired",
        403,
        "EXPIRED",
        (550, "5.7.1"),
        "The link has expired.",
        "Ask for a new link with the same request as before; links work for an hour.",
    )


class NotFound(Problem):
    """There is no such resource."""

    column = Column(
        "not_found",
        404,
        "NONEXISTENT",
        (550, "5.1.1"),
        "There is no such resource.",
        "Check the id and the environment of the key; deleted resources are not found.",
    )


class MailboxNotFound(Problem):
    """There is no such mailbox."""

    column = Column(
        "folder_not_found",
        404,
        "NONEXISTENT",
        (550, "5.1.1"),
        "There is no such mailbox.",
        "List the mailboxes of the inbox and use one of their names.",
    )


class DestinationNotFound(Problem):
    """The destination mailbox does not exist."""

    column = Column(
        "destination_not_found",
        404,
        "TRYCREATE",
        (550, "5.1.1"),
        "The destination mailbox does not exist.",
        "Create the mailbox first.",
    )


class RecipientUnknown(Problem):
    """The recipient does not exist here."""

    column = Column(
        "recipient_unknown",
        422,
        "NONEXISTENT",
        (550, "5.1.1"),
        "The recipient does not exist here.",
        "Check the address for typing errors.",
    )


class MethodNotAllowed(Problem):
    """This path does not have that method."""

    column = Column(
        "method_not_allowed",
        405,
        "CANNOT",
        (502, "5.5.1"),
        "This path does not have that method.",
        "Use one of the methods named in the Allow header.",
    )


class NotAcceptable(Problem):
    """None of the accepted media types can be produced."""

    column = Column(
        "not_acceptable",
        406,
        "CANNOT",
        (501, "5.5.4"),
        "None of the accepted media types can be produced.",
        "Accept application/json.",
    )


class Conflict(Problem):
    """The resource is in a state that does not allow this."""

    column = Column(
        "conflict",
        409,
        "ALREADYEXISTS",
        (550, "5.5.0"),
        "The resource is in a state that does not allow this.",
        "Fetch the resource again and repeat the change on its present state.",
    )


class AlreadyExists(Problem):
    """A resource with this name exists already."""

    column = Column(
        "already_exists",
        409,
        "ALREADYEXISTS",
        (550, "5.5.0"),
        "A resource with this name exists already.",
        "Choose another name, or use the existing one.",
    )


class IdempotencyInFlight(Problem):
    """A request with this Idempotency-Key is being executed."""

    column = Column(
        "idempotency_in_flight",
        409,
        "INUSE",
        (451, "4.3.0"),
        "A request with this Idempotency-Key is being executed.",
        "Repeat the request after a second with the same key.",
    )


class IdempotencyKeyReuse(Problem):
    """This Idempotency-Key was used for a different request."""

    column = Column(
        "idempotency_key_reuse",
        409,
        "CLIENTBUG",
        (550, "5.5.0"),
        "This Idempotency-Key was used for a different request.",
        "Use a new key for a new request, and the same key only for exact repetitions.",
    )


class PreconditionFailed(Problem):
    """The resource has changed since the version in If-Match."""

    column = Column(
        "precondition_failed",
        412,
        "INUSE",
        (451, "4.3.0"),
        "The resource has changed since the version in If-Match.",
        "Fetch the resource again and send its new ETag.",
    )


class TooLarge(Problem):
    """The message is larger than this server accepts."""

    column = Column(
        "too_large",
        413,
        "TOOBIG",
        (552, "5.3.4"),
        "The message is larger than this server accepts.",
        "Keep the whole message, attachments included, under the limit; host larger files elsewhere and link them.",
    )


class RangeNotSatisfiable(Problem):
    """The range lies outside the content."""

    column = Column(
        "range_not_satisfiable",
        416,
        "CANNOT",
        (501, "5.5.4"),
        "The range lies outside the content.",
        "Ask for a range within the size that Content-Range names, or for all of it.",
    )


class UnsupportedMediaType(Problem):
    """The body's media type is not supported."""

    column = Column(
        "unsupported_media_type",
        415,
        "CANNOT",
        (554, "5.6.1"),
        "The body's media type is not supported.",
        "Send application/json.",
    )


class MessageUnacceptable(Problem):
    """The message cannot be accepted as it is."""

    column = Column(
        "message_unacceptable",
        422,
        "CANNOT",
        (550, "5.6.0"),
        "The message cannot be accepted as it is.",
        "Correct the message as the error says and send it again.",
    )


class BareLineEnding(Problem):
    """The message holds a bare CR, a bare LF or a NUL."""

    column = Column(
        "bare_line_ending",
        422,
        "CANNOT",
        (550, "5.6.11"),
        "The message holds a bare CR, a bare LF or a NUL.",
        "End every line with CR LF and encode other uses of these octets.",
    )


class RoutingLoop(Problem):
    """The message has passed too many servers: a routing loop."""

    column = Column(
        "routing_loop",
        422,
        "CANNOT",
        (554, "5.4.6"),
        "The message has passed too many servers: a routing loop.",
        "Look for a forwarding loop between the servers named in the Received fields.",
    )


class SenderNotAllowed(Problem):
    """The sender address does not belong to the authenticated inbox."""

    column = Column(
        "sender_not_allowed",
        403,
        "NOPERM",
        (553, "5.7.1"),
        "The sender address does not belong to the authenticated inbox.",
        "Send from the inbox's own address.",
    )


class FromNotAllowed(Problem):
    """The From header names an address that does not belong to the inbox."""

    column = Column(
        "from_not_allowed",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "The From header names an address that does not belong to the inbox.",
        "Put only the inbox's own address into From and Sender.",
    )


class AddressSyntax(Problem):
    """The address is not valid."""

    column = Column(
        "invalid_address",
        422,
        "CLIENTBUG",
        (553, "5.1.3"),
        "The address is not valid.",
        "Write the address as local-part@domain.",
    )


class TooManyRecipients(Problem):
    """The message has too many recipients."""

    column = Column(
        "too_many_recipients",
        422,
        "LIMIT",
        (452, "4.5.3"),
        "The message has too many recipients.",
        "Split the message into several with fewer recipients each.",
    )


class RecipientSuppressed(Problem):
    """The recipient is on the suppression list."""

    column = Column(
        "recipient_suppressed",
        422,
        "CANNOT",
        (550, "5.7.1"),
        "The recipient is on the suppression list.",
        "Remove the address from the suppression list when it may receive mail again.",
    )


class SendBlocked(Problem):
    """A filter rule blocks mail to the recipient."""

    column = Column(
        "send_block",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "A filter rule blocks mail to the recipient.",
        "Ask POST /filter-rules/check which rule decides, and change it or add a more specific one.",
    )


class RecipientNotAllowed(Problem):
    """Only some recipients are allowed, and this one is not among them."""

    column = Column(
        "not_allowed",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "Only some recipients are allowed, and this one is not among them.",
        "Add a filter rule that allows the recipient, or remove the one that blocks everyone.",
    )


class DeliverabilityCritical(Problem):
    """The bounces and complaints of the inbox are above what may be sent on with."""

    column = Column(
        "deliverability_critical",
        409,
        "NOPERM",
        (550, "5.7.1"),
        "The bounces and complaints of the inbox are above what may be sent on with.",
        "Look at GET /inboxes/{inbox}/deliverability, mend the list of recipients, and resume with force and a key that holds org:write.",
    )


class SendingPaused(Problem):
    """Sending from this inbox is paused."""

    column = Column(
        "inbox_paused",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "Sending from this inbox is paused.",
        "Look at paused_reason of the inbox, cure the cause and resume it.",
    )


class QuotaExceeded(Problem):
    """The organization's quota is used up."""

    column = Column(
        "quota_exceeded",
        402,
        "OVERQUOTA",
        (452, "4.2.2"),
        "The organization's quota is used up.",
        "Wait until the quota renews, or raise the tier's limits in the configuration.",
    )


class RateLimited(Problem):
    """Too many requests."""

    column = Column(
        "rate_limited",
        429,
        "LIMIT",
        (451, "4.7.1"),
        "Too many requests.",
        "Wait for the time in Retry-After and send less often.",
    )


class TooManyConnections(Problem):
    """Too many connections."""

    column = Column(
        "too_many_connections",
        429,
        "LIMIT",
        (421, "4.7.0"),
        "Too many connections.",
        "Close connections that are not used, or raise the limit of the inbox.",
    )


class Limit(Problem):
    """A limit of this server is reached."""

    column = Column(
        "limit_reached",
        422,
        "LIMIT",
        (452, "4.5.3"),
        "A limit of this server is reached.",
        "Use fewer or smaller items in one request.",
    )


class Expired(Problem):
    """The credential has expired (RFC 6750 section 3.1: over HTTP that is 401)."""

    column = Column(
        "expired",
        401,
        "EXPIRED",
        (535, "5.7.8"),
        "The credential has expired.",
        "Create a new credential.",
    )


class TooManyHeld(Problem):
    """Too many messages of the inbox wait (RFC 4865 section 6: X.7.16)."""

    column = Column(
        "too_many_held",
        422,
        "OVERQUOTA",
        (552, "5.7.16"),
        "Too many messages of this inbox wait for approval or for their time.",
        "Decide about messages that wait, cancel some, or send this one at once.",
    )


class OwnApproval(Problem):
    """Who wants a message sent cannot approve it."""

    column = Column(
        "own_approval",
        403,
        "NOPERM",
        (550, "5.7.1"),
        "The credential that wants a message sent cannot decide about it.",
        "Let somebody else decide; to take the message back, cancel it.",
    )


class ApprovalOver(Problem):
    """The approval has been decided or has expired."""

    column = Column(
        "approval_over",
        409,
        "CANNOT",
        (550, "5.5.0"),
        "The approval has been decided, withdrawn or has expired.",
        "Look at its status; to send the message all the same, send it again.",
    )


class ClaimLost(Problem):
    """The lease on a message is over."""

    column = Column(
        "claim_lost",
        409,
        "CANNOT",
        (550, "5.5.0"),
        "The lease on this message is over.",
        "Stop working on the message and claim again; extend the next lease before it ends.",
    )


class UnderWay(Problem):
    """The message cannot be cancelled any longer."""

    column = Column(
        "under_way",
        409,
        "CANNOT",
        (550, "5.5.0"),
        "The message is on its way: a recipient's server has it, or is being given it.",
        "It cannot be cancelled any longer; look at its delivery for who has it.",
    )


class NotSupported(Problem):
    """What another product has, and this one has not."""

    column = Column(
        "not_supported",
        501,
        "CANNOT",
        (502, "5.5.1"),
        "This server does not have that.",
        "Leave it out; docs/agentmail.md says what there is and what to use instead.",
    )


class BadCharset(Problem):
    """The charset is not supported."""

    column = Column(
        "bad_charset",
        400,
        "BADCHARSET (UTF-8 US-ASCII)",
        (501, "5.5.4"),
        "The charset is not supported.",
        "Use UTF-8.",
    )


class Overloaded(Problem):
    """The server cannot do this now."""

    column = Column(
        "unavailable",
        503,
        "UNAVAILABLE",
        (451, "4.3.2"),
        "The server cannot do this now.",
        "Repeat the request after a short while.",
    )


TABLE: dict[str, type[Problem]] = {kind.column.code: kind for kind in Problem.__subclasses__()}
"""Every kind of failure by its code; documentation and tests walk it."""
