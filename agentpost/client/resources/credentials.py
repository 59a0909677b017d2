"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Credentials:
    """Passwords of one inbox for mail programs."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        inbox_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
    ) -> Page[models.Credential]:
        """List an inbox's mail credentials.

        The credentials of an inbox that are not revoked, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        """
        target = path("/api/v1/inboxes/{}/credentials", inbox_id)
        return Page(
            self._call,
            Call("GET", target, dict, query=given(limit=limit, cursor=cursor, order=order)),
            models.Credential,
        )

    def create(
        self,
        inbox_id: str,
        *,
        name: str,
        protocols: Sequence[Literal["imap", "smtp"]] | NotGiven = NOT_GIVEN,
        read_only: bool | NotGiven = NOT_GIVEN,
        approver: bool | NotGiven = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.NewCredential:
        """Make a mail credential.

        Makes a further password for the inbox, which is shown only here.

        protocols: Where it may log in
        read_only: It can change nothing over IMAP
        approver: It decides about held messages over IMAP; needs approvals:decide
        """
        target = path("/api/v1/inboxes/{}/credentials", inbox_id)
        answer: models.NewCredential = self._call(
            Call(
                "POST",
                target,
                models.NewCredential,
                body=given(
                    name=name,
                    protocols=protocols,
                    read_only=read_only,
                    approver=approver,
                    expires_at=expires_at,
                ),
            )
        )
        return answer

    def revoke(
        self,
        inbox_id: str,
        credential_id: str,
    ) -> None:
        """Revoke a mail credential.

        Ends a password at once; nobody logs in with it any longer.
        """
        target = path("/api/v1/inboxes/{}/credentials/{}", inbox_id, credential_id)
        self._call(Call("DELETE", target, None))

    def rotate(
        self,
        inbox_id: str,
        credential_id: str,
    ) -> models.NewCredential:
        """Rotate a mail credential.

        Gives a credential a new password, which is shown only here; the old one ends at once.
        """
        target = path("/api/v1/inboxes/{}/credentials/{}/rotate", inbox_id, credential_id)
        answer: models.NewCredential = self._call(Call("POST", target, models.NewCredential))
        return answer


class AsyncCredentials:
    """Passwords of one inbox for mail programs."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        inbox_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.Credential]:
        """List an inbox's mail credentials.

        The credentials of an inbox that are not revoked, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        """
        target = path("/api/v1/inboxes/{}/credentials", inbox_id)
        return AsyncPager(
            self._call,
            Call("GET", target, dict, query=given(limit=limit, cursor=cursor, order=order)),
            models.Credential,
        )

    async def create(
        self,
        inbox_id: str,
        *,
        name: str,
        protocols: Sequence[Literal["imap", "smtp"]] | NotGiven = NOT_GIVEN,
        read_only: bool | NotGiven = NOT_GIVEN,
        approver: bool | NotGiven = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.NewCredential:
        """Make a mail credential.

        Makes a further password for the inbox, which is shown only here.

        protocols: Where it may log in
        read_only: It can change nothing over IMAP
        approver: It decides about held messages over IMAP; needs approvals:decide
        """
        target = path("/api/v1/inboxes/{}/credentials", inbox_id)
        answer: models.NewCredential = await self._call(
            Call(
                "POST",
                target,
                models.NewCredential,
                body=given(
                    name=name,
                    protocols=protocols,
                    read_only=read_only,
                    approver=approver,
                    expires_at=expires_at,
                ),
            )
        )
        return answer

    async def revoke(
        self,
        inbox_id: str,
        credential_id: str,
    ) -> None:
        """Revoke a mail credential.

        Ends a password at once; nobody logs in with it any longer.
        """
        target = path("/api/v1/inboxes/{}/credentials/{}", inbox_id, credential_id)
        await self._call(Call("DELETE", target, None))

    async def rotate(
        self,
        inbox_id: str,
        credential_id: str,
    ) -> models.NewCredential:
        """Rotate a mail credential.

        Gives a credential a new password, which is shown only here; the old one ends at once.
        """
        target = path("/api/v1/inboxes/{}/credentials/{}/rotate", inbox_id, credential_id)
        answer: models.NewCredential = await self._call(Call("POST", target, models.NewCredential))
        return answer
