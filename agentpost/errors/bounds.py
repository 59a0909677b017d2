"""Too much, too large, too often."""

from __future__ import annotations

from agentpost.errors.problem import Column, Problem


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
