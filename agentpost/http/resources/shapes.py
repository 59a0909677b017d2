"""Shapes and phrases that several resources share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agentpost.clock import now, rfc3339
from agentpost.http.conditional import if_match
from agentpost.http.endpoint import Request
from agentpost.model.message import Address
from agentpost.store import checks

Timestamp = Annotated[
    str, Meta(description="RFC 3339 in UTC", extra_json_schema={"format": "date-time"})
]
ClientId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z0-9._~-]+$",
        description="Makes the creation repeatable: the same client_id gives the same object",
    ),
]
Metadata = Annotated[
    dict[str, Any], Meta(max_length=50, description="Notes of your program, not shown to anyone")
]
Line = Annotated[
    str,
    # Checked where it is stored; said here for those who read the description.
    Meta(extra_json_schema={"pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"}),
]
Label = Annotated[Line, Meta(min_length=1, max_length=100)]
Labels = Annotated[list[Label], Meta(max_length=50)]


class AddressBody(msgspec.Struct, frozen=True):
    """An e-mail address with its display name."""

    email: str
    name: str | None = None


EXAMPLE_TIME: Final = "2026-03-08T14:30:00.000Z"


def page_of(example: dict[str, Any]) -> dict[str, Any]:
    """A list of one as it is answered, for the description."""
    return {"response": {"data": [example], "next_cursor": None, "has_more": False}}


def when(moment: datetime | None) -> str | None:
    """A moment as the API writes it."""
    return None if moment is None else rfc3339(moment)


def coming(path: str, moment: datetime | None) -> datetime | None:
    """A moment at which something new is to end.  Raises: UnknownField when it is past."""
    if moment is not None and moment <= now():
        raise checks.refuse(path, "must lie in the future")
    return moment


def people(addresses: tuple[Address, ...]) -> list[AddressBody]:
    """Addresses as the API shows them."""
    return [AddressBody(one.email, one.name) for one in addresses]


def allowed_versions(request: Request[Any, Any]) -> frozenset[str] | None:
    """The versions that If-Match of a request allows; ``None`` for any."""
    return if_match(request.header("if-match"))
