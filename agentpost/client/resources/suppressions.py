"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Suppressions:
    """Addresses that are not written to any longer."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def add(
        self,
        *,
        address: str,
        reason: str | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.Suppression:
        """Suppress an address.

        Puts an address on the environment's list: no inbox of it writes there any longer.

        expires_at: null: it stays
        """
        target = "/api/v1/suppressions"
        answer: models.Suppression = self._call(
            Call(
                "POST",
                target,
                models.Suppression,
                body=given(address=address, reason=reason, expires_at=expires_at),
            )
        )
        return answer

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        source: Literal["bounce", "complaint", "manual", "unsubscribe"]
        | NotGiven
        | None = NOT_GIVEN,
        address: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Suppression]:
        """List suppressed addresses.

        The addresses that are suppressed where the key reaches, newest first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/suppressions"
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
                    source=source,
                    address=address,
                ),
            ),
            models.Suppression,
        )

    def remove(
        self,
        address: str,
    ) -> None:
        """Write to an address again.

        Takes an address off the environment's list.
        """
        target = path("/api/v1/suppressions/{}", address)
        self._call(Call("DELETE", target, None))


class AsyncSuppressions:
    """Addresses that are not written to any longer."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def add(
        self,
        *,
        address: str,
        reason: str | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.Suppression:
        """Suppress an address.

        Puts an address on the environment's list: no inbox of it writes there any longer.

        expires_at: null: it stays
        """
        target = "/api/v1/suppressions"
        answer: models.Suppression = await self._call(
            Call(
                "POST",
                target,
                models.Suppression,
                body=given(address=address, reason=reason, expires_at=expires_at),
            )
        )
        return answer

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        source: Literal["bounce", "complaint", "manual", "unsubscribe"]
        | NotGiven
        | None = NOT_GIVEN,
        address: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Suppression]:
        """List suppressed addresses.

        The addresses that are suppressed where the key reaches, newest first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/suppressions"
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
                    source=source,
                    address=address,
                ),
            ),
            models.Suppression,
        )

    async def remove(
        self,
        address: str,
    ) -> None:
        """Write to an address again.

        Takes an address off the environment's list.
        """
        target = path("/api/v1/suppressions/{}", address)
        await self._call(Call("DELETE", target, None))
