"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentpost.client import _models as models
from agentpost.client._calls import Call, path


class Attachments:
    """Files in messages."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        message_id: str,
    ) -> models.Attachments:
        """List attachments.

        The files of a message in their order; an attached message is one file.
        """
        target = path("/api/v1/messages/{}/attachments", message_id)
        answer: models.Attachments = self._call(Call("GET", target, models.Attachments))
        return answer

    def get(
        self,
        message_id: str,
        attachment_id: str,
    ) -> models.Attachment:
        """Get an attachment's description.

        Name, type and size of one file.
        """
        target = path("/api/v1/messages/{}/attachments/{}", message_id, attachment_id)
        answer: models.Attachment = self._call(Call("GET", target, models.Attachment))
        return answer

    def content(
        self,
        message_id: str,
        attachment_id: str,
    ) -> bytes:
        """Get an attachment.

        The file itself, decoded.  Range, If-Range and If-None-Match are understood.

        It comes from a stranger and is always offered as a download, never to be shown.
        """
        target = path("/api/v1/messages/{}/attachments/{}/content", message_id, attachment_id)
        answer: bytes = self._call(Call("GET", target, bytes))
        return answer


class AsyncAttachments:
    """Files in messages."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def list(
        self,
        message_id: str,
    ) -> models.Attachments:
        """List attachments.

        The files of a message in their order; an attached message is one file.
        """
        target = path("/api/v1/messages/{}/attachments", message_id)
        answer: models.Attachments = await self._call(Call("GET", target, models.Attachments))
        return answer

    async def get(
        self,
        message_id: str,
        attachment_id: str,
    ) -> models.Attachment:
        """Get an attachment's description.

        Name, type and size of one file.
        """
        target = path("/api/v1/messages/{}/attachments/{}", message_id, attachment_id)
        answer: models.Attachment = await self._call(Call("GET", target, models.Attachment))
        return answer

    async def content(
        self,
        message_id: str,
        attachment_id: str,
    ) -> bytes:
        """Get an attachment.

        The file itself, decoded.  Range, If-Range and If-None-Match are understood.

        It comes from a stranger and is always offered as a download, never to be shown.
        """
        target = path("/api/v1/messages/{}/attachments/{}/content", message_id, attachment_id)
        answer: bytes = await self._call(Call("GET", target, bytes))
        return answer
