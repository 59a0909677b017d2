"""Lists: sealed cursors, limits, order, time filters and the shape of an answer.

A cursor is the sort key of the last row shown, together with a digest of what was asked for, and
a seal (HMAC-SHA-256 over both).  Nobody can make one up to look elsewhere, and one list's cursor
is refused by another list, another filter or another organization.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from agentpost.errors import InvalidCursor
from agentpost.http.endpoint import Query
from agentpost.model.page import Page, PageRequest

T = TypeVar("T")
R = TypeVar("R")

_SEAL_OCTETS: Final = 16
_MAX_CURSOR: Final = 2048
_NOT_FILTERS: Final = frozenset({"limit", "cursor"})

Moment = Annotated[
    datetime,
    Meta(tz=True, description="RFC 3339 with a zone", examples=["2026-03-08T14:30:00Z"]),
]


class ListQuery(Query, frozen=True, forbid_unknown_fields=True):
    """The parameters every list has."""

    aliases: ClassVar[dict[str, str]] = {"page_token": "cursor"}

    limit: Annotated[int, Meta(ge=1, le=100, description="Rows of one page")] = 20
    cursor: Annotated[
        str | None, Meta(description="next_cursor of the page before; alias page_token")
    ] = None
    order: Annotated[Literal["desc", "asc"], Meta(description="desc: newest first")] = "desc"


class TimedListQuery(ListQuery, frozen=True, forbid_unknown_fields=True):
    """A list of what was made at some time."""

    after: Annotated[Moment | None, Meta(description="Made later than this")] = None
    before: Annotated[Moment | None, Meta(description="Made earlier than this")] = None


class ListBody(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    data: list[T]
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last")]
    has_more: bool


class Cursors:
    """Seals and opens cursors with a key of the deployment, shared by all workers."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(b"agentpost list cursor\0" + secret).digest()

    def page(self, query: ListQuery, *place: str) -> PageRequest:
        """The page that a query asks for.  ``place`` names the list: organization, path.

        Raises: InvalidCursor.
        """
        position = None
        if query.cursor is not None:
            position = self.open(query.cursor, filter_digest(query, place))
        page = PageRequest(query.limit, query.order == "desc", position)
        if isinstance(query, TimedListQuery):
            return replace(page, after=query.after, before=query.before)
        return page

    def body(
        self, page: Page[R], shape: Callable[[R], T], query: ListQuery, *place: str
    ) -> ListBody[T]:
        """The answer that shows ``page``, each row in its ``shape``."""
        cursor = self.following(page, query, *place)
        return ListBody([shape(row) for row in page.rows], cursor, cursor is not None)

    def following(self, page: Page[R], query: ListQuery, *place: str) -> str | None:
        """The cursor of the page after ``page``; None when it is the last."""
        if page.next_position is None:
            return None
        return self.seal(page.next_position, filter_digest(query, place))

    def seal(self, position: tuple[str, ...], digest: bytes) -> str:
        """A cursor for a sort key within the list that ``digest`` describes."""
        content = msgspec.msgpack.encode(position)
        return urlsafe_b64encode(self._seal(content, digest) + content).decode("ascii").rstrip("=")

    def open(self, cursor: str, digest: bytes) -> tuple[str, ...]:
        """The sort key within ``cursor``.

        Raises: InvalidCursor when it was not sealed here for the same list.
        """
        if len(cursor) > _MAX_CURSOR or not cursor.isascii():
            raise InvalidCursor
        try:
            octets = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise InvalidCursor from None
        seal, content = octets[:_SEAL_OCTETS], octets[_SEAL_OCTETS:]
        if not hmac.compare_digest(seal, self._seal(content, digest)):
            raise InvalidCursor
        return msgspec.msgpack.decode(content, type=tuple[str, ...])

    def _seal(self, content: bytes, digest: bytes) -> bytes:
        return hmac.digest(self._key, digest + content, "sha256")[:_SEAL_OCTETS]


def filter_digest(query: msgspec.Struct, place: Iterable[str]) -> bytes:
    """SHA-256 of a list's place and of all parameters that choose or order its rows."""
    chosen: dict[str, Any] = {
        name: getattr(query, name) for name in query.__struct_fields__ if name not in _NOT_FILTERS
    }
    canonical = msgspec.json.encode([list(place), chosen], order="deterministic")
    return hashlib.sha256(canonical).digest()


def cut(rows: Sequence[R], page: PageRequest, key: Callable[[R], str]) -> Page[R]:
    """One page of a list that is small enough to be read whole.

    ``key`` is what orders the rows; no two share one.
    """
    ordered = sorted(rows, key=key, reverse=page.descending)
    if page.position is not None:
        last = page.position[0]
        ordered = [
            row for row in ordered if (key(row) < last if page.descending else key(row) > last)
        ]
    shown = tuple(ordered[: page.limit])
    return Page(shown, (key(shown[-1]),) if len(ordered) > page.limit else None)
