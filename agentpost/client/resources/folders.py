"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Folders:
    """The mailboxes of an inbox, as mail programs see them."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        inbox_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
    ) -> Page[models.Folder]:
        """List folders.

        The folders of an inbox by name, as mail programs see them.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: asc: by name
        """
        target = path("/api/v1/inboxes/{}/folders", inbox_id)
        return Page(
            self._call,
            Call("GET", target, dict, query=given(limit=limit, cursor=cursor, order=order)),
            models.Folder,
        )

    def create(
        self,
        inbox_id: str,
        *,
        name: str,
    ) -> models.Folder:
        """Make a folder.

        Makes a folder, which mail programs show from then on.

        name: Levels are divided by /
        """
        target = path("/api/v1/inboxes/{}/folders", inbox_id)
        answer: models.Folder = self._call(
            Call("POST", target, models.Folder, body=given(name=name))
        )
        return answer

    def update(
        self,
        inbox_id: str,
        folder: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        subscribed: bool | NotGiven = NOT_GIVEN,
    ) -> models.Folder:
        """Rename a folder.

        Renames a folder with all below it, or has mail programs show it or not.

        The special folders keep their names; renaming INBOX moves its messages into a new folder.
        The name in the path is percent-encoded: ``Customers%2FAcme``.

        name: Levels are divided by /
        """
        target = path("/api/v1/inboxes/{}/folders/{}", inbox_id, folder)
        answer: models.Folder = self._call(
            Call("PATCH", target, models.Folder, body=given(name=name, subscribed=subscribed))
        )
        return answer

    def delete(
        self,
        inbox_id: str,
        folder: str,
    ) -> None:
        """Delete a folder.

        Deletes a folder with the messages that are only there, for ever.

        Folders below it stay.  The special folders cannot be deleted.
        """
        target = path("/api/v1/inboxes/{}/folders/{}", inbox_id, folder)
        self._call(Call("DELETE", target, None))


class AsyncFolders:
    """The mailboxes of an inbox, as mail programs see them."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        inbox_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.Folder]:
        """List folders.

        The folders of an inbox by name, as mail programs see them.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: asc: by name
        """
        target = path("/api/v1/inboxes/{}/folders", inbox_id)
        return AsyncPager(
            self._call,
            Call("GET", target, dict, query=given(limit=limit, cursor=cursor, order=order)),
            models.Folder,
        )

    async def create(
        self,
        inbox_id: str,
        *,
        name: str,
    ) -> models.Folder:
        """Make a folder.

        Makes a folder, which mail programs show from then on.

        name: Levels are divided by /
        """
        target = path("/api/v1/inboxes/{}/folders", inbox_id)
        answer: models.Folder = await self._call(
            Call("POST", target, models.Folder, body=given(name=name))
        )
        return answer

    async def update(
        self,
        inbox_id: str,
        folder: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        subscribed: bool | NotGiven = NOT_GIVEN,
    ) -> models.Folder:
        """Rename a folder.

        Renames a folder with all below it, or has mail programs show it or not.

        The special folders keep their names; renaming INBOX moves its messages into a new folder.
        The name in the path is percent-encoded: ``Customers%2FAcme``.

        name: Levels are divided by /
        """
        target = path("/api/v1/inboxes/{}/folders/{}", inbox_id, folder)
        answer: models.Folder = await self._call(
            Call("PATCH", target, models.Folder, body=given(name=name, subscribed=subscribed))
        )
        return answer

    async def delete(
        self,
        inbox_id: str,
        folder: str,
    ) -> None:
        """Delete a folder.

        Deletes a folder with the messages that are only there, for ever.

        Folders below it stay.  The special folders cannot be deleted.
        """
        target = path("/api/v1/inboxes/{}/folders/{}", inbox_id, folder)
        await self._call(Call("DELETE", target, None))
