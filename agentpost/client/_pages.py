"""Lists: one page at a time, or everything by iterating."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from agentpost.client._calls import Call
from agentpost.client._values import decoded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Rows(Generic[T]):
    data: list[T]
    next_cursor: str | None
    has_more: bool
    details: dict[str, Any]


_PARTS = frozenset({"data", "next_cursor", "has_more"})


def _rows(item: type[T], value: dict[str, Any]) -> _Rows[T]:
    data = [decoded(item, each) for each in value.get("data") or []]
    details = {name: each for name, each in value.items() if name not in _PARTS}
    return _Rows(data, value.get("next_cursor"), bool(value.get("has_more")), details)


def _after(call: Call[Any], cursor: str | None) -> Call[Any]:
    return replace(call, query={**call.query, "cursor": cursor})


class Page(Generic[T]):
    """One page of a list.  Iterating goes on over all pages that follow."""

    def __init__(self, fetch: Callable[[Call[Any]], Any], call: Call[Any], item: type[T]) -> None:
        self._fetch, self._call, self._item = fetch, call, item
        rows = _rows(item, fetch(call))
        self.data: list[T] = rows.data
        """The objects of this page."""
        self.next_cursor: str | None = rows.next_cursor
        self.has_more: bool = rows.has_more
        self.details: dict[str, Any] = rows.details
        """What else the answer says, such as the ``facets`` of a search."""

    def next_page(self) -> Page[T] | None:
        """The page after this one; None when this is the last."""
        if not self.has_more:
            return None
        return Page(self._fetch, _after(self._call, self.next_cursor), self._item)

    def __iter__(self) -> Iterator[T]:
        page: Page[T] | None = self
        while page is not None:
            yield from page.data
            page = page.next_page()

    def __repr__(self) -> str:
        return f"Page({len(self.data)} objects, has_more={self.has_more})"


class AsyncPage(Generic[T]):
    """One page of a list.  ``async for`` goes on over all pages that follow."""

    def __init__(self, pager: AsyncPager[T], rows: _Rows[T]) -> None:
        self._pager = pager
        self.data: list[T] = rows.data
        """The objects of this page."""
        self.next_cursor: str | None = rows.next_cursor
        self.has_more: bool = rows.has_more
        self.details: dict[str, Any] = rows.details
        """What else the answer says, such as the ``facets`` of a search."""

    async def next_page(self) -> AsyncPage[T] | None:
        """The page after this one; None when this is the last."""
        return await self._pager.after(self.next_cursor) if self.has_more else None

    async def __aiter__(self) -> AsyncIterator[T]:
        page: AsyncPage[T] | None = self
        while page is not None:
            for each in page.data:
                yield each
            page = await page.next_page()

    def __repr__(self) -> str:
        return f"AsyncPage({len(self.data)} objects, has_more={self.has_more})"


class AsyncPager(Generic[T]):
    """A list that was asked for: ``await`` gives its first page, ``async for`` all objects."""

    def __init__(self, fetch: Callable[[Call[Any]], Any], call: Call[Any], item: type[T]) -> None:
        self._fetch, self._call, self._item = fetch, call, item

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._page(self._call).__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for each in await self:
            yield each

    async def after(self, cursor: str | None) -> AsyncPage[T]:
        """The page that begins at ``cursor``."""
        return await self._page(_after(self._call, cursor))

    async def _page(self, call: Call[Any]) -> AsyncPage[T]:
        return AsyncPage(self, _rows(self._item, await self._fetch(call)))
