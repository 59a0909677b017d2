"""Requests that cannot be understood."""

from __future__ import annotations

from agentpost.errors.problem import Column, Problem


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
