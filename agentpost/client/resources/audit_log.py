"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class AuditLog:
    """Who did what."""

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
        actor: str | NotGiven | None = NOT_GIVEN,
        action: str | NotGiven | None = NOT_GIVEN,
        resource: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.AuditEntry]:
        """List the audit log.

        Who did what to which resource, newest first unless asked otherwise.

        As JSON one page.  With ``Accept: text/csv`` or ``application/x-ndjson`` all that fits the
        filter, from the place of ``cursor`` on and whatever ``limit`` says.  A key that is bound to
        environments or inboxes sees what happened in them.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        actor: The credential that did it, by its id
        action: Such as api_key.created
        resource: The id of what it was done to
        """
        target = "/api/v1/audit-log"
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
                    actor=actor,
                    action=action,
                    resource=resource,
                ),
            ),
            models.AuditEntry,
        )


class AsyncAuditLog:
    """Who did what."""

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
        actor: str | NotGiven | None = NOT_GIVEN,
        action: str | NotGiven | None = NOT_GIVEN,
        resource: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.AuditEntry]:
        """List the audit log.

        Who did what to which resource, newest first unless asked otherwise.

        As JSON one page.  With ``Accept: text/csv`` or ``application/x-ndjson`` all that fits the
        filter, from the place of ``cursor`` on and whatever ``limit`` says.  A key that is bound to
        environments or inboxes sees what happened in them.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        actor: The credential that did it, by its id
        action: Such as api_key.created
        resource: The id of what it was done to
        """
        target = "/api/v1/audit-log"
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
                    actor=actor,
                    action=action,
                    resource=resource,
                ),
            ),
            models.AuditEntry,
        )
