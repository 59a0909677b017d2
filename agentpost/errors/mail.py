"""Messages that may not go, and recipients that cannot get them."""

from __future__ import annotations

from agentpost.errors.problem import Column, Problem


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
