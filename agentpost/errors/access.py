"""Who may not."""

from __future__ import annotations

from agentpost.errors.problem import Column, Problem


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
        "Ask for a new link with the same request as before; links work for a quarter of an hour.",
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
