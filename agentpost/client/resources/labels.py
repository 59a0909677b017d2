"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
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

    def rename(
        self,
        label: str,
        *,
        name: str,
        inbox: str | NotGiven | None = NOT_GIVEN,
    ) -> models.LabelChange:
        """Rename a label.

        Renames the label on every message and thread within reach; mail programs see it at once.

        Where the new one is there already, they become one.

        inbox: In this inbox only: its id or address
        """
        target = path("/api/v1/labels/{}", label)
        answer: models.LabelChange = self._call(
            Call(
                "PATCH", target, models.LabelChange, query=given(inbox=inbox), body=given(name=name)
            )
        )
        return answer

    def delete(
        self,
        label: str,
        *,
        inbox: str | NotGiven | None = NOT_GIVEN,
    ) -> models.LabelChange:
        """Delete a label.

        Takes the label off every message and thread within reach; these stay as they are otherwise.

        inbox: In this inbox only: its id or address
        """
        target = path("/api/v1/labels/{}", label)
        answer: models.LabelChange = self._call(
            Call("DELETE", target, models.LabelChange, query=given(inbox=inbox))
        )
        return answer


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

    async def rename(
        self,
        label: str,
        *,
        name: str,
        inbox: str | NotGiven | None = NOT_GIVEN,
    ) -> models.LabelChange:
        """Rename a label.

        Renames the label on every message and thread within reach; mail programs see it at once.

        Where the new one is there already, they become one.

        inbox: In this inbox only: its id or address
        """
        target = path("/api/v1/labels/{}", label)
        answer: models.LabelChange = await self._call(
            Call(
                "PATCH", target, models.LabelChange, query=given(inbox=inbox), body=given(name=name)
            )
        )
        return answer

    async def delete(
        self,
        label: str,
        *,
        inbox: str | NotGiven | None = NOT_GIVEN,
    ) -> models.LabelChange:
        """Delete a label.

        Takes the label off every message and thread within reach; these stay as they are otherwise.

        inbox: In this inbox only: its id or address
        """
        target = path("/api/v1/labels/{}", label)
        answer: models.LabelChange = await self._call(
            Call("DELETE", target, models.LabelChange, query=given(inbox=inbox))
        )
        return answer
