"""What is there, or is not, contradicts the request."""

from __future__ import annotations

from agentpost.errors.problem import Column, Problem


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


class ConsumerBusy(Problem):
    """A consumer of a polling webhook was given events and has not said what became of them."""

    column = Column(
        "consumer_busy",
        423,
        "INUSE",
        (450, "4.5.0"),
        "The consumer was given events that it has not committed yet.",
        "Commit them, or wait until their lease is over; readers beside each other need names of their own.",
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
