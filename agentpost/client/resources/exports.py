"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Exports:
    """Files of mail or of the audit log."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        kind: Literal["audit", "jsonl", "maildir", "mbox"],
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        folder: str | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Export:
        """Ask for an export.

        Begins to write a file of messages, exactly as they were received or sent, or of the audit
        log.  Ask for the export until it is done, then fetch ``download.url``.

        It needs ``messages:read``, or ``audit:read``.  The file holds what the key covers and may see:
        Trash, Junk and what was blocked only with ``trash:read``, ``spam:read``, ``blocked:read``.

        kind: mbox: one file (mboxrd). maildir: a tar archive with folders and flags. jsonl: one message a line, with raw in base64. audit: the audit log, one entry a line
        inbox_id: By id or address; all inboxes that the key covers if left out
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/exports"
        answer: models.Export = self._call(
            Call(
                "POST",
                target,
                models.Export,
                body=given(
                    kind=kind,
                    inbox_id=inbox_id,
                    folder=folder,
                    after=after,
                    before=before,
                    client_id=client_id,
                ),
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
    ) -> Page[models.Export]:
        """List exports.

        The exports of what the key covers, newest first.  They are kept for seven days.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/exports"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Export,
        )

    def get(
        self,
        export_id: str,
    ) -> models.Export:
        """Get an export.

        How far an export is, and when it is done a link to its file: of the bucket where there is
        one, else of this server.
        """
        target = path("/api/v1/exports/{}", export_id)
        answer: models.Export = self._call(Call("GET", target, models.Export))
        return answer


class AsyncExports:
    """Files of mail or of the audit log."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        kind: Literal["audit", "jsonl", "maildir", "mbox"],
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        folder: str | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Export:
        """Ask for an export.

        Begins to write a file of messages, exactly as they were received or sent, or of the audit
        log.  Ask for the export until it is done, then fetch ``download.url``.

        It needs ``messages:read``, or ``audit:read``.  The file holds what the key covers and may see:
        Trash, Junk and what was blocked only with ``trash:read``, ``spam:read``, ``blocked:read``.

        kind: mbox: one file (mboxrd). maildir: a tar archive with folders and flags. jsonl: one message a line, with raw in base64. audit: the audit log, one entry a line
        inbox_id: By id or address; all inboxes that the key covers if left out
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/exports"
        answer: models.Export = await self._call(
            Call(
                "POST",
                target,
                models.Export,
                body=given(
                    kind=kind,
                    inbox_id=inbox_id,
                    folder=folder,
                    after=after,
                    before=before,
                    client_id=client_id,
                ),
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
    ) -> AsyncPager[models.Export]:
        """List exports.

        The exports of what the key covers, newest first.  They are kept for seven days.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/exports"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Export,
        )

    async def get(
        self,
        export_id: str,
    ) -> models.Export:
        """Get an export.

        How far an export is, and when it is done a link to its file: of the bucket where there is
        one, else of this server.
        """
        target = path("/api/v1/exports/{}", export_id)
        answer: models.Export = await self._call(Call("GET", target, models.Export))
        return answer
