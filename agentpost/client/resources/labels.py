"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Labels:
    """Labels on messages."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        inbox: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Label]:
        """List labels.

        The labels in use where the key reaches, by name; Trash, Junk and Drafts do not count.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: asc: by name
        inbox: Of this inbox only: its id or address
        """
        target = "/api/v1/labels"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, inbox=inbox),
            ),
            models.Label,
        )


class AsyncLabels:
    """Labels on messages."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        inbox: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Label]:
        """List labels.

        The labels in use where the key reaches, by name; Trash, Junk and Drafts do not count.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: asc: by name
        inbox: Of this inbox only: its id or address
        """
        target = "/api/v1/labels"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, inbox=inbox),
            ),
            models.Label,
        )
