"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Events:
    """What happened."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        type: Sequence[str] | NotGiven = NOT_GIVEN,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        after_seq: int | NotGiven | None = NOT_GIVEN,
        payload: Literal["full", "thin"] | NotGiven = NOT_GIVEN,
    ) -> Page[models.Event]:
        """List events.

        The log of what happened where the key reaches, kept for 30 days, newest first.

        With `order=asc` and the `next_cursor` or `after_seq` of what you have, nothing is missed and
        nothing comes twice, however many write meanwhile.  A page whose events are large is shorter
        than `limit`.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        type: One of these types
        inbox_id: Of this inbox: its id or address
        after_seq: Later than this seq
        payload: thin: ids, sender and subject; full: texts too, for a key that may read them
        """
        target = "/api/v1/events"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    after=after,
                    before=before,
                    type=type,
                    inbox_id=inbox_id,
                    after_seq=after_seq,
                    payload=payload,
                ),
            ),
            models.Event,
        )

    def get(
        self,
        event_id: str,
        *,
        payload: Literal["full", "thin"] | NotGiven = NOT_GIVEN,
    ) -> models.Event:
        """Get an event.

        One event, with what its message says now.

        payload: thin: ids, sender and subject; full: texts too, for a key that may read them
        """
        target = path("/api/v1/events/{}", event_id)
        answer: models.Event = self._call(
            Call("GET", target, models.Event, query=given(payload=payload))
        )
        return answer


class AsyncEvents:
    """What happened."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        type: Sequence[str] | NotGiven = NOT_GIVEN,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        after_seq: int | NotGiven | None = NOT_GIVEN,
        payload: Literal["full", "thin"] | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.Event]:
        """List events.

        The log of what happened where the key reaches, kept for 30 days, newest first.

        With `order=asc` and the `next_cursor` or `after_seq` of what you have, nothing is missed and
        nothing comes twice, however many write meanwhile.  A page whose events are large is shorter
        than `limit`.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        type: One of these types
        inbox_id: Of this inbox: its id or address
        after_seq: Later than this seq
        payload: thin: ids, sender and subject; full: texts too, for a key that may read them
        """
        target = "/api/v1/events"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    after=after,
                    before=before,
                    type=type,
                    inbox_id=inbox_id,
                    after_seq=after_seq,
                    payload=payload,
                ),
            ),
            models.Event,
        )

    async def get(
        self,
        event_id: str,
        *,
        payload: Literal["full", "thin"] | NotGiven = NOT_GIVEN,
    ) -> models.Event:
        """Get an event.

        One event, with what its message says now.

        payload: thin: ids, sender and subject; full: texts too, for a key that may read them
        """
        target = path("/api/v1/events/{}", event_id)
        answer: models.Event = await self._call(
            Call("GET", target, models.Event, query=given(payload=payload))
        )
        return answer
