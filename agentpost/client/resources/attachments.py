"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._values import NOT_GIVEN, NotGiven, given


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

        It comes from a stranger and is always offered as a download, never to be shown.  With
        ``presigned=true`` the answer is JSON with a URL that gives it for a quarter of an hour, without a key.
        """
        target = path("/api/v1/messages/{}/attachments/{}/content", message_id, attachment_id)
        answer: bytes = self._call(Call("GET", target, bytes))
        return answer

    def link(
        self,
        message_id: str,
        attachment_id: str,
    ) -> dict[str, Any]:
        """A link to the same, which opens for a while without a key."""
        target = path("/api/v1/messages/{}/attachments/{}/content", message_id, attachment_id)
        answer: dict[str, Any] = self._call(Call("GET", target, dict, query=given(presigned=True)))
        return answer

    def get_upload_url(
        self,
        *,
        filename: str,
        size: int,
        mime_type: str | NotGiven | None = NOT_GIVEN,
        sha256: str | NotGiven | None = NOT_GIVEN,
    ) -> models.UploadUrl:
        """Announce a file to upload.

        The first of two steps: gives the file a key, and a URL that takes its octets by PUT.

        The URL is that of the bucket where one is configured, else of this server.  The key belongs to
        the environment; it may be attached to messages for 24 hours, then the file is removed.

        size: Octets, exactly
        """
        target = "/api/v1/attachments/upload-url"
        answer: models.UploadUrl = self._call(
            Call(
                "POST",
                target,
                models.UploadUrl,
                body=given(filename=filename, size=size, mime_type=mime_type, sha256=sha256),
            )
        )
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

        It comes from a stranger and is always offered as a download, never to be shown.  With
        ``presigned=true`` the answer is JSON with a URL that gives it for a quarter of an hour, without a key.
        """
        target = path("/api/v1/messages/{}/attachments/{}/content", message_id, attachment_id)
        answer: bytes = await self._call(Call("GET", target, bytes))
        return answer

    async def link(
        self,
        message_id: str,
        attachment_id: str,
    ) -> dict[str, Any]:
        """A link to the same, which opens for a while without a key."""
        target = path("/api/v1/messages/{}/attachments/{}/content", message_id, attachment_id)
        answer: dict[str, Any] = await self._call(
            Call("GET", target, dict, query=given(presigned=True))
        )
        return answer

    async def get_upload_url(
        self,
        *,
        filename: str,
        size: int,
        mime_type: str | NotGiven | None = NOT_GIVEN,
        sha256: str | NotGiven | None = NOT_GIVEN,
    ) -> models.UploadUrl:
        """Announce a file to upload.

        The first of two steps: gives the file a key, and a URL that takes its octets by PUT.

        The URL is that of the bucket where one is configured, else of this server.  The key belongs to
        the environment; it may be attached to messages for 24 hours, then the file is removed.

        size: Octets, exactly
        """
        target = "/api/v1/attachments/upload-url"
        answer: models.UploadUrl = await self._call(
            Call(
                "POST",
                target,
                models.UploadUrl,
                body=given(filename=filename, size=size, mime_type=mime_type, sha256=sha256),
            )
        )
        return answer
